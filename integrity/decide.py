"""From findings to decisions: one row for every buyer of the snapshot, by the policy and nothing else.

The order of the rules, each of which can only be milder than the one before:

1. Risk says what would be done: PLATFORM_LIMITED, STORE_LIMITED, WATCH (a warning) or CLEAR.
2. Abuse at few stores only is limited at these stores.
3. Steps, not cliffs: warned, then limited at the stores where it claimed, then on the whole platform, a step a run over
   later data. From which risk on a step may be left out is the policy's (`immediate_store_risk`,
   `immediate_platform_risk`). The first run of all has nobody warned before it, and begins with the stores.
4. Good conduct: each stretch of days without a new claim is a step down.
5. Whoever stands by a ring without acting like it (the mother in the household, the flat-mate), or has too few claims
   of its own, is watched and never limited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from detectors.frozen import Frozen
from graph.columns import arrow_schema
from graph.schema import BY_NAME
from graph.snapshot import NEVER, Snapshot
from integrity.checkout import Status
from integrity.columns import counts, frame_of, rows_of
from integrity.instants import DAY, to_iso
from integrity.policy import Limits, Policy
from integrity.words import Fact, fact, reasons_of, text_of

_LIMITED = (Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value)


class Findings(Protocol):
    """What detection hands over: the run tables of `graph.schema` by name, and counts."""

    @property
    def accounts(self) -> pa.Table:
        """Rows of `run_accounts`."""

    @property
    def rings(self) -> pa.Table:
        """Rows of `run_rings`."""

    @property
    def lineage(self) -> pa.Table:
        """Rows of `run_lineage`."""

    @property
    def members(self) -> pa.Table:
        """Rows of `run_members`."""

    @property
    def evidence(self) -> pa.Table:
        """Rows of `run_evidence`."""

    @property
    def hubs(self) -> pa.Table:
        """Rows of `run_hubs`."""

    @property
    def frozen(self) -> Frozen | None:
        """What was measured in the market, kept as rows of `run_frozen`."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """Counts, and what evidence was absent."""


def decide(
    snapshot: Snapshot, findings: Findings, policy: Policy, *, before: Mapping[str, str] | None = None
) -> pa.Table:
    """The run's decisions: the columns of `run_decisions`, one row for every buyer of the snapshot, sorted by id.

    `before` is buyer to status in the run before (`earlier.earlier_statuses`); without it nobody was limited before,
    and nobody could be warned.
    Pure: limits expire `expire_after_days` after the snapshot's `as_of`."""
    judged = _judged(snapshot, findings, policy)
    rings = {row["ring_id"]: row for row in rows_of(findings.rings)}
    looked_at = judged.filter(pl.col("risk").ge(policy.statuses.watch_risk) | pl.col("stands_by"))
    chosen = looked_at["buyer"].to_numpy()
    claimed_at = _claim_stores(snapshot, chosen)
    quiet = _quiet_steps(snapshot, policy)
    currencies = _main_currency(snapshot, chosen)
    expires_at = snapshot.as_of + policy.limits.expire_after_days * DAY
    rows = []
    for row in looked_at.to_dicts():
        ring = rings.get(row["ring_id"]) if row["acting"] else None
        rows.append(
            _decision(
                row,
                ring,
                claimed_at.get(row["buyer"], []),
                currencies.get(row["buyer"]),
                policy,
                expires_at,
                stood=before.get(row["buyer_id"], Status.CLEAR.value) if before else "",
                steps=int(quiet[row["buyer"]]),
            )
        )
    schema = arrow_schema(BY_NAME["run_decisions"])
    known = frame_of(pa.Table.from_pylist(rows, schema=schema))
    none = pl.lit([], dtype=pl.List(pl.String))
    return (
        judged.select("buyer_id")
        .join(known, on="buyer_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("status").fill_null(Status.CLEAR.value),
            pl.col("limit_store_ids", "reasons").fill_null(none),
        )
        .select(schema.names)
        .to_arrow()
        .cast(schema)
    )


