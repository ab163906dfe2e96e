"""`make bench-quality`: what detection finds, and whom it wrongs, on markets that nobody tuned on.

For each report seed a market of 60,000 buyers is simulated, loaded, detected and decided with the default policy,
and scored against the planted truth. Beside it stands the peer that most platforms start from: connected components
over any shared identifier, with the component's claim rate. Report seeds are 1 to 5 (and 7 for a market without
abuse); seeds from 101 on are for tuning, so the two never meet.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
from rich.console import Console
from rich.table import Table
from scipy.sparse.csgraph import connected_components

from benchmarks.market import ROOT, Market, market
from benchmarks.metrics import Score, calibration_error, score
from detectors.pipeline import detect
from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import KINDS, Snapshot
from integrity.decide import decide
from integrity.policy import default_policy
from loaders.keying import Keyer
from loaders.load import load_folder

REPORT_SEEDS = (1, 2, 3, 4, 5)
QUIET_SEED = 7
KEY = "benchmarks use a key of their own, and it guards nothing"
LIMITED = ("STORE_LIMITED", "PLATFORM_LIMITED")
NOW = 1_893_456_000_000_000  # 2030-01-01: after any simulated event


def snapshot_of(where: Market) -> Snapshot:
    """Load a market into a store of its own and take the snapshot."""
    path = where.folder.parent / "bench.sqlite"
    for old in path.parent.glob("bench.sqlite*"):
        old.unlink()
    store = open_store(f"sqlite:///{path}")
    try:
        load_folder(store, Keyer(KEY), where.folder, now=NOW)
        return take_snapshot(store)
    finally:
        store.close()


def ours(snapshot: Snapshot, where: Market) -> tuple[Score, float, dict[str, tuple[int, int]]]:
    """Ringfence with its default policy: the score, the calibration error of risk, and (limited, all) by kind."""
    policy = default_policy()
    findings = detect(snapshot, policy.detection)
    decisions = decide(snapshot, findings, policy)
    decided, accounts = pl.DataFrame(decisions), pl.DataFrame(findings.accounts)
    limited = frozenset(decided.filter(pl.col("status").is_in(LIMITED))["buyer_id"])
    risk: dict[str, float] = dict(accounts.select("buyer_id", "risk").iter_rows())
    published = [frozenset(members) for members in pl.DataFrame(findings.rings)["members"]]
    abusers, kinds = where.abusers(), where.kinds()
    by_kind: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for buyer in abusers:
        by_kind[kinds[buyer]][0] += buyer in limited
        by_kind[kinds[buyer]][1] += 1
    buyers = sorted(risk)
    error = calibration_error(np.array([b in abusers for b in buyers]), np.array([risk[b] for b in buyers]))
    result = score(where.rings(), risk, limited, published, abusers)
    return result, error, {kind: (hit, every) for kind, (hit, every) in sorted(by_kind.items())}


def components_peer(snapshot: Snapshot, where: Market) -> Score:
    """The peer: components over any shared identifier, scored by their claims per order; components of two or more
    accounts are flagged, limited and published as rings from the rate down to which half of the abusers are caught
    (it is given the truth for that; on a market without abuse it takes three times the market's rate)."""
    n = len(snapshot.buyers.ids)
    rows, columns, offset = [], [], 0
    for kind in KINDS:
        used = snapshot.orders.used[kind]
        have = used >= 0
        rows.append(snapshot.orders.buyer[have].astype(np.int64))
        columns.append(used[have].astype(np.int64) + offset)
        offset += len(snapshot.identifiers[kind])
    buyer, key = np.concatenate(rows), np.concatenate(columns) + n
    size = n + offset
    edges = sp.coo_matrix((np.ones(len(buyer), dtype=np.int8), (buyer, key)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][:n]
    orders = np.bincount(snapshot.orders.buyer, minlength=n)
    claims = np.bincount(snapshot.refunds.buyer[snapshot.refunds.by_buyer], minlength=n)
    return _judge_groups(snapshot, where, component, orders, claims)


def _judge_groups(
    snapshot: Snapshot,
    where: Market,
    group: npt.NDArray[np.int32],
    orders: npt.NDArray[np.int64],
    claims: npt.NDArray[np.int64],
) -> Score:
    members = np.bincount(group)
    group_orders, group_claims = np.bincount(group, weights=orders), np.bincount(group, weights=claims)
    rate = group_claims / np.maximum(group_orders, 1)
    ids = snapshot.buyers.ids
    abusers = where.abusers()
    caught = np.sort(np.where(members[group] >= 2, rate[group], 0)[[buyer in abusers for buyer in ids]])
    threshold = caught[len(caught) // 2] if len(caught) else 3 * claims.sum() / max(1, orders.sum())
    flagged = (members >= 2) & (rate >= max(threshold, 1e-9))
    published: dict[int, set[str]] = defaultdict(set)
    for buyer in np.flatnonzero(flagged[group]):
        published[int(group[buyer])].add(ids[buyer])
    limited = frozenset(ids[buyer] for buyer in np.flatnonzero(flagged[group]))
    risk = dict(zip(ids, rate[group], strict=True))
    return score(where.rings(), risk, limited, [frozenset(ring) for ring in published.values()], abusers)


def main() -> None:
    """Print the table and store it as .bench/quality.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(REPORT_SEEDS))
    parser.add_argument("--abuse", choices=("low", "default", "high"), default="default")
    parser.add_argument("--quiet-seed", type=int, default=QUIET_SEED, help="seed of the market without abuse")
    args = parser.parse_args()
    console = Console(width=140)
    table = Table(title=f"Detection quality: {args.buyers:,} buyers, abuse {args.abuse}, unseen seeds")
    columns = ("market", "method", "AP", "honest limited /10k", "limit precision", "limit recall", "rings found")
    for column in (*columns, "rings published (true)", "ECE", "seconds"):
        table.add_column(column, justify="left" if column in columns[:2] else "right")
    results = []
    missed: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for seed, abuse in [(seed, args.abuse) for seed in args.seeds] + [(args.quiet_seed, "none")]:
        where = market(args.buyers, seed, abuse)
        snapshot = snapshot_of(where)
        start = time.perf_counter()
        mine, error, by_kind = ours(snapshot, where)
        seconds = time.perf_counter() - start
        for kind, (hit, every) in by_kind.items():
            missed[kind][0] += hit
            missed[kind][1] += every
        for method, one in (("ringfence", mine), ("components", components_peer(snapshot, where))):
            results.append({"seed": seed, "abuse": abuse, "method": method, **asdict(one)})
            table.add_row(
                f"seed {seed}, {abuse}",
                method,
                f"{one.average_precision:.3f}",
                f"{one.honest_limited:.1f}",
                f"{one.limit_precision:.3f}",
                f"{one.limit_recall:.3f}",
                f"{one.rings_found}/{one.rings}",
                f"{one.rings_published} ({one.rings_true})",
                f"{error:.4f}" if method == "ringfence" else "",
                f"{seconds:.1f}" if method == "ringfence" else "",
            )
    console.print(table)
    kinds = Table(title="Abusive accounts limited, by planted kind, all seeds")
    for column in ("kind", "limited", "all", "share"):
        kinds.add_column(column, justify="left" if column == "kind" else "right")
    for kind, (hit, every) in sorted(missed.items()):
        kinds.add_row(kind, str(hit), str(every), f"{hit / every:.2f}")
    console.print(kinds)
    ROOT.mkdir(exist_ok=True)
    (ROOT / "quality.json").write_text(
        json.dumps({"machine": platform.processor() or platform.machine(), "results": results}, indent=1), "utf-8"
    )
    console.print(f"stored as {Path(ROOT / 'quality.json')}")


if __name__ == "__main__":
    main()
