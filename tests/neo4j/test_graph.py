"""The graph that people walk says what readers see, after any loads: new, changed, repeated, killed and forgotten rows;
and nothing of what was replaced or is not finished."""

from __future__ import annotations

import itertools
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import neo4j
import pytest

from graph.errors import StoreProblem
from graph.neo4j import Neo4jStore, edges
from graph.neo4j.connection import Connection
from graph.open import masked_url
from graph.schema import BY_NAME
from tests.conformance.support import account, key, leased, load, order, publish, run, scan, table
from tests.neo4j.support import sample

_NAMES = itertools.count()
ADDRESSES = {40: "door", 41: "door", 42: "building", 43: "estate"}
WITHIN = {40: 42, 41: 42, 42: 43}
PICTURES = (None, [], ["00ff"], ["00ff", "ff00"], ["ff00", "ff00", "0f0f"])


class Graph:
    """A store and plain Cypher beside it."""

    def __init__(self, store: Neo4jStore, driver: neo4j.Driver) -> None:
        self.store, self.driver = store, driver

    def ask(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self.driver.session() as session:
            found = session.run(query, {"ns": self.store.namespace, **parameters})
            return [tuple(record.values()) for record in found]

    def edges(self) -> dict[str, set[Any]]:
        """Every relationship between what the platform exported, by the ids at its ends."""
        shown = (
            "CASE WHEN {0}:Buyer THEN {0}.buyer_id WHEN {0}:Store THEN {0}.store_id WHEN {0}:Order THEN {0}.order_id "
            "WHEN {0}:Refund THEN {0}.refund_id WHEN {0}:Complaint THEN {0}.complaint_id "
            "WHEN {0}:Identifier THEN {0}.id WHEN {0}:Picture THEN {0}.picture ELSE 'stray' END"
        )
        found: dict[str, set[Any]] = defaultdict(set)
        query = (
            f"MATCH (a {{ns: $ns}})-[r]->(b) WHERE NOT a:Head "
            f"RETURN type(r), {shown.format('a')}, {shown.format('b')}, r.first, r.last, r.orders, r.uses"
        )
        for kind, begin, end, *more in self.ask(query):
            entry = (begin, end, *more) if kind in edges.USED.values() else (begin, end)
            assert entry not in found[kind], f"twice: {kind} {entry}"
            found[kind].add(entry)
        return dict(found)

    def ids(self, name: str) -> list[str]:
        declared = BY_NAME[name]
        return sorted(id_ for (id_,) in self.ask(f"MATCH (n:{declared.label} {{ns: $ns}}) RETURN n.{declared.id}"))


@pytest.fixture
def graph(neo4j_server: Any) -> Iterator[Graph]:
    store = Neo4jStore(
        neo4j_server.url, shown=masked_url(neo4j_server.url), namespace=f"graph {os.getpid()} {next(_NAMES)}"
    )
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password)) as driver:
        yield Graph(store, driver)
    store.close()


def identifiers() -> list[dict[str, Any]]:
    rows = []
    for number in range(50):
        kind = ADDRESSES.get(number, ("device", "phone", "parcel")[number % 3])
        within = key(WITHIN[number]) if number in WITHIN else None
        rows.append({"id": f"{kind}:{key(number).hex()}", "kind": kind, "key": key(number), "within": within})
    return rows


def refund(
    number: str, order_id: str, parcel: int | None, digest: int, pictures: list[str] | None = None
) -> dict[str, Any]:
    row = {"refund_id": number, "order_id": order_id, "requested_at": 2, "kind": "refund_only", "initiated_by": "buyer"}
    row |= {"parcel": parcel and key(parcel), "pictures": pictures}
    return {**row, "outcome": "approved", "amount": 3, "digest": digest}


def complaint(number: str, refund_id: str, digest: int) -> dict[str, Any]:
    row = {"complaint_id": number, "refund_id": refund_id, "filed_at": 3, "type": "fake_evidence"}
    return {**row, "outcome": "pending", "digest": digest}


def use(number: str, buyer: str, of: int, at: int) -> dict[str, Any]:
    kind = "address" if of in ADDRESSES else "device"
    return {"use_id": number, "buyer_id": buyer, "kind": kind, "key": key(of), "used_at": at, "digest": of * 1000 + at}


