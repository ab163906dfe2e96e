"""Appeals: a buyer says that what was found is wrong, and a person looks.

The platform opens the appeal on the buyer's behalf. Upholding it names what was wrong (a link, an identifier, a record,
the account itself, a ring): these become judgements in the same act, everything downstream is decided anew at once, and
everybody who is healed by it is listed, with words to be sent. What the buyer wrote stands apart (`integrity.texts`)
and is shown to those who decide, nowhere else: neither in the book of acts, nor in reasons, exports or another's case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from graph.errors import BadInput, Forbidden, NotFound
from graph.store import Store
from integrity.acts import Act, Actor, Book, Draft, Request, fingerprint
from integrity.checkout import Status
from integrity.columns import texts
from integrity.instants import DAY, to_iso
from integrity.judgements import PEOPLE, UPHELD_APPEAL, About, JudgementDesk
from integrity.texts import ERASED, forgotten, texts_of, words_key
from integrity.words import Fact, Language, Words, fact, text_of

OPENED, REJECTED, WITHDRAWN, HEALED = "appeal.opened", "appeal.rejected", "appeal.withdrawn", "appeal.healed"
MAX_TEXT: Final = 10_000
ORDER: Final = {status.value: place for place, status in enumerate(Status)}


@dataclass(frozen=True)
class Healed:
    """An account that stands better by an appeal; `words` are to be sent to the buyer, `told` gives them in a
    language."""

    buyer_id: str
    before: str
    after: str
    words: str

    def told(self, language: Language) -> str:
        """What the buyer is told."""
        return text_of(_words(self.before, self.after), language)


@dataclass(frozen=True)
class Appeal:
    """An appeal as it stands: `state` is open, upheld, rejected or withdrawn; `status_then` the account's status when
    it was opened, by run `run_id`; `judgement_ids` what upholding it brought, when readers saw run `before`; `healed`
    everybody it helped, once everything downstream was decided anew by run `healed_by`."""

    appeal_id: str
    buyer_id: str
    state: str
    opened_at: int
    deadline: int
    by: str
    status_then: str
    run_id: str
    text_digest: str
    decided_at: int | None = None
    decided_by: str = ""
    reason: str = ""
    judgement_ids: tuple[str, ...] = ()
    healed_by: str | None = None
    healed: tuple[Healed, ...] = ()
    before: str | None = None

    def overdue(self, now: int) -> bool:
        """Open beyond its deadline."""
        return self.state == "open" and now > self.deadline


@dataclass
class AppealFold:
    """All appeals by id, in the order opened."""

    all: dict[str, Appeal] = field(default_factory=dict)

    def apply(self, act: Act) -> None:
        """Take up what was opened and decided."""
        if act.kind == OPENED:
            told = act.body
            self.all[act.subject] = Appeal(
                act.subject,
                told["buyer_id"],
                "open",
                act.at,
                told["deadline"],
                act.by,
                told["status"],
                told["run_id"],
                words_key(told),
            )
        elif act.kind in (UPHELD_APPEAL, REJECTED, WITHDRAWN):
            brought = [f"j-{act.n}-{number}" for number in range(1, len(act.body.get("judgements", ())) + 1)]
            self.all[act.subject] = replace(
                self.all[act.subject],
                state=act.kind.removeprefix("appeal."),
                decided_at=act.at,
                decided_by=act.by,
                reason=act.body["reason"],
                judgement_ids=tuple(brought),
                before=act.body.get("before"),
            )
        elif act.kind == HEALED:
            healed = tuple(Healed(**told) for told in act.body["healed"])
            self.all[act.subject] = replace(self.all[act.subject], healed_by=act.body["run_id"], healed=healed)
        elif act.kind == ERASED:
            self.all = forgotten(self.all, frozenset(act.body["texts"]))

    def open_of(self, buyer_id: str) -> Appeal | None:
        """The buyer's open appeal."""
        for one in self.all.values():
            if one.buyer_id == buyer_id and one.state == "open":
                return one
        return None


Recompute = Callable[[], str]
"""Decides everything anew with the judgements that stand now, publishes that, and returns the run's id."""


