"""Forgetting one buyer: identifiers, notes, pictures and parcels are blanked in every version, uses are deleted, and
identifiers that nobody else refers to go too. Freed bytes are overwritten (`secure_delete`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.columns import stored_schema
from graph.hashing import Ints, Mask, distinct, hashes
from graph.schema import BY_NAME, ERASED, SOURCE_TABLES, Table, Type
from graph.sqlite import blocks, postings
from graph.sqlite.postings import POSITION_BITS


def forget(connection: sqlite3.Connection, namespace: str, buyer_id: str) -> dict[str, int]:
    """Erase; how many rows of each table were touched, and how many identifiers went."""
    orders, uses, refunds = BY_NAME["orders"], BY_NAME["uses"], BY_NAME["refunds"]
    mine = pa.array([buyer_id], pa.string())
    order_refs, order_rows = _having(connection, namespace, orders, "buyer_id", mine)
    use_refs, use_rows = _having(connection, namespace, uses, "buyer_id", mine)
    order_ids = pa.array(order_rows.column("order_id").unique().to_pylist(), pa.string())
    refund_refs, refund_rows = _having(connection, namespace, refunds, "order_id", order_ids)
    keys = _keys([*(order_rows.column(name) for name in ERASED["orders"]), use_rows.column("key")])
    keys |= _keys([refund_rows.column("parcel")])
    counts = {
        "orders": _count_filled(order_rows, ERASED["orders"]),
        "refunds": _count_filled(refund_rows, ERASED["refunds"]),
        "uses": use_rows.num_rows,
    }
    _blank(connection, namespace, orders, order_refs, ERASED["orders"])
    _blank(connection, namespace, refunds, refund_refs, ERASED["refunds"])
    _blank(connection, namespace, uses, use_refs, uses.names)
    counts["identifiers"] = _drop_unused(connection, namespace, keys)
    return counts


def _having(
    connection: sqlite3.Connection, namespace: str, table: Table, column: str, values: pa.Array[Any]
) -> tuple[Ints, pa.Table]:
    """References and rows, of every version, whose column is one of the values."""
    refs = postings.lookup(connection, namespace, table.name, column, hashes(values))
    found = blocks.pick(connection, table, refs, table.names)
    if len(refs):
        found = found.where(pc.is_in(found.rows.column(column), values).fill_null(False).to_numpy())
    return found.refs, found.rows


def _keys(columns: Sequence[pa.ChunkedArray[Any]]) -> set[bytes]:
    return {key for column in columns for key in column.to_pylist() if key is not None}


def _count_filled(rows: pa.Table, names: Sequence[str]) -> int:
    filled = np.zeros(rows.num_rows, bool)
    for name in names:
        filled |= rows.column(name).is_valid().to_numpy()
    return int(filled.sum())


def _blank(connection: sqlite3.Connection, namespace: str, table: Table, refs: Ints, names: Sequence[str]) -> None:
    """Set the named columns to null in the referenced rows; where the id is among them the row is gone for all."""
    if not len(refs):
        return
    positions = refs & ((1 << POSITION_BITS) - 1)
    numbers, starts = np.unique(refs >> POSITION_BITS, return_index=True)
    groups = dict(zip(numbers.tolist(), np.split(positions, starts[1:]), strict=True))
    for column in (name for name in (table.id, *table.indexes) if name in names):
        values = blocks.pick(connection, table, refs, [column]).rows.column(column)
        present = values.is_valid()
        postings.erase(
            connection, namespace, table.name, column, hashes(values.filter(present)), refs[present.to_numpy()]
        )
    whole_row = table.id in names
    if whole_row:
        # hidden from every reader: the row ends with the load that brought it
        found = blocks.pick(connection, table, refs, [table.id])
        for since in np.unique(found.since).tolist():
            _end_at(connection, table, refs[found.since == since], since)
    schema = stored_schema(table)
    form = schema.serialize().to_pybytes()
    connection.execute("INSERT OR IGNORE INTO layouts(form) VALUES(?)", (form,))
    (layout,) = connection.execute("SELECT layout FROM layouts WHERE form = ?", (form,)).fetchone()
    for block in list(blocks.read(connection, table, numbers.tolist())):
        hit = np.zeros(block.rows.num_rows, bool)
        hit[groups[block.number]] = True
        arrays = [
            _blanked(block.rows.column(field.name), hit, field) if field.name in names or whole_row else column
            for field, column in zip(schema, block.rows.columns, strict=True)
        ]
        data = blocks.encode(pa.RecordBatch.from_arrays(arrays, schema=schema))
        update = f"UPDATE {table.name} SET layout = ?, data = ? WHERE block = ?"  # noqa: S608
        connection.execute(update, (layout, data, block.number))
        if whole_row:
            low = f"UPDATE {table.name} SET low = x'' WHERE block = ?"  # noqa: S608
            connection.execute(low, (block.number,))


def _end_at(connection: sqlite3.Connection, table: Table, refs: Ints, since: int) -> None:
    """Overwrite the rows' ends, earlier ones too, so that no reader of any load sees them."""
    for number in distinct(refs >> POSITION_BITS).tolist():
        of_block = refs[(refs >> POSITION_BITS) == number] & ((1 << POSITION_BITS) - 1)
        (count,) = connection.execute(f"SELECT rows FROM {table.name} WHERE block = ?", (number,)).fetchone()  # noqa: S608
        row = connection.execute(f"SELECT data FROM {table.name}_ends WHERE block = ?", (number,)).fetchone()  # noqa: S608
        ends = np.zeros(count, np.int64) if row is None else np.frombuffer(row[0], np.int64).copy()
        ends[of_block] = since
        connection.execute(
            f"INSERT OR REPLACE INTO {table.name}_ends VALUES(?, ?)",
            (number, ends.tobytes()),
        )


