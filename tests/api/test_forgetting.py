"""A running server lets go of whoever was forgotten, though neither a load nor a run is new."""

from __future__ import annotations

import time
from typing import Any

from graph.leases import held
from graph.store import Store
from integrity.acts import Actor
from integrity.forgetting import forget_buyer
from integrity.instants import DAY
from integrity.policy import Policy, parse_policy
from integrity.runs import run_detection
from tests.api.conftest import Serve
from tests.integrity.hand import (
    DOOR,
    NOW,
    POLICY_TEXT,
    Account,
    Ring,
    findings,
    load,
    order,
    policy,
    refund,
)

RESERVE = """mutation ($order: PurchaseOrder!) {
  reservePurchase(order: $order) { state limit { reason bindingOf } } }"""


def shared_by_door() -> Policy:
    text = POLICY_TEXT + '\n[[checkout.allowances]]\nof = "door"\norders_per_day = 1\n'
    return parse_policy(text, where="test")


def two_behind_one_door(store: Store) -> None:
    """`n0` and `n1` are limited and had parcels sent to one door; `n1` today."""
    rows = [order(f"o-{buyer}-{n}", buyer, placed_at=NOW - 40 * DAY) for buyer in ("n0", "n1") for n in (1, 2)]
    rows = [row | {"address": DOOR} for row in (*rows, order("o-n1-new", "n1", placed_at=NOW - DAY // 4))]
    door = {"id": f"door:{DOOR.hex()}", "kind": "door", "key": DOOR, "masked": "杭***", "has_city": True}
    load(store, orders=rows, refunds=[refund(f"r-{row['order_id']}", row["order_id"]) for row in rows[:4]],
         identifiers=[door])  # fmt: skip
    made = findings([Account(buyer, 0.99, 2, "ring-1") for buyer in ("n0", "n1")], [Ring("ring-1")])
    roomy = policy(publication={"max_limited_share": 1.0})
    run_detection(store, policy=roomy, now=lambda: NOW, holder="test", as_of=NOW, detect=lambda *_: made)


def test_a_running_server_lets_go_of_a_forgotten_buyer_within_a_second(store: Store, serve: Serve) -> None:
    two_behind_one_door(store)
    api = serve(policy=shared_by_door())
    api.clock[0] = NOW

    def tried(number: int) -> dict[str, Any]:
        wanted = {"orderId": f"new-{number}", "buyerId": "n0", "storeId": "s1", "amount": "1.00"}
        found: dict[str, Any] = api.data(RESERVE, role="order_service", order=wanted)["reservePurchase"]
        return found

    refused = tried(0)
    assert (refused["state"], refused["limit"]["bindingOf"]) == ("REFUSED", "DOOR"), "n1 had its order of today"
    with held(store, "load", "test") as lease:
        forget_buyer(store, lease, "n1", by=Actor("olga", "operator"), now=NOW)
    since = time.monotonic()
    while tried(1)["state"] != "HELD":
        assert time.monotonic() - since < 1, "the door of the forgotten buyer is still remembered"
        time.sleep(0.02)
