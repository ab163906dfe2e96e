"""The whole graph of one finished first load, from an embedded store to import files: what the same load over Bolt
would have left.

Records, the labels of those that readers see, accounts and stores, identifiers, and the relationships that
`graph.neo4j.edges` draws on the server are worked out here in columns; so is the store's own book-keeping. Rows are
read and written a quarter of a million at a time; what accounts, stores and relationships are made of is kept
(`graph.neo4j.outline`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from graph.errors import StoreProblem
from graph.neo4j.bulk_files import ImportFiles
from graph.neo4j.bulk_schema import OWED
from graph.neo4j.edges import USED
from graph.neo4j.ledger import LANES, lane_of
from graph.neo4j.model import ENTITIES, KIND_LABELS, label_of
from graph.neo4j.outline import Outline
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
    """Writes nodes first, and keeps of them what accounts, stores and relationships are made of."""

    def __init__(self, source: sqlite3.Connection, namespace: str, files: ImportFiles) -> None:
        self._source, self._files, self._namespace = source, files, namespace
        self._outline = Outline()

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def identifiers(self) -> None:
        """Identifiers with the label of their kind."""
        table = BY_NAME["identifiers"]
        for rows, _ in _chunks(self._source, self._namespace, table):
            for kind in sorted(map(str, rows.column("kind").unique().to_pylist())):
                part = rows.filter(pc.equal(rows.column("kind"), pa.scalar(kind)))
                labels = (label_of(table), *([KIND_LABELS[kind]] if kind in KIND_LABELS else []))
                self._outline.add(table, part, self._files.node(labels, self._stored(part)))

    def records(self, table: Table) -> None:
        """Rows of a table: those that readers see with the table's own label, unless that is an entity's."""
        for rows, ended in _chunks(self._source, self._namespace, table):
            drawn = not ended and table.label not in ENTITIES
            stored = self._stored(rows)
            if ended:
                stored = stored.with_columns(until=pl.lit(LOAD, pl.Int64))
            numbers = self._files.node((label_of(table), *([table.label] if drawn else [])), stored)
            if not ended:
                self._outline.add(table, rows, numbers)

    def _stored(self, rows: pa.Table) -> pl.DataFrame:
        """Rows as nodes' properties: keys as hex text, the namespace and the load beside."""
        frame = pl.from_arrow(rows)
        assert isinstance(frame, pl.DataFrame)
        keys = [name for name, kind in frame.schema.items() if kind == pl.Binary]
        return frame.with_columns(
            pl.col(keys).bin.encode("hex"),
            ns=pl.lit(self._namespace),
            since=pl.lit(LOAD, pl.Int64),
        )

    def entities(self) -> None:
        """Accounts, stores and pictures themselves."""
        for label, key in ENTITIES.items():
            found = self._outline.entities(label)
            numbers = self._files.node((label,), found.with_columns(ns=pl.lit(self._namespace)))
            self._outline.found(label, found[key[1]], numbers)

    def relationships(self) -> None:
        """What a finished first load draws. Raises `StoreProblem` where two identifiers can't be told apart."""
        outline, files = self._outline, self._files
        if not outline.unmistakable():
            raise StoreProblem("two identifiers have keys of the same hash", do="load without --bulk")
        placed = outline.placed()
        files.relationship("PLACED", placed.select(begin="Buyer", end="node"))
        files.relationship("AT", placed.select(begin="node", end="Store"))
        for column, relationship in USED.items():
            files.relationship(relationship, outline.used(column))
        files.relationship("IN", outline.within())
        files.relationship("REFUNDED_BY", outline.refunded())
        files.relationship("RETURNED_IN", outline.returned())
        files.relationship("SHOWS", outline.shown())
        files.relationship("ABOUT", outline.complained())
        files.relationship("ABOUT", outline.decided())

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
        leases = "SELECT name, fence, expires_at, 1 AS locked FROM leases WHERE namespace = ? ORDER BY name"
        self._all("Lease", leases, whole=("locked",))
        taken = self._source.execute("SELECT name FROM leases WHERE namespace = ? ORDER BY name", (ns,)).fetchall()
        lanes = [lane_of(name, lane) for (name,) in taken for lane in range(1, LANES)]
        self._files.node(("Lease",), pl.DataFrame({"ns": ns, "name": lanes, "locked": True}))
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


def _chunks(source: sqlite3.Connection, namespace: str, table: Table) -> Iterator[tuple[pa.Table, bool]]:
    """A table's rows in its stored schema, and whether they ended: first those that readers see, last, of each id that
    they don't see, what was written last."""
    query = f"SELECT block FROM {table.name} WHERE namespace = ? ORDER BY block"  # noqa: S608
    numbers = [number for (number,) in source.execute(query, (namespace,))]
    (ends,) = source.execute(f"SELECT count(*) FROM {table.name}_ends").fetchone()  # noqa: S608
    hidden: list[pa.RecordBatch] = []
    seen: list[pa.Array[Any]] = []
    for at in range(0, len(numbers), BLOCKS):
        live = []
        for block in blocks.read(source, table, numbers[at : at + BLOCKS]):
            mask = np.ones(block.rows.num_rows, bool) if block.ends is None else block.ends == 0
            if not mask.all():
                hidden.append(block.rows.filter(pa.array(~mask)))
            live.append(block.rows.filter(pa.array(mask)) if not mask.all() else block.rows)
        rows = pa.Table.from_batches(live)
        if ends:
            seen += rows.column(table.id).chunks
        yield rows, False
    if hidden:
        gone = pa.Table.from_batches(hidden)
        ids = gone.column(table.id).to_pylist()
        last = sorted({id_: at for at, id_ in enumerate(ids)}.values())
        gone = gone.take(pa.array(last))
        known = pc.is_in(gone.column(table.id), value_set=pa.concat_arrays(seen))
        yield gone.filter(pc.invert(known)), True
