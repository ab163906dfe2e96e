"""The curve from a candidate ring's score to its confidence, read from the candidates that honest markets bring forth.

At each score the share of chance among all candidates, held non-increasing, is the local false discovery rate; beyond
the best candidate that was drawn it falls off like the drawn tail. Sources as in `detectors.judge`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.frozen import Measures, Values
from detectors.numerics import pool
from detectors.settings import DetectionSettings
from graph.snapshot import Bools, Floats

UNSEEN: Final = 0.5
"""Candidates a market that chance is thought to bring beyond the best one drawn, falling off with the score."""
FALL: Final = 2.0
"""Nats over which what chance brings falls off by e at least: a market too small to show its tail has one, too."""


def knots(observed: Floats, chance: Floats, draws: int) -> Values:
    """(k, 2) scores, rising, and the share of chance candidates among all from each score on, up to the next.

    `observed` scores of one market, `chance` those of `draws` markets."""
    score = np.concatenate([observed, chance])
    is_chance = np.concatenate([np.zeros(len(observed)), np.ones(len(chance))])
    weight = np.where(is_chance > 0, 1.0 / draws, 1.0)
    rank = np.lexsort((-is_chance, score))
    share = -pool(-is_chance[rank], weight[rank]) if len(rank) else np.empty(0)
    score = score[rank]
    # of equal scores the last stands: chance comes first among them
    last = np.append(score[1:] != score[:-1], True)[: len(score)]
    return np.stack([score[last], share[last]], axis=1)


def tail(chance: Floats) -> Values:
    """(2,) the best score that chance brought, and how fast the upper half of its scores (rising) falls off."""
    upper = chance[len(chance) // 2 :]
    scale = max(float(upper.mean() - upper.min()), FALL) if len(upper) else FALL
    return np.array([float(chance.max(initial=0.0)), scale])


def local_rate(observed: Floats, chance: Floats, draws: int) -> Floats:
    """(rings,) local false discovery rate of `observed` scores, given all `chance` scores (rising) of `draws`
    markets."""
    return _rate(observed, knots(observed, chance, draws), tail(chance), np.sort(observed))


def measured_rate(scores: Floats, measures: Measures, observed: Floats, chance: Floats, draws: int) -> Floats:
    """(rings,) local false discovery rate of `scores` by the market's own curve, or by that of an earlier run."""
    law = measures.of("curve.knots", lambda: knots(observed, chance, draws))
    end = measures.of("curve.tail", lambda: tail(chance))
    return _rate(scores, law, end, measures.of("curve.observed", lambda: np.sort(observed)))


def published(sure: Floats, measures: Measures, settings: DetectionSettings) -> Bools:
    """(rings,) true for candidates to publish, given how `sure` (rings,) each is: those of `ring_confidence` or more,
    surest first, while the mean of one minus confidence, which is the share of false ones to be expected, stays within
    `false_discovery`. The line so found is the market's, or that of an earlier run.
    Source: Efron (2007), doi:10.1214/009053606000001460 (tail average of the local rate)."""

    def line() -> float:
        held = sure[q_values(sure) <= settings.false_discovery]
        return max(float(held.min(initial=1.0)), settings.ring_confidence)

    chosen: Bools = sure >= measures.number("line", line)
    return chosen


def q_values(sure: Floats) -> Floats:
    """(rings,) share of false rings to be expected among those that are at least as `sure` (rings,) as each."""
    rank = np.argsort(-sure, kind="stable")
    mean = np.cumsum(1.0 - sure[rank]) / np.arange(1, len(sure) + 1)
    # equally sure rings are published together or not at all
    last = np.searchsorted(-sure[rank], -sure[rank], side="right") - 1
    q = np.empty(len(sure))
    q[rank] = mean[last]
    return q


def _rate(scores: Floats, law: Values, end: Values, observed: Floats) -> Floats:
    """Rates of `scores` by a curve that was read from `observed` ones (rising): never higher for a better score."""

    def raw(score: Floats) -> Floats:
        at = np.maximum(np.searchsorted(law[:, 0], score, side="right") - 1, 0)
        # where nothing was measured nothing is sure
        share = law[at, 1] if len(law) else np.ones(len(score))
        drawn = share / np.maximum(1.0 - share, 1e-9)
        # beyond the best score that was drawn chance is not nil but falls off like the drawn tail
        above = 1 + len(observed) - np.searchsorted(observed, score, side="right")
        unseen = UNSEEN * np.exp(-np.maximum(score - end[0], 0.0) / end[1]) / above
        return np.asarray(np.clip(drawn + unseen, 0.0, 1.0))

    best = np.append(np.maximum.accumulate(raw(observed)[::-1])[::-1], 0.0)
    rate: Floats = np.maximum(raw(scores), best[np.searchsorted(observed, scores, side="right")])
    return rate
