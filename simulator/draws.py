"""Small drawing tools that the whole simulator shares: named streams, weighted picks, hashing, opaque strings."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Words = NDArray[np.uint64]

DAY = 86_400
"""Seconds in a day; all times in the simulator are whole seconds since the epoch, UTC."""


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream of its own for each part, so that a change in one part leaves the draws of others alone."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def ints(values: ArrayLike) -> Ints:
    """The values as whole 64-bit numbers, cut off towards zero."""
    return np.asarray(values).astype(np.int64)


def floats(values: ArrayLike) -> Floats:
    """The values as 64-bit floats."""
    return np.asarray(values).astype(np.float64)


def pick(rng: np.random.Generator, weights: Floats, size: int) -> Ints:
    """`size` indices drawn with replacement, in proportion to `weights`."""
    edges = np.cumsum(weights)
    found = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    return ints(np.minimum(found, len(weights) - 1))


def chance(rng: np.random.Generator, p: float | Floats, size: int) -> Bools:
    """`size` coin flips that come up with probability `p` (one for all, or one each)."""
    return np.asarray(rng.random(size) < p, dtype=np.bool_)


def scatter(values: Ints, salt: int) -> Words:
    """SplitMix64 finaliser: the same value and salt give the same 64 well-mixed bits.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", doi:10.1145/2660193.2660195.
    """
    with np.errstate(over="ignore"):
        x = values.astype(np.uint64) + np.uint64(salt & 0xFFFFFFFFFFFFFFFF) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def opaque(rng: np.random.Generator, size: int, digits: int = 12) -> NDArray[np.str_]:
    """`size` distinct random hexadecimal strings of `digits` (even) digits, in no order that means anything."""
    raw = rng.integers(0, 256, (size, digits // 2), dtype=np.uint8).tobytes().hex()
    found = np.frombuffer(raw.encode(), dtype=f"S{digits}")
    _, first = np.unique(found, return_index=True)
    if len(first) < size:
        again = np.setdiff1d(np.arange(size), first)
        found = found.copy()
        # Clashes are rare; longer strings would hide nothing, so the clashing ones are simply drawn anew.
        while len(again):
            found[again] = np.frombuffer(
                rng.integers(0, 256, (len(again), digits // 2), dtype=np.uint8).tobytes().hex().encode(), f"S{digits}"
            )
            _, first = np.unique(found, return_index=True)
            again = np.setdiff1d(np.arange(size), first)
    return found.astype(np.str_)


def ranks_within(groups: Ints) -> Ints:
    """For each row its running number (0, 1, …) among the rows of the same group, in row order."""
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups[order], return_counts=True)[1]
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - starts
    return ranks


@dataclass(frozen=True)
class Pools:
    """One list of things for each group, of any length, held flat."""

    flat: Ints
    start: Ints
    size: Ints

    @classmethod
    def of(cls, lists: list[Ints]) -> "Pools":
        """Flatten one array for each group."""
        size = np.array([len(x) for x in lists], dtype=np.int64)
        flat = np.concatenate([np.asarray(x, dtype=np.int64) for x in lists]) if lists else np.empty(0, np.int64)
        return cls(flat, np.cumsum(size) - size, size)

    def draw(self, rng: np.random.Generator, groups: Ints) -> Ints:
        """One thing for each entry of `groups`, uniformly from that group's list; every list named must have one."""
        return ints(self.flat[self.start[groups] + ints(rng.random(len(groups)) * self.size[groups])])
