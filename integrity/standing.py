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


@dataclass(frozen=True)
class Standings:
    """All stores that buyers claimed at; `market` is the sum over them, and stands for a store never heard of."""

    market: Standing
    stores: Mapping[str, Standing]

    def of(self, store_id: str) -> Standing:
        """The store's standing, or for one without claims what the market's would make of it."""
        known = self.stores.get(store_id)
        market = self.market
        return known or Standing(0, 0, 0, 0, market.reliability, market.eagerness)


def standings(store: Store, *, known_by: int, fates: Mapping[str, str]) -> Standings:
    """Count over the records as of load `known_by`. `fates` (complaint id to outcome) outranks the records' outcomes:
    verdicts given since."""
    refunds = scan_frame(store, "refunds", ("refund_id", "order_id", "initiated_by"), known_by=known_by)
    orders = scan_frame(store, "orders", ("order_id", "store_id"), known_by=known_by)
    reports = scan_frame(store, "complaints", ("complaint_id", "refund_id", "outcome"), known_by=known_by)
    claims = refunds.filter(pl.col("initiated_by") == "buyer").join(orders, on="order_id", how="inner")
    given = pl.DataFrame(
        {"complaint_id": list(fates), "fate": list(fates.values())},
        schema={"complaint_id": pl.String, "fate": pl.String},
    )
    reports = reports.join(given, on="complaint_id", how="left").with_columns(pl.coalesce("fate", "outcome"))
    filed = reports.join(claims.select("refund_id", "store_id"), on="refund_id", how="inner")
    counted = (
        claims.group_by("store_id")
        .len("claims")
        .join(
            filed.group_by("store_id").agg(
                pl.len().alias("filed"),
                (pl.col("fate") == "upheld").sum().alias("upheld"),
                (pl.col("fate") == "dismissed").sum().alias("dismissed"),
            ),
            on="store_id",
            how="left",
        )
        .with_columns(pl.col("filed", "upheld", "dismissed").fill_null(0))
        .sort("store_id")
    )
    total = counted.select(pl.col("claims", "filed", "upheld", "dismissed").sum()).row(0)
    return made(total, {row[0]: row[1:] for row in counted.iter_rows()})


def made(total: tuple[int, int, int, int], stores: Mapping[str, tuple[int, int, int, int]]) -> Standings:
    """Standings from counts (claims, filed, upheld, dismissed) of the market and of each store."""
    claims, filed, upheld, dismissed = total
    # one complaint of each fate beforehand: a market without any decided complaint says nothing either way
    reliability = (upheld + 1.0) / (upheld + dismissed + 2.0)
    eagerness = (filed + 1.0) / (claims + CLAIMS)
    market = Standing(*total, reliability, eagerness)
    return Standings(
        market,
        {
            store: Standing(
                *counts,
                (counts[2] + DECIDED * reliability) / (counts[2] + counts[3] + DECIDED),
                (counts[1] + CLAIMS * eagerness) / (counts[0] + CLAIMS),
            )
            for store, counts in stores.items()
        },
    )