class AppealDesk:
    """Opens and decides appeals. `days` gives the policy's deadline."""

    def __init__(
        self, store: Store, book: Book, fold: AppealFold, judgements: JudgementDesk, days: Callable[[], int]
    ) -> None:
        self._store, self._book, self._fold, self._judgements, self._days = store, book, fold, judgements, days

    def open(self, buyer_id: str, text: str, *, by: Actor, now: int, key: str = "") -> Appeal:
        """Open an appeal for a buyer. `text` is what the buyer wrote.

        Raises `NotFound` for an unknown account, `BadInput` where nothing stands against it now or an appeal is open
        already, `Forbidden`."""
        _allowed(by)
        if not text.strip() or len(text) > MAX_TEXT:
            raise BadInput("an appeal needs the buyer's words", where=buyer_id, do=f"give 1 to {MAX_TEXT} characters")

        def draft() -> Draft:
            status, run_id = self._status(buyer_id)
            known = self._fold.open_of(buyer_id)
            if known is not None:
                raise BadInput(f"{known.appeal_id} is open", where=buyer_id, do="decide that one first")
            if status == Status.CLEAR:
                raise BadInput(
                    "nothing stands against this account now", where=buyer_id, do="no appeal is needed: it is CLEAR"
                )
            opened = max(now, self._book.acts[-1].at) if self._book.acts else now  # as the act will say
            body = {
                "buyer_id": buyer_id,
                "deadline": opened + self._days() * DAY,
                "status": status,
                "run_id": run_id,
                "text": text,
            }
            before = sum(one.buyer_id == buyer_id for one in self._fold.all.values())
            return Draft(OPENED, "appeal-" + fingerprint([buyer_id, before])[:12], body)

        asked = [buyer_id, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()]
        done = self._book.append(draft, by=by, now=now, request=Request(key, asked))
        return self._fold.all[done.act.subject]

    def text(self, appeal_id: str, *, by: Actor) -> str:
        """What the buyer wrote. Raises `Forbidden`, `NotFound`, also where it was erased."""
        _allowed(by)
        digest = self._one(appeal_id).text_digest
        kept = texts_of(self._store, [digest])
        if not kept:
            raise NotFound("what the buyer wrote was erased", where=appeal_id, do="ask the buyer again")
        text: str = kept[digest]["text"]
        return text

    def uphold(
        self,
        appeal_id: str,
        wrong: Sequence[About],
        reason: str,
        *,
        by: Actor,
        now: int,
        recompute: Recompute,
        key: str = "",
    ) -> Appeal:
        """Uphold: `wrong` is what was wrong, at least one thing. `recompute` then decides everything downstream anew.

        Where the process dies in between, the judgements stand, the next run heeds them, and upholding the same again
        brings the list of who was healed. Raises `NotFound`, `Forbidden`, `BadInput` for an appeal that is not
        open or a judgement that would contradict one that stands."""
        _allowed(by)
        if not wrong:
            raise BadInput("nothing is named as wrong", where=appeal_id, do="name the link, record or account")

        def draft() -> Draft:
            self._open(appeal_id)
            told = [self._judgements.told(one, reason) for one in wrong]
            if len({one.key for one in wrong}) < len(wrong):
                raise BadInput("one thing is named twice", where=appeal_id, do="name it once")
            if any(one["needs_second"] for one in told):
                raise BadInput("an appeal limits nobody", where=appeal_id, do="judge that account by itself")
            said = {"reason": _reason(reason, appeal_id), "before": self._store.head().run}
            return Draft(UPHELD_APPEAL, appeal_id, {"judgements": told, **said})

        asked = [appeal_id, [one.to_json() for one in wrong], reason]
        if key or not self._cut_short(appeal_id, wrong):
            self._book.append(draft, by=by, now=now, request=Request(key, asked))
        return self.heal(appeal_id, by=by, now=now, recompute=recompute)

    def heal(self, appeal_id: str, *, by: Actor, now: int, recompute: Recompute) -> Appeal:
        """Decide anew after an upheld appeal, and list who was healed. What was listed already stays as it is."""
        appeal = self._one(appeal_id)
        if appeal.state != "upheld":
            raise BadInput(f"is {appeal.state}", where=appeal_id, do="only an upheld appeal heals")
        if appeal.healed_by is not None:
            return appeal
        known = {run.run_id for run in self._store.runs()}
        before = appeal.before if appeal.before in known else self._store.head().run
        after = recompute()
        body = {"run_id": after, "before": before, "healed": [vars(one) for one in healed(self._store, before, after)]}

        def draft() -> Draft:
            if self._one(appeal_id).healed_by is not None:
                raise _Listed
            return Draft(HEALED, appeal_id, body)

        with suppress(_Listed):
            self._book.append(draft, by=by, now=now)
        return self._fold.all[appeal_id]

    def reject(self, appeal_id: str, reason: str, *, by: Actor, now: int, key: str = "") -> Appeal:
        """Reject. Raises `NotFound`, `Forbidden`, `BadInput` for an appeal that is not open."""
        return self._close(REJECTED, appeal_id, reason, by, now, key)

    def withdraw(self, appeal_id: str, reason: str, *, by: Actor, now: int, key: str = "") -> Appeal:
        """The buyer takes it back. Raises as `reject` does."""
        return self._close(WITHDRAWN, appeal_id, reason, by, now, key)

    def _close(self, kind: str, appeal_id: str, reason: str, by: Actor, now: int, key: str) -> Appeal:
        _allowed(by)

        def draft() -> Draft:
            self._open(appeal_id)
            return Draft(kind, appeal_id, {"reason": _reason(reason, appeal_id)})

        self._book.append(draft, by=by, now=now, request=Request(key, [kind, appeal_id, reason]))
        return self._fold.all[appeal_id]

    def _cut_short(self, appeal_id: str, wrong: Sequence[About]) -> bool:
        """Whether the same was upheld before, and whoever did so came to no list of who was healed."""
        self._book.refresh()
        known = self._one(appeal_id)
        unlisted = known.state == "upheld" and known.healed_by is None
        return unlisted and self._judgements.about(known.judgement_ids) == list(wrong)

    def _one(self, appeal_id: str) -> Appeal:
        known = self._fold.all.get(appeal_id)
        if known is None:
            raise NotFound(f"no appeal {appeal_id!r}", do="see the list of appeals")
        return known

    def _open(self, appeal_id: str) -> Appeal:
        known = self._one(appeal_id)
        if known.state != "open":
            raise BadInput(f"was {known.state} by {known.decided_by}", where=appeal_id, do="open another appeal")
        return known

    def _status(self, buyer_id: str) -> tuple[str, str]:
        """The account's status by the published run, and that run."""
        run = self._store.head().run
        if run is None:
            raise BadInput("no run has been published", where=buyer_id, do="nothing stands against anybody yet")
        statuses = _statuses(self._store, run)
        if buyer_id not in statuses:
            raise NotFound(f"no account {buyer_id!r} in {run}", do="check the id")
        return statuses[buyer_id], run


