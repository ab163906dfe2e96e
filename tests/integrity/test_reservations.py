"""Reserving at the till: what is counted, whose allowance it is, and every odd step, over a real store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from graph.errors import BadInput, StoreProblem
from graph.reserving import Release
from graph.store import Store
from integrity.checkout import Measure, PurchaseRequest, Reason, Verdict, Whose
from integrity.checkout_desk import CheckoutDesk
from integrity.instants import DAY
from integrity.policy import Policy, parse_policy
from integrity.reservations import OtherContent, Reservation, ReservationDesk, ReservationState
from integrity.reservations_till import Till
from integrity.runs import run_detection
from tests.integrity.hand import DOOR, NOW, POLICY_TEXT, Account, Ring, findings, load, order, policy, refund

MINUTE = 60_000_000
FREE, HELD, CONFIRMED, RELEASED, EXPIRED, REFUSED, UNCOUNTED, NONE = ReservationState
NEIGHBOURS = [f"n{number}" for number in range(10)]


class Shop:
    """A till over a store with a published run: ten limited accounts behind one door and in one ring, and one that is
    not limited."""

    def __init__(self, store: Store, chosen: Policy) -> None:
        self.store = store
        self.desk = CheckoutDesk(store, chosen)
        self.till = Till(store, self.desk.counts)
        self.desk.refresh()
        self.reservations = ReservationDesk(self.desk, self.till)

    def reserve(self, buyer: str, order_id: str, now: int = NOW, **more: Any) -> Reservation:
        return self.reservations.reserve(request(buyer, order_id, **more), now=now)

    def confirm(self, order_id: str, now: int = NOW, **expects: Any) -> Reservation:
        return self.reservations.confirm(order_id, expects, now=now)

    def release(self, order_id: str, now: int = NOW) -> Reservation:
        return self.reservations.release(order_id, {}, now=now)


def request(buyer: str, order_id: str | None = None, **more: Any) -> PurchaseRequest:
    return PurchaseRequest(buyer, more.pop("store_id", "s1"), order_id=order_id, amount=more.pop("amount", 500), **more)


def with_allowances(*sections: str, **checkout: Any) -> Policy:
    text = POLICY_TEXT + "".join(f"\n[[checkout.allowances]]\n{section}\n" for section in sections)
    made = parse_policy(text, where="test")
    return made.model_copy(update={"checkout": made.checkout.model_copy(update=checkout)})


@pytest.fixture
def filled(store: Store) -> Store:
    """Ten limited neighbours, each with an old order at one door; `shopper` is not limited."""
    old = {"placed_at": NOW - 40 * DAY, "address": DOOR}
    rows = [order(f"o-{buyer}-{n}", buyer, store_id=f"s{n}", **old) for buyer in NEIGHBOURS for n in (1, 2, 3)]
    claims = [refund(f"r-{row['order_id']}", str(row["order_id"])) for row in rows]
    identifier = {"id": f"door:{DOOR.hex()}", "kind": "door", "key": DOOR, "masked": "杭***", "has_city": True}
    load(store, orders=[*rows, order("o-shopper", "shopper", **old)], refunds=claims, identifiers=[identifier])
    accounts = [Account(buyer, 0.99, 3, "ring-1") for buyer in NEIGHBOURS] + [Account("shopper")]
    made = findings(accounts, [Ring("ring-1")])
    chosen = policy(publication={"max_limited_share": 1.0})
    run_detection(store, policy=chosen, now=lambda: NOW, holder="test", as_of=NOW, detect=lambda *_: made)
    return store


@pytest.fixture
def open_shop(filled: Store) -> Iterator[Any]:
    opened: list[Shop] = []

    def start(chosen: Policy | None = None, *, store: Store | None = None) -> Shop:
        opened.append(Shop(store or filled, chosen or policy()))
        return opened[-1]

    yield start
    for shop in opened:
        shop.till.close()


@pytest.fixture
def shop(open_shop: Any) -> Shop:
    made: Shop = open_shop()
    return made


def test_an_account_without_limits_has_nothing_to_reserve_and_costs_no_look_at_the_store(shop: Shop) -> None:
    shop.store.close()
    made = shop.reserve("shopper", "o1", amount=10**9)
    assert (made.state, made.changed) == (FREE, False)
    assert made.limit is not None
    assert made.limit.reason is Reason.NOT_LIMITED


def test_a_reservation_is_held_for_half_an_hour_and_counts_for_the_next(shop: Shop) -> None:
    held = shop.reserve("n0", "o1", amount=6_000)
    assert (held.state, held.changed, held.expires_at) == (HELD, True, NOW + 30 * MINUTE)
    assert held.limit is not None
    assert (held.limit.verdict, held.limit.remaining_orders, held.limit.remaining_amount) == (Verdict.ALLOW, 0, 4_000)
    asked = shop.desk.answer(request("n0"), now=NOW + 1)
    assert (asked.verdict, asked.reason) == (Verdict.DENY, Reason.ORDER_LIMIT)
    refused = shop.reserve("n0", "o2", now=NOW + 1)
    assert (refused.state, refused.limit and refused.limit.reason) == (REFUSED, Reason.ORDER_LIMIT)
    assert shop.desk.answer(request("n0"), now=NOW + 30 * MINUTE).verdict is Verdict.ALLOW
    # the order asked about does not count against itself
    assert shop.desk.answer(request("n0", "o1"), now=NOW + 1).remaining_orders == 1


def test_what_is_confirmed_counts_for_a_day_and_for_30_days(shop: Shop) -> None:
    shop.reserve("n0", "o1", amount=6_000)
    assert (shop.confirm("o1", NOW + MINUTE).state, shop.confirm("o1", NOW + MINUTE).changed) == (CONFIRMED, False)
    assert shop.reserve("n0", "o2", NOW + DAY - 1).state is REFUSED
    tomorrow = shop.reserve("n0", "o2", NOW + DAY, amount=10_000)
    assert tomorrow.state is HELD
    assert tomorrow.limit is not None
    assert (tomorrow.limit.remaining_amount, tomorrow.limit.binding) == (0, Measure.ORDERS_PER_DAY)
    shop.confirm("o2", NOW + DAY)
    late = shop.reserve("n0", "o3", NOW + 2 * DAY, amount=10_000)
    assert (late.state, late.limit and late.limit.remaining_amount) == (REFUSED, 25_000 - 16_000)


def test_what_is_released_stops_counting_at_once(shop: Shop) -> None:
    shop.reserve("n0", "o1")
    assert shop.release("o1").changed
    assert shop.reserve("n0", "o2").state is HELD
    assert shop.confirm("o1").state is RELEASED


def test_odd_steps_have_defined_answers(shop: Shop) -> None:
    assert (shop.confirm("o9").state, shop.release("o9").state) == (NONE, NONE)
    first = shop.reserve("n0", "o1")
    again = shop.reserve("n0", "o1", NOW + MINUTE)
    assert again == replace(first, changed=False)
    assert shop.confirm("o1", NOW + 2 * MINUTE).changed
    assert shop.release("o1", NOW + 3 * MINUTE).state is CONFIRMED
    assert shop.reserve("n0", "o1", NOW + 4 * MINUTE).state is CONFIRMED
    shop.reserve("n1", "o2")
    late = shop.confirm("o2", NOW + 30 * MINUTE)
    assert (late.state, late.changed, late.expires_at) == (EXPIRED, False, NOW + 30 * MINUTE)
    assert shop.reserve("n1", "o2", NOW + 31 * MINUTE, amount=700).changed
    counts = shop.desk.counts.snapshot()
    assert [counts[name] for name in ("held", "confirmed", "expired", "refused")] == [3, 1, 1, 0]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount": 501}, "amount"),
        ({"currency": "HKD"}, "currency"),
        ({"store_id": "s2"}, "store"),
        ({"quantity": 2}, "quantity"),
        ({"sku": "x"}, "sku"),
    ],
)
def test_an_order_id_that_is_reserved_can_stand_for_nothing_else(
    shop: Shop, changed: dict[str, Any], field: str
) -> None:
    shop.reserve("n0", "o1")
    with pytest.raises(OtherContent, match="order o1 is reserved with another") as caught:
        shop.reserve("n0", "o1", **changed)
    assert caught.value.field == field
    with pytest.raises(OtherContent):
        shop.confirm("o1", amount=499)
    with pytest.raises(OtherContent):
        shop.reserve("n1", "o1")
    assert shop.confirm("o1", amount=500, currency="CNY").state is CONFIRMED
    assert shop.desk.counts.snapshot()["conflict"] == 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"amount": -1}, "an amount is 0 to"),
        ({"amount": 10**12}, "an amount is 0 to"),
        ({"currency": "XXX"}, "XXX is no ISO 4217 currency"),
        ({"amount": None}, "needs the order's amount"),
        ({"quantity": 0}, "a quantity is 1 or more"),
        ({"quantity": 0, "items": (("x", 1), ("y", -1))}, "a quantity is 1 or more"),
        ({"quantity": 3, "items": (("x", 1), ("y", 1))}, "do not add up"),
        ({"sku": "x", "items": (("x", 1),)}, "do not add up"),
        ({"order_id": ""}, "needs the order's id"),
    ],
)
def test_amounts_and_quantities_that_can_not_be_are_refused(shop: Shop, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        shop.reservations.reserve(replace(request("n0", "o1"), **wrong), now=NOW)


def test_a_currency_without_a_rule_counts_orders_and_the_largest_amount_is_no_matter(shop: Shop) -> None:
    made = shop.reserve("n0", "o1", amount=10**12 - 1, currency="NZD")
    assert (made.state, made.limit and made.limit.reason) == (HELD, Reason.CURRENCY_WITHOUT_RULE)
    assert shop.reserve("n0", "o2", currency="NZD").state is REFUSED


def test_a_clock_that_goes_back_grants_nothing_twice(shop: Shop) -> None:
    shop.reserve("n0", "o1", NOW + 5 * MINUTE)
    assert shop.reserve("n0", "o2", NOW).state is REFUSED
    assert shop.confirm("o1", NOW - DAY).state is CONFIRMED
    assert shop.reserve("n0", "o2", NOW).state is REFUSED


def test_too_many_pieces_are_refused_and_take_nothing(shop: Shop) -> None:
    made = shop.reserve("n0", "o1", quantity=3)
    assert (made.state, made.limit and made.limit.max_quantity) == (REFUSED, 2)
    assert shop.reserve("n0", "o1", quantity=2).state is HELD


def test_an_order_of_several_items_is_held_against_the_limits_of_each(open_shop: Any) -> None:
    shop = open_shop(with_allowances('of = "account"\nwithin = "item"\nunits_per_30_days = 3'))
    mixed = {"quantity": 4, "items": (("x", 2), ("y", 2))}  # four pieces, two of each: one item may have two
    assert shop.reserve("n0", "o1", **mixed).state is HELD
    shop.confirm("o1")
    later = NOW + DAY
    refused = shop.reserve("n0", "o2", later, quantity=3, items=(("z", 1), ("x", 2)))
    assert refused.limit is not None
    assert (refused.state, refused.limit.binding, refused.limit.max_quantity) == (REFUSED, Measure.UNITS_PER_30_DAYS, 1)
    assert shop.reserve("n0", "o2", later, quantity=3, items=(("z", 2), ("x", 1))).state is HELD
    assert shop.reserve("n1", "o3", quantity=3, items=(("x", 3),)).state is REFUSED
    assert shop.reserve("n1", "o3", quantity=3, items=(("x", 1), ("x", 2))).state is REFUSED, "one item named twice"
    assert shop.reserve("n0", "o1", quantity=4, items=(("y", 2), ("x", 2))).state is CONFIRMED
    with pytest.raises(OtherContent):
        shop.reserve("n0", "o1", quantity=4, items=(("x", 2), ("z", 2)))


def test_a_new_account_with_a_known_identifier_reserves_within_the_limits_of_new_accounts(shop: Shop) -> None:
    door = (f"door:{DOOR.hex()}",)
    assert shop.reserve("newcomer", "o0").state is FREE
    made = shop.reserve("newcomer", "o1", identifiers=door)
    assert (made.state, made.limit and made.limit.reason) == (HELD, Reason.KNOWN_IDENTIFIER)
    much = shop.reserve("newcomer", "o2", identifiers=door, amount=5_000)
    assert (much.state, much.limit and much.limit.remaining_amount) == (REFUSED, 4_500)


# -- shared allowances -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("of", "whose"), [("door", Whose.DOOR), ("ring", Whose.RING)])
def test_ten_accounts_behind_one_door_or_in_one_ring_share_one_allowance(open_shop: Any, of: str, whose: Whose) -> None:
    shop = open_shop(with_allowances(f'of = "{of}"\norders_per_day = 3\norders_per_30_days = 4'))
    made = [shop.reserve(buyer, f"o-new-{buyer}") for buyer in NEIGHBOURS]
    assert [one.state for one in made].count(HELD) == 3
    refused = made[-1].limit
    assert refused is not None
    assert (refused.reason, refused.binding_of) == (Reason.ORDER_LIMIT, whose)
    for one in made[:3]:
        shop.confirm(one.order_id)
    next_day = [shop.reserve(buyer, f"o-next-{buyer}", NOW + DAY) for buyer in NEIGHBOURS]
    assert [one.state for one in next_day].count(HELD) == 1


def test_what_is_counted_at_a_door_does_not_name_it(open_shop: Any) -> None:
    shop = open_shop(with_allowances('of = "door"\norders_per_day = 3'))
    shop.reserve("n0", "o1", identifiers=(f"door:{DOOR.hex()}",))
    acts = [Release("o1")]
    (outcome,) = shop.store.reserve(acts, now=NOW)
    assert outcome.record is not None
    assert any(part.key.startswith("DOOR") for part in outcome.record.parts)
    assert DOOR.hex() not in outcome.record.to_text()


def test_accounts_that_are_not_limited_have_no_part_in_it(open_shop: Any) -> None:
    shop = open_shop(with_allowances('of = "door"\norders_per_day = 1'))
    shop.reserve("n0", "o1")
    assert shop.reserve("shopper", "o2", identifiers=(f"door:{DOOR.hex()}",)).state is FREE


def test_a_parcel_to_another_door_is_counted_there(open_shop: Any) -> None:
    shop = open_shop(with_allowances('of = "door"\norders_per_day = 1'))
    elsewhere = ("door:" + "ab" * 16,)
    assert shop.reserve("n0", "o1").state is HELD
    assert shop.reserve("n1", "o2").state is REFUSED
    assert shop.reserve("n1", "o2", identifiers=elsewhere).state is HELD
    assert shop.reserve("n2", "o3", identifiers=elsewhere).state is REFUSED


def test_pieces_of_one_item_and_orders_at_one_store_are_counted_where_the_policy_says_so(open_shop: Any) -> None:
    shop = open_shop(
        with_allowances(
            'of = "account"\nwithin = "item"\nunits_per_30_days = 3',
            'of = "ring"\nwithin = "store"\norders_per_day = 2',
        )
    )
    shop.reserve("n0", "o1", sku="x", quantity=2)
    shop.confirm("o1")
    later = shop.reserve("n0", "o2", NOW + DAY, sku="x", quantity=2)
    assert later.limit is not None
    assert (later.state, later.limit.max_quantity, later.limit.binding) == (REFUSED, 1, Measure.UNITS_PER_30_DAYS)
    assert shop.reserve("n0", "o2", NOW + DAY, sku="y", quantity=2).state is HELD
    assert shop.reserve("n1", "o3", NOW + DAY).state is HELD
    assert shop.reserve("n2", "o4", NOW + DAY).state is REFUSED
    assert shop.reserve("n2", "o4", NOW + DAY, store_id="s2").state is HELD


# -- what files bring --------------------------------------------------------------------------------------------------


def test_an_order_that_is_loaded_later_does_not_count_twice(open_shop: Any, filled: Store) -> None:
    shop = open_shop(with_allowances('of = "door"\norders_per_30_days = 2\nunits_per_30_days = 9'))
    at = NOW + DAY
    shop.reserve("n0", "o1", at, amount=6_000)
    shop.confirm("o1", at)
    other = open_shop(shop.desk._policy)
    load(filled, orders=[order("o1", "n0", placed_at=at, amount=6_000, address=DOOR)])
    shop.desk.refresh()
    later = at + DAY
    for one in (shop, other):  # one has noticed the load, the other has not
        answer = one.desk.answer(request("n0"), now=later)
        assert (answer.remaining_orders, answer.remaining_amount) == (1, 10_000)
        assert one.desk.answer(request("n1"), now=later).remaining_orders == 1
    # of 250.00 in 30 days 60.00 were spent, once
    assert [shop.reserve("n0", f"more-{turn}", later + turn * DAY, amount=9_500).state for turn in range(2)] == [
        HELD,
        HELD,
    ]


def test_orders_of_the_neighbours_that_are_loaded_count_at_the_door(open_shop: Any, filled: Store) -> None:
    load(filled, orders=[order(f"x{n}", f"n{n}", placed_at=NOW - DAY // 2, address=DOOR) for n in range(2)])
    shop = open_shop(with_allowances('of = "door"\norders_per_day = 2'))
    refused = shop.reserve("n5", "o1")
    assert refused.limit is not None
    assert (refused.state, refused.limit.binding_of) == (REFUSED, Whose.DOOR)
    assert shop.reserve("n5", "o1", NOW + DAY).state is HELD


# -- many at once ------------------------------------------------------------------------------------------------------


def test_many_at_once_share_transactions_and_never_pass_the_allowance(open_shop: Any) -> None:
    shop = open_shop(with_allowances('of = "ring"\norders_per_30_days = 5'))
    with ThreadPoolExecutor(32) as clients:
        made = list(clients.map(lambda n: shop.reserve(NEIGHBOURS[n % 10], f"o{n}"), range(200)))
    held = [one for one in made if one.state is HELD]
    assert len(held) == 5
    counts = shop.desk.counts.snapshot()
    assert counts["batched"] == 200
    assert counts["batches"] < 200, "no transaction was shared"


# -- a store that does not answer --------------------------------------------------------------------------------------


class Slow:
    """Makes a store's counters wait until told."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        for name in ("reserve", "taken"):
            real = getattr(type(store), name)

            def late(*given: Any, _real: Any = real, **more: Any) -> Any:
                assert self.go.wait(20)
                return _real(*given, **more)

            monkeypatch.setattr(type(store), name, late)


