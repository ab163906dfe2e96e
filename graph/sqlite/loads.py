"""Loads: rows arrive in short transactions under a load number, and become visible in one switch or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.columns import CURRENT, conform, ordered, stored_schema
from graph.errors import StoreProblem
from graph.hashing import Ints, distinct, hashes
from graph.schema import BY_NAME, SOURCE_TABLES, Kind, Table
from graph.sqlite import blocks, postings
from graph.sqlite.blocks import Found
from graph.store import LoadRecord

VERSIONED = tuple(table for table in BY_NAME.values() if table.kind is not Kind.RUN)


def last_load(connection: sqlite3.Connection, namespace: str) -> int:
    """The last finished load, 0 before any."""
    row = connection.execute("SELECT load FROM head WHERE namespace = ?", (namespace,)).fetchone()
    return int(row[0]) if row else 0


def begin(connection: sqlite3.Connection, namespace: str, *, source: str, at: int) -> int:
    """Sweep what unfinished loads left, and open the next load number."""
    running = connection.execute(
        "SELECT load FROM loads WHERE namespace = ? AND state = 'running'", (namespace,)
    ).fetchall()
    for (load,) in running:
        _sweep(connection, namespace, load)
        connection.execute("UPDATE loads SET state = 'swept' WHERE namespace = ? AND load = ?", (namespace, load))
    (load,) = connection.execute(
        "SELECT coalesce(max(load), 0) + 1 FROM loads WHERE namespace = ?", (namespace,)
    ).fetchone()
    connection.execute("INSERT INTO loads VALUES(?, ?, 'running', ?, NULL, ?, '')", (namespace, load, at, source))
    return int(load)


def _sweep(connection: sqlite3.Connection, namespace: str, load: int) -> None:
    for table in VERSIONED:
        segs = connection.execute(
            "SELECT seg FROM segments WHERE namespace = ? AND name = ? AND load = ?", (namespace, table.name, load)
        ).fetchall()
        postings.drop(connection, table.name, [seg for (seg,) in segs])
        mine = f"SELECT block FROM {table.name} WHERE namespace = ? AND since = ?"  # noqa: S608
        connection.execute(f"DELETE FROM {table.name}_ends WHERE block IN ({mine})", (namespace, load))  # noqa: S608
        connection.execute(
            f"DELETE FROM {table.name} WHERE namespace = ? AND since = ?",  # noqa: S608
            (namespace, load),
        )
    for name in ("conflicts", "pending", "quarantine"):
        connection.execute(f"DELETE FROM {name} WHERE namespace = ? AND load = ?", (namespace, load))  # noqa: S608


def check_running(connection: sqlite3.Connection, namespace: str, load: int) -> None:
    """Raise `StoreProblem` unless the load is open."""
    row = connection.execute("SELECT state FROM loads WHERE namespace = ? AND load = ?", (namespace, load)).fetchone()
    if row is None or row[0] != "running":
        state = row[0] if row else "unknown"
        raise StoreProblem(f"load {load} is {state}, not running", do="begin a new load")


def _of_ids(
    connection: sqlite3.Connection, namespace: str, table: Table, ids: pa.Array[Any], columns: Sequence[str]
) -> Found:
    """Every version of these ids, with the named columns and the id."""
    refs = postings.lookup(connection, namespace, table.name, table.id, hashes(ids))
    names = list(dict.fromkeys([table.id, *columns]))
    found = blocks.pick(connection, table, refs, names)
    if not len(refs):
        return found
    # a hash only points: the ids themselves are compared
    return found.where(pc.is_in(found.rows.column(table.id), ids).to_numpy())


def current(connection: sqlite3.Connection, namespace: str, table: Table, ids: Sequence[str], load: int) -> pa.Table:
    """See `Store.current`."""
    asked = pa.array(ids, pa.string())
    hidden = [name for name in ("digest", "updated_at", "file", "line") if table.kind is Kind.SOURCE]
    found = _of_ids(connection, namespace, table, asked, hidden)
    own = (found.since == load) & (found.ends == 0)
    found = found.where(found.visible(last_load(connection, namespace)) | own)
    marked = _conflicts(connection, namespace, load, table)
    columns = {
        "id": found.rows.column(table.id),
        "since": pa.array(found.since, pa.int64()),
        "conflict": pc.is_in(found.rows.column(table.id), marked),
        **{name: found.rows.column(name) for name in hidden},
    }
    known = conform(pa.table(columns), CURRENT)
    if not len(marked):
        return known
    # ids that are marked though nothing of them was written still have to be known as marked
    own_ids = known.filter(pc.equal(known.column("since"), pa.scalar(load, pa.int64()))).column("id")
    bare = marked.filter(pc.and_(pc.is_in(marked, asked), pc.invert(pc.is_in(marked, own_ids.combine_chunks()))))
    count = len(bare)
    extra = pa.table(
        {"id": bare, "since": pa.array([load] * count, pa.int64()), "conflict": pa.array([True] * count, pa.bool_())}
    )
    return pa.concat_tables([known, conform(extra, CURRENT)])


def _conflicts(connection: sqlite3.Connection, namespace: str, load: int, table: Table) -> pa.Array[Any]:
    rows = connection.execute(
        "SELECT id FROM conflicts WHERE namespace = ? AND load = ? AND name = ? ORDER BY id",
        (namespace, load, table.name),
    )
    return pa.array([row[0] for row in rows], pa.string())


def write(
    connection: sqlite3.Connection,
    namespace: str,
    load: int,
    table: Table,
    rows: pa.Table,
    conflicts: Sequence[str],
    found_by: Sequence[str],
) -> None:
    """See `Store.write`; `found_by` are the columns by which rows can be found, the id among them."""
    rows = ordered(conform(rows, stored_schema(table), where=table.name), table)
    head = last_load(connection, namespace)
    if rows.num_rows:
        before = _of_ids(connection, namespace, table, rows.column(table.id).combine_chunks(), ())
        own = (before.since == load) & (before.ends == 0)
        if table.kind is Kind.PLACE:
            present = before.rows.column(table.id).filter(pa.array(own | before.visible(head)))
            rows = rows.filter(pc.invert(pc.is_in(rows.column(table.id), present.combine_chunks())))
        else:
            # an end at the row's own `since` hides it from everybody, and goes with the load if that is swept
            blocks.end(connection, table, before.refs[own], load)
            replaced = before.refs[before.visible(head)]
            if len(replaced):
                connection.execute(
                    "INSERT INTO pending VALUES(?, ?, ?, ?)", (namespace, load, table.name, replaced.tobytes())
                )
        refs = blocks.append(connection, namespace, table, rows, load)
        for column in found_by:
            _post(connection, namespace, table, column, load, rows.column(column), refs)
        # looking up ids is part of every batch, so their postings are kept in few pieces while the load goes on
        for name, column, segs in postings.due(connection, namespace, load, table.name):
            if column == table.id:
                postings.merge(connection, namespace, name, column, load, segs)
    if conflicts:
        connection.executemany(
            "INSERT OR IGNORE INTO conflicts VALUES(?, ?, ?, ?)",
            [(namespace, load, table.name, id_) for id_ in conflicts],
        )


def _post(
    connection: sqlite3.Connection,
    namespace: str,
    table: Table,
    column: str,
    load: int,
    values: pa.ChunkedArray[Any],
    refs: Ints,
) -> None:
    if values.null_count:
        present = values.is_valid()
        values, refs = values.filter(present), refs[present.to_numpy()]
    postings.add(connection, namespace, table.name, column, load, hashes(values), refs)


def finish(connection: sqlite3.Connection, namespace: str, load: int, *, report: str, at: int) -> None:
    """Make the load's rows the ones that readers see."""
    head = last_load(connection, namespace)
    for table in SOURCE_TABLES:
        marked = _conflicts(connection, namespace, load, table)
        spared = np.empty(0, np.int64)
        if len(marked):
            found = _of_ids(connection, namespace, table, marked, ())
            blocks.end(connection, table, found.refs[(found.since == load) & (found.ends == 0)], load)
            spared = found.refs[found.visible(head)]
        replaced = connection.execute(
            "SELECT refs FROM pending WHERE namespace = ? AND load = ? AND name = ?", (namespace, load, table.name)
        ).fetchall()
        if replaced:
            refs = distinct(np.concatenate([np.frombuffer(blob, np.int64) for (blob,) in replaced]))
            blocks.end(connection, table, np.setdiff1d(refs, spared, assume_unique=True), load)
    for name in ("conflicts", "pending"):
        connection.execute(f"DELETE FROM {name} WHERE namespace = ? AND load = ?", (namespace, load))  # noqa: S608
    connection.execute("UPDATE segments SET load = 0 WHERE namespace = ? AND load = ?", (namespace, load))
    connection.execute(
        "UPDATE loads SET state = 'finished', finished_at = ?, report = ? WHERE namespace = ? AND load = ?",
        (at, report, namespace, load),
    )
    connection.execute(
        "INSERT INTO head VALUES(?, ?, NULL) ON CONFLICT(namespace) DO UPDATE SET load = excluded.load",
        (namespace, load),
    )


