"""Judgements of people, and appeals of buyers: what outranks every run, and what it healed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any

import strawberry

from api.context import Context, Info
from api.describe import choice, mutation, resolver
from api.domains.account import AccountStatus
from api.domains.common import After, First, In, Language, check_id, page_rows, speaks
from api.domains.complaint import Key
from api.domains.remedy import told_to_buyer
from api.pages import DEFAULT_PAGE, Connection, Direction, Page
from api.scalars import Instant, instant
from integrity.anew import decide_anew
from integrity.appeals import Appeal as Appealed
from integrity.appeals import Healed, may_see
from integrity.judgements import About, Said, Target, listed
from integrity.judgements import Judgement as Judged
from integrity.run_book import decided_anew


@strawberry.enum(description="What a judgement is about.")
class JudgementTarget(Enum):
    """Targets."""

    ACCOUNT = choice("account", "An account.")
    RING = choice("ring", "A ring of the published run.")
    LINK = choice("link", "An account's link to an identifier; name the account in `buyerId`.")
    IDENTIFIER = choice("identifier", "An identifier, for everybody: a device, an address, a parcel, a picture.")
    RECORD = choice("record", "A refund, complaint, past decision or use; name the table in `table`.")


@strawberry.enum(description="What is said of it.")
class JudgementSaid(Enum):
    """What can be said."""

    HONEST = choice("honest", "Account: nothing limits it.")
    ABUSIVE = choice("abusive", "Account: limited everywhere (that needs two people), or at the stores named.")
    NOT_A_RING = choice("not_a_ring", "Ring: its accounts don't act together.")
    NOT_THEIRS = choice("not_theirs", "Link: the identifier is not this account's.")
    PUBLIC = choice("public", "Identifier: a café's, a station's; it links nobody.")
    STRUCK = choice("struck", "Record: it counts for nothing.")


@strawberry.enum(description="Whether a judgement holds.")
class JudgementState(Enum):
    """States."""

    PROPOSED = choice("proposed", "Waits for a second person.")
    STANDING = choice("standing", "Holds.")
    WITHDRAWN = choice("withdrawn", "Taken back.")


@strawberry.enum(description="Where an appeal stands.")
class AppealState(Enum):
    """States."""

    OPEN = choice("open", "Not decided.")
    UPHELD = choice("upheld", "The buyer was right.")
    REJECTED = choice("rejected", "The buyer was not right.")
    WITHDRAWN = choice("withdrawn", "Taken back.")


@strawberry.input(description="What is judged, and how.")
class JudgementInput:
    """A judgement to make."""

    target: JudgementTarget = strawberry.field(description="Kind of thing.")
    id: strawberry.ID = strawberry.field(description="Its id: account, ring, identifier (`device:4f…`) or record.")
    said: JudgementSaid = strawberry.field(description="What is said of it.")
    buyer_id: strawberry.ID | None = strawberry.field(default=None, description="LINK: whose link.")
    table: str | None = strawberry.field(
        default=None, description="RECORD: refunds, complaints, past_decisions or uses."
    )
    store_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="ABUSIVE: limited at these stores; empty is everywhere."
    )


@strawberry.type(description="A person's judgement.")
class Judgement:
    """A judgement."""

    id: strawberry.ID = strawberry.field(description="The judgement's id.")
    target: JudgementTarget = strawberry.field(description="Kind of thing judged.")
    target_id: strawberry.ID = strawberry.field(description="Its id.")
    said: JudgementSaid = strawberry.field(description="What is said of it.")
    buyer_id: strawberry.ID | None = strawberry.field(description="LINK: whose link.")
    table: str | None = strawberry.field(description="RECORD: its table.")
    store_ids: list[strawberry.ID] = strawberry.field(description="ABUSIVE: where it is limited; empty is everywhere.")
    reason: str = strawberry.field(description="Why.")
    at: Instant = strawberry.field(description="When.")
    by: str = strawberry.field(description="Who.")
    role: str = strawberry.field(description="In what role.")
    state: JudgementState = strawberry.field(description="Whether it holds.")
    second: str | None = strawberry.field(description="The second person.")
    withdrawn_by: str | None = strawberry.field(description="Who took it back.")
    withdrawn_at: Instant | None = strawberry.field(description="When.")
    withdrawn_why: str | None = strawberry.field(description="Why.")
    appeal_id: strawberry.ID | None = strawberry.field(description="The appeal that brought it.")


@strawberry.type(description="An account that stands better by an appeal.")
class HealedAccount:
    """One healed account."""

    buyer_id: strawberry.ID = strawberry.field(description="The account.")
    before: AccountStatus = strawberry.field(description="Before.")
    after: AccountStatus = strawberry.field(description="After.")
    known: strawberry.Private[Healed]

    @resolver("What to tell the buyer.")
    def words(self, language: In = Language.EN) -> str:
        """The words, in the buyer's language."""
        return self.known.told(speaks(language))


