"""`python -m benchmarks.recompute`: what a question to a run costs beside the run.

One market is detected, opened to be asked, and asked of links drawn at random (an order, and one of the identifiers on
it); every tenth answer is held against a whole run over the changed snapshot with the same frozen values.
"""

from __future__ import annotations

import argparse
import statistics
import time
from random import Random
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.market import market
from benchmarks.quality.markets import snapshot_of
from detectors.frozen import Frozen
from detectors.names import known_rings
from detectors.pipeline import detect, tell
from detectors.recompute import base_of, recompute, renamed
from graph.changes import Removals, without
from graph.snapshot import Snapshot
from integrity.policy import default_policy

KINDS: Final = ("device", "door", "phone", "payment", "ip")
TABLES: Final = ("accounts", "rings", "members", "evidence")
EVERY: Final = 10


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--links", type=int, default=50)
    parser.add_argument("--suspicious", action="store_true", help="draw links of accounts of risk one half or more")
    args = parser.parse_args()
    snapshot, settings = snapshot_of(market(args.buyers, args.seed, "default").folder), default_policy().detection
    took: dict[str, list[float]] = {"full run": [], "run with frozen values": [], "opening": [], "one link": []}
    run = detect(snapshot, settings)
    assert run.frozen is not None
    for _ in range(3):
        _timed(took["full run"], lambda: detect(snapshot, settings))
        _timed(took["run with frozen values"], lambda: detect(snapshot, settings, frozen=run.frozen))
        _timed(took["opening"], lambda: base_of(snapshot, settings, _frozen(run.frozen)))
    former = known_rings(run.rings, run.lineage)
    base = renamed(base_of(snapshot, settings, run.frozen), former)
    random, changed, same = Random(args.seed), [], 0
    rows = np.flatnonzero((base.found.risk >= 0.5)[snapshot.orders.buyer] | (not args.suspicious))
    for number in range(args.links):
        removals = link(snapshot, random, rows.tolist())
        start = time.perf_counter()
        again = recompute(base, removals)
        took["one link"].append(time.perf_counter() - start)
        changed.append(again.changes.num_rows)
        if number % EVERY == 0:
            whole = detect(without(snapshot, removals), settings, frozen=run.frozen, former=former)
            told = tell(again.found)
            same += all(getattr(told, name).equals(getattr(whole, name)) for name in TABLES)
    table = Table(title=f"{args.buyers:,} buyers, {len(snapshot.orders.ids):,} orders")
    for column in ("work", "median s", "share of a full run"):
        table.add_column(column, justify="right")
    full = statistics.median(took["full run"])
    for name, times in took.items():
        table.add_row(name, f"{statistics.median(times):.3f}", f"{statistics.median(times) / full:.0%}")
    console = Console(width=110)
    console.print(table)
    size = sum(value.nbytes for value in run.frozen.values.values())
    console.print(
        f"frozen values {size:,} bytes; accounts that a link changes: median {statistics.median(changed):g}, most "
        f"{max(changed)}; equal to a whole run: {same} of {len(range(0, args.links, EVERY))}"
    )


def _frozen(frozen: Frozen | None) -> Frozen:
    assert frozen is not None
    return frozen


def _timed(times: list[float], work: object) -> None:
    assert callable(work)
    start = time.perf_counter()
    work()
    times.append(time.perf_counter() - start)


def link(snapshot: Snapshot, random: Random, rows: list[int]) -> Removals:
    """A link of a buyer to an identifier on one of the orders `rows`."""
    while True:
        order, kind = random.choice(rows), random.choice(KINDS)
        number = int(snapshot.orders.used[kind][order])
        if number >= 0:
            buyer = str(snapshot.buyers.ids[snapshot.orders.buyer[order]])
            return Removals(links=frozenset({(buyer, str(snapshot.identifiers[kind][number]))}))


if __name__ == "__main__":
    main()
