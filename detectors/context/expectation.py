"""Expected claims of every order: what honest people who bought the same thing at the same place and time would claim.

Hierarchical gamma–Poisson shrinkage, in multipliers: all orders → category → category × month → store → store × item
→ surge. Each level multiplies its parent by (a + observed) / (a + expected), with `a` estimated by moments; from the
store down the orders of the buyer and its company are left out, and probable abusers of the former round weigh little
everywhere, so a ring cannot raise its own expectation. Refund-only and return claims have expectations of their own.
Source: Efron & Morris (1975), doi:10.1080/01621459.1975.10479864; Clayton & Kaldor (1987), doi:10.2307/2532003.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from detectors.context.company import companies
from detectors.context.surge import Surge, find_surges
from detectors.contract import Claims, Expectation
from detectors.frozen import Measures, pack
from detectors.numerics import Groups, by_columns, group, shrink_strength
from graph.side import both, side_by_side
from graph.snapshot import NEVER, Bools, Floats, Ints, Longs, Snapshot

AFTER: Final = 1 << 20
"""Months by which the count of months is moved, so that dates before 1970 have one too."""
MONTH = 30 * 86_400_000_000
"""Length of a season stratum in microseconds, counted from 1970."""


def find_claims(snapshot: Snapshot) -> Claims:
    """The claims that buyers began, and what follows from them and the orders for each account."""

    def lived() -> tuple[Ints, Longs]:
        home = homes(snapshot)
        return home, companies(snapshot, home)

    (first, last), (home, company) = both(partial(seen, snapshot), lived, len(snapshot.orders.ids))
    return claims_with(snapshot, first, last, home, company)


def claims_with(snapshot: Snapshot, first: Longs, last: Longs, home: Ints, company: Longs) -> Claims:
    """The claims of a snapshot, given what is known of its accounts: (n,) columns as in `Claims`."""
    refunds, orders = snapshot.refunds, snapshot.orders
    row = np.flatnonzero(refunds.by_buyer).astype(np.int32)
    order = refunds.order[row]
    claimed, claimed_only = np.zeros(len(orders.ids), bool), np.zeros(len(orders.ids), bool)
    claimed[order] = True
    claimed_only[order[refunds.only[row]]] = True
    return Claims(
        row=row,
        order=order,
        buyer=refunds.buyer[row],
        store=refunds.store[row],
        at=refunds.at[row],
        only=refunds.only[row],
        claimed=claimed,
        claimed_only=claimed_only,
        category=snapshot.stores.category[orders.store],
        first_seen=first,
        last_seen=last,
        home=home,
        company=company,
    )


def seen(snapshot: Snapshot) -> tuple[Longs, Longs]:
    """(n,) instants at which each account was first and last seen, `NEVER` where it never was."""
    orders, n = snapshot.orders, len(snapshot.buyers.ids)
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, NEVER)
    for buyer, at in (
        (orders.buyer, orders.at),
        (snapshot.uses.buyer, snapshot.uses.at),
        (np.arange(n), snapshot.buyers.registered_at),
    ):
        known = at != NEVER
        np.minimum.at(first, buyer[known], at[known])
        np.maximum.at(last, buyer[known], at[known])
    first[first == np.iinfo(np.int64).max] = NEVER
    return first, last


def homes(snapshot: Snapshot) -> Ints:
    """(n,) the door that each account used in most orders, the lower number where two tie; -1 unknown."""
    n = len(snapshot.buyers.ids)
    door = snapshot.orders.used["door"]
    known = np.flatnonzero(door >= 0)
    home = np.full(n, -1, np.int32)
    if len(known):
        pairs = group(snapshot.orders.buyer[known], door[known])
        buyer, doors = snapshot.orders.buyer[known][pairs.first], door[known][pairs.first]
        # written in ascending order of count, so that the last writer is the most used door
        rank = by_columns(pairs.count, doors.max() - doors)
        home[buyer[rank]] = doors[rank]
    return home


@dataclass(frozen=True)
class Strata:
    """Groupings of the orders that stay the same in every round; `keys` names the groups of the first four, ascending,
    alike in every snapshot of the market."""

    category: Groups
    season: Groups
    store: Groups
    item: Groups
    store_company: Groups
    item_company: Groups
    surge: Surge
    keys: Mapping[str, Longs]


def stratify(snapshot: Snapshot, claims: Claims) -> Strata:
    """Group the orders once; `expect` uses the groups in every round."""
    orders = snapshot.orders
    category = claims.category + 1
    month = orders.at // MONTH  # by the calendar, not back from as_of: tomorrow's run must have the same strata
    item = orders.sku + 1
    company = claims.company[orders.buyer]
    calls = [
        partial(group, *columns)
        for columns in (
            (category,),
            (category, month - month.min(initial=0)),
            (orders.store,),
            (orders.store, item),
            (orders.store, company),
            (orders.store, item, company),
        )
    ]
    categories, seasons, stores, items, store_company, item_company = side_by_side(calls, len(orders.ids))
    return Strata(
        category=categories,
        season=seasons,
        store=stores,
        item=items,
        keys={
            "category": category[categories.first].astype(np.int64),
            "season": pack(category[seasons.first], month[seasons.first] + AFTER),
            "store": orders.store[stores.first].astype(np.int64),
            "item": pack(orders.store[items.first], item[items.first]),
        },
        store_company=store_company,
        item_company=item_company,
        surge=Surge.of(snapshot),
    )


def expect(
    snapshot: Snapshot, claims: Claims, strata: Strata, suspicion: Floats, measures: Measures, round_: str = "last"
) -> Expectation:
    """Expected claims of each order, with accounts of high `suspicion` (buyers,) left out of what teaches.

    What strata claim is measured in the market; of the `first` round only the surges are asked for again."""
    if measures.given is not None and round_ == "first":
        nothing = np.zeros(len(snapshot.orders.ids))
        surge, surges, _ = find_surges(snapshot, claims, strata.surge, nothing, nothing, suspicion, measures, round_)
        return Expectation(nothing, nothing, surge, surges)
    weight = (1.0 - suspicion)[snapshot.orders.buyer]
    # an order can be claimed once as refund-only and once as a return; each kind is expected on its own
    back = np.zeros(len(weight), bool)
    back[claims.order[~claims.only]] = True
    (only_rate, only_plain), (back_rate, back_plain) = side_by_side(
        [
            partial(_levels, name, claimed, weight, strata, measures)
            for name, claimed in (("only", claims.claimed_only), ("back", back))
        ],
        len(weight),
    )
    rate, plain = only_rate + back_rate, only_plain + back_plain
    surge, surges, factor = find_surges(snapshot, claims, strata.surge, rate, plain, suspicion, measures, round_)
    return Expectation(
        only=np.clip(only_rate * factor, 1e-6, 0.95),
        back=np.clip(back_rate * factor, 1e-6, 0.95),
        surge=surge,
        surges=surges,
    )


def _levels(name: str, claimed: Bools, weight: Floats, strata: Strata, measures: Measures) -> tuple[Floats, Floats]:
    """(orders,) expected claims of one kind, and (orders,) what category and season alone expect."""
    rows = np.flatnonzero(claimed)
    seen = _Seen(rows, weight[rows])
    base = measures.number(f"{name}.base", lambda: ((claimed * weight).sum() + 0.5) / (weight.sum() + 20.0))
    rate: Floats = np.full(len(claimed), base)
    for level, groups in (("category", strata.category), ("season", strata.season)):
        got, due, strength = _taught(name, level, groups, seen, weight * rate, strata, measures)
        rate = rate * _factor(strength, got, due)[groups.of]
    plain = rate
    for level, groups, own in (
        ("store", strata.store, strata.store_company),
        ("item", strata.item, strata.item_company),
    ):
        expected = weight * rate
        got, due, strength = _taught(name, level, groups, seen, expected, strata, measures)
        # the orders of the buyer and its company are left out
        rate = rate * _factor(
            strength,
            got[groups.of] - seen.total(own)[own.of],
            due[groups.of] - own.total(expected)[own.of],
        )
    return np.minimum(rate, 0.95), plain


@dataclass(frozen=True)
class _Seen:
    """The claimed orders: `rows` (c,) and the `weight` (c,) that each has."""

    rows: Longs
    weight: Floats

    def total(self, groups: Groups) -> Floats:
        """(g,) weight of the claimed orders of each group."""
        return groups.total_of(self.rows, self.weight)


def _taught(
    name: str, level: str, groups: Groups, seen: _Seen, expected: Floats, strata: Strata, measures: Measures
) -> tuple[Floats, Floats, float]:
    """(g,) claims and (g,) expected claims of each group of a level in the market, and how little groups differ."""
    totals = measures.by(
        level,
        f"{name}.{level}",
        strata.keys[level],
        lambda: np.stack([seen.total(groups), groups.total(expected)], axis=1),
    )
    got, due = np.ascontiguousarray(totals[:, 0]), np.ascontiguousarray(totals[:, 1])
    return got, due, measures.number(f"{name}.{level}.strength", lambda: shrink_strength(got, due))


def _factor(strength: float, got: Floats, due: Floats) -> Floats:
    """By how much more than its parent says a group's orders are claimed."""
    factor: Floats = (strength + np.maximum(got, 0.0)) / (strength + np.maximum(due, 0.0))
    return factor
