"""Scores that are given the truth: gradient boosting with half of it, and a shallow score of single columns.

Boosting sees every column, those of the graph too; accounts are split in two at random, and each half is scored by a
model that was trained on the other half's truth: members of one ring mostly lie on both sides, so it has seen its
rings. The shallow score is a ridge logistic regression of columns without any graph, five folds: where it comes close
to a real detector the simulated market is at fault. Sources: Friedman (2001), doi:10.1214/aos/1013203451, as in
scikit-learn's HistGradientBoostingClassifier with its defaults.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.metrics import Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import ranked
from benchmarks.quality.peers.features import linked, plain

SEED = 1


def boosting(case: Case) -> Outcome:
    """Gradient boosting, each account scored by a model that knows the other half."""
    x, _ = linked(case.snapshot)
    return _cross(case, HistGradientBoostingClassifier(random_state=SEED), x, 2)


def shallow(case: Case) -> Outcome:
    """Logistic regression of single columns."""
    x, _ = plain(case.snapshot)
    x = np.column_stack([x, np.log1p(np.maximum(x, 0.0))])
    return _cross(case, make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)), x, 5)


def _cross(case: Case, model: object, x: np.ndarray[tuple[int, int], np.dtype[np.float64]], folds: int) -> Outcome:
    split = StratifiedKFold(folds, shuffle=True, random_state=SEED)
    risk = cross_val_predict(model, x, case.truth.abuser, cv=split, method="predict_proba")[:, 1]
    return ranked(case.truth, risk)
