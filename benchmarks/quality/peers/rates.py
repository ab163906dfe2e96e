"""Scores of single accounts without a graph: empirical Bayes rates, and an isolation forest of plain columns.

Empirical Bayes: claims are Poisson around the baskets' expectation times a propensity with a gamma law, fitted to all
accounts by maximum likelihood; the score is the posterior probability of a propensity above three. Source: Robbins
(1956); Clayton & Kaldor (1987), doi:10.2307/2532003. Isolation forest: Liu, Ting & Zhou (2008),
doi:10.1109/ICDM.2008.17, scikit-learn's defaults.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.stats import gamma, nbinom
from sklearn.ensemble import IsolationForest

from benchmarks.metrics import Floats, Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import claims_of, ranked
from benchmarks.quality.peers.features import plain

HIGH = 3.0
SEED = 1


def empirical_bayes(case: Case) -> Outcome:
    """Posterior probability that an account claims at more than three times the common rate."""
    claims = claims_of(case.snapshot)
    shape, scale = fit_gamma(claims.claimed, np.maximum(claims.expected, 1e-6))
    rate = 1.0 / scale + np.maximum(claims.expected, 1e-6)
    risk = np.asarray(gamma.sf(HIGH, shape + claims.claimed, scale=1.0 / rate), dtype=np.float64)
    return ranked(case.truth, risk)


def fit_gamma(claimed: Floats, expected: Floats) -> tuple[float, float]:
    """Shape and scale of the gamma law of propensities, by maximum likelihood of the counts."""

    def loss(log: Floats) -> float:
        shape, scale = np.exp(log)
        return float(-nbinom.logpmf(claimed, shape, 1.0 / (1.0 + scale * expected)).sum())

    shape, scale = np.exp(minimize(loss, np.zeros(2), method="Nelder-Mead").x)
    return float(shape), float(scale)


def isolation_forest(case: Case) -> Outcome:
    """How easily an account's columns are told apart from the others'."""
    x, _ = plain(case.snapshot)
    forest = IsolationForest(random_state=SEED).fit(x)
    return ranked(case.truth, -forest.score_samples(x))
