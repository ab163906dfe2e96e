"""What a batch changes: the newest row wins in any order, and rows that contradict each other are all kept out."""

from __future__ import annotations

import random
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.columns import CURRENT
from graph.sqlite import SqliteStore
from graph.store import Store
from graph.upsert import Counts, Plan, Seen, plan

Row = tuple[str, int, int | None]
"""id, digest (which here is the content), updated_at"""


def frame(rows: list[Row], line: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "buyer_id": [row[0] for row in rows],
            "registered_at": [row[1] for row in rows],
            "digest": [row[1] for row in rows],
            "updated_at": [row[2] for row in rows],
            "file": [0] * len(rows),
            "line": list(range(line, line + len(rows))),
        },
        schema={
            "buyer_id": pl.String,
            "registered_at": pl.Int64,
            "digest": pl.Int64,
            "updated_at": pl.Int64,
            "file": pl.Int32,
            "line": pl.Int64,
        },
    )


class Loader:
    """The loop that a loader runs, over a real store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lease = store.acquire("load", "test")
        self.plans: list[Plan] = []

    def load(self, *batches: list[Row]) -> Counts:
        number = self.store.begin_load(self.lease, source="x", at=1)
        seen, total, line = Seen(), Counts(), 1
        self.plans = []
        for batch in batches:
            rows = frame(batch, line)
            line += len(batch)
            current = pl.from_arrow(self.store.current("buyers", rows["buyer_id"].to_list(), load=number))
            assert isinstance(current, pl.DataFrame)
            step = plan(rows, current, number, id_column="buyer_id", seen=seen)
            self.store.write(self.lease, number, "buyers", step.rows.to_arrow(), conflicts=step.conflicts)
            self.plans.append(step)
            total += step.counts
        self.store.finish_load(self.lease, number, report="", at=2)
        assert total.read == total.new + total.changed + total.unchanged + total.quarantined == line - 1
        assert total.quarantined == sum(step.quarantine.height for step in self.plans)
        assert min(total.new, total.changed, total.unchanged, total.quarantined) >= 0
        return total

    def state(self) -> dict[str, int]:
        columns = ["buyer_id", "registered_at"]
        return {
            row[columns[0]]: row[columns[1]]
            for batch in self.store.scan("buyers", columns)
            for row in batch.to_pylist()
        }

    def quarantined_lines(self) -> list[int]:
        return sorted(line for step in self.plans for line in step.quarantine["line"])


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(SqliteStore(tmp_path / "store.db"))


def test_the_same_input_twice_changes_nothing(loader):
    rows: list[Row] = [("a", 1, None), ("b", 2, 5)]
    assert loader.load(rows) == Counts(2, new=2)
    assert loader.load(rows) == Counts(2, unchanged=2)
    assert loader.plans[0].rows.height == 0
    assert loader.state() == {"a": 1, "b": 2}


def test_without_dates_a_later_load_wins(loader):
    loader.load([("a", 1, None)])
    assert loader.load([("a", 2, None), ("b", 1, None)]) == Counts(2, new=1, changed=1)
    assert loader.state() == {"a": 2, "b": 1}


def test_an_older_row_changes_nothing_in_a_later_load(loader):
    loader.load([("a", 1, 10)])
    assert loader.load([("a", 2, 9)]) == Counts(1, unchanged=1)
    assert loader.load([("a", 3, 10)]) == Counts(1, changed=1)
    assert loader.state() == {"a": 3}


def test_rows_of_one_id_that_differ_are_all_quarantined_in_one_batch_or_in_several(loader):
    loader.load([("old", 1, None)])
    rows: list[Row] = [
        ("a", 1, None),
        ("b", 1, None),
        ("a", 2, None),
        ("a", 1, None),
        ("old", 2, None),
        ("old", 3, None),
    ]
    for batches in ([rows], [[row] for row in rows], [rows[:2], rows[2:4], rows[4:]]):
        total = loader.load(*batches)
        assert total == Counts(6, new=total.new, unchanged=total.unchanged, quarantined=5)
        assert loader.quarantined_lines() == [1, 3, 4, 5, 6]
        assert loader.state() == {"old": 1, "b": 1}


def test_a_row_that_repeats_the_store_still_contradicts_a_later_one_of_its_load(loader):
    loader.load([("a", 1, None)])
    for batches in ([[("a", 1, None)], [("a", 2, None)]], [[("a", 2, None)], [("a", 1, None)]]):
        assert loader.load(*batches) == Counts(2, quarantined=2)
        assert loader.quarantined_lines() == [1, 2]
        assert loader.state() == {"a": 1}


def test_equal_rows_are_no_contradiction(loader):
    assert loader.load([("a", 1, None), ("a", 1, None)], [("a", 1, None)]) == Counts(3, new=1, unchanged=2)
    assert loader.state() == {"a": 1}


def test_equal_dates_with_different_content_contradict_within_a_load(loader):
    assert loader.load([("a", 1, 5)], [("a", 2, 5)]) == Counts(2, quarantined=2)
    assert loader.load([("a", 1, 5)]) == Counts(1, new=1)
    assert loader.load([("a", 2, 5)]) == Counts(1, changed=1)
    assert loader.state() == {"a": 2}


def test_a_dated_and_an_undated_row_contradict_within_a_load(loader):
    assert loader.load([("a", 1, 5), ("a", 2, None)]) == Counts(2, quarantined=2)
    assert loader.state() == {}


def test_the_newest_of_a_load_is_counted_once(loader):
    assert loader.load([("a", 1, 1), ("a", 3, 3)], [("a", 2, 2)], [("a", 4, 4)]) == Counts(4, new=1, unchanged=3)
    assert loader.state() == {"a": 4}


def test_equal_content_with_a_newer_date_outlives_a_row_dated_between(loader):
    loader.load([("a", 1, 1)])
    loader.load([("a", 1, 3)])
    assert loader.load([("a", 2, 2)]) == Counts(1, unchanged=1)
    assert loader.state() == {"a": 1}


def test_an_empty_batch_plans_nothing():
    current = pl.from_arrow(CURRENT.empty_table())
    assert isinstance(current, pl.DataFrame)
    step = plan(frame([]), current, 1, id_column="buyer_id")
    assert (step.rows.height, step.conflicts, step.quarantine.height, step.counts) == (0, [], 0, Counts())


NAMESPACES = count()


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upsert") / "store.db"


dated = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    contents=dated, seed=st.integers(0, 10_000), cuts=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=4)
)
def test_dated_rows_give_the_same_state_in_any_order_and_any_split(store_file, contents, seed, cuts):
    rows: list[Row] = [(name, content, at) for at, (name, content) in enumerate(contents)]
    newest = {name: content for name, content, _ in rows}
    random.Random(seed).shuffle(rows)
    loader = Loader(SqliteStore(store_file, namespace=f"n{next(NAMESPACES)}"))
    start, batches = 0, []
    for cut, new_load in sorted(cuts):
        batches.append(rows[start:cut])
        start = max(start, cut)
        if new_load:
            loader.load(*batches)
            batches = []
    loader.load(*batches, rows[start:])
    assert loader.state() == newest
    loader.store.close()


undated = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.none()), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(before=undated, rows=undated, seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 8), max_size=3))
def test_contradictions_within_a_load_are_found_in_any_order_and_any_split(store_file, before, rows, seed, cuts):
    before = list({row[0]: row for row in before}.values())
    contents: dict[str, set[int]] = {}
    for name, content, _ in rows:
        contents.setdefault(name, set()).add(content)
    wanted: dict[str, Any] = {name: content for name, content, _ in before}
    wanted |= {name: min(found) for name, found in contents.items() if len(found) == 1}
    random.Random(seed).shuffle(rows)
    loader = Loader(SqliteStore(store_file, namespace=f"n{next(NAMESPACES)}"))
    loader.load(before)
    edges = [0, *sorted(cuts), len(rows)]
    loader.load(*(rows[a:b] for a, b in pairwise(edges)))
    assert loader.state() == wanted
    loader.store.close()
