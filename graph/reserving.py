"""Reservations of purchases: what may happen to one, decided in one place for every store.

A reservation takes parts of several allowances together or not at all. A store locks what a batch of acts touches,
reads it, has `decide` work out what comes of it, and writes that, all in one transaction; so acts that arrive together
share one commit, and every store gives the same answers. Nothing here reads a store or a clock.

What an allowance has given out counts until the take's own expiry: of a reservation that is held until `hold_until`, of
a confirmed one until each part's `until`. An order that has been loaded since is counted by its row; whoever asks names
it in `loaded`, and its take is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Kept = Literal["held", "confirmed", "released"]
State = Literal["held", "confirmed", "released", "expired", "refused", "conflict", "none"]
Place = tuple[str, str]
"""Key and window of an allowance."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is taken of one allowance: `amount` of what `cap` leaves for reservations, counted until `until` once it is
    confirmed. Takes of orders in `loaded` are left out of the sum."""

    key: str
    window: str
    amount: int
    cap: int
    until: int
    loaded: frozenset[str] = frozenset()

    @property
    def place(self) -> Place:
        """Which allowance."""
        return self.key, self.window


@dataclass(frozen=True, slots=True)
class Reserve:
    """Take all parts for an order, or none. `what` says what is bought: the same order id with anything else is a
    conflict while the first is held or confirmed. The record may be dropped after `keep_until`."""

    order_id: str
    what: Mapping[str, Any]
    parts: tuple[Part, ...]
    hold_until: int
    keep_until: int

    def __post_init__(self) -> None:
        if any(part.amount < 0 for part in self.parts):
            raise ValueError(f"reservation of a negative amount for order {self.order_id}")
        if len({part.place for part in self.parts}) != len(self.parts):
            raise ValueError(f"reservation of one allowance twice for order {self.order_id}")


@dataclass(frozen=True, slots=True)
class Confirm:
    """The order was placed: its parts count until their windows end. `expects` are fields of `what` that must agree."""

    order_id: str
    expects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Release:
    """The order was given up: its parts stop counting. `expects` as in `Confirm`."""

    order_id: str
    expects: Mapping[str, Any] = field(default_factory=dict)


Act = Reserve | Confirm | Release


@dataclass(frozen=True, slots=True)
class Taken:
    """A part as it was granted; `left` is what remained of its cap after it."""

    key: str
    window: str
    amount: int
    until: int
    left: int


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of an order's reservation. Instants are UTC microseconds."""

    state: Kept
    what: Mapping[str, Any]
    at: int
    hold_until: int
    keep_until: int
    parts: tuple[Taken, ...]

    def to_text(self) -> str:
        """JSON, as stores keep it."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def of_text(text: str) -> Record:
        """The record of `to_text`."""
        body = json.loads(text)
        return Record(**{**body, "parts": tuple(Taken(**part) for part in body["parts"])})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an act. `done`: it changed something. `left` is what each part's cap leaves now, in the order of the
    parts, where they were refused or granted. `differs` names the field that made a conflict."""

    state: State
    done: bool
    record: Record | None = None
    left: tuple[int, ...] = ()
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One take of an allowance, as a store keeps it."""

    amount: int
    remaining: int
    expires_at: int


@dataclass
class Changes:
    """What a store writes: records by order id, and takes by (key, window) and order id; None deletes."""

    records: dict[str, Record | None] = field(default_factory=dict)
    takes: dict[tuple[Place, str], Entry | None] = field(default_factory=dict)


def orders_of(acts: Iterable[Act]) -> list[str]:
    """Order ids whose records a batch touches, in the order in which they are locked."""
    return sorted({act.order_id for act in acts})


def places_of(acts: Iterable[Act], records: Mapping[str, Record]) -> list[Place]:
    """Allowances that a batch touches, in the order in which they are locked."""
    found = {part.place for act in acts if isinstance(act, Reserve) for part in act.parts}
    found |= {(part.key, part.window) for record in records.values() for part in record.parts}
    return sorted(found)


class _Book:
    """Takes as they are while a batch is worked through; sums are kept up rather than added up anew."""

    def __init__(self, takes: Mapping[Place, Mapping[str, Entry]], now: int) -> None:
        self._now = now
        self._takes = {place: dict(entries) for place, entries in takes.items()}
        self._sums: dict[Place, dict[frozenset[str], int]] = {}
        self.changes = Changes()
        for place, entries in self._takes.items():
            for order, entry in list(entries.items()):
                if entry.expires_at <= now:
                    self.put(place, order, None)

    def get(self, place: Place, order: str) -> Entry | None:
        return self._takes.get(place, {}).get(order)

    def live(self, place: Place, loaded: frozenset[str]) -> int:
        sums = self._sums.setdefault(place, {})
        if loaded not in sums:
            entries = self._takes.get(place, {})
            sums[loaded] = sum(entry.amount for order, entry in entries.items() if order not in loaded)
        return sums[loaded]

    def put(self, place: Place, order: str, entry: Entry | None) -> None:
        entries = self._takes.setdefault(place, {})
        before = entries.pop(order, None)
        if entry is not None:
            entries[order] = entry
        change = (entry.amount if entry else 0) - (before.amount if before else 0)
        for loaded in self._sums.get(place, {}):
            if order not in loaded:
                self._sums[place][loaded] += change
        self.changes.takes[place, order] = entry


def decide(
    acts: Sequence[Act],
    records: Mapping[str, Record],
    takes: Mapping[Place, Mapping[str, Entry]],
    *,
    now: int,
) -> tuple[list[Outcome], Changes]:
    """What comes of each act, one after the other, and what to write.

    `records` holds what is kept of the acts' orders, `takes` all takes of `places_of(acts, records)`."""
    book, known = _Book(takes, now), dict(records)
    outcomes = []
    for act in acts:
        record = known.get(act.order_id)
        if record is not None and record.keep_until <= now:
            record = None
        if isinstance(act, Reserve):
            outcome = _reserve(act, record, book, now)
        elif record is None:
            outcome = Outcome("none", False)
        elif differs := _difference(act.expects, record.what):
            outcome = Outcome("conflict", False, record, differs=differs)
        elif isinstance(act, Confirm):
            outcome = _confirm(act.order_id, record, book, now)
        else:
            outcome = _release(act.order_id, record, book)
        if outcome.done and outcome.record is not None:
            known[act.order_id] = book.changes.records[act.order_id] = outcome.record
        outcomes.append(outcome)
    return outcomes, book.changes


