"""What a load did, counted so that it adds up: rows read are left out, new, changed, unchanged or quarantined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class TableCount:
    """Rows of one table: `read` = `left_out` + `new` + `changed` + `unchanged` + `quarantined`.

    An older row that met a newer one of its id counts as unchanged."""

    read: int = 0
    left_out: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    quarantined: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every row read is accounted for."""
        return self.read == self.left_out + self.new + self.changed + self.unchanged + self.quarantined


@dataclass(frozen=True)
class Content:
    """A file of which every row was taken up: `key` stands for its bytes and how they were read; its rows, the columns
    kept out, and values per `table.column` that could not be read."""

    key: str
    rows: int
    unknown: list[str] = field(default_factory=list)
    unreadable: dict[str, int] = field(default_factory=dict)


@dataclass
class LoadReport:
    """The report of one load.

    `files` are those read, in the order of the `file` numbers that rows carry; `unknown` names the columns kept out,
    per file; `absent` the tables that the folder does not bring; `ignored` files that stand for no table; `left_out`
    rows per table and reason; `sources` the mapping's sources (read, and left out per reason); `unreadable` values per
    `table.column` that could not be read as what they are and so are absent evidence; `waiting` refunds whose order is
    not known yet; `rescaled` amounts of earlier rows whose order arrived with another number of decimals; `same` files
    that were not read again, with the load that took them up; `contents` what later loads know files by."""

    load: int
    folder: str
    mapping: str = ""
    files: list[str] = field(default_factory=list)
    tables: dict[str, TableCount] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    rescaled: int = 0
    same: dict[str, int] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Rows quarantined in all tables."""
        return sum(count.quarantined for count in self.tables.values())

    def to_json(self) -> str:
        """The report as one JSON document, keys in a fixed order."""
        return orjson.dumps(self, option=orjson.OPT_INDENT_2).decode()

    @staticmethod
    def from_json(text: str) -> LoadReport:
        """The report that `to_json` wrote."""
        document: dict[str, Any] = orjson.loads(text)
        tables = {name: TableCount(**count) for name, count in document.pop("tables").items()}
        contents = {name: Content(**content) for name, content in document.pop("contents", {}).items()}
        return LoadReport(tables=tables, contents=contents, **document)

    def lines(self) -> list[str]:
        """The report as lines of text to print."""
        head = ("table", "read", "left out", "new", "changed", "unchanged", "quarantined")
        rows = [
            (name, c.read, c.left_out, c.new, c.changed, c.unchanged, c.quarantined) for name, c in self.tables.items()
        ]
        if len(rows) != 1:
            rows.append(("all", *(sum(row[place] for row in rows) for place in range(1, 7))))  # type: ignore[arg-type,misc]  # numbers
        text = [head, *((row[0], *(f"{number:,}" for number in row[1:])) for row in rows)]
        width = [max(len(row[place]) for row in text) for place in range(len(head))]
        out = [f"load {self.load} of {self.folder}" + (f" by {self.mapping}" if self.mapping else "")]
        out += [
            "  ".join(
                cell.rjust(size) if place else cell.ljust(size)
                for place, (cell, size) in enumerate(zip(row, width, strict=True))
            )
            for row in text
        ]
        for name, source in self.sources.items():
            out.append(f"source {name}: {source['read']:,} rows read, {source['kept']:,} kept")
            out += [f"  left out {count:,}: {reason}" for reason, count in source["left_out"].items()]
        for table, reasons in self.left_out.items():
            out += [f"{table}: left out {count:,}: {reason}" for reason, count in reasons.items()]
        out += [f"{name}: the same as in load {load}, not read again" for name, load in self.same.items()]
        out += [f"{name}: columns kept out: {', '.join(columns)}" for name, columns in self.unknown.items()]
        out += [
            f"{place}: {count:,} values could not be read and are absent" for place, count in self.unreadable.items()
        ]
        if self.waiting:
            out.append(f"{self.waiting:,} refunds wait for their order")
        if self.rescaled:
            out.append(f"{self.rescaled:,} earlier amounts took the decimals of the order that arrived")
        if self.absent:
            out.append(f"tables not in this folder: {', '.join(self.absent)}")
        if self.ignored:
            out.append(f"files that stand for no table: {', '.join(self.ignored)}")
        if self.quarantined:
            out.append("see what was quarantined: ringfence quarantine list")
        return out
