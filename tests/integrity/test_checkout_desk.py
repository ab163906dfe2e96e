"""The desk that answers from the published run: what it notices, what it counts, and how little it costs."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from graph.store import Store
from integrity.checkout import PurchaseRequest, Reason, Verdict
from integrity.checkout_desk import CheckoutDesk
from integrity.instants import DAY
from integrity.run_book import rollback
from integrity.runs import run_detection
from tests.integrity.hand import (
    DEVICE,
    NOW,
    Account,
    a_person,
    findings,
    load,
    market_findings,
    order,
    policy,
    run_table,
)

PHONE = b"p" * 16


def publish(store: Store, found: Any = None, now: int = NOW) -> str:
    made = found or market_findings()
    outcome = run_detection(
        store, policy=policy(), now=lambda: now, holder="test", as_of=NOW, detect=lambda _snapshot, _settings: made
    )
    assert outcome.state == "published"
    return outcome.run.run_id


@pytest.fixture(params=[True, False], ids=["read ahead", "read when asked"])
def desk(market: Store, request: pytest.FixtureRequest) -> CheckoutDesk:
    return CheckoutDesk(market, policy(), ahead=request.param)


@pytest.fixture
def server_desk(market: Store) -> CheckoutDesk:
    return CheckoutDesk(market, policy())


def ask(buyer: str, **more: Any) -> PurchaseRequest:
    return PurchaseRequest(buyer, more.pop("store_id", "s1"), amount=more.pop("amount", 500), **more)


def test_before_any_run_the_answer_says_so(desk: CheckoutDesk) -> None:
    desk.refresh()
    assert desk.answer(ask("actor"), now=NOW).reason is Reason.NO_RUN


def test_a_limited_account_is_held_against_the_orders_in_the_store(market: Store, desk: CheckoutDesk) -> None:
    run = publish(market)
    desk.refresh()
    answer = desk.answer(ask("actor"), now=NOW)  # it placed three orders five days ago; the limit is three in 30 days
    assert (answer.verdict, answer.reason, answer.run_id) == (Verdict.DENY, Reason.ORDER_LIMIT, run)
    assert desk.answer(ask("actor", order_id="o-actor-1"), now=NOW).remaining_orders == 1
    assert desk.answer(ask("actor"), now=NOW + 25 * DAY).remaining_orders == 1


def test_the_others_are_not_limited(market: Store, desk: CheckoutDesk) -> None:
    publish(market)
    desk.refresh()
    for buyer in ("mother", "shopper"):
        assert desk.answer(ask(buyer), now=NOW).reason is Reason.NOT_LIMITED


def test_the_answer_says_until_when_files_were_taken_in(market: Store, desk: CheckoutDesk) -> None:
    publish(market)
    desk.refresh()
    assert desk.answer(ask("actor"), now=NOW + 5).counted_until == NOW
    assert desk.answer(ask("shopper"), now=NOW - 5).counted_until == NOW - 5


def test_a_newer_load_is_counted_without_a_new_run(market: Store, desk: CheckoutDesk) -> None:
    publish(market)
    desk.refresh()
    later = NOW + 25 * DAY
    assert desk.answer(ask("actor"), now=later).remaining_orders == 1
    load(market, orders=[order("o-new", "actor", placed_at=later - 1)])
    desk.refresh()
    assert desk.answer(ask("actor"), now=later).remaining_orders == 0


def test_a_new_account_with_a_device_of_limited_accounts_is_limited(market: Store, desk: CheckoutDesk) -> None:
    publish(market)  # `actor`, limited, and `mother`, not limited, share the device: a half speaks against
    desk.refresh()
    device = f"device:{DEVICE.hex()}"
    assert desk.answer(ask("newcomer", identifiers=(device,)), now=NOW).reason is Reason.KNOWN_IDENTIFIER
    assert desk.answer(ask("newcomer"), now=NOW).reason is Reason.NEW_ACCOUNT
    assert desk.answer(ask("newcomer", identifiers=("device:" + "00" * 16,)), now=NOW).reason is Reason.NEW_ACCOUNT


@pytest.mark.parametrize(("kind", "column"), [("door", "address"), ("payment", "payment"), ("phone", "phone")])
def test_a_new_account_is_known_by_its_door_payment_or_phone_too(
    market: Store, desk: CheckoutDesk, kind: str, column: str
) -> None:
    load(market, orders=[order("o-known", "actor", **{column: PHONE})])
    publish(market)
    desk.refresh()
    newcomer = ask("newcomer", identifiers=(f"{kind}:{PHONE.hex()}",))
    assert desk.answer(newcomer, now=NOW).reason is Reason.KNOWN_IDENTIFIER


def test_an_identifier_that_mostly_honest_accounts_use_speaks_against_nobody(market: Store, desk: CheckoutDesk) -> None:
    more = [order(f"o-x{n}", f"x{n}", device=DEVICE) for n in (1, 2)]
    load(market, orders=more)
    publish(market)
    desk.refresh()
    newcomer = ask("newcomer", identifiers=(f"device:{DEVICE.hex()}",))
    assert desk.answer(newcomer, now=NOW).reason is Reason.NEW_ACCOUNT


@pytest.mark.parametrize(("verdict", "reason"), [("abusive", Reason.KNOWN_IDENTIFIER), ("benign", Reason.NEW_ACCOUNT)])
def test_a_hub_speaks_by_its_verdict_alone(market: Store, desk: CheckoutDesk, verdict: str, reason: Reason) -> None:
    hub = {"identifier": f"device:{DEVICE.hex()}", "kind": "device", "buyers": 40, "claims": 9, "expected_claims": 8.0}
    hubs = run_table("run_hubs", [hub | {"nats": 1.0, "verdict": verdict, "text": "a kiosk"}])
    publish(market, replace(market_findings(), hubs=hubs))
    desk.refresh()
    assert desk.answer(ask("newcomer", identifiers=(f"device:{DEVICE.hex()}",)), now=NOW).reason is reason


def test_an_ip_address_never_speaks_against_a_new_account(market: Store, desk: CheckoutDesk) -> None:
    load(market, orders=[order("o-ip", "actor", ip=PHONE)])
    publish(market)
    desk.refresh()
    assert desk.answer(ask("newcomer", identifiers=(f"ip:{PHONE.hex()}",)), now=NOW).reason is Reason.NEW_ACCOUNT


def test_a_rollback_is_noticed_in_the_background_within_a_second(market: Store, desk: CheckoutDesk) -> None:
    first = publish(market, findings([Account("shopper", 0.0)]), now=NOW - 100)
    publish(market)
    desk.start(every=0.05)
    try:
        assert desk.answer(ask("actor"), now=NOW).verdict is Verdict.DENY
        rollback(market, a_person(NOW), holder="test")
        deadline = time.monotonic() + 1
        while desk.head.run != first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert desk.answer(ask("actor"), now=NOW).run_id == first
    finally:
        desk.stop()


def test_readers_see_one_run_or_the_other_while_runs_are_published(market: Store, desk: CheckoutDesk) -> None:
    free = findings([Account("actor", 0.0)])
    desk.refresh()
    seen: set[tuple[str | None, Verdict]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            answer = desk.answer(ask("actor"), now=NOW)
            seen.add((answer.run_id, answer.verdict))
            time.sleep(0.0005)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    expected: dict[str | None, Verdict] = {None: Verdict.ALLOW}
    for turn in range(6):
        run = publish(market, free if turn % 2 else market_findings(), now=NOW + turn)
        expected[run] = Verdict.ALLOW if turn % 2 else Verdict.DENY
        desk.refresh()
    done.set()
    for reader in readers:
        reader.join()
    assert all(expected[run] is verdict for run, verdict in seen)
    assert len(seen) > 1


def test_orders_of_limited_accounts_are_read_once_a_load_and_not_at_the_till(
    market: Store, server_desk: CheckoutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(market)
    server_desk.refresh()
    monkeypatch.setattr(market, "find", lambda *_, **__: pytest.fail("read at the till"))
    assert server_desk.answer(ask("actor"), now=NOW).reason is Reason.ORDER_LIMIT
    assert server_desk.answer(ask("lone"), now=NOW).remaining_orders == 1


def test_who_asks_once_does_not_wait_for_the_orders_of_others(market: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(market)
    desk = CheckoutDesk(market, policy(), ahead=False)
    read: list[object] = []
    find = type(market).find
    monkeypatch.setattr(type(market), "find", lambda *args, **more: (read.append(args[3]), find(*args, **more))[1])
    desk.refresh()
    assert read == []
    assert desk.answer(ask("actor"), now=NOW).reason is Reason.ORDER_LIMIT
    assert read == [["actor"]]


def test_an_account_without_limits_costs_no_look_at_the_store(market: Store, desk: CheckoutDesk) -> None:
    publish(market)
    desk.refresh()
    market.close()
    assert desk.answer(ask("shopper"), now=NOW).verdict is Verdict.ALLOW


def test_identifiers_that_no_limited_account_used_cost_no_look_at_the_store(
    market: Store, server_desk: CheckoutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(market)
    server_desk.refresh()
    looked: list[object] = []
    find = type(market).find
    monkeypatch.setattr(type(market), "find", lambda *args, **more: (looked.append(args[3]), find(*args, **more))[1])
    strange = tuple(f"{kind}:{bytes(16).hex()}" for kind in ("device", "phone", "payment", "door"))
    assert server_desk.answer(ask("never seen", identifiers=strange), now=NOW).reason is Reason.NEW_ACCOUNT
    assert looked == []
    server_desk.answer(ask("never seen", identifiers=(f"device:{DEVICE.hex()}",)), now=NOW)
    assert looked != [], "what a limited account used is looked at"
