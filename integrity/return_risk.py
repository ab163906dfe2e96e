"""Return risk of an order: how probable it is that it will be claimed, in three levels, and what makes it less so.

What honest orders bring is learned from the records by shrinkage, category -> store -> item: each level multiplies
its parent by (a + claimed) / (a + expected), `a` by moments; all are scaled to the season of the last weeks. An account
that a run has judged multiplies that by its own conduct, (k + claims) / (k + expected claims), and with its risk as
weight is held against what orders of abusive accounts bring. An account that nobody has judged is expected to do what
the category does. Source: Efron & Morris (1975), doi:10.1080/01621459.1975.10479864; Clayton & Kaldor (1987),
doi:10.2307/2532003.

Whether a claim is honest is not the question here: most that come back are. A warning limits nobody; it says where care
at packing pays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import polars as pl

from detectors.numerics import shrink_strength
from graph.columns import arrow_schema
from graph.schema import BY_NAME
from graph.store import Store
from integrity.checkout_view import PublishedRun
from integrity.columns import frame_of, scan_frame
from integrity.instants import DAY
from integrity.policy import Policy
from integrity.words import Fact, fact

DOUBTFUL: Final = 0.5
"""Accounts of at least this risk teach what abuse brings, and the others what honest orders bring."""
_MOST: Final = 0.95
_RECENT_DAYS: Final = 60
_WEIGHT: Final = 20.0
"""Orders' worth of belief in half that the share of abusive orders claimed starts from."""


class Level(StrEnum):
    """How much more probable a claim is than for orders of the category."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class RiskReason(StrEnum):
    """Why; safe to show to the store, since all that rests on the buyer is the platform's check."""

    ITEM = "item"
    STORE = "store"
    PLATFORM_CHECK = "platform_check"
    NEW_ACCOUNT = "new_account"


class Care(StrEnum):
    """What a store can do about it."""

    PHOTO_AT_PACKING = "photo_at_packing"
    SIGNATURE = "signature"
    WEIGHING_AT_PACKING = "weighing_at_packing"
    FREIGHT_COVER_OFF = "freight_cover_off"


@dataclass(frozen=True)
class ReturnModel:
    """What the records teach. `category` to (claims an order, share of them refund-only); `store`, `item` (store,
    sku) multipliers; `market` the same as a category for orders of unknown ones; `abusive` claims an order of abusive
    accounts; `strength` the k of honest conduct; `accounts` buyer to (risk, claims, expected claims)."""

    category: Mapping[str, tuple[float, float]]
    store: Mapping[str, float]
    item: Mapping[tuple[str, str], float]
    market: tuple[float, float]
    abusive: float
    strength: float
    accounts: Mapping[str, tuple[float, int, float]]


@dataclass(frozen=True)
class OrderRisk:
    """The warning for one order. `probability` of a claim; `base` what the category brings; `reasons` strongest first;
    `reduced_by` what the store can do, nothing for LOW."""

    order_id: str
    store_id: str
    buyer_id: str
    level: Level
    probability: float
    base: float
    reasons: tuple[RiskReason, ...]
    reduced_by: tuple[Care, ...]

    @property
    def because(self) -> list[Fact]:
        """`reasons`, to be said in sentences."""
        return [fact(f"return_{one.value}") for one in self.reasons]

    @property
    def advice(self) -> list[Fact]:
        """`reduced_by`, to be said in sentences."""
        return [fact(f"care_{one.value}") for one in self.reduced_by]


