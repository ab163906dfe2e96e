"""Arrow tables as plain Python values, typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from graph.columns import arrow_schema
from graph.schema import BY_NAME
from graph.store import Store

_PART = 1_000


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """One dict a row, column name to value."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def texts(table: pa.Table, column: str) -> list[str]:
    """The values of a text column that holds no nulls.

    Converted a part at a time: one call holds the interpreter until it returns, and a server answers others between."""
    values: list[Any] = []
    for start in range(0, table.num_rows, _PART):
        values += table[column].slice(start, _PART).to_pylist()
    return values


def counts(table: pa.Table, column: str) -> dict[str, int]:
    """How many rows have each value of a text column, in code-point order of the values."""
    found: Any = table[column].value_counts()
    return dict(sorted((one["values"], one["counts"]) for one in found.to_pylist()))


def keys(table: pa.Table, column: str) -> set[bytes]:
    """The distinct pseudonyms of a key column, nulls left out."""
    values: list[Any] = table[column].unique().drop_null().to_pylist()
    return set(values)


def frame_of(table: pa.Table) -> pl.DataFrame:
    """The table as a polars frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def scan_frame(store: Store, table: str, columns: Sequence[str], *, known_by: int) -> pl.DataFrame:
    """Columns of all rows of a table as known by load `known_by` (0: before any, no rows), sorted by id."""
    schema = arrow_schema(BY_NAME[table])
    empty = pa.schema([schema.field(name) for name in columns])
    batches = list(store.scan(table, columns, known_by=known_by)) if known_by else []
    return frame_of(pa.Table.from_batches(batches, empty))


def find_frame(
    store: Store, table: str, column: str, values: Sequence[str | bytes], columns: Sequence[str], *, known_by: int
) -> pl.DataFrame:
    """Columns of the rows whose `column` is one of `values`, as known by load `known_by` (0: none), sorted by id."""
    if not values or not known_by:
        schema = arrow_schema(BY_NAME[table])
        return frame_of(pa.schema([schema.field(name) for name in columns]).empty_table())
    return frame_of(store.find(table, column, sorted(set(values)), columns=columns, known_by=known_by))
