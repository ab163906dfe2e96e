"""What steps before a limit cost and spare, on simulated markets with known truth.

`python -m benchmarks.steps` takes markets that nobody tuned on, runs detection once a week over their last weeks, and
puts policies side by side that differ in `immediate_store_risk` and `immediate_platform_risk` alone, each going on from
its own decisions. The first runs, which meet everybody for the first time, are not counted (`--warm 0` counts them). It
counts accounts limited, honest ones among them, how many were limited before any run had told
them so, and, of the orders placed between two runs, what was not sold: to honest accounts, and to abusive ones; and
what abusive accounts claimed back of orders that went through.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.quality.markets import KEY, market_of
from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import Snapshot
from graph.store import Store
from integrity.backtest import Backtest, backtest
from integrity.costs import aftermath
from integrity.instants import DAY, from_iso
from integrity.past_orders import replay
from integrity.policy import Policy, default_policy
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate

ROOT = Path(".bench") / "steps"
REPORT = (1, 2, 3, 4)
CLOCK = from_iso("2025-01-02T00:00:00Z", where="benchmark")
"""When the year that is simulated is loaded."""
TRIED: Sequence[tuple[str, float, float]] = (
    ("no steps", 0.0, 0.0),
    ("stores first below .97", 0.0, 0.97),
    ("stores first, always", 0.0, 1.0),
    ("warned below .9, stores first below .97", 0.9, 0.97),
    ("warned and stores first below .97", 0.97, 0.97),
    ("warned below .97, stores first always", 0.97, 1.0),
    ("warned and stores first, always", 1.0, 1.0),
)
"""Name, `immediate_store_risk`, `immediate_platform_risk`."""
_LIMITED = ("STORE_LIMITED", "PLATFORM_LIMITED")


@dataclass
class Told:
    """Sums over markets. Money in minor units of the market's currency; `without_word` counts limited accounts that no
    run before had watched or limited, `at_once` those closed everywhere that no run before had limited."""

    limited: int = 0
    honest_limited: int = 0
    without_word: int = 0
    at_once: int = 0
    honest_orders: int = 0
    honest_money: int = 0
    abuse_orders: int = 0
    abuse_money: int = 0
    through_orders: int = 0
    through_money: int = 0


def stepped(policy: Policy, store: float, platform: float) -> Policy:
    """The policy with other steps, and a guard that holds nothing."""
    statuses = policy.statuses.model_copy(update={"immediate_store_risk": store, "immediate_platform_risk": platform})
    open_ = policy.publication.model_copy(update={"max_limited_share": 1.0, "keep_published_runs": 100})
    return policy.model_copy(update={"statuses": statuses, "publication": open_})


def prepared(buyers: int, seed: int, weeks: int) -> Iterator[tuple[Store, frozenset[str]]]:
    """A market's store with a run a week over its last weeks, and its abusive accounts."""
    home = ROOT / f"{buyers}-{seed}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    simulate(home / "export", buyers=buyers, seed=seed, knobs=market_of(buyers, seed).knobs)
    truth = pl.read_csv(home / "truth.csv")
    abusive = frozenset(truth.filter(pl.col("abuser") == 1)["buyer_id"].to_list())
    store = open_store(f"sqlite:///{home / 'store.db'}")
    try:
        load_folder(store, Keyer(KEY), home / "export", now=CLOCK)
        end = take_snapshot(store).as_of
        policy = stepped(default_policy(), 0.0, 0.97)
        for week in range(weeks, 0, -1):
            at = end - week * 7 * DAY
            run_detection(store, policy=policy, now=partial(int, at), holder="benchmark", as_of=at)
        yield store, abusive
    finally:
        store.close()
        shutil.rmtree(home, ignore_errors=True)


def count(told: Told, tested: Backtest, later: Snapshot, abusive: frozenset[str], warm: int) -> None:
    """Add one market to the sums, its first `warm` runs but for what they led to left out."""
    bad = np.isin(later.buyers.ids.astype(str), sorted(abusive))
    before: Mapping[str, str] = tested.judgements[warm - 1].statuses if warm else {}
    for one, (start, end) in list(zip(tested.judgements, tested.windows, strict=True))[warm:]:
        limited = {buyer for buyer, status in one.statuses.items() if status in _LIMITED}
        fresh = {buyer for buyer in limited if before.get(buyer) not in _LIMITED}
        told.limited += len(fresh)
        told.honest_limited += len(fresh - abusive)
        told.without_word += sum(before.get(buyer, "CLEAR") == "CLEAR" for buyer in fresh)
        told.at_once += sum(one.statuses[buyer] == "PLATFORM_LIMITED" for buyer in fresh)
        unsold = np.zeros(len(later.orders.ids), np.int64)
        stopped = replay(later, one.judged, start=start, end=end)
        for hit in stopped:
            unsold[hit.order] = hit.amount
            kind = "abuse" if bad[later.orders.buyer[hit.order]] else "honest"
            setattr(told, f"{kind}_orders", getattr(told, f"{kind}_orders") + 1)
            setattr(told, f"{kind}_money", getattr(told, f"{kind}_money") + hit.amount)
        inside = (later.orders.at > start) & (later.orders.at <= end) & bad[later.orders.buyer]
        through = np.where(inside, np.maximum(aftermath(later, after=start).claimed - unsold, 0), 0)
        told.through_orders += int((through > 0).sum())
        told.through_money += int(through.sum())
        before = one.statuses


def table(rows: Mapping[str, Told]) -> str:
    """Markdown."""
    lines = [
        "| steps | accounts limited | honest | limited without a word before | closed everywhere at once "
        "| honest orders stopped | their money | abusive accounts' orders stopped | their money "
        "| claims of abusive accounts let through | their money |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in rows.items():
        counts = (one.limited, one.honest_limited, one.without_word, one.at_once)
        orders = (
            (one.honest_orders, one.honest_money),
            (one.abuse_orders, one.abuse_money),
            (one.through_orders, one.through_money),
        )
        money = [f"{number} | {minor / 100:,.0f}" for number, minor in orders]
        lines.append(f"| {' | '.join([name, *map(str, counts), *money])} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What steps before a limit cost and spare.")
    parser.add_argument("--buyers", type=int, default=20_000)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--warm", type=int, default=2, help="first runs that are not counted")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(REPORT))
    given = parser.parse_args()
    rows = {name: Told() for name, _, _ in TRIED}
    for seed in given.seeds:
        for store, abusive in prepared(given.buyers, seed, given.weeks):
            later = take_snapshot(store)
            for name, at_stores, everywhere in TRIED:
                tested = backtest(store, stepped(default_policy(), at_stores, everywhere))
                count(rows[name], tested, later, abusive, given.warm)
        print(f"seed {seed} done", flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
