"""What a store says of its own health: the same names everywhere, no false alarm, and nothing left behind."""

from __future__ import annotations

from typing import Any

from graph.schema import SCHEMA_VERSION
from graph.store import Check, Store
from tests.conformance.support import Backend, leased, load, order

ALWAYS = {"version", "rights", "constraints", "leases", "clock", "space"}


def by_name(store: Store) -> dict[str, Check]:
    return {one.name: one for one in store.check()}


def test_a_sound_store_has_nothing_wrong(store: Store) -> None:
    load(store, orders=[order("o1")])
    found = by_name(store)
    assert set(found) >= ALWAYS
    assert [one for one in found.values() if one.state != "ok"] == []
    assert f"schema version {SCHEMA_VERSION}" in found["version"].found
    assert found["leases"].found == "nobody writes"


def test_who_writes_is_named_and_who_ended_without_giving_back_too(backend: Backend) -> None:
    seconds = [1000.0]
    store = backend.open(clock=lambda: seconds[0])
    with leased(store):
        held = by_name(store)["leases"]
        assert (held.state, held.found) == ("ok", "load: test")
        seconds[0] += 31
        left = by_name(store)["leases"]
        assert left.state == "warning"
        assert "load: test, which ended without giving it back" in left.found


def test_looking_changes_nothing(backend: Backend) -> None:
    store = backend.open()
    load(store, orders=[order("o1")])
    before: dict[str, Any] = {**store.meta(), **store.describe()}
    store.check()
    assert {**store.meta(), **store.describe()} == before


def test_a_store_opened_for_reading_says_so(backend: Backend) -> None:
    backend.open()
    rights = by_name(backend.open(readonly=True))["rights"]
    assert rights.state == "warning"
    assert "reading only" in rights.found