@strawberry.type(description="A buyer's appeal, opened by the platform on their behalf.")
class Appeal:
    """An appeal."""

    id: strawberry.ID = strawberry.field(description="The appeal's id.")
    buyer_id: strawberry.ID = strawberry.field(description="Who appeals.")
    state: AppealState = strawberry.field(description="Where it stands.")
    opened_at: Instant = strawberry.field(description="Since when.")
    deadline: Instant = strawberry.field(description="By when it is to be decided.")
    overdue: bool = strawberry.field(description="Open beyond its deadline.")
    opened_by: str = strawberry.field(description="Who opened it.")
    status_then: AccountStatus = strawberry.field(description="The account's status when it was opened.")
    run_id: strawberry.ID = strawberry.field(description="The run that said so.")
    decided_at: Instant | None = strawberry.field(description="When it was decided.")
    decided_by: str | None = strawberry.field(description="By whom.")
    reason: str | None = strawberry.field(description="Why.")
    judgement_ids: list[strawberry.ID] = strawberry.field(description="The judgements that upholding it brought.")
    healed_by: strawberry.ID | None = strawberry.field(description="The run that decided everything downstream anew.")
    healed: list[HealedAccount] = strawberry.field(description="Everybody who stands better by it, in order of id.")

    known: strawberry.Private[Appealed]

    @resolver(
        "What the buyer may see: how the appeal stands, by when it is decided, and what is done about the account now. "
        "No evidence, no reason of a person, no other account."
    )
    def may_see(self, info: Info, language: In = Language.EN) -> list[str]:
        """Sentences, in the buyer's language."""
        words = told_to_buyer(info.context, self.buyer_id)
        return may_see(self.known, words, now=info.context.state.now(), language=speaks(language))

    @resolver("What the buyer wrote. It is shown here and nowhere else.")
    def text(self, info: Info) -> str:
        """The private text; for those who decide."""
        context = info.context
        return context.state.affairs.appeal_desk.text(self.id, by=context.actor)


def judgement_of(context: Context, one: Judged) -> Judgement:
    """A judgement; audited, since it may be about a person."""
    context.saw("judgement", one.judgement_id)
    about = one.about
    return Judgement(
        id=strawberry.ID(one.judgement_id),
        target=JudgementTarget(about.target.value),
        target_id=strawberry.ID(about.id),
        said=JudgementSaid(about.said.value),
        buyer_id=strawberry.ID(about.buyer_id) if about.buyer_id else None,
        table=about.table or None,
        store_ids=[strawberry.ID(id_) for id_ in about.store_ids],
        reason=one.reason,
        at=Instant(one.at),
        by=one.by,
        role=one.role,
        state=JudgementState(one.state),
        second=one.second or None,
        withdrawn_by=one.withdrawn_by or None,
        withdrawn_at=instant(one.withdrawn_at),
        withdrawn_why=one.withdrawn_why or None,
        appeal_id=strawberry.ID(one.appeal_id) if one.appeal_id else None,
    )


def appeal_of(context: Context, one: Appealed) -> Appeal:
    """An appeal; audited."""
    context.saw("account", one.buyer_id)
    return Appeal(
        id=strawberry.ID(one.appeal_id),
        buyer_id=strawberry.ID(one.buyer_id),
        state=AppealState(one.state),
        opened_at=Instant(one.opened_at),
        deadline=Instant(one.deadline),
        overdue=one.overdue(context.state.now()),
        opened_by=one.by,
        status_then=AccountStatus(one.status_then),
        run_id=strawberry.ID(one.run_id),
        decided_at=instant(one.decided_at),
        decided_by=one.decided_by or None,
        reason=one.reason or None,
        judgement_ids=[strawberry.ID(id_) for id_ in one.judgement_ids],
        known=one,
        healed_by=strawberry.ID(one.healed_by) if one.healed_by else None,
        healed=[
            HealedAccount(
                buyer_id=strawberry.ID(each.buyer_id),
                before=AccountStatus(each.before),
                after=AccountStatus(each.after),
                known=each,
            )
            for each in one.healed
        ],
    )


def _about(given: JudgementInput) -> About:
    return About(
        Target(given.target.value),
        check_id(given.id, "the id of what is judged"),
        Said(given.said.value),
        given.buyer_id or "",
        given.table or "",
        tuple(given.store_ids),
    )


def _cut(context: Context, name: str, found: Sequence[Any], first: int, after: str | None) -> tuple[list[Any], Page]:
    """A page of what is given newest first, by the order given."""
    rows = [{"id": f"{number:08d}", "one": one} for number, one in enumerate(reversed(found))]
    cut, page = page_rows(
        context,
        name,
        rows,
        "id",
        first=first,
        after=after,
        key=lambda row: int(row["id"]),
        direction=Direction.DESC,
    )
    return [row["one"] for row in cut], page


