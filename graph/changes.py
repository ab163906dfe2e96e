"""A snapshot without what a person has judged to say nothing: a café's device, a link that is not a buyer's own, a
record that was struck out.

Detection is a function of the snapshot, so whatever is taken out here is gone for every detector alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

import numpy as np

from graph.snapshot import KINDS, Bools, Complaints, Ints, PastDecisions, Pictures, Refunds, Snapshot, Uses

T = TypeVar("T", Complaints, PastDecisions, Pictures, Refunds, Uses)

STRIKABLE: Final = ("refunds", "complaints", "past_decisions", "uses")
"""Tables whose records can be struck out. An order can't: it was paid and sent; its links can be taken off."""
PARCEL, PICTURE = "parcel", "picture"


@dataclass(frozen=True)
class Removals:
    """What is taken out. `identifiers`: ids as in the store (`device:4f…`; `parcel:…`, and `picture:` with the 16 hex
    digits of a picture's hash), for everybody. `links`: (buyer, identifier), for that buyer alone, wider places that
    lie around the identifier included. `records`: (table, id) of `STRIKABLE` tables."""

    identifiers: frozenset[str] = frozenset()
    links: frozenset[tuple[str, str]] = frozenset()
    records: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.identifiers or self.links or self.records)

    def beyond(self, other: Removals) -> Removals | None:
        """What is taken out here and not by `other`; None where `other` takes out what is not taken out here."""
        if self.union(other) != self:
            return None
        return Removals(self.identifiers - other.identifiers, self.links - other.links, self.records - other.records)

    def union(self, other: Removals) -> Removals:
        """Both."""
        return Removals(self.identifiers | other.identifiers, self.links | other.links, self.records | other.records)


def without(snapshot: Snapshot, removals: Removals) -> Snapshot:
    """The snapshot as if what is removed had never been told; what it does not hold is passed over.

    Accounts, orders and their numbering stay as they are."""
    if not removals:
        return snapshot
    left = _strike(snapshot, removals.records)
    for identifier in sorted(removals.identifiers):
        left = _take_off(left, identifier, None)
    for buyer, identifier in sorted(removals.links):
        number = int(np.searchsorted(left.buyers.ids.astype(str), buyer)) if len(left.buyers.ids) else 0
        if number < len(left.buyers.ids) and left.buyers.ids[number] == buyer:
            left = _take_off(left, identifier, number)
    return left


def _take_off(snapshot: Snapshot, identifier: str, buyer: int | None) -> Snapshot:
    kind, _, value = identifier.partition(":")
    if kind == PICTURE:
        return _drop_picture(snapshot, int(value, 16), buyer)
    if kind == PARCEL:
        refunds = snapshot.refunds
        parcel = _number(snapshot.parcels, identifier)
        gone = (refunds.parcel == parcel) & (parcel >= 0) & _of(refunds.buyer, buyer)
        return replace(snapshot, refunds=replace(refunds, parcel=np.where(gone, -1, refunds.parcel).astype(np.int32)))
    if kind not in snapshot.identifiers:
        return snapshot
    number = _number(snapshot.identifiers[kind], identifier)
    if number < 0:
        return snapshot
    orders, uses = snapshot.orders, snapshot.uses
    on_order = (orders.used[kind] == number) & _of(orders.buyer, buyer)
    on_use = (uses.kind == KINDS.index(kind)) & (uses.identifier == number) & _of(uses.buyer, buyer)
    levels = [kind]
    if buyer is not None:
        # not this buyer's door: then it says nothing of the buyer's building either
        levels += _around(kind)
        on_use = np.isin(uses.row, uses.row[on_use]) & _of(uses.buyer, buyer)
    used = {
        name: np.where(on_order, -1, column).astype(np.int32) if name in levels else column
        for name, column in orders.used.items()
    }
    return replace(snapshot, orders=replace(orders, used=used), uses=_kept(uses, ~on_use))


def _around(kind: str) -> list[str]:
    """The wider places of a kind."""
    return {"door": ["building", "estate"], "building": ["estate"], "ip": ["ip_prefix"]}.get(kind, [])


def _drop_picture(snapshot: Snapshot, phash: int, buyer: int | None) -> Snapshot:
    pictures = snapshot.pictures
    gone = (pictures.phash == np.uint64(phash)) & _of(snapshot.refunds.buyer[pictures.refund], buyer)
    return replace(snapshot, pictures=_kept(pictures, ~gone))


def _strike(snapshot: Snapshot, records: Iterable[tuple[str, str]]) -> Snapshot:
    ids: dict[str, set[str]] = {}
    for table, id_ in records:
        ids.setdefault(table, set()).add(id_)
    complaints, past, uses = snapshot.complaints, snapshot.past, snapshot.uses
    if "complaints" in ids:
        complaints = _kept(complaints, ~_among(complaints.ids, ids["complaints"]))
    if "past_decisions" in ids:
        past = _kept(past, ~_among(past.ids, ids["past_decisions"]))
    if "uses" in ids:
        rows = np.flatnonzero(_among(uses.ids, ids["uses"]))
        uses = _kept(uses, ~np.isin(uses.row, rows))
    struck = replace(snapshot, complaints=complaints, past=past, uses=uses)
    return _without_refunds(struck, ids["refunds"]) if "refunds" in ids else struck


def _without_refunds(snapshot: Snapshot, ids: set[str]) -> Snapshot:
    refunds = snapshot.refunds
    stays = ~_among(refunds.ids, ids)
    renumbered = np.where(stays, np.cumsum(stays) - 1, -1).astype(np.int32)
    complaints = _kept(snapshot.complaints, stays[snapshot.complaints.refund])
    pictures = _kept(snapshot.pictures, stays[snapshot.pictures.refund])
    return replace(
        snapshot,
        refunds=_kept(refunds, stays),
        complaints=replace(complaints, refund=renumbered[complaints.refund]),
        pictures=replace(pictures, refund=renumbered[pictures.refund]),
    )


def _kept(part: T, stays: Bools) -> T:
    """The rows of a table that stay; `Uses.ids` is by source row and stays whole."""
    whole: dict[str, Any] = {field.name: getattr(part, field.name) for field in fields(part)}
    by_source = {"ids"} if isinstance(part, Uses) else set()
    cut: dict[str, Any] = {
        name: value[stays] if isinstance(value, np.ndarray) and name not in by_source else value
        for name, value in whole.items()
    }
    return type(part)(**cut)


def _among(ids: Any, wanted: set[str]) -> Bools:
    return np.fromiter((id_ in wanted for id_ in ids), bool, len(ids))


def _number(ids: Any, wanted: str) -> int:
    found = np.flatnonzero(ids == wanted)
    return int(found[0]) if len(found) else -1


def _of(buyer: Ints, wanted: int | None) -> Bools:
    return np.ones(len(buyer), bool) if wanted is None else buyer == wanted
