"""Arrow tables as plain Python values, typed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

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


def keys(table: pa.Table, column: str) -> set[bytes]:
    """The distinct pseudonyms of a key column, nulls left out."""
    values: list[Any] = table[column].unique().drop_null().to_pylist()
    return set(values)
