"""How far a store's complaints can be believed: learnt from their fates, with shrinkage.

A store of which nothing is known stands where the market stands; ten decided complaints weigh as much as that. A store
that complains of nearly every claim says little by complaining of one more.
Source: Beta-binomial shrinkage, Efron & Morris (1975), doi:10.1080/01621459.1975.10479864.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from graph.store import Store
from integrity.columns import scan_frame

DECIDED: Final = 10.0
"""Decided complaints that weigh as much as what the market says."""
CLAIMS: Final = 20.0
"""Claims at a store that weigh as much as what the market says of how often stores complain."""


@dataclass(frozen=True)
class Standing:
    """One store's complaints. `claims` buyers began there; `filed` complaints, of them `upheld` and `dismissed`;
    `reliability` share that will be upheld, `eagerness` complaints a claim, both shrunk to the market's."""

    claims: int
    filed: int
    upheld: int
    dismissed: int
    reliability: float
    eagerness: float


Counts = tuple[int, int, int, int]
"""Claims, and of complaints those filed, upheld and dismissed."""


@dataclass(frozen=True)
class Standings:
    """All stores that buyers claimed at, by their counts; `market` is the sum over them, and stands for a store never
    heard of."""

    market: Standing
    counts: Mapping[str, Counts]

    def of(self, store_id: str) -> Standing:
        """The store's standing, or for one without claims what the market's would make of it."""
        market, counts = self.market, self.counts.get(store_id)
        if counts is None:
            return Standing(0, 0, 0, 0, market.reliability, market.eagerness)
        claims, filed, upheld, dismissed = counts
        return Standing(
            *counts,
            (upheld + DECIDED * market.reliability) / (upheld + dismissed + DECIDED),
            (filed + CLAIMS * market.eagerness) / (claims + CLAIMS),
        )


@dataclass(frozen=True)
class Fate:
    """What became of a complaint since the records were read. `store_id` is named where it was filed here, and so may
    not be in the records yet; None where only a verdict was given here."""

    complaint_id: str
    store_id: str | None
    outcome: str


@dataclass
class Tally:
    """What standings are made of, kept up with what is filed and decided. `counts` by store; `outcomes` complaint id
    to its store and its outcome as counted. Not for several threads at once."""

    counts: dict[str, Counts]
    outcomes: dict[str, tuple[str, str]]

    def take(self, fate: Fate) -> None:
        """Count what became of one complaint; what is known of it already changes nothing. Verdicts on complaints about
        claims that the records do not hold are passed over."""
        known = self.outcomes.get(fate.complaint_id)
        store = known[0] if known is not None else fate.store_id
        if store is None or (known is not None and known[1] == fate.outcome):
            return
        claims, filed, upheld, dismissed = self.counts.get(store, (0, 0, 0, 0))
        was = known[1] if known is not None else ""
        self.counts[store] = (
            claims,
            filed + (known is None),
            upheld + (fate.outcome == "upheld") - (was == "upheld"),
            dismissed + (fate.outcome == "dismissed") - (was == "dismissed"),
        )
        self.outcomes[fate.complaint_id] = store, fate.outcome

    def standings(self) -> Standings:
        """The standings as counted so far. Cost: one pass over the stores."""
        claims, filed, upheld, dismissed = (
            sum(column) for column in zip((0, 0, 0, 0), *self.counts.values(), strict=True)
        )
        return made((claims, filed, upheld, dismissed), dict(self.counts))


def tally(store: Store, *, known_by: int) -> Tally:
    """Count over the records as of load `known_by`."""
    refunds = scan_frame(store, "refunds", ("refund_id", "order_id", "initiated_by"), known_by=known_by)
    orders = scan_frame(store, "orders", ("order_id", "store_id"), known_by=known_by)
    reports = scan_frame(store, "complaints", ("complaint_id", "refund_id", "outcome"), known_by=known_by)
    claims = refunds.filter(pl.col("initiated_by") == "buyer").join(orders, on="order_id", how="inner")
    filed = reports.join(claims.select("refund_id", "store_id"), on="refund_id", how="inner").sort("complaint_id")
    by_store = claims.group_by("store_id").len("claims").sort("store_id")
    found = Tally({store_id: (count, 0, 0, 0) for store_id, count in by_store.iter_rows()}, {})
    for complaint, store_id, outcome in filed.select("complaint_id", "store_id", "outcome").iter_rows():
        found.take(Fate(complaint, store_id, outcome))
    return found


def made(total: Counts, stores: Mapping[str, Counts]) -> Standings:
    """Standings from counts of the market and of each store."""
    claims, filed, upheld, dismissed = total
    # one complaint of each fate beforehand: a market without any decided complaint says nothing either way
    reliability = (upheld + 1.0) / (upheld + dismissed + 2.0)
    eagerness = (filed + 1.0) / (claims + CLAIMS)
    return Standings(Standing(*total, reliability, eagerness), stores)
