"""Stores in accord: several that report one quiet buyer within days, and stores that do so together again and again.

Each complaint alone looks like any other; that they come together against somebody whom nothing else speaks against is
what shows. Whoever is named here is not accused: a person looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from integrity.instants import DAY
from integrity.triage import DAYS_OF_ACCORD, STORES_IN_ACCORD, Ground


@dataclass(frozen=True)
class Accord:
    """The widest group of stores that reported `buyer_id` within the days of accord, from `first_at` to `last_at`.

    `risk` is the account's in the published run; `before` counts other buyers whom two of these stores reported so."""

    buyer_id: str
    store_ids: tuple[str, ...]
    first_at: int
    last_at: int
    risk: float
    before: int


def accords(ground: Ground, *, below_risk: float) -> list[Accord]:
    """Of accounts of less risk, those whom stores reported in accord, the most often repeated accord first."""
    found = []
    for buyer, reports in sorted(ground.reports.items()):
        risk = ground.risk.get(buyer, 0.0)
        group = _widest(reports) if risk < below_risk else ()
        stores = tuple(sorted({store for _, store in group}))
        if len(stores) >= STORES_IN_ACCORD:
            found.append(Accord(buyer, stores, group[0][0], group[-1][0], risk, 0))
    pairs = Counter(pair for one in found for pair in combinations(one.store_ids, 2))
    told = [
        Accord(
            one.buyer_id,
            one.store_ids,
            one.first_at,
            one.last_at,
            one.risk,
            max(pairs[pair] for pair in combinations(one.store_ids, 2)) - 1,
        )
        for one in found
    ]
    return sorted(told, key=lambda one: (-one.before, -len(one.store_ids), one.buyer_id))


def _widest(reports: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """The run of reports (by time) within the days of accord that names most stores; the earliest on a tie."""
    best: Sequence[tuple[int, str]] = ()
    most, first = 0, 0
    for last in range(len(reports)):
        while reports[last][0] - reports[first][0] > DAYS_OF_ACCORD * DAY:
            first += 1
        stores = len({store for _, store in reports[first : last + 1]})
        if stores > most:
            most, best = stores, reports[first : last + 1]
    return best
