"""Columns as numbers: text and keys of an Arrow column turned into dense integers, without an object a row.

Values are hashed once; what then goes through joins and sorts are the distinct ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graph.snapshot import Ints

_WHOLE = 1 << 31
"""Bytes below which the chunks of a column fit into one."""
_KEY = 16
"""Bytes of a pseudonym."""
Column: TypeAlias = "pa.ChunkedArray[Any]"
Values: TypeAlias = "pa.Array[Any]"


@dataclass(frozen=True)
class Coded:
    """A column by distinct values: `of` (m,) index into `values` (g,), -1 for null. Values stand in order of first
    appearance."""

    of: Ints
    values: Values

    def through(self, number: Ints) -> Ints:
        """(m,) the `number` (g,) of each row's value, -1 for null."""
        return np.append(number, np.int32(-1))[self.of]


def code(column: Column) -> Coded:
    """The column's distinct values, and which of them each row holds."""
    if pa.types.is_fixed_size_binary(column.type) and column.type.byte_width == _KEY:
        coded = _by_half(pa.concat_arrays(column.chunks)) if column.num_chunks else None
        if coded is not None:
            return coded
    if column.nbytes < _WHOLE:  # the dictionaries of many chunks would be made one again and again
        column = pa.chunked_array([column.combine_chunks()], column.type)
    encoded: Any = column.dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return Coded(np.empty(0, np.int32), pa.array([], column.type))
    of = [chunk.indices.fill_null(-1).to_numpy().astype(np.int32, copy=False) for chunk in encoded.chunks]
    return Coded(np.concatenate(of), encoded.chunk(0).dictionary)


def _by_half(keys: Any) -> Coded | None:
    """The keys by their first half, which is a number and quickly hashed; None where two keys share it without being
    the same. Pseudonyms are as good as random: they don't."""
    halves = np.frombuffer(keys.buffers()[1], "<i8").reshape(-1, 2)[keys.offset : keys.offset + len(keys)]
    absent = keys.is_null().to_numpy(zero_copy_only=False)
    encoded: Any = pa.array(np.ascontiguousarray(halves[:, 0]), mask=absent).dictionary_encode()
    of = encoded.indices.fill_null(-1).to_numpy().astype(np.int32, copy=False)
    first = np.empty(len(encoded.dictionary) + 1, np.int64)
    first[of[::-1]] = np.arange(len(of))[::-1]  # the last to be written is the first to appear; nulls have their own
    if not (absent | (halves[first[of], 1] == halves[:, 1])).all():
        return None
    return Coded(of, keys.take(pa.array(first[:-1])))


def ranked(*columns: Values) -> Values:
    """The distinct values of text columns in code-point order, nulls left out."""
    every: Any = pa.chunked_array([column.cast(pa.string()) for column in columns], pa.string()).unique().drop_null()
    ordered: Values = every.take(pc.sort_indices(every))
    return ordered


def places(values: Values, among: Values) -> Ints:
    """(g,) where each of distinct `values` stands in distinct `among`, -1 where it does not."""
    if len(among) <= 4 * len(values):
        return _at(values, among)
    # the smaller side is hashed
    met = _at(among, values)
    rows = np.flatnonzero(met >= 0).astype(np.int32)
    where = np.full(len(values), -1, np.int32)
    where[met[rows]] = rows
    return where


def _at(values: Values, among: Values) -> Ints:
    found: Ints = pc.index_in(values, value_set=among).fill_null(-1).to_numpy().astype(np.int32, copy=False)
    return found


def numbered(column: Column, among: Values) -> Ints:
    """(m,) where each value of the column stands in distinct `among`, -1 for null and for values that do not."""
    coded = code(column)
    return coded.through(places(coded.values, among))


def texts(values: Values) -> tuple[str, ...]:
    """Text without nulls as a tuple."""
    return tuple(objects(values).tolist())


def objects(column: Any) -> npt.NDArray[np.object_]:
    """Text as Python objects."""
    made: npt.NDArray[np.object_] = column.to_numpy(zero_copy_only=False)
    return made.astype(object, copy=False)
