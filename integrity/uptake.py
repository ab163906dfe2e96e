"""Takes what the book of acts says of complaints up into the records, so that detection and the graph know it.

Done before a run, as a load of its own: complaints filed here become rows, and verdicts given here become their
outcomes, also on complaints that the platform's files brought. A file that comes later and says otherwise of such a
complaint is put right again by the next uptake: a verdict outranks a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import polars as pl

from graph.digests import with_digest
from graph.errors import LeaseHeld
from graph.leases import held
from graph.schema import BY_NAME
from graph.store import Store
from integrity.columns import find_frame
from integrity.complaints import ComplaintFold, Verdict

SOURCE: Final = "book of acts"
LOAD_LEASE: Final = "load"


def take_up(
    store: Store,
    fold: ComplaintFold,
    *,
    now: int,
    holder: str,
    wait: float = 0.0,
    on_wait: Callable[[LeaseHeld], None] = lambda _: None,
) -> int:
    """Write what differs from the records, and return how many complaints that were; nothing is written for none.

    Raises `LeaseHeld` where a load is under way and `wait` seconds were not enough, `StoreProblem`."""
    if not _changes(store, fold).height:
        return 0
    with held(store, LOAD_LEASE, holder, wait=wait, on_wait=on_wait) as lease:
        rows = _changes(store, fold)  # again, since a load may have ended meanwhile
        if not rows.height:
            return 0
        load = store.begin_load(lease, source=SOURCE, at=now)
        store.write(lease, load, "complaints", rows.to_arrow())
        store.finish_load(lease, load, report=_report(load, rows.height), at=now)
    return rows.height


def _changes(store: Store, fold: ComplaintFold) -> pl.DataFrame:
    """Rows of complaints, with the hidden columns, that are not in the records as the book says."""
    table = BY_NAME["complaints"]
    known_by = store.head().load
    columns = table.names
    wanted = pl.DataFrame(
        [
            (one.complaint_id, one.refund_id, one.filed_at, one.type, one.outcome, one.outcome_at)
            for one in fold.filed.values()
        ],
        schema=dict(zip(columns, (pl.String, pl.String, pl.Int64, pl.String, pl.String, pl.Int64), strict=True)),
        orient="row",
    )
    ids = [*wanted["complaint_id"].to_list(), *fold.elsewhere]
    known = find_frame(store, "complaints", "complaint_id", ids, columns, known_by=known_by)
    decided = known.filter(pl.col("complaint_id").is_in(list(fold.elsewhere)))
    given = [_last(fold, id_) for id_ in decided["complaint_id"]]
    decided = decided.with_columns(
        pl.Series("outcome", [one.outcome for one in given], pl.String),
        pl.Series("outcome_at", [one.at for one in given], pl.Int64),
    )
    rows = pl.concat([wanted, decided.select(columns)]).join(known, on=columns, how="anti", nulls_equal=True)
    rows = rows.sort("complaint_id").with_columns(pl.lit(None, pl.Int64).alias("updated_at"))
    return with_digest(rows, table).with_columns(
        file=pl.lit(0, pl.Int32), line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    )


def _last(fold: ComplaintFold, complaint: str) -> Verdict:
    return fold.elsewhere[complaint][-1]


def _report(load: int, rows: int) -> str:
    counted = {"read": rows, "changed": rows}
    return json.dumps({"load": load, "folder": SOURCE, "files": [SOURCE], "tables": {"complaints": counted}})
