"""Rates over the API: the investigator's view of a store and the store's own."""

from __future__ import annotations

from typing import Any

from graph.store import Store
from tests.api import market
from tests.api.conftest import Asked, Serve

RATES = "raw { orders claims refundRate qualityRate disputeRate } withoutAbuse { orders claims } "
MINE = "{ myStore { rates(days: 60) { " + RATES + " excluded { edges { node { refundId orderId reason } } } } } }"


def mine(api: Asked, store_id: str = "s-1") -> Any:
    response = api.post({"query": MINE}, token=api.token("store", store_id=store_id))
    return response.json()["data"]["myStore"]["rates"]


def reasons(rates: Any) -> dict[str, str]:
    return {edge["node"]["refundId"]: edge["node"]["reason"] for edge in rates["excluded"]["edges"]}


def test_an_investigator_sees_both_and_the_reasons_and_the_store_its_own_without_the_accounts(api: Asked) -> None:
    query = (
        '{ store(id: "s-1") { rates(days: 60) { entitled runId policy '
        + RATES
        + "excluded { totalCount edges { node { refundId reason } } } } } }"
    )
    seen = api.data(query)["store"]["rates"]
    assert (seen["entitled"], seen["runId"]) == (True, "run-1")
    assert seen["raw"]["claims"] == 3
    # b-03 is limited at s-2 only
    assert reasons(seen) == {"r-0": "COMPLAINT_UPHELD", "r-1": "ACCOUNT_LIMITED"}
    assert seen["raw"]["orders"] - seen["withoutAbuse"]["orders"] == 2
    own = mine(api)
    assert reasons(own) == {"r-0": "COMPLAINT_UPHELD", "r-1": "PLATFORM_CHECK"}
    assert own["withoutAbuse"] == seen["withoutAbuse"]


def test_a_store_whose_score_nobody_knows_sees_its_rates_as_they_are(api: Asked) -> None:
    own = mine(api, "s-2")
    assert own["raw"]["orders"] == 1
    assert (own["withoutAbuse"], own["excluded"]["edges"]) == (None, [])
    assert mine(api, "s-none") is None


def test_a_window_without_sense_is_told(store: Store, serve: Serve) -> None:
    market.fill(store)
    assert serve().code('{ store(id: "s-1") { rates(days: 0) { policy } } }') == "BAD_INPUT"


def test_a_verdict_and_a_judgement_given_here_count_before_the_next_run(api: Asked) -> None:
    before = reasons(mine(api))
    assert before == {"r-0": "COMPLAINT_UPHELD", "r-1": "PLATFORM_CHECK"}
    judge = 'mutation { judge(judgement: {target: ACCOUNT, id: "b-02", said: HONEST}, reason: "seen") { state } }'
    assert api.data(judge)["judge"]["state"] == "STANDING"
    assert reasons(mine(api)) == {"r-0": "COMPLAINT_UPHELD"}
    verdict = 'mutation { decideComplaint(id: "c-1", outcome: DISMISSED, reason: "the pictures are right") { by } }'
    api.data(verdict, role="senior_investigator")
    assert reasons(mine(api)) == {"r-0": "PLATFORM_CHECK"}
