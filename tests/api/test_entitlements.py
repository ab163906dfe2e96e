"""What a store is entitled to, as an investigator and as the store itself see it."""

from __future__ import annotations

from typing import Any

from graph.store import Store
from integrity.policy import parse_policy
from tests.api import market
from tests.api.conftest import Asked, Serve
from tests.integrity.hand import POLICY_TEXT
from tests.integrity.test_stages import STAGED

FIELDS = (
    "{ score atLeast granted since until nextBand { atLeast since gained } why zh: why(language: ZH) policyVersion }"
)
OF_STORE = f"query ($id: ID!) {{ store(id: $id) {{ entitlements {FIELDS} }} }}"
MINE = f"{{ myStore {{ entitlements {FIELDS} }} }}"


def mine(api: Asked, store_id: str) -> Any:
    answer = api.post({"query": MINE}, token=api.token("store", store_id=store_id)).json()
    return answer["data"]["myStore"]["entitlements"]


def test_an_investigator_sees_what_a_store_is_entitled_to(api: Asked) -> None:
    found = api.data(OF_STORE, id="s-1")["store"]["entitlements"]
    assert (found["score"], found["atLeast"], found["nextBand"]) == (4.8, 4.8, None)
    assert {"NO_REFUND_ONLY", "FILE_COMPLAINTS"} <= set(found["granted"])


def test_a_store_sees_its_own_entitlements_and_no_others(api: Asked) -> None:
    assert mine(api, "s-1") == api.data(OF_STORE, id="s-1")["store"]["entitlements"]
    unknown = mine(api, "s-2")
    assert (unknown["score"], unknown["atLeast"]) == (None, None)
    assert "no score" in unknown["why"]
    assert "没有给出" in unknown["zh"]
    body = {"query": OF_STORE, "variables": {"id": "s-2"}}
    refused = api.post(body, token=api.token("store", store_id="s-1")).json()
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_the_published_runs_policy_says_what_holds_not_the_servers(store: Store, serve: Serve) -> None:
    market.fill(store)
    staged = parse_policy(POLICY_TEXT + STAGED, where="test")
    before = mine(serve(policy=staged), "s-1")
    assert (before["policyVersion"], before["granted"]) == ("t1", ["FILE_COMPLAINTS", "NO_REFUND_ONLY"])
    market.put_run(store, "run-1")
    after = mine(serve(policy=staged), "s-1")
    assert after["policyVersion"] != "t1"
    assert "REJECT_CLAIM" in after["granted"]
