"""How well findings match the truth of a simulated market. Pure functions on columns; one scorer for all methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


def average_precision(abuser: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]) -> float:
    """Area under the precision-recall steps: sum over distinct scores of (recall step × precision).

    Ties count as one step, so that an order within equal scores can neither help nor harm. NaN without abusers.
    The definition is that of scikit-learn's `average_precision_score`, which the tests hold it to."""
    if not abuser.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(abuser[order])
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    precision = hits[last] / (last + 1)
    recall = hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def rings_found(truth: Iterable[frozenset[str]], published: Iterable[frozenset[str]]) -> tuple[int, int]:
    """(found, all): a true ring is found where one published ring holds at least half of it and at least half of
    that published ring is it."""
    where: dict[str, list[frozenset[str]]] = {}
    for ring in published:
        for member in ring:
            where.setdefault(member, []).append(ring)
    found = total = 0
    for ring in truth:
        total += 1
        candidates = {candidate for member in ring for candidate in where.get(member, ())}
        found += any(
            2 * len(ring & candidate) >= len(ring) and 2 * len(ring & candidate) >= len(candidate)
            for candidate in candidates
        )
    return found, total


def calibration_error(abuser: npt.NDArray[np.bool_], risk: npt.NDArray[np.float64], *, bins: int = 10) -> float:
    """Expected calibration error: mean over accounts of |share of abusers − mean risk| within equal-width bins."""
    place = np.minimum((risk * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    gap = np.abs(
        np.bincount(place, weights=abuser.astype(float), minlength=bins)
        - np.bincount(place, weights=risk, minlength=bins)
    )
    return float(gap.sum() / max(1, count.sum()))


@dataclass(frozen=True)
class Score:
    """One method on one market. Shares are 0 to 1; `honest_limited` is per 10,000 honest accounts."""

    average_precision: float
    honest_limited: float
    limit_precision: float
    limit_recall: float
    rings_found: int
    rings: int
    rings_published: int
    rings_true: int


def score(
    truth: Mapping[str, str],
    risk: Mapping[str, float],
    limited: frozenset[str],
    published: list[frozenset[str]],
    abusers: frozenset[str],
) -> Score:
    """Score a method. `truth` maps every buyer to its ring id ("" for none), `published` are its rings' members;
    a published ring is true where at least half of its members are abusers."""
    buyers = sorted(truth)
    flags = np.array([buyer in abusers for buyer in buyers])
    scores = np.array([risk.get(buyer, 0.0) for buyer in buyers])
    rings: dict[str, set[str]] = {}
    for buyer, ring in truth.items():
        if ring and buyer in abusers:
            rings.setdefault(ring, set()).add(buyer)
    found, total = rings_found([frozenset(ring) for ring in rings.values() if len(ring) > 1], published)
    wrong = len(limited - abusers)
    return Score(
        average_precision=average_precision(flags, scores),
        honest_limited=10_000 * wrong / max(1, len(buyers) - len(abusers)),
        limit_precision=1.0 if not limited else len(limited & abusers) / len(limited),
        limit_recall=float("nan") if not abusers else len(limited & abusers) / len(abusers),
        rings_found=found,
        rings=total,
        rings_published=len(published),
        rings_true=sum(2 * len(ring & abusers) >= len(ring) for ring in published),
    )
