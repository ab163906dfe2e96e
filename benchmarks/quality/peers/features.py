"""Columns of accounts for peers that learn: `plain` without any graph, `linked` with what those who share do."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.metrics import Floats, Longs
from benchmarks.quality.peers.common import STRONG, Claims, claims_of, shared
from benchmarks.quality.peers.synchrotrap import matches
from detectors.links.shared_picture import clusters
from graph.snapshot import NEVER, Snapshot

DAY: Final = 86_400_000_000
BITS: Final = 7
HUB: Final = 100


def plain(snapshot: Snapshot) -> tuple[Floats, list[str]]:
    """(n, columns) counts, shares, amounts, lags, age, weights, complaints; and the columns' names."""
    claims = claims_of(snapshot)
    refunds, orders = snapshot.refunds, snapshot.orders
    n, row = len(claims.orders), claims.row
    each = np.maximum(claims.claimed, 1.0)

    def total(values: Floats) -> Floats:
        return np.bincount(claims.account, values, minlength=n).astype(float)

    keeps = total(refunds.only[row].astype(float))
    lag = np.where(refunds.at[row] == NEVER, 0, refunds.at[row] - orders.at[claims.order]) / DAY
    filed = np.zeros(len(refunds.ids))
    filed[snapshot.pictures.refund] = 1.0
    reported = np.zeros(len(refunds.ids))
    reported[snapshot.complaints.refund] = 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(np.log(np.maximum(refunds.returned_g[row], 1.0) / refunds.shipped_g[row]))
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, orders.buyer, orders.at)
    known = np.where(snapshot.buyers.registered_at == NEVER, first, snapshot.buyers.registered_at)
    excess = (claims.claimed - claims.expected) / np.sqrt(claims.expected + 0.5)
    columns = {
        "claims": claims.claimed,
        "claims an order": claims.claimed / np.maximum(claims.orders, 1.0),
        "orders": claims.orders,
        "excess": excess,
        "refund only": keeps,
        "refund-only share": keeps / each,
        "amount": total(refunds.amount[row].astype(float)),
        "amount a claim": total(refunds.amount[row].astype(float)) / each,
        "days to claim": total(lag) / each,
        "pictures": total(filed[row]),
        "complaints": total(reported[row]),
        "weight off": total(np.nan_to_num(off)),
        "age": (snapshot.as_of - known) / DAY,
        "stores claimed at": _distinct(claims.account, refunds.store[row], n),
        "devices": _distinct(orders.buyer, orders.used["device"], n),
        "doors": _distinct(orders.buyer, orders.used["door"], n),
        "crowded": _crowded(claims, refunds.at[row], n),
    }
    return np.column_stack(list(columns.values())), list(columns)


def linked(snapshot: Snapshot) -> tuple[Floats, list[str]]:
    """`plain`, and for each kind of identifier what the others who share it claimed; shared pictures and parcels; and
    claims within a day of another's at one store."""
    x, names = plain(snapshot)
    claims = claims_of(snapshot)
    n = len(claims.orders)
    beyond = claims.claimed - claims.expected
    more: dict[str, Floats] = {}
    for kind in (*STRONG, "ip", "recipient", "building"):
        pairs = shared(snapshot, (kind,)).at_most(HUB)
        size, sum_ = pairs.degree(), np.bincount(pairs.key, beyond[pairs.account], minlength=pairs.keys)
        others = sum_[pairs.key] - beyond[pairs.account]
        more[f"{kind}: others' claims"] = _most(pairs.account, others, n)
        more[f"{kind}: others' mean"] = _most(pairs.account, others / (size[pairs.key] - 1.0), n)
        more[f"{kind}: shared keys"] = np.bincount(pairs.account, minlength=n).astype(float)
        more[f"{kind}: fewest"] = -_most(pairs.account, -size[pairs.key].astype(float), n)
    account = snapshot.refunds.buyer.astype(np.int64)
    hashes, number = np.unique(snapshot.pictures.phash, return_inverse=True)
    picture = clusters(hashes, BITS)[number] if len(hashes) else number
    more["pictures of others"] = _in_common(account[snapshot.pictures.refund], picture, n)
    parcel = snapshot.refunds.parcel.astype(np.int64)
    more["parcels of others"] = _in_common(account[parcel >= 0], parcel[parcel >= 0], n)
    refund = snapshot.refunds
    one, two, times = matches(claims.account, refund.store[claims.row].astype(np.int64), refund.at[claims.row])
    more["met"] = (np.bincount(one, times, minlength=n) + np.bincount(two, times, minlength=n)).astype(float)
    more["met one most"] = np.maximum(_most(one, times.astype(float), n), _most(two, times.astype(float), n))
    return np.column_stack([x, *more.values()]), [*names, *more]


def _distinct(account: Longs | np.ndarray[tuple[int], np.dtype[np.int32]], value: object, n: int) -> Floats:
    values = np.asarray(value).astype(np.int64)
    there = values >= 0
    pairs = np.unique(np.column_stack([np.asarray(account)[there], values[there]]), axis=0)
    return np.bincount(pairs[:, 0], minlength=n).astype(float)


def _crowded(claims: Claims, at: Longs, n: int) -> Floats:
    """Most claims of each account within thirty days."""
    order = np.lexsort((at, claims.account))
    line = claims.account[order] * (800 * DAY) + at[order] - at.min(initial=0)
    inside = np.searchsorted(line, line + 30 * DAY, side="right") - np.arange(len(line))
    return np.maximum(_most(claims.account[order], inside.astype(float), n), 0.0)


def _most(account: Longs, value: Floats, n: int) -> Floats:
    found = np.full(n, -np.inf)
    np.maximum.at(found, account, value)
    return np.where(np.isinf(found), 0.0, found)


def _in_common(account: Longs, key: Longs, n: int) -> Floats:
    """How many memberships in keys of several accounts each account has."""
    pairs = np.unique(np.column_stack([account, key]), axis=0)
    size = np.bincount(pairs[:, 1], minlength=int(pairs[:, 1].max(initial=0)) + 1)
    return np.bincount(pairs[size[pairs[:, 1]] > 1, 0], minlength=n).astype(float)
