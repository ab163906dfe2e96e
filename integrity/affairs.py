"""All that people do to accounts of one store, in one place: the book of acts, what stands by it, and the desks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from graph.store import Store
from integrity.acts import Book, Fold
from integrity.appeals import AppealDesk, AppealFold
from integrity.cases import CaseDesk, CaseFold
from integrity.complaints import ComplaintDesk, ComplaintFold, Outcomes
from integrity.judgements import JudgementDesk, JudgementFold, Outranking, Said, outranking
from integrity.policy import Policy


class Affairs:
    """The acts of a store and the desks that add to them. `policy` gives the policy of the moment; `signing_key` signs
    acts, "" leaves them unsigned. May be used from several threads."""

    def __init__(self, store: Store, policy: Callable[[], Policy], *, signing_key: str = "") -> None:
        self.policy = policy
        self.complaints, self.judgements, self.appeals = ComplaintFold(), JudgementFold(), AppealFold()
        self.cases = CaseFold()
        folds: tuple[Fold, ...] = (self.complaints, self.judgements, self.appeals, self.cases)
        self.book = Book(store, folds, signing_key)
        self.complaint_desk = ComplaintDesk(store, self.book, self.complaints, lambda: policy().complaints)
        self.judgement_desk = JudgementDesk(
            store, self.book, self.judgements, lambda: policy().people.two_for_platform_limits
        )
        self.appeal_desk = AppealDesk(
            store, self.book, self.appeals, self.judgement_desk, lambda: policy().people.appeal_days
        )
        self.case_desk = CaseDesk(store, self.book, self.cases)

    def outranking(self) -> Outranking:
        """What the judgements that stand make of a run."""
        return outranking(self.judgements)

    def acted(self) -> Acted:
        """What people have done, all of it after one and the same act."""
        with self.book.still():
            return Acted(len(self.book.acts), self.complaints.outcomes(), _abusive(self.outranking()))


@dataclass(frozen=True)
class Acted:
    """What people had done after so many acts, as far as claims are assessed by it: `complaints`
    outrank the records and stand beside them; `abusive` are the buyers whom somebody judged so."""

    acts: int = 0
    complaints: Outcomes = field(default_factory=Outcomes)
    abusive: frozenset[str] = frozenset()


NOBODY = Acted()
"""Before anybody has done anything."""


def acted(store: Store, acts: int | None = None) -> Acted:
    """What people had done after so many acts (None: all). Raises `Tampered`."""
    complaints, judged, count = stood(store, acts)
    return Acted(count, complaints.outcomes(), _abusive(judged))


def cited(store: Store) -> frozenset[str]:
    """Runs that open appeals are against, and that cases rest on which are not closed. Raises `Tampered`."""
    appeals, cases = AppealFold(), CaseFold()
    Book(store, (appeals, cases), words=False).refresh()
    contested = {one.run_id for one in appeals.all.values() if one.state == "open"}
    return frozenset(contested | {one.run_id for one in cases.all.values() if one.state != "closed"})


def _abusive(judged: Outranking) -> frozenset[str]:
    return frozenset(buyer for buyer, one in judged.accounts.items() if one.about.said is Said.ABUSIVE)


def stood(store: Store, acts: int | None = None) -> tuple[ComplaintFold, Outranking, int]:
    """What stood after so many acts (None: all): complaints, what judgements make of a run, and the number of acts.

    Raises `Tampered`."""
    complaints, judgements = ComplaintFold(), JudgementFold()
    book = Book(store, (complaints, judgements), until=acts, words=False)
    book.refresh()
    return complaints, outranking(judgements), len(book.acts)