def _difference(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    return next((name for name in sorted(wanted) if there.get(name) != wanted[name]), "")


def _held(order_id: str, record: Record, book: _Book, now: int) -> bool:
    # takes may be gone although the hold has not ended: another's clock was ahead
    whole = all(book.get((part.key, part.window), order_id) is not None for part in record.parts)
    return record.state == "held" and record.hold_until > now and whole


def _drop(order_id: str, record: Record, book: _Book) -> None:
    for part in record.parts:
        if book.get((part.key, part.window), order_id) is not None:
            book.put((part.key, part.window), order_id, None)


def _reserve(act: Reserve, record: Record | None, book: _Book, now: int) -> Outcome:
    if record is not None and (record.state == "confirmed" or _held(act.order_id, record, book, now)):
        if differs := _difference(act.what, record.what):
            return Outcome("conflict", False, record, differs=differs)
        return Outcome(record.state, False, record, tuple(part.left for part in record.parts))
    if record is not None:
        _drop(act.order_id, record, book)
    left = [max(part.cap - book.live(part.place, part.loaded), 0) for part in act.parts]
    if any(part.amount > rest for part, rest in zip(act.parts, left, strict=True)):
        return Outcome("refused", False, record, tuple(left))
    after = tuple(rest - part.amount for part, rest in zip(act.parts, left, strict=True))
    for part, rest in zip(act.parts, after, strict=True):
        book.put(part.place, act.order_id, Entry(part.amount, rest, act.hold_until))
    granted = tuple(
        Taken(part.key, part.window, part.amount, part.until, rest) for part, rest in zip(act.parts, after, strict=True)
    )
    made = Record("held", dict(act.what), now, act.hold_until, act.keep_until, granted)
    return Outcome("held", True, made, after)


def _confirm(order_id: str, record: Record, book: _Book, now: int) -> Outcome:
    if record.state != "held":
        return Outcome(record.state, False, record)
    if not _held(order_id, record, book, now):
        return Outcome("expired", False, record)
    for part in record.parts:
        book.put((part.key, part.window), order_id, Entry(part.amount, part.left, part.until))
    return Outcome("confirmed", True, replace(record, state="confirmed"))


def _release(order_id: str, record: Record, book: _Book) -> Outcome:
    if record.state != "held":
        return Outcome(record.state, False, record)
    _drop(order_id, record, book)
    return Outcome("released", True, replace(record, state="released"))