def learn(
    orders: pl.DataFrame, claims: pl.DataFrame, stores: pl.DataFrame, accounts: pl.DataFrame, *, before: int
) -> ReturnModel:
    """What orders placed before an instant teach. Pure, and the same whatever the order of rows.

    `orders`: order_id, buyer_id, store_id, sku, placed_at; `claims` that buyers began: order_id, only (bool);
    `stores`: store_id, category; `accounts`: buyer_id, risk, claims, expected_claims of a run, no rows without one."""
    once = claims.group_by("order_id").agg(only=pl.col("only").all())
    rows = (
        orders.filter(pl.col("placed_at") < before)
        .join(stores.select("store_id", "category"), on="store_id", how="left")
        .join(accounts.select("buyer_id", "risk"), on="buyer_id", how="left")
        .join(once, on="order_id", how="left")
        .with_columns(
            claimed=pl.col("only").is_not_null().cast(pl.Float64), doubtful=pl.col("risk").fill_null(0.0) >= DOUBTFUL
        )
        .sort("order_id")
    )
    honest, doubtful = rows.filter(~pl.col("doubtful")), rows.filter(pl.col("doubtful"))
    market = _share(_sum(honest, "claimed"), _sum(honest, "only"), honest.height, (0.05, 0.3))
    category = {
        name: _share(claimed, only, count, market)
        for name, claimed, only, count in honest.drop_nulls("category")
        .group_by("category")
        .agg(pl.col("claimed").sum(), pl.col("only").sum(), pl.len())
        .sort("category")
        .iter_rows()
    }
    base = pl.col("category").replace_strict(
        {name: rate for name, (rate, _) in category.items()}, default=market[0], return_dtype=pl.Float64
    )
    honest = honest.with_columns(due=base)
    # the season: what the last weeks brought against what the categories bring over all
    late = honest.filter(pl.col("placed_at") >= before - _RECENT_DAYS * DAY)
    season = (_sum(late, "claimed") + _WEIGHT * market[0]) / (_sum(late, "due") + _WEIGHT * market[0])
    by_store = _multipliers(honest, ["store_id"])
    store = {row["store_id"]: row["factor"] for row in by_store.to_dicts()}
    honest = (
        honest.join(by_store, on="store_id", how="left", maintain_order="left")
        .with_columns(due=pl.col("due") * pl.col("factor"))
        .drop("factor")
    )
    by_item = _multipliers(honest.drop_nulls("sku"), ["store_id", "sku"])
    item = {(row["store_id"], row["sku"]): row["factor"] for row in by_item.to_dicts()}
    plain = accounts.filter(pl.col("risk") < DOUBTFUL).sort("buyer_id")
    strength = shrink_strength(
        plain["claims"].to_numpy().astype(float), plain["expected_claims"].to_numpy().astype(float)
    )
    abusive = (_sum(doubtful, "claimed") + _WEIGHT * 0.5) / (doubtful.height + _WEIGHT)
    known = {
        row[0]: (row[1], row[2], row[3])
        for row in accounts.select("buyer_id", "risk", "claims", "expected_claims").iter_rows()
    }
    category = {name: (rate * season, only) for name, (rate, only) in category.items()}
    market = market[0] * season, market[1]
    return ReturnModel(category, store, item, market, abusive, strength, known)


def order_risks(
    model: ReturnModel, orders: Sequence[Mapping[str, Any]], stores: Mapping[str, Mapping[str, Any]], policy: Policy
) -> list[OrderRisk]:
    """The warnings for rows of `orders`, in their order; `stores` holds rows of stores by id, as far as known."""
    return [_risk(model, row, stores.get(row["store_id"], {}), policy) for row in orders]


def _risk(model: ReturnModel, order: Mapping[str, Any], store: Mapping[str, Any], policy: Policy) -> OrderRisk:
    rules = policy.return_risk
    base, only = model.category.get(store.get("category") or "", model.market)
    of_store = model.store.get(order["store_id"], 1.0)
    of_item = model.item.get((order["store_id"], order["sku"] or ""), 1.0)
    account = model.accounts.get(order["buyer_id"])
    conduct, risk = 1.0, 0.0
    if account is not None:
        risk, claims, expected = account
        conduct = (model.strength + claims) / (model.strength + expected)
    honest = min(base * of_store * of_item * conduct, _MOST)
    p = (1.0 - risk) * honest + risk * max(model.abusive, honest)
    lift = p / base
    level = Level.LOW
    if lift >= rules.high_lift and p >= rules.high_probability:
        level = Level.HIGH
    elif lift >= rules.medium_lift:
        level = Level.MEDIUM
    # how much each part of the product adds; the buyer's is what remains
    parts = {
        RiskReason.ITEM: of_item,
        RiskReason.STORE: of_store,
        RiskReason.PLATFORM_CHECK: lift / (of_item * of_store),
    }
    reasons = (
        []
        if level is Level.LOW
        else sorted((one for one in parts if parts[one] > 1.1), key=lambda one: (-parts[one], one))
    )
    if account is None:
        reasons.append(RiskReason.NEW_ACCOUNT)
    cares = () if level is Level.LOW else _cares(only, store.get("freight_cover"))
    return OrderRisk(order["order_id"], order["store_id"], order["buyer_id"], level, p, base, tuple(reasons), cares)