class _Listed(Exception):
    """Who was healed was listed meanwhile."""


def healed(store: Store, before: str | None, after: str) -> list[Healed]:
    """Accounts that stand better by run `after` than by run `before`, in order of id."""
    if before is None or before == after:
        return []
    old, new = _statuses(store, before), _statuses(store, after)
    return [
        Healed(buyer, old[buyer], status, text_of(_words(old[buyer], status)))
        for buyer, status in sorted(new.items())
        if buyer in old and ORDER[status] < ORDER[old[buyer]]
    ]


def may_see(appeal: Appeal, words: Sequence[Words], *, now: int, language: Language) -> list[str]:
    """What the buyer may see: how the appeal stands and by when it is decided, that the account is healed, and what is
    done about it now (`words`, as `remedies.told_to_buyer` gives them). No evidence, no reason of a person, no other
    account."""
    state = "overdue" if appeal.overdue(now) else appeal.state
    span = {"until": to_iso(appeal.deadline)} if appeal.state == "open" else {}
    healed_ = [one.told(language) for one in appeal.healed if one.buyer_id == appeal.buyer_id]
    stands = text_of(fact(f"appeal_told_{state}", at=to_iso(appeal.opened_at), **span), language)
    return [stands, *healed_, *(one.text(language) for one in words)]


def _words(before: str, after: str) -> Fact:
    if after != Status.CLEAR:
        return fact("healed_eased")
    return fact("healed_note" if before == Status.WATCH else "healed_clear")


def _statuses(store: Store, run_id: str) -> dict[str, str]:
    rows = store.run_rows(run_id, "run_decisions", columns=("buyer_id", "status"))
    return dict(zip(texts(rows, "buyer_id"), texts(rows, "status"), strict=True))


def _allowed(by: Actor) -> None:
    if by.role not in PEOPLE:
        raise Forbidden(f"the role {by.role} decides no appeals", where="appeal", do="ask an investigator")


def _reason(reason: str, where: str) -> str:
    if not reason.strip() or len(reason) > MAX_TEXT:
        raise BadInput("a decision needs its reason", where=where, do=f"say why in 1 to {MAX_TEXT} characters")
    return reason
