"""Small numerical tools that several detectors share: grouped sums, shrinkage, calibration of rarity.

All sums run over rows in canonical order, so equal snapshots give equal bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import gammaln

from graph.snapshot import Floats, Ints, Longs

_TINY = 1e-300


@dataclass(frozen=True)
class Groups:
    """Rows sorted into groups. `of` (m,) group of each row, in order of the group's key; `first` (g,) a group's first
    row; `count` (g,) its rows."""

    of: Longs
    first: Longs
    count: Longs

    @property
    def n(self) -> int:
        """Number of groups."""
        return len(self.first)

    def total(self, values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> Floats:
        """(g,) sum of (m,) `values` in each group."""
        return tally(self.of, values, self.n)

    def total_of(self, rows: Longs, values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> Floats:
        """(g,) sum in each group of `values` (r,) of these rows (r,), which hold all that is not zero."""
        return tally(self.of[rows], values, self.n)


@dataclass(frozen=True)
class Rows:
    """The rows of each of `n` numbers: those of number i are `order[starts[i]:starts[i + 1]]`, ascending."""

    order: Longs
    starts: Longs

    @staticmethod
    def of(numbers: npt.NDArray[np.integer], n: int) -> Rows:
        """Of the numbers (m,), each from 0 to `n`."""
        order, ranked = ascending(numbers.astype(np.int64))
        return Rows(order, np.searchsorted(ranked, np.arange(n + 1)))

    def __getitem__(self, number: int) -> Longs:
        return self.order[self.starts[number] : self.starts[number + 1]]

    def of_all(self, numbers: npt.NDArray[np.integer]) -> tuple[Longs, Longs]:
        """(r,) the rows of each of `numbers` (k,), one after the other, and (r,) the place in `numbers` of the one that
        a row is of."""
        begin = self.starts[numbers]
        width = self.starts[numbers.astype(np.int64) + 1] - begin
        place = np.repeat(np.arange(len(numbers)), width)
        return self.order[np.arange(len(place)) + (begin - np.cumsum(width) + width)[place]], place


def group(*columns: npt.NDArray[np.integer]) -> Groups:
    """Group rows by the combination of non-negative integer columns of one length."""
    combined = columns[0].astype(np.int64)
    for column in columns[1:]:
        width = int(column.max(initial=0)) + 1
        combined = combined * width + column
    order, ranked = ascending(combined)
    new = np.empty(len(ranked), bool)
    new[:1] = True
    np.not_equal(ranked[1:], ranked[:-1], out=new[1:])
    of = np.empty(len(ranked), np.int64)
    of[order] = np.cumsum(new) - 1
    first = order[new]
    starts = np.flatnonzero(new)
    return Groups(of, first, np.diff(np.append(starts, len(ranked))))


def components(account: npt.NDArray[np.integer], key: npt.NDArray[np.integer], n: int) -> Longs:
    """(n,) group of each account, of those that keys join by the rows (m,) `account` and `key`; numbered by their first
    account, one without a key being a group of itself."""
    keys, number = np.unique(key, return_inverse=True)
    size = n + len(keys)
    links = coo_array((np.ones(len(account), bool), (account, n + number)), shape=(size, size))
    label: Longs = connected_components(links, directed=False)[1][:n].astype(np.int64)
    return label


def ascending(values: Longs) -> tuple[Longs, Longs]:
    """Stable order of non-negative `values` (m,), and the values in that order.

    Where value and row number fit into one integer together, sorting those is several times faster than sorting row
    numbers by value."""
    bits = len(values).bit_length()
    room = 63 - bits
    if int(values.max(initial=0)) >> room:
        # the low digits first, then the high ones
        low = ascending(values & ((1 << room) - 1))[0]
        order = low[ascending((values >> room)[low])[0]]
        return order, values[order]
    packed = (values << bits) | np.arange(len(values))
    packed.sort()
    return packed & ((1 << bits) - 1), packed >> bits


def by_columns(*columns: npt.NDArray[np.integer]) -> Longs:
    """Stable order of rows by non-negative integer columns (m,), the first column counting most: `np.lexsort` of the
    columns from the last to the first, by sorts that are several times faster."""
    order = np.arange(len(columns[0]))
    for column in reversed(columns):
        order = order[ascending(column[order].astype(np.int64))[0]]
    return order


def tally(of: npt.NDArray[np.integer], weight: npt.ArrayLike, n: int) -> Floats:
    """(n,) sum of `weight` (m,) over the rows of each number in `of` (m,)."""
    total: Floats = np.bincount(of, weight, n)  # type: ignore[assignment]  # its stub knows unweighted counts only
    return total


def shrink_strength(observed: Floats, expected: Floats) -> float:
    """Shape `a` of the gamma distribution that groups' true multipliers are drawn from, by moments.

    `observed`, `expected` (g,) counts. Var(observed) = expected + expected² / a under gamma–Poisson; the estimate is
    clamped to [0.5, 1e4], which stands for "no two groups alike" and "all groups alike". Source: Clayton & Kaldor
    (1987), doi:10.2307/2532003."""
    excess = float(np.sum((observed - expected) ** 2 - expected))
    square = float(np.sum(expected**2))
    if square <= 0:
        return 1.0
    return float(np.clip(square / excess, 0.5, 1e4)) if excess > 0 else 1e4


def rarity(sizes: Longs, everyone: int) -> Floats:
    """(g,) nats with which sharing a key among `sizes` (g,) accounts speaks for acting together.

    `everyone` counts all keys of the kind, shared or not. The chance that a key is shared by as many or more is read
    from the market and turned into the greatest likelihood ratio that it can stand for, -log(-e p log p): Sellke,
    Bayarri & Berger (2001), doi:10.1198/000313001300339950. Never falls when one more account joins a key."""
    return rarity_in(size_law(sizes, everyone), sizes)


def size_law(sizes: Longs, everyone: int) -> Longs:
    """How large shared keys are: rows of (size, keys as large or larger), sizes rising, the last row being (a size
    beyond all, number of all keys); arguments as for `rarity`."""
    ranked = np.sort(sizes)
    size = np.unique(ranked)
    as_large = len(ranked) - np.searchsorted(ranked, size, side="left")
    end = [np.iinfo(np.int64).max, max(everyone, len(ranked))]
    return np.concatenate([np.stack([size, as_large], axis=1), [end]]).astype(np.int64)


def rarity_in(law: Longs, sizes: Longs) -> Floats:
    """(g,) `rarity` of `sizes` (g,) by a law of sizes: that of the market at hand, or of an earlier one."""
    at = np.searchsorted(law[:-1, 0], sizes, side="left")
    as_large = np.append(law[:-1, 1], 0)[at]
    return calibrated(np.asarray((as_large + 1.0) / (float(law[-1, 1]) + 2.0), np.float64))


def calibrated(p: Floats) -> Floats:
    """Nats that a p-value can stand for at most; zero from 1/e on. Source as for `rarity`."""
    bounded = np.clip(p, _TINY, 1 / np.e)
    return -(1.0 + np.log(bounded) + np.log(-np.log(bounded)))


def log_mean_exp(columns: Floats, weights: Floats) -> Floats:
    """(n,) log of the weighted mean over the last axis of exp(`columns` (n, d)); `weights` (d,) sum to one."""
    top = columns.max(axis=-1, keepdims=True)
    part = np.exp(columns - top)
    # column by column: a product of matrices rounds a row otherwise when other rows stand beside it
    total = part[..., 0] * weights[0]
    for column in range(1, len(weights)):
        total = total + part[..., column] * weights[column]
    mean: Floats = np.log(np.maximum(total, _TINY)) + top[..., 0]
    return mean


def log_poisson(count: Floats, mean: Floats) -> Floats:
    """Log probability of `count` under a Poisson law of `mean` > 0; shapes broadcast."""
    log: Floats = count * np.log(mean) - mean - gammaln(count + 1.0)
    return log


def mixture_weights(columns: Floats, weight: Floats, prior: Floats, *, steps: int = 25) -> Floats:
    """Weights (d,) of a mixture of fixed densities by EM.

    `columns` (n, d) log densities of each row, `weight` (n,) of each row, `prior` (d,) pseudo-counts (Dirichlet). Rows
    of weight zero teach nothing; with no rows the prior's own shares come back. Source: Laird (1978),
    doi:10.1080/01621459.1978.10480103."""
    shares: Floats = prior / prior.sum()
    kept = weight > 1e-6
    if not kept.any():
        return shares
    density = np.exp(columns[kept] - columns[kept].max(axis=1, keepdims=True))
    rows = weight[kept]
    for _ in range(steps):
        joint = density * shares
        mass = np.maximum(joint.sum(axis=1), _TINY)
        counts = prior + (rows / mass) @ joint
        shares = counts / counts.sum()
    return shares


def learned_bins(bins: Ints, prior: Floats, suspicion: Floats, *, strength: float, rising: bool) -> Floats:
    """(d,) log-likelihood ratio of each of `d` bins, learned from the market around stated defaults.

    `bins` (n,) each account's bin, `prior` (d,) default nats, `suspicion` (n,) probability of abuse from the former
    round. Honest shares come from honest-weighted counts; abusive shares from suspicion-weighted counts plus `strength`
    accounts distributed as the defaults say. `rising` holds the result non-decreasing over the bins (pool adjacent
    violators, Ayer et al. 1955, doi:10.1214/aoms/1177728423). Source of the scheme: Fellegi & Sunter (1969),
    doi:10.1080/01621459.1969.10501049, with shrinkage."""
    d = len(prior)
    honest = tally(bins, 1.0 - suspicion, d) + 0.5
    honest /= honest.sum()
    start = honest * np.exp(prior)
    start /= start.sum()
    abusive = tally(bins, suspicion, d) + strength * start
    abusive /= abusive.sum()
    nats = np.log(abusive) - np.log(honest)
    return pool(nats, honest) if rising else nats


def learned_by_class(
    classes: Longs, count: int, bins: Ints, width: int, suspicion: Floats, *, strength: float, rising: bool
) -> Floats:
    """(`count`, `width`) `learned_bins` around zero within each class: `classes` (n,) of the accounts, from 0 to
    `count`, and their `bins` (n,), from 0 to `width`."""
    zeros = np.zeros(width)
    mine = [np.flatnonzero(classes == number) for number in range(count)]
    return np.stack([learned_bins(bins[m], zeros, suspicion[m], strength=strength, rising=rising) for m in mine])


def pool(values: Floats, weights: Floats) -> Floats:
    """The non-decreasing sequence nearest to `values` (d,) in weighted squares."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, mass, length = blocks.pop()
            total = mass + block[1]
            block = ((mean * mass + block[0] * block[1]) / total, total, length + block[2])
        blocks.append(block)
    return np.concatenate([np.full(length, value) for value, _, length in blocks])


def logit(p: float) -> float:
    """Log odds of a probability strictly between 0 and 1."""
    return float(np.log(p) - np.log1p(-p))


def probable(nats: Floats) -> Floats:
    """(n,) probabilities of log odds, `nats` (n,); beyond 40 either way they are told as at 40."""
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(nats, -40.0, 40.0)))
    return found
