"""Complaints: stores file them, triage weighs them, investigators decide them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, mutation, resolver
from api.domains.common import After, First, In, Language, check_id, page_rows, speaks, told, told_one
from api.domains.refund import ComplaintOutcome, ComplaintType
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction, Page
from api.scalars import Instant, instant
from integrity.accord import Accord
from integrity.complaint_counts import Count, counts
from integrity.complaints import Complaint, Filing, Refused, Verdict
from integrity.words import Fact, text_of

Key = Annotated[
    str | None,
    strawberry.argument(
        description="The client's own name for this request: asked again under the same key it answers as before."
    ),
]


@strawberry.enum(description="What triage proposes.")
class TriageProposal(Enum):
    """Proposals."""

    UPHELD = choice("upheld", "The store is right; decided at once.")
    DISMISSED = choice("dismissed", "The store is not right; decided at once.")
    NEEDS_A_PERSON = choice("needs_a_person", "A person must look.")


@strawberry.input(description="One complaint to file; all else is filled in from the records.")
class ComplaintInput:
    """A filing."""

    refund_id: strawberry.ID = strawberry.field(description="The claim complained of.")
    type: ComplaintType = strawberry.field(description="What is reported.")
    note: str = strawberry.field(
        default="", description="In the store's words, for who decides; up to 2,000 characters."
    )
    files: list[str] = strawberry.field(
        default_factory=list, description="Names or links of the store's own files, up to 20."
    )


@strawberry.type(description="A complaint filed here, as the store that filed it sees it.")
class FiledComplaint:
    """A complaint without what the platform knows of the buyer."""

    id: strawberry.ID = strawberry.field(description="The complaint's id.")
    refund_id: strawberry.ID = strawberry.field(description="The claim.")
    type: ComplaintType = strawberry.field(description="What is reported.")
    filed_at: Instant = strawberry.field(description="When.")
    note: str = strawberry.field(description="The store's words.")
    files: list[str] = strawberry.field(description="The store's own files.")
    outcome: ComplaintOutcome = strawberry.field(description="What became of it.")
    outcome_at: Instant | None = strawberry.field(description="Since when.")
    at_once: bool = strawberry.field(description="Decided without a person.")


@strawberry.type(description="Outcome of one filing of a batch: the complaint, or why it was refused.")
class FilingResult:
    """One of a batch."""

    refund_id: strawberry.ID = strawberry.field(description="The claim named.")
    complaint: FiledComplaint | None = strawberry.field(description="The complaint as it stands.")
    because: strawberry.Private[Fact | None]

    @resolver("Why it was not filed.")
    def refused(self, language: In = Language.EN) -> str | None:
        """The reason, where it was refused."""
        return None if self.because is None else text_of(self.because, speaks(language))


@strawberry.type(description="A verdict on a complaint.")
class ComplaintVerdict:
    """One verdict."""

    outcome: ComplaintOutcome = strawberry.field(description="Upheld or dismissed.")
    at: Instant = strawberry.field(description="When.")
    by: str = strawberry.field(description="Who; `triage` for what was decided at once.")
    given: strawberry.Private[Verdict]

    @resolver("Why; what a person wrote stands as it was written.")
    def reason(self, language: In = Language.EN) -> str:
        """The reason."""
        return self.given.told(speaks(language))


@strawberry.type(description="A complaint filed here, as investigators see it, with what triage said.")
class WeighedComplaint:
    """A complaint with its weighing."""

    filed: FiledComplaint = strawberry.field(description="What was filed.")
    store_id: strawberry.ID = strawberry.field(description="By which store.")
    buyer_id: strawberry.ID = strawberry.field(description="About whose claim.")
    proposal: TriageProposal = strawberry.field(description="What triage proposed.")
    probability: float = strawberry.field(description="That the store is right.")
    sampled: bool = strawberry.field(description="A person looks so that the error of triage is known.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that it rests on.")
    verdicts: list[ComplaintVerdict] = strawberry.field(description="In the order given; the last holds.")
    known: strawberry.Private[Complaint]

    @resolver("What that rests on, strongest first.")
    def reasons(self, language: In = Language.EN) -> list[str]:
        """Triage's sentences."""
        return told(self.known.reasons, self.known.reason_facts, language)

    @resolver("Why it was not decided at once.")
    def why_a_person(self, language: In = Language.EN) -> str | None:
        """Triage's doubt."""
        return told_one(self.known.why or None, self.known.why_fact, language)


