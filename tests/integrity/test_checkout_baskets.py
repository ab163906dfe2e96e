"""Baskets: what is answered of all items together is what reserving their orders one after another comes to."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from graph.store import Store
from integrity.checkout import PurchaseRequest, Reason, Verdict
from integrity.checkout_baskets import BasketItem, answer_basket, orders_of
from integrity.instants import DAY
from integrity.reservations import ReservationState
from integrity.runs import run_detection
from tests.integrity.hand import NOW, POLICY_TEXT, market_findings, policy
from tests.integrity.test_reservations import Shop

LATER = NOW + 31 * DAY
"""Nothing that the market holds is within 30 days."""
ROOMY = (
    POLICY_TEXT.replace("orders_per_day = 1", "orders_per_day = 2")
    + """
[[checkout.allowances]]
of = "account"
within = "store"
units_per_day = 3
[[checkout.allowances]]
of = "ring"
within = "item"
units_per_30_days = 3
"""
)


@pytest.fixture
def shop(market: Store) -> Iterator[Shop]:
    chosen = policy(ROOMY)
    run_detection(
        market, policy=chosen, now=lambda: LATER - 1, holder="test", as_of=NOW, detect=lambda _s, _d: market_findings()
    )
    opened = Shop(market, chosen)
    yield opened
    opened.till.close()


def item(store_id: str = "s1", sku: str | None = "a", quantity: int = 1, amount: int | None = 1_000) -> BasketItem:
    return BasketItem(store_id, sku, quantity, amount)


def asks(buyer: str) -> PurchaseRequest:
    return PurchaseRequest(buyer, "s1")


def test_an_account_that_is_not_limited_may_buy_it_all_without_a_look_at_the_store(shop: Shop) -> None:
    before = shop.desk.counts.snapshot()["asked_of_store"]
    answer = answer_basket(shop.desk, asks("shopper"), [item(), item("s9", amount=10**9)], now=LATER)
    assert [one.reason for one in (answer.whole, *answer.items)] == [Reason.NOT_LIMITED] * 3
    assert shop.desk.counts.snapshot()["asked_of_store"] == before


def test_each_item_alone_may_fit_where_all_together_do_not(shop: Shop) -> None:
    dear = [item("s1", amount=6_000), item("s2", amount=6_000)]
    answer = answer_basket(shop.desk, asks("actor"), dear, now=LATER)
    assert [one.verdict for one in answer.items] == [Verdict.ALLOW, Verdict.ALLOW]
    assert (answer.whole.verdict, answer.whole.reason) == (Verdict.ALLOW_UP_TO, Reason.AMOUNT_LIMIT)
    assert answer.whole.remaining_amount == 4_000
    three = [item(f"s{n}", amount=1) for n in (1, 2, 3)]
    assert answer_basket(shop.desk, asks("actor"), three, now=LATER).whole.reason is Reason.ORDER_LIMIT
    assert answer_basket(shop.desk, asks("actor"), three[:2], now=LATER).whole.verdict is Verdict.ALLOW


def test_what_a_store_may_not_have_says_nothing_of_a_store_without_limits(shop: Shop) -> None:
    answer = answer_basket(shop.desk, asks("lone"), [item("s1", amount=10**7), item("s7", amount=10**7)], now=LATER)
    assert [one.verdict for one in answer.items] == [Verdict.ALLOW_UP_TO, Verdict.ALLOW]
    assert answer.items[1].reason is Reason.LIMITED_ELSEWHERE
    assert answer.whole == answer.items[0]


def test_an_amount_that_is_not_known_of_one_item_is_not_known_of_its_order() -> None:
    first, second = orders_of(asks("actor"), [item("s2", amount=None), item("s1", "b", 2), item("s2", None, 3)])
    assert (first.store_id, first.amount, first.quantity, first.items) == ("s2", None, 4, (("a", 1),))
    assert (second.store_id, second.amount, second.quantity, second.items) == ("s1", 1_000, 2, (("b", 2),))


def test_the_answer_to_all_is_what_reserving_order_by_order_comes_to(shop: Shop) -> None:
    draw, seen = random.Random(7), set[Verdict]()
    for number in range(60):
        items = [
            item(f"s{draw.randint(1, 3)}", draw.choice("ab"), draw.randint(1, 2), draw.randint(1, 5_000))
            for _ in range(draw.randint(1, 4))
        ]
        whole = answer_basket(shop.desk, asks("actor"), items, now=LATER).whole
        states = []
        for turn, order in enumerate(orders_of(asks("actor"), items)):
            named = {"sku": None, "items": order.items, "quantity": order.quantity, "amount": order.amount}
            id_ = f"b-{number}-{turn}"
            states.append(shop.reserve("actor", id_, now=LATER, store_id=order.store_id, **named).state)
        for turn, state in enumerate(states):
            if state is ReservationState.HELD:
                shop.release(f"b-{number}-{turn}", now=LATER)
        assert (whole.verdict is Verdict.ALLOW) == (set(states) == {ReservationState.HELD}), (items, whole, states)
        seen.add(whole.verdict)
    assert len(seen) > 1