@strawberry.type
class JudgementQuery:
    """Root fields that read judgements and appeals."""

    @resolver("Judgements, newest first.")
    def judgements(
        self,
        info: Info,
        state: Annotated[JudgementState | None, strawberry.argument(description="Of this state only.")] = None,
        target: Annotated[JudgementTarget | None, strawberry.argument(description="About this only.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Judgement]:
        """Judgements, filtered and paged."""
        context = info.context
        of, about = (state.value if state else ""), (target.value if target else "")
        found = listed(context.state.affairs.judgements, state=of, target=about)
        cut, page = _cut(context, f"judgements:{of}:{about}", found, first, after)
        return page.of([judgement_of(context, one) for one in cut])

    @resolver("Appeals, newest first.")
    def appeals(
        self,
        info: Info,
        state: Annotated[AppealState | None, strawberry.argument(description="Of this state only.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Appeal]:
        """Appeals, filtered and paged."""
        context = info.context
        of = state.value if state else ""
        found = [one for one in reversed(context.state.affairs.appeals.all.values()) if of in ("", one.state)]
        cut, page = _cut(context, f"appeals:{of}", found, first, after)
        return page.of([appeal_of(context, one) for one in cut])


@strawberry.type
class JudgementMutation:
    """Root fields that judge, and decide appeals."""

    @mutation(
        "Judge an account, a ring, a link, an identifier or a record. The next run heeds it; so does `decideAnew`."
    )
    def judge(
        self,
        info: Info,
        judgement: Annotated[JudgementInput, strawberry.argument(description="What is judged, and how.")],
        reason: Annotated[str, strawberry.argument(description="Why.")],
        key: Key = None,
    ) -> Judgement:
        """A new judgement."""
        context = info.context
        made = context.state.affairs.judgement_desk.make(
            _about(judgement), reason, by=context.actor, now=context.state.now(), key=key or ""
        )
        return judgement_of(context, made)

    @mutation("Agree, as a second person, with a judgement that waits for one.")
    def second_judgement(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The judgement.")],
        key: Key = None,
    ) -> Judgement:
        """The judgement, standing."""
        context = info.context
        made = context.state.affairs.judgement_desk.second(
            id_, by=context.actor, now=context.state.now(), key=key or ""
        )
        return judgement_of(context, made)

    @mutation("Take a judgement back.")
    def withdraw_judgement(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The judgement.")],
        reason: Annotated[str, strawberry.argument(description="Why.")],
        key: Key = None,
    ) -> Judgement:
        """The judgement, withdrawn."""
        context = info.context
        made = context.state.affairs.judgement_desk.withdraw(
            id_, reason, by=context.actor, now=context.state.now(), key=key or ""
        )
        return judgement_of(context, made)

    @mutation("Decide everything anew over the published run's data, with the judgements that stand; returns the run.")
    def decide_anew(self, info: Info) -> strawberry.ID:
        """The id of the run that readers see now."""
        context, run_id = info.context, _anew(info.context)
        decided_anew(context.state.affairs.book, run_id, context.actor, context.state.now())
        return strawberry.ID(run_id)

    @mutation("Open an appeal on a buyer's behalf.")
    def open_appeal(
        self,
        info: Info,
        buyer_id: Annotated[strawberry.ID, strawberry.argument(description="Who appeals.")],
        text: Annotated[str, strawberry.argument(description="What the buyer wrote; it stays in the appeal.")],
        key: Key = None,
    ) -> Appeal:
        """The appeal, open."""
        context = info.context
        opened = context.state.affairs.appeal_desk.open(
            check_id(buyer_id, "an account's id"), text, by=context.actor, now=context.state.now(), key=key or ""
        )
        return appeal_of(context, opened)

    @mutation("Uphold an appeal: name what was wrong. Everything downstream is decided anew, and who is healed listed.")
    def uphold_appeal(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The appeal.")],
        wrong: Annotated[list[JudgementInput], strawberry.argument(description="What was wrong.")],
        reason: Annotated[str, strawberry.argument(description="Why.")],
        key: Key = None,
    ) -> Appeal:
        """The appeal, upheld, with who was healed."""
        context = info.context
        done = context.state.affairs.appeal_desk.uphold(
            id_,
            [_about(one) for one in wrong],
            reason,
            by=context.actor,
            now=context.state.now(),
            recompute=lambda: _anew(context),
            key=key or "",
        )
        return appeal_of(context, done)

    @mutation("Reject an appeal, or note that the buyer took it back.")
    def close_appeal(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The appeal.")],
        reason: Annotated[str, strawberry.argument(description="Why.")],
        withdrawn: Annotated[bool, strawberry.argument(description="The buyer took it back.")] = False,
        key: Key = None,
    ) -> Appeal:
        """The appeal, closed."""
        context = info.context
        desk = context.state.affairs.appeal_desk
        close = desk.withdraw if withdrawn else desk.reject
        return appeal_of(context, close(id_, reason, by=context.actor, now=context.state.now(), key=key or ""))


def _anew(context: Context) -> str:
    state = context.state
    run_id = decide_anew(
        state.store,
        policy=state.policy,
        now=state.clock,
        holder=f"appeal decided by {context.token.subject}",
        opened=state.view().opened,
    )
    state.refresh()
    return run_id
