"""Reserving on a server that goes away in the middle: the till answers in time by the policy, and counts what it let
pass when the server is back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from graph.open import open_store
from integrity.allowances import Line
from integrity.checkout import PurchaseRequest, Reason
from integrity.checkout_desk import CheckoutDesk
from integrity.instants import DAY
from integrity.reservations import ReservationDesk, ReservationState
from integrity.reservations_till import Till
from integrity.runs import run_detection
from tests.integrity.hand import NOW, load_market, market_findings, policy
from tests.neo4j.support import Proxy, ServerDesk

LATER = NOW + 30 * DAY
DEADLINE_MS = 400
IN_TIME = 2.0
"""Seconds: the deadline, on a machine that may be busy."""


@pytest.mark.parametrize("how", ["refuses", "goes silent"])
def test_a_till_goes_on_while_its_server_is_away_and_counts_exactly_when_it_is_back(
    apart: ServerDesk, how: str
) -> None:
    made = market_findings()
    with contextlib.closing(open_store(apart.url, namespace=apart.namespace)) as store:
        load_market(store)
        run_detection(store, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda *_: made)
    chosen = policy(checkout={"deadline_ms": DEADLINE_MS, "when_unreachable": "allow"})
    with (
        Proxy(apart.port) as proxy,
        contextlib.closing(
            open_store(apart.through(proxy.port).url, namespace=apart.namespace, create=False, patience=1.5)
        ) as store,
    ):
        checkout = CheckoutDesk(store, chosen)
        checkout.refresh()
        till = Till(store, checkout.counts)
        reservations = ReservationDesk(checkout, till)

        def reserve(buyer: str, order: str) -> tuple[ReservationState, Reason | None, float]:
            began = time.monotonic()
            request = PurchaseRequest(buyer, "s1", amount=500, order_id=order)
            found = reservations.reserve(request, now=LATER)
            return found.state, found.limit.reason if found.limit else None, time.monotonic() - began

        # a first transaction may take longer than a till waits
        eventually(lambda: reserve("actor", "before")[0] is ReservationState.HELD)
        proxy.away, proxy.stall = how == "refuses", how == "goes silent"
        if proxy.away:
            proxy.drop()
        for number in range(4):
            state, reason, seconds = reserve("lone", f"away-{number}")
            assert (state, reason) == (ReservationState.UNCOUNTED, Reason.STORE_UNREACHABLE)
            assert seconds < IN_TIME
            assert reserve("shopper", "free")[0] is ReservationState.FREE
        proxy.away = proxy.stall = False
        eventually(lambda: till.idle() and till.held_up() == 0)
        eventually(lambda: reserve("lone", "after")[1] is not Reason.STORE_UNREACHABLE)
        # a day's one order went to whoever came first, before, while it was away, or after
        keys = [line.place for line in weighed_lines(checkout, "lone") if line.key.endswith("orders")]
        assert store.taken(keys, now=LATER) == [1, 1]
        assert checkout.counts.snapshot()["unreachable_allowed"] >= 4
        till.close()


def weighed_lines(checkout: CheckoutDesk, buyer: str) -> list[Line]:
    """The limits that a purchase of this account is held against."""
    found = checkout.weigh(PurchaseRequest(buyer, "s1", amount=500), now=LATER)
    return list(found.lines)  # type: ignore[union-attr]  # it is limited


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.1)
