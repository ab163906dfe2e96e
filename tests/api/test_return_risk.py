"""Return risk over the API: batches, own orders only for a store, nothing about buyers."""

from __future__ import annotations

from typing import Any

import pytest

from graph.store import Store
from integrity.policy import default_policy
from tests.api import market
from tests.api.conftest import Asked, Serve

QUERY = """query ($ids: [ID!]!) { returnRisk(orderIds: $ids) { orderId level reasons reducedBy because(language: ZH)
  advice } }"""


def asked(api: Asked, ids: list[str], **token: Any) -> list[Any]:
    body = {"query": QUERY, "variables": {"ids": ids}}
    found: list[Any] = api.post(body, token=api.token("store", **token)).json()["data"]["returnRisk"]
    return found


def test_orders_are_answered_in_the_order_asked_and_a_stores_own_only(api: Asked) -> None:
    found = asked(api, ["o-090", "o-000", "none", "o-100", "o-000"])
    assert [one and one["orderId"] for one in found] == [None, "o-000", None, "o-100", "o-000"]
    assert [one and one["orderId"] for one in asked(api, ["o-090", "o-000"], store_id="s-2")] == ["o-090", None]


def test_the_actor_of_a_ring_is_warned_of_and_an_honest_buyer_is_not(api: Asked) -> None:
    actor, honest = asked(api, ["o-000", "o-100"])
    assert (actor["level"], actor["reasons"][0]) == ("HIGH", "PLATFORM_CHECK")
    assert "WEIGHING_AT_PACKING" in actor["reducedBy"]
    assert "weigh the parcel as it leaves" in actor["advice"]
    assert actor["because"][0] == "平台对该订单的核查结果"
    assert (honest["level"], honest["reducedBy"]) == ("LOW", [])


def test_an_investigator_asks_for_any_order(api: Asked) -> None:
    found = api.data(QUERY, ids=["o-090", "o-000"])["returnRisk"]
    assert [one["orderId"] for one in found] == ["o-090", "o-000"]


@pytest.mark.parametrize(
    ("ids", "code"), [(["o"] * 1_001, "TOO_EXPENSIVE"), ([""], "BAD_INPUT"), (["a\u0000b"], "BAD_INPUT")]
)
def test_too_many_orders_and_ids_that_are_none_are_refused(api: Asked, ids: list[str], code: str) -> None:
    assert api.code(QUERY, ids=ids) == code


def test_a_thousand_orders_are_answered_at_once_and_none_too(api: Asked) -> None:
    ids = [f"o-{number:03}" for number in range(1_000)]
    assert len(api.data(QUERY, ids=ids)["returnRisk"]) == 1_000
    assert api.data(QUERY, ids=[])["returnRisk"] == []


def test_before_any_run_orders_are_expected_to_do_what_the_category_does(store: Store, serve: Serve) -> None:
    market.fill(store)
    (found,) = serve().data(QUERY, ids=["o-100"])["returnRisk"]
    assert (found["level"], found["reasons"]) == ("LOW", ["NEW_ACCOUNT"])


def test_a_store_that_is_not_entitled_to_warnings_is_refused(store: Store, serve: Serve) -> None:
    market.fill(store)
    usual = default_policy()
    nothing = usual.stages.model_copy(update={"unknown_score": ()})
    market.put_run(store, "run-1", policy=usual.model_copy(update={"stages": nothing}))
    api = serve()
    body = {"query": QUERY, "variables": {"ids": ["o-090"]}}
    answer = api.post(body, token=api.token("store", store_id="s-2")).json()
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert asked(api, ["o-000"])[0]["orderId"] == "o-000"  # s-1 has the score for it
