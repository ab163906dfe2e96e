"""The digest that tells rows of one id apart.

The digest of a row is 64 bits mixed from its stored values in declared order, so that the same content has the same
digest whatever file, format or order it came in; a change of one number is always seen, any other but for one in 2^64.
`updated_at` is part of it: the same content with a newer stamp must win over a middling one that comes later.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from graph.columns import arrow_type
from graph.hashing import Words, hashes, mix
from graph.schema import Table, Type

_ABSENT = np.uint64(0xD6E8FEB86659FD93)
"""Stands for a null in a digest; as a number it is beyond every instant and amount."""


def with_digest(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The rows with `digest` (int64). `rows` holds the table's columns and `updated_at` (µs, null where not given)."""
    states = np.zeros(rows.height, np.uint64)
    kinds = {column.name: column.type for column in table.columns}
    for name in (*table.names, "updated_at"):
        column = rows[name]
        values = np.full(rows.height, _ABSENT)
        values[column.is_not_null().to_numpy()] = _words(column.drop_nulls(), kinds.get(name, Type.INSTANT))
        states = mix(states, values)
    return rows.with_columns(pl.Series("digest", states.view(np.int64)))


def _words(column: pl.Series, kind: Type) -> Words:
    """64 bits for each value of a column without nulls: numbers are themselves, text and keys are hashed."""
    match kind:
        case Type.KEY:
            return hashes(column.cast(pl.Binary).to_arrow().cast(arrow_type(Type.KEY))).view(np.uint64)
        case Type.TEXTS:
            return hashes(column.list.join(";").to_arrow().cast(pa.string())).view(np.uint64)
        case Type.TEXT:
            return hashes(column.to_arrow().cast(pa.string())).view(np.uint64)
        case Type.REAL:
            # adding zero makes -0.0 and 0.0 the same bits
            return (column.cast(pl.Float64).to_numpy() + 0.0).view(np.uint64)
        case _:
            return column.cast(pl.Int64).to_numpy().view(np.uint64)
