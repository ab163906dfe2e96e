"""Rates of stores, as they are and without proven abuse: for investigators, and for a store of itself."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.common import After, First, page_rows
from api.pages import DEFAULT_PAGE, Connection
from api.scalars import Instant
from integrity import rates as rules
from integrity.judgements import Said

Days = Annotated[
    int | None,
    strawberry.argument(description="Length of the window in days, 1 to 3,650; the policy's where not given."),
]
Until = Annotated[Instant | None, strawberry.argument(description="End of the window; now where not given.")]


@strawberry.enum(description="Why a claim is left out of a store's rates.")
class ExcludedReason(Enum):
    """Reasons, as in integrity.rates.Excluded."""

    COMPLAINT_UPHELD = choice("complaint_upheld", "A report of the claim was upheld.")
    ACCOUNT_JUDGED = choice("account_judged", "A person judged its account abusive.")
    ACCOUNT_LIMITED = choice("account_limited", "The published run limits its account there, surely enough.")


@strawberry.enum(description="Why a claim is left out of the store's rates, as the store is told.")
class MyExcludedReason(Enum):
    """Reasons; all that rests on the account is the platform's check."""

    COMPLAINT_UPHELD = choice("complaint_upheld", "Your report of the claim was upheld.")
    PLATFORM_CHECK = choice("platform_check", "The platform's check.")


@strawberry.type(description="Orders of a window, the claims on them, and the rates they give; null without orders.")
class Rates:
    """As in integrity.rates.Counts."""

    orders: int = strawberry.field(description="Orders whose parcel was signed for in the window.")
    claims: int = strawberry.field(description="Of these, with a claim that the buyer did not take back.")
    refund_rate: float | None = strawberry.field(description="Claims by order.")
    quality_rate: float | None = strawberry.field(description="Claims whose reason speaks of the goods, by order.")
    dispute_rate: float | None = strawberry.field(description="Claims that were refused, by order.")


@strawberry.type(description="A claim left out of a store's rates.")
class ExcludedClaim:
    """As in integrity.rates.LeftOut."""

    refund_id: strawberry.ID = strawberry.field(description="The claim.")
    order_id: strawberry.ID = strawberry.field(description="Its order, which is left out with it.")
    reason: ExcludedReason = strawberry.field(description="Why.")


@strawberry.type(description="A claim left out of the store's rates.")
class MyExcludedClaim:
    """A claim left out, as its store is told."""

    refund_id: strawberry.ID = strawberry.field(description="The claim.")
    order_id: strawberry.ID = strawberry.field(description="Its order, which is left out with it.")
    reason: MyExcludedReason = strawberry.field(description="Why.")


@strawberry.type(description="Rates of a store over a window, as they are and without proven abuse.")
class StoreRates:
    """As in integrity.rates.StoreRates."""

    since: Instant = strawberry.field(description="Begin of the window.")
    until: Instant = strawberry.field(description="End of the window.")
    raw: Rates = strawberry.field(description="As they are.")
    without_abuse: Rates = strawberry.field(description="Without claims of proven abuse and their orders.")
    entitled: bool = strawberry.field(description="Whether the store's score lets abuse be left out for it.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that they rest on; null before any.")
    policy: str = strawberry.field(description="The version of the policy that they rest on.")
    found: strawberry.Private[rules.StoreRates]

    @resolver("What was left out and why, by claim id.")
    def excluded(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[ExcludedClaim]:
        """Claims left out, paged."""
        rows = [{"refund_id": one.refund_id, "one": one} for one in self.found.left_out]
        name = f"excluded:{self.found.store_id}"
        cut, page = page_rows(info.context, name, rows, "refund_id", first=first, after=after)
        for row in cut:
            info.context.saw("refund", row["refund_id"])
        return page.of(
            [
                ExcludedClaim(refund_id=one.refund_id, order_id=one.order_id, reason=ExcludedReason(one.reason.value))
                for one in (row["one"] for row in cut)
            ]
        )


@strawberry.type(description="The store's own rates over a window.")
class MyRates:
    """As in integrity.rates.StoreRates, as its store is told."""

    since: Instant = strawberry.field(description="Begin of the window.")
    until: Instant = strawberry.field(description="End of the window.")
    raw: Rates = strawberry.field(description="As they are.")
    without_abuse: Rates | None = strawberry.field(
        description="Without claims of proven abuse and their orders; null where your score does not allow it."
    )
    policy: str = strawberry.field(description="The version of the policy that they rest on.")
    found: strawberry.Private[rules.StoreRates]

    @resolver("What was left out and why, by claim id; empty where your score does not let anything be left out.")
    def excluded(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[MyExcludedClaim]:
        """Claims left out, paged."""
        left_out = self.found.left_out if self.found.entitled else ()
        rows = [{"refund_id": one.refund_id, "one": one} for one in left_out]
        name = f"my:excluded:{self.found.store_id}"
        cut, page = page_rows(info.context, name, rows, "refund_id", first=first, after=after)
        for row in cut:
            info.context.saw("refund", row["refund_id"])
        return page.of([_mine(row["one"]) for row in cut])


def _mine(one: rules.LeftOut) -> MyExcludedClaim:
    upheld = one.reason is rules.Excluded.COMPLAINT_UPHELD
    return MyExcludedClaim(
        refund_id=strawberry.ID(one.refund_id),
        order_id=strawberry.ID(one.order_id),
        reason=MyExcludedReason.COMPLAINT_UPHELD if upheld else MyExcludedReason.PLATFORM_CHECK,
    )


def _rates(counts: rules.Counts) -> Rates:
    return Rates(
        orders=counts.orders,
        claims=counts.claims,
        refund_rate=counts.refund_rate,
        quality_rate=counts.quality_rate,
        dispute_rate=counts.dispute_rate,
    )


def _counted(context: Context, store_id: str, days: int | None, until: int | None) -> rules.StoreRates:
    view, policy = context.view, context.policy
    affairs = context.state.affairs
    said = {buyer: one.about.said for buyer, one in affairs.outranking().accounts.items()}
    return rules.store_rates(
        view.store,
        store_id,
        view.published,
        policy,
        known_by=view.head.load,
        now=context.state.now(),
        until=until,
        days=days,
        complaints=affairs.complaints.outcomes(),
        abusive={buyer for buyer, what in said.items() if what is Said.ABUSIVE},
        honest={buyer for buyer, what in said.items() if what is Said.HONEST},
    )


def rates_of_store(context: Context, store_id: str, days: int | None, until: int | None) -> StoreRates:
    """A store's rates for an investigator."""
    found = _counted(context, store_id, days, until)
    return StoreRates(
        since=Instant(found.since),
        until=Instant(found.until),
        raw=_rates(found.raw),
        without_abuse=_rates(found.cleaned),
        entitled=found.entitled,
        run_id=None if found.run_id is None else strawberry.ID(found.run_id),
        policy=found.policy,
        found=found,
    )


def rates_for_store(context: Context, days: int | None, until: int | None) -> MyRates:
    """The rates of the token's own store."""
    found = _counted(context, context.own_store, days, until)
    return MyRates(
        since=Instant(found.since),
        until=Instant(found.until),
        raw=_rates(found.raw),
        without_abuse=_rates(found.cleaned) if found.entitled else None,
        policy=found.policy,
        found=found,
    )
