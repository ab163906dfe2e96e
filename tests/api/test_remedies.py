"""Remedies over the API: investigators see all of them, a store what it may use, in words that tell nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph.store import Store
from tests.api import market
from tests.api.conftest import Asked, Serve

ASSESS = (
    "query ($r: ID!) { assessClaim(refundId: $r) { refundId runId policy toldToStore remedies { kind scope reason } } }"
)


def kinds(remedies: list[dict[str, Any]]) -> list[str]:
    return [one["kind"] for one in remedies]


def test_an_accounts_remedies_stand_beside_its_status(api: Asked) -> None:
    remedies = "remedies { kind scope storeIds reason runId policy expiresAt buyer { en zh } store { en } lift { en } }"
    query = f"query ($id: ID!) {{ account(id: $id) {{ status warning {{ en }} {remedies} }} }}"
    actor = api.data(query, id="b-02")["account"]
    assert kinds(actor["remedies"])[0] == "PLATFORM_LIMIT"
    assert {one["runId"] for one in actor["remedies"]} == {"run-1"}
    assert {one["policy"] for one in actor["remedies"]} == {"2025.1"}
    assert {one["scope"] for one in actor["remedies"]} == {"PLATFORM"}
    at_store = api.data(query, id="b-03")["account"]["remedies"]
    assert {tuple(one["storeIds"]) for one in at_store} == {("s-2",)}
    for buyer in ("c-05", "b-09", "nobody"):
        account = api.data(query, id=buyer)["account"]
        assert account is None or (account["remedies"] == [] and account["warning"] is None)


def test_a_claim_assessed_says_what_applies_and_what_its_store_is_told(api: Asked) -> None:
    # r-0 is decided: its complaint was upheld, and its account is limited
    found = api.data(ASSESS, r="r-0")["assessClaim"]
    assert found["runId"] == "run-1"
    assert [(one["kind"], one["reason"]) for one in found["remedies"]] == [
        ("PLATFORM_LIMIT", "CLAIMS_FAR_ABOVE_EXPECTED"),
        ("EXCLUDE_FROM_STORE_RATES", "COMPLAINT_UPHELD"),
    ]
    assert found["toldToStore"] == ["PLATFORM_LIMIT", "EXCLUDE_FROM_STORE_RATES"]
    # limited at s-2 only: nothing holds for its claim at s-1
    assert api.data(ASSESS, r="r-2")["assessClaim"]["remedies"] == []
    assert api.data(ASSESS, r="none")["assessClaim"] is None


def test_an_assessed_claim_replays_by_its_reference(api: Asked) -> None:
    ask = "query ($r: ID!) { assessClaim(refundId: $r) { reference } }"
    again = "query ($r: String!) { replayClaim(reference: $r) { refundId runId same recorded again } }"
    reference = api.data(ask, r="r-0")["assessClaim"]["reference"]
    found = api.data(again, r=reference)["replayClaim"]
    assert (found["refundId"], found["runId"], found["same"]) == ("r-0", "run-1", True)
    assert found["recorded"] == found["again"] == reference.rpartition(":")[2]
    assert api.code(again, r="r-0") == "BAD_INPUT"
    assert api.code(again, r=reference.replace("run-1", "run-2")) == "NOT_FOUND"
    other = api.data(again, r=reference.replace("r-0", "r-2"))["replayClaim"]
    assert not other["same"]


def test_a_store_is_told_in_its_own_words_what_its_score_entitles_it_to(store: Store, serve: Serve) -> None:
    market.fill(
        store,
        more_orders=[market.order(900, "b-01", store_id="s-2")],
        refunds=[
            {
                "refund_id": f"r-{name}",
                "order_id": order,
                "requested_at": market.NOW - market.DAY,
                "kind": "refund_only",
                "initiated_by": "buyer",
                "outcome": "pending",
            }
            for name, order in (("mine", "o-001"), ("two", "o-900"))
        ],
    )
    market.put_run(store, "run-1")
    api = serve()
    query = '{ myClaim(id: "%s") { remedies { kind reason expiresAt en zh policy } } }'

    def told(store_id: str, refund: str) -> list[dict[str, Any]]:
        response = api.post({"query": query % refund}, token=api.token("store", store_id=store_id))
        remedies: list[dict[str, Any]] = response.json()["data"]["myClaim"]["remedies"]
        return remedies

    mine = told("s-1", "r-mine")
    assert kinds(mine) == ["REJECT_CLAIM", "PURCHASES_LIMITED", "EXCLUDE_FROM_STORE_RATES", "NO_REFUND_ONLY"]
    assert {one["reason"] for one in mine} == {"PLATFORM_CHECK"}
    text = json.dumps(mine, ensure_ascii=False)
    assert not any(word in text for word in ("run-1", "ring", "s-2", "b-01", "PLATFORM_LIMIT"))
    # nobody knows the score of s-2: it is told what holds for every store
    assert kinds(told("s-2", "r-two")) == ["PURCHASES_LIMITED"]
    assert "REJECT_CLAIM" in kinds(api.data(ASSESS, r="r-two")["assessClaim"]["remedies"])


@pytest.mark.parametrize("refund", ["r-0", "none"])
def test_before_any_run_a_claim_is_assessed_by_its_records_alone(store: Store, serve: Serve, refund: str) -> None:
    market.fill(store)
    found = serve().data(ASSESS, r=refund)["assessClaim"]
    if refund == "none":
        assert found is None
    else:
        assert (found["runId"], kinds(found["remedies"])) == (None, ["EXCLUDE_FROM_STORE_RATES"])


def test_a_judgement_and_a_verdict_count_at_once(api: Asked) -> None:
    judge = """mutation { judge(reason: "seen",
      judgement: {target: ACCOUNT, id: "b-03", said: ABUSIVE, storeIds: ["s-2"]}) { state } }"""
    assert api.data(judge)["judge"]["state"] == "STANDING"
    remedies = api.data('{ account(id: "b-03") { remedies { kind reason } } }')["account"]["remedies"]
    assert {one["reason"] for one in remedies} == {"ACCOUNT_JUDGED"}
    verdict = 'mutation { decideComplaint(id: "c-1", outcome: DISMISSED, reason: "the pictures are right") { by } }'
    api.data(verdict, role="senior_investigator")
    assert "COMPLAINT_UPHELD" not in json.dumps(api.data(ASSESS, r="r-0"))
