"""Arrow tables as plain Python values, typed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """One dict a row, column name to value."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def texts(table: pa.Table, column: str) -> list[str]:
    """The values of a text column that holds no nulls."""
    values: list[Any] = table[column].to_pylist()
    return values
