"""What becomes of everybody when a link or a record is taken out, while the market stays as a run measured it.

The run's frozen values stand for the market, so taking out one buyer's link moves nothing but what hangs on it: the
accounts that share a key with those touched, those who claimed together with them, and the rings they are in. Detectors
whose input is untouched keep what they found; beliefs are propagated anew over the whole web, since a hub carries a
change to each of its accounts. The result is that of a whole run over the changed snapshot with the same frozen values,
to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from detectors.contract import Context, Detector, Evidence
from detectors.frozen import Frozen, Measures
from detectors.names import Known
from detectors.pipeline import Findings, Found, find, tell
from detectors.settings import DetectionSettings
from detectors.tables import Ring
from graph.changes import Removals, without
from graph.snapshot import KINDS, Bools, Snapshot

READS: Final[Mapping[str, frozenset[str]]] = {
    "shared_device": frozenset({"device", "home"}),
    "shared_door": frozenset({"door", "home"}),
    "shared_phone": frozenset({"phone", "home"}),
    "shared_payment": frozenset({"payment", "home"}),
    "shared_ip": frozenset({"ip", "home"}),
    "shared_picture": frozenset({"pictures", "refunds", "home"}),
    "shared_parcel": frozenset({"refunds", "home"}),
    "lockstep": frozenset({"refunds", "home"}),
    "comeback": frozenset({"past", "device", "payment", "phone", "recipient", "building", "door", "first_seen"}),
}
"""What each plain link detector looks at. A detector that is not named here looks at everything."""
DECIMALS: Final = 6
"""Decimals to which findings are told: what differs by less is the same."""


@dataclass(frozen=True)
class Base:
    """A run as it can be judged again: its snapshot (without what stood as taken out then), frozen values, what it
    found, and its rings as the `former` ones of what is asked. Made once (`base_of`), used for many questions."""

    snapshot: Snapshot
    frozen: Frozen
    found: Found
    former: tuple[Known, ...]


@dataclass(frozen=True)
class Recomputed:
    """What `recompute` gives. `found` over the changed snapshot; `affected` (n,) true for accounts that stand otherwise
    or of which a record was taken out; `changes`, one row each account that stands otherwise: `buyer_id`,
    `risk_before`, `risk_after`, `ring_before`, `ring_after`, sorted by buyer id."""

    found: Found
    affected: Bools
    changes: pa.Table

    def findings(self) -> Findings:
        """The findings about the affected accounts and the rings they are in."""
        return tell(self.found, self.affected)


def base_of(snapshot: Snapshot, settings: DetectionSettings, frozen: Frozen) -> Base:
    """A run to ask of, from its snapshot, settings and frozen values. Its rings are named as if it had no parent; what
    is compared with it goes on from these. Raises `BadInput` where the values are of another snapshot."""
    frozen.check(snapshot)
    found = find(snapshot, settings, Measures(frozen))
    former = tuple(Known(ring.ring_id, frozenset(snapshot.buyers.ids[ring.members].tolist())) for ring in found.rings)
    return Base(snapshot, frozen, found, former)


def renamed(base: Base, former: tuple[Known, ...]) -> Base:
    """The base with its rings under the ids that the run gave them: `former` are the rings of the run itself."""
    names = {ring.members: ring.ring_id for ring in former if ring.gone_at is None}
    ids = base.snapshot.buyers.ids
    rings = [
        replace(ring, ring_id=names.get(frozenset(ids[ring.members].tolist()), ring.ring_id))
        for ring in base.found.rings
    ]
    rings.sort(key=lambda ring: ring.ring_id)
    return replace(base, found=replace(base.found, rings=rings), former=former)


def recompute(base: Base, removals: Removals) -> Recomputed:
    """Who stands otherwise when `removals` are taken out of the base's snapshot, with the market as it was measured.

    Equal to `detect` over the changed snapshot with the base's frozen values and its rings as the former ones."""
    snapshot = without(base.snapshot, removals)
    before, measures = base.found, Measures(base.frozen)
    fresh = _Fresh(before, snapshot)
    after = find(snapshot, before.ctx.settings, measures, base.former, fresh.known)
    affected = _touched(base.snapshot, snapshot) | _differs(before, after)
    return Recomputed(after, affected, _changes(before, after))


