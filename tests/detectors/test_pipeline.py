"""The whole detection on small markets: a planted ring is found and explained, ordinary look-alikes are left alone."""

from __future__ import annotations

import json
from typing import Any

import networkx
import numpy as np
import pyarrow as pa
import pytest

from detectors.contract import SOURCES
from detectors.export import rings_graph, rings_graphml, rings_node_link
from detectors.pipeline import Findings, detect
from detectors.settings import DetectionSettings
from graph.columns import arrow_schema
from graph.schema import BY_NAME
from tests.detectors.market import snapshot

QUICK = DetectionSettings(null_draws=8)
TABLES = ("accounts", "rings", "members", "evidence", "hubs")


def market() -> dict[str, Any]:
    """400 ordinary people; a ring of seven on two devices; a couple; a dormitory of thirty at one door."""
    accounts: dict[str, Any] = {}
    for n in range(7):
        accounts[f"ring-{n}"] = {
            "orders": 8, "claims": 6, "only": True, "start": 20, "every": 6, "minute": n * 45, "device": f"farm{n % 2}",
            "payment": f"card{n // 3}", "stores": ["s2", "s5", "s7", "s9"], "door": f"h{n}/1",
        }  # fmt: skip
    for n in range(2):
        accounts[f"couple-{n}"] = {
            "orders": 8,
            "claims": n,
            "device": "tablet",
            "door": "home/1",
            "stores": ["s1", "s3"],
        }
    for n in range(30):
        accounts[f"dorm-{n:02d}"] = {
            "orders": 6,
            "claims": n % 4 == 0,
            "door": "dorm/1",
            "start": n,
            "stores": ["s4", "s6"],
        }
    return {"crowd": 400, "accounts": accounts}


@pytest.fixture(scope="module")
def findings() -> Findings:
    return detect(snapshot(market()), QUICK)


def account(findings: Findings, buyer: str) -> dict[str, Any]:
    return next(row for row in findings.accounts.to_pylist() if row["buyer_id"] == buyer)


def test_the_planted_ring_is_published_alone_and_whole(findings: Findings) -> None:
    (ring,) = findings.rings.to_pylist()
    assert ring["members"] == [f"ring-{n}" for n in range(7)]
    assert ring["confidence"] >= QUICK.ring_confidence
    assert ring["stores"] == ["s2", "s5", "s7", "s9"]
    assert ring["amount"] == 7 * 6 * 10_000
    assert any("7 accounts filed 42 claims" in reason for reason in ring["reasons"])
    assert all(account(findings, f"ring-{n}")["risk"] > 0.9 for n in range(7))


def test_the_couple_and_the_dormitory_are_left_alone(findings: Findings) -> None:
    for row in findings.accounts.to_pylist():
        if not row["buyer_id"].startswith("ring"):
            assert row["risk"] < 0.3, row
            assert row["ring_id"] is None
    (hub,) = [row for row in findings.hubs.to_pylist() if row["kind"] == "door"]
    assert (hub["buyers"], hub["verdict"]) == (30, "benign")
    assert hub["nats"] < 0


def test_evidence_explains_a_risk_in_sentences_and_records(findings: Findings) -> None:
    told = account(findings, "ring-0")["reasons"]
    assert any("6 claims on 8 orders" in reason for reason in told)
    assert any("shares 1 device with 3 other accounts that filed 18 claims" in reason for reason in told)
    mine = [row for row in findings.evidence.to_pylist() if row["buyer_id"] == "ring-0"]
    assert {row["source_table"] for row in mine} <= set(SOURCES)
    assert "device:farm0" in {row["identifier"] for row in mine}
    assert all(
        row["source_id"].split("-", 1)[1].startswith("ring-0") for row in mine if row["source_table"] == "refunds"
    )


def test_tables_have_the_declared_schema_and_are_sorted_by_unique_ids(findings: Findings) -> None:
    for name in TABLES:
        table, declared = getattr(findings, name), BY_NAME[f"run_{name}"]
        assert table.schema.equals(arrow_schema(declared)), name
        ids = table[declared.id].to_pylist()
        assert ids == sorted(set(ids)), name


def test_the_same_snapshot_gives_the_same_bytes(findings: Findings) -> None:
    again = detect(snapshot(market()), QUICK)
    for name in TABLES:
        assert getattr(findings, name).equals(getattr(again, name)), name
    assert findings.stats == again.stats


def gang(stores: list[str], orders: int, every: float) -> dict[str, Any]:
    """Six accounts on one device, door and phone that claim whatever they order."""
    return {
        f"gang-{n}": {
            "orders": orders, "claims": orders, "only": True, "start": 60, "every": every, "minute": n * 7,
            "stores": stores, "device": "gang", "door": "gang/1", "phone": "gang",
        }
        for n in range(6)
    }  # fmt: skip


