"""What the loader tests share: a small folder to write and load, and the rows that a store shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graph.schema import BY_NAME, SOURCE_TABLES
from graph.store import Store
from loaders.keying import Keyer
from loaders.load import load_folder
from loaders.report import LoadReport

KEY = "a key of the tests, long enough to be one"
NOW = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

ORDER: dict[str, str] = {
    "order_id": "o1",
    "buyer_id": "b1",
    "store_id": "s1",
    "placed_at": "2024-05-01T12:00:00+08:00",
    "amount": "12.50",
}
REFUND: dict[str, str] = {
    "refund_id": "r1",
    "order_id": "o1",
    "requested_at": "2024-05-03T12:00:00Z",
    "kind": "refund_only",
}

Row = Mapping[str, str]


def csv_text(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """CSV of rows of text, header included."""
    out = io.StringIO()
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def orders(*changes: Mapping[str, str]) -> list[dict[str, str]]:
    """One valid order for each argument, with an id of its own and what the argument changes."""
    return [{**ORDER, "order_id": f"o{number}", **change} for number, change in enumerate(changes, 1)]


@dataclass
class Market:
    """A folder that is loaded into a store."""

    store: Store
    keyer: Keyer
    folder: Path

    def put(self, name: str, rows: Sequence[Row] | str | bytes) -> Path:
        """Write a file of the folder: rows as CSV, or text, or bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        else:
            path.write_text(rows if isinstance(rows, str) else csv_text(rows), "utf-8")
        return path

    def load(self, **options: Any) -> LoadReport:
        """Load the folder at `NOW`."""
        return load_folder(self.store, self.keyer, self.folder, **{"now": NOW, **options})

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """What readers see of a table."""
        names = columns or BY_NAME[table].names
        return [row for batch in self.store.scan(table, names) for row in batch.to_pylist()]

    def ids(self, table: str) -> list[str]:
        """Ids of a table's visible rows."""
        return [row[BY_NAME[table].id] for row in self.rows(table, BY_NAME[table].id)]

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All visible rows of all tables of the export, and the identifiers."""
        return {name: self.rows(name) for name in (*(table.name for table in SOURCE_TABLES), "identifiers")}

    def quarantine(self) -> list[tuple[str, int, str, str, str]]:
        """Quarantined entries: file, line, column, value, rule."""
        entries = self.store.quarantined().to_pylist()
        return [(e["file"], e["line"], e["column"], e["value"], e["rule"]) for e in entries]
