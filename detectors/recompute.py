"""What becomes of everybody when a link or a record is taken out, while the market stays as a run measured it.

The run's frozen values stand for the market, so taking out one buyer's link moves nothing but what hangs on it: the
accounts that share a key with those touched, those who claimed together with them, and the rings they are in. Conduct
is weighed anew for the accounts touched and those in company with them; link detectors whose input is untouched keep
what they found; beliefs are propagated anew over the whole web, since a hub carries a change to each of its accounts.
The result is that of a whole run over the changed snapshot with the same frozen values, to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from detectors.accounts.activity import own_nats
from detectors.context.company import KEPT, companies
from detectors.context.expectation import claims_with, expect, homes, seen, stratify
from detectors.contract import (
    Claims,
    Context,
    Detector,
    Evidence,
    Expectation,
)
from detectors.frozen import Frozen, Measures
from detectors.fusion import Beliefs, believe
from detectors.links.sharing import one_home
from detectors.names import Known, name_rings
from detectors.numerics import group
from detectors.part import Part
from detectors.pipeline import Findings, Found, conclude, connect, find, taught, tell
from detectors.registry import PLAIN
from detectors.settings import DetectionSettings
from detectors.tables import Ring
from detectors.web import Web
from graph.changes import Removals, without
from graph.snapshot import KINDS, Bools, Longs, Snapshot

HOME: Final = "home"
READS: Final[Mapping[str, frozenset[str]]] = {
    "shared_device": frozenset({"device", HOME}),
    "shared_door": frozenset({"door", HOME}),
    "shared_phone": frozenset({"phone", HOME}),
    "shared_payment": frozenset({"payment", HOME}),
    "shared_ip": frozenset({"ip", HOME}),
    "shared_picture": frozenset({"pictures", "refunds", HOME}),
    "shared_parcel": frozenset({"refunds", "homes of parcels"}),
    "lockstep": frozenset({"refunds", HOME}),
    "comeback": frozenset({"past", "device", "payment", "phone", "recipient", "building", "door", "first_seen"}),
}
"""What each plain link detector looks at; `HOME` only to see whether a household explains a key. A detector that is
not named here looks at everything."""
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
    first: Expectation


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
    nobody, strata = np.zeros(len(snapshot.buyers.ids)), stratify(snapshot, found.ctx.claims)
    first = expect(snapshot, found.ctx.claims, strata, nobody, Measures(frozen), "first")
    former = tuple(Known(ring.ring_id, frozenset(snapshot.buyers.ids[ring.members].tolist())) for ring in found.rings)
    return Base(snapshot, frozen, found, former, first)


def renamed(base: Base, former: tuple[Known, ...]) -> Base:
    """The base with its rings under the ids that the run gave them: `former` are the rings of the run itself."""
    snapshot = base.snapshot
    groups = [snapshot.buyers.ids[ring.members].tolist() for ring in base.found.rings]
    names, lineage = name_rings(groups, former, snapshot.as_of)
    rings = [replace(ring, ring_id=name) for ring, name in zip(base.found.rings, names, strict=True)]
    rings.sort(key=lambda ring: ring.ring_id)
    return replace(base, found=replace(base.found, rings=rings, lineage=lineage), former=former)


def recompute(base: Base, removals: Removals) -> Recomputed:
    """Who stands otherwise when `removals` are taken out of the base's snapshot, with the market as it was measured.

    Equal to `detect` over the changed snapshot with the base's frozen values and its rings as the former ones."""
    snapshot = without(base.snapshot, removals)
    before, touched = base.found, _touched(base.snapshot, snapshot)
    if not touched.any():
        return Recomputed(before, touched, _changes(before, before))
    after = conclude(*_weigh(base, snapshot, touched), base.former)
    return Recomputed(after, touched | _differs(before, after), _changes(before, after))