def _cares(only: float, freight_cover: str | None) -> tuple[Care, ...]:
    """What helps where this share of claims keeps the goods, and the others bring something back."""
    cares = []
    if only >= 0.2:
        cares += [Care.PHOTO_AT_PACKING, Care.SIGNATURE]
    if only <= 0.8:
        cares.append(Care.WEIGHING_AT_PACKING)
        if freight_cover in ("all", "selected"):
            cares.append(Care.FREIGHT_COVER_OFF)
    return tuple(cares)


def _share(claimed: float, only: float, orders: int, start: tuple[float, float]) -> tuple[float, float]:
    """Claims an order and refund-only claims a claim, starting from what is believed before."""
    rate = (claimed + _WEIGHT * start[0]) / (orders + _WEIGHT)
    return rate, (only + _WEIGHT * start[1]) / (claimed + _WEIGHT)


def _sum(rows: pl.DataFrame, column: str) -> float:
    return math.fsum(rows[column].cast(pl.Float64).drop_nulls().to_list())


def _multipliers(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Columns `by` and `factor`, sorted: (a + claimed) / (a + expected) of each group.

    Summed in the order of rows: threads would add in an order of their own, and give other last digits each time."""
    groups = rows.select(by).unique().sort(by).with_row_index("group")
    if not groups.height:
        return groups.select(*by, factor=pl.lit(1.0))
    group = rows.join(groups, on=by, how="left", maintain_order="left")["group"].to_numpy()
    got = np.bincount(group, weights=rows["claimed"].to_numpy(), minlength=groups.height).astype(np.float64)
    due = np.bincount(group, weights=rows["due"].to_numpy(), minlength=groups.height).astype(np.float64)
    a = shrink_strength(got, due)
    return groups.select(by).with_columns(factor=pl.Series((a + got) / (a + due)))


def ripe_before(as_of: int, policy: Policy) -> int:
    """Orders placed before this instant have had their claims, for the most part."""
    return as_of - policy.return_risk.ripe_days * DAY


def read_model(store: Store, published: PublishedRun | None, policy: Policy, *, known_by: int) -> ReturnModel:
    """Learn from all that the store holds as known by load `known_by`, up to the published run's `as_of` (without a
    run: the last order). Cost: reads every order and claim once; keep the result for the life of a head."""
    columns = ("order_id", "buyer_id", "store_id", "sku", "placed_at")
    orders = scan_frame(store, "orders", columns, known_by=known_by)
    last = orders["placed_at"].max()
    as_of = published.record.as_of if published is not None else last if isinstance(last, int) else 0
    refunds = scan_frame(store, "refunds", ("order_id", "kind", "initiated_by", "requested_at"), known_by=known_by)
    mine = refunds.filter((pl.col("initiated_by") == "buyer") & (pl.col("requested_at") <= as_of))
    claims = mine.select("order_id", only=pl.col("kind") == "refund_only")
    stores = scan_frame(store, "stores", ("store_id", "category"), known_by=known_by)
    schema = arrow_schema(BY_NAME["run_accounts"])
    accounts = schema.empty_table() if published is None else published.table("run_accounts")
    return learn(orders, claims, stores, frame_of(accounts), before=ripe_before(as_of, policy))
