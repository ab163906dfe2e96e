"""purchaseLimit over HTTP, alone and in batches, in every defined situation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.domains.purchase_limit import PurchaseMeasure, PurchaseReason, PurchaseScope, PurchaseVerdict, PurchaseWhose
from api.domains.reservation import PurchaseReservationState
from graph.store import Store
from integrity.checkout import Measure, Reason, Scope, Verdict, Whose
from integrity.instants import to_iso
from integrity.policy import default_policy
from integrity.reservations import ReservationState
from tests.api import market
from tests.api.conftest import Asked, Serve, patient

FIELDS = """buyerId verdict reason scope status remainingOrders remainingAmount { amount currency } maxQuantity binding
  bindingOf expiresAt runId stale countedUntil"""
QUERY = (
    """query ($b: ID!, $s: ID!, $q: Int = 1, $a: Decimal, $c: Currency = "CNY", $o: ID, $i: PurchaseIdentifiers) {
  purchaseLimit(buyerId: $b, storeId: $s, quantity: $q, amount: $a, currency: $c, orderId: $o, identifiers: $i) {"""
    + FIELDS
    + "} }"
)


def limit(api: Asked, buyer: str, store: str = "s-1", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.data(QUERY, role="order_service", b=buyer, s=store, **more)["purchaseLimit"]
    return answer


def test_an_account_that_is_not_limited_may_buy(api: Asked) -> None:
    assert limit(api, "c-00", a="99999.99") == {
        "buyerId": "c-00",
        "verdict": "ALLOW",
        "reason": "NOT_LIMITED",
        "scope": "NONE",
        "status": "CLEAR",
        "remainingOrders": None,
        "remainingAmount": None,
        "maxQuantity": None,
        "binding": None,
        "bindingOf": None,
        "expiresAt": None,
        "runId": "run-1",
        "stale": False,
        "countedUntil": to_iso(market.NOW - market.DAY // 48),
    }
    assert limit(api, "b-09")["status"] == "WATCH"


def test_a_limited_account_is_told_what_its_orders_leave(store: Store, serve: Serve) -> None:
    market.fill(store, more_orders=[market.order(700, "buyer-x", placed_at=market.NOW - 2 * market.DAY, amount=5000)])
    market.put_run(store, "run-1")
    api = serve(policy=patient(default_policy(), allowances=()))
    # four orders of b-01 within 30 days: none is left of four
    denied = limit(api, "b-01", a="1.00")
    assert (denied["verdict"], denied["reason"], denied["remainingOrders"]) == ("DENY", "ORDER_LIMIT", 0)
    assert denied["scope"] == "PLATFORM"
    assert denied["countedUntil"] is not None
    # the order asked about is not counted against itself
    again = limit(api, "b-01", a="1.00", o="o-000")
    assert (again["verdict"], again["remainingOrders"]) == ("ALLOW", 1)
    much = limit(api, "b-01", a="500.00", o="o-000")
    assert (much["verdict"], much["reason"]) == ("ALLOW_UP_TO", "AMOUNT_LIMIT")
    assert much["remainingAmount"]["currency"] == "CNY"
    many = limit(api, "b-01", a="1.00", o="o-000", q=5)
    assert (many["verdict"], many["reason"], many["maxQuantity"]) == ("ALLOW_UP_TO", "QUANTITY_LIMIT", 1)


BASKET = (
    "query ($b: ID!, $s: ID!, $items: [BasketItem!]) { purchaseLimit(buyerId: $b, storeId: $s, items: $items) {"
    + FIELDS
    + " items { verdict reason scope remainingAmount { amount } items { verdict } } } }"
)


def test_several_items_are_answered_each_and_in_all(api: Asked) -> None:
    items = [{"sku": "a", "amount": "9.00"}, {"sku": "b", "storeId": "s-2", "amount": "9999.00"}]
    answer = api.data(BASKET, role="order_service", b="b-03", s="s-1", items=items)["purchaseLimit"]
    assert [(one["verdict"], one["reason"]) for one in answer["items"]] == [
        ("ALLOW", "LIMITED_ELSEWHERE"),
        ("ALLOW_UP_TO", "AMOUNT_LIMIT"),
    ]
    assert (answer["verdict"], answer["reason"], answer["scope"]) == ("ALLOW_UP_TO", "AMOUNT_LIMIT", "STORE")
    assert [one["items"] for one in answer["items"]] == [[], []]
    free = api.data(BASKET, role="order_service", b="c-00", s="s-1", items=items)["purchaseLimit"]
    assert [one["verdict"] for one in (free, *free["items"])] == ["ALLOW"] * 3
    alone = api.data(BASKET, role="order_service", b="c-00", s="s-1")["purchaseLimit"]
    assert (alone["verdict"], alone["items"]) == ("ALLOW", [])


@pytest.mark.parametrize(
    ("items", "more", "code"),
    [
        ([{"quantity": 0}], "", "BAD_INPUT"),
        ([{"sku": ""}], "", "BAD_INPUT"),
        ([{"storeId": ""}], "", "BAD_INPUT"),
        ([{"amount": "-1"}], "", "BAD_INPUT"),
        ([{"sku": "a"}], "quantity: 2", "BAD_INPUT"),
        ([{"sku": "a"}], 'amount: "3.00"', "BAD_INPUT"),
        ([{"sku": "a"}] * 101, "", "TOO_EXPENSIVE"),
    ],
)
def test_a_basket_without_sense_is_refused(api: Asked, items: list[Any], more: str, code: str) -> None:
    ask = (
        'query ($i: [BasketItem!]) { purchaseLimit(buyerId: "b-01", storeId: "s-1", items: $i %s) { verdict } }' % more
    )
    assert api.code(ask, role="order_service", i=items) == code
    batch = "query ($r: [PurchaseLimitRequest!]!) { purchaseLimits(requests: $r) { verdict } }"
    asked = [{"buyerId": "b-01", "storeId": "s-1", "items": [{"sku": "a"}] * 51}] * 2
    assert api.code(batch, role="order_service", r=asked) == "TOO_EXPENSIVE"


def test_a_token_for_one_store_asks_for_no_item_of_another(api: Asked) -> None:
    body = {"query": BASKET, "variables": {"b": "b-03", "s": "s-1", "items": [{"sku": "a", "storeId": "s-2"}]}}
    told = api.post(body, token=api.token("order_service", store_id="s-1")).json()
    assert told["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_limits_hold_at_their_stores_only(api: Asked) -> None:
    assert limit(api, "b-03", "s-1")["reason"] == "LIMITED_ELSEWHERE"
    here = limit(api, "b-03", "s-2", a="1.00")
    assert (here["scope"], here["verdict"], here["reason"]) == ("STORE", "ALLOW", "WITHIN_LIMIT")


def test_a_currency_without_a_rule_still_counts_orders(api: Asked) -> None:
    answer = limit(api, "b-03", "s-2", a="1.00", c="NZD")
    assert (answer["verdict"], answer["reason"], answer["remainingAmount"]) == ("ALLOW", "CURRENCY_WITHOUT_RULE", None)


def test_a_buyer_never_seen_is_judged_by_identifiers(api: Asked) -> None:
    assert limit(api, "stranger")["reason"] == "NEW_ACCOUNT"
    known = limit(api, "stranger", a="10.00", i={"device": market.RAW_DEVICE})
    assert (known["reason"], known["status"]) == ("KNOWN_IDENTIFIER", None)
    harmless = limit(api, "stranger", a="10.00", i={"device": "never seen", "phone": "13911112222", "address": "x"})
    assert harmless["reason"] == "NEW_ACCOUNT"


def test_before_the_first_run_the_policy_answers(store: Store, serve: Serve) -> None:
    market.fill(store)
    answer = limit(serve(), "b-01")
    assert (answer["verdict"], answer["reason"], answer["runId"]) == ("ALLOW", "NO_RUN", None)


@pytest.mark.parametrize(("when_stale", "verdict"), [("allow", "ALLOW"), ("deny", "DENY"), ("keep", "DENY")])
def test_with_a_stale_run_the_policy_answers(store: Store, serve: Serve, when_stale: str, verdict: str) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    policy = default_policy()
    changed = policy.model_copy(update={"checkout": policy.checkout.model_copy(update={"when_stale": when_stale})})
    api = serve(policy=changed)
    api.clock[0] += 3 * market.DAY
    answer = limit(api, "b-01", a="1.00")
    assert (answer["verdict"], answer["stale"]) == (verdict, True)
    if when_stale != "keep":
        assert answer["reason"] == "STALE_RUN"


def test_limits_end(api: Asked, store: Store) -> None:
    api.clock[0] += 100 * market.DAY
    market.put_run(store, "run-2", started_at=api.clock[0] - 1_000_000)
    for _ in range(300):
        if limit(api, "b-01")["runId"] == "run-2":
            break
    assert limit(api, "b-01")["reason"] == "LIMIT_EXPIRED"


def test_a_batch_is_answered_in_order_and_like_single_questions(api: Asked) -> None:
    query = "query ($r: [PurchaseLimitRequest!]!) { purchaseLimits(requests: $r) {" + FIELDS + "} }"
    buyers = ["c-00", "b-01", "stranger", "b-03", "c-00"]
    batch = api.data(
        query, role="order_service", r=[{"buyerId": buyer, "storeId": "s-1", "amount": "5.00"} for buyer in buyers]
    )["purchaseLimits"]
    assert batch == [limit(api, buyer, a="5.00") for buyer in buyers]
    assert api.data(query, role="order_service", r=[]) == {"purchaseLimits": []}
    too_many = [{"buyerId": "b", "storeId": "s"}] * 101
    assert api.code(query, role="order_service", r=too_many) == "TOO_EXPENSIVE"


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": "-1.00"},
        {"a": "1.234"},
        {"a": "NaN"},
        {"a": "1e9"},
        {"a": "9" * 30},
        {"a": 5},
        {"c": "cny"},
        {"c": "EURO"},
        {"q": 0},
        {"q": -1},
        {"q": 2**40},
        {"b": ""},
        {"b": "x" * 300},
        {"b": "a\nb"},
        {"s": ""},
        {"i": {"phone": "1" * 5000}},
        {"i": {"fax": "1"}},
    ],
)
def test_senseless_arguments_are_bad_input(api: Asked, wrong: dict[str, Any]) -> None:
    answer = api.ask(QUERY, role="order_service", **({"b": "b-01", "s": "s-1"} | wrong))
    assert answer["errors"][0]["extensions"]["code"] in ("BAD_INPUT", "BAD_QUERY")


def test_without_the_key_raw_identifiers_are_refused_and_the_rest_is_answered(store: Store, serve: Serve) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    api = serve(keyer=None)
    assert limit(api, "b-03")["reason"] == "LIMITED_ELSEWHERE"
    assert api.code(QUERY, role="order_service", b="stranger", s="s-1", i={"phone": "1"}) == "NO_KEY"
    assert api.code('{ identifier(kind: PHONE, value: "1") { id } }') == "NO_KEY"


@pytest.mark.parametrize(
    ("shown", "meant"),
    [
        (PurchaseVerdict, Verdict),
        (PurchaseReason, Reason),
        (PurchaseScope, Scope),
        (PurchaseMeasure, Measure),
        (PurchaseWhose, Whose),
        (PurchaseReservationState, ReservationState),
    ],
)
def test_the_schema_knows_every_answer_that_checkout_can_give(shown: Any, meant: Any) -> None:
    assert [one.value for one in shown] == [one.value for one in meant]


def test_an_answer_is_the_same_on_the_loop_and_on_a_thread_and_with_literals(api: Asked) -> None:
    for buyer in ("c-00", "b-01", "b-03", "stranger"):
        asked = f'buyerId: "{buyer}", storeId: "s-1", currency: "CNY"'
        literal = "{ purchaseLimit(" + asked + ") {" + FIELDS + "} }"
        expected = limit(api, buyer)
        assert api.data(literal, role="order_service")["purchaseLimit"] == expected
        assert api.data(literal, role="investigator")["purchaseLimit"] == expected


def test_raw_identifiers_reach_neither_the_log_nor_the_store(
    api: Asked, store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "13812345678"
    limit(api, "stranger", i={"phone": secret})
    api.code('{ identifier(kind: PHONE, value: "' + secret + '", nope: 1) { id } }')
    api.data("query ($v: String!) { identifier(kind: PHONE, value: $v) { id } }", v=secret)
    api.client.__exit__(None, None, None)
    api.client.__enter__()
    assert secret not in "".join(capfd.readouterr())
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()
