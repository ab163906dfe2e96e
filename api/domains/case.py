"""Cases: the queue by money at risk, and what investigators do about each case."""

from __future__ import annotations

import base64
from enum import Enum
from typing import Annotated

import numpy as np
import strawberry

from api.context import Context, Info
from api.describe import choice, mutation, resolver
from api.domains.common import After, First, In, Language, check_id, need_run, page_rows, speaks
from api.domains.complaint import Key
from api.pages import DEFAULT_PAGE, Connection, Direction, page_of
from api.scalars import Currency, Instant, Money, instant, money
from integrity import case_queue as queue
from integrity import cases as rules
from integrity.case_brief import Brief, Event, brief, brief_text
from integrity.case_drawing import NoDrawing, draw_ring
from integrity.words import text_of


@strawberry.enum(description="What a case is about.")
class CaseTarget(Enum):
    """Targets."""

    RING = choice("ring", "A ring of the published run.")
    ACCOUNT = choice("account", "An account outside rings, limited for what it did alone.")


@strawberry.enum(description="Where a case stands.")
class CaseState(Enum):
    """States."""

    OPEN = choice("open", "Not decided.")
    DECIDED = choice("decided", "Decided, not closed.")
    CLOSED = choice("closed", "Nothing more is to be done.")


@strawberry.enum(description="What was decided of a case. It limits nobody by itself: judgements do.")
class CaseDecision(Enum):
    """Decisions."""

    ABUSIVE = choice("abusive", "It is abuse.")
    HONEST = choice("honest", "It is none.")
    INCONCLUSIVE = choice("inconclusive", "The records do not settle it.")


@strawberry.type(description="A ring or account worth a case, by the published run.")
class CaseCandidate:
    """As in integrity.case_queue.Candidate."""

    target: CaseTarget = strawberry.field(description="A ring, or an account.")
    target_id: strawberry.ID = strawberry.field(description="Its id.")
    accounts: int = strawberry.field(description="Accounts that are part of it.")
    claimed: Money | None = strawberry.field(description="What they claimed, in their most frequent currency.")
    at_risk: Money | None = strawberry.field(description="That, times the confidence: what the queue is ordered by.")
    confidence: float = strawberry.field(description="Probability that it is real.")
    last_at: Instant = strawberry.field(description="Its last claim or shared use.")


@strawberry.type(description="A note on a case.")
class CaseNote:
    """A note with its text."""

    at: Instant = strawberry.field(description="When.")
    by: str = strawberry.field(description="Who wrote it.")
    text: str = strawberry.field(description="What was written; shown here and nowhere else.")


@strawberry.type(description="Something that happened, and the record that says so.")
class CaseEvent:
    """As in integrity.case_brief.Event."""

    at: Instant = strawberry.field(description="When.")
    text: str = strawberry.field(description="What.")
    table: str = strawberry.field(description="Table of the record, or `acts`.")
    id: strawberry.ID = strawberry.field(description="Id of the record.")


@strawberry.type(description="A fact of a case, tied to its source record.")
class CaseFact:
    """A piece of evidence of the run."""

    text: str = strawberry.field(description="What it says.")
    nats: float = strawberry.field(description="Its weight; negative speaks against.")
    buyer_id: strawberry.ID = strawberry.field(description="Of which account.")
    table: str = strawberry.field(description="Table of the source record.")
    id: strawberry.ID = strawberry.field(description="Id of the source record.")
    shown: str | None = strawberry.field(description="The shared identifier, masked.")


