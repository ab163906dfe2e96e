"""Policies: which is in force, what one says and would change, and putting one in force or back."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, mutation, resolver
from api.domains.common import After, First, In, Language, page_rows, speaks, told
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction
from api.scalars import Instant
from graph.errors import BadInput
from integrity import policy_book as book
from integrity.policy import Policy, default_policy, default_text, parse_policy
from integrity.policy_check import doubts
from integrity.policy_diff import PolicyChange as Change
from integrity.policy_diff import PolicyDiff, diff_policies
from integrity.words import Fact, texts_of

PolicyText = Annotated[str, strawberry.argument(description="The policy as a TOML document.")]
Why = Annotated[str, strawberry.argument(description="Why; stands in the book of acts.")]
Force = Annotated[
    bool, strawberry.argument(description="Though it breaks what must hold; needs a reason, which is recorded.")
]


@strawberry.enum(description="What a change of a policy is to buyers.")
class PolicyEffect(Enum):
    """Effects, as in integrity.policy_diff.Effect."""

    MILDER = choice("milder", "It leaves them more.")
    STRICTER = choice("stricter", "It leaves them less.")


@strawberry.type(description="A policy that was put in force, or proposed.")
class PublishedPolicy:
    """As in integrity.policy_book.PublishedPolicy."""

    version: str = strawberry.field(description="The policy's version.")
    digest: str = strawberry.field(description="SHA-256 of the policy.")
    at: Instant = strawberry.field(description="When.")
    by: str = strawberry.field(description="Who.")
    proposed_by: str | None = strawberry.field(description="Who proposed it first, where two people were needed.")
    reason: str = strawberry.field(description="Why.")
    forced: bool = strawberry.field(description="Though it broke what must hold.")
    rolled_back: bool = strawberry.field(description="Whether that went back to an earlier policy.")
    tried_on: strawberry.ID | None = strawberry.field(description="The run that it was tried on; null before any.")
    limited: int = strawberry.field(description="Accounts of that run that it limits.")
    accounts: int = strawberry.field(description="Accounts of that run.")
    in_force: bool = strawberry.field(description="Whether it is in force now.")
    text: str | None = strawberry.field(description="The document as it was written, comments included.")
    known: strawberry.Private[book.PublishedPolicy]

    @resolver("What it was forced past.")
    def broke(self, language: In = Language.EN) -> list[str]:
        """Sentences."""
        return told(self.known.broke, self.known.broke_facts, language)


@strawberry.type(description="What became of `publishPolicy` or `rollbackPolicy`.")
class PolicyPublication:
    """As in integrity.policy_book.PolicyOutcome."""

    policy: PublishedPolicy = strawberry.field(description="The publication, or the proposal.")
    waits: bool = strawberry.field(
        description="Proposed only: the policy in force wants two people, and another must publish the same."
    )
    run_id: strawberry.ID | None = strawberry.field(
        description="The run decided by it that readers see now; null before any, and where it waits."
    )


@strawberry.type(description="A policy as a document.")
class PolicyDocument:
    """One policy."""

    version: str = strawberry.field(description="The policy's version.")
    digest: str = strawberry.field(description="SHA-256 of the policy.")
    document: str = strawberry.field(description="Every field with its value, defaults too, as JSON.")
    text: str | None = strawberry.field(description="As it was written; null where only a file or a run has it.")


@strawberry.type(description="A policy that holds, and what is hardly meant by it.")
class PolicyChecked:
    """As `ringfence policy check` tells."""

    version: str = strawberry.field(description="The policy's version.")
    digest: str = strawberry.field(description="SHA-256 of the policy.")
    found: strawberry.Private[list[Fact]]

    @resolver("What is allowed and yet hardly meant, as sentences.")
    def doubts(self, language: In = Language.EN) -> list[str]:
        """Sentences."""
        return texts_of(self.found, speaks(language))


@strawberry.type(description="One field in which two policies differ.")
class PolicyChange:
    """As in integrity.policy_diff.PolicyChange."""

    field: str = strawberry.field(description="Its dotted name.")
    before: str = strawberry.field(description="The earlier value, as text.")
    after: str = strawberry.field(description="The later value, as text.")
    effect: PolicyEffect | None = strawberry.field(description="What it is to buyers; null: nothing, or it depends.")
    change: strawberry.Private[Change]

    @resolver("A plain sentence.")
    def words(self, language: In = Language.EN) -> str:
        """The sentence."""
        return self.change.told(speaks(language))


@strawberry.type(description="All in which two policies differ.")
class PolicyDifference:
    """As in integrity.policy_diff.PolicyDiff."""

    before: str = strawberry.field(description="Version of the earlier one.")
    after: str = strawberry.field(description="Version of the later one.")
    new_detection: bool = strawberry.field(
        description="Whether detection itself would differ: then only a new run shows what it leads to."
    )
    changes: list[PolicyChange] = strawberry.field(description="The changes, in the order of the document.")


def _published(one: book.PublishedPolicy, in_force: bool) -> PublishedPolicy:
    return PublishedPolicy(
        version=one.version,
        digest=one.digest,
        at=Instant(one.at),
        by=one.by,
        proposed_by=one.proposed_by or None,
        reason=one.reason,
        forced=one.forced,
        rolled_back=one.back,
        tried_on=None if one.tried is None else strawberry.ID(one.tried),
        limited=one.limited,
        accounts=one.accounts,
        in_force=in_force,
        text=one.text or None,
        known=one,
    )


def _document(policy: Policy, text: str) -> PolicyDocument:
    return PolicyDocument(version=policy.version, digest=policy.digest, document=policy.canonical, text=text or None)


def difference_of(found: PolicyDiff) -> PolicyDifference:
    """In what two policies differ."""
    return PolicyDifference(
        before=found.before,
        after=found.after,
        new_detection=found.new_detection,
        changes=[
            PolicyChange(
                field=one.field,
                before=one.before,
                after=one.after,
                change=one,
                effect=PolicyEffect(one.effect) if one.effect else None,
            )
            for one in found.changes
        ],
    )


def parsed(text: str, where: str) -> Policy:
    """A policy of its text; `ApiError` BAD_INPUT names the field that doesn't hold."""
    try:
        return parse_policy(text, where=where)
    except BadInput as problem:  # its place is a field of the document, which the client needs to be told
        raise ApiError(ErrorCode.BAD_INPUT, str(problem)) from problem


