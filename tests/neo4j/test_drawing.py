"""The graph that is declared is the graph that is drawn, and the style file for Neo4j Browser knows all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest

from graph.columns import QUARANTINE
from graph.neo4j import Neo4jStore
from graph.neo4j.drawing import EDGES
from graph.neo4j.model import ENTITIES, INTERNAL, KIND_LABELS, label_of
from graph.open import masked_url
from graph.reserving import Part, Reserve
from graph.schema import BY_NAME, TABLES
from tests.conformance.support import account, key, leased, load, order, publish, run, table

ROOT = Path(__file__).parents[2]
NS = f"drawing {os.getpid()}"
KEYS = {kind: key(number) for number, kind in enumerate(KIND_LABELS, 1)}
WITHIN = {"door": "building", "building": "estate", "ip": "ip_prefix"}


def fill(store: Neo4jStore) -> None:
    """One of everything that the graph knows."""
    identifiers = [
        {"id": f"{kind}:{KEYS[kind].hex()}", "kind": kind, "key": KEYS[kind], "within": KEYS.get(WITHIN.get(kind, ""))}
        for kind in KIND_LABELS
    ]
    columns = {column.name: KEYS[column.identifier] for column in BY_NAME["orders"].columns if column.identifier}
    orders = [order("o1", **columns), order("o2", address=KEYS["building"]), order("o3", address=KEYS["estate"])]
    uses = [
        {"use_id": column, "buyer_id": "b1", "kind": column, "key": at, "used_at": 5} for column, at in columns.items()
    ]
    claim = {"refund_id": "r1", "order_id": "o1", "requested_at": 2, "kind": "refund_only", "outcome": "pending"}
    claim |= {"initiated_by": "buyer", "parcel": KEYS["parcel"], "pictures": ["00ff"]}
    complaint = {"complaint_id": "c1", "refund_id": "r1", "filed_at": 3, "type": "fake_evidence", "outcome": "pending"}
    decision = {"decision_id": "d1", "buyer_id": "b1", "decided_at": 4, "decision": "closed", "scope": "platform"}
    item = {"item_id": "o1\x1fs", "order_id": "o1", "sku": "s", "quantity": 1}
    with_digest = {
        name: [{**row, "digest": 1} for row in rows]
        for name, rows in {
            "order_items": [item], "uses": uses, "refunds": [claim], "complaints": [complaint],
            "past_decisions": [decision], "buyers": [{"buyer_id": "b1"}], "stores": [{"store_id": "s1"}],
        }.items()
    }  # fmt: skip
    load(store, identifiers=identifiers, orders=orders, **with_digest)
    ring = {"ring_id": "g", "members": ["b1"], "stores": ["s1"], "amount": 1, "currency": "CNY", "confidence": 0.5}
    ring |= {"first_at": 1, "last_at": 2, "reasons": []}
    member = {"member_id": "m", "ring_id": "g", "buyer_id": "b1", "probability": 0.5, "role": "actor"}
    device = f"device:{KEYS['device'].hex()}"
    evidence = {"evidence_id": "e", "ring_id": "g", "buyer_id": "b1", "kind": "k", "nats": 1.0, "text": "t"}
    evidence |= {"source_table": "orders", "source_id": "o1", "identifier": device}
    hub = {"identifier": device, "kind": "device", "buyers": 1, "claims": 1, "expected_claims": 0.1, "nats": 1.0}
    hub |= {"verdict": "benign", "text": "t"}
    decided = {"buyer_id": "b1", "status": "CLEAR", "limit_store_ids": [], "reasons": []}
    found = {"run_accounts": account("b1"), "run_rings": ring, "run_members": member, "run_evidence": evidence}
    with leased(store, "run") as lease:
        store.begin_run(lease, run("r"))
        for name, row in {**found, "run_hubs": hub, "run_decisions": decided}.items():
            store.write_run(lease, "r", name, table(name, [row]))
        store.finish_run(lease, "r", state="complete", at=20)
    publish(store, "r")
    store.reserve([Reserve("o1", {}, (Part("k", "1d", 1, 2, until=9),), hold_until=2, keep_until=9)], now=1)


@pytest.fixture(scope="module")
def session(neo4j_server: Any) -> Iterator[neo4j.Session]:
    """Plain Cypher over a namespace with one of everything."""
    store = Neo4jStore(neo4j_server.url, shown=masked_url(neo4j_server.url), namespace=NS)
    # a worker that is given other modules between the tests of this one comes here twice
    if not store.head().run:
        fill(store)
    login = (neo4j_server.user, neo4j_server.password)
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=login) as driver, driver.session() as opened:
        yield opened
    store.close()


def test_the_relationships_that_are_declared_are_those_that_are_drawn(session: neo4j.Session) -> None:
    query = "MATCH (a)-[r]->(b) WHERE $ns IN [a.ns, b.ns] RETURN DISTINCT labels(a), type(r), labels(b), keys(r)"
    drawn = [record.values() for record in session.run(query, ns=NS)]
    for begin, name, end, keys in drawn:
        fitting = [edge for edge in EDGES if edge.begin in begin and edge.name == name and edge.end in end]
        assert fitting, f"drawn and not declared: {begin} {name} {end}"
        assert all(set(keys) <= {known for known, _ in edge.properties} for edge in fitting)
    for edge in EDGES:
        ends = [(begin, end) for begin, name, end, _ in drawn if name == edge.name]
        assert any(edge.begin in begin and edge.end in end for begin, end in ends), f"declared and not drawn: {edge}"
        found = {known for _, name, _, keys in drawn if name == edge.name for known in keys}
        assert {known for known, _ in edge.properties} <= found, edge


# -- the style file ----------------------------------------------------------------------------------------------------


def style() -> dict[str, dict[str, str]]:
    """The style file as Neo4j Browser reads it: selectors with their properties, in order. It knows no comments."""
    rules: dict[str, dict[str, str]] = {}
    selector, body, inside, quoted = "", "", False, False
    for sign in (ROOT / "docs" / "ringfence.grass").read_text("utf-8"):
        if sign in "'\"":
            quoted = not quoted
        elif sign == "{" and not quoted:
            assert not inside
            inside = True
        elif sign == "}" and not quoted:
            pairs = [part.split(":") for part in body.split(";") if part.strip()]
            assert all(len(pair) == 2 for pair in pairs), body
            assert selector not in rules, f"twice: {selector}"
            rules[selector] = {name.strip(): value.strip() for name, value in pairs}
            selector, body, inside = "", "", False
        elif inside:
            body += sign
        elif not sign.isspace():
            selector += sign
    assert not selector
    assert not inside
    return rules


def labels() -> set[str]:
    tables = {label for one in TABLES for label in (one.label, label_of(one))}
    return {*tables, *KIND_LABELS.values(), *INTERNAL, *ENTITIES, "Take"}


def test_the_style_file_knows_every_label_and_every_relationship_and_no_other() -> None:
    found = set(style())
    expected = {"node", "relationship", *(f"node.{label}" for label in labels())}
    expected |= {f"relationship.{edge.name}" for edge in EDGES}
    assert found == expected


def test_captions_of_the_style_file_name_properties_that_are_there(session: neo4j.Session) -> None:
    query = "MATCH (n) WHERE n.ns = $ns OR n:Take UNWIND labels(n) AS label UNWIND keys(n) AS key "
    query += "RETURN label, collect(DISTINCT key)"
    there = {label: set(keys) for label, keys in (record.values() for record in session.run(query, ns=NS))}
    declared = {label_of(one): set(one.names) for one in TABLES} | {one.label: set(one.names) for one in TABLES}
    for label in KIND_LABELS.values():
        declared[label] = declared["Identifier"]
    declared |= {label: set(keys) for label, keys in {**ENTITIES, **INTERNAL}.items()}
    declared["Quarantined"] = set(QUARANTINE.names)
    edges = {edge.name: {known for known, _ in edge.properties} for edge in EDGES}
    for selector, properties in style().items():
        tag, _, name = selector.partition(".")
        caption = properties.get("caption", "")
        assert caption or selector == "node"
        if caption.startswith("{"):
            known = edges[name] if tag == "relationship" else declared.get(name, set()) | there.get(name, set())
            assert caption.strip("{}") in known, selector


def test_what_readers_see_is_styled_after_its_record_and_its_kind_after_the_identifier() -> None:
    """Browser puts the rules of all labels of a node over each other, later ones last."""
    places = {selector: at for at, selector in enumerate(style())}
    for one in TABLES:
        assert places[f"node.{label_of(one)}"] <= places[f"node.{one.label}"]
    for label in KIND_LABELS.values():
        assert places["node.Identifier"] < places[f"node.{label}"]
