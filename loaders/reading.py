"""Opens one input file of any of the three formats and gives its rows as text columns, batch by batch.

CSV and JSON Lines (each also .gz) and Parquet. Every value comes as text, an empty one as null, with the place it
stands at in `line`: the line in CSV and JSON Lines, the row number (from 1) in Parquet. Memory is bounded by the
block, not by the file. What is wrong with a file as a whole raises `BadInput` in one line that repeats no value.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from graph.errors import BadInput
from loaders import csvfile

EXTENSIONS = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz")
BATCH_ROWS = 100_000

Wanted = Callable[[Sequence[str]], Sequence[str]]
"""Told the columns of a file, answers which to read; may raise `BadInput`."""


@dataclass(frozen=True)
class InputFile:
    """A file to read: where it is, and its name as reports show it (relative to the folder)."""

    path: Path
    name: str

    @property
    def format(self) -> str:
        """`csv`, `jsonl` or `parquet`."""
        return self.path.name.removesuffix(".gz").rsplit(".", 1)[-1]

    def refuse(self, what: str, line: int = 0) -> BadInput:
        """The error that refuses this file whole."""
        where = f"{self.name}, line {line}" if line else self.name
        return BadInput(f"the file {what}", where=where, do="nothing of it is stored; correct it and load again")


def frames(
    file: InputFile, wanted: Wanted, *, batch_rows: int = BATCH_ROWS, verify: bool = False
) -> Iterator[pl.DataFrame]:
    """The file's wanted columns as text and `line` (int64), at most `batch_rows` rows at a time.

    Raises `BadInput` where the file is not what it says; with `verify` also for what stands in columns not wanted."""
    try:
        for frame in _raw(file, wanted, batch_rows, verify=verify):
            yield from _even(frame, batch_rows)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise file.refuse("is no whole gzip file") from None
    except FileNotFoundError:
        raise file.refuse("is not there") from None
    except PermissionError:
        raise file.refuse("may not be read") from None
    except OSError as error:
        raise file.refuse(f"cannot be read ({error.strerror or type(error).__name__})") from None


def _even(frame: pl.DataFrame, most: int) -> Iterator[pl.DataFrame]:
    """The frame in equal parts of at most `most` rows."""
    parts = -(-frame.height // most)
    return frame.iter_slices(-(-frame.height // parts)) if parts > 1 else iter((frame,))


def _raw(file: InputFile, wanted: Wanted, batch_rows: int, *, verify: bool) -> Iterator[pl.DataFrame]:
    if file.format == "parquet":
        yield from _parquet(file, wanted, batch_rows)
        return
    with gzip.open(file.path, "rb") if file.path.name.endswith(".gz") else file.path.open("rb") as raw:
        stream = cast("BinaryIO", raw)
        if file.format == "csv":
            yield from csvfile.frames(stream, file.refuse, wanted, verify=verify)
        else:
            yield from _json_lines(file, stream, wanted)


def _json_lines(file: InputFile, stream: BinaryIO, wanted: Wanted) -> Iterator[pl.DataFrame]:
    """JSON Lines: one object a line. Numbers and booleans become their text, a list of text is joined by `;`.

    The columns of the file are those of its objects, so `wanted` is asked again whenever a block brings new ones."""
    seen: dict[str, None] = {}
    for first, block in csvfile.blocks(stream, file.refuse, quotes=False):
        rows: list[dict[str, Any]] = []
        lines: list[int] = []
        for offset, text in enumerate(block.split(b"\n")):
            if not text.strip():
                continue
            try:
                row = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise file.refuse("holds a line that is not JSON in UTF-8", first + offset) from None
            if not isinstance(row, dict):
                raise file.refuse("holds a line that is no JSON object", first + offset)
            rows.append(row)
            lines.append(first + offset)
        for row in rows:
            if not row.keys() <= seen.keys():
                seen.update(dict.fromkeys(row))
        keep = list(wanted(list(seen)))
        columns = {
            name: [_text(file, name, row.get(name), line) for row, line in zip(rows, lines, strict=True)]
            for name in keep
        }
        yield pl.DataFrame({**columns, "line": lines}, schema={**dict.fromkeys(keep, pl.String), "line": pl.Int64})


def _text(file: InputFile, column: str, value: object, line: int) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _plain(repr(value))
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ";".join(value) or None
    raise file.refuse(f"holds a list or an object in {column[:64]!r} where one value belongs", line)


def _plain(number: str) -> str:
    """A whole number that came as a float, without its `.0`."""
    return number.removesuffix(".0")


def _parquet(file: InputFile, wanted: Wanted, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Parquet, row group by row group; typed values become text."""
    try:
        source = pq.ParquetFile(file.path, memory_map=False, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError):
        raise file.refuse("is no whole Parquet file (truncated, or not Parquet)") from None
    with source:
        names = list(source.schema_arrow.names)
        if len(set(names)) < len(names):
            raise file.refuse("names a column twice")
        keep = list(wanted(names))
        schema = {**dict.fromkeys(keep, pl.String), "line": pl.Int64}
        yield pl.DataFrame(schema=schema)
        line = 1
        try:
            for batch in source.iter_batches(batch_size=batch_rows, columns=keep or names[:1]):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                text = frame.select([as_text(file, frame[name]) for name in keep])
                yield text.with_columns(pl.Series("line", range(line, line + frame.height), pl.Int64))
                line += frame.height
        except (pa.ArrowException, OSError):
            raise file.refuse("is damaged: a part of it cannot be read") from None


def as_text(file: InputFile, values: pl.Series) -> pl.Series:
    """A typed column as text, in the writing that the contract uses; empty text is null.

    Raises `BadInput` for types that hold no plain value."""
    kind = values.dtype
    if kind == pl.String:
        text = values
    elif isinstance(kind, pl.Categorical | pl.Enum) or kind.is_integer() or kind.is_decimal() or kind == pl.Null:
        text = values.cast(pl.String)
    elif kind.is_float():
        text = _floats(values)
    elif kind == pl.Boolean:
        text = values.cast(pl.String)
    elif isinstance(kind, pl.Datetime):
        zoned = kind.time_zone is not None
        clock = values.dt.convert_time_zone("UTC") if zoned else values
        text = clock.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if zoned else ""))
    elif kind == pl.Date:
        text = values.dt.strftime("%Y-%m-%d")
    elif kind == pl.List(pl.String):
        text = values.list.join(";")
    else:
        raise file.refuse(f"has a column {values.name[:64]!r} of type {kind}, which holds no plain value")
    return text.set(text == "", None)


def _floats(values: pl.Series) -> pl.Series:
    """Floats as plain decimals: the shortest that reads back equal, whole numbers without a point."""
    whole = values.is_finite() & (values == values.floor()) & (values.abs() < 2**53)
    return (
        pl.DataFrame([values.alias("v"), whole.alias("whole")])
        .select(
            pl.when("whole")
            .then(pl.when("whole").then("v").otherwise(None).cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(pl.col("v").cast(pl.String))
            .alias(values.name)
        )
        .to_series()
    )
