"""Surges: a store or one of its items that many unrelated ordinary people claim in one stretch of time.

A bad batch or a recall makes honest people claim. Orders are put into cells (store × item × fortnight and store ×
week of placing); a cell whose unrelated claimants exceed the expectation significantly raises the expectation of all
its orders, so nobody in it looks abusive for it. Price errors end in cancellations by the seller, which are no claims.
What counts as a claimant: accounts in one company (`company`) count once, and an account that claims beyond
its expectation elsewhere, or is under suspicion, counts for little: a group that hits one store together on one day
and others the next is no bad batch.
Source: Poisson tail with Benjamini–Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x, over all cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import betainc

from detectors.contract import Claims, Surged
from detectors.frozen import Measures
from detectors.numerics import Groups, group, tally
from graph.side import side_by_side
from graph.snapshot import Floats, Ints, Longs, Snapshot

WEEK = 7 * 86_400_000_000
FALSE_DISCOVERIES = 0.01
"""Share of cells called surges that may be chance."""
FEWEST = 4
"""Fewer unrelated claimants than this are never a surge."""

BELIEVED = 2.0
"""Claims' worth of belief that a store is like its category."""


@dataclass(frozen=True)
class Surge:
    """Cells of orders that may surge: by item and fortnight, by store and week. `keys` (3, cells) store, item + 1 (0
    for all) and stretch of time of each."""

    cells: tuple[Groups, ...]
    names: tuple[str, ...]
    keys: tuple[Longs, ...]

    @staticmethod
    def of(snapshot: Snapshot) -> Surge:
        """The cells of a snapshot's orders."""
        orders = snapshot.orders
        week = orders.at // WEEK
        week = week - week.min(initial=0)
        columns = ((orders.store, orders.sku + 1, week // 2), (orders.store, week))
        cells = tuple(side_by_side([partial(group, *each) for each in columns], len(week)))
        item, store = (cell.first for cell in cells)
        keys = (
            np.stack([orders.store[item], orders.sku[item] + 1, week[item] // 2]),
            np.stack([orders.store[store], np.zeros(len(store)), week[store]]),
        )
        return Surge(cells, ("item", "store"), tuple(key.astype(np.int64) for key in keys))


def find_surges(
    snapshot: Snapshot,
    claims: Claims,
    surge: Surge,
    rate: Floats,
    plain: Floats,
    suspicion: Floats,
    measures: Measures,
    round_: str,
) -> tuple[Ints, tuple[Surged, ...], Floats]:
    """Surges among the cells, given expected claims (orders,) `rate`, and those of category and season alone, `plain`.

    Returns (orders,) the surge that each order lies in or -1, what each surge is, and (orders,) the factor by which the
    surge raises the expectation. Which cells surge is measured in the market, under the name of the `round_`."""

    def measured(cells: Groups, key: Longs) -> Floats:
        if not len(claims.row):
            return np.empty((0, 6))
        found, people, due = _significant(snapshot, claims, cells, plain, suspicion)
        raised = (1.0 + people[found]) / (1.0 + cells.total(rate)[found])
        return np.stack([*key[:, found].astype(np.float64), people[found], due[found], raised], axis=1)

    orders = snapshot.orders
    inside = np.full(len(orders.ids), -1, np.int32)
    factor = np.ones(len(orders.ids))
    surges: list[Surged] = []
    measuring = [
        partial(measures.of, f"surges.{round_}.{name}", partial(measured, cells, key))
        for cells, name, key in zip(surge.cells, surge.names, surge.keys, strict=True)
    ]
    all_found = side_by_side(measuring, len(orders.ids))
    for cells, key, found in zip(surge.cells, surge.keys, all_found, strict=True):
        number = _placed(key, found, len(surges))
        for store, sku, _, people, due, _ in found.tolist():
            item = str(snapshot.skus[int(sku) - 1]) if sku > 0 else ""
            surges.append(Surged(str(snapshot.stores.ids[int(store)]), item, people, due))
        new = (number[cells.of] >= 0) & (inside < 0)
        inside[new] = number[cells.of][new]
        factor[new] = found[number[cells.of][new] - (len(surges) - len(found)), 5]
    return inside, tuple(surges), np.maximum(factor, 1.0)


def _placed(key: Longs, found: Floats, start: int) -> Ints:
    """(cells,) the number, from `start` on, of the row of `found` that each cell is, -1 none; `key` (3, cells)."""
    number = np.full(key.shape[1], -1, np.int32)
    if not len(found):
        return number
    rows = {tuple(int(part) for part in row[:3]): at for at, row in enumerate(found.tolist())}
    near = np.flatnonzero(np.isin(key[0], found[:, 0].astype(np.int64)))
    for cell, one in zip(near.tolist(), key[:, near].T.tolist(), strict=True):
        if tuple(one) in rows:
            number[cell] = start + rows[tuple(one)]
    return number


def _significant(
    snapshot: Snapshot, claims: Claims, cells: Groups, plain: Floats, suspicion: Floats
) -> tuple[Longs, Floats, Floats]:
    """Cells that surge; (cells,) ordinary unrelated claimants; (cells,) claims expected from category, season and what
    the store's orders outside the cell brought."""
    orders, n = snapshot.orders, len(suspicion)
    order = np.flatnonzero(claims.claimed)
    buyer, cell = orders.buyer[order], cells.of[order]
    store = orders.store[cells.first]
    inside, brought = cells.total(plain), np.bincount(cell, minlength=cells.n)
    outside = tally(orders.store, plain, len(snapshot.stores.ids))[store] - inside
    others = np.bincount(orders.store[order], minlength=len(snapshot.stores.ids))[store] - brought
    due: Floats = inside * (BELIEVED + np.maximum(others, 0.0)) / (BELIEVED + np.maximum(outside, 0.0))
    total = np.bincount(buyer, minlength=n)
    expected = tally(orders.buyer, plain, n)
    pairs = group(cell, buyer)
    cell, who = cell[pairs.first], buyer[pairs.first]
    elsewhere = (1.0 + expected[who]) / (1.0 + np.maximum(total[who] - pairs.count, 0))
    ordinary = np.clip(elsewhere, 0.0, 1.0) * (1.0 - suspicion[who])
    people = tally(cell, ordinary, cells.n)
    # a company counts once
    claimants = np.bincount(cell, minlength=cells.n)
    apart = np.bincount(cell[group(cell, claims.company[who]).first], minlength=cells.n)
    people = people * apart / np.maximum(claimants, 1)
    candidates = np.flatnonzero(people >= FEWEST)
    # claims of honest people cluster a little everywhere: a shape of 5 keeps plain unevenness from being a surge
    shape = 5.0
    # the chance that a negative binomial of that shape and mean reaches as many
    tail = betainc(np.floor(people[candidates]), shape, due[candidates] / (shape + due[candidates]))
    p: Floats = np.asarray(tail, np.float64)
    rank = np.argsort(p, kind="stable")
    allowed = FALSE_DISCOVERIES * (np.arange(len(p)) + 1) / max(cells.n, 1)
    passed = np.flatnonzero(p[rank] <= allowed)
    kept = candidates[rank[: passed[-1] + 1]] if len(passed) else candidates[:0]
    return np.sort(kept), people, due
