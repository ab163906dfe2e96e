"""How declared column types stand in Arrow: the one form in which batches go into a store and columns come out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graph.schema import ID_SEPARATOR, Kind, Table, Type

_ARROW: dict[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.INT: pa.int64(),
    Type.REAL: pa.float64(),
    Type.BOOL: pa.bool_(),
    Type.INSTANT: pa.int64(),
    Type.MONEY: pa.int64(),
    Type.KEY: pa.binary(16),
    Type.TEXTS: pa.list_(pa.string()),
}


def fields(types: Mapping[str, pa.DataType]) -> pa.Schema:
    """A schema of nullable fields."""
    return pa.schema([pa.field(name, type_) for name, type_ in types.items()])


HIDDEN = pa.schema(
    [
        pa.field("digest", pa.int64()),
        pa.field("updated_at", pa.int64()),
        pa.field("file", pa.int32()),
        pa.field("line", pa.int64()),
    ]
)
"""What a batch of a SOURCE table carries beside its declared columns; see `Store.write`."""

CURRENT = fields(
    {
        "id": pa.string(),
        "since": pa.int64(),
        "digest": pa.int64(),
        "updated_at": pa.int64(),
        "conflict": pa.bool_(),
        "file": pa.int32(),
        "line": pa.int64(),
    }
)
"""Columns of `Store.current`."""

QUARANTINE = fields(
    {
        "table": pa.string(),
        "file": pa.string(),
        "line": pa.int64(),
        "column": pa.string(),
        "value": pa.string(),
        "rule": pa.string(),
        "action": pa.string(),
    }
)
"""Columns of `Store.quarantine`; `Store.quarantined` puts `seq` and `load` (int64) before them."""


QUARANTINED = pa.schema([pa.field("seq", pa.int64()), pa.field("load", pa.int64()), *QUARANTINE])
"""Columns of `Store.quarantined`."""

JOURNAL = fields({"seq": pa.int64(), "at": pa.int64(), "id": pa.string(), "body": pa.string()})
"""Columns of `Store.notes`."""


def arrow_type(type_: Type) -> pa.DataType:
    """The Arrow type of a declared column type."""
    return _ARROW[type_]


def arrow_schema(table: Table) -> pa.Schema:
    """The table's declared columns, in declared order, as an Arrow schema (every field nullable)."""
    return pa.schema([pa.field(column.name, _ARROW[column.type]) for column in table.columns])


def stored_schema(table: Table) -> pa.Schema:
    """What a batch given to `Store.write` holds: the declared columns, and for SOURCE tables the hidden ones."""
    declared = arrow_schema(table)
    return pa.schema([*declared, *HIDDEN]) if table.kind is Kind.SOURCE else declared


def conform(rows: pa.Table, schema: pa.Schema, *, where: str = "") -> pa.Table:
    """`rows` with exactly the schema's columns, in its order and types.

    A column that is lacking becomes nulls; one that the schema doesn't name is an error, so that a misspelt name is
    not lost in silence. Raises ValueError, naming `where`."""
    unknown = [name for name in rows.column_names if schema.get_field_index(name) < 0]
    if unknown:
        raise ValueError(f"{where}: no such columns: {', '.join(unknown)}")
    if rows.schema.equals(schema):
        return rows
    columns = []
    for field in schema:
        if rows.schema.get_field_index(field.name) < 0:
            columns.append(pa.chunked_array([pa.nulls(rows.num_rows, field.type)]))
            continue
        column = rows.column(field.name)
        columns.append(column if column.type == field.type else _cast(column, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: pa.ChunkedArray[Any], type_: pa.DataType) -> pa.ChunkedArray[Any]:
    # polars gives text and bytes as views or large arrays; fixed-size binary is reached through plain binary
    if pa.types.is_fixed_size_binary(type_) and not pa.types.is_null(column.type):
        return column.cast(pa.binary()).cast(type_)
    return column.cast(type_)


NO_TEXT = "\0"
NO_INT = -(2**63) + 1
"""What stands for null where a server gathers columns. No file holds them: ids and codes have no control characters,
amounts are not negative, times begin in 1990."""


def ordered(rows: pa.Table, table: Table) -> pa.Table:
    """Sorted by id; of rows with one id the last stands. Raises ValueError for a row without an id or with one that is
    not made of its columns (`Table.id_of`), and for a value that a store could not give back as it was: `NO_TEXT`,
    `NO_INT`, a real that is no number, a list with a null."""
    if rows.column(table.id).null_count:
        raise ValueError(f"{table.name}: a row without {table.id}")
    if table.id_of and not _made_of(rows, table):
        raise ValueError(f"{table.name}: an id that is not {' and '.join(table.id_of)}")
    for column in table.columns:
        if _lost(rows.column(column.name), column.type):
            raise ValueError(f"{table.name}.{column.name}: a value that no store keeps")
    rows = rows.take(pc.sort_indices(rows.column(table.id)))
    ids = rows.column(table.id).combine_chunks()
    if len(ids) > 1:
        differs = pc.not_equal(ids.slice(0, len(ids) - 1), ids.slice(1))
        if pc.all(differs).as_py() is False:
            rows = rows.filter(pa.concat_arrays([differs, pa.array([True])]))
    return rows


def _made_of(rows: pa.Table, table: Table) -> bool:
    """Whether each id is its columns, which can be told from it."""
    parts: list[Any] = [rows.column(name) for name in table.id_of]
    inside = [pc.any(pc.match_substring(part, ID_SEPARATOR)).as_py() for part in parts]
    joined: Any = pc.binary_join_element_wise(*parts, ID_SEPARATOR)
    same = pc.equal(rows.column(table.id), joined)
    return not any(inside) and pc.all(same, skip_nulls=False).as_py() is True


def _lost(column: pa.ChunkedArray[Any], type_: Type) -> bool:
    match type_:
        case Type.TEXT:
            found = pc.equal(column, pa.scalar(NO_TEXT))
        case Type.TEXTS:
            inside = pc.list_flatten(column)
            if inside.null_count:
                return True
            found = pc.equal(inside, pa.scalar(NO_TEXT))
        case Type.REAL:
            found = pc.is_nan(column)
        case Type.INT | Type.INSTANT | Type.MONEY:
            found = pc.equal(column, pa.scalar(NO_INT))
        case _:
            return False
    return pc.any(found).as_py() is True


def to_table(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Rows of values as a table."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def body_text(body: object) -> str:
    """The body of a journal's row as JSON text."""
    return body if isinstance(body, str) else json.dumps(body, sort_keys=True, ensure_ascii=False)
