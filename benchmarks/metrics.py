"""How well findings match the truth of a simulated market: pure functions on columns, the same for all methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

BINS: Final = 10
"""Bins of equal width in which stated and true probabilities are compared."""


@dataclass(frozen=True)
class Truth:
    """Who is who among `n` accounts. `abuser` (n,); `ring` (n,) number of the true ring, -1 outside; `kind` (n,) the
    planted kind, "honest" and the like for the innocent."""

    abuser: Bools
    ring: Longs
    kind: npt.NDArray[np.object_]


@dataclass(frozen=True)
class Ring:
    """A ring that a method publishes: `members` and, among them, `actors` (account numbers); `confidence` that it is
    real, and `q` the false discovery rate at which it is published, where the method states them (NaN where not)."""

    members: Longs
    actors: Longs
    confidence: float = float("nan")
    q: float = float("nan")


@dataclass(frozen=True)
class Outcome:
    """What a method says of `n` accounts: `risk` (n,), any score that ranks, a probability where `calibrated`;
    `limited` (n,) and of these `hub_alone` (n,) for nothing but a hub; the `rings` it publishes; and `all_rings`, those
    that it would publish if it were less timid, for the false discovery rate (empty where a method has none)."""

    risk: Floats
    limited: Bools
    rings: Sequence[Ring]
    calibrated: bool = False
    hub_alone: Bools | None = None
    all_rings: Sequence[Ring] = ()


def average_precision(abuser: Bools, score: Floats) -> float:
    """Area under the precision-recall steps: sum over distinct scores of (recall step × precision).

    Ties count as one step, so that an order within equal scores can neither help nor harm. NaN without abusers.
    The definition is that of scikit-learn's `average_precision_score`, which the tests hold it to."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.cumsum(abuser[order])[last]
    return area(np.diff(hits, prepend=0), np.diff(last + 1, prepend=0))


def area(hits: Longs, count: Longs) -> float:
    """Average precision of a ranking in steps, best first: `hits` abusers among `count` accounts in each."""
    found, seen = np.cumsum(hits), np.cumsum(count)
    if not len(found) or not found[-1]:
        return float("nan")
    return float(np.sum(hits * found / np.maximum(seen, 1)) / found[-1])


def honest_at_half(abuser: Bools, score: Floats) -> float:
    """Honest accounts per 10,000 honest ones that score at least as high as the better half of the abusers; NaN without
    abusers. What a limit costs where no method may choose its own threshold."""
    if not abuser.any() or abuser.all():
        return float("nan")
    line = half_line(abuser, score)
    return float(10_000 * (score[~abuser] >= line).sum() / (~abuser).sum())


def half_line(abuser: Bools, score: Floats) -> float:
    """The score that half of the abusers reach; infinite without abusers."""
    ranked = np.sort(score[abuser])
    return float(ranked[len(ranked) // 2]) if len(ranked) else float("inf")


def precise_line(abuser: Bools, score: Floats, precision: float) -> float:
    """The lowest score from which on at least `precision` of the accounts are abusers; infinite where there is none."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    right = np.flatnonzero(np.cumsum(abuser[order])[last] >= precision * (last + 1))
    return float(score[order][last[right[-1]]]) if len(right) else float("inf")


def rings_found(truth: Iterable[frozenset[int]], published: Iterable[frozenset[int]]) -> tuple[int, int]:
    """(found, all): a true ring is found where one published ring holds at least half of it and at least half of
    that published ring is it."""
    where: dict[int, list[frozenset[int]]] = {}
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


def pairs(truth: Truth, published: Iterable[Longs]) -> tuple[int, int, int]:
    """(both, published, true): pairs of abusers of one true ring that are in one published ring, pairs in one published
    ring, pairs of one true ring. Counted by sizes, never pair by pair; published rings must not overlap."""
    both = stated = 0
    for members in published:
        stated += len(members) * (len(members) - 1) // 2
        label = truth.ring[members]
        size = np.bincount(label[label >= 0])
        both += int((size * (size - 1) // 2).sum())
    size = np.bincount(truth.ring[truth.ring >= 0])
    return both, stated, int((size * (size - 1) // 2).sum())


def is_true(truth: Truth, members: Longs) -> bool:
    """Whether whoever opens this ring finds a ring: at least half of it are abusers, and two of these act together."""
    label = truth.ring[members]
    together = np.bincount(label[label >= 0])
    return bool(2 * truth.abuser[members].sum() >= len(members) and together.max(initial=0) >= 2)


def reliability(stated: Floats, true: Bools) -> tuple[list[int], list[float], list[int]]:
    """Per bin of stated probability: how many, the sum of what was stated, how many were true."""
    place = np.minimum((stated * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    total = np.bincount(place, weights=stated, minlength=BINS)
    hits = np.bincount(place, weights=true.astype(float), minlength=BINS)
    return count.tolist(), total.tolist(), hits.astype(int).tolist()


def calibration_error(count: Sequence[int], stated: Sequence[float], hits: Sequence[int]) -> float:
    """Expected calibration error of reliability bins: mean over all of |share true − mean stated|; NaN of nothing."""
    if not sum(count):
        return float("nan")
    return float(np.abs(np.subtract(hits, stated)).sum() / sum(count))


def upper_bound(hits: int, count: int) -> float:
    """Upper end of the two-sided 95 % interval of a share; NaN of none. Source: Clopper & Pearson (1934),
    doi:10.2307/2331986."""
    if not count:
        return float("nan")
    return 1.0 if hits == count else float(beta.ppf(0.975, hits + 1, count - hits))


def true_rings(truth: Truth) -> list[frozenset[int]]:
    """True rings of two abusers or more."""
    member = np.flatnonzero(truth.ring >= 0)
    order = member[np.argsort(truth.ring[member], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(truth.ring[order])) + 1)
    return [frozenset(part.tolist()) for part in parts if len(part) > 1]
