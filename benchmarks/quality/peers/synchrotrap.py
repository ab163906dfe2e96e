"""Lockstep groups: accounts that claim at the same stores within a day of each other, again and again.

Two claims match where the store is the same and they are at most a day apart; the similarity of two accounts is the
Jaccard index of their claims, with at least `TIMES` matches; accounts similar enough are joined by single linkage.
Source: SynchroTrap, Cao et al. (2014), doi:10.1145/2660267.2660269, with a day as its time window.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.metrics import Longs, Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import claims_of, ranked

DAY: Final = 86_400_000_000
TIMES: Final = 2
SIMILAR: Final = 0.3
CROWD: Final = 200
"""In a crowded day at most so many next claims are compared with each."""


def run(case: Case) -> Outcome:
    """The greatest similarity of each account to another is its score."""
    claims = claims_of(case.snapshot)
    n = len(claims.orders)
    at, store = case.snapshot.refunds.at[claims.row], case.snapshot.refunds.store[claims.row]
    one, two, times = matches(claims.account, store.astype(np.int64), at)
    often = np.flatnonzero(times >= TIMES)
    one, two, times = one[often], two[often], times[often]
    similar = times / np.maximum(claims.claimed[one] + claims.claimed[two] - times, times)
    risk = np.zeros(n)
    np.maximum.at(risk, one, similar)
    np.maximum.at(risk, two, similar)
    close = similar >= SIMILAR
    links = coo_array((np.ones(int(close.sum())), (one[close], two[close])), shape=(n, n))
    label = connected_components(links, directed=False)[1].astype(np.int64)
    alone = np.bincount(label)[label] < 2
    return ranked(case.truth, risk, np.where(alone, -1, label))


def matches(account: Longs, store: Longs, at: Longs) -> tuple[Longs, Longs, Longs]:
    """Pairs of accounts (lower number first) and how many claims of theirs match, each claim once a pair."""
    order = np.lexsort((at, store))
    account, store, at = account[order], store[order], at[order]
    found = []
    for step in range(1, CROWD + 1):
        near = (store[step:] == store[:-step]) & (at[step:] - at[:-step] <= DAY)
        if not near.any():
            break
        left = np.flatnonzero(near & (account[step:] != account[:-step]))
        found.append(np.column_stack([account[left], account[left + step], left]))
    if not found:
        none = np.empty(0, np.int64)
        return none, none, none
    rows = np.concatenate(found)
    pair = np.sort(rows[:, :2], axis=1)
    once = np.unique(np.column_stack([pair, rows[:, 2]]), axis=0)
    pairs, times = np.unique(once[:, :2], axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], times