def limited_share(decisions: pa.Table) -> tuple[int, float]:
    """How many accounts the decisions limit, and what share of all that is (0 where there are none)."""
    counted = counts(decisions, "status")
    limited = sum(counted.get(status, 0) for status in _LIMITED)
    return limited, limited / decisions.num_rows if decisions.num_rows else 0.0


def _judged(snapshot: Snapshot, findings: Findings, policy: Policy) -> pl.DataFrame:
    """One row a buyer: buyer (index), buyer_id, risk, ring_id, claims, reasons, their facts, acting (acts with a
    ring that counts) and stands_by (belongs to a ring that counts without acting)."""
    rules = policy.statuses
    buyers = pl.DataFrame(
        {"buyer_id": pl.Series(snapshot.buyers.ids.tolist(), dtype=pl.String)}, schema={"buyer_id": pl.String}
    ).with_row_index("buyer")
    accounts = frame_of(findings.accounts).select("buyer_id", "risk", "ring_id", "claims", "reasons", "reason_facts")
    members = frame_of(findings.members).select("ring_id", "buyer_id", "probability", "role")
    rings = frame_of(findings.rings).select("ring_id", "confidence")
    counts = pl.col("confidence").fill_null(0.0) >= rules.ring_confidence
    acts = (pl.col("role") == "actor").fill_null(False) & (
        pl.col("probability").fill_null(0.0) >= rules.membership_probability
    )
    return (
        buyers.join(accounts, on="buyer_id", how="left", maintain_order="left")
        .join(members, on=["ring_id", "buyer_id"], how="left", maintain_order="left")
        .join(rings, on="ring_id", how="left", maintain_order="left")
        .with_columns(pl.col("risk").fill_null(0.0), pl.col("claims").fill_null(0))
        .with_columns(acting=counts & acts, stands_by=counts & ~acts)
    )


def _decision(
    row: Mapping[str, Any],
    ring: Mapping[str, Any] | None,
    claimed_at: list[str],
    currency: str | None,
    policy: Policy,
    expires_at: int,
    *,
    stood: str,
    steps: int,
) -> dict[str, Any]:
    rules = policy.statuses
    risk, days = row["risk"], steps * rules.good_conduct_days

    def because(say: str, *, told: bool = True, **values: Any) -> dict[str, Any]:
        found = (row["reasons"], row["reason_facts"]) if told else ()
        return reasons_of(fact(f"decided_{say}", **values), *found)

    watch = {
        "buyer_id": row["buyer_id"],
        "status": Status.WATCH.value,
        "limit_store_ids": [],
        **lift_of(fact("lift_watch", bound=rules.watch_risk)),
    }
    if row["stands_by"]:
        return {**watch, **because("stands_by")}
    limited_from = rules.store_limited_risk
    if not row["acting"]:
        limited_from = max(limited_from, rules.alone_limited_risk)
    clear = {
        "buyer_id": row["buyer_id"],
        "status": Status.CLEAR.value,
        "limit_store_ids": [],
        **because("calm", told=False, days=days),
    }
    if risk < limited_from:
        if steps:
            return clear
        return {**watch, **because("watch", risk=risk, bound=rules.watch_risk)}
    needed = rules.minimum_claims_in_ring if row["acting"] else rules.minimum_claims_alone
    if row["claims"] < needed or not claimed_at:
        if steps:
            return clear
        return {**watch, **because("few_claims", risk=risk, claims=row["claims"], needed=needed)}
    # Where the account abuses: a ring that hits many stores makes each of its actors a matter of the platform.
    stores = sorted({*claimed_at, *(ring["stores"] if ring is not None else ())})
    few = 0 < len(stores) <= rules.store_limited_max_stores
    everywhere = risk >= rules.platform_limited_risk and not few
    if steps > 1 + everywhere:
        return clear
    if steps > everywhere:
        return {**watch, **because("watch_calm", risk=risk, days=days)}
    if stood == Status.CLEAR and not rules.at_once(risk, rules.immediate_store_risk):
        return {**watch, **because("warned", risk=risk, bound=limited_from)}
    known = stood in _LIMITED or rules.at_once(risk, rules.immediate_platform_risk)
    if everywhere and known and not steps:
        why = because("platform", risk=risk, bound=rules.platform_limited_risk)
        status, limits, stores = Status.PLATFORM_LIMITED, policy.limits.platform, []
    else:
        stores = stores if few else sorted(claimed_at)
        milder = "_calm" if steps else "_later" if everywhere else ""
        where: dict[str, Any] = {"stores": len(stores)} if len(stores) != 1 else {}
        calm: dict[str, Any] = {"days": days} if steps else {}
        say = ("stores" if where else "store") + milder
        why = because(say, risk=risk, bound=limited_from, **where, **calm)
        status, limits = Status.STORE_LIMITED, policy.limits.store
    lift = fact("lift_limit", until=to_iso(expires_at), bound=limited_from, needed=needed, days=rules.good_conduct_days)
    return {
        "buyer_id": row["buyer_id"],
        "status": status.value,
        **caps(limits, currency),
        "limit_store_ids": stores,
        "expires_at": expires_at,
        **why,
        **lift_of(lift),
    }


