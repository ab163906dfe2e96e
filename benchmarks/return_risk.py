"""How well return risk warns, on markets that nobody tuned on.

`python -m benchmarks.return_risk` takes the markets of report seeds, each its own mixture, stands 75 days before their
end, loads all, detects and learns as of then, and warns of the orders of the 45 days that follow; 30 more days let
their claims come. Printed: for each level how many orders, the share claimed, its lift over all orders and over the
category's own share, and what was predicted. `--seeds` with tuning seeds (101 to 108) is what the default thresholds
were chosen by.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.quality.markets import KEY, NOW, market_of
from detectors.pipeline import detect
from graph.open import open_store
from graph.reader import take_snapshot
from graph.store import Store
from integrity.columns import frame_of, scan_frame
from integrity.heard import heard
from integrity.instants import DAY
from integrity.policy import default_policy
from integrity.return_risk import Level, OrderRisk, learn, order_risks, ripe_before
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate

ROOT = Path(".bench") / "return_risk"
TUNING, REPORT = tuple(range(101, 109)), tuple(range(1, 13))
AHEAD, RIPE = 45, 30
"""Days of orders warned of, and days that their claims are given."""


@dataclass(frozen=True)
class Warned:
    """One order: the warning, whether it was claimed, and whether its account was known."""

    risk: OrderRisk
    claimed: bool
    known: bool


def warned(buyers: int, seed: int) -> list[Warned]:
    """The warnings of one market and what came of them."""
    home = ROOT / f"{buyers}-{seed}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    market = market_of(buyers, seed)
    simulate(home / "export", buyers=buyers, seed=seed, knobs=market.knobs)
    store = open_store(f"sqlite:///{home / 'store.db'}")
    try:
        load_folder(store, Keyer(KEY), home / "export", now=NOW)
        return _warned(store)
    finally:
        store.close()
        shutil.rmtree(home, ignore_errors=True)


def _warned(store: Store) -> list[Warned]:
    policy, load = default_policy(), store.head().load
    end = take_snapshot(store).as_of
    as_of = end - (AHEAD + RIPE) * DAY
    found = detect(heard(take_snapshot(store, as_of=as_of)), policy.detection)
    columns = ("order_id", "buyer_id", "store_id", "sku", "placed_at")
    orders = scan_frame(store, "orders", columns, known_by=load)
    refunds = scan_frame(store, "refunds", ("order_id", "kind", "initiated_by", "requested_at"), known_by=load)
    claims = refunds.filter(pl.col("initiated_by") == "buyer").with_columns(only=pl.col("kind") == "refund_only")
    stores = scan_frame(store, "stores", ("store_id", "category", "freight_cover"), known_by=load)
    model = learn(
        orders,
        claims.filter(pl.col("requested_at") <= as_of),
        stores,
        frame_of(found.accounts),
        before=ripe_before(as_of, policy),
    )
    ahead = orders.filter((pl.col("placed_at") > as_of) & (pl.col("placed_at") <= as_of + AHEAD * DAY)).to_dicts()
    risks = order_risks(model, ahead, {row["store_id"]: row for row in stores.to_dicts()}, policy)
    claimed = set(claims["order_id"])
    return [Warned(risk, risk.order_id in claimed, risk.buyer_id in model.accounts) for risk in risks]


def table(all_: list[Warned]) -> str:
    """Markdown: what each level promised and what came."""
    claimed = np.array([one.claimed for one in all_], float)
    predicted = np.array([one.risk.probability for one in all_])
    base = np.array([one.risk.base for one in all_])
    level = np.array([one.risk.level.value for one in all_])
    known = np.array([one.known for one in all_])
    lines = [
        "| level | orders | share of orders | claimed | predicted | lift over all orders | lift over the category |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [(one.value, level == one.value) for one in Level]
    rows += [("unknown accounts", ~known), ("all", np.ones(len(all_), bool))]
    for name, chosen in rows:
        if not chosen.any():
            lines.append(f"| {name} | 0 | 0.0% | | | | |")
            continue
        share = claimed[chosen].mean()
        lines.append(
            f"| {name} | {chosen.sum():,} | {chosen.mean():.1%} | {share:.2%} | {predicted[chosen].mean():.2%} "
            f"| {share / claimed.mean():.2f} | {share / base[chosen].mean():.2f} |"
        )
    return "\n".join(lines)


def reliability(all_: list[Warned]) -> str:
    """Markdown: predicted and observed shares by tenths of the predicted probability, equally many orders each."""
    predicted = np.array([one.risk.probability for one in all_])
    claimed = np.array([one.claimed for one in all_], float)
    order = np.argsort(predicted, kind="stable")
    lines = ["| tenth | predicted | claimed |", "|---|---|---|"]
    for number, part in enumerate(np.array_split(order, 10), 1):
        lines.append(f"| {number} | {predicted[part].mean():.2%} | {claimed[part].mean():.2%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buyers", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=REPORT)
    arguments = parser.parse_args()
    all_: list[Warned] = []
    lifts = []
    for seed in arguments.seeds:
        mine = warned(arguments.buyers, seed)
        high = [one.claimed for one in mine if one.risk.level is Level.HIGH]
        everyone = float(np.mean([one.claimed for one in mine]))
        lift = float(np.mean(high)) / everyone if high else float("nan")
        lifts.append(lift)
        print(
            f"market {seed} ({market_of(arguments.buyers, seed).label}): "
            f"{len(high)} HIGH of {len(mine)}, lift {lift:.2f}"
        )
        all_ += mine
    print(f"\nlift of HIGH over {len(lifts)} markets: least {min(lifts):.2f}, median {np.median(lifts):.2f}\n")
    print(table(all_), reliability(all_), sep="\n\n")


if __name__ == "__main__":
    main()
