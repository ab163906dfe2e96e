"""Reads CSV in bounded memory, strictly, and with the exact line of every record.

The file is cut into blocks of whole records, so that one block at a time is parsed (pyarrow, all columns as text)
and the line where each record begins is known even where quoted fields hold line breaks or blank lines stand
between. Whatever is not RFC 4180 in UTF-8 refuses the file: a message never repeats what stood there.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

BLOCK_BYTES = 16 << 20
MAX_RECORD_BYTES = 64 << 20

Refuse = Callable[[str, int], Exception]
"""Makes the error for a file: what is wrong, and the line (0 where none applies)."""

_STRICT = re.compile(
    rb'(?:"(?:[^"]|"")*"|[^",\r\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\r\n]*))*\r?\n?',
)


def blocks(stream: BinaryIO, refuse: Refuse, *, quotes: bool) -> Iterator[tuple[int, bytes]]:
    """Whole records as (line of the first, bytes), about `BLOCK_BYTES` each.

    `quotes`: a line break inside double quotes does not end a record. Raises what `refuse` makes for an empty file,
    UTF-16, NUL bytes, a quote that is never closed or a record beyond `MAX_RECORD_BYTES`.
    """
    head = stream.read(BLOCK_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refuse("is UTF-16; save it as UTF-8", 0)
    carry = head.removeprefix(codecs.BOM_UTF8)
    if not carry.strip():
        raise refuse("is empty", 0)
    line = 1
    while True:
        if b"\0" in carry:
            raise refuse("holds NUL bytes: it is not a text file", line + carry[: carry.index(b"\0")].count(b"\n"))
        cut = _last_end(carry, quotes=quotes)
        if cut:
            yield line, carry[:cut]
            line += _count(carry, 10, 0, cut)
        elif len(carry) > MAX_RECORD_BYTES:
            raise refuse("has a record of more than 64 MiB: is a quote never closed?", line)
        more = stream.read(BLOCK_BYTES)
        carry = carry[cut:] + more
        if not more:
            break
    if carry:
        if quotes and carry.count(b'"') % 2:
            raise refuse("opens a quote that is never closed", line)
        yield line, carry


def _last_end(data: bytes, *, quotes: bool) -> int:
    """Offset just after the last line break that ends a record; 0 where no record ends."""
    at = data.rfind(b"\n")
    if not quotes:
        return at + 1
    # a line break ends a record where an even number of quotes stands before it
    before = _count(data, 34, 0, max(at, 0)) if b'"' in data else 0
    while at >= 0 and before % 2:
        earlier = data.rfind(b"\n", 0, at)
        before -= data.count(b'"', max(earlier, 0), at)
        at = earlier
    return at + 1


def _count(data: bytes, byte: int, begin: int, end: int) -> int:
    """How often a byte stands in a part of the data: faster than `bytes.count` where it stands often."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8)[begin:end] == byte))


