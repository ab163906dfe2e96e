"""Any sequence of loads, conflicts, crashes and look-ups answers as a plain dictionary would."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from graph.store import Lease, Store
from tests.conformance.support import Backend, key, order, scan, table

IDS = st.sampled_from(["", "o1", "o2", "o10", "ö", "🧨", "o'"])
BUYERS = st.sampled_from(["b1", "b2", "b3"])
DEVICES = st.one_of(st.none(), st.integers(0, 3).map(key))
ROWS = st.lists(st.tuples(IDS, BUYERS, DEVICES, st.integers(0, 3)), max_size=6)


class Loads(RuleBasedStateMachine):
    """`finished` holds the state after each finished load; `open_rows` what the running load would bring."""

    store: Store
    lease: Lease

    def __init__(self, open_store: Callable[[], Store]) -> None:
        super().__init__()
        self.open_store = open_store
        self.finished: dict[int, dict[str, dict[str, Any]]] = {0: {}}
        self.load: int | None = None
        self.open_rows: dict[str, dict[str, Any]] = {}
        self.marked: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self.store = self.open_store()
        self.lease = self.store.acquire("load", "model")

    @rule()
    def begin_load(self) -> None:
        number = self.store.begin_load(self.lease, source="x", at=1)
        assert number > max([*self.finished, self.load or 0])
        self.load, self.open_rows, self.marked = number, {}, set()

    @precondition(lambda self: self.load is not None)
    @rule(rows=ROWS, conflicts=st.lists(IDS, max_size=2))
    def write(self, rows: list[tuple[str, str, bytes | None, int]], conflicts: list[str]) -> None:
        batch = [order(name, buyer, device=device, amount=amount) for name, buyer, device, amount in rows]
        assert self.load is not None
        self.store.write(self.lease, self.load, "orders", table("orders", batch), conflicts=conflicts)
        self.open_rows |= {row["order_id"]: row for row in batch}
        self.marked |= set(conflicts)

    @precondition(lambda self: self.load is not None)
    @rule()
    def finish(self) -> None:
        assert self.load is not None
        self.store.finish_load(self.lease, self.load, report="", at=2)
        kept = {name: row for name, row in self.open_rows.items() if name not in self.marked}
        self.finished[self.load] = {**self.finished[max(self.finished)], **kept}
        self.load = None

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = self.open_store()

    @rule(buyer=BUYERS, known_by=st.integers(0, 6))
    def find_buyer(self, buyer: str, known_by: int) -> None:
        state = self.state(known_by)
        found = self.store.find("orders", "buyer_id", [buyer], columns=["order_id"], known_by=known_by)
        wanted = sorted(name for name, row in state.items() if row["buyer_id"] == buyer)
        assert found.column("order_id").to_pylist() == wanted

    @rule(device=st.integers(0, 3).map(key), after=IDS, limit=st.integers(1, 3))
    def find_device(self, device: bytes, after: str, limit: int) -> None:
        state = self.state(99)
        found = self.store.find("orders", "device", [device], columns=["order_id"], after=after, limit=limit)
        names = sorted(name for name, row in state.items() if row["device"] == device and (name > after or not after))
        assert found.column("order_id").to_pylist() == names[:limit]

    @precondition(lambda self: self.load is not None)
    @rule(asked=st.lists(IDS, max_size=4, unique=True))
    def current(self, asked: list[str]) -> None:
        assert self.load is not None
        rows = self.store.current("orders", asked, load=self.load).to_pylist()
        known = {(row["id"], row["since"] == self.load): row for row in rows}
        for name in asked:
            old, own = known.pop((name, False), None), known.pop((name, True), None)
            wanted = self.finished[max(self.finished)].get(name)
            assert (old and old["digest"]) == (wanted and wanted["digest"])
            wanted = self.open_rows.get(name)
            assert (own and own["digest"]) == (wanted and wanted["digest"])
            assert all(row["conflict"] == (name in self.marked) for row in (old, own) if row)
            assert own or name not in self.marked
        assert not known

    def state(self, known_by: int) -> dict[str, dict[str, Any]]:
        return self.finished[max(load for load in self.finished if load <= known_by)]

    @invariant()
    def readers_see_the_finished_state(self) -> None:
        if not hasattr(self, "store"):
            return
        for known_by in (max(self.finished), max(self.finished) // 2):
            wanted = self.state(known_by)
            rows = scan(self.store, known_by=known_by)
            assert [row["order_id"] for row in rows] == sorted(wanted)
            for row in rows:
                assert row.items() <= {**row, **wanted[row["order_id"]]}.items()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_any_sequence_of_loads_answers_as_a_dictionary_would(backend: Backend, whole: bool):
    """On a server a sample of what `make soak` tries."""
    namespaces = count()
    examples = 30 if whole or backend.name == "sqlite" else 8

    def machine() -> Loads:
        # each example has a namespace of its own, in one store that fills up with those of others
        namespace = f"n{next(namespaces)}"
        return Loads(lambda: backend.open(namespace=namespace))

    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None, derandomize=True)
    )
