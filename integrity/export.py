"""Exports of a run: accounts, rings and evidence as CSV, Parquet or JSON Lines.

The same run gives the same bytes: rows by id in code-point order, floats rounded to 6 decimals, no wall clock and no
run id. Amounts are decimal text with the currency's decimals; an instant is ISO 8601 text in UTC (a UTC timestamp in
Parquet); a missing value is empty in CSV and null elsewhere. Lists are sorted; in CSV they are joined with `;`, and a
`;` or backslash inside an element is preceded by a backslash. CSV is UTF-8, lines end with a newline, fields are
quoted as RFC 4180 says. A file appears whole under its name or not at all.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from graph.errors import BadInput, StoreProblem
from graph.store import Store
from integrity.instants import to_iso
from integrity.money import to_text
from integrity.publication import find_run

What = Literal["accounts", "rings", "evidence"]

_TEXT, _REAL, _INT = pa.string(), pa.float64(), pa.int64()
_TEXTS, _AT = pa.list_(pa.string()), pa.timestamp("us", "UTC")


def _schema(columns: Sequence[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema([pa.field(name, type_) for name, type_ in columns])


SCHEMAS: Final[Mapping[What, pa.Schema]] = {
    "accounts": _schema(
        [
            ("buyer_id", _TEXT),
            ("status", _TEXT),
            ("risk", _REAL),
            ("ring_id", _TEXT),
            ("confidence", _REAL),
            ("limit_orders_30d", _INT),
            ("limit_amount_30d", _TEXT),
            ("currency", _TEXT),
            ("limit_store_ids", _TEXTS),
            ("expires_at", _AT),
            ("reasons", _TEXTS),
            ("limit_orders_1d", _INT),
            ("limit_amount_1d", _TEXT),
            ("limit_quantity", _INT),
            ("lift", _TEXT),
        ]
    ),
    "rings": _schema(
        [
            ("ring_id", _TEXT),
            ("members", _TEXTS),
            ("stores", _TEXTS),
            ("amount", _TEXT),
            ("currency", _TEXT),
            ("confidence", _REAL),
            ("first_at", _AT),
            ("last_at", _AT),
            ("reasons", _TEXTS),
        ]
    ),
    "evidence": _schema(
        [
            ("evidence_id", _TEXT),
            ("ring_id", _TEXT),
            ("buyer_id", _TEXT),
            ("kind", _TEXT),
            ("nats", _REAL),
            ("source_table", _TEXT),
            ("source_id", _TEXT),
        ]
    ),
}
"""Columns of each export, in order."""

FORMATS: Final = (".csv", ".parquet", ".jsonl")


def export(store: Store, what: What, path: Path, *, run_id: str | None = None) -> int:
    """Write one export of a run (default: the published one) to `path`, whose ending says the format; returns the
    number of rows.

    An existing file is replaced, atomically. Raises `NotFound` without such a run, `BadInput` for an unknown ending or
    a folder that isn't there."""
    if path.suffix not in FORMATS:
        ending = path.suffix or "no ending"
        raise BadInput(f"{ending!r} is no export format", where=str(path), do="use " + ", ".join(FORMATS))
    rows = export_table(store, what, run_id=run_id)
    write = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}[path.suffix]
    replace_file(path, write(rows))
    return rows.num_rows


def export_table(store: Store, what: What, *, run_id: str | None = None) -> pa.Table:
    """The rows of an export in the columns of `SCHEMAS`: sorted by id, lists sorted, floats rounded to 6 decimals."""
    run = find_run(store, run_id)
    frame, schema = _READERS[what](store, run.run_id), SCHEMAS[what]
    columns = []
    for field in schema:
        column = pl.col(field.name)
        if field.type == _TEXTS:
            column = column.fill_null(pl.lit([], dtype=pl.List(pl.String))).list.sort()
        elif field.type == _REAL:
            rounded = column.round(6)
            column = pl.when(rounded == 0).then(0.0).otherwise(rounded).alias(field.name)  # no negative zero
        columns.append(column)
    return frame.select(columns).sort(schema.names[0]).to_arrow().cast(schema)


def _accounts(store: Store, run_id: str) -> pl.DataFrame:
    found = _read(store, run_id, "run_accounts", ("buyer_id", "risk", "ring_id"))
    rings = _read(store, run_id, "run_rings", ("ring_id", "confidence"))
    rows = _read(store, run_id, "run_decisions", ()).join(found, on="buyer_id", how="left")
    rows = rows.join(rings, on="ring_id", how="left").with_columns(pl.col("risk").fill_null(0.0))
    return _with_decimal_text(rows, "limit_amount_1d", "limit_amount_30d")


def _rings(store: Store, run_id: str) -> pl.DataFrame:
    return _with_decimal_text(_read(store, run_id, "run_rings", ()), "amount")


def _evidence(store: Store, run_id: str) -> pl.DataFrame:
    return _read(store, run_id, "run_evidence", SCHEMAS["evidence"].names)


_READERS: Final[Mapping[What, Callable[[Store, str], pl.DataFrame]]] = {
    "accounts": _accounts,
    "rings": _rings,
    "evidence": _evidence,
}


def _read(store: Store, run_id: str, table: str, columns: Sequence[str]) -> pl.DataFrame:
    frame = pl.from_arrow(store.run_rows(run_id, table, columns=columns))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _with_decimal_text(rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Columns of minor units as decimal text of the row's currency."""
    currencies = rows["currency"].to_list()
    texts = {
        name: [
            None if minor is None else to_text(minor, currency)
            for minor, currency in zip(rows[name].to_list(), currencies, strict=True)
        ]
        for name in columns
    }
    return rows.with_columns(pl.Series(name, values, dtype=pl.String) for name, values in texts.items())


def _csv(rows: pa.Table) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows(zip(*(_cells(rows, field) for field in rows.schema), strict=True))
    return out.getvalue().encode()


def _cells(rows: pa.Table, field: pa.Field[Any]) -> list[str]:
    values = _values(rows, field)
    if field.type == _TEXTS:
        return [joined(value) for value in values]
    if field.type == _REAL:
        return ["" if value is None else f"{value:.6f}" for value in values]
    return ["" if value is None else str(value) for value in values]


def _values(rows: pa.Table, field: pa.Field[Any]) -> list[Any]:
    """One column as plain values, instants as text."""
    column = rows[field.name]
    if field.type == _AT:
        return [None if at is None else to_iso(at) for at in column.cast(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def joined(items: Iterable[str]) -> str:
    """A list in one CSV field: joined with `;`, which is escaped by a backslash inside an element."""
    return ";".join(item.replace("\\", "\\\\").replace(";", "\\;") for item in items)


def _jsonl(rows: pa.Table) -> bytes:
    names, columns = rows.column_names, [_values(rows, field) for field in rows.schema]
    return b"".join(orjson.dumps(dict(zip(names, row, strict=True))) + b"\n" for row in zip(*columns, strict=True))


def _parquet(rows: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(rows, out, compression="zstd")
    return out.getvalue().to_pybytes()


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` under `path`: readers find the old file or the new one."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise BadInput(
            f"cannot write there: {error.strerror}", where=str(path), do="give a folder that exists"
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise StoreProblem(
            f"writing failed: {error.strerror}", where=str(path), do="make room or choose another place"
        ) from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _umask() -> int:
    """The process's file mode mask; reading it means setting it for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
