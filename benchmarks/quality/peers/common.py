"""What the peers share: who uses which identifier, what each account claimed, and the line that is drawn for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import poisson

from benchmarks.metrics import Floats, Longs, Outcome, Ring, Truth, half_line
from graph.snapshot import KINDS, Snapshot

INSTRUMENTS: Final = ("device", "phone", "payment")
STRONG: Final = ("device", "phone", "payment", "door")
ANY: Final = (*STRONG, "recipient", "ip")


@dataclass(frozen=True)
class Shared:
    """Distinct pairs (m,) of `account` and `key`; `kind` (m,) index into the kinds asked for; keys are numbered over
    all kinds, `keys` of them."""

    account: Longs
    key: Longs
    kind: Longs
    keys: int

    def degree(self) -> Longs:
        """(keys,) accounts of each key."""
        return np.bincount(self.key, minlength=self.keys)

    def at_most(self, most: int) -> Shared:
        """Only keys of two to `most` accounts."""
        degree = self.degree()[self.key]
        kept = np.flatnonzero((degree >= 2) & (degree <= most))
        return Shared(self.account[kept], self.key[kept], self.kind[kept], self.keys)


def shared(snapshot: Snapshot, kinds: tuple[str, ...]) -> Shared:
    """Which accounts were seen with which identifiers, in orders and outside them."""
    accounts, keys, numbers, offset = [], [], [], 0
    for at, kind in enumerate(kinds):
        used = snapshot.orders.used[kind]
        have = np.flatnonzero(used >= 0)
        outside = np.flatnonzero(snapshot.uses.kind == KINDS.index(kind))
        size = len(snapshot.identifiers[kind])
        account = np.concatenate([snapshot.orders.buyer[have], snapshot.uses.buyer[outside]]).astype(np.int64)
        key = np.concatenate([used[have], snapshot.uses.identifier[outside]]).astype(np.int64)
        pair = np.unique(account * max(size, 1) + key)
        accounts.append(pair // max(size, 1))
        keys.append(pair % max(size, 1) + offset)
        numbers.append(np.full(len(pair), at, np.int64))
        offset += size
    return Shared(np.concatenate(accounts), np.concatenate(keys), np.concatenate(numbers), offset)


@dataclass(frozen=True)
class Claims:
    """`row` (c,) claims that buyers began, as rows of `snapshot.refunds`; `account`, `order` of each; per account
    (n,) `orders`, `claimed` and `expected`, claims at the rate of the categories it bought in."""

    row: Longs
    account: Longs
    order: Longs
    orders: Floats
    claimed: Floats
    expected: Floats


def claims_of(snapshot: Snapshot) -> Claims:
    """Claims and what the same baskets bring on average."""
    n = len(snapshot.buyers.ids)
    row = np.flatnonzero(snapshot.refunds.by_buyer)
    account = snapshot.refunds.buyer[row].astype(np.int64)
    order = snapshot.refunds.order[row].astype(np.int64)
    category = snapshot.stores.category[snapshot.orders.store].astype(np.int64) + 1
    rate = np.bincount(category[order], minlength=category.max() + 1) / np.maximum(np.bincount(category), 1)
    return Claims(
        row,
        account,
        order,
        np.bincount(snapshot.orders.buyer, minlength=n).astype(float),
        np.bincount(account, minlength=n).astype(float),
        np.bincount(snapshot.orders.buyer, rate[category], minlength=n).astype(float),
    )


def components(n: int, pairs: Shared) -> Longs:
    """(n,) connected component of each account when those with a common key are joined."""
    size = n + pairs.keys
    links = coo_array((np.ones(len(pairs.account)), (pairs.account, n + pairs.key)), shape=(size, size))
    label: Longs = connected_components(links, directed=False)[1][:n].astype(np.int64)
    return label


def surprise(claims: Claims, group: Longs) -> Floats:
    """(n,) how surprising an account's claims are and those of the rest of its group, whichever is less: a Poisson test
    of each against what the baskets predict, in nats; 0 for accounts alone."""
    claimed, expected = np.bincount(group, claims.claimed), np.bincount(group, claims.expected)
    others = claimed[group] - claims.claimed
    rest = -poisson.logsf(others - 1.0, np.maximum(expected[group] - claims.expected, 1e-9))
    own = -poisson.logsf(claims.claimed - 1.0, np.maximum(claims.expected, 1e-9))
    alone = np.bincount(group)[group] < 2
    risk: Floats = np.where(alone, 0.0, np.minimum(np.minimum(rest, own), 300.0))
    return risk


def ranked(truth: Truth, risk: Floats, group: Longs | None = None) -> Outcome:
    """A peer's outcome: accounts from the line on are limited, and those of one group (-1: of none) make a ring."""
    limited = risk >= half_line(truth.abuser, risk)
    rings: list[Ring] = []
    if group is not None:
        member = np.flatnonzero(limited & (group >= 0))
        member = member[np.argsort(group[member], kind="stable")]
        parts = np.split(member, np.flatnonzero(np.diff(group[member])) + 1)
        rings = [Ring(part, part) for part in parts if len(part) > 1]
    return Outcome(risk=risk, limited=limited, rings=rings)
