"""Puts checked, pseudonymised rows into the store's columns, with derived ids and the digest that tells rows apart."""

from __future__ import annotations

from hashlib import blake2b

import polars as pl

from graph.digests import with_digest
from graph.schema import BY_NAME, ID_SEPARATOR, Table, Type
from loaders.contract import Contract

_NULL = "\x1e"


def shaped(contract: Contract, rows: pl.DataFrame) -> pl.DataFrame:
    """Contract rows in the store's columns, with ids and digest."""
    table = BY_NAME[contract.stored]
    rows = rows.rename({field.name: field.target for field in contract.fields if field.target != field.name})
    if table.id_of:
        rows = made_ids(rows, table)
    elif table.id not in contract.names:
        rows = digest_ids(rows, table.id, table)
    return with_digest(rows.select(*table.names, "updated_at", "line"), table)


def made_ids(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows with the id that is made of other columns of theirs."""
    return rows.with_columns(pl.concat_str(table.id_of, separator=ID_SEPARATOR).alias(table.id))


def digest_ids(rows: pl.DataFrame, name: str, table: Table) -> pl.DataFrame:
    """Rows that have no id of their own are identified by 128 bits of their content, in hex."""
    parts = [column.name for column in table.columns if column.name != name]
    texts = _canonical(rows, table, parts)
    ids = [blake2b(text, digest_size=16).hexdigest() for text in texts]
    return rows.with_columns(pl.Series(name, ids, pl.String))


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

    whole = pl.concat_str([text(name) for name in names], separator=ID_SEPARATOR).cast(pl.Binary)
    return rows.select(whole).to_series().to_list()
