"""What a batch changes: each row against what is known of its id, independent of any store.

The rules (`input-contract.md`):

- Rows of one id within one load that differ are in conflict, all of them, unless both carry `updated_at` and at
  different instants: then the newest wins, in whatever order they come.
- Across loads the newest `updated_at` wins; where it is equal or lacking the later load wins.
- The same digest again changes nothing.

Every row read counts once: as new, changed, unchanged (older rows too) or quarantined. An id counts at most once as
new or changed in a load; a row that a later one of the same load replaces moves to unchanged, and one that turns out
to be in conflict moves to quarantined, so counts of single batches can be negative while their sums add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from graph.hashing import hashes

CONFLICT_RULE = "differs from another row of the same id in this load"

_FACTS = {"digest": pl.Int64, "updated_at": pl.Int64, "file": pl.Int32, "line": pl.Int64}


@dataclass(frozen=True)
class Counts:
    """Rows of a batch by outcome; adding up the batches of a load gives the load's."""

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.quarantined + other.quarantined,
        )


@dataclass
class Seen:
    """What one load has met of a table and not written, because it changed nothing: one object a table and load.

    A row that repeats what is stored leaves no trace in the store, and yet a differing row of its id later in the same
    load is in conflict with it. 36 bytes an id."""

    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"hash": pl.Int64, **_FACTS}))

    def update(self, rows: pl.DataFrame) -> None:
        """Remember rows (hash and facts) in place of what was remembered of the same hashes."""
        kept = self.rows.join(rows, on="hash", how="anti") if self.rows.height and rows.height else self.rows
        self.rows = pl.concat([kept, rows.select(self.rows.columns)])


@dataclass(frozen=True)
class Plan:
    """What to do about a batch.

    `rows`: those to write, columns as given. `conflicts`: ids to mark. `quarantine`: file, line and id of the rows in
    conflict, rule `CONFLICT_RULE`, among them rows of earlier batches that were thought good. `counts`: changes to
    the load's counts."""

    rows: pl.DataFrame
    conflicts: list[str]
    quarantine: pl.DataFrame
    counts: Counts


def plan(rows: pl.DataFrame, current: pl.DataFrame, load: int, *, id_column: str, seen: Seen | None = None) -> Plan:
    """Classify a batch.

    `rows` holds the table's columns with `id_column` (text, no nulls), digest, updated_at, file, line; `current` is
    what `Store.current` says of its ids (columns of `graph.columns.CURRENT`). `seen` is updated; without it a load
    must come as one batch, or hold no row that repeats what is stored."""
    batch = rows.select(pl.col(id_column).alias("id"), *(pl.col(name).cast(type_) for name, type_ in _FACTS.items()))
    remembered = _remembered(batch, seen)
    if not current.height and not remembered.height and not batch["id"].is_duplicated().any():
        # nothing is known of any of them, as in a first load
        everything = Counts(read=batch.height, new=batch.height)
        return Plan(rows, [], batch.clear().select("id", "file", "line"), everything)
    batch = batch.with_row_index("at")
    own = current.filter(pl.col("since") == load)
    visible = current.filter(pl.col("since") != load).select(
        "id", pl.col("digest").alias("old_digest"), pl.col("updated_at").alias("old_updated_at"), old=pl.lit(True)
    )
    marked = own.filter("conflict").select("id")
    # ids met before in this load, or twice in this batch, need the long way; most batches have none
    met = pl.concat(
        [own.select("id"), remembered.select("id"), batch.filter(pl.col("id").is_duplicated()).select("id")]
    )
    met = met.unique()
    single = batch.join(met, on="id", how="anti") if met.height else batch
    known = marked.height and batch.join(marked, on="id", how="semi").height
    again = batch.join(met, on="id", how="semi").join(marked, on="id", how="anti") if met.height else batch.clear()

    written = own.filter(~pl.col("conflict")).select("id", *_FACTS).with_columns(stored=pl.lit(True))
    earlier = pl.concat(
        [written, remembered.join(written, on="id", how="anti").with_columns(stored=pl.lit(False))], how="vertical"
    )
    winners, clashing = _contest(again, earlier)
    candidates = pl.concat(
        [single.with_columns(stored=pl.lit(None, pl.Boolean)), winners.select(*single.columns, "stored")]
    )
    judged = candidates.join(visible, on="id", how="left").with_columns(write=_write())
    to_write = judged.filter("write")
    if seen is not None:
        _remember(seen, judged.filter(~pl.col("write")))

    bad = batch.join(clashing, on="id", how="semi").select("id", "file", "line")
    if known:
        bad = pl.concat([bad, batch.join(marked, on="id", how="semi").select("id", "file", "line")])
    undone = earlier.join(clashing, on="id", how="semi")
    undone_old = undone.filter("stored").join(visible, on="id", how="semi").height
    undone_stored = undone.select(pl.col("stored").sum()).item() or 0
    first = to_write.filter(~pl.col("stored").fill_null(False))
    new = first.filter(pl.col("old").is_null()).height
    changed = first.height - new
    counts = Counts(
        read=batch.height,
        new=new - (undone_stored - undone_old),
        changed=changed - undone_old,
        unchanged=batch.height - bad.height - first.height - (undone.height - undone_stored),
        quarantined=bad.height + undone.height,
    )
    quarantine = pl.concat([bad, undone.select("id", "file", "line")]).sort("file", "line")
    picked = rows[to_write["at"].sort()] if to_write.height < rows.height else rows
    return Plan(picked, clashing["id"].sort().to_list(), quarantine, counts)


