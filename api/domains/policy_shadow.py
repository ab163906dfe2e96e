"""A policy in the shadow: put there, ended, and how it and the live one compare."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

import strawberry

from api.context import Info
from api.describe import mutation, resolver
from api.domains.common import After, First, page_rows
from api.domains.policy_book import PolicyText, parsed
from api.domains.policy_cost import AccountMove, move_of
from api.pages import DEFAULT_PAGE, Connection
from api.scalars import Instant
from integrity import shadow


@strawberry.type(description="A policy that decides next to the live one, seen by no reader.")
class ShadowPolicy:
    """As in integrity.shadow.Shadow."""

    version: str = strawberry.field(description="The policy's version.")
    digest: str = strawberry.field(description="SHA-256 of the policy.")
    since: Instant = strawberry.field(description="Since when it is, or was, in the shadow.")
    by: str = strawberry.field(description="Who put it there.")


@strawberry.type(description="How many accounts later verdicts call abusive or honest, or do not speak of.")
class VerdictCount:
    """One verdict."""

    verdict: str = strawberry.field(description="`abusive`, `honest` or `none`.")
    accounts: int = strawberry.field(description="How many accounts.")


@strawberry.type(description="One run as the live policy and the one in the shadow decided it.")
class ShadowedRun:
    """As in integrity.shadow.ShadowRun."""

    run_id: strawberry.ID = strawberry.field(description="The run.")
    as_of: Instant = strawberry.field(description="The instant that it looked at.")
    live: str = strawberry.field(description="Version of the live policy.")
    shadow: str = strawberry.field(description="Version of the one in the shadow.")
    accounts: int = strawberry.field(description="Accounts.")
    live_limited: int = strawberry.field(description="Accounts that the live one limited.")
    shadow_limited: int = strawberry.field(description="Accounts that the one in the shadow would have limited.")
    only_live_limits: int = strawberry.field(description="Accounts that only the live one limited.")
    only_shadow_limits: int = strawberry.field(description="Accounts that only the one in the shadow would have.")
    digest: str = strawberry.field(description="SHA-256 of all that the shadow decided.")
    of: strawberry.Private[tuple[tuple[str, str, str], ...]]

    @resolver("Accounts that the two treat otherwise: before is by the live policy, after by the one in the shadow.")
    def differ(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[AccountMove]:
        """A page of accounts."""
        context = info.context
        rows = sorted(({"id": buyer, "before": live, "after": other} for buyer, live, other in self.of), key=_id)
        cut, page = page_rows(context, f"shadow of {self.run_id}", rows, "id", first=first, after=after)
        for row in cut:
            context.saw("account", row["id"])
        return page.of([move_of({"buyer_id": row["id"], **row}) for row in cut])


@strawberry.type(description="What a policy decided in the shadow, beside the live one.")
class ShadowReport:
    """As in integrity.shadow.ShadowReport."""

    policy: ShadowPolicy = strawberry.field(description="The policy.")
    only_shadow_limits: list[VerdictCount] = strawberry.field(
        description="Accounts that only it would have limited, by later verdict."
    )
    only_live_limits: list[VerdictCount] = strawberry.field(
        description="Accounts that only the live one limited, by later verdict."
    )
    every: strawberry.Private[tuple[shadow.ShadowRun, ...]]

    @resolver("The runs that it decided, oldest first.")
    def runs(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[ShadowedRun]:
        """A page of runs."""
        rows = [{"id": f"{number:06d}", "run": run} for number, run in enumerate(self.every)]
        cut, page = page_rows(info.context, f"shadow {self.policy.digest}", rows, "id", first=first, after=after)
        return page.of([_run(row["run"]) for row in cut])


def _id(row: Mapping[str, str]) -> str:
    return row["id"]


def _policy(one: shadow.Shadow) -> ShadowPolicy:
    return ShadowPolicy(version=one.version, digest=one.digest, since=Instant(one.since), by=one.by)


def _verdicts(counted: Mapping[str, int]) -> list[VerdictCount]:
    return [VerdictCount(verdict=name, accounts=count) for name, count in counted.items()]


def _run(one: shadow.ShadowRun) -> ShadowedRun:
    return ShadowedRun(
        run_id=strawberry.ID(one.run_id),
        as_of=Instant(one.as_of),
        live=one.live,
        shadow=one.shadow,
        accounts=one.accounts,
        live_limited=one.live_limited,
        shadow_limited=one.shadow_limited,
        only_live_limits=len(one.only(shadow=False)),
        only_shadow_limits=len(one.only(shadow=True)),
        digest=one.digest,
        of=one.differ,
    )


@strawberry.type
class PolicyShadowQuery:
    """Root fields that tell of the shadow."""

    @resolver(
        "How the policy in the shadow, or one that was, compares with the live one on each run, and what later "
        "verdicts say of the accounts on which they differ. It reads all records."
    )
    async def shadow_report(
        self,
        info: Info,
        digest: Annotated[
            str | None, strawberry.argument(description="First digits of a policy's digest; the latest without it.")
        ] = None,
    ) -> ShadowReport:
        """A report, off the event loop."""
        store = info.context.state.store
        found = await asyncio.to_thread(lambda: shadow.shadow_report(store, digest=digest))
        return ShadowReport(
            policy=_policy(found.shadow),
            only_shadow_limits=_verdicts(found.only_shadow),
            only_live_limits=_verdicts(found.only_live),
            every=found.runs,
        )


@strawberry.type
class PolicyShadowMutation:
    """Root fields that put a policy in the shadow, and end that."""

    @mutation("Let a policy decide next to the live one on every run from now on, in place of one that does.")
    def shadow_policy(self, info: Info, text: PolicyText) -> ShadowPolicy:
        """The policy in the shadow."""
        context = info.context
        policy, key = parsed(text, "policy"), context.state.affairs.book.signing_key
        now = context.state.now()
        made = shadow.start_shadow(context.state.store, policy, by=context.actor, now=now, signing_key=key)
        context.state.refresh()
        return _policy(made)

    @mutation("End the shadow; what it decided stays to be reported on.")
    def stop_shadow(self, info: Info) -> ShadowPolicy:
        """The policy that was in the shadow."""
        context = info.context
        key, now = context.state.affairs.book.signing_key, context.state.now()
        ended = shadow.stop_shadow(context.state.store, by=context.actor, now=now, signing_key=key)
        context.state.refresh()
        return _policy(ended)
