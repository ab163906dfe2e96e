"""Every question of docs/cypher.md, run against a real server and held against what the store itself says."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j
import pytest

from graph.open import open_store
from graph.schema import BY_NAME
from graph.store import Store
from integrity.policy import default_policy
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate

PAGE = Path(__file__).parents[2] / "docs" / "cypher.md"
NOW = 1_893_456_000_000_000
EARLIER = 120 * 86_400_000_000
QUESTIONS = dict(re.findall(r"^## (\d+)\. .*?```cypher\n(.*?)```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))


@dataclass
class Graph:
    """A simulated market on the server, in two runs, and its tables as plain rows."""

    store: Store
    driver: neo4j.Driver
    before: str
    run: str

    def rows(self, table: str) -> list[dict[str, Any]]:
        names = BY_NAME[table].names
        return [row for batch in self.store.scan(table, names) for row in batch.to_pylist()]

    def found(self, table: str, run: str = "") -> list[dict[str, Any]]:
        return self.store.run_rows(run or self.run, table).to_pylist()

    def ask(self, number: int, **given: Any) -> list[list[Any]]:
        records, _, _ = self.driver.execute_query(QUESTIONS[str(number)], ns=self.store.namespace, **given)
        return [record.values() for record in records]


@pytest.fixture(scope="module")
def graph(neo4j_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("market") / "export"
    simulate(folder, buyers=1_200, seed=2, abuse="high")
    namespace = f"cypher {os.getpid()}"
    store = open_store(neo4j_server.url, namespace=namespace)
    load_folder(store, Keyer("a key of this test, thirty-two bytes", namespace), folder, now=NOW)
    latest = max(row["placed_at"] for row in Graph(store, None, "", "").rows("orders"))  # type: ignore[arg-type]
    runs = []
    for as_of in (latest - EARLIER, None):
        outcome = run_detection(store, policy=default_policy(), now=lambda: NOW, holder="test", as_of=as_of)
        runs.append(outcome.run.run_id)
    driver = neo4j.GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password))
    yield Graph(store, driver, *runs)
    driver.close()
    store.close()


def ring_of(graph: Graph) -> dict[str, Any]:
    return max(graph.found("run_rings"), key=lambda ring: (len(ring["members"]), ring["ring_id"]))


def users(graph: Graph, column: str) -> dict[bytes, set[str]]:
    """Accounts by key, from orders and uses."""
    found: dict[bytes, set[str]] = defaultdict(set)
    for order in graph.rows("orders"):
        if order[column] is not None:
            found[order[column]].add(order["buyer_id"])
    for use in graph.rows("uses"):
        if use["kind"] == column:
            found[use["key"]].add(use["buyer_id"])
    return found


def limited(graph: Graph) -> dict[str, str]:
    decisions = graph.found("run_decisions")
    return {row["buyer_id"]: row["status"] for row in decisions if row["status"] not in ("CLEAR", "WATCH")}


def claims(graph: Graph) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    orders = {row["order_id"]: row for row in graph.rows("orders")}
    return [(orders[row["order_id"]], row) for row in graph.rows("refunds") if row["order_id"] in orders]


def test_the_page_asks_fifteen_questions() -> None:
    assert sorted(map(int, QUESTIONS)) == list(range(1, 16))


def test_1_who_used_a_device(graph: Graph) -> None:
    key, buyers = max(users(graph, "device").items(), key=lambda item: (len(item[1]), item[0]))
    answer = graph.ask(1, key=key.hex())
    assert [row[0] for row in answer] == sorted(buyers)
    made = defaultdict(int)
    for order in graph.rows("orders"):
        if order["device"] == key:
            made[order["buyer_id"]] += 1
    assert {row[0]: row[1] for row in answer if row[1]} == dict(made)


def test_2_where_an_order_came_from(graph: Graph) -> None:
    by_device = users(graph, "device")
    order = max(graph.rows("orders"), key=lambda row: (len(by_device.get(row["device"], ())), row["order_id"]))
    answer = {row[0]: row[2] for row in graph.ask(2, order=order["order_id"])}
    assert answer["device"] == len(by_device[order["device"]] - {order["buyer_id"]}) > 0


def test_3_who_is_limited(graph: Graph) -> None:
    answer = graph.ask(3)
    assert {row[0]: row[1] for row in answer} == limited(graph) != {}
    risks = {row["buyer_id"]: row["risk"] for row in graph.found("run_accounts")}
    assert all(row[2] == risks[row[0]] for row in answer)


def test_4_rings_and_their_members(graph: Graph) -> None:
    wanted = sorted((m["ring_id"], m["buyer_id"], m["role"], m["probability"]) for m in graph.found("run_members"))
    assert [(row[0], row[2], row[3], row[4]) for row in graph.ask(4)] == wanted != []


def test_5_why_a_ring(graph: Graph) -> None:
    ring = ring_of(graph)["ring_id"]
    wanted = sorted(
        (e["buyer_id"], e["kind"], e["text"], e["source_id"])
        for e in graph.found("run_evidence")
        if e["ring_id"] == ring
    )
    assert sorted((row[0], row[1], row[3], row[4]) for row in graph.ask(5, ring=ring)) == wanted != []


def test_6_the_shortest_way_between_two_members(graph: Graph) -> None:
    kinds = ("device", "payment", "phone", "address")
    together = next(
        sorted(buyers)[:2] for kind in kinds for _, buyers in sorted(users(graph, kind).items()) if len(buyers) > 1
    )
    (way,) = graph.ask(6, a=together[0], b=together[1])[0]
    assert (way[0], way[-1], len(way)) == (together[0], together[1], 3)


def test_7_rings_that_grew(graph: Graph) -> None:
    before, now = graph.found("run_rings", graph.before), graph.found("run_rings")
    wanted = []
    for ring in now:
        for old in before:
            members, were = set(ring["members"]), set(old["members"])
            if 2 * len(members & were) >= len(members) and members - were:
                wanted.append((ring["ring_id"], old["ring_id"], sorted(members - were)))
    assert sorted((row[0], row[1], sorted(row[2])) for row in graph.ask(7, before=graph.before)) == sorted(wanted) != []


def test_8_harmless_hubs(graph: Graph) -> None:
    wanted = {hub["identifier"]: hub["text"] for hub in graph.found("run_hubs") if hub["verdict"] == "benign"}
    assert {row[0]: row[3] for row in graph.ask(8)} == wanted != {}


def test_9_where_a_ring_claimed(graph: Graph) -> None:
    ring = ring_of(graph)
    wanted: dict[str, int] = defaultdict(int)
    for order, _ in claims(graph):
        if order["buyer_id"] in ring["members"]:
            wanted[order["store_id"]] += 1
    assert {row[0]: row[2] for row in graph.ask(9, ring=ring["ring_id"])} == dict(wanted) != {}


def test_10_what_an_account_did(graph: Graph) -> None:
    buyer = ring_of(graph)["members"][0]
    wanted = sorted((row["placed_at"], row["order_id"]) for row in graph.rows("orders") if row["buyer_id"] == buyer)
    answer = graph.ask(10, buyer=buyer)
    assert sorted({(row[0], row[1]) for row in answer}) == wanted
    assert sum(row[4] is not None for row in answer) == sum(order["buyer_id"] == buyer for order, _ in claims(graph))


def _shared(graph: Graph, what: Callable[[dict[str, Any]], list[Any]]) -> dict[Any, set[str]]:
    found: dict[Any, set[str]] = defaultdict(set)
    for order, refund in claims(graph):
        for value in what(refund):
            found[value].add(order["buyer_id"])
    return {value: buyers for value, buyers in found.items() if len(buyers) > 1}


def test_11_parcels_of_several(graph: Graph) -> None:
    wanted = _shared(graph, lambda refund: [refund["parcel"].hex()] if refund["parcel"] else [])
    assert {row[0]: set(row[1]) for row in graph.ask(11)} == wanted != {}


def test_12_pictures_of_several(graph: Graph) -> None:
    wanted = _shared(graph, lambda refund: refund["pictures"] or [])
    assert {row[0]: row[1] for row in graph.ask(12)} == {value: len(buyers) for value, buyers in wanted.items()} != {}


def test_13_buildings_of_limited_accounts(graph: Graph) -> None:
    buildings = {row["key"]: row["within"] for row in graph.rows("identifiers") if row["kind"] == "door"}
    kinds = {row["key"]: row["kind"] for row in graph.rows("identifiers")}
    wanted: dict[str, set[str]] = defaultdict(set)
    bad = limited(graph)
    for key, buyers in users(graph, "address").items():
        place = buildings.get(key)
        if place is not None and kinds[place] == "building":
            wanted[place.hex()] |= buyers & set(bad)
    assert {row[1]: row[2] for row in graph.ask(13)} == {k: len(v) for k, v in wanted.items() if len(v) > 1} != {}


def test_14_who_stands_beside_a_ring(graph: Graph) -> None:
    ring = ring_of(graph)
    members, wanted = set(ring["members"]), set()
    for kind in ("device", "payment", "phone"):
        for buyers in users(graph, kind).values():
            if buyers & members:
                wanted |= buyers - members
    assert {row[0] for row in graph.ask(14, ring=ring["ring_id"])} == wanted != set()


def test_15_whose_status_changed(graph: Graph) -> None:
    then = {row["buyer_id"]: row["status"] for row in graph.found("run_decisions", graph.before)}
    wanted = [
        (row["buyer_id"], then.get(row["buyer_id"], "unknown"), row["status"])
        for row in graph.found("run_decisions")
        if then.get(row["buyer_id"], "unknown") != row["status"]
    ]
    assert [tuple(row) for row in graph.ask(15, before=graph.before)] == sorted(wanted) != []
