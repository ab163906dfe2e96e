"""Columns turned into numbers agree with what plain Python says of the same values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from graph.coding import code, numbered, objects, places, ranked
from graph.used import labels

words = st.lists(st.none() | st.sampled_from(["a", "b", "é", "z", "店", "𝔸", "aa"]), max_size=20)


def column(*chunks: list[str | None]) -> pa.ChunkedArray:  # type: ignore[type-arg]  # not generic when it runs
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())


@given(words, words)
def test_values_are_numbered_by_first_appearance_over_all_chunks(one: list[str | None], two: list[str | None]) -> None:
    coded = code(column(one, two))
    every = [*one, *two]
    known = list(dict.fromkeys(word for word in every if word is not None))
    assert coded.values.to_pylist() == known
    assert coded.of.tolist() == [-1 if word is None else known.index(word) for word in every]
    assert coded.through(np.arange(len(known), dtype=np.int32)).tolist() == coded.of.tolist()


@given(words, words)
def test_distinct_values_come_in_code_point_order(one: list[str | None], two: list[str | None]) -> None:
    known = ranked(pa.array(one, pa.string()), pa.array(two, pa.string()))
    assert known.to_pylist() == sorted({word for word in (*one, *two) if word is not None})
    assert numbered(column(one), known).tolist() == [-1 if w is None else known.to_pylist().index(w) for w in one]


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_places_are_the_same_whichever_side_is_larger(one: set[int], two: set[int]) -> None:
    values, among = ([str(number) for number in side] for side in (one, two))
    expected = [among.index(value) if value in among else -1 for value in values]
    assert places(pa.array(values, pa.string()), pa.array(among, pa.string())).tolist() == expected


def test_an_identifier_is_labelled_by_kind_and_hex() -> None:
    keys = [bytes(range(16)), b"\xff" * 16, b"\x00" * 16]
    array = pa.array([b"x" * 16, *keys], pa.binary(16)).slice(1)
    assert labels("ip_prefix", array).tolist() == [f"ip_prefix:{key.hex()}" for key in keys]
    assert labels("door", array.slice(0, 0)).tolist() == []


def test_text_comes_out_as_objects() -> None:
    assert objects(column(["a"], ["店"])).tolist() == ["a", "店"]
    assert objects(column()).dtype == object
