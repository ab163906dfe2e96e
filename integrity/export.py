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
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from graph.errors import BadInput, StoreProblem
from graph.store import Store
from integrity.columns import rows_of
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
        raise BadInput(
            f"{path.suffix or 'no ending'!r} is no export format", where=str(path), do="use " + ", ".join(FORMATS)
        )
    rows = export_rows(store, what, run_id=run_id)
    write = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}[path.suffix]
    replace_file(path, write(rows, SCHEMAS[what]))
    return len(rows)


def export_rows(store: Store, what: What, *, run_id: str | None = None) -> list[dict[str, Any]]:
    """The rows of an export as plain values: instants in microseconds, lists sorted, floats rounded."""
    run = find_run(store, run_id)
    rows = _READERS[what](store, run.run_id)
    schema = SCHEMAS[what]
    rows.sort(key=lambda row: row[schema.names[0]])
    return [{field.name: _plain(row[field.name], field.type) for field in schema} for row in rows]


def _accounts(store: Store, run_id: str) -> list[dict[str, Any]]:
    decisions = rows_of(store.run_rows(run_id, "run_decisions"))
    found = {
        row["buyer_id"]: row
        for row in rows_of(store.run_rows(run_id, "run_accounts", columns=("buyer_id", "risk", "ring_id")))
    }
    rings = rows_of(store.run_rows(run_id, "run_rings", columns=("ring_id", "confidence")))
    confidence = {row["ring_id"]: row["confidence"] for row in rings}
    for row in decisions:
        finding = found.get(row["buyer_id"], {})
        row |= {"risk": finding.get("risk", 0.0), "ring_id": finding.get("ring_id")}
        row["confidence"] = confidence.get(row["ring_id"])
        for name in ("limit_amount_1d", "limit_amount_30d"):
            row[name] = None if row[name] is None else to_text(row[name], row["currency"])
    return decisions


def _rings(store: Store, run_id: str) -> list[dict[str, Any]]:
    rows = rows_of(store.run_rows(run_id, "run_rings"))
    return [{**row, "amount": to_text(row["amount"], row["currency"])} for row in rows]


def _evidence(store: Store, run_id: str) -> list[dict[str, Any]]:
    return rows_of(store.run_rows(run_id, "run_evidence", columns=SCHEMAS["evidence"].names))


_READERS: Final[Mapping[What, Callable[[Store, str], list[dict[str, Any]]]]] = {
    "accounts": _accounts,
    "rings": _rings,
    "evidence": _evidence,
}


def _plain(value: Any, type_: pa.DataType) -> Any:
    if type_ == _TEXTS:
        return sorted(value or ())
    if type_ == _REAL and value is not None:
        return round(float(value), 6) + 0.0  # no negative zero
    return value


def _csv(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(schema.names)
    writer.writerows([_cell(row[field.name], field.type) for field in schema] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any, type_: pa.DataType) -> str:
    if value is None:
        return ""
    if type_ == _TEXTS:
        return joined(value)
    if type_ == _REAL:
        return f"{value:.6f}"
    return to_iso(value) if type_ == _AT else str(value)


def joined(items: Iterable[str]) -> str:
    """A list in one CSV field: joined with `;`, which is escaped by a backslash inside an element."""
    return ";".join(item.replace("\\", "\\\\").replace(";", "\\;") for item in items)


def _jsonl(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    instants = [field.name for field in schema if field.type == _AT]
    lines = []
    for row in rows:
        shown = dict(row) | {name: to_iso(row[name]) for name in instants if row[name] is not None}
        lines.append(json.dumps(shown, ensure_ascii=False, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def _parquet(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), out, compression="zstd")
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
