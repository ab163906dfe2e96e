"""Cases over GraphQL: the queue, the steps by role, the brief."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from typing import Any

from graph.store import Store
from tests.api.conftest import Asked

OPEN = "mutation ($t: CaseTarget!, $id: ID!) { openCase(target: $t, targetId: $id) { id state openedBy buyerIds } }"
SECRET = "his debts"


def opened(api: Asked, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.data(OPEN, t="RING", id="ring-0a", **more)["openCase"]
    return found


def test_the_queue_is_of_one_currency_by_money_at_risk(api: Asked) -> None:
    query = """query ($c: Currency) { caseQueue(currency: $c) { edges { node { target targetId accounts confidence
               claimed { amount currency } atRisk { amount } } } } }"""

    def nodes(**variables: Any) -> list[dict[str, Any]]:
        return [edge["node"] for edge in api.data(query, **variables)["caseQueue"]["edges"]]

    (ring,) = nodes(c="CNY")
    assert (ring["target"], ring["targetId"], ring["accounts"]) == ("RING", "ring-0a", 3)
    assert (ring["claimed"]["amount"], ring["atRisk"]["amount"]) == ("2400.00", "2328.00")
    assert [one["targetId"] for one in nodes(c="JPY")] == ["ring-0b"]
    assert nodes(c="USD") == []
    opened(api)
    assert nodes(c="CNY") == []


def test_a_case_is_worked_on_step_by_step_and_an_auditor_reads_it(api: Asked, store: Store) -> None:
    case = opened(api)
    assert (case["state"], case["openedBy"], case["buyerIds"]) == (
        "OPEN",
        "test investigator",
        ["b-01", "b-02", "b-03"],
    )
    id_ = case["id"]
    api.data('mutation ($i: ID!) { assignCase(id: $i, to: "test investigator") { assignee } }', i=id_)
    api.data("mutation ($i: ID!, $t: String!) { noteCase(id: $i, text: $t) { noteCount } }", i=id_, t=SECRET)
    decide = 'mutation ($i: ID!) { decideCase(id: $i, decision: ABUSIVE, reason: "empty parcels") { state decision } }'
    assert api.data(decide, i=id_)["decideCase"] == {"state": "DECIDED", "decision": "ABUSIVE"}
    assert api.code(decide, i=id_) == "BAD_INPUT"
    assert api.data(decide, role="senior_investigator", i=id_)["decideCase"]["state"] == "DECIDED"
    api.data('mutation ($i: ID!) { closeCase(id: $i, reason: "limits stand") { closedBy } }', i=id_)
    query = """query ($i: ID!) { case(id: $i) { state closedBy notes { edges { node { by text } } }
      facts { totalCount edges { node { text nats table id buyerId } } } timeline { edges { node { text table id } } }
      decidedBefore { edges { node { table id } } } brief drawing png: drawing(png: true) } }"""
    seen = api.data(query, role="auditor", i=id_)["case"]
    assert seen["state"] == "CLOSED"
    assert seen["notes"]["edges"] == [{"node": {"by": "test investigator", "text": SECRET}}]
    assert seen["facts"]["totalCount"] == 6
    assert seen["facts"]["edges"][0]["node"] == {
        "text": "evidence 0", "nats": 3.0, "table": "orders", "id": "o-000", "buyerId": "b-01",
    }  # fmt: skip
    assert {edge["node"]["id"] for edge in seen["timeline"]["edges"]} >= {"r-0", "c-1"}
    assert seen["decidedBefore"]["edges"][0]["node"] == {"table": "past_decisions", "id": "p-1"}
    assert seen["brief"].startswith(f"# {id_}")
    assert SECRET not in seen["brief"]
    assert seen["drawing"].lstrip().startswith("<?xml")
    assert base64.b64decode(seen["png"]).startswith(b"\x89PNG")
    handed = "query ($i: ID!) { caseBundle(id: $i) { caseId data bytes sha256 head } }"
    bundle = api.data(handed, role="auditor", i=id_)["caseBundle"]
    data = base64.b64decode(bundle["data"])
    assert (len(data), hashlib.sha256(data).hexdigest()) == (bundle["bytes"], bundle["sha256"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {"brief.md", "ring.svg", "ring.png", "manifest.json", "SHA256SUMS"} <= set(archive.namelist())
        assert json.loads(archive.read("manifest.json"))["acts"]["head"] == bundle["head"]
        assert all(SECRET.encode() not in archive.read(name) for name in archive.namelist())
    assert api.code(handed, i="case-none") == "NOT_FOUND"
    lines = [json.loads(row["body"]) for row in store.notes("audit", limit=1_000).to_pylist()]
    assert {(line["role"], line["kind"], line["what"]) for line in lines} >= {
        ("auditor", "case", id_),
        ("auditor", "case bundle", f"{id_} {bundle['sha256']}"),
        ("auditor", "account", "b-03"),
    }


def test_cases_are_listed_by_state_and_person_latest_first(api: Asked) -> None:
    first = opened(api)["id"]
    second = api.data(OPEN, t="RING", id="ring-0b")["openCase"]["id"]
    api.data('mutation ($i: ID!) { assignCase(id: $i, to: "ada") { id } }', i=second)

    def listed(arguments: str = "") -> list[str]:
        found = api.data("{ cases%s { edges { node { id } } } }" % arguments)["cases"]["edges"]
        return [edge["node"]["id"] for edge in found]

    assert listed() == [second, first]
    assert listed('(assignee: "ada")') == [second]
    assert listed("(state: OPEN)") == [second, first]
    assert listed("(state: CLOSED)") == []
    assert api.data('{ case(id: "case-none") { id } }') == {"case": None}


def test_what_is_not_there_and_whose_it_is_not_is_told(api: Asked) -> None:
    assert api.code(OPEN, t="RING", id="ring-none") == "NOT_FOUND"
    assert api.code(OPEN, t="ACCOUNT", id="c-00") == "NOT_FOUND"
    id_ = opened(api)["id"]
    decide = 'mutation ($i: ID!) { decideCase(id: $i, decision: HONEST, reason: "so") { id } }'
    assert api.code(decide, i=id_) == "FORBIDDEN"
    assert api.code(decide, role="auditor", i=id_) == "FORBIDDEN"