def _contest(again: pl.DataFrame, earlier: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of each id met more than once: the batch row that wins, where one does, with `stored` telling whether it
    replaces a row that this load wrote; and the ids in conflict."""
    everyone = pl.concat(
        [
            earlier.with_columns(at=pl.lit(None, pl.UInt32)).select("at", "id", *_FACTS, "stored"),
            again.with_columns(stored=pl.lit(None, pl.Boolean)).select("at", "id", *_FACTS, "stored"),
        ]
    )
    everyone = everyone.join(again.select("id").unique(), on="id", how="semi")
    newest = pl.col("updated_at") == pl.col("updated_at").max()
    summary = everyone.group_by("id").agg(
        pl.col("updated_at").is_null().any().alias("undated"),
        pl.col("digest").n_unique().alias("contents"),
        pl.col("digest").filter(newest).n_unique().alias("newest_contents"),
        pl.col("stored").first().alias("met"),
    )
    clash = pl.when("undated").then(pl.col("contents") > 1).otherwise(pl.col("newest_contents") > 1)
    clashing = summary.filter(clash).select("id")
    # earlier rows stand first and the sort is stable: of equals, the one met first wins
    best = (
        everyone.join(clashing, on="id", how="anti")
        .sort("updated_at", descending=True, nulls_last=True, maintain_order=True)
        .group_by("id", maintain_order=True)
        .first()
        .filter(pl.col("at").is_not_null())
        .drop("stored")
        .join(summary.select("id", pl.col("met").alias("stored")), on="id", how="left")
    )
    return best, clashing


def _write() -> pl.Expr:
    """Whether a row is written, by what readers see of its id."""
    newer = pl.col("updated_at") > pl.col("old_updated_at")
    older = pl.col("updated_at") < pl.col("old_updated_at")
    same = pl.col("digest") == pl.col("old_digest")
    # equal content with a newer date is written, so that a row dated between the two finds the newer date
    dated = newer | (pl.col("updated_at").is_not_null() & pl.col("old_updated_at").is_null())
    return (
        pl.when(pl.col("old").is_null())
        .then(True)
        .when(same)
        .then(dated.fill_null(False))
        .otherwise(~older.fill_null(False))
    )


def _remembered(batch: pl.DataFrame, seen: Seen | None) -> pl.DataFrame:
    """What was seen of the batch's ids: id and facts."""
    if seen is None or not seen.rows.height:
        return batch.clear().select("id", *_FACTS)
    ids = batch.select(pl.col("id").unique(maintain_order=True))
    return ids.with_columns(hash=_hash(ids["id"])).join(seen.rows, on="hash").select("id", *_FACTS)


def _remember(seen: Seen, rows: pl.DataFrame) -> None:
    if rows.height:
        seen.update(rows.with_columns(hash=_hash(rows["id"])))


def _hash(ids: pl.Series) -> pl.Series:
    text = ids.to_arrow()
    values = hashes(text.cast(pa.string()))
    return pl.Series("hash", np.asarray(values))