def _book(context: Context) -> book.PolicyBook:
    return book.PolicyBook(context.state.store, signing_key=context.state.affairs.book.signing_key)


def _outcome(context: Context, done: book.PolicyOutcome) -> PolicyPublication:
    context.state.refresh()
    return PolicyPublication(
        policy=_published(done.published, not done.waits),
        waits=done.waits,
        run_id=None if done.run is None else strawberry.ID(done.run.run.run_id),
    )


def _page(
    context: Context,
    name: str,
    found: Sequence[book.PublishedPolicy],
    current: book.PublishedPolicy | None,
    first: int,
    after: str | None,
) -> Connection[PublishedPolicy]:
    """A page of publications or proposals, the latest first; `current` is in force."""
    rows = [{"id": f"{one.n:012d}", "one": one} for one in found]
    cut, page = page_rows(
        context, name, rows, "id", first=first, after=after, key=lambda row: row["one"].n, direction=Direction.DESC
    )
    return page.of([_published(row["one"], row["one"] is current) for row in cut])


@strawberry.type
class PolicyQuery:
    """Root fields that read policies."""

    @resolver("The policy that answers rest on; or one that was published, by version or first digits of its digest.")
    def policy(
        self,
        info: Info,
        version: Annotated[
            str | None, strawberry.argument(description="A published version, or first digits of its digest.")
        ] = None,
    ) -> PolicyDocument:
        """A policy."""
        policies = _book(info.context)
        if version is not None:
            return _document(*policies.find(version))
        policy = info.context.policy
        texts = {one.digest: one.text for one in policies.published()} | {default_policy().digest: default_text()}
        return _document(policy, texts.get(policy.digest, ""))

    @resolver("Policies that were put in force, the latest first.")
    def policies(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[PublishedPolicy]:
        """Publications, paged."""
        every = _book(info.context).published()
        return _page(info.context, "policies", every, every[-1] if every else None, first, after)

    @resolver("Policies that wait for a second person, the latest first; a publication ends them all.")
    def proposed_policies(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[PublishedPolicy]:
        """Proposals, paged."""
        return _page(info.context, "proposed policies", _book(info.context).proposed(), None, first, after)

    @resolver("Whether a policy holds; an error names the field that doesn't.")
    def check_policy(self, text: PolicyText) -> PolicyChecked:
        """The check."""
        policy = parsed(text, "policy")
        return PolicyChecked(version=policy.version, digest=policy.digest, found=doubts(policy))

    @resolver("In what a policy differs from another, in words.")
    def diff_policies(
        self,
        info: Info,
        after: Annotated[str, strawberry.argument(description="The later policy as a TOML document.")],
        before: Annotated[
            str | None, strawberry.argument(description="The earlier one; the one that answers rest on without it.")
        ] = None,
    ) -> PolicyDifference:
        """A difference of policies."""
        earlier = info.context.policy if before is None else parsed(before, "before")
        return difference_of(diff_policies(earlier, parsed(after, "after")))


@strawberry.type
class PolicyMutation:
    """Root fields that put policies in force."""

    @mutation(
        "Put a policy in force, and readers on the published run decided by it. One that would limit too many or "
        "breaks an invariant is refused with RUN_HELD. Where its detection settings are new, detection runs first."
    )
    def publish_policy(self, info: Info, text: PolicyText, reason: Why, force: Force = False) -> PolicyPublication:
        """A publication, or a proposal."""
        context = info.context
        done = book.publish_policy(
            _book(context),
            parsed(text, "policy"),
            by=context.actor,
            now=context.state.clock,
            acted_at=context.state.now(),
            holder=f"policy published by {context.token.subject}",
            reason=reason,
            force=force,
            text=text,
        )
        return _outcome(context, done)

    @mutation("Put an earlier policy in force again, as `publishPolicy` does.")
    def rollback_policy(
        self,
        info: Info,
        reason: Why,
        version: Annotated[
            str | None,
            strawberry.argument(description="A published version, or first digits of its digest; or the one before."),
        ] = None,
        force: Force = False,
    ) -> PolicyPublication:
        """A publication, or a proposal."""
        context = info.context
        done = book.rollback_policy(
            _book(context),
            version,
            by=context.actor,
            now=context.state.clock,
            acted_at=context.state.now(),
            holder=f"policy rolled back by {context.token.subject}",
            reason=reason,
            force=force,
        )
        return _outcome(context, done)