def lift_of(stated: Fact) -> dict[str, str]:
    """Columns `lift` and `lift_fact` of a decision."""
    return {"lift": text_of(stated), "lift_fact": stated.stored()}


def _quiet_steps(snapshot: Snapshot, policy: Policy) -> npt.NDArray[np.int64]:
    """(buyers,) whole stretches of good conduct since the last claim that the buyer began; 0 without a claim."""
    refunds = snapshot.refunds
    last = np.full(len(snapshot.buyers.ids), snapshot.as_of, np.int64)
    own = refunds.by_buyer
    claimed = np.full(len(last), NEVER, np.int64)
    np.maximum.at(claimed, refunds.buyer[own], refunds.at[own])
    last[claimed != NEVER] = claimed[claimed != NEVER]
    return (snapshot.as_of - last) // (policy.statuses.good_conduct_days * DAY)


def caps(limits: Limits, currency: str | None) -> dict[str, Any]:
    """The policy's limits as columns of `run_decisions`; amounts are null in a currency without a rule."""
    day, month = limits.minor(currency) if currency is not None else (None, None)
    return {
        "limit_orders_1d": limits.orders_per_day,
        "limit_orders_30d": limits.orders_per_30_days,
        "limit_amount_1d": day,
        "limit_amount_30d": month,
        "limit_quantity": limits.quantity_per_item,
        "currency": currency,
    }


def _claim_stores(snapshot: Snapshot, chosen: npt.NDArray[np.integer]) -> dict[int, list[str]]:
    """Of the `chosen` buyers, each index to the sorted ids of the stores where the buyer itself began a claim."""
    refunds, stores = snapshot.refunds, snapshot.stores.ids
    wanted = np.zeros(len(snapshot.buyers.ids), bool)
    wanted[chosen] = True
    own = refunds.by_buyer & wanted[refunds.buyer]
    pairs = np.unique(np.stack([refunds.buyer[own], refunds.store[own]], axis=1), axis=0)
    claimed: dict[int, list[str]] = {}
    for buyer, store in pairs.tolist():  # stores are numbered in the order of their ids
        claimed.setdefault(buyer, []).append(stores[store])
    return claimed


def _main_currency(snapshot: Snapshot, chosen: npt.NDArray[np.integer]) -> dict[int, str]:
    """Of the `chosen` buyers who ordered, the currency of most of the orders, the first in the alphabet on a tie."""
    n, kinds = len(snapshot.buyers.ids), max(len(snapshot.currencies), 1)
    orders = snapshot.orders
    counts = np.bincount(orders.buyer.astype(np.int64) * kinds + orders.currency, minlength=n * kinds).reshape(n, kinds)
    mine = counts[chosen]
    best, some = mine.argmax(axis=1).tolist(), mine.any(axis=1).tolist()
    known = zip(chosen.tolist(), best, some, strict=True)
    return {buyer: snapshot.currencies[currency] for buyer, currency, any_ in known if any_}
