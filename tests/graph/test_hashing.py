"""Column hashes agree with a plain reading of their definition, and don't depend on how a column is cut."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.hashing import hashes

PRIME, ALL = 0x9E3779B97F4A7C15, (1 << 64) - 1


def final(value: int) -> int:
    value ^= value >> 32
    value = value * PRIME & ALL
    value ^= value >> 29
    return value - (1 << 64) if value >> 63 else value


def slow(text: str) -> int:
    data = text.encode()
    value = len(data) * PRIME & ALL
    for at in range(0, len(data), 8):
        step = (value ^ int.from_bytes(data[at : at + 8], "little")) * PRIME & ALL
        value = step ^ (step >> 31)
    return final(value)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=20), st.integers(0, 5))
def test_text_hashes_follow_their_definition_in_whole_columns_and_slices(texts, skip):
    column = pa.array(texts, pa.string())
    wanted = [slow(text) for text in texts]
    assert hashes(column).tolist() == wanted
    assert hashes(column.slice(skip)).tolist() == wanted[skip:]
    assert hashes(pa.chunked_array([column.slice(0, skip), column.slice(skip)])).tolist() == wanted


@settings(deadline=None, derandomize=True)
@given(st.lists(st.binary(min_size=16, max_size=16), max_size=20), st.integers(0, 5))
def test_key_hashes_follow_their_definition(keys, skip):
    wanted = [
        final(int.from_bytes(key[:8], "little") ^ (int.from_bytes(key[8:], "little") * PRIME & ALL)) for key in keys
    ]
    assert hashes(pa.array(keys, pa.binary(16))).tolist() == wanted
    assert hashes(pa.array(keys, pa.binary(16)).slice(skip)).tolist() == wanted[skip:]


def test_a_hundred_thousand_numbered_ids_do_not_collide():
    ids = pa.array([f"order-{n:09}" for n in range(100_000)])
    assert len(set(hashes(ids).tolist())) == 100_000
