"""Blocks: up to 512 rows of a table, sorted by id, kept as one Arrow record batch in one SQLite row.

A block never changes (but for `forget`, which blanks). Which of its rows have been replaced, and by which load, stands
beside it: `ends` is one int64 a row, 0 while the row is the newest. A row is visible to a reader of load K where its
block's `since` <= K and its end is 0 or > K; a row that its own load replaced ends at `since` and is never visible.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.columns import conform, stored_schema
from graph.errors import StoreProblem
from graph.hashing import Ints, Mask
from graph.schema import Table
from graph.sqlite.postings import POSITION_BITS

ROWS = 512
"""Rows of a full block: small enough that finding one row reads little, large enough that scanning is one copy."""

_MASK = (1 << POSITION_BITS) - 1


@dataclass(frozen=True)
class Block:
    """One block as read: its number, the load that wrote it, its rows, and where they end (None: all are newest)."""

    number: int
    since: int
    rows: pa.RecordBatch
    ends: Ints | None

    def visible(self, known_by: int) -> Mask | None:
        """Mask of the rows that a reader of load `known_by` sees; None where that is all of them."""
        if self.since > known_by:
            return np.zeros(self.rows.num_rows, bool)
        if self.ends is None:
            return None
        mask: Mask = (self.ends == 0) | (self.ends > known_by)
        return mask


def _layout(connection: sqlite3.Connection, schema: pa.Schema) -> int:
    form = schema.serialize().to_pybytes()
    row = connection.execute("SELECT layout FROM layouts WHERE form = ?", (form,)).fetchone()
    if row is None:
        return int(connection.execute("INSERT INTO layouts(form) VALUES(?)", (form,)).lastrowid or 0)
    return int(row[0])


def _layouts(connection: sqlite3.Connection) -> dict[int, pa.Schema]:
    rows = connection.execute("SELECT layout, form FROM layouts")
    return {layout: pa.ipc.read_schema(pa.py_buffer(form)) for layout, form in rows}


def encode(batch: pa.RecordBatch) -> bytes:
    """The record batch as bytes, with a checksum behind it: reading damaged Arrow bytes could crash the process."""
    data = batch.serialize().to_pybytes()
    return data + zlib.crc32(data).to_bytes(4, "little")


def _decode(data: bytes, layout: pa.Schema, schema: pa.Schema) -> pa.RecordBatch:
    body = memoryview(data)[:-4]
    if zlib.crc32(body) != int.from_bytes(data[-4:], "little"):
        raise StoreProblem("the store is damaged (a block's checksum is wrong)", do="restore it from a copy")
    batch = pa.ipc.read_record_batch(pa.py_buffer(body), layout)
    if layout.equals(schema):
        return batch
    # written under an older declaration: columns that it lacked read as nulls, ones since dropped are left out
    known = [name for name in batch.schema.names if schema.get_field_index(name) >= 0]
    table = conform(pa.Table.from_batches([batch]).select(known), schema)
    return table.combine_chunks().to_batches(max_chunksize=None)[0]


def _slices(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    whole = rows.combine_chunks()
    for at in range(0, whole.num_rows, ROWS):
        piece = whole.slice(at, ROWS).combine_chunks().to_batches()
        yield piece[0]


def append(connection: sqlite3.Connection, namespace: str, table: Table, rows: pa.Table, owner: int | str) -> Ints:
    """Write rows (sorted by id, in the table's stored schema) as new blocks of a load or of a run.

    Returns the reference of each row (int64)."""
    if rows.num_rows == 0:
        return np.empty(0, np.int64)
    layout = _layout(connection, rows.schema)
    (start,) = connection.execute(f"SELECT coalesce(max(block), 0) + 1 FROM {table.name}").fetchone()  # noqa: S608
    of_load = isinstance(owner, int)
    values: list[tuple[object, ...]] = []
    for number, batch in enumerate(_slices(rows), start):
        data = encode(batch)
        low = (batch.column(table.id)[0].as_py().encode(),) if of_load else ()
        values.append((number, namespace, owner, batch.num_rows, *low, layout, data))
    places = ", ".join("?" * len(values[0]))
    connection.executemany(f"INSERT INTO {table.name} VALUES({places})", values)
    at = np.arange(rows.num_rows)
    refs: Ints = ((start + at // ROWS) << POSITION_BITS) | (at % ROWS)
    return refs


def read(connection: sqlite3.Connection, table: Table, numbers: Iterable[int]) -> Iterator[Block]:
    """The numbered blocks of a versioned table, in the order of their numbers."""
    schema, layouts = stored_schema(table), _layouts(connection)
    query = (
        f"SELECT b.block, b.since, b.layout, b.data, e.data FROM {table.name} b "  # noqa: S608
        f"LEFT JOIN {table.name}_ends e ON e.block = b.block "
        "WHERE b.block IN (SELECT value FROM json_each(?)) ORDER BY b.block"
    )
    for number, since, layout, data, ends in connection.execute(query, (json.dumps(list(numbers)),)):
        yield Block(
            number,
            since,
            _decode(data, layouts[layout], schema),
            None if ends is None else np.frombuffer(ends, np.int64),
        )


def read_run(connection: sqlite3.Connection, namespace: str, table: Table, run_id: str) -> pa.Table:
    """Every row of one run's table, in the order written."""
    schema, layouts = stored_schema(table), _layouts(connection)
    query = f"SELECT layout, data FROM {table.name} WHERE namespace = ? AND run_id = ? ORDER BY block"  # noqa: S608
    batches = [
        _decode(data, layouts[layout], schema) for layout, data in connection.execute(query, (namespace, run_id))
    ]
    return pa.Table.from_batches(batches, schema=schema)


def end(connection: sqlite3.Connection, table: Table, refs: Ints, load: int) -> None:
    """Let the referenced rows end at `load`. A row's first end stands."""
    if not len(refs):
        return
    blocks, positions = refs >> POSITION_BITS, refs & _MASK
    numbers, starts = np.unique(blocks, return_index=True)
    order = np.argsort(blocks, kind="stable")
    groups = np.split(positions[order], np.searchsorted(blocks[order], numbers[1:]))
    assert len(starts) == len(groups)
    for number, group in zip(numbers.tolist(), groups, strict=True):
        row = connection.execute(
            f"SELECT b.rows, e.data FROM {table.name} b LEFT JOIN {table.name}_ends e ON e.block = b.block "  # noqa: S608
            "WHERE b.block = ?",
            (number,),
        ).fetchone()
        ends = np.zeros(row[0], np.int64) if row[1] is None else np.frombuffer(row[1], np.int64).copy()
        ends[group[ends[group] == 0]] = load
        connection.execute(
            f"INSERT OR REPLACE INTO {table.name}_ends VALUES(?, ?)",
            (number, ends.tobytes()),
        )


@dataclass(frozen=True)
class Found:
    """Rows picked by reference: parallel columns of the rows themselves, their references, since and end."""

    rows: pa.Table
    refs: Ints
    since: Ints
    ends: Ints

    def where(self, mask: Mask) -> Found:
        """Those for which the mask holds."""
        return Found(self.rows.filter(pa.array(mask)), self.refs[mask], self.since[mask], self.ends[mask])

    def visible(self, known_by: int) -> Mask:
        """Mask of the rows that a reader of load `known_by` sees."""
        mask: Mask = (self.since <= known_by) & ((self.ends == 0) | (self.ends > known_by))
        return mask


def pick(connection: sqlite3.Connection, table: Table, refs: Ints, columns: Sequence[str]) -> Found:
    """The referenced rows (ascending, distinct references), with the named columns."""
    schema = stored_schema(table)
    wanted = pa.schema([schema.field(name) for name in columns])
    batches, since, ends = [], [], []
    numbers, starts = np.unique(refs >> POSITION_BITS, return_index=True)
    groups = dict(zip(numbers.tolist(), np.split(refs & _MASK, starts[1:]), strict=True)) if len(numbers) else {}
    for block in read(connection, table, numbers.tolist()):
        positions = groups[block.number]
        batches.append(block.rows.select(list(columns)).take(pa.array(positions, pa.int64())))
        since.append(np.full(len(positions), block.since))
        ends.append(np.zeros(len(positions), np.int64) if block.ends is None else block.ends[positions])
    nothing = np.empty(0, np.int64)
    return Found(
        pa.Table.from_batches(batches, schema=wanted),
        refs,
        np.concatenate(since) if since else nothing,
        np.concatenate(ends) if ends else nothing,
    )


def scan(
    connection: sqlite3.Connection,
    namespace: str,
    table: Table,
    columns: Sequence[str],
    known_by: int,
    batch: int,
    begins: Sequence[str] = (),
) -> Iterator[pa.RecordBatch]:
    """All rows visible at load `known_by`, sorted by id, in batches of at most `batch` rows; where `begins` are given,
    those whose id begins with one of them.

    Blocks are taken by their lowest id; what lies below the lowest id of the next block can be given out. Blocks that
    follow each other without overlap, as those of one load do, are given out as they lie, without sorting. Memory
    holds the blocks that overlap: little where batches came sorted, all of them in the worst case."""
    query = f"SELECT block, low, rows FROM {table.name} WHERE namespace = ? AND since <= ?"  # noqa: S608
    # a block's highest id is not known
    beyond = [f"{max(begins)}\U0010ffff".encode()] if begins else []
    query += " AND low < ?" * len(beyond) + " ORDER BY low, block"
    directory = connection.execute(query, [namespace, known_by, *beyond]).fetchall()
    names = list(columns) if table.id in columns else [*columns, table.id]
    schema = stored_schema(table)
    wanted = pa.schema([schema.field(name) for name in names])
    held = wanted.empty_table()
    at = 0
    while at < len(directory):
        # taking as many again as are held keeps the sorting within n log n where ranges overlap widely
        first, goal, count = at, max(batch, held.num_rows), 0
        while at < len(directory) and count < goal:
            count += directory[at][2]
            at += 1
        pieces = _visible(connection, table, [row[0] for row in directory[first:at]], known_by)
        bound = directory[at][1].decode() if at < len(directory) else None
        taken = pa.Table.from_batches(pieces, schema).select(names)
        if begins:
            taken = taken.filter(_begin(taken.column(table.id), begins))
        if not held.num_rows and _follow(pieces, table.id, bound):
            given = taken
        else:
            held = pa.concat_tables([held, taken]).combine_chunks()
            ids = held.column(table.id)
            order, ready = pc.sort_indices(ids), held.num_rows
            if bound is not None:
                ready = int(pc.less(ids, pa.scalar(bound, pa.string())).to_numpy().sum())
            given, held = held.select(list(columns)).take(order.slice(0, ready)), held.take(order.slice(ready))
        whole = given.select(list(columns)).combine_chunks()
        yield from (piece for piece in whole.to_batches(max_chunksize=batch) if piece.num_rows)


def _begin(ids: Any, begins: Sequence[str]) -> Any:
    """Whether each id of the chunked column begins with one of `begins`."""
    return reduce(pc.or_, (pc.starts_with(ids, one) for one in begins))


def _visible(
    connection: sqlite3.Connection, table: Table, numbers: Sequence[int], known_by: int
) -> list[pa.RecordBatch]:
    """The visible rows of the numbered blocks, block by block in the order of `numbers`."""
    pieces = {}
    for block in read(connection, table, numbers):
        mask = block.visible(known_by)
        pieces[block.number] = block.rows if mask is None else block.rows.filter(pa.array(mask))
    return [pieces[number] for number in numbers]


def _follow(pieces: Sequence[pa.RecordBatch], id_: str, bound: str | None) -> bool:
    """Whether the ids of each piece, ascending within it, lie above those of the one before, and all below `bound`."""
    last = ""
    for piece in pieces:
        ids = piece.column(id_)
        if len(ids):
            if ids[0].as_py() <= last:
                return False
            last = ids[-1].as_py()
    return bound is None or last < bound
