"""Forgetting a buyer whole: its identifiers in the records, and all that people wrote about it in the book of acts.

What people wrote: notes and files of complaints, reasons of verdicts, judgements, appeals and cases, the buyer's own
words in an appeal, notes of cases. What was decided stays, with who decided it and when. An act says first which texts
go (`texts.ERASED`), then they are erased; cut short in between, the same call again ends it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from graph.changes import PICTURE
from graph.errors import BadInput
from graph.store import Lease, Store
from graph.texts import TEXTS
from integrity.acts import JOURNAL, Act, Actor, Book, Draft, act_id, digest_of, row_of
from integrity.columns import rows_of, scan_frame
from integrity.instants import DAY
from integrity.policy_journal import read_journal
from integrity.texts import ERASED, SALTED, places, taken_out

_AT_ONCE = 5_000
"""Texts named by one act."""


@dataclass(frozen=True)
class Forgotten:
    """What was erased: rows by table (`records`), and texts. `shared` texts are about other accounts too and were kept
    where that was wanted."""

    records: Mapping[str, int]
    texts: int
    shared: int


def forget_buyer(
    store: Store,
    lease: Lease,
    buyer_id: str,
    *,
    by: Actor,
    now: int,
    signing_key: str = "",
    keep_shared: bool = False,
) -> Forgotten:
    """Erase a buyer's identifiers and what people wrote about it; `lease` is that of loads.

    With `keep_shared`, texts stay that are about other accounts too: of a ring's case, or of a judgement on a ring.
    Raises `BadInput` where the book is signed and there is no key to sign with, `Tampered`, `StoreProblem`."""
    book = Book(store, signing_key=signing_key)
    mine = _mine(store, buyer_id)
    try:
        book.refresh()
        if not signing_key and any(act.mac for act in book.acts):
            raise BadInput(
                "the book of acts is signed, and there is no key to sign with",
                where=store.url,
                do="set RINGFENCE_AUDIT_KEY, and forget again",
            )
    finally:
        # whatever is the matter with the book: the records don't wait for it
        records = store.forget(lease, buyer_id)
    found = list(_about(book.acts, mine | _nobodys(store, book.acts)))
    kept = [one for one in found if one.shared and keep_shared]
    wanted = [one for one in found if not (one.shared and keep_shared)]
    before = len(book.acts)
    gone = _erase(book, wanted, buyer_id, by=by, now=now)
    # nobody wrote anything: the book says who forgot whom, also where an earlier call was cut short before it could
    if len(book.acts) == before and (any(records.values()) or _unsaid(book, buyer_id)):
        book.append(lambda: Draft(ERASED, buyer_id, {"texts": [], "acts": {}}), by=by, now=now)
    _drop_loose(store, book.acts, now)
    store.scrub()
    return Forgotten(dict(records), gone, len({one.key for one in kept}))


def _unsaid(book: Book, buyer_id: str) -> bool:
    """Whether there is such a buyer, and no act says that it was forgotten."""
    if any(act.kind == ERASED and act.subject == buyer_id for act in book.acts):
        return False
    return book.store.find("orders", "buyer_id", [buyer_id], columns=("order_id",), limit=1).num_rows > 0


def forgot_since(store: Store, acts: int) -> bool:
    """Whether somebody was forgotten, or texts were, after so many acts: what was read before may hold what is gone."""
    return forgotten_since(store, acts) > 0


def forgotten_since(store: Store, acts: int, buyer_id: str | None = None) -> int:
    """How many acts after so many say that somebody was forgotten, or that buyer."""
    rows = islice(read_journal(store, JOURNAL), acts, None)
    told = (json.loads(row["body"]) for row in rows if ERASED in row["body"])
    return sum(one["kind"] == ERASED and buyer_id in (None, one["subject"]) for one in told)


@dataclass(frozen=True)
class _Text:
    """A text about the buyer: in act `n`, under `key`; `within` says that the act itself holds it."""

    n: int
    key: str
    within: bool
    shared: bool


def _erase(book: Book, wanted: Sequence[_Text], buyer_id: str, *, by: Actor, now: int) -> int:
    """Say so in the book, then erase; how many texts that were."""
    store = book.store
    said = {key for act in book.acts if act.kind == ERASED for key in act.body["texts"]}
    fresh = [one for one in wanted if one.key not in said]
    for some in _parts(fresh):
        keys = sorted({one.key for one in some})
        anew = {n: _anew(book.acts[n - 1], keys) for n in sorted({one.n for one in some if one.within})}
        body = {"texts": keys, "acts": {str(n): digest_of(act) for n, act in anew.items()}}
        book.append(partial(Draft, ERASED, buyer_id, body), by=by, now=now)
        store.reword_notes(JOURNAL, {act_id(n): row_of(act)["body"] for n, act in anew.items()})
    # also what an earlier call said, and was cut short before it did
    left = sorted({one.n for one in wanted if "/" in one.key and one.key in said})
    store.reword_notes(JOURNAL, {act_id(n): row_of(book.acts[n - 1])["body"] for n in left})
    store.erase_notes(TEXTS, sorted({one.key for one in wanted}))
    return len({one.key for one in fresh if not one.key.startswith(SALTED)})


def _parts(texts: Sequence[_Text]) -> Iterator[list[_Text]]:
    """So many at once; those of one act together."""
    part: list[_Text] = []
    for number, one in enumerate(texts):
        if len(part) >= _AT_ONCE and one.n != texts[number - 1].n:
            yield part
            part = []
        part.append(one)
    if part:
        yield part


def _anew(act: Act, keys: Collection[str]) -> Act:
    """An act of before without these texts; the fingerprint of its request would tell them to whoever guesses."""
    return replace(act, body=taken_out(act.n, act.kind, act.body, keys), asked="")


def _about(acts: Sequence[Act], mine: set[str]) -> Iterator[_Text]:
    """The texts that are about something of the buyer's, act by act."""
    whom = _Whom()
    for act in acts:
        touched = shared = False
        for place in places(act.n, act.kind, act.body):
            about = whom.of(act, place.path)
            if about & mine:
                touched = True
                others = any(one.startswith("buyer:") and one not in mine for one in about)
                shared = shared or others
                yield _Text(act.n, place.key, place.text is not None, others)
        if touched and act.asked.startswith(SALTED):
            yield _Text(act.n, act.asked, False, shared)
        whom.take_up(act)


