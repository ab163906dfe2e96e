"""FRAUDAR: dense blocks of accounts and the things their claims show, camouflage-resistant by column weights.

An edge joins an account to each device, phone, payment instrument and parcel of its claims; an edge to a column of
degree d weighs 1 / log(d + 5). Greedy peeling takes away whatever lowers the mean weight least and keeps the best
prefix; the block's edges are then removed and the next one is sought, up to `BLOCKS` of them. A block's density is its
accounts' score.
Source: Hooi et al. (2016), doi:10.1145/2939672.2939747; our own compact implementation.
"""

from __future__ import annotations

import heapq
from typing import Final

import numpy as np

from benchmarks.metrics import Floats, Longs, Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import INSTRUMENTS, claims_of, ranked
from graph.snapshot import Snapshot

BLOCKS: Final = 60


def run(case: Case) -> Outcome:
    """Blocks one after the other; accounts in none score 0."""
    account, column = edges(case.snapshot)
    n = len(case.snapshot.buyers.ids)
    weight = 1.0 / np.log(np.bincount(column)[column] + 5.0)
    risk, group = np.zeros(n), np.full(n, -1, np.int64)
    for block in range(BLOCKS):
        rows, density = densest(account, column, weight)
        if not len(rows):
            break
        members = np.unique(account[rows])
        fresh = members[group[members] < 0]
        risk[fresh], group[fresh] = density, block
        left = np.ones(len(account), dtype=np.bool_)
        left[rows] = False
        account, column, weight = account[left], column[left], weight[left]
    return ranked(case.truth, risk, group)


def edges(snapshot: Snapshot) -> tuple[Longs, Longs]:
    """(m,) account and column of each distinct pair that a claim shows; columns of one account are left out."""
    claims = claims_of(snapshot)
    columns = [snapshot.orders.used[kind][claims.order].astype(np.int64) for kind in INSTRUMENTS]
    columns.append(snapshot.refunds.parcel[claims.row].astype(np.int64))
    accounts, keys, offset = [], [], 0
    for values in columns:
        there = np.flatnonzero(values >= 0)
        accounts.append(claims.account[there])
        keys.append(values[there] + offset)
        offset += int(values.max(initial=0)) + 1
    pair = np.unique(np.column_stack([np.concatenate(accounts), np.concatenate(keys)]), axis=0)
    _, column, degree = np.unique(pair[:, 1], return_inverse=True, return_counts=True)
    several = degree[column] > 1
    _, column = np.unique(column[several], return_inverse=True)
    return pair[several, 0], column.astype(np.int64)


def densest(account: Longs, column: Longs, weight: Floats) -> tuple[Longs, float]:
    """Rows of the densest block by greedy peeling, and its density: the weight of its edges over its nodes."""
    if not len(account):
        return np.empty(0, np.int64), 0.0
    accounts, row_of = np.unique(account, return_inverse=True)
    columns, column_of = np.unique(column, return_inverse=True)
    ends = np.concatenate([row_of, column_of + len(accounts)])
    other = np.concatenate([column_of + len(accounts), row_of])
    mass = np.concatenate([weight, weight])
    order = np.argsort(ends, kind="stable")
    other, mass = other[order].tolist(), mass[order].tolist()
    size = len(accounts) + len(columns)
    start = np.searchsorted(ends[order], np.arange(size + 1)).tolist()
    pull = np.bincount(ends, np.concatenate([weight, weight]), minlength=size).tolist()
    heap = [(value, node) for node, value in enumerate(pull)]
    heapq.heapify(heap)
    gone_at = [-1] * size
    total, best, best_step, step = float(weight.sum()), 0.0, 0, 0
    while step < size:
        if total / (size - step) > best:
            best, best_step = total / (size - step), step
        value, node = heapq.heappop(heap)
        while gone_at[node] >= 0 or value != pull[node]:
            value, node = heapq.heappop(heap)
        gone_at[node] = step
        step += 1
        total -= value
        for at in range(start[node], start[node + 1]):
            neighbour = other[at]
            if gone_at[neighbour] < 0:
                pull[neighbour] -= mass[at]
                heapq.heappush(heap, (pull[neighbour], neighbour))
    kept = np.array(gone_at) >= best_step
    return np.flatnonzero(kept[row_of] & kept[column_of + len(accounts)]), best