class _Fresh:
    """Tells which plain link evidence of a former finding still holds in a changed snapshot."""

    def __init__(self, before: Found, snapshot: Snapshot) -> None:
        self._links = {item.detector: item for item in before.ctx.links}
        self._before = before.ctx
        self._snapshot = snapshot
        self._changed: frozenset[str] | None = None

    def known(self, detector: Detector, ctx: Context) -> Evidence | None:
        """The evidence found before, where nothing that the detector looks at has changed."""
        if self._changed is None:
            self._changed = _changed(self._before, ctx)
        reads = READS.get(detector.name)
        return None if reads is None or reads & self._changed else self._links[detector.name]


def _changed(before: Context, after: Context) -> frozenset[str]:
    """Which parts of the market differ: kinds of identifier, tables, and what follows from them for accounts."""
    one, two = before.snapshot, after.snapshot
    found = {kind for kind in KINDS if not _same(one.orders.used[kind], two.orders.used[kind])}
    for number, kind in enumerate(KINDS):
        # uses are only ever taken out
        if np.count_nonzero(one.uses.kind == number) != np.count_nonzero(two.uses.kind == number):
            found.add(kind)
    if not (_same(one.refunds.ids, two.refunds.ids) and _same(one.refunds.parcel, two.refunds.parcel)):
        found.add("refunds")
    if len(one.pictures.refund) != len(two.pictures.refund):
        found.add("pictures")
    if len(one.past.ids) != len(two.past.ids):
        found.add("past")
    if not _same(before.claims.home, after.claims.home):
        found.add("home")
    if not _same(before.claims.first_seen, after.claims.first_seen):
        found.add("first_seen")
    return frozenset(found)


def _same(one: np.ndarray, two: np.ndarray) -> bool:
    return one is two or (len(one) == len(two) and bool((one == two).all()))


def _touched(before: Snapshot, after: Snapshot) -> Bools:
    """(n,) accounts of which anything was taken out."""
    hit = np.zeros(len(before.buyers.ids), bool)
    for kind in KINDS:
        one, two = before.orders.used[kind], after.orders.used[kind]
        if one is not two:
            hit[before.orders.buyer[one != two]] = True
    n = len(hit)
    for counts in (
        [np.bincount(snapshot.uses.buyer, minlength=n) for snapshot in (before, after)],
        [np.bincount(snapshot.past.buyer, minlength=n) for snapshot in (before, after)],
        [np.bincount(snapshot.refunds.buyer, minlength=n) for snapshot in (before, after)],
        [np.bincount(s.refunds.buyer[s.refunds.parcel >= 0], minlength=n) for s in (before, after)],
        [np.bincount(s.refunds.buyer[s.complaints.refund], minlength=n) for s in (before, after)],
        [np.bincount(s.refunds.buyer[s.pictures.refund], minlength=n) for s in (before, after)],
    ):
        hit |= counts[0] != counts[1]
    return hit


def _differs(before: Found, after: Found) -> Bools:
    """(n,) accounts with another risk or in a ring that is another one: in id, members, roles or confidence."""
    differs: Bools = np.round(before.risk, DECIMALS) != np.round(after.risk, DECIMALS)
    old, new = ({_stated(ring): ring for ring in found.rings} for found in (before, after))
    for name in old.keys() ^ new.keys():
        differs[(old.get(name) or new[name]).members] = True
    return differs


def _stated(ring: Ring) -> tuple[object, ...]:
    confidence = round(ring.confidence, DECIMALS)
    return ring.ring_id, tuple(ring.actors.tolist()), tuple(ring.bystanders.tolist()), confidence


def _changes(before: Found, after: Found) -> pa.Table:
    ids = before.ctx.snapshot.buyers.ids
    rings = [_ring_of(found) for found in (before, after)]
    risks = [np.round(found.risk, DECIMALS) for found in (before, after)]
    rows = np.flatnonzero((risks[0] != risks[1]) | (rings[0] != rings[1]))
    return pa.table(
        {
            "buyer_id": pa.array(ids[rows].tolist(), pa.string()),
            "risk_before": pa.array(risks[0][rows]),
            "risk_after": pa.array(risks[1][rows]),
            "ring_before": pa.array(rings[0][rows].tolist(), pa.string()),
            "ring_after": pa.array(rings[1][rows].tolist(), pa.string()),
        }
    )


def _ring_of(found: Found) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """(n,) id of the ring that each account is in, None none."""
    names = np.full(found.ctx.n, None, object)
    for ring in found.rings:
        names[ring.members] = ring.ring_id
    return names
