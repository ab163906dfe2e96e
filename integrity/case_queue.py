"""The queue of cases: what of the published run is worth one, ordered by money at risk.

Its rings, and its accounts outside rings that are limited for what they did alone. Each stands by what its members
claimed, times the confidence that it is real, in one currency; amounts of different currencies are never compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import polars as pl

from graph.errors import NotFound
from graph.store import Store
from integrity.checkout_view import PublishedRun
from integrity.columns import find_frame, frame_of
from integrity.policy import Policy

RING: Final = "ring"
ACCOUNT: Final = "account"


@dataclass(frozen=True)
class Candidate:
    """A ring or account worth a case. `amount` claimed, minor units of `currency` (its most frequent one); `at_risk` is
    that times `confidence`, rounded; `last_at` its last claim or shared use."""

    target: str
    target_id: str
    buyer_ids: tuple[str, ...]
    amount: int
    currency: str
    confidence: float
    last_at: int
    run_id: str

    @property
    def at_risk(self) -> int:
        """Minor units at risk."""
        return round(self.amount * self.confidence)


def candidates(store: Store, published: PublishedRun, policy: Policy) -> list[Candidate]:
    """The published run's rings and its accounts limited alone, all of them: the currency of most
    candidates first, in each the most money at risk first, then by id."""
    run_id = published.record.run_id
    found = [
        Candidate(
            RING,
            row["ring_id"],
            tuple(row["members"]),
            row["amount"],
            row["currency"],
            row["confidence"],
            row["last_at"],
            run_id,
        )
        for row in published.table("run_rings").to_pylist()
    ]
    found += _alone(store, published, policy)
    counts = Counter(one.currency for one in found)
    return sorted(found, key=lambda one: (-counts[one.currency], one.currency, -one.at_risk, one.target, one.target_id))


def _alone(store: Store, published: PublishedRun, policy: Policy) -> list[Candidate]:
    accounts = frame_of(published.table("run_accounts")).filter(
        pl.col("ring_id").is_null() & (pl.col("risk") >= policy.statuses.alone_limited_risk)
    )
    risk = {
        buyer: risk for buyer, risk in accounts.select("buyer_id", "risk").iter_rows() if buyer in published.limited
    }
    record = published.record
    orders = find_frame(
        store,
        "orders",
        "buyer_id",
        sorted(risk),
        ("order_id", "buyer_id", "amount", "currency"),
        known_by=record.known_by,
    )
    columns = ("order_id", "amount", "initiated_by", "requested_at")
    refunds = find_frame(store, "refunds", "order_id", orders["order_id"].to_list(), columns, known_by=record.known_by)
    mine = refunds.filter((pl.col("initiated_by") == "buyer") & (pl.col("requested_at") <= record.as_of))
    sums = (
        mine.select("order_id", "requested_at", asked="amount")
        .join(orders, on="order_id", how="inner")
        .group_by("buyer_id", "currency")
        .agg(pl.coalesce("asked", "amount").sum(), pl.col("requested_at").max(), count=pl.len().cast(pl.Int64))
        .sort("buyer_id", pl.col("count").neg(), "currency")
        .unique("buyer_id", keep="first", maintain_order=True)
    )
    rows = sums.select("buyer_id", "asked", "currency", "requested_at").iter_rows()
    return [
        Candidate(ACCOUNT, buyer, (buyer,), asked, currency, risk[buyer], last, record.run_id)
        for buyer, asked, currency, last in rows
    ]


def find_candidate(all_: list[Candidate], target: str, target_id: str) -> Candidate:
    """The candidate of that kind and id. Raises `NotFound`."""
    for one in all_:
        if (one.target, one.target_id) == (target, target_id):
            return one
    raise NotFound(
        f"the published run has no {target} {target_id!r} worth a case", do="the queue lists rings and limited accounts"
    )