@pytest.mark.parametrize("crowd", [300, 1500])
@pytest.mark.parametrize(
    ("stores", "orders", "every"),
    [
        (["s0"], 5, 1),  # one store, within days: no bad batch
        (["s0", "s1", "s2"], 3, 0.1),  # all in one day
        ([f"s{n}" for n in range(10)], 10, 1),  # ten stores, one order each
        (["own"], 5, 1),  # a store that hardly anybody else orders from
    ],
)
def test_a_gang_that_strikes_within_days_is_found_whatever_its_stores(
    crowd: int, stores: list[str], orders: int, every: float
) -> None:
    found = detect(snapshot({"crowd": crowd, "accounts": gang(stores, orders, every)}), QUICK)
    assert [ring["members"] for ring in found.rings.to_pylist()] == [[f"gang-{n}" for n in range(6)]]
    assert all(account(found, f"gang-{n}")["risk"] > 0.9 for n in range(6))


def test_a_family_struck_by_a_bad_batch_with_others_is_no_gang() -> None:
    struck = {
        "orders": 3,
        "claims": 1,
        "start": 60,
        "every": 9,
        "stores": ["s3", "s4", "s5"],
        "sku": "bad",
        "only": True,
    }
    accounts = {f"other-{n:02d}": {**struck, "minute": n * 90, "device": f"d{n}", "door": f"h{n}/1"} for n in range(16)}
    accounts |= {f"family-{n}": {**struck, "minute": n * 50, "device": "tablet", "door": "home/1"} for n in range(4)}
    found = detect(snapshot({"crowd": 300, "accounts": accounts}), QUICK)
    assert not found.rings.num_rows
    assert max(row["risk"] for row in found.accounts.to_pylist()) < 0.05


def test_without_the_ring_nothing_is_published() -> None:
    honest = market()
    honest["accounts"] = {k: v for k, v in honest["accounts"].items() if not k.startswith("ring")}
    findings = detect(snapshot(honest), QUICK)
    assert findings.rings.num_rows == 0
    assert max(findings.accounts["risk"].to_pylist()) < 0.5


def test_a_bad_batch_makes_nobody_suspicious() -> None:
    lamp = {"orders": 1, "stores": ["s3"], "sku": "lamp"}
    before = {f"before-{n:02d}": {**lamp, "start": n} for n in range(40)}
    batch = {f"batch-{n:02d}": {**lamp, "claims": 1, "start": 60, "device": f"b{n}"} for n in range(25)}
    findings = detect(snapshot({"crowd": 300, "accounts": before | batch}), QUICK)
    assert findings.stats["surges"] >= 1
    assert all(row["risk"] < 0.05 for row in findings.accounts.to_pylist())


def test_an_account_that_never_claimed_is_not_held_guilty_for_its_device() -> None:
    told = market()
    told["accounts"]["mate"] = {"orders": 8, "device": "farm0", "door": "h0/1", "stores": ["s1"]}
    mate = account(detect(snapshot(told), QUICK), "mate")
    assert mate["risk"] < 0.5


@pytest.mark.parametrize(
    "told", [{}, {"accounts": {"a": {"orders": 1}}}, {"accounts": {"a": {"orders": 1, "claims": 1}}}]
)
def test_next_to_nothing_is_no_error(told: dict[str, Any]) -> None:
    findings = detect(snapshot(told), QUICK)
    assert findings.accounts.num_rows == len(told.get("accounts", {}))
    assert findings.rings.num_rows == 0


def test_a_device_of_thousands_and_a_buyer_of_thousands_of_orders_cost_rows_not_pairs() -> None:
    accounts: dict[str, Any] = {f"h{n:05d}": {"orders": 1, "device": "hub", "claims": n % 9 == 0} for n in range(4000)}
    accounts["busy"] = {"orders": 4000, "claims": 40, "every": 0.05, "device": "hub"}
    findings = detect(snapshot({"accounts": accounts}), QUICK)
    (hub,) = findings.hubs.to_pylist()
    assert (hub["buyers"], hub["verdict"]) == (4001, "benign")
    assert findings.rings.num_rows == 0


def test_a_ring_can_be_drawn_by_other_tools(findings: Findings) -> None:
    tables = (findings.rings, findings.members, findings.evidence)
    graph = rings_graph(*tables)
    assert {graph.nodes[node]["label"] for node in graph} == {"account", "key"}
    assert sum(node.startswith("account:") for node in graph) == 7
    read = networkx.parse_graphml(rings_graphml(*tables).decode())
    assert set(read.nodes) == set(graph.nodes)
    assert len(json.loads(rings_node_link(*tables))["edges"]) == graph.number_of_edges()
    one = findings.rings.slice(0, 0)
    assert rings_graph(one, findings.members, findings.evidence).number_of_nodes() == 0


def test_bridges_and_articulation_points_are_those_of_igraph(findings: Findings) -> None:
    import igraph

    graph = rings_graph(findings.rings, findings.members, findings.evidence)
    nodes = sorted(graph)
    other = igraph.Graph(n=len(nodes), edges=[(nodes.index(a), nodes.index(b)) for a, b in graph.edges])
    assert {node for node in nodes if graph.nodes[node]["articulation"]} == {
        nodes[i] for i in other.articulation_points()
    }
    bridges = {frozenset(nodes[v] for v in other.es[e].tuple) for e in other.bridges()}
    assert {frozenset(edge) for edge in graph.edges if graph.edges[edge]["bridge"]} == bridges


def test_risks_are_probabilities(findings: Findings) -> None:
    risk = np.array(findings.accounts["risk"].to_pylist())
    assert ((risk >= 0) & (risk <= 1)).all()
    assert isinstance(findings.accounts, pa.Table)