def records(connection: sqlite3.Connection, namespace: str) -> list[LoadRecord]:
    """All loads, oldest first."""
    rows = connection.execute(
        "SELECT load, state, started_at, finished_at, source, report FROM loads WHERE namespace = ? ORDER BY load",
        (namespace,),
    )
    return [LoadRecord(*row) for row in rows]


def find(
    connection: sqlite3.Connection,
    namespace: str,
    table: Table,
    column: str,
    values: Sequence[str | bytes],
    *,
    columns: Sequence[str],
    after: str,
    limit: int | None,
    known_by: int,
) -> pa.Table:
    """See `Store.find`."""
    if column != table.id and column not in table.indexes:
        raise ValueError(f"{table.name}.{column} is neither the id nor indexed")
    type_ = stored_schema(table).field(column).type
    wanted = pa.array(list(values), type_)
    names = list(columns) or list(table.names)
    read = list(dict.fromkeys([*names, table.id, column]))
    refs = postings.lookup(connection, namespace, table.name, column, hashes(wanted))
    found = blocks.pick(connection, table, refs, read)
    if not len(refs):
        return found.rows.select(names)
    keep = pc.is_in(found.rows.column(column), wanted)
    keep = pc.and_(keep, pa.array(found.visible(known_by)))
    if after:
        keep = pc.and_(keep, pc.greater(found.rows.column(table.id), pa.scalar(after, pa.string())))
    rows = found.rows.filter(keep)
    rows = rows.take(pc.sort_indices(rows.column(table.id)))
    return (rows if limit is None else rows.slice(0, limit)).select(names).combine_chunks()
