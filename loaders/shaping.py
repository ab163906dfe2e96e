"""Puts checked, pseudonymised rows into the store's columns: derived ids, and the digest that tells rows apart.

The digest of a row is 64 bits mixed from its stored values in declared order, so that the same content has the same
digest whatever file, format or order it came in; a change of one number is always seen, any other but for one in 2^64.
`updated_at` is part of it: the same content with a newer stamp must win over a middling one that comes later.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
import pyarrow as pa

from graph.hashing import Words, hashes, mix
from graph.schema import BY_NAME, Table, Type
from loaders.contract import Contract
from loaders.keying import KEY_BYTES

SEPARATOR = "\x1f"
_NULL = "\x1e"
_ABSENT = np.uint64(0xD6E8FEB86659FD93)
"""Stands for a null in a digest; as a number it is beyond every instant and amount."""


def shaped(contract: Contract, rows: pl.DataFrame) -> pl.DataFrame:
    """Contract rows in the store's columns, with ids and digest."""
    table = BY_NAME[contract.stored]
    rows = rows.rename({field.name: field.target for field in contract.fields if field.target != field.name})
    if table.name == "order_items":
        rows = item_ids(rows)
    elif table.id not in contract.names:
        rows = digest_ids(rows, table.id, table)
    return with_digest(rows.select(*table.names, "updated_at", "line"), table)


def item_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Lines of an order are identified by order and sku; ids hold no control characters, so the separator is safe."""
    return rows.with_columns(pl.concat_str("order_id", "sku", separator=SEPARATOR).alias("item_id"))


def digest_ids(rows: pl.DataFrame, name: str, table: Table) -> pl.DataFrame:
    """Rows that have no id of their own are identified by 128 bits of their content, in hex."""
    parts = [column.name for column in table.columns if column.name != name]
    texts = _canonical(rows, table, parts)
    ids = [blake2b(text, digest_size=16).hexdigest() for text in texts]
    return rows.with_columns(pl.Series(name, ids, pl.String))


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
            return hashes(column.cast(pl.Binary).to_arrow().cast(pa.binary(KEY_BYTES))).view(np.uint64)
        case Type.TEXTS:
            return hashes(column.list.join(";").to_arrow().cast(pa.string())).view(np.uint64)
        case Type.TEXT:
            return hashes(column.to_arrow().cast(pa.string())).view(np.uint64)
        case Type.REAL:
            # adding zero makes -0.0 and 0.0 the same bits
            return (column.cast(pl.Float64).to_numpy() + 0.0).view(np.uint64)
        case _:
            return column.cast(pl.Int64).to_numpy().view(np.uint64)


def _canonical(rows: pl.DataFrame, table: Table, names: list[str]) -> list[bytes]:
    """One text a row, in UTF-8: the values in order, between separators, null marked apart from empty."""
    kinds = {column.name: column.type for column in table.columns}

    def text(name: str) -> pl.Expr:
        column = pl.col(name)
        match kinds.get(name, Type.INSTANT):
            case Type.KEY:
                column = column.cast(pl.Binary).bin.encode("hex")
            case Type.TEXTS:
                column = column.list.join(";")
            case Type.REAL:
                # adding zero makes -0.0 and 0.0 the same text
                column = (column + 0.0).cast(pl.String)
            case Type.TEXT:
                pass
            case _:
                column = column.cast(pl.String)
        return column.fill_null(_NULL)

    whole = pl.concat_str([text(name) for name in names], separator=SEPARATOR).cast(pl.Binary)
    return rows.select(whole).to_series().to_list()
