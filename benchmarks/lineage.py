"""`python -m benchmarks.lineage`: how well rings keep their ids over daily runs of a growing market.

Thirty runs, one a day, each over what had happened by then, each with the rings of the run before. A ring goes on from
one day to the next where one ring of the next day shares most members with it, mutually by Jaccard: that is measured
from the members, not from the ids. Beside the ids kept stands what they would be if each were derived from its members.
Then the last 1.5 % of the orders are added at once: what changes for rings that are unrelated to them, of whose members
nobody ordered or claimed, nor anybody with whom they share a device, card, phone or door.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.market import market
from detectors.names import Known, known_rings, ring_id
from detectors.pipeline import Findings, detect
from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import KINDS, Snapshot
from graph.store import Store
from integrity.decide import decide
from integrity.policy import Policy, default_policy
from loaders.keying import Keyer
from loaders.load import load_folder

DAY: Final = 86_400_000_000
KEY: Final = "benchmarks use a key of their own, and it guards nothing"
NOW: Final = 1_893_456_000_000_000  # 2030-01-01: after any simulated event
NEW_ORDERS: Final = 0.015
SHARED: Final = ("device", "payment", "phone", "door")


@dataclass(frozen=True)
class Kept:
    """Over all pairs of consecutive days: rings that went on, that kept their id, and that would have kept an id which
    is derived from their members."""

    runs: int
    rings: int
    continuing: int
    kept: int
    kept_by_members: int


@dataclass(frozen=True)
class Added:
    """What 1.5 % new orders did to `unrelated` rings: how many had another id, other members, another status of a
    member after."""

    orders: int
    rings: int
    unrelated: int
    other_id: int
    other_members: int
    other_status: int


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=30)
    args = parser.parse_args()
    policy = default_policy()
    with _loaded(args.buyers, args.seed) as store:
        whole = take_snapshot(store)
        days = [whole.as_of - back * DAY for back in range(args.days - 1, -1, -1)]
        kept = follow(detections([take_snapshot(store, as_of=day) for day in days], policy))
        before = take_snapshot(store, as_of=int(np.quantile(whole.orders.at, 1 - NEW_ORDERS)))
        added = grow(before, whole, policy)
    console, table = Console(width=110), Table(title=f"{args.buyers:,} buyers, {kept.runs} daily runs")
    for column in ("rings a run", "going on, over all pairs of days", "kept their id", "ids derived from members"):
        table.add_column(column, justify="right")
    share = f"{kept.kept} = {kept.kept / max(kept.continuing, 1):.2%}"
    by_members = f"{kept.kept_by_members} = {kept.kept_by_members / max(kept.continuing, 1):.2%}"
    table.add_row(f"{kept.rings / kept.runs:.1f}", str(kept.continuing), share, by_members)
    console.print(table)
    table = Table(title=f"{added.orders:,} orders added ({NEW_ORDERS:.1%})")
    for column in ("rings before", "unrelated to them", "other id", "other members", "other status of a member"):
        table.add_column(column, justify="right")
    table.add_row(*(str(n) for n in (added.rings, added.unrelated, added.other_id)), *_pair(added))
    console.print(table)


def _pair(added: Added) -> tuple[str, str]:
    return str(added.other_members), str(added.other_status)


@contextmanager
def _loaded(buyers: int, seed: int) -> Iterator[Store]:
    folder = market(buyers, seed, "default").folder
    with tempfile.TemporaryDirectory() as home:
        store = open_store(f"sqlite:///{Path(home) / 'lineage.sqlite'}")
        load_folder(store, Keyer(KEY), folder, now=NOW)
        yield store
        store.close()


def detections(snapshots: Sequence[Snapshot], policy: Policy) -> Iterator[dict[str, frozenset[str]]]:
    """The rings of each snapshot, id to members, each run with the rings that the one before knew."""
    former: tuple[Known, ...] = ()
    for snapshot in snapshots:
        findings = detect(snapshot, policy.detection, former=former)
        former = known_rings(findings.rings, findings.lineage)
        yield members_of(findings)


def members_of(findings: Findings) -> dict[str, frozenset[str]]:
    """Ring id to members."""
    return {row["ring_id"]: frozenset(row["members"]) for row in findings.rings.to_pylist()}


def follow(runs: Iterator[dict[str, frozenset[str]]]) -> Kept:
    """Count over consecutive runs."""
    before: Mapping[str, frozenset[str]] = {}
    number = rings = continuing = kept = by_members = 0
    for now in runs:
        for one, other in _pairs(before, now):
            continuing += 1
            kept += one == other
            by_members += ring_id(before[one]) == ring_id(now[other])
        number, rings, before = number + 1, rings + len(now), now
    return Kept(number, rings, continuing, kept, by_members)


def _pairs(before: Mapping[str, frozenset[str]], now: Mapping[str, frozenset[str]]) -> list[tuple[str, str]]:
    """Rings of two runs that are each other's most alike, by Jaccard of one half or more; ids play no part."""

    def best(ring: frozenset[str], others: Mapping[str, frozenset[str]]) -> str | None:
        alike = [(len(ring & other) / len(ring | other), sorted(other), name) for name, other in others.items()]
        top = max(alike, default=(0.0, [], ""))
        return top[2] if top[0] >= 0.5 else None

    forth = {one: best(ring, now) for one, ring in before.items()}
    return [(one, other) for one, other in forth.items() if other is not None and best(now[other], before) == one]