def _weigh(
    base: Base, snapshot: Snapshot, touched: Bools
) -> tuple[Context, Web, Beliefs, list[Evidence], list[Evidence]]:
    """What `pipeline.weigh` gives over the changed snapshot: links whose input is untouched are kept, conduct is
    weighed for the accounts that were touched and those in company with them."""
    before, measures = base.found.ctx, Measures(base.frozen)
    claims = _claims(before, snapshot)
    first = Context(snapshot, before.settings, claims, base.first, np.zeros(before.n), measures=measures)
    changed = _changed(before, first)
    known = {item.detector: item for item in before.links}
    first = replace(first, links=tuple(_linked(one, first, known[one.name], changed) for one in PLAIN))
    links, web = _connected(base.found, first, changed)
    again = _in_company(before.claims.company, claims.company, touched)
    part = Part(snapshot, claims, again, base.frozen, before.settings)
    ctx = replace(
        first, expectation=part.expectation(before.expectation), suspicion=measures.suspicion(np.zeros(before.n))
    )
    beliefs = base.found.beliefs
    did = beliefs.conduct
    own, claimant = own_nats(base.found.accounts, ctx.n), did.claimant.copy()
    own[again], claimant[again] = part.conduct()
    own = sum((item.account_nats(ctx.n) for item in links), np.zeros(ctx.n)) + own
    if web is not base.found.web or not (_same(own, did.own) and _same(claimant, did.claimant)):
        # no order is ever taken out, so how many an account placed says what it said
        conduct = replace(did, own=own, claimant=claimant)
        beliefs = believe(web, conduct, ctx.settings, taught(measures, web, None, ctx.settings))
    return ctx, web, beliefs, links, part.evidence(base.snapshot, base.found.accounts)


def _connected(before: Found, ctx: Context, changed: frozenset[str]) -> tuple[list[Evidence], Web]:
    """`connect`, but the web as it was where no key is another one: a link that nobody shared joined nobody."""
    if changed & {"refunds", HOME} or not all(_alike(*pair) for pair in zip(before.ctx.links, ctx.links, strict=True)):
        return connect(ctx)
    return [*ctx.links, *before.links[len(ctx.links) :]], before.web


def _alike(one: Evidence, two: Evidence) -> bool:
    """Whether keys, their members and what they weigh are the same; the records that show it may be others."""
    columns = [
        (item.key, item.buyer, item.nats, item.owned, item.part, item.keys.size, item.keys.explained, item.keys.graded)
        for item in (one, two)
    ]
    return one is two or all(_same(a, b) for a, b in zip(*columns, strict=True))


def _linked(detector: Detector, ctx: Context, known: Evidence, changed: frozenset[str]) -> Evidence:
    """The evidence of a plain link detector: as `known` where what it looks at is not among what `changed`."""
    reads = READS.get(detector.name)
    if reads is None or reads & changed - {HOME}:
        return detector.run(ctx)
    if HOME in reads & changed:
        # only whether a household explains a key can be another thing now
        explained = one_home(ctx, known.key.astype(np.int64), known.buyer, len(known.keys.size))
        return replace(known, keys=replace(known.keys, explained=explained))
    return known


def _claims(before: Context, snapshot: Snapshot) -> Claims:
    """`find_claims` of the changed snapshot; what its input leaves untouched is kept."""
    old, known = before.snapshot, before.claims
    first, last = known.first_seen, known.last_seen
    if len(old.uses.buyer) != len(snapshot.uses.buyer):
        first, last = seen(snapshot)
    used = [_same(old.orders.used[kind], snapshot.orders.used[kind]) for kind in (*KEPT, "door")]
    home = known.home if used[-1] else homes(snapshot)
    alike = all(used) and len(old.uses.buyer) == len(snapshot.uses.buyer)
    company = known.company if alike else companies(snapshot, home)
    return claims_with(snapshot, first, last, home, company)


def _in_company(before: Longs, after: Longs, touched: Bools) -> Bools:
    """(n,) accounts whose company is another one than before, and the companies of the touched ones, old and new."""
    both = group(before, after)
    sizes = np.bincount(before), np.bincount(after)
    same = (both.count == sizes[0][before[both.first]]) & (both.count == sizes[1][after[both.first]])
    hit: Bools = ~same[both.of] | touched
    for company in (before, after):
        reached = np.zeros(int(company.max(initial=-1)) + 1, bool)
        reached[company[hit]] = True
        hit = hit | reached[company]
    return hit


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
        found |= {HOME, "homes of parcels"}
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
