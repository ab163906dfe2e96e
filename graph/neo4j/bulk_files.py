"""Nodes and relationships as files that `neo4j-admin database import full` reads.

Files are CSV with a typed header. Nodes are numbered from 0 in the order written and go by these numbers (`--id-type=
actual`), so the tool need not look any up. Null is an empty field, empty text is `""`. Text lists are joined by
U+001F, which ids and hashes never hold. A file that holds a line break inside a field is named to the tool as one,
since only those are read slowly.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import polars as pl

LIST_SEPARATOR: Final = "\u001f"
_BUFFER: Final = 4 << 20
"""The tool's own reading buffer, which must hold the longest value."""
_BREAK: Final = "[\r\n]"


@dataclass
class _File:
    """One open file: all its rows have the same columns."""

    name: str
    told: str
    to: BinaryIO
    broken: bool = False


@dataclass
class ImportFiles:
    """Writes the files of one import into `folder`, as a context manager that closes them.

    `nodes` and `relationships` count what was written. What is given is written while the next is got ready: `OSError`
    may come with what is given later, or on leaving."""

    folder: Path
    nodes: int = 0
    relationships: int = 0
    _files: dict[tuple[str, ...], _File] = field(default_factory=dict)
    _longest: int = 0
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "import-files"))
    _coming: deque[Future[None]] = field(default_factory=deque)

    def __enter__(self) -> ImportFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._wait(0)
        finally:
            self._writer.shutdown(cancel_futures=True)
            for one in self._files.values():
                one.to.close()

    def node(self, labels: tuple[str, ...], rows: pl.DataFrame) -> pl.Series:
        """Write nodes with these labels, a property a column; their numbers (Int64), in the order of `rows`."""
        numbers = pl.int_range(self.nodes, self.nodes + rows.height, dtype=pl.Int64, eager=True)
        self.nodes += rows.height
        self._write("--nodes", ":".join(labels), rows.select(numbers.alias(":ID"), pl.all()))
        return numbers

    def relationship(self, name: str, rows: pl.DataFrame) -> None:
        """Write relationships from `begin` to `end` (numbers of nodes), a property a further column."""
        self.relationships += rows.height
        self._write("--relationships", name, rows.rename({"begin": ":START_ID", "end": ":END_ID"}))

    def arguments(self) -> list[str]:
        """What the tool is told about the files, whose names are relative to the folder."""
        broken = ",".join(one.name for one in self._files.values() if one.broken)
        return [
            "--id-type=actual",
            f"--array-delimiter=U+{ord(LIST_SEPARATOR):04X}",
            f"--read-buffer-size={max(_BUFFER, 4 * self._longest)}",
            *([f"--multiline-fields={broken}", "--multiline-fields-format=v2"] if broken else []),
            *(f"{one.told}={one.name}" for one in self._files.values()),
        ]

    def _write(self, option: str, name: str, rows: pl.DataFrame) -> None:
        if rows.height:
            self._wait(1)
            self._coming.append(self._writer.submit(self._append, option, name, rows))

    def _wait(self, most: int) -> None:
        """Until no more than `most` are still being written, which take memory."""
        while len(self._coming) > most:
            self._coming.popleft().result()

    def _append(self, option: str, name: str, rows: pl.DataFrame) -> None:
        key = (option, name, *rows.columns)
        if key not in self._files:
            file = f"{len(self._files):03}.csv"
            self._files[key] = _File(file, f"{option}={name}", (self.folder / file).open("wb"))
            self._files[key].to.write(f"{_header(rows)}\n".encode())
        to = self._files[key]
        texts = [column for column, kind in rows.schema.items() if kind == pl.String]
        if texts:
            facts = rows.select(
                pl.any_horizontal(pl.col(texts).str.contains(_BREAK).any()).alias("broken"),
                pl.max_horizontal(pl.col(texts).str.len_bytes().max()).alias("longest"),
            )
            to.broken = to.broken or bool(facts["broken"].item())
            self._longest = max(self._longest, facts["longest"].item() or 0)
        lists = [column for column, kind in rows.schema.items() if kind == pl.List(pl.String)]
        rows.with_columns(pl.col(lists).list.join(LIST_SEPARATOR)).write_csv(to.to, include_header=False)


def _header(rows: pl.DataFrame) -> str:
    return ",".join(name if name[0] == ":" else f"{name}:{_type(kind)}" for name, kind in rows.schema.items())


def _type(kind: pl.DataType) -> str:
    """The tool's word for a column's type."""
    if kind == pl.List(pl.String):
        return "string[]"
    if kind.is_integer():
        return "long"
    return {pl.String: "string", pl.Boolean: "boolean", pl.Float64: "double"}[kind.base_type()]
