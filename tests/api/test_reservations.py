"""Reserving, confirming and releasing over HTTP: one answer for every step, whoever asks and however many at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graph.errors import StoreProblem
from graph.store import Store
from integrity.instants import to_iso
from integrity.policy import default_policy
from tests.api import market
from tests.api.conftest import Asked, Serve, patient

FIELDS = """orderId state changed expiresAt limit { buyerId verdict reason remainingOrders binding bindingOf
  remainingAmount { amount currency } }"""
RESERVE = "mutation ($order: PurchaseOrder!) { reservePurchase(order: $order) {" + FIELDS + "} }"
CONFIRM = (
    'mutation ($o: ID!, $a: Decimal, $c: Currency! = "CNY") { confirmPurchase(orderId: $o, amount: $a, currency: $c) {'
    + FIELDS
    + "} }"
)
RELEASE = "mutation ($o: ID!) { releasePurchase(orderId: $o) {" + FIELDS + "} }"


def order(order_id: str = "new-1", buyer: str = "b-03", store: str = "s-2", **more: Any) -> dict[str, Any]:
    return {"orderId": order_id, "buyerId": buyer, "storeId": store, "amount": "10.00", **more}


def reserve(api: Asked, *given: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.data(RESERVE, role="order_service", order=order(*given, **more))["reservePurchase"]
    return found


def confirm(api: Asked, order_id: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.data(CONFIRM, role="order_service", o=order_id, **more)["confirmPurchase"]
    return found


def release(api: Asked, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.data(RELEASE, role="order_service", o=order_id)["releasePurchase"]
    return found


def test_a_purchase_is_held_confirmed_and_counts(api: Asked) -> None:
    held = reserve(api)
    assert held == {
        "orderId": "new-1",
        "state": "HELD",
        "changed": True,
        "expiresAt": to_iso(market.NOW + 30 * 60_000_000),
        "limit": {
            "buyerId": "b-03",
            "verdict": "ALLOW",
            "reason": "WITHIN_LIMIT",
            "remainingOrders": 0,
            "binding": "ORDERS_PER_DAY",
            "bindingOf": "ACCOUNT",
            "remainingAmount": {"amount": "190.00", "currency": "CNY"},
        },
    }
    assert reserve(api) == {**held, "changed": False}
    assert confirm(api, "new-1", a="10.00")["state"] == "CONFIRMED"
    refused = reserve(api, "new-2")
    assert (refused["state"], refused["limit"]["reason"]) == ("REFUSED", "ORDER_LIMIT")
    asked = api.data('{ purchaseLimit(buyerId: "b-03", storeId: "s-2") { verdict } }', role="order_service")
    assert asked["purchaseLimit"]["verdict"] == "DENY"


def test_an_order_of_several_items_is_reserved_as_one(api: Asked) -> None:
    items = [{"sku": "x"}, {"sku": "y", "quantity": 1}]
    assert reserve(api, items=items)["state"] == "HELD"
    too_many = {"items": [{"sku": f"x{n}"} for n in range(101)]}
    assert api.code(RESERVE, role="order_service", order={**order("new-2"), **too_many}) == "TOO_EXPENSIVE"


def test_what_is_released_or_too_old_does_not_count(api: Asked) -> None:
    reserve(api)
    released = release(api, "new-1")
    assert (released["state"], released["changed"], released["limit"]) == ("RELEASED", True, None)
    assert reserve(api, "new-2")["state"] == "HELD"
    api.clock[0] += 30 * 60_000_000
    assert confirm(api, "new-2")["state"] == "EXPIRED"
    assert reserve(api, "new-3")["state"] == "HELD"
    assert confirm(api, "never")["state"] == "NONE"


def test_an_account_without_limits_is_free(api: Asked) -> None:
    free = reserve(api, "new-1", "c-00", "s-1", amount="99999.00")
    assert (free["state"], free["limit"]["reason"]) == ("FREE", "NOT_LIMITED")
    assert confirm(api, "new-1")["state"] == "NONE"


def test_accounts_behind_one_door_share_an_allowance_by_the_default_policy(store: Store, serve: Serve) -> None:
    # b-01 and b-02 are limited on the platform; their orders lie more than 30 days back
    market.fill(store)
    market.put_run(store, "run-1")
    api = serve()
    api.clock[0] += 30 * market.DAY
    market.put_run(store, "run-2", started_at=api.clock[0])
    time.sleep(0.2)
    assert reserve(api, "new-1", "b-01", "s-1")["state"] == "HELD"
    refused = reserve(api, "new-2", "b-02", "s-1")
    assert (refused["state"], refused["limit"]["bindingOf"]) == ("REFUSED", "DOOR")
    there = {"address": market.RAW_ADDRESS, "device": market.RAW_DEVICE}
    stranger = reserve(api, "new-3", "stranger", "s-1", identifiers=there)
    assert (stranger["state"], stranger["limit"]["bindingOf"]) == ("REFUSED", "DOOR")
    elsewhere = {"address": "上海市徐汇区漕溪北路398号2幢1203室"}
    assert reserve(api, "new-2", "b-02", "s-1", identifiers=elsewhere)["state"] == "HELD"


def test_one_order_id_is_one_purchase(api: Asked) -> None:
    reserve(api)
    for other in ({"amount": "11.00"}, {"currency": "HKD"}, {"sku": "x"}):
        answer = api.ask(RESERVE, role="order_service", order={**order(), **other})
        error = answer["errors"][0]
        assert (error["extensions"]["code"], answer["data"]) == ("CONFLICT", None)
        assert "reserved with another" in error["message"]
    assert api.code(CONFIRM, role="order_service", o="new-1", a="11.00") == "CONFLICT"
    assert api.code(CONFIRM, role="order_service", o="new-1", a="10.00", c="HKD") == "CONFLICT"
    assert confirm(api, "new-1", a="10.00")["changed"]
    assert not confirm(api, "new-1")["changed"]
    assert release(api, "new-1")["state"] == "CONFIRMED"


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "-1.00"},
        {"amount": "1.234"},
        {"amount": "9" * 18},
        {"amount": "1e9"},
        {"amount": 5},
        {"amount": None},
        {"currency": "XXX"},
        {"currency": "yuan"},
        {"quantity": 0},
        {"quantity": 2**40},
        {"orderId": ""},
        {"orderId": "x" * 300},
        {"orderId": "a\nb"},
        {"buyerId": ""},
        {"storeId": "\x00"},
        {"sku": "a\tb"},
        {"identifiers": {"fax": "1"}},
        {"items": [{"sku": "", "quantity": 1}]},
        {"items": [{"sku": "x", "quantity": 0}]},
        {"items": [{"sku": "x"}], "sku": "x"},
    ],
)
def test_senseless_orders_are_bad_input_and_reserve_nothing(api: Asked, wrong: dict[str, Any]) -> None:
    answer = api.ask(RESERVE, role="order_service", order={**order(), **wrong})
    assert answer["errors"][0]["extensions"]["code"] in ("BAD_INPUT", "BAD_QUERY")
    assert reserve(api, "new-9")["state"] == "HELD"


def test_a_token_for_one_store_reserves_and_settles_for_that_store_only(api: Asked) -> None:
    here, there = (api.token("order_service", store_id=store) for store in ("s-2", "s-1"))

    def ask(token: str, query: str, **variables: Any) -> Any:
        answer = api.post({"query": query, "variables": variables}, token=token).json()
        if "errors" in answer:
            return answer["errors"][0]["extensions"]["code"]
        (found,) = answer["data"].values()
        return found["state"]

    assert ask(there, RESERVE, order=order()) == "FORBIDDEN"
    assert ask(here, RESERVE, order=order()) == "HELD"
    assert ask(there, CONFIRM, o="new-1") == "FORBIDDEN"
    assert ask(there, RELEASE, o="new-1") == "FORBIDDEN"
    assert ask(there, RESERVE, order=order(store="s-1")) == "FREE"
    assert ask(here, CONFIRM, o="new-1") == "CONFIRMED"


def test_many_at_once_share_transactions_and_one_allowance_exactly(api: Asked) -> None:
    token = api.token("order_service")

    def one(number: int) -> str:
        body = {"query": RESERVE, "variables": {"order": order(f"new-{number}")}}
        state: str = api.post(body, token=token).json()["data"]["reservePurchase"]["state"]
        return state

    with ThreadPoolExecutor(16) as clients:
        states = list(clients.map(one, range(64)))
    assert sorted(set(states)) == ["HELD", "REFUSED"]
    assert states.count("HELD") == 1
    told = api.client.get("/healthz").json()["checkout"]
    assert (told["held"], told["refused"], told["batched"]) == (1, 63, 64)


@pytest.mark.parametrize(("rule", "state"), [("allow", "UNCOUNTED"), ("deny", "REFUSED")])
def test_a_store_that_does_not_answer_is_never_in_the_way(
    store: Store, serve: Serve, monkeypatch: pytest.MonkeyPatch, rule: str, state: str
) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    api = serve(policy=patient(default_policy(), deadline_ms=40, when_unreachable=rule))
    go = threading.Event()
    real = type(store).reserve

    def late(*given: Any, **more: Any) -> Any:
        assert go.wait(20)
        return real(*given, **more)

    monkeypatch.setattr(type(store), "reserve", late)
    began = time.monotonic()
    passed = reserve(api)
    assert (passed["state"], passed["limit"]["reason"]) == (state, "STORE_UNREACHABLE")
    assert api.code(CONFIRM, role="order_service", o="new-9") == "STORE_UNAVAILABLE"
    assert reserve(api, "new-2", "c-00")["state"] == "FREE"
    assert time.monotonic() - began < 5
    told = api.client.get("/healthz").json()["checkout"]
    assert told["unreachable_allowed" if rule == "allow" else "unreachable_denied"] == 1
    assert told["unreachable_settling"] == 1
    go.set()
    # what was denied is given back, or was never begun
    after = {"allow": {"CONFIRMED"}, "deny": {"RELEASED", "NONE"}}[rule]
    deadline = time.monotonic() + 10
    # what waited: the reservation, the confirmation of another, and where it was denied the giving back
    while api.client.get("/healthz").json()["checkout"]["batched"] < {"allow": 2, "deny": 3}[rule]:
        if time.monotonic() > deadline - 6:
            break
        time.sleep(0.02)
    while (answer := api.ask(CONFIRM, role="order_service", o="new-1")).get("errors"):
        assert time.monotonic() < deadline
    # what was let pass is counted after all
    assert answer["data"]["confirmPurchase"]["state"] in after


def test_a_store_that_fails_is_told_as_such(api: Asked, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise StoreProblem("gone", where="neo4j://secret")

    monkeypatch.setattr(type(store), "reserve", gone)
    answer = api.ask(CONFIRM, role="order_service", o="new-1")
    assert answer["errors"][0]["extensions"]["code"] == "STORE_UNAVAILABLE"
    assert "send it again" in answer["errors"][0]["message"]
    assert "secret" not in str(answer)
