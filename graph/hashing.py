"""Stable 64-bit hashes of whole columns of text or keys: the same on every machine and in every version.

They are for finding, not for secrets: whoever finds by hash compares the values themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_PRIME = np.uint64(0x9E3779B97F4A7C15)


def hashes(values: pa.Array[Any] | pa.ChunkedArray[Any]) -> Ints:
    """Stable 64-bit hashes of text or of 16-byte keys (int64; nulls must have been dropped)."""
    if len(values) == 0:
        return np.empty(0, np.int64)
    array: Any = pa.concat_arrays(values.chunks) if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_fixed_size_binary(array.type):
        halves = np.frombuffer(array.buffers()[1], "<u8").reshape(-1, 2)[array.offset : array.offset + len(array)]
        mixed: Words = halves[:, 0] ^ (halves[:, 1] * _PRIME)
    else:
        mixed = _text(array)
    mixed ^= mixed >> np.uint64(32)
    mixed *= _PRIME
    mixed ^= mixed >> np.uint64(29)
    signed: Ints = mixed.view(np.int64)
    return signed


def mix(states: Words, values: Words) -> Words:
    """Fold one more 64-bit value into each state (FNV-1a's order with a wider multiplier): for fixed others, different
    values give different states."""
    mixed = (states ^ values) * _PRIME
    mixed ^= mixed >> np.uint64(32)
    return mixed


def distinct(values: Ints) -> Ints:
    """The distinct values, ascending: `np.unique` by a sort, which is many times faster than its hash table."""
    ordered: Ints = np.sort(values)
    if len(ordered) < 2:
        return ordered
    fresh: Ints = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return fresh


def _text(array: Any) -> Words:
    """Multiply-xor over the text's 8-byte words, all texts at once."""
    _, offset_buffer, data = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    padded = np.zeros(int(offsets[-1] - offsets[0]) + 8, np.uint8)
    if data is not None:
        padded[:-8] = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    mixed: Words = lengths.astype(np.uint64) * _PRIME
    size = int(lengths[0])
    if (lengths == size).all():
        # texts of one length, as most ids are, lie in rows: no need to gather their words
        rows = np.zeros((len(lengths), -(-size // 8) * 8), np.uint8)
        rows[:, :size] = padded[: len(padded) - 8].reshape(len(lengths), size)
        for word in np.ascontiguousarray(rows.view("<u8").T):
            step = (mixed ^ word) * _PRIME
            mixed = step ^ (step >> np.uint64(31))
        return mixed
    words = np.ndarray((len(padded) - 7,), "<u8", buffer=padded, strides=(1,))
    masks = np.array([(1 << (8 * k)) - 1 for k in range(9)], np.uint64)
    # longest first, so that those that still have a word are always the first ones
    order = np.argsort(-lengths, kind="stable")
    starts, lengths, mixed = starts[order], lengths[order], mixed[order]
    for done in range(0, int(lengths[0]), 8):
        live = int(np.searchsorted(-lengths, -done, "left"))
        word = words[starts[:live] + done] & masks[np.minimum(lengths[:live] - done, 8)]
        step = (mixed[:live] ^ word) * _PRIME
        mixed[:live] = step ^ (step >> np.uint64(31))
    result = np.empty_like(mixed)
    result[order] = mixed
    return result