@dataclass
class _Whom:
    """What acts are about, as `buyer:ID`, `complaint:ID`, `record:TABLE/ID`, `identifier:ID`."""

    complaints: dict[str, frozenset[str]] = field(default_factory=dict)
    judgements: dict[str, frozenset[str]] = field(default_factory=dict)
    matters: dict[str, frozenset[str]] = field(default_factory=dict)
    """Appeals and cases."""

    def of(self, act: Act, path: tuple[str | int, ...]) -> frozenset[str]:
        """What a text of the act is about."""
        room, _, what = act.kind.partition(".")
        if what == "filed":
            return frozenset({f"buyer:{act.body['complaints'][path[1]]['buyer_id']}"})
        if act.kind == "complaint.verdict":
            return self.complaints.get(act.subject, frozenset({f"complaint:{act.subject}"}))
        if act.kind == "judgement.made":
            return _judged(act.body)
        if room == "judgement":
            return self.judgements.get(act.subject, frozenset())
        if act.kind == "appeal.opened":
            return frozenset({f"buyer:{act.body['buyer_id']}"})
        of_judgement = _judged(act.body["judgements"][path[1]]) if path[0] == "judgements" else frozenset[str]()
        return self.matters.get(act.subject, frozenset()) | of_judgement

    def take_up(self, act: Act) -> None:
        """Remember what later acts refer to."""
        match act.kind:
            case "complaint.filed":
                for told in act.body["complaints"]:
                    self.complaints[told["complaint_id"]] = frozenset({f"buyer:{told['buyer_id']}"})
            case "judgement.made":
                self.judgements[f"j-{act.n}"] = _judged(act.body)
            case "appeal.opened":
                self.matters[act.subject] = frozenset({f"buyer:{act.body['buyer_id']}"})
            case "appeal.upheld":
                for number, told in enumerate(act.body["judgements"], 1):
                    self.judgements[f"j-{act.n}-{number}"] = self.matters[act.subject] | _judged(told)
            case "case.opened":
                self.matters[act.subject] = frozenset(f"buyer:{one}" for one in act.body["buyer_ids"])


def _judged(told: Mapping[str, Any]) -> frozenset[str]:
    about = told["about"]
    match about["target"]:
        case "account":
            return frozenset({f"buyer:{about['id']}"})
        case "link":
            return frozenset({f"buyer:{about['buyer_id']}"})
        case "record":
            return frozenset({f"record:{about['table']}/{about['id']}"})
        case "identifier":
            return frozenset({f"identifier:{about['id']}"})
        case _:
            return frozenset(f"buyer:{one}" for one in told["members"])


def _mine(store: Store, buyer_id: str) -> set[str]:
    """What is the buyer's, by the records."""

    def ids(table: str, column: str, values: Sequence[str], name: str) -> list[str]:
        return [row[name] for row in rows_of(store.find(table, column, values, columns=(name,)))] if values else []

    orders = ids("orders", "buyer_id", [buyer_id], "order_id")
    refunds = ids("refunds", "order_id", orders, "refund_id")
    complaints = ids("complaints", "refund_id", refunds, "complaint_id")
    records = {
        "refunds": refunds,
        "complaints": complaints,
        "uses": ids("uses", "buyer_id", [buyer_id], "use_id"),
        "past_decisions": ids("past_decisions", "buyer_id", [buyer_id], "decision_id"),
    }
    found = {f"record:{table}/{id_}" for table, of_table in records.items() for id_ in of_table}
    return found | {f"buyer:{buyer_id}"} | {f"complaint:{id_}" for id_ in complaints}


def _nobodys(store: Store, acts: Sequence[Act]) -> set[str]:
    """Judged identifiers that nobody uses any more, and pictures that no claim holds: what was written about them goes
    with them. One that somebody else has too stays, since it is about that account as well."""
    judged = [told["about"] for act in acts for told in (act.body, *_listed(act)) if "about" in told]
    ids = {one["id"] for one in judged if one["target"] == "identifier"}
    pictures = {id_ for id_ in ids if id_.startswith(f"{PICTURE}:")}
    others = sorted(ids - pictures)
    there = (
        {row["id"] for row in rows_of(store.find("identifiers", "id", others, columns=("id",)))} if others else set()
    )
    if pictures:
        claims = scan_frame(store, "refunds", ("pictures",), known_by=store.head().load)
        held = claims.explode("pictures", keep_nulls=True, empty_as_null=True)["pictures"]
        there |= {f"{PICTURE}:{one}" for one in held.drop_nulls().unique()}
    return {f"identifier:{id_}" for id_ in ids - there}


def _listed(act: Act) -> Sequence[Mapping[str, Any]]:
    return act.body["judgements"] if act.kind == "appeal.upheld" else ()


def _drop_loose(store: Store, acts: Sequence[Act], now: int) -> None:
    """Erase texts of acts that were never written, once no writer can be at them any more."""
    named = {place.key for act in acts for place in places(act.n, act.kind, act.body)} | {act.asked for act in acts}
    old = [row["id"] for row in read_journal(store, TEXTS) if row["id"] not in named and row["at"] < now - DAY]
    store.erase_notes(TEXTS, old)