def _blanked(column: pa.Array[Any], hit: Mask, field: pa.Field[Any]) -> pa.Array[Any]:
    # built anew from what stays: masking in place would leave the old bytes in the buffer under the null
    values = column.to_pylist()
    kept = [None if gone else value for value, gone in zip(values, hit, strict=True)]
    blanked: pa.Array[Any] = pa.array(kept, field.type)
    return blanked


def _drop_unused(connection: sqlite3.Connection, namespace: str, keys: set[bytes]) -> int:
    """Delete the identifiers of these keys that no row refers to any more, then the wider places of those."""
    table = BY_NAME["identifiers"]
    dropped = 0
    while keys:
        candidates = pa.array(sorted(keys), pa.binary(16))
        free = pc.invert(pc.is_in(candidates, _referred(connection, namespace, candidates)))
        gone = candidates.filter(free)
        refs, rows = _having(connection, namespace, table, "key", gone)
        dropped += rows.num_rows
        keys = _keys([rows.column("within"), rows.column("bare")]) - set(gone.to_pylist())
        _blank(connection, namespace, table, refs, table.names)
    return dropped


def _referred(connection: sqlite3.Connection, namespace: str, keys: pa.Array[Any]) -> pa.Array[Any]:
    """Those of the keys that some row, of any version, or some other identifier still refers to."""
    still: set[bytes] = set()
    for table in SOURCE_TABLES:
        for column in table.columns:
            if column.type is Type.KEY and column.name in table.indexes:
                _, rows = _having(connection, namespace, table, column.name, keys)
                still |= _keys([rows.column(column.name)])
    table = BY_NAME["identifiers"]
    query = f"SELECT block FROM {table.name} WHERE namespace = ?"  # noqa: S608
    numbers = [number for (number,) in connection.execute(query, (namespace,))]
    for block in blocks.read(connection, table, numbers):
        for name in ("within", "bare"):
            wider = block.rows.column(name)
            own = pc.equal(wider, block.rows.column("key"))
            hit = pc.is_in(wider, keys).to_numpy(zero_copy_only=False) & ~np.asarray(own.fill_null(False))
            still |= _keys([pa.chunked_array([wider.filter(pa.array(hit))])])
    return pa.array(sorted(still), pa.binary(16))
