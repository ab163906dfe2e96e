"""Rates of a store over a window, as they are and without proven abuse, with what was left out and why.

The orders of the window are those whose parcel was signed for in it (placed, where that is not known); claims are those
that buyers began on them before its end and did not take back. Three rates, each a share of the orders: *refund* counts
every claim, *quality* those whose reason speaks of the goods, *dispute* those that were refused, since there buyer and
store did not agree.

A claim is left out, with its order, where a store's report of it was upheld, or where its account was judged abusive by
a person or is limited at the store by the published run with at least the policy's `exclude_risk`. A report that is
pending or dismissed changes nothing, so no store betters its rates by complaining.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from graph.errors import BadInput, NotFound
from graph.store import Store
from integrity.assess import read_accounts
from integrity.checkout_view import PublishedRun
from integrity.columns import find_frame
from integrity.complaints import UPHELD, Outcomes
from integrity.instants import DAY, to_iso
from integrity.policy import Policy
from integrity.remedies import AccountFacts, entitled, is_limited
from integrity.remedy_words import RemedyKind

MOST_DAYS = 3_650
_ORDERS = ("order_id", "buyer_id", "placed_at", "signed_at")
_CLAIMS = ("refund_id", "order_id", "requested_at", "reason", "initiated_by", "outcome")


class Excluded(StrEnum):
    """Why a claim is left out; where several reasons hold, the first of these."""

    COMPLAINT_UPHELD = "complaint_upheld"
    ACCOUNT_JUDGED = "account_judged"
    ACCOUNT_LIMITED = "account_limited"


@dataclass(frozen=True)
class Counts:
    """Orders and claims, and the rates they give (None without orders)."""

    orders: int
    claims: int
    quality: int
    disputed: int

    @property
    def refund_rate(self) -> float | None:
        """Claims by order."""
        return self.claims / self.orders if self.orders else None

    @property
    def quality_rate(self) -> float | None:
        """Claims about the goods by order."""
        return self.quality / self.orders if self.orders else None

    @property
    def dispute_rate(self) -> float | None:
        """Refused claims by order."""
        return self.disputed / self.orders if self.orders else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rates = {"refund": self.refund_rate, "quality": self.quality_rate, "dispute": self.dispute_rate}
        return {**asdict(self), "rates": {name: rate and round(rate, 6) for name, rate in rates.items()}}


@dataclass(frozen=True)
class LeftOut:
    """A claim that was left out."""

    refund_id: str
    order_id: str
    reason: Excluded


@dataclass(frozen=True)
class StoreRates:
    """A store's rates from `since` to `until` (UTC microseconds). `entitled`: its score lets abuse be left out; then
    `cleaned` holds for it, else `raw`."""

    store_id: str
    since: int
    until: int
    raw: Counts
    cleaned: Counts
    left_out: tuple[LeftOut, ...]
    entitled: bool
    run_id: str | None
    policy: str

    @property
    def counted(self) -> Counts:
        """What holds for the store."""
        return self.cleaned if self.entitled else self.raw

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "store_id": self.store_id,
            "since": to_iso(self.since),
            "until": to_iso(self.until),
            "raw": self.raw.to_json(),
            "without_abuse": self.cleaned.to_json(),
            "left_out": [asdict(one) for one in self.left_out],
            "entitled": self.entitled,
            "run_id": self.run_id,
            "policy": self.policy,
        }


@dataclass(frozen=True)
class Proven:
    """What counts as proven abuse. `upheld`: ids of claims with a report upheld; `abusive`, `honest`: buyers judged so
    by a person, who outranks the run; `limited`: what the published run says of buyers it limits."""

    upheld: Collection[str] = ()
    abusive: Collection[str] = ()
    honest: Collection[str] = ()
    limited: Mapping[str, AccountFacts] | None = None


def rates_of(
    orders: pl.DataFrame,
    claims: pl.DataFrame,
    proven: Proven,
    policy: Policy,
    *,
    store_id: str,
    since: int,
    until: int,
    now: int,
) -> tuple[Counts, Counts, tuple[LeftOut, ...]]:
    """Raw counts, counts without proven abuse, and what was left out, by claim id. Pure.

    `orders` of the store: order_id, buyer_id, placed_at, signed_at; `claims` on them: refund_id, order_id,
    requested_at, reason, initiated_by, outcome. Limits count as they hold at `now`."""
    signed = pl.coalesce("signed_at", "placed_at")
    inside = orders.filter((signed >= since) & (signed < until))
    begun = (pl.col("initiated_by") == "buyer") & (pl.col("outcome") != "withdrawn") & (pl.col("requested_at") < until)
    made = claims.filter(begun).join(inside.select("order_id", "buyer_id"), on="order_id", how="inner")
    left_out = []
    for refund, order, buyer in made.sort("refund_id").select("refund_id", "order_id", "buyer_id").iter_rows():
        why = _why(refund, buyer, proven, policy, store_id, now)
        if why is not None:
            left_out.append(LeftOut(refund, order, why))
    gone = pl.Series([one.order_id for one in left_out], dtype=pl.String)
    stays = ~pl.col("order_id").is_in(gone.implode())
    raw = _counts(inside, made, policy)
    return raw, _counts(inside.filter(stays), made.filter(stays), policy), tuple(left_out)


def store_rates(
    store: Store,
    store_id: str,
    published: PublishedRun | None,
    policy: Policy,
    *,
    known_by: int,
    now: int,
    until: int | None = None,
    days: int | None = None,
    complaints: Outcomes | None = None,
    abusive: Collection[str] = (),
    honest: Collection[str] = (),
) -> StoreRates:
    """The rates of a store as known by load `known_by`, over `days` (default: the policy's) before `until` (default:
    now). `complaints` is what people made of complaints, over the records; `abusive` and `honest` are buyers judged
    so. Cost: reads every order of the store once. Raises `NotFound`, `BadInput`."""
    length, end = policy.rates.window_days if days is None else days, now if until is None else until
    if not 1 <= length <= MOST_DAYS:
        raise BadInput(f"a window of {length} days", where="rates", do=f"ask for 1 to {MOST_DAYS} days")
    shop = find_frame(store, "stores", "store_id", [store_id], ("store_id", "experience_score"), known_by=known_by)
    orders = find_frame(store, "orders", "store_id", [store_id], _ORDERS, known_by=known_by)
    if not shop.height and not orders.height:
        raise NotFound(f"no store {store_id!r}", where=store.url, do="check the id; load newer data")
    claims = find_frame(store, "refunds", "order_id", orders["order_id"].to_list(), _CLAIMS, known_by=known_by)
    columns = ("complaint_id", "refund_id", "outcome")
    known = find_frame(store, "complaints", "refund_id", claims["refund_id"].to_list(), columns, known_by=known_by)
    recorded: dict[str, dict[str, str]] = {refund: {} for refund in claims["refund_id"]}
    for id_, refund, outcome in known.iter_rows():
        recorded[refund][id_] = outcome
    told = complaints or Outcomes()
    upheld = {refund for refund, reports in recorded.items() if UPHELD in told.of(refund, reports).values()}
    buyers = set(orders.filter(pl.col("order_id").is_in(claims["order_id"].implode()))["buyer_id"])
    limited = {} if published is None else read_accounts(published, sorted(buyers & published.limited), policy)
    proven = Proven(upheld, abusive, honest, limited)
    since = end - length * DAY
    raw, cleaned, left_out = rates_of(
        orders, claims, proven, policy, store_id=store_id, since=since, until=end, now=now
    )
    score = shop["experience_score"][0] if shop.height else None
    may = RemedyKind.EXCLUDE_FROM_STORE_RATES in entitled(policy, score, now)
    run_id = None if published is None else published.record.run_id
    return StoreRates(store_id, since, end, raw, cleaned, left_out, may, run_id, policy.version)


def _why(refund_id: str, buyer_id: str, proven: Proven, policy: Policy, store_id: str, now: int) -> Excluded | None:
    if refund_id in proven.upheld:
        return Excluded.COMPLAINT_UPHELD
    if buyer_id in proven.abusive:
        return Excluded.ACCOUNT_JUDGED
    account = (proven.limited or {}).get(buyer_id)
    if account is None or buyer_id in proven.honest or account.stands_by or not is_limited(account, now):
        return None
    here = not account.store_ids or store_id in account.store_ids
    return Excluded.ACCOUNT_LIMITED if here and account.risk >= policy.remedies.exclude_risk else None


def _counts(orders: pl.DataFrame, claims: pl.DataFrame, policy: Policy) -> Counts:
    quality = pl.col("reason").is_in(list(policy.rates.quality_reasons)).fill_null(False)

    def claimed(which: pl.Expr) -> int:  # an order claimed twice counts once
        return claims.filter(which)["order_id"].n_unique()

    return Counts(orders.height, claimed(pl.lit(True)), claimed(quality), claimed(pl.col("outcome") == "rejected"))
