"""The whole graph of one finished first load, from an embedded store to import files: what the same load over Bolt
would have left.

Records, the labels of those that readers see, accounts and stores, identifiers, and the relationships that
`graph.neo4j.edges` draws on the server are worked out here in columns; so is the store's own book-keeping. Rows are
read and written a quarter of a million at a time; what relationships need of them is kept as node numbers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from graph.neo4j.bulk_files import ImportFiles
from graph.neo4j.bulk_schema import OWED
from graph.neo4j.edges import USED
from graph.neo4j.model import ENTITIES, KIND_LABELS, label_of
from graph.schema import BY_NAME, SCHEMA_VERSION, SOURCE_TABLES, Table
from graph.sqlite import blocks

BLOCKS: Final = 512
"""Blocks read at once: about a quarter of a million rows."""
LOAD: Final = 1
"""The number of a first load."""


def write_graph(source: sqlite3.Connection, namespace: str, files: ImportFiles) -> None:
    """Write everything that `source`, an embedded store with one finished load, holds of the namespace."""
    writer = _Writer(source, namespace, files)
    writer.identifiers()
    for table in SOURCE_TABLES:
        writer.records(table)
    writer.entities()
    writer.relationships()
    writer.ledger()


class _Writer:
    """Writes nodes first, and remembers what relationships need: node numbers by id or key."""

    def __init__(self, source: sqlite3.Connection, namespace: str, files: ImportFiles) -> None:
        self._source, self._files, self._namespace = source, files, namespace
        self._keys = pl.DataFrame(schema={"key": pl.Binary, "node": pl.Int64})
        self._kept: dict[str, pl.DataFrame] = {}
        self._entities: dict[str, pl.DataFrame] = {}

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def identifiers(self) -> None:
        """Identifiers with the label of their kind, and `IN` between those that lie within each other."""
        keys, within = [self._keys], []
        for rows, _ in _chunks(self._source, self._namespace, BY_NAME["identifiers"]):
            for (kind,), part in rows.group_by("kind", maintain_order=True):
                labels = ("Identifier", *([KIND_LABELS[str(kind)]] if kind in KIND_LABELS else []))
                numbers = self._files.node(labels, self._stored(part))
                part = part.select("key", "within", numbers.alias("node"))
                keys.append(part.select("key", "node"))
                within.append(part.filter(pl.col("within").is_not_null()).select("within", "node"))
        self._keys = pl.concat(keys)
        if within:
            wider = self._keys.rename({"node": "end"})
            found = pl.concat(within).join(wider, left_on="within", right_on="key", maintain_order="left")
            self._files.relationship("IN", found.select(pl.col("node").alias("begin"), "end"))

    def records(self, table: Table) -> None:
        """Rows of a table: those that readers see with the table's own label, unless that is an entity's."""
        kept = []
        for rows, ended in _chunks(self._source, self._namespace, table):
            drawn = not ended and table.label not in ENTITIES
            stored = self._stored(rows)
            if ended:
                stored = stored.with_columns(until=pl.lit(LOAD, pl.Int64))
            numbers = self._files.node((label_of(table), *([table.label] if drawn else [])), stored)
            if not ended:
                kept.append(self._reduced(table, rows, numbers))
        if kept:
            self._kept[table.name] = pl.concat(kept)

    def _stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows as nodes' properties: keys as hex text, the namespace and the load beside."""
        keys = [name for name, kind in rows.schema.items() if kind == pl.Binary]
        return rows.with_columns(
            pl.col(keys).bin.encode("hex"),
            ns=pl.lit(self._namespace),
            since=pl.lit(LOAD, pl.Int64),
        )

    def _reduced(self, table: Table, rows: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """What entities and relationships need of rows; keys as numbers of identifiers, under the column's name."""
        names = {
            "buyers": ("buyer_id", "registered_at"),
            "orders": ("order_id", "buyer_id", "store_id", "placed_at", *USED),
            "uses": ("buyer_id", "kind", "key", "used_at"),
            "refunds": ("refund_id", "order_id", "parcel"),
            "complaints": ("refund_id",),
            "past_decisions": ("buyer_id",),
            "stores": table.names,
        }.get(table.name, ())
        found = rows.select(numbers.alias("node"), *names)
        for name in (name for name, kind in found.schema.items() if kind == pl.Binary):
            number = self._keys.rename({"node": "number"})
            found = found.join(number, left_on=name, right_on="key", how="left", maintain_order="left")
            found = found.drop(name).rename({"number": name})
        return found

    def entities(self) -> None:
        """Accounts and stores themselves, known from rows of their own or from others only."""
        for label, name, others in (
            ("Buyer", "buyers", ("orders", "uses", "past_decisions")),
            ("Store", "stores", ("orders",)),
        ):
            id_ = ENTITIES[label][1]
            seen = [self._kept[table].select(id_) for table in (name, *others) if table in self._kept]
            if not seen:
                continue
            found = pl.concat(seen).unique().sort(id_)
            if name in self._kept:
                own = self._kept[name].drop("node")
                found = found.join(own, on=id_, how="left", maintain_order="left")
            numbers = self._files.node((label,), found.with_columns(ns=pl.lit(self._namespace)))
            self._entities[id_] = found.select(id_, numbers.alias(id_.removesuffix("_id")))

    # -- relationships -------------------------------------------------------------------------------------------------

    def relationships(self) -> None:
        """What a finished first load draws."""
        nobody = pl.DataFrame(schema={"buyer": pl.Int64, "kind": pl.String, "key": pl.Int64, "used_at": pl.Int64})
        orders, uses = self._of("orders"), self._of("uses")
        if orders is not None:
            self._between("PLACED", orders, "buyer", "node")
            self._between("AT", orders, "node", "store")
        for kind, relationship in USED.items():
            seen = nobody if uses is None else uses.filter(pl.col("kind") == kind)
            self._used(relationship, kind, orders, seen)
        refunds, complaints, decided = self._of("refunds"), self._of("complaints"), self._of("past_decisions")
        if refunds is not None and orders is not None:
            known = orders.select("order_id", pl.col("node").alias("order"))
            self._between("REFUNDED_BY", refunds.join(known, on="order_id", maintain_order="left"), "order", "node")
        if refunds is not None:
            self._between("RETURNED_IN", refunds.filter(pl.col("parcel").is_not_null()), "node", "parcel")
        if complaints is not None and refunds is not None:
            known = refunds.select("refund_id", pl.col("node").alias("refund"))
            self._between("ABOUT", complaints.join(known, on="refund_id", maintain_order="left"), "node", "refund")
        if decided is not None:
            self._between("ABOUT", decided, "node", "buyer")

    def _of(self, name: str) -> pl.DataFrame | None:
        """What was kept of a table, with the node of its buyer and store beside."""
        rows = self._kept.get(name)
        for id_, known in self._entities.items():
            if rows is not None and id_ in rows.columns:
                rows = rows.join(known, on=id_, how="left", maintain_order="left")
        return rows

    def _between(self, name: str, rows: pl.DataFrame, begin: str, end: str) -> None:
        self._files.relationship(name, rows.select(pl.col(begin).alias("begin"), pl.col(end).alias("end")))

    def _used(self, relationship: str, column: str, orders: pl.DataFrame | None, uses: pl.DataFrame) -> None:
        """One relationship a buyer and identifier: first and last seen, in how many orders and other uses."""
        parts = []
        if orders is not None:
            parts.append(
                orders.filter(pl.col(column).is_not_null()).select(
                    pl.col("buyer").alias("begin"),
                    pl.col(column).alias("end"),
                    at="placed_at",
                    orders=pl.lit(1, pl.Int64),
                    uses=pl.lit(None, pl.Int64),
                )
            )
        parts.append(
            uses.filter(pl.col("key").is_not_null()).select(
                pl.col("buyer").alias("begin"),
                pl.col("key").alias("end"),
                at="used_at",
                orders=pl.lit(None, pl.Int64),
                uses=pl.lit(1, pl.Int64),
            )
        )
        counted = [
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in ("orders", "uses")
        ]
        pairs = pl.concat(parts).group_by("begin", "end")
        found = pairs.agg(pl.col("at").min().alias("first"), pl.col("at").max().alias("last"), *counted)
        self._files.relationship(relationship, found.sort("begin", "end"))

    # -- the store's own -----------------------------------------------------------------------------------------------

    def ledger(self) -> None:
        """Loads, head, lease, sequences, facts and the quarantine."""
        ns = self._namespace
        (last,) = self._source.execute("SELECT coalesce(max(seq), 0) FROM quarantine").fetchone()
        self._all(
            "Load",
            "SELECT load, state, started_at, finished_at, source, report, 1 AS connected FROM loads "
            "WHERE namespace = ? ORDER BY load",
            whole=("connected",),
        )
        self._all("Head", "SELECT load FROM head WHERE namespace = ?")
        self._all(
            "Lease",
            "SELECT name, fence, expires_at, 1 AS locked FROM leases WHERE namespace = ? ORDER BY name",
            whole=("locked",),
        )
        self._all("StoreMeta", "SELECT key, value FROM meta WHERE namespace = ? AND key <> 'schema_version'")
        self._all(
            "Quarantined",
            'SELECT seq, load, "table", file, line, "column", value, rule, action FROM quarantine '
            "WHERE namespace = ? ORDER BY seq",
        )
        counts = {"load": LOAD} | ({"quarantine": last} if last else {})
        self._files.node(
            ("Sequence",),
            pl.DataFrame({"ns": ns, "name": list(counts), "last": list(counts.values()), "locked": True}),
        )
        facts = {"schema_version": str(SCHEMA_VERSION), OWED: "owed"}
        self._files.node(("StoreMeta",), pl.DataFrame({"ns": "", "key": list(facts), "value": list(facts.values())}))

    def _all(self, label: str, query: str, *, whole: tuple[str, ...] = ()) -> None:
        """Nodes of what a query about the namespace finds; the columns `whole` are true or false."""
        found = self._source.execute(query, (self._namespace,))
        names = [column[0] for column in found.description]
        listed: list[tuple[Any, ...]] = found.fetchall()
        if listed:
            rows = pl.DataFrame(listed, schema=names, orient="row", infer_schema_length=None)
            rows = rows.select(pl.exclude(pl.Null)).with_columns(pl.col(whole).cast(pl.Boolean))
            self._files.node((label,), rows.with_columns(ns=pl.lit(self._namespace)))


def _chunks(source: sqlite3.Connection, namespace: str, table: Table) -> Iterator[tuple[pl.DataFrame, bool]]:
    """A table's rows in its stored schema, and whether they ended: first those that readers see, last, of each id that
    they don't see, what was written last."""
    query = f"SELECT block FROM {table.name} WHERE namespace = ? ORDER BY block"  # noqa: S608
    numbers = [number for (number,) in source.execute(query, (namespace,))]
    (ends,) = source.execute(f"SELECT count(*) FROM {table.name}_ends").fetchone()  # noqa: S608
    hidden: list[pl.DataFrame] = []
    seen: list[pl.Series] = []
    for at in range(0, len(numbers), BLOCKS):
        live = []
        for block in blocks.read(source, table, numbers[at : at + BLOCKS]):
            mask = np.ones(block.rows.num_rows, bool) if block.ends is None else block.ends == 0
            if not mask.all():
                hidden.append(_frame([block.rows.filter(pa.array(~mask))]))
            live.append(block.rows.filter(pa.array(mask)) if not mask.all() else block.rows)
        rows = _frame(live)
        if ends:
            seen.append(rows[table.id])
        yield rows, False
    if hidden:
        gone = pl.concat(hidden).unique(table.id, keep="last", maintain_order=True)
        yield gone.filter(~pl.col(table.id).is_in(pl.concat(seen).implode())), True


def _frame(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches(batches))
    assert isinstance(frame, pl.DataFrame)
    return frame