@strawberry.type(description="Complaints of one type filed in one month.")
class ComplaintCount:
    """Statistics of a month and type."""

    month: str = strawberry.field(description="Year and month, UTC.")
    type: ComplaintType = strawberry.field(description="The type.")
    filed: int = strawberry.field(description="Filed.")
    upheld: int = strawberry.field(description="Of these upheld.")
    dismissed: int = strawberry.field(description="Of these dismissed.")
    pending: int = strawberry.field(description="Of these not decided.")
    at_once: int = strawberry.field(description="Decided by triage.")
    reviewed: int = strawberry.field(description="Decided by a person.")
    revised: int = strawberry.field(description="Decided by triage, and otherwise by a person.")
    sampled: int = strawberry.field(description="Drawn by lot and decided by a person.")
    agreed: int = strawberry.field(description="Of the sampled: as triage would have decided.")
    median_hours: float | None = strawberry.field(description="From filing to the verdict.")


@strawberry.type(description="Stores that reported one quiet buyer within days of each other: a person should look.")
class StoresInAccord:
    """One accord."""

    buyer_id: strawberry.ID = strawberry.field(description="Whom they reported.")
    store_ids: list[strawberry.ID] = strawberry.field(description="The stores, by id.")
    first_at: Instant = strawberry.field(description="The first of these reports.")
    last_at: Instant = strawberry.field(description="The last.")
    risk: float = strawberry.field(description="The account's risk in the published run.")
    before: int = strawberry.field(description="Other buyers whom two of these stores reported so.")


def filed_of(one: Complaint) -> FiledComplaint:
    """The narrow form."""
    return FiledComplaint(
        id=strawberry.ID(one.complaint_id),
        refund_id=strawberry.ID(one.refund_id),
        type=ComplaintType(one.type),
        filed_at=Instant(one.filed_at),
        note=one.note,
        files=list(one.evidence),
        outcome=ComplaintOutcome(one.outcome),
        outcome_at=instant(one.outcome_at),
        at_once=bool(one.verdicts) and len(one.verdicts) == 1 and one.verdicts[0].by == "triage",
    )


def weighed_of(context: Context, one: Complaint) -> WeighedComplaint:
    """The full form; audited, since it is about a person."""
    context.saw("refund", one.refund_id)
    return WeighedComplaint(
        filed=filed_of(one),
        store_id=strawberry.ID(one.store_id),
        buyer_id=strawberry.ID(one.buyer_id),
        proposal=TriageProposal(one.proposal),
        probability=one.probability,
        sampled=one.sample,
        run_id=strawberry.ID(one.run_id) if one.run_id else None,
        verdicts=[_verdict_of(verdict) for verdict in one.verdicts],
        known=one,
    )


def _verdict_of(one: Verdict) -> ComplaintVerdict:
    return ComplaintVerdict(outcome=ComplaintOutcome(one.outcome), at=Instant(one.at), by=one.by, given=one)


def _accord_of(context: Context, one: Accord) -> StoresInAccord:
    context.saw("account", one.buyer_id)
    return StoresInAccord(
        buyer_id=strawberry.ID(one.buyer_id),
        store_ids=[strawberry.ID(id_) for id_ in one.store_ids],
        first_at=Instant(one.first_at),
        last_at=Instant(one.last_at),
        risk=one.risk,
        before=one.before,
    )


def _count_of(one: Count) -> ComplaintCount:
    return ComplaintCount(**(vars(one) | {"type": ComplaintType(one.type)}))


def _cut(
    context: Context, name: str, found: list[Complaint], first: int, after: str | None
) -> tuple[list[Complaint], Page]:
    """A page of complaints, the latest first."""
    rows = [{"id": one.complaint_id, "at": one.filed_at, "one": one} for one in found]
    rows.sort(key=lambda row: str(row["id"]))
    cut, page = page_rows(
        context, name, rows, "id", first=first, after=after, key=lambda row: row["at"], direction=Direction.DESC
    )
    return [row["one"] for row in cut], page


