"""Company: accounts that live or log in together, taken as one where the market teaches what is usual.

A household, or a ring on one phone, that claims at a small store would raise what that store is expected to bring and
then look ordinary by its own doing. So what an account is measured against leaves out not its own orders only but its
company's: connected components over devices, phones, payment instruments and home doors that few accounts share.
Larger components, as chains of flat-mates make, are no company: their accounts stand for themselves.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from detectors.numerics import components, group
from graph.side import side_by_side
from graph.snapshot import KINDS, Ints, Longs, Snapshot

FEW: Final = 12
"""Accounts that share a key at most for it to make company; more share a dormitory's door or a hotel's device."""
MOST: Final = 40
"""Accounts in a company at most."""
KEPT: Final = ("device", "phone", "payment")


def companies(snapshot: Snapshot, home: Ints) -> Longs:
    """(n,) number of each account's company; an account without company has one to itself. `home` (n,) home doors."""
    orders, uses, n = snapshot.orders, snapshot.uses, len(snapshot.buyers.ids)

    def of_kind(kind: str) -> tuple[Longs, Ints]:
        outside = uses.kind == KINDS.index(kind)
        key = np.concatenate([orders.used[kind], uses.identifier[outside]])
        return _few(key, np.concatenate([orders.buyer, uses.buyer[outside]]))

    found = side_by_side([partial(of_kind, kind) for kind in KEPT], len(orders.ids))
    found.append(_few(home, np.arange(n, dtype=np.int32)))
    sizes = [len(snapshot.identifiers[kind]) for kind in (*KEPT, "door")]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    account = np.concatenate([whose for _, whose in found])
    key = np.concatenate([some + start for (some, _), start in zip(found, starts, strict=True)])
    label = components(account, key, n)
    crowd = np.bincount(label)[label] > MOST
    label[crowd] = n + np.flatnonzero(crowd)
    return group(label).of


def _few(key: Ints, buyer: Ints) -> tuple[Longs, Ints]:
    """Keys that a few accounts share, and whose they are, each pair once."""
    known = np.flatnonzero(key >= 0)
    pairs = group(key[known], buyer[known])
    first = known[pairs.first]
    number = key[first].astype(np.int64)
    people = np.bincount(number)[number]
    few = (people >= 2) & (people <= FEW)
    return number[few], buyer[first][few]