@strawberry.type(description="A case as it stands.")
class Case:
    """As in integrity.cases.Case."""

    id: strawberry.ID = strawberry.field(description="The case's id.")
    target: CaseTarget = strawberry.field(description="A ring, or an account.")
    target_id: strawberry.ID = strawberry.field(description="Its id.")
    buyer_ids: list[strawberry.ID] = strawberry.field(description="Accounts that were part of it when it was opened.")
    claimed: Money | None = strawberry.field(description="What they had claimed then.")
    confidence: float = strawberry.field(description="Probability that it is real, then.")
    run_id: strawberry.ID = strawberry.field(description="The run that it was opened on.")
    state: CaseState = strawberry.field(description="Where it stands.")
    opened_at: Instant = strawberry.field(description="When it was opened.")
    opened_by: str = strawberry.field(description="By whom.")
    assignee: str | None = strawberry.field(description="Whose it is.")
    decision: CaseDecision | None = strawberry.field(description="What was decided.")
    decided_at: Instant | None = strawberry.field(description="When.")
    decided_by: str | None = strawberry.field(description="By whom.")
    reason: str | None = strawberry.field(description="Why.")
    closed_at: Instant | None = strawberry.field(description="When it was closed.")
    closed_by: str | None = strawberry.field(description="By whom.")
    note_count: int = strawberry.field(description="Notes on it.")
    known: strawberry.Private[rules.Case]

    @resolver("Notes, oldest first.")
    def notes(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[CaseNote]:
        """Notes with their texts, paged."""
        context = info.context
        told = context.state.affairs.case_desk.texts(self.id, by=context.actor)
        rows = [{"id": f"{note.n:012d}", "note": note, "text": text} for note, text in told]
        cut, page = page_rows(context, f"notes:{self.id}", rows, "id", first=first, after=after)
        return page.of([CaseNote(at=Instant(row["note"].at), by=row["note"].by, text=row["text"]) for row in cut])

    @resolver("The whole brief as Markdown: why, accounts, facts, timeline, what was decided before.")
    def brief(self, info: Info, language: In = Language.EN) -> str:
        """The brief as text."""
        return brief_text(_brief(info.context, self.known, language))

    @resolver("Facts, heaviest first, each tied to its source record.")
    def facts(
        self, info: Info, language: In = Language.EN, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CaseFact]:
        """Facts, paged."""
        told = _brief(info.context, self.known, language)
        rows = [{"id": f"{number:08d}", "fact": fact} for number, fact in enumerate(told.facts)]
        cut, page = page_rows(info.context, f"facts:{self.id}", rows, "id", first=first, after=after)
        return page.of(
            [
                CaseFact(
                    text=fact["text"],
                    nats=fact["nats"],
                    buyer_id=fact["buyer_id"],
                    table=fact["source_table"],
                    id=fact["source_id"],
                    shown=fact["shown"] or None,
                )
                for fact in (row["fact"] for row in cut)
            ]
        )

    @resolver("What happened, by time, up to the run's `asOf`.")
    def timeline(
        self, info: Info, language: In = Language.EN, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CaseEvent]:
        """Events, paged."""
        told = _brief(info.context, self.known, language)
        return _events(info.context, f"timeline:{self.id}", told, told.timeline, first, after)

    @resolver("What was decided of its accounts before, by the platform or its people, by time.")
    def decided_before(
        self, info: Info, language: In = Language.EN, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CaseEvent]:
        """Events, paged."""
        told = _brief(info.context, self.known, language)
        return _events(info.context, f"before:{self.id}", told, told.before, first, after)

    @resolver(
        "The ring drawn, as SVG or PNG in base64; null for an account, and where the server has nothing to draw with."
    )
    def drawing(
        self,
        info: Info,
        png: Annotated[bool, strawberry.argument(description="As PNG in base64 in place of SVG.")] = False,
    ) -> str | None:
        """The drawing."""
        if self.target is not CaseTarget.RING:
            return None
        run_id = _brief(info.context, self.known, Language.EN).run.run_id
        store = info.context.view.store
        rings, members, evidence = (store.run_rows(run_id, f"run_{name}") for name in ("rings", "members", "evidence"))
        try:
            drawn = draw_ring(rings, members, evidence, self.target_id, "png" if png else "svg")
            return base64.b64encode(drawn).decode() if png else drawn.decode()
        except NoDrawing:
            return None


def _brief(context: Context, case: rules.Case, language: Language) -> Brief:
    store, affairs = context.view.store, context.state.affairs
    found: Brief = context.once(
        ("brief", case.case_id, language.value), lambda: brief(store, case, affairs, speaks(language))
    )
    return found


def _events(
    context: Context, name: str, told: Brief, events: tuple[Event, ...], first: int, after: str | None
) -> Connection[CaseEvent]:
    rows = [{"id": f"{number:08d}", "event": event} for number, event in enumerate(events)]
    cut, page = page_rows(context, name, rows, "id", first=first, after=after)
    return page.of(
        [
            CaseEvent(
                at=Instant(event.at),
                text=text_of(event.what, told.language),
                table=event.table,
                id=strawberry.ID(event.id),
            )
            for event in (row["event"] for row in cut)
        ]
    )


def case_of(context: Context, one: rules.Case) -> Case:
    """A case; audited, and every account that is part of it."""
    context.saw("case", one.case_id)
    for buyer in one.buyer_ids:
        context.saw("account", buyer)
    return Case(
        id=strawberry.ID(one.case_id),
        target=CaseTarget(one.target),
        target_id=strawberry.ID(one.target_id),
        buyer_ids=[strawberry.ID(id_) for id_ in one.buyer_ids],
        claimed=money(one.amount, one.currency),
        confidence=one.confidence,
        run_id=strawberry.ID(one.run_id),
        state=CaseState(one.state),
        opened_at=Instant(one.opened_at),
        opened_by=one.opened_by,
        assignee=one.assignee or None,
        decision=CaseDecision(one.decision) if one.decision else None,
        decided_at=instant(one.decided_at),
        decided_by=one.decided_by or None,
        reason=one.reason or None,
        closed_at=instant(one.closed_at),
        closed_by=one.closed_by or None,
        note_count=len(one.notes),
        known=one,
    )


def _candidates(context: Context) -> list[queue.Candidate]:
    need_run(context.view)
    published = context.view.published
    assert published is not None  # there is a run
    return queue.candidates(context.view.store, published, context.policy)


@strawberry.type
class CaseQuery:
    """Root fields that read cases."""

    @resolver("What the published run has that nobody is at, in one currency, most money at risk first.")
    def case_queue(
        self,
        info: Info,
        currency: Annotated[
            Currency | None, strawberry.argument(description="The currency; the most frequent one where not given.")
        ] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[CaseCandidate]:
        """Candidates, paged."""
        context = info.context
        found = rules.waiting(_candidates(context), context.state.affairs.cases)
        chosen = currency or (found[0].currency if found else "")
        found = sorted((one for one in found if one.currency == chosen), key=lambda one: (one.target, one.target_id))
        page = page_of(
            f"queue:{chosen}",
            [f"{one.target}:{one.target_id}" for one in found],
            first=first,
            after=after,
            limit=context.settings.max_page,
            keys=np.array([one.at_risk for one in found], dtype=np.float64),
            direction=Direction.DESC,
        )
        shown = [found[number] for number in page.rows]
        for one in shown:
            if one.target == queue.ACCOUNT:
                context.saw("account", one.target_id)
        return page.of(
            [
                CaseCandidate(
                    target=CaseTarget(one.target),
                    target_id=strawberry.ID(one.target_id),
                    accounts=len(one.buyer_ids),
                    claimed=money(one.amount, one.currency),
                    at_risk=money(one.at_risk, one.currency),
                    confidence=one.confidence,
                    last_at=Instant(one.last_at),
                )
                for one in shown
            ]
        )

    @resolver("Cases, latest first.")
    def cases(
        self,
        info: Info,
        state: Annotated[CaseState | None, strawberry.argument(description="Only those that stand so.")] = None,
        assignee: Annotated[str | None, strawberry.argument(description="Only those of this person.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Case]:
        """Cases, filtered and paged."""
        context = info.context
        rows = [
            {"id": f"{number:08d}", "case": one}
            for number, one in enumerate(context.state.affairs.cases.all.values())
            if (state is None or one.state == state.value) and (assignee is None or one.assignee == assignee)
        ]
        cut, page = page_rows(
            context,
            "cases",
            rows,
            "id",
            first=first,
            after=after,
            key=lambda row: int(row["id"]),
            direction=Direction.DESC,
        )
        return page.of([case_of(context, row["case"]) for row in cut])

    @resolver("One case; null where there is none.")
    def case(
        self, info: Info, id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The case's id.")]
    ) -> Case | None:
        """A case."""
        known = info.context.state.affairs.cases.all.get(check_id(id_, "a case's id"))
        return None if known is None else case_of(info.context, known)


Id = Annotated[strawberry.ID, strawberry.argument(name="id", description="The case's id.")]
Reason = Annotated[str, strawberry.argument(description="Why; stands in the book of acts.")]


@strawberry.type
class CaseMutation:
    """Root fields that work on cases."""

    @mutation("Open a case on a ring or account of the published run; one that is not closed answers as it stands.")
    def open_case(
        self,
        info: Info,
        target: Annotated[CaseTarget, strawberry.argument(description="A ring, or an account.")],
        target_id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
        key: Key = None,
    ) -> Case:
        """Open."""
        context = info.context
        found = queue.find_candidate(_candidates(context), target.value, check_id(target_id, "targetId"))
        desk = context.state.affairs.case_desk
        return case_of(context, desk.open(found, by=context.actor, now=context.state.now(), key=key or ""))

    @mutation("Give a case to a person.")
    def assign_case(
        self,
        info: Info,
        id_: Id,
        to: Annotated[str, strawberry.argument(description="The person, as tokens name it.")],
        key: Key = None,
    ) -> Case:
        """Assign."""
        context = info.context
        desk = context.state.affairs.case_desk
        return case_of(context, desk.assign(id_, to, by=context.actor, now=context.state.now(), key=key or ""))

    @mutation("Write a note on a case. Its text is shown with the case and nowhere else.")
    def note_case(
        self,
        info: Info,
        id_: Id,
        text: Annotated[str, strawberry.argument(description="The note.")],
        key: Key = None,
    ) -> Case:
        """Note."""
        context = info.context
        desk = context.state.affairs.case_desk
        return case_of(context, desk.note(id_, text, by=context.actor, now=context.state.now(), key=key or ""))

    @mutation("Decide a case: whoever it is assigned to, or a senior investigator.")
    def decide_case(
        self,
        info: Info,
        id_: Id,
        decision: Annotated[CaseDecision, strawberry.argument(description="The decision.")],
        reason: Reason,
        key: Key = None,
    ) -> Case:
        """Decide."""
        context = info.context
        desk = context.state.affairs.case_desk
        done = desk.decide(id_, decision.value, reason, by=context.actor, now=context.state.now(), key=key or "")
        return case_of(context, done)

    @mutation("Close a decided case.")
    def close_case(self, info: Info, id_: Id, reason: Reason, key: Key = "") -> Case:
        """Close."""
        context = info.context
        desk = context.state.affairs.case_desk
        return case_of(context, desk.close(id_, reason, by=context.actor, now=context.state.now(), key=key or ""))