@strawberry.type
class ComplaintQuery:
    """Root fields that read complaints."""

    @resolver("Complaints filed here, the latest first.")
    def complaints(
        self,
        info: Info,
        store_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this store only.")] = None,
        needs_a_person: Annotated[bool, strawberry.argument(description="Only those that nobody has decided.")] = False,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[WeighedComplaint]:
        """Complaints, filtered and paged."""
        context = info.context
        found = [
            one
            for one in context.state.affairs.complaints.filed.values()
            if store_id in (None, one.store_id) and (not needs_a_person or one.outcome == "pending")
        ]
        cut, page = _cut(context, f"complaints:{store_id}:{needs_a_person}", found, first, after)
        return page.of([weighed_of(context, one) for one in cut])

    @resolver("Quiet accounts whom three stores or more reported within days, the most often repeated accord first.")
    def stores_in_accord(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[StoresInAccord]:
        """Accords, paged."""
        context = info.context
        found = context.state.affairs.complaint_desk.accords()
        rows = [{"id": one.buyer_id, "place": place, "one": one} for place, one in enumerate(found)]
        rows.sort(key=lambda row: str(row["id"]))
        cut, page = page_rows(context, "accords", rows, "id", first=first, after=after, key=lambda row: row["place"])
        return page.of([_accord_of(context, row["one"]) for row in cut])

    @resolver("Complaints that the token's store filed here, the latest first.")
    def my_complaints(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[FiledComplaint]:
        """The store's own, paged."""
        context = info.context
        own = context.own_store
        found = [one for one in context.state.affairs.complaints.filed.values() if one.store_id == own]
        cut, page = _cut(context, f"my:complaints:{own}", found, first, after)
        return page.of([filed_of(one) for one in cut])

    @resolver("How many complaints were filed and what became of them, by month and type; of a store, or of all.")
    def complaint_counts(
        self,
        info: Info,
        store_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this store only.")] = None,
    ) -> list[ComplaintCount]:
        """Statistics for the platform."""
        state = info.context.state
        return [_count_of(one) for one in counts(state.store, state.affairs.complaints, store_id=store_id)]

    @resolver("How many complaints the token's store filed and what became of them, by month and type.")
    def my_complaint_counts(self, info: Info) -> list[ComplaintCount]:
        """Statistics for the store."""
        state, own = info.context.state, info.context.own_store
        return [_count_of(one) for one in counts(state.store, state.affairs.complaints, store_id=own)]


@strawberry.type
class ComplaintMutation:
    """Root fields that file and decide complaints."""

    @mutation("Report a claim. Decided at once where the records are clear; filed again, it answers as it stands.")
    def file_complaint(
        self,
        info: Info,
        refund_id: Annotated[strawberry.ID, strawberry.argument(description="The claim complained of.")],
        type_: Annotated[ComplaintType, strawberry.argument(name="type", description="What is reported.")],
        note: Annotated[str, strawberry.argument(description="In the store's words, for who decides.")] = "",
        files: Annotated[
            list[str] | None, strawberry.argument(description="Names or links of the store's own files.")
        ] = None,
        key: Key = None,
        language: Annotated[Language, strawberry.argument(description="The language of a refusal.")] = Language.EN,
    ) -> FiledComplaint:
        """One complaint; raises where it is refused."""
        context = info.context
        filing = Filing(check_id(refund_id, "a claim's id"), type_.value, note, tuple(files or ()))
        (one,) = context.state.affairs.complaint_desk.file(
            [filing], by=context.actor, now=context.state.now(), key=key or ""
        )
        if isinstance(one, Refused):
            raise ApiError(ErrorCode.BAD_INPUT, text_of(one.because, speaks(language)))
        return filed_of(one)

    @mutation("Report up to 500 claims in one call; each stands or is refused on its own.")
    def file_complaints(
        self,
        info: Info,
        complaints: Annotated[list[ComplaintInput], strawberry.argument(description="What is reported.")],
        key: Key = None,
    ) -> list[FilingResult]:
        """A batch, answered in the order given."""
        context = info.context
        filings = [
            Filing(check_id(one.refund_id, "a claim's id"), one.type.value, one.note, tuple(one.files))
            for one in complaints
        ]
        found = context.state.affairs.complaint_desk.file(
            filings, by=context.actor, now=context.state.now(), key=key or ""
        )
        return [
            FilingResult(refund_id=strawberry.ID(one.refund_id), complaint=None, because=one.because)
            if isinstance(one, Refused)
            else FilingResult(refund_id=strawberry.ID(one.refund_id), complaint=filed_of(one), because=None)
            for one in found
        ]

    @mutation("A person's verdict on a complaint. What a person decided, only a senior investigator decides otherwise.")
    def decide_complaint(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The complaint.")],
        outcome: Annotated[ComplaintOutcome, strawberry.argument(description="UPHELD or DISMISSED.")],
        reason: Annotated[str, strawberry.argument(description="Why.")],
        key: Key = None,
    ) -> ComplaintVerdict:
        """The verdict as it stands."""
        context = info.context
        found = context.state.affairs.complaint_desk.decide(
            check_id(id_, "a complaint's id"),
            outcome.value,
            reason,
            by=context.actor,
            now=context.state.now(),
            key=key or "",
        )
        return _verdict_of(found.verdicts[-1] if isinstance(found, Complaint) else found)
