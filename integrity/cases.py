"""Cases: what people do about a ring or an account of the queue (`case_queue`), as acts in the book.

A case is opened, assigned, noted on, decided and closed. What is written in notes stands apart (`integrity.texts`) and
is shown with the case, nowhere else: the book of acts has its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graph.errors import BadInput, Forbidden, NotFound
from graph.store import Store
from integrity.acts import Act, Actor, Book, Draft, Request, fingerprint
from integrity.case_queue import Candidate
from integrity.judgements import PEOPLE
from integrity.texts import ERASED, GONE, forgotten, texts_of, words_key

OPENED, ASSIGNED, NOTED = "case.opened", "case.assigned", "case.noted"
DECIDED, CLOSED = "case.decided", "case.closed"
DECISIONS: Final = ("abusive", "honest", "inconclusive")
MAX_TEXT: Final = 10_000


@dataclass(frozen=True)
class Note:
    """A note as the book has it: who wrote it, when; the text is elsewhere, `digest` is over salt and text."""

    n: int
    at: int
    by: str
    digest: str


@dataclass(frozen=True)
class Case:
    """A case as it stands: `state` is open, decided or closed. What it was opened on stays as it was then."""

    case_id: str
    target: str
    target_id: str
    buyer_ids: tuple[str, ...]
    amount: int
    currency: str
    confidence: float
    run_id: str
    opened_at: int
    opened_by: str
    state: str = "open"
    assignee: str = ""
    notes: tuple[Note, ...] = ()
    decision: str = ""
    decided_at: int | None = None
    decided_by: str = ""
    reason: str = ""
    closed_at: int | None = None
    closed_by: str = ""
    closed_why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; of notes their number only."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "notes"}
        return {**told, "buyer_ids": list(self.buyer_ids), "notes": len(self.notes)}


@dataclass
class CaseFold:
    """All cases by id, in the order opened."""

    all: dict[str, Case] = field(default_factory=dict)
    _on: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def apply(self, act: Act) -> None:
        """Take up one act."""
        body = act.body
        if act.kind == OPENED:
            made = Case(
                act.subject,
                body["target"],
                body["target_id"],
                tuple(body["buyer_ids"]),
                body["amount"],
                body["currency"],
                body["confidence"],
                body["run_id"],
                act.at,
                act.by,
            )
            self.all[act.subject] = made
            self._on.setdefault((made.target, made.target_id), []).append(made.case_id)
            return
        if act.kind == ERASED:
            self.all = forgotten(self.all, frozenset(body["texts"]))
            return
        known = self.all.get(act.subject)
        if known is None:
            return
        if act.kind == ASSIGNED:
            self.all[act.subject] = replace(known, assignee=body["to"])
        elif act.kind == NOTED:
            self.all[act.subject] = replace(known, notes=(*known.notes, Note(act.n, act.at, act.by, words_key(body))))
        elif act.kind == DECIDED:
            self.all[act.subject] = replace(
                known,
                state="decided",
                decision=body["decision"],
                reason=body["reason"],
                decided_at=act.at,
                decided_by=act.by,
            )
        elif act.kind == CLOSED:
            self.all[act.subject] = replace(
                known, state="closed", closed_at=act.at, closed_by=act.by, closed_why=body["reason"]
            )

    def on(self, target: str, target_id: str) -> list[Case]:
        """Cases on one ring or account, the latest last."""
        return [self.all[id_] for id_ in self._on.get((target, target_id), ())]

    def about(self, buyer_ids: frozenset[str]) -> list[Case]:
        """Cases that any of these accounts is part of, in the order opened."""
        return [one for one in self.all.values() if not buyer_ids.isdisjoint(one.buyer_ids)]


def waiting(all_: Sequence[Candidate], fold: CaseFold) -> list[Candidate]:
    """Those that nobody is at: no case was opened, or the latest was closed before they were last active."""
    found = []
    for one in all_:
        known = fold.on(one.target, one.target_id)
        if not known or ((closed := known[-1].closed_at) is not None and one.last_at > closed):
            found.append(one)
    return found


class CaseDesk:
    """Opens cases and works on them. Investigators and senior investigators only."""

    def __init__(self, store: Store, book: Book, fold: CaseFold) -> None:
        self._store, self._book, self._fold = store, book, fold

    def open(self, candidate: Candidate, *, by: Actor, now: int, key: str = "") -> Case:
        """Open a case on a ring or account of the published run; one that is not closed yet answers as it stands.

        Raises `Forbidden`."""
        _allowed(by)

        def draft() -> Draft:
            known = self._fold.on(candidate.target, candidate.target_id)
            if known and known[-1].state != "closed":
                raise _OpenAlready(known[-1].case_id)
            body = {name: getattr(candidate, name) for name in ("target", "target_id", "amount", "currency", "run_id")}
            body |= {"buyer_ids": list(candidate.buyer_ids), "confidence": round(candidate.confidence, 6)}
            return Draft(OPENED, "case-" + fingerprint([candidate.target, candidate.target_id, len(known)]), body)

        asked = [candidate.target, candidate.target_id]
        try:
            done = self._book.append(draft, by=by, now=now, request=Request(key, asked))
        except _OpenAlready as open_:
            return self._fold.all[open_.case_id]
        return self._fold.all[done.act.subject]

    def assign(self, case_id: str, to: str, *, by: Actor, now: int, key: str = "") -> Case:
        """Give a case to a person. Raises `Forbidden`, `NotFound`, `BadInput` for a closed case."""
        _allowed(by)
        if not 0 < len(to) <= 256:
            raise BadInput("a case is assigned to a person", where=case_id, do="name the person in 1 to 256 characters")
        return self._append(case_id, lambda _: Draft(ASSIGNED, case_id, {"to": to}), [case_id, to], by, now, key)

    def note(self, case_id: str, text: str, *, by: Actor, now: int, key: str = "") -> Case:
        """Write a note. Its text is kept apart and shown with the case only. Raises as `assign`."""
        _allowed(by)
        if not 0 < len(text) <= MAX_TEXT:
            raise BadInput("a note needs its text", where=case_id, do=f"write 1 to {MAX_TEXT} characters")
        asked = [case_id, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()]
        return self._append(case_id, lambda _: Draft(NOTED, case_id, {"text": text}), asked, by, now, key)

    def texts(self, case_id: str, *, by: Actor) -> list[tuple[Note, str]]:
        """The notes of a case with their texts, oldest first. Raises `Forbidden`, `NotFound`."""
        _allowed(by, also="auditor")
        notes = self.one(case_id).notes
        kept = texts_of(self._store, [one.digest for one in notes])
        return [(one, kept[one.digest]["text"] if one.digest in kept else GONE) for one in notes]

    def decide(self, case_id: str, decision: str, reason: str, *, by: Actor, now: int, key: str = "") -> Case:
        """Decide a case: by whom it is assigned to, or a senior investigator, who alone may decide it otherwise later.

        It limits nobody by itself: that is what judgements are for. Raises as `assign`."""
        _allowed(by)
        if decision not in DECISIONS:
            raise BadInput(f"{decision!r} is no decision", where=case_id, do=f"choose one of {', '.join(DECISIONS)}")
        _reasoned(case_id, reason)

        def draft(known: Case) -> Draft:
            senior = by.role == "senior_investigator"
            if known.state == "decided" and not senior:
                raise BadInput("was decided already", where=case_id, do="a senior investigator may decide it otherwise")
            if known.assignee != by.name and not senior:
                whose = f"is {known.assignee}'s" if known.assignee else "is nobody's"
                raise Forbidden(whose, where=case_id, do="have it assigned to you, or ask a senior investigator")
            return Draft(DECIDED, case_id, {"decision": decision, "reason": reason})

        return self._append(case_id, draft, [case_id, decision, reason], by, now, key)

    def close(self, case_id: str, reason: str, *, by: Actor, now: int, key: str = "") -> Case:
        """Close a case that was decided; one that was not, only a senior investigator may close. Raises as `assign`."""
        _allowed(by)
        _reasoned(case_id, reason)

        def draft(known: Case) -> Draft:
            if known.state != "decided" and by.role != "senior_investigator":
                raise BadInput("was not decided", where=case_id, do="decide it, or ask a senior investigator")
            return Draft(CLOSED, case_id, {"reason": reason})

        return self._append(case_id, draft, [case_id, reason], by, now, key)

    def one(self, case_id: str) -> Case:
        """A case by id. Raises `NotFound`."""
        known = self._fold.all.get(case_id)
        if known is None:
            raise NotFound(f"no case {case_id!r}", do="see the list of cases")
        return known

    def _append(self, case_id: str, make: Callable[[Case], Draft], asked: Any, by: Actor, now: int, key: str) -> Case:
        def draft() -> Draft:
            known = self.one(case_id)
            if known.state == "closed":
                raise BadInput(f"was closed by {known.closed_by}", where=case_id, do="open a new case on it")
            return make(known)

        self._book.append(draft, by=by, now=now, request=Request(key, asked))
        return self._fold.all[case_id]


class _OpenAlready(Exception):
    """The case that is to be opened stands."""

    def __init__(self, case_id: str) -> None:
        super().__init__(case_id)
        self.case_id = case_id


def _allowed(by: Actor, *, also: str = "") -> None:
    if by.role not in PEOPLE and by.role != also:
        raise Forbidden(f"the role {by.role} works on no cases", where="cases", do="ask an investigator")


def _reasoned(case_id: str, reason: str) -> None:
    if not reason.strip() or len(reason) > MAX_TEXT:
        raise BadInput("a reason is needed", where=case_id, do=f"say in 1 to {MAX_TEXT} characters why")