@pytest.mark.parametrize(
    ("rule", "amount", "state"),
    [
        ("allow", 9_000, UNCOUNTED),
        ("deny", 1, REFUSED),
        ("by_amount", 5_000, UNCOUNTED),
        ("by_amount", 5_001, REFUSED),
    ],
)
def test_a_store_that_is_late_is_not_waited_for_and_the_policy_answers(
    open_shop: Any, filled: Store, monkeypatch: pytest.MonkeyPatch, rule: Any, amount: int, state: ReservationState
) -> None:
    chosen = with_allowances(deadline_ms=30, when_unreachable=rule, unreachable_amounts=amounts("50.00"))
    shop = open_shop(chosen)
    slow = Slow(filled, monkeypatch)
    began = time.monotonic()
    made = [shop.reserve("n0", "o1", amount=amount), shop.reserve("n1", "o2", amount=amount)]
    asked = shop.desk.answer(request("n2", amount=amount), now=NOW)
    assert time.monotonic() - began < 2
    assert {one.state for one in made} == {state}
    allowed = state is UNCOUNTED
    assert made[0].limit == asked
    assert (asked.verdict, asked.reason) == (Verdict.ALLOW if allowed else Verdict.DENY, Reason.STORE_UNREACHABLE)
    with pytest.raises(StoreProblem, match="not reached in time; send it again"):
        shop.release("o9")
    counts = shop.desk.counts.snapshot()
    assert counts["unreachable_allowed" if allowed else "unreachable_denied"] == 3
    assert counts["unreachable_settling"] == 1
    assert shop.reserve("shopper", "o3").state is FREE, "who has no limits is never in its way"
    slow.go.set()
    # what was denied is not left held, although its transaction went through afterwards
    wait_until(shop.till.idle)
    assert shop.confirm("o1").state is (CONFIRMED if allowed else RELEASED)
    assert shop.confirm("o2").state is (CONFIRMED if allowed else NONE), "what was let pass is counted after all"


def test_an_answer_comes_from_the_store_again_when_it_is_back(
    open_shop: Any, filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(with_allowances(deadline_ms=100, when_unreachable="deny"))
    slow = Slow(filled, monkeypatch)
    reasons = [shop.desk.answer(request("n2"), now=NOW).reason for _ in range(8)]
    assert set(reasons) == {Reason.STORE_UNREACHABLE}
    slow.go.set()
    wait_until(lambda: shop.desk.answer(request("n2"), now=NOW).reason is Reason.WITHIN_LIMIT)


def test_a_store_that_fails_is_answered_by_the_policy_too(
    open_shop: Any, filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise StoreProblem("gone")

    shop = open_shop(with_allowances(when_unreachable="deny"))
    for name in ("reserve", "taken"):
        monkeypatch.setattr(type(filled), name, gone)
    assert shop.reserve("n0", "o1").state is REFUSED
    assert shop.desk.answer(request("n0"), now=NOW).reason is Reason.STORE_UNREACHABLE
    with pytest.raises(StoreProblem, match="send it again"):
        shop.release("o1")


def amounts(text: str) -> Any:
    from decimal import Decimal

    return {"CNY": Decimal(text)}


def wait_until(true: Any) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
