"""Who shares which identifier: the star form that all identifier detectors have in common.

A key's weight is its rarity: how unusual it is in this market that an identifier of its kind is shared by so many
accounts. Whether the people of a widely shared key act alike is not asked here but in fusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.contract import ORDERS, USES, Context, Evidence, Keys, Small, evidence, nothing
from detectors.numerics import group, rarity
from graph.snapshot import KINDS, Bools, Ints, Longs


@dataclass(frozen=True)
class Sightings:
    """Rows that show an account with a key: `key`, `buyer`, `at`, and the source `table` and `row`."""

    key: Longs
    buyer: Ints
    at: Longs
    table: Small
    row: Ints


def sightings(ctx: Context, kind: str) -> Sightings:
    """Every order and use that shows an identifier of `kind`, orders first."""
    orders, uses = ctx.snapshot.orders, ctx.snapshot.uses
    number = orders.used[kind]
    with_key = np.flatnonzero(number >= 0).astype(np.int32)
    outside = np.flatnonzero(uses.kind == KINDS.index(kind)).astype(np.int32)
    return Sightings(
        key=np.concatenate([number[with_key], uses.identifier[outside]]).astype(np.int64),
        buyer=np.concatenate([orders.buyer[with_key], uses.buyer[outside]]),
        at=np.concatenate([orders.at[with_key], uses.at[outside]]),
        table=np.concatenate([np.full(len(with_key), ORDERS), np.full(len(outside), USES)]).astype(np.int8),
        row=np.concatenate([with_key, uses.row[outside]]),
    )


def shared_identifier(ctx: Context, detector: str, kind: str) -> Evidence:
    """One row each account of each identifier of `kind` that several accounts share."""
    return star(ctx, detector, sightings(ctx, kind), ctx.snapshot.identifiers[kind])


def star(
    ctx: Context, detector: str, seen: Sightings, labels: np.ndarray[tuple[int], np.dtype[np.object_]]
) -> Evidence:
    """Star evidence of the keys in `seen` that several accounts share; `labels` name keys by number."""
    if not len(seen.key):
        return nothing(detector)
    pairs = group(seen.key, seen.buyer)
    key, buyer = seen.key[pairs.first], seen.buyer[pairs.first]
    size = np.bincount(key, minlength=len(labels))
    shared = np.flatnonzero(size >= 2)
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
        nats=rarity(sizes, int(np.count_nonzero(size)))[local],
        table=seen.table[pairs.first[rows]],
        row=seen.row[pairs.first[rows]],
        count=pairs.count[rows],
        keys=Keys(labels[shared], sizes, one_home(ctx, local, who, len(shared))),
    )


def one_home(ctx: Context, key: Longs, buyer: Ints, n: int) -> Bools:
    """(n,) true for keys whose accounts all have the same known home door: one household."""
    home = ctx.claims.home[buyer]
    low, high = np.full(n, np.iinfo(np.int32).max, np.int32), np.full(n, -1, np.int32)
    np.minimum.at(low, key, home)
    np.maximum.at(high, key, home)
    same: Bools = (low == high) & (low >= 0)
    return same