def expected(store: Neo4jStore) -> dict[str, set[Any]]:
    """What the graph has to hold, from what readers see."""
    found: dict[str, set[Any]] = defaultdict(set)
    names = {row["key"]: row["id"] for row in scan(store, "identifiers")}
    used: dict[tuple[str, str, str], list[tuple[int, bool]]] = defaultdict(list)
    orders = {row["order_id"]: row for row in scan(store)}
    for name, row in orders.items():
        found["PLACED"].add((row["buyer_id"], name))
        found["AT"].add((name, row["store_id"]))
        for column, relationship in edges.USED.items():
            if row[column] in names:
                used[relationship, row["buyer_id"], names[row[column]]].append((row["placed_at"], True))
    for row in scan(store, "uses"):
        used[edges.USED[row["kind"]], row["buyer_id"], names[row["key"]]].append((row["used_at"], False))
    for (relationship, buyer, name), times in used.items():
        first, last = min(at for at, _ in times), max(at for at, _ in times)
        counts = [sum(by_order is kind for _, by_order in times) or None for kind in (True, False)]
        found[relationship].add((buyer, name, first, last, *counts))
    claims = {row["refund_id"]: row for row in scan(store, "refunds")}
    found["REFUNDED_BY"] = {(row["order_id"], name) for name, row in claims.items() if row["order_id"] in orders}
    found["RETURNED_IN"] = {(name, names[row["parcel"]]) for name, row in claims.items() if row["parcel"] in names}
    found["SHOWS"] = {(name, picture) for name, row in claims.items() for picture in row["pictures"] or ()}
    found["ABOUT"] = {
        (row["complaint_id"], row["refund_id"]) for row in scan(store, "complaints") if row["refund_id"] in claims
    }
    found["IN"] = {(row["id"], names[row["within"]]) for row in scan(store, "identifiers") if row["within"]}
    return {kind: entries for kind, entries in found.items() if entries}


def assert_drawn(graph: Graph) -> None:
    assert graph.edges() == expected(graph.store)
    for name in ("orders", "refunds", "complaints", "uses", "order_items"):
        assert graph.ids(name) == [row[BY_NAME[name].id] for row in scan(graph.store, name)], name
    known = {row["buyer_id"] for name in ("orders", "uses", "buyers") for row in scan(graph.store, name)}
    assert set(graph.ids("buyers")) == known
    pictures = {picture for row in scan(graph.store, "refunds") for picture in row["pictures"] or ()}
    assert sorted(graph.ask("MATCH (p:Picture {ns: $ns}) RETURN p.picture")) == sorted((one,) for one in pictures)


def rows_of(dice: random.Random) -> dict[str, list[Mapping[str, Any]]]:
    """Some rows of every kind; ids come back in later loads with other content."""
    orders = [
        order(
            f"o{dice.randrange(30):02}",
            f"b{dice.randrange(8)}",
            store_id=f"s{dice.randrange(3)}",
            placed_at=dice.randrange(100),
            device=key(dice.randrange(0, 12, 3)),
            phone=dice.choice([None, key(1), key(4)]),
            address=dice.choice([None, *map(key, ADDRESSES)]),
        )
        for _ in range(12)
    ]
    return {
        "identifiers": identifiers(),
        "orders": list({row["order_id"]: row for row in orders}.values()),
        "refunds": [
            refund(
                f"r{n}",
                f"o{dice.randrange(30):02}",
                dice.choice([None, 2, 5]),
                dice.getrandbits(60),
                dice.choice(PICTURES),
            )
            for n in dice.sample(range(12), 5)
        ],
        "complaints": [
            complaint(f"c{n}", f"r{dice.randrange(12)}", dice.getrandbits(60)) for n in dice.sample(range(6), 2)
        ],
        "uses": [
            use(f"u{n}", f"b{dice.randrange(10)}", dice.choice([0, 3, 40, 43]), dice.randrange(100))
            for n in dice.sample(range(9), 3)
        ],
        "order_items": [
            {
                "item_id": f"o{n:02}\x1fx",
                "order_id": f"o{n:02}",
                "sku": "x",
                "quantity": 1,
                "digest": dice.getrandbits(60),
            }
            for n in dice.sample(range(20), 3)
        ],
        "buyers": [{"buyer_id": f"b{n}", "registered_at": n, "digest": dice.getrandbits(60)} for n in (1, 11)],
    }


def test_whatever_is_loaded_the_graph_says_what_readers_see(graph: Graph) -> None:
    dice = random.Random(7)
    for _ in range(6):
        load(graph.store, **rows_of(dice))
        assert_drawn(graph)


def test_a_load_that_is_not_finished_or_was_killed_is_not_in_the_graph(graph: Graph) -> None:
    dice = random.Random(8)
    load(graph.store, **rows_of(dice))
    before = graph.edges(), graph.ids("orders")
    with leased(graph.store) as lease:
        number = graph.store.begin_load(lease, source="x", at=1)
        for name, rows in rows_of(dice).items():
            graph.store.write(lease, number, name, table(name, rows))
        assert (graph.edges(), graph.ids("orders")) == before
    load(graph.store)
    assert (graph.edges(), graph.ids("orders")) == before
    load(graph.store, **rows_of(dice))
    assert_drawn(graph)


@pytest.mark.parametrize("when", sample(range(0, 22, 3), kept=(0, 9, 18)))
def test_what_was_cut_off_while_drawing_is_drawn_by_the_next_load(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    dice = random.Random(when)
    load(graph.store, **rows_of(dice))
    done = itertools.count()
    alone = Connection.alone

    def cut(self: Connection, query: str, **parameters: Any) -> None:
        if next(done) >= when:
            raise StoreProblem("the server does not answer")
        alone(self, query, **parameters)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "alone", cut)
        with leased(graph.store) as lease:
            number = graph.store.begin_load(lease, source="x", at=1)
            for name, rows in rows_of(dice).items():
                graph.store.write(lease, number, name, table(name, rows))
            with pytest.raises(StoreProblem):
                graph.store.finish_load(lease, number, report="", at=2)
    assert graph.store.head().load == number, "the load itself is finished"
    load(graph.store)
    assert_drawn(graph)


