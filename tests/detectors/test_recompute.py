"""Taking something out and judging again what hangs on it gives what a whole run with the same market values gives."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest

from detectors.names import known_rings
from detectors.pipeline import Findings, detect, tell
from detectors.recompute import READS, Base, base_of, recompute, renamed
from detectors.registry import PLAIN
from detectors.settings import DetectionSettings
from graph.changes import Removals, without
from graph.snapshot import KINDS
from tests.detectors.market import snapshot as tiny
from tests.detectors.simulated import simulated
from tests.detectors.test_pipeline import market

QUICK = DetectionSettings(null_draws=6)
MARKETS = [(300, 11), (800, 12), (2000, 13)]
TABLES = ("accounts", "rings", "lineage", "members", "evidence", "hubs")


@cache
def base(buyers: int, seed: int) -> tuple[Base, Findings]:
    snapshot = simulated(buyers, seed)
    run = detect(snapshot, QUICK)
    assert run.frozen is not None
    return renamed(base_of(snapshot, QUICK, run.frozen), known_rings(run.rings, run.lineage)), run


def taken_out(base: Base, what: str, random: Random) -> Removals:
    """Something of that kind, rather of a suspicious account than of any."""
    snapshot = base.snapshot
    risky = np.flatnonzero(base.found.risk > 0.2)
    buyer = int(random.choice(risky)) if len(risky) and random.random() < 0.7 else random.randrange(base.found.ctx.n)
    if what in ("link", "identifier"):
        mine = np.flatnonzero(snapshot.orders.buyer == buyer)
        pairs = [(kind, int(n)) for kind in KINDS for n in np.unique(snapshot.orders.used[kind][mine]) if n >= 0]
        pairs += [
            (KINDS[int(kind)], int(number))
            for kind, number, of in zip(snapshot.uses.kind, snapshot.uses.identifier, snapshot.uses.buyer, strict=True)
            if of == buyer
        ]
        if not pairs:
            return Removals()
        kind, number = random.choice(pairs)
        identifier = str(snapshot.identifiers[kind][number])
        if what == "identifier":
            return Removals(identifiers=frozenset({identifier}))
        return Removals(links=frozenset({(str(snapshot.buyers.ids[buyer]), identifier)}))
    if what in ("picture", "parcel"):
        refunds, pictures = snapshot.refunds, snapshot.pictures
        if what == "picture":
            return Removals(identifiers=frozenset({f"picture:{random.choice(pictures.phash.tolist()):016x}"}))
        parcel = random.choice(refunds.parcel[refunds.parcel >= 0].tolist())
        return Removals(identifiers=frozenset({str(snapshot.parcels[parcel])}))
    table, part = {
        "refund": ("refunds", snapshot.refunds),
        "complaint": ("complaints", snapshot.complaints),
        "decision": ("past_decisions", snapshot.past),
    }[what]
    ids: Any = part.ids
    if not len(ids):
        return Removals()
    own = np.flatnonzero(snapshot.refunds.buyer == buyer) if what == "refund" else np.empty(0, int)
    row = int(random.choice(own)) if len(own) else random.randrange(len(ids))
    return Removals(records=frozenset({(table, str(ids[row]))}))


@pytest.mark.parametrize(("buyers", "seed"), MARKETS)
@pytest.mark.parametrize("what", ["link", "identifier", "refund", "complaint", "decision", "picture", "parcel"])
def test_what_is_recomputed_is_what_a_whole_run_finds(buyers: int, seed: int, what: str) -> None:
    of, run = base(buyers, seed)
    random = Random(f"{buyers} {what}")
    for _ in range(4):
        removals = taken_out(of, what, random)
        whole = detect(
            without(of.snapshot, removals), QUICK, frozen=of.frozen, former=known_rings(run.rings, run.lineage)
        )
        again = recompute(of, removals)
        told = tell(again.found)
        assert told.stats == whole.stats
        assert [name for name in TABLES if not getattr(told, name).equals(getattr(whole, name))] == [], removals
        part = again.findings()
        rows = {row["buyer_id"]: row for row in whole.accounts.to_pylist()}
        affected = set(of.snapshot.buyers.ids[again.affected].tolist())
        assert part.accounts.to_pylist() == [rows[buyer] for buyer in sorted(affected)]
        before = {row["buyer_id"]: row for row in run.accounts.to_pylist()}
        moved = {b for b, row in rows.items() if any(row[c] != before[b][c] for c in ("risk", "ring_id"))}
        assert set(again.changes["buyer_id"].to_pylist()) == moved <= affected


def test_the_base_is_the_run_itself() -> None:
    of, run = base(*MARKETS[1])
    told = tell(of.found)
    assert [name for name in TABLES if name != "lineage" and not getattr(told, name).equals(getattr(run, name))] == []
    nothing = recompute(of, Removals())
    assert not nothing.affected.any()
    assert nothing.changes.num_rows == 0


def test_one_wrong_link_removed_heals_everyone_it_touched() -> None:
    told = market()
    told["accounts"]["mate"] = {"orders": 8, "claims": 2, "device": "farm0", "door": "h9/9", "stores": ["s2", "s5"]}
    snapshot = tiny(told)
    run = detect(snapshot, QUICK)
    assert run.frozen is not None
    of = renamed(base_of(snapshot, QUICK, run.frozen), known_rings(run.rings, run.lineage))
    healed = recompute(of, Removals(links=frozenset({("mate", "device:farm0")})))
    rows = {row["buyer_id"]: row for row in healed.changes.to_pylist()}
    assert rows["mate"]["risk_after"] < rows["mate"]["risk_before"]
    gone = recompute(of, Removals(identifiers=frozenset({"device:farm0", "device:farm1"})))
    assert {row["buyer_id"] for row in gone.changes.to_pylist()} >= {"mate", "ring-0", "ring-2"}


def test_every_plain_link_detector_says_what_it_reads() -> None:
    assert set(READS) == {detector.name for detector in PLAIN}
