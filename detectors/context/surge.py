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

import numpy as np
from scipy.special import betainc

from detectors.contract import Claims
from detectors.numerics import Groups, group, tally
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
    """Cells of orders that may surge: by item and fortnight, by store and week."""

    cells: tuple[Groups, ...]
    names: tuple[str, ...]

    @staticmethod
    def of(snapshot: Snapshot) -> Surge:
        """The cells of a snapshot's orders."""
        orders = snapshot.orders
        week = orders.at // WEEK
        week = week - week.min(initial=0)
        return Surge(
            (group(orders.store, orders.sku + 1, week // 2), group(orders.store, week)),
            ("item", "store"),
        )


def find_surges(
    snapshot: Snapshot, claims: Claims, surge: Surge, rate: Floats, plain: Floats, suspicion: Floats
) -> tuple[Ints, tuple[str, ...], Floats]:
    """Surges among the cells, given expected claims (orders,) `rate`, and those of category and season alone, `plain`.

    Returns (orders,) the surge that each order lies in or -1, a sentence each surge, and (orders,) the factor by which
    the surge raises the expectation."""
    orders = snapshot.orders
    inside = np.full(len(orders.ids), -1, np.int32)
    factor = np.ones(len(orders.ids))
    sentences: list[str] = []
    for cells, name in zip(surge.cells, surge.names, strict=True):
        if not len(claims.row):
            break
        found, people, due = _significant(snapshot, claims, cells, plain, suspicion)
        known = cells.total(rate)
        for cell in found:
            row = int(cells.first[cell])
            what = f"item {snapshot.skus[orders.sku[row]]} of " if name == "item" and orders.sku[row] >= 0 else ""
            sentences.append(
                f"{what}store {snapshot.stores.ids[orders.store[row]]}: claims of {people[cell]:.0f} unrelated "
                f"people where "
                f"{due[cell]:.1f} were expected"
            )
        number = np.full(cells.n, -1, np.int32)
        number[found] = np.arange(len(sentences) - len(found), len(sentences), dtype=np.int32)
        new = (number[cells.of] >= 0) & (inside < 0)
        inside[new] = number[cells.of][new]
        factor[new] = ((1.0 + people) / (1.0 + known))[cells.of][new]
    return inside, tuple(sentences), np.maximum(factor, 1.0)


def _significant(
    snapshot: Snapshot, claims: Claims, cells: Groups, plain: Floats, suspicion: Floats
) -> tuple[Longs, Floats, Floats]:
    """Cells that surge; (cells,) ordinary unrelated claimants; (cells,) claims expected from category, season and what
    the store's orders outside the cell brought."""
    orders, n = snapshot.orders, len(suspicion)
    order = np.unique(claims.order)
    buyer, cell = orders.buyer[order], cells.of[order]
    store = orders.store[cells.first]
    inside, brought = cells.total(plain), cells.total(claims.claimed)
    outside = tally(orders.store, plain, len(snapshot.stores.ids))[store] - inside
    others = tally(orders.store, claims.claimed, len(snapshot.stores.ids))[store] - brought
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