def test_who_is_forgotten_hangs_on_no_identifier_any_more(graph: Graph) -> None:
    dice = random.Random(9)
    load(graph.store, **rows_of(dice))
    load(graph.store, **rows_of(dice))
    with leased(graph.store) as lease:
        graph.store.forget(lease, "b3")
    assert graph.edges() == expected(graph.store)
    load(graph.store, orders=[order("o99", "b3")])
    assert_drawn(graph)


def test_a_claim_on_an_order_that_changed_hands_is_erased_with_its_former_buyer(graph: Graph) -> None:
    load(
        graph.store,
        identifiers=identifiers(),
        orders=[order("o1", "b1"), order("o2", "b3")],
        refunds=[refund("r1", "o1", 2, 1, ["00ff", "ff00"]), refund("r2", "o2", 2, 2, ["00ff"])],
    )
    load(graph.store, orders=[order("o1", "b2", amount=7)])
    with leased(graph.store) as lease:
        graph.store.forget(lease, "b1")
    assert graph.edges() == expected(graph.store)
    assert graph.ask("MATCH (p:Picture {ns: $ns}) RETURN p.picture") == [("00ff",)]


def test_a_published_run_hangs_on_the_head_and_on_the_accounts(graph: Graph) -> None:
    load(graph.store, orders=[order("o1", "b1"), order("o2", "b2")], identifiers=identifiers())
    members = ["b1", "b2"]
    for number in (1, 2):
        name = f"r{number}"
        ring = {"ring_id": "ring", "members": members, "stores": ["s1"], "amount": number, "currency": "CNY"}
        ring |= {"confidence": 0.9, "first_at": 1, "last_at": 2, "reasons": []}
        with leased(graph.store, "run") as lease:
            graph.store.begin_run(lease, run(name))
            found = {
                "run_rings": [ring],
                "run_accounts": [account(buyer, 0.1 * number) for buyer in members],
                "run_members": [
                    {"member_id": b, "ring_id": "ring", "buyer_id": b, "probability": 0.5 * number, "role": "actor"}
                    for b in members
                ],
                "run_evidence": [
                    {"evidence_id": "e", "ring_id": "ring", "buyer_id": "b1", "kind": "device", "nats": 1.0}
                    | {"source_table": "orders", "source_id": "o1", "identifier": identifiers()[0]["id"], "text": "t"}
                ],
                "run_decisions": [
                    {"buyer_id": b, "status": "WATCH", "limit_store_ids": [], "reasons": []} for b in members
                ],
            }
            for part, rows in found.items():
                graph.store.write_run(lease, name, part, table(part, rows))
            graph.store.finish_run(lease, name, state="complete", at=20)
        publish(graph.store, name)
    published = "MATCH (:Head {ns: $ns})-[:PUBLISHED]->(run:Run)"
    assert graph.ask(f"{published} RETURN run.run_id") == [("r2",)]
    walk = f"{published}-[:FOUND]->(ring:Ring)<-[m:MEMBER_OF]-(b:Buyer) RETURN b.buyer_id, m.probability, ring.amount"
    assert sorted(graph.ask(walk)) == [("b1", 1.0, 2), ("b2", 1.0, 2)]
    decided = (
        f"{published} MATCH (d:Decision {{ns: $ns, run_id: run.run_id}})-[:ABOUT]->(b:Buyer) "
        "RETURN b.buyer_id, d.status ORDER BY b.buyer_id"
    )
    assert graph.ask(decided) == [("b1", "WATCH"), ("b2", "WATCH")]
    spoken = (
        f"{published}-[:FOUND]->(ring)<-[:SUPPORTS]-(e:Evidence)-[:NAMES]->(d:Device) "
        "MATCH (e)-[:SPEAKS_OF]->(b:Buyer) RETURN b.buyer_id, d.key"
    )
    assert graph.ask(spoken) == [("b1", key(0).hex())]
    with leased(graph.store, "run") as lease:
        graph.store.drop_runs(lease, ["r1"])
    assert graph.ask("MATCH (n {ns: $ns, run_id: 'r1'}) RETURN count(n)") == [(0,)]


def test_a_value_that_somebody_took_from_a_row_is_missing_there_and_shifts_no_other(graph: Graph) -> None:
    load(graph.store, orders=[order("o1"), order("o2"), order("o3")])
    before = {row["order_id"]: row["currency"] for row in scan(graph.store)}
    graph.ask("MATCH (n:OrderRecord {ns: $ns, order_id: 'o2'}) REMOVE n.currency")
    assert {row["order_id"]: row["currency"] for row in scan(graph.store)} == {**before, "o2": None}
