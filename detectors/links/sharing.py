"""Who shares which identifier: the star form that all identifier detectors have in common.

A key's weight is its rarity: how unusual it is in this market that an identifier of its kind is shared by so many
accounts. Whether the people of a widely shared key act alike is not asked here but in fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.contract import EARLY, ORDERS, OWN, USES, Context, Evidence, Keys, Small, evidence, nothing
from detectors.numerics import Groups, by_columns, group, rarity_in, size_law
from graph.snapshot import KINDS, Bools, Ints, Longs

WRITTEN_AFTER: Final = 7 * 86_400_000_000
"""For so many microseconds an account must have had a door, number, parcel or picture before others wrote it …"""
HANDED_ON_AFTER: Final = 60 * 86_400_000_000
"""… and for so long a device or a card before others came to use it: who joins a ring's has it sooner."""


@dataclass(frozen=True)
class Sightings:
    """Rows that show an account with a key: `key`, `buyer`, `at`, and the source `table` and `row`."""

    key: Longs
    buyer: Ints
    at: Longs
    table: Small
    row: Ints


def sightings(ctx: Context, kind: str, of: Bools | None = None) -> Sightings:
    """Every order and use that shows an identifier of `kind`, orders first; with `of` (n,) those alone that show one
    which any of these accounts has."""
    orders, uses = ctx.snapshot.orders, ctx.snapshot.uses
    number = orders.used[kind]
    outside = np.flatnonzero(uses.kind == KINDS.index(kind)).astype(np.int32)
    if of is None:
        with_key = np.flatnonzero(number >= 0).astype(np.int32)
    else:
        theirs = uses.identifier[outside[of[uses.buyer[outside]]]]
        wanted = among(len(ctx.snapshot.identifiers[kind]), number[of[orders.buyer]], theirs)
        with_key = np.flatnonzero(wanted[number]).astype(np.int32)
        outside = outside[wanted[uses.identifier[outside]]]
    return Sightings(
        key=np.concatenate([number[with_key], uses.identifier[outside]]).astype(np.int64),
        buyer=np.concatenate([orders.buyer[with_key], uses.buyer[outside]]),
        at=np.concatenate([orders.at[with_key], uses.at[outside]]),
        table=np.concatenate([np.full(len(with_key), ORDERS), np.full(len(outside), USES)]).astype(np.int8),
        row=np.concatenate([with_key, uses.row[outside]]),
    )


def among(n: int, *numbers: npt.NDArray[np.integer]) -> Bools:
    """(n + 1,) true for those of `n` keys that are among `numbers`. The last place, at which -1 looks, is false."""
    found = np.zeros(n + 1, bool)
    for some in numbers:
        found[some] = True
    found[-1] = False
    return found


def shared_identifier(ctx: Context, detector: str, kind: str, *, owned_for: int) -> Evidence:
    """One row each account of each identifier of `kind` that several accounts share. It was an account's own that used
    it for `owned_for` microseconds before others came to it (see `owners`); 0: it is nobody's."""
    seen, labels = sightings(ctx, kind), ctx.snapshot.identifiers[kind]
    pairs = group(seen.key, seen.buyer)
    key, buyer = seen.key[pairs.first], seen.buyer[pairs.first]
    size = np.bincount(key, minlength=len(labels))
    shared = np.flatnonzero(size >= 2)
    law = ctx.measures.of(f"{detector}.sizes", lambda: size_law(size[shared], int(np.count_nonzero(size))))
    if not len(shared):
        return nothing(detector)
    number = np.full(len(labels), -1, np.int64)
    number[shared] = np.arange(len(shared))
    rows = np.flatnonzero(number[key] >= 0)
    local, who = number[key[rows]], buyer[rows]
    sizes = size[shared]
    return evidence(
        detector,
        key=local.astype(np.int32),
        buyer=who,
        nats=rarity_in(law, sizes)[local],
        table=seen.table[pairs.first[rows]],
        row=seen.row[pairs.first[rows]],
        count=pairs.count[rows],
        owned=owners(seen.key, seen.buyer, seen.at, pairs, owned_for)[rows] if owned_for else None,
        keys=Keys(labels[shared], sizes, one_home(ctx, local, who, len(shared))),
    )


def owners(key: Longs, buyer: Ints, at: Longs, pairs: Groups | None = None, owned_for: int = WRITTEN_AFTER) -> Small:
    """(pairs,) of each pair of key and account, in the order of `group(key, buyer)`: `OWN` where the account used the
    key for `owned_for` microseconds before anybody else, `EARLY` where it did so before most of the others, else 0.
    `key`, `buyer`, `at` (m,) are uses; `pairs` groups them where that is known.

    A ring that writes an innocent person's door, number or parcel on its orders and claims, or comes to use a device
    that was somebody's, is linked by that; the person is not, nor those who live there, too."""
    pairs = group(key, buyer) if pairs is None else pairs
    owner = np.zeros(pairs.n, np.int8)
    if not pairs.n:
        return owner
    begun = np.full(pairs.n, np.iinfo(np.int64).max)
    np.minimum.at(begun, pairs.of, at)
    number = key[pairs.first]
    # keys of one account say nothing; the others by key, then in the order in which accounts came to them
    alike = number[1:] == number[:-1]
    shared = np.flatnonzero(np.append(alike, False) | np.append(False, alike))
    if not len(shared):
        return owner
    rank = shared[by_columns(number[shared], begun[shared] - begun[shared].min())]
    start = np.flatnonzero(np.append(True, number[rank][1:] != number[rank][:-1]))
    count = np.diff(np.append(start, len(rank)))
    # from this place on stand more than half of anybody's others
    most = np.repeat(rank[start + count // 2], count)
    owner[rank] = np.where(begun[most] - begun[rank] >= owned_for, EARLY, 0)
    first, second = rank[start], rank[start + 1]
    owner[first] = np.where(begun[second] - begun[first] >= owned_for, OWN, owner[first])
    return owner


def one_home(ctx: Context, key: Longs, buyer: Ints, n: int) -> Bools:
    """(n,) true for keys whose accounts all have the same known home door: one household."""
    home = ctx.claims.home[buyer]
    low, high = np.full(n, np.iinfo(np.int32).max, np.int32), np.full(n, -1, np.int32)
    np.minimum.at(low, key, home)
    np.maximum.at(high, key, home)
    same: Bools = (low == high) & (low >= 0)
    return same
