"""The curve from a candidate ring's score to its confidence, read from the candidates that honest markets bring forth.

At each score the share of chance among all candidates, held non-increasing, is the local false discovery rate; beyond
the best candidate that was drawn it falls off like the drawn tail. Sources as in `detectors.judge`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
HALF: Final = 0.5
"""Weight from which a drawn candidate says how far chance reaches."""


@dataclass(frozen=True)
class Law:
    """What a curve is read from. `knots` (k, 2) scores, rising, and the share of chance candidates among all from each
    score on, up to the next; `tail` (2,) the best score that chance brought, at least 0, and how fast its upper half
    falls off; `observed` scores of the market's own candidates, rising."""

    knots: Values
    tail: Values
    observed: Floats

    def rate(self, scores: Floats) -> Floats:
        """(rings,) local false discovery rate at `scores` (rings,): never higher for a better score."""

        def raw(score: Floats) -> Floats:
            at = np.maximum(np.searchsorted(self.knots[:, 0], score, side="right") - 1, 0)
            # where nothing was measured nothing is sure
            share = self.knots[at, 1] if len(self.knots) else np.ones(len(score))
            drawn = share / np.maximum(1.0 - share, 1e-9)
            # beyond the best score that was drawn chance is not nil but falls off like the drawn tail; it is shared
            # among the market's own candidates from one such fall below on, or the best one would stand for itself
            near = len(self.observed) - np.searchsorted(self.observed, score - self.tail[1], side="left")
            unseen = UNSEEN * np.exp(-np.maximum(score - self.tail[0], 0.0) / self.tail[1]) / np.maximum(near, 1)
            return np.asarray(np.clip(drawn + unseen, 0.0, 1.0))

        best = np.append(np.maximum.accumulate(raw(self.observed)[::-1])[::-1], 0.0)
        rate: Floats = np.maximum(raw(scores), best[np.searchsorted(self.observed, scores, side="right")])
        return rate


def learned(observed: Floats, chance: Floats, weight: Floats, draws: int) -> Law:
    """The law of a market's `observed` scores, given all `chance` scores of `draws` honest markets and the `weight` of
    each of these, between 0 and 1: the probability that honest people are where it came up."""
    score = np.concatenate([observed, chance])
    is_chance = np.concatenate([np.zeros(len(observed)), np.ones(len(chance))])
    mass = np.concatenate([np.ones(len(observed)), weight / draws])
    # equal scores stand in order of weight, so that the bytes don't depend on the order of candidates
    rank = np.lexsort((mass, -is_chance, score))
    share = -pool(-is_chance[rank], mass[rank]) if len(rank) else np.empty(0)
    score = score[rank]
    # of equal scores the last stands: chance comes first among them
    last = np.append(score[1:] != score[:-1], True)[: len(score)]
    drawn = np.sort(chance[weight >= HALF])
    upper = drawn[len(drawn) // 2 :]
    scale = max(float(upper.mean() - upper.min()), FALL) if len(upper) else FALL
    return Law(
        knots=np.stack([score[last], share[last]], axis=1),
        tail=np.array([float(drawn.max(initial=0.0)), scale]),
        observed=np.sort(observed),
    )


def measured(name: str, measures: Measures, law: Callable[[], Law]) -> Law:
    """The market's own law of that name, or that of an earlier run."""
    own = law() if measures.given is None else Law(*(np.empty(0),) * 3)
    return Law(
        knots=measures.of(f"curve.{name}.knots", lambda: own.knots),
        tail=measures.of(f"curve.{name}.tail", lambda: own.tail),
        observed=measures.of(f"curve.{name}.observed", lambda: own.observed),
    )


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


def stated_q(sure: Floats, measures: Measures) -> Floats:
    """(rings,) q-value of each candidate by how `sure` (rings,) it is: the mean of one minus confidence over the
    market's candidates that are at least as sure, or over those of an earlier run."""
    known = measures.of("sure", lambda: np.sort(sure)[::-1])
    surer = np.searchsorted(-known, -sure, side="right")
    mean = np.cumsum(1.0 - known)[np.maximum(surer, 1) - 1] / np.maximum(surer, 1) if len(known) else 1.0 - sure
    q: Floats = np.where(surer > 0, mean, 1.0 - sure)
    return q


def q_values(sure: Floats) -> Floats:
    """(rings,) share of false rings to be expected among those that are at least as `sure` (rings,) as each."""
    rank = np.argsort(-sure, kind="stable")
    mean = np.cumsum(1.0 - sure[rank]) / np.arange(1, len(sure) + 1)
    # equally sure rings are published together or not at all
    last = np.searchsorted(-sure[rank], -sure[rank], side="right") - 1
    q = np.empty(len(sure))
    q[rank] = mean[last]
    return q
