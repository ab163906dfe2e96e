"""A learner that is given all of the truth of six other markets, and the columns of the graph.

No platform has such labels: they would have to be right, complete and of the same kinds of abuse. What it makes of each
kind shows how much of it the columns hold for somebody who need not guess. Training markets are tuning seeds, so they
are none of those that are judged.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.metrics import Outcome
from benchmarks.quality.markets import Case, case_of, market_of
from benchmarks.quality.mixtures import TUNING
from benchmarks.quality.peers.common import ranked
from benchmarks.quality.peers.features import linked

MARKETS: Final = 6
BUYERS: Final = 60_000
SEED: Final = 1


@cache
def model() -> Any:
    """Gradient boosting, trained once a process; scikit-learn's defaults but for slower and longer learning."""
    columns, flags = [], []
    for seed in TUNING[:MARKETS]:
        case = case_of(market_of(BUYERS, seed))
        columns.append(linked(case.snapshot)[0])
        flags.append(case.truth.abuser)
    learner = HistGradientBoostingClassifier(random_state=SEED, learning_rate=0.05, max_iter=200)
    return learner.fit(np.concatenate(columns), np.concatenate(flags))


def run(case: Case) -> Outcome:
    """Every account scored by the model of other markets."""
    risk = model().predict_proba(linked(case.snapshot)[0])[:, 1]
    return ranked(case.truth, risk)
