"""Statistics of complaints: filed, decided, by whom, how fast, by store, type and month (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from graph.store import Store
from integrity.columns import scan_frame
from integrity.complaints import TRIAGE, Complaint, ComplaintFold
from integrity.triage import Proposal

HOUR: Final = 3_600_000_000


@dataclass(frozen=True)
class Count:
    """Complaints of one type filed in one month. `at_once` were decided by triage, `reviewed` by a person; `revised`
    by triage first and otherwise by a person; `sampled` a person decided by lot, in `agreed` of these as triage would
    have; `median_hours` from filing to the verdict that holds, None where none is decided."""

    month: str
    type: str
    filed: int
    upheld: int
    dismissed: int
    pending: int
    at_once: int
    reviewed: int
    revised: int
    sampled: int
    agreed: int
    median_hours: float | None


def counts(store: Store, fold: ComplaintFold, *, store_id: str | None = None) -> list[Count]:
    """By month and type, of one store or of all, in order of both. Complaints that only the records know count too:
    their verdicts are a person's."""
    known = _recorded(store, fold, store_id)
    here = [_row(one) for one in fold.filed.values() if store_id in (None, one.store_id)]
    rows = pl.concat([known, pl.DataFrame(here, schema=known.schema, orient="row")])
    upheld, dismissed = pl.col("outcome") == "upheld", pl.col("outcome") == "dismissed"
    summed = (
        rows.with_columns(month=pl.from_epoch("filed_at", time_unit="us").dt.strftime("%Y-%m"))
        .group_by("month", "type")
        .agg(
            filed=pl.len(),
            upheld=upheld.sum(),
            dismissed=dismissed.sum(),
            pending=(~upheld & ~dismissed).sum(),
            at_once=pl.col("at_once").sum(),
            reviewed=pl.col("reviewed").sum(),
            revised=(pl.col("at_once") & pl.col("reviewed") & (pl.col("first") != pl.col("outcome"))).sum(),
            sampled=(pl.col("sample") & pl.col("reviewed")).sum(),
            agreed=(pl.col("sample") & pl.col("reviewed") & (pl.col("first") == pl.col("outcome"))).sum(),
            median_hours=((pl.col("outcome_at") - pl.col("filed_at")) / HOUR).median(),
        )
        .sort("month", "type")
    )
    return [Count(**row) for row in summed.to_dicts()]


def _row(one: Complaint) -> tuple[object, ...]:
    at_once = bool(one.verdicts) and one.verdicts[0].by == TRIAGE
    reviewed = any(verdict.by != TRIAGE for verdict in one.verdicts)
    first = one.proposal if at_once else _would_be(one)
    return one.type, one.filed_at, one.outcome, one.outcome_at, at_once, reviewed, one.sample, first


def _would_be(one: Complaint) -> str:
    """What triage would have decided of one that was drawn by lot."""
    return (Proposal.UPHELD if one.probability >= 0.5 else Proposal.DISMISSED).value


def _recorded(store: Store, fold: ComplaintFold, store_id: str | None) -> pl.DataFrame:
    """Complaints that were not filed here, with the outcome that holds."""
    load = store.head().load
    columns = ("complaint_id", "refund_id", "type", "filed_at", "outcome", "outcome_at")
    rows = scan_frame(store, "complaints", columns, known_by=load)
    rows = rows.filter(~pl.col("complaint_id").is_in(list(fold.filed)))
    if store_id is not None:
        refunds = scan_frame(store, "refunds", ("refund_id", "order_id"), known_by=load)
        orders = scan_frame(store, "orders", ("order_id", "store_id"), known_by=load)
        own = refunds.join(orders.filter(pl.col("store_id") == store_id), on="order_id", how="semi")
        rows = rows.join(own, on="refund_id", how="semi")
    given = {id_: verdicts[-1] for id_, verdicts in fold.elsewhere.items()}
    fates = pl.DataFrame(
        [(id_, one.outcome, one.at) for id_, one in given.items()],
        schema={"complaint_id": pl.String, "fate": pl.String, "fate_at": pl.Int64},
        orient="row",
    )
    return rows.join(fates, on="complaint_id", how="left").select(
        "type",
        "filed_at",
        pl.coalesce("fate", "outcome").alias("outcome"),
        pl.coalesce("fate_at", "outcome_at").alias("outcome_at"),
        pl.lit(False).alias("at_once"),
        (pl.coalesce("fate", "outcome") != "pending").alias("reviewed"),
        pl.lit(False).alias("sample"),
        pl.lit("").alias("first"),
    )