def _records(block: bytes, line: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Start offset and line of each record of a block, blank ones left out."""
    text = np.frombuffer(block, np.uint8)
    breaks = np.flatnonzero(text == 10)
    ends = breaks
    if b'"' in block:
        ends = breaks[np.searchsorted(np.flatnonzero(text == 34), breaks) % 2 == 0]
    starts = np.concatenate([np.zeros(1, np.int64), ends + 1])
    stops = np.append(ends, len(block))
    if starts[-1] == len(block):
        starts, stops = starts[:-1], stops[:-1]
    length = stops - starts
    blank = (length == 0) | ((length == 1) & (text[np.minimum(starts, len(block) - 1)] == 13))
    starts = starts[~blank]
    return starts, line + np.searchsorted(breaks, starts)


def header(block: bytes, refuse: Refuse) -> tuple[list[str], int]:
    """Column names in the first record, and the offset of the second."""
    starts, lines = _records(block, 1)
    end = int(starts[1]) if len(starts) > 1 else len(block)
    try:
        text = block[int(starts[0]) : end].decode("utf-8")
    except UnicodeDecodeError:
        raise refuse("is not UTF-8", int(lines[0])) from None
    try:
        names = [name.strip() for name in next(csv.reader(text.splitlines(keepends=True), strict=True))]
    except csv.Error:
        raise refuse("has a header that is no CSV", int(lines[0])) from None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise refuse(f"names a column twice: {', '.join(repeated)[:200]}", int(lines[0]))
    if "" in names:
        raise refuse("has a column without a name", int(lines[0]))
    return names, end


def frames(
    stream: BinaryIO, refuse: Refuse, wanted: Callable[[Sequence[str]], Sequence[str]], *, verify: bool = False
) -> Iterator[pl.DataFrame]:
    """The records of a CSV file, block by block: the wanted columns as text (empty is null) and `line` (int64).

    `wanted` is told the header once and answers which columns to keep; it may raise. A file with a header only gives
    one empty frame. With `verify` the columns that are not kept are held to be UTF-8 too.
    """
    names: list[str] = []
    keep: list[str] = []
    for line, block in blocks(stream, refuse, quotes=True):
        if not names:
            names, end = header(block, refuse)
            keep = list(wanted(names))
            line += block.count(b"\n", 0, end)
            block = block[end:]
            yield _empty(keep)
        starts, lines = _records(block, line)
        if not len(starts):
            continue
        if verify:
            _decode(block, int(lines[0]), refuse)
        table = _parse(block, names, keep, lines, refuse)
        if table.num_rows != len(starts):
            raise refuse(
                "has a quote or a carriage return inside a field that is not quoted", _loose(block, starts, lines)
            )
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        yield frame.with_columns(pl.Series("line", lines, pl.Int64))


def _empty(names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema={**dict.fromkeys(names, pl.String), "line": pl.Int64})


def _parse(block: bytes, names: list[str], keep: list[str], lines: npt.NDArray[np.int64], refuse: Refuse) -> pa.Table:
    """One block as a table of text columns."""

    def table(*, threads: bool, on_ragged: Callable[[pacsv.InvalidRow], Literal["skip", "error"]] | None) -> pa.Table:
        return pacsv.read_csv(
            io.BytesIO(block),
            read_options=pacsv.ReadOptions(column_names=names, use_threads=threads, block_size=len(block) + 1),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_ragged),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=keep,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    try:
        return table(threads=True, on_ragged=None)
    except pa.ArrowInvalid:
        pass  # what Arrow says repeats the row, which may be personal: the cause is found again below
    ragged: list[tuple[int, int]] = []

    def note(row: pacsv.InvalidRow) -> Literal["error"]:
        ragged.append((row.number or 1, row.actual_columns))
        return "error"

    _decode(block, int(lines[0]), refuse)
    try:
        return table(threads=False, on_ragged=note)
    except pa.ArrowInvalid:
        if not ragged:
            raise refuse("is no CSV that can be read", int(lines[0])) from None
    number, columns = ragged[0]
    at = int(lines[min(number, len(lines)) - 1])
    raise refuse(f"has {columns} columns where the header has {len(names)}", at)


def _decode(block: bytes, line: int, refuse: Refuse) -> None:
    """Refuse a block that is not UTF-8. `line` is that of its first byte."""
    whole = pa.Array.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, len(block)], np.int64).tobytes()), pa.py_buffer(block)]
    )
    # Arrow checks faster than decoding does, and lets other threads run; where it fails, decoding finds the place
    with contextlib.suppress(pa.ArrowInvalid):
        whole.cast(pa.large_string())
        return
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse("is not UTF-8", line + block.count(b"\n", 0, error.start)) from None


def _loose(block: bytes, starts: npt.NDArray[np.int64], lines: npt.NDArray[np.int64]) -> int:
    """Line of the first record that breaks RFC 4180's quoting."""
    stops = np.append(starts[1:], len(block))
    for start, stop, line in zip(starts.tolist(), stops.tolist(), lines.tolist(), strict=True):
        if not _STRICT.fullmatch(block[start:stop].rstrip(b"\r\n")):
            return int(line)
    return int(lines[0])
