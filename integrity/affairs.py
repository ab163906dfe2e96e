"""All that people do to accounts of one store, in one place: the book of acts, what stands by it, and the desks."""

from __future__ import annotations

from collections.abc import Callable

from graph.store import Store
from integrity.acts import Book, Fold
from integrity.appeals import AppealDesk, AppealFold
from integrity.cases import CaseDesk, CaseFold
from integrity.complaints import ComplaintDesk, ComplaintFold
from integrity.judgements import JudgementDesk, JudgementFold, Outranking, outranking
from integrity.policy import Policy


class Affairs:
    """The acts of a store and the desks that add to them. `policy` gives the policy of the moment; `signing_key` signs
    acts, "" leaves them unsigned. May be used from several threads."""

    def __init__(self, store: Store, policy: Callable[[], Policy], *, signing_key: str = "") -> None:
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


def stood(store: Store, acts: int | None = None) -> tuple[ComplaintFold, Outranking, int]:
    """What stood after so many acts (None: all): complaints, what judgements make of a run, and the number of acts.

    Raises `Tampered`."""
    complaints, judgements = ComplaintFold(), JudgementFold()
    book = Book(store, (complaints, judgements), until=acts, words=False)
    book.refresh()
    return complaints, outranking(judgements), len(book.acts)
