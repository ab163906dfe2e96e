"""`python -m benchmarks.quality.lone`: how far lone abusers can be told from honest people, if one were told of others.

Gradient boosting learns lone abusers against honest people from half of the markets and judges the other half, and the
other way round: by the nats of our own detectors of conduct, by the peers' columns, and by both. What it reaches beyond
our own ranking is in the data, and not yet in the model. Tuning seeds only: what comes of it may change detection.
"""

from __future__ import annotations

import argparse
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from benchmarks.metrics import Bools, Floats
from benchmarks.quality.markets import case_of, market_of
from benchmarks.quality.peers.features import linked
from detectors.frozen import Measures
from detectors.pipeline import find
from integrity.heard import heard
from integrity.policy import default_policy

SEEDS: Final = range(301, 313)
WAYS: Final = ("conduct in nats", "peers' columns", "both")


def columns(seed: int, buyers: int) -> tuple[dict[str, Floats], Floats, Floats, Bools]:
    """Of the honest and the lone accounts of a market: columns (n, c) by way of judging, our risk (n,), the sum of
    conduct's nats (n,), and who is lone (n,)."""
    case = case_of(market_of(buyers, seed))
    found = find(heard(case.snapshot), default_policy().detection, Measures())
    nats = np.stack([item.account_nats(found.ctx.n) for item in found.accounts], axis=1)
    plain, _ = linked(case.snapshot)
    lone = np.array([kind == "lone" for kind in case.truth.kind])
    kept = lone | ~case.truth.abuser
    ways = dict(zip(WAYS, (nats[kept], plain[kept], np.column_stack([nats, plain])[kept]), strict=True))
    return ways, found.risk[kept], nats.sum(axis=1)[kept], lone[kept]


def main() -> None:
    """Print average precision among honest people and lone abusers, least, median and most of the markets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=60_000)
    args = parser.parse_args()
    markets = [columns(seed, args.buyers) for seed in SEEDS]
    scores: dict[str, list[float]] = {"ringfence, risk": [], "ringfence, conduct alone": []}
    for _, risk, nats, lone in markets:
        scores["ringfence, risk"].append(average_precision_score(lone, risk))
        scores["ringfence, conduct alone"].append(average_precision_score(lone, nats))
    for way in WAYS:
        mine = scores.setdefault(f"told of others: {way}", [])
        for half in (0, 1):
            known = markets[half::2]
            model = HistGradientBoostingClassifier(
                max_iter=60, max_leaf_nodes=7, learning_rate=0.08, l2_regularization=10.0, random_state=1
            )
            model.fit(np.concatenate([one[0][way] for one in known]), np.concatenate([one[3] for one in known]))
            for ways, _, _, lone in markets[1 - half :: 2]:
                mine.append(average_precision_score(lone, model.predict_proba(ways[way])[:, 1]))
    table = Table(title=f"Average precision of lone abusers among honest people, {len(markets)} markets")
    for column in ("ranked by", "least", "median", "most"):
        table.add_column(column, justify="left" if column == "ranked by" else "right")
    for name, many in scores.items():
        table.add_row(name, *(f"{value:.3f}" for value in (min(many), float(np.median(many)), max(many))))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