def grow(before: Snapshot, after: Snapshot, policy: Policy) -> Added:
    """Run on `before`, then on `after` with the first run's rings, and compare the rings that nothing new touches."""
    first = detect(before, policy.detection)
    second = detect(after, policy.detection, former=known_rings(first.rings, first.lineage))
    old, new = members_of(first), members_of(second)
    status = [_statuses(*pair, policy) for pair in ((before, first), (after, second))]
    touched = _touched(before, after)
    unrelated = {name: ring for name, ring in old.items() if not ring & touched}
    return Added(
        orders=len(after.orders.ids) - len(before.orders.ids),
        rings=len(old),
        unrelated=len(unrelated),
        other_id=sum(name not in new for name in unrelated),
        other_members=sum(new.get(name) != ring for name, ring in unrelated.items()),
        other_status=sum(any(status[0][b] != status[1][b] for b in ring) for ring in unrelated.values()),
    )


def _statuses(snapshot: Snapshot, findings: Findings, policy: Policy) -> dict[str, str]:
    return {row["buyer_id"]: row["status"] for row in decide(snapshot, findings, policy).to_pylist()}


def _touched(before: Snapshot, after: Snapshot) -> frozenset[str]:
    """Buyers of what is new (orders, claims, uses, complaints, decisions), and who shares an identifier with them."""
    found: set[str] = set()
    for part in ("orders", "refunds", "uses", "past"):
        old, new = getattr(before, part), getattr(after, part)
        fresh = ~np.isin(new.ids.astype(str), old.ids.astype(str))
        rows = np.flatnonzero(fresh) if part != "uses" else np.flatnonzero(fresh[new.row])
        found |= set(after.buyers.ids[new.buyer[rows]].tolist())
    late = after.complaints.at > before.as_of
    found |= set(after.buyers.ids[after.refunds.buyer[after.complaints.refund[late]]].tolist())
    touched = np.isin(after.buyers.ids.astype(str), sorted(found))
    near = touched.copy()
    for kind in SHARED:
        outside = after.uses.kind == KINDS.index(kind)
        key = np.concatenate([after.orders.used[kind], after.uses.identifier[outside]])
        buyer = np.concatenate([after.orders.buyer, after.uses.buyer[outside]])
        known = key >= 0
        key, buyer = key[known], buyer[known]
        hit = np.zeros(len(after.identifiers[kind]), bool)
        hit[key[touched[buyer]]] = True
        near[buyer[hit[key]]] = True
    return frozenset(after.buyers.ids[near].tolist())


if __name__ == "__main__":
    main()
