"""The first load of a namespace is drawn by the process that wrote it, and that of a database makes constraints and
indexes when it finishes: whatever cuts either off, what follows ends where an undisturbed load would."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from graph.errors import LeaseLost, StoreProblem
from graph.neo4j import Neo4jStore, first
from graph.neo4j.bulk_schema import OWED
from graph.neo4j.connection import Connection
from graph.open import masked_url, open_store
from scripts.neo4j_server import Server
from tests.conformance.support import ids, key, leased, load, order, scan, table
from tests.neo4j.support import end_leases, sample, wipe
from tests.neo4j.test_graph import Graph, assert_drawn, graph, refund, rows_of
from tests.neo4j.test_migration import schema_is_whole

__all__ = ["graph"]
NAMESPACE = "first"


@pytest.fixture
def new(server: Server) -> Iterator[Graph]:
    """A database that was never loaded into, and plain Cypher beside its store."""
    with server.driver() as driver:
        for kind in ("CONSTRAINT", "INDEX"):
            for record in driver.execute_query(f"SHOW {kind} YIELD name WHERE name STARTS WITH 'ringfence_'").records:
                driver.execute_query(f"DROP {kind} {record[0]}")
        driver.execute_query("MATCH (n:StoreMeta) DELETE n")
        wipe(server, NAMESPACE)
        store = Neo4jStore(server.url, shown=masked_url(server.url), namespace=NAMESPACE)
        yield Graph(store, driver)
        store.close()


def begun(store: Neo4jStore, lease: Any, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """A load with these rows that is not finished."""
    number = store.begin_load(lease, source="x", at=1)
    for name, part in rows.items():
        store.write(lease, number, name, table(name, part))
    return number


def constrained(graph: Graph) -> bool:
    found = graph.ask("SHOW CONSTRAINTS YIELD name WHERE name = 'ringfence_OrderRecord' RETURN count(*)")
    return found == [(1,)]


def test_a_new_database_gets_what_keeps_its_rows_unique_when_its_first_load_finishes(new: Graph) -> None:
    assert schema_is_whole(new.store), "nothing is amiss with what is still to come"
    with leased(new.store) as lease:
        number = begun(new.store, lease, rows_of(random.Random(1)))
        assert not constrained(new)
        assert new.store.find("orders", "device", [key(3)]).num_rows == 0
        new.store.finish_load(lease, number, report="{}", at=2)
    assert constrained(new)
    assert OWED not in new.store.meta()
    assert schema_is_whole(new.store)
    assert_drawn(new)
    load(new.store, **rows_of(random.Random(2)))
    assert_drawn(new)


def test_a_row_that_comes_twice_in_the_first_load_of_a_database_stands_once_and_as_it_came_last(new: Graph) -> None:
    with leased(new.store) as lease:
        rows = {"orders": [order("o1", "b1", amount=1), order("o2", "b2"), order("o3", "b3")]}
        number = begun(new.store, lease, rows)
        assert [row["since"] for row in new.store.current("orders", ["o1", "o9"], load=number).to_pylist()] == [number]
        new.store.write(lease, number, "orders", table("orders", [order("o1", "b4", amount=4), order("o5", "b5")]))
        new.store.write(lease, number, "orders", table("orders", []), conflicts=["o3"])
        new.store.finish_load(lease, number, report="{}", at=2)
    assert [(row["order_id"], row["amount"]) for row in scan(new.store)] == [("o1", 4), ("o2", 100), ("o5", 100)]
    assert new.edges() == {
        "PLACED": {("b4", "o1"), ("b2", "o2"), ("b5", "o5")},
        "AT": {(name, "s1") for name in ("o1", "o2", "o5")},
    }
    assert schema_is_whole(new.store)


def test_after_a_first_load_that_was_killed_the_next_process_makes_what_is_owed_and_loads(
    new: Graph, server: Server
) -> None:
    lease = new.store.acquire("load", "killed")
    begun(new.store, lease, rows_of(random.Random(3)))
    end_leases(server, NAMESPACE)
    with contextlib.closing(open_store(server.url, namespace=NAMESPACE)) as store:
        assert constrained(new)
        load(store, orders=[order("o1", "b1")])
        assert ids(store) == ["o1"]
        assert schema_is_whole(store)
    assert new.edges() == {"PLACED": {("b1", "o1")}, "AT": {("o1", "s1")}}


def test_claims_of_a_first_load_have_their_label_unless_they_conflict_and_none_is_left_of_one_that_was_killed(
    graph: Graph, neo4j_server: Any
) -> None:
    def claims(*names: str) -> list[Mapping[str, Any]]:
        return [refund(name, "o1", None, at, ["00ff"]) for at, name in enumerate(names)]

    lease = graph.store.acquire("load", "killed")
    begun(graph.store, lease, {"refunds": claims("r9")})
    assert graph.ids("refunds") == ["r9"]
    graph.ask("MATCH (l:Lease {ns: $ns}) SET l.expires_at = 0")
    with leased(graph.store) as lease:
        number = begun(graph.store, lease, {"orders": [order("o1", "b1")], "refunds": claims("r1", "r2")})
        # one of them is there: the others of its batch are looked for as well
        graph.store.write(lease, number, "refunds", table("refunds", claims("r2", "r3", "r4")))
        graph.store.write(lease, number, "refunds", table("refunds", []), conflicts=["r4"])
        graph.store.finish_load(lease, number, report="{}", at=2)
    assert graph.ids("refunds") == [row["refund_id"] for row in scan(graph.store, "refunds")] == ["r1", "r2", "r3"]


@pytest.mark.parametrize("when", sample([0, 1, 2, 3, 5, 8, 12, 16], kept=(0, 2, 8)))
def test_what_was_cut_off_while_the_first_load_was_drawn_is_drawn_by_the_next(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    done, write = itertools.count(), Connection.write

    def cut(self: Connection, work: Any) -> Any:
        if next(done) >= when:
            raise StoreProblem("the server does not answer")
        return write(self, work)

    draw = first.First.draw

    def drawn(*given: Any) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "write", cut)
            return draw(*given)

    # small enough that each relationship is written by itself
    monkeypatch.setattr(first, "ROWS", 7)
    monkeypatch.setattr(first.First, "draw", drawn)
    with leased(graph.store) as lease:
        number = begun(graph.store, lease, rows_of(random.Random(when)))
        with pytest.raises(StoreProblem):
            graph.store.finish_load(lease, number, report="", at=2)
    assert graph.store.head().load == number, "the load itself is finished"
    load(graph.store)
    assert_drawn(graph)


def test_who_lost_the_lease_draws_no_more_and_who_has_it_draws_the_rest(
    graph: Graph, neo4j_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = graph.store.acquire("load", "slow")
    number = begun(graph.store, lease, rows_of(random.Random(4)))
    draw = first.First.draw

    def overtaken(*given: Any) -> bool:
        graph.ask("MATCH (l:Lease {ns: $ns}) SET l.expires_at = 1")
        load(graph.store)
        return draw(*given)

    monkeypatch.setattr(first.First, "draw", overtaken)
    with pytest.raises(LeaseLost):
        graph.store.finish_load(lease, number, report="", at=2)
    assert_drawn(graph)


def test_a_load_of_which_something_was_not_acknowledged_is_drawn_by_what_the_server_holds(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Connection.write
    with leased(graph.store) as lease:
        number = begun(graph.store, lease, {"orders": [order("o1", "b1")]})

        def unheard(self: Connection, work: Any) -> Any:
            write(self, work)
            raise StoreProblem("the connection was lost while a change was being confirmed")

        with monkeypatch.context() as patched:
            patched.setattr(Connection, "write", unheard)
            with pytest.raises(StoreProblem, match="confirmed"):
                graph.store.write(lease, number, "orders", table("orders", [order("o2", "b2")]))
        graph.store.finish_load(lease, number, report="", at=2)
    assert ids(graph.store) == ["o1", "o2"]
    assert_drawn(graph)
