"""Policies put on past orders: what would have been stopped, what became of it, and no look at the future."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph.errors import BadInput
from graph.reader import take_snapshot
from graph.store import Store
from integrity.backtest import Simulation, backtest, judge, simulate_policy
from integrity.checkout import PurchaseRequest, Verdict
from integrity.checkout_desk import CheckoutDesk
from integrity.costs import Tally
from integrity.instants import DAY
from integrity.past_orders import replay
from integrity.policy import Policy
from integrity.publication import find_run
from integrity.runs import run_detection
from tests.integrity.hand import (
    DEVICE,
    DOOR,
    NOW,
    POLICY_TEXT,
    Account,
    Ring,
    findings,
    load,
    load_market,
    market_findings,
    order,
    policy,
    refund,
)

HOUR = DAY // 24
MILD = POLICY_TEXT.replace('version = "t1"', 'version = "mild"').replace("orders_per_day = 1", "orders_per_day = 9")


def detect(store: Store, *, at: int = NOW, chosen: Policy | None = None, **more: Any) -> str:
    outcome = run_detection(
        store,
        policy=chosen or policy(),
        now=lambda: at,
        holder="test",
        as_of=at,
        detect=lambda *_: market_findings(),
        **more,
    )
    return outcome.run.run_id


def complaint(number: int, refund_id: str, outcome: str, **more: Any) -> dict[str, Any]:
    row = {"complaint_id": f"c-{number}", "refund_id": refund_id, "filed_at": NOW + 3 * DAY}
    return row | {"type": "abnormal_refund_only", "outcome": outcome} | more


def load_future(store: Store) -> None:
    """What happens after the run: actor (limited everywhere to 1 a day, 3 in 30 days, of which the market's three have
    taken all) and lone (limited at s1) order on, a shopper orders, and a new account comes with actor's device."""
    orders = [
        order("p-actor-1", "actor", placed_at=NOW + HOUR, amount=3000),
        order("p-actor-2", "actor", placed_at=NOW + 2 * DAY, amount=4000),
        order("p-actor-3", "actor", placed_at=NOW + 26 * DAY, amount=4000, currency="JPY"),
        order("p-lone-1", "lone", placed_at=NOW + HOUR, amount=15_000, store_id="s1"),
        order("p-lone-2", "lone", placed_at=NOW + HOUR, amount=90_000, store_id="s2"),
        order("p-lone-3", "lone", placed_at=NOW + 3 * DAY, amount=19_500, store_id="s1", quantity=3),
        order("p-shop", "shopper", placed_at=NOW + HOUR, amount=70_000),
        order("p-new-1", "newcomer", placed_at=NOW + HOUR, amount=6000, device=DEVICE),
        order("p-new-2", "newcomer", placed_at=NOW + 2 * HOUR, amount=6000),
    ]
    refunds = [
        refund("q-1", "p-actor-1", requested_at=NOW + 2 * DAY, amount=3000),
        refund("q-2", "p-actor-2", requested_at=NOW + 3 * DAY, outcome="rejected"),
        refund("q-3", "p-shop", requested_at=NOW + 3 * DAY, outcome="rejected", amount=50_000),
        refund("q-4", "p-lone-3", requested_at=NOW + 4 * DAY),
    ]
    load(store, orders=orders, refunds=refunds, complaints=[complaint(1, "q-1", "upheld")])


@pytest.fixture
def run_id(market: Store) -> str:
    made = detect(market)
    load_future(market)
    return made


def simulated(market: Store, text: str = MILD, **more: Any) -> Simulation:
    return simulate_policy(market, policy(text), **more)


def test_orders_are_stopped_cut_or_let_through_as_checkout_would_have(market: Store, run_id: str) -> None:
    live = judge(market, find_run(market, run_id), policy())
    later = take_snapshot(market)
    stopped = {later.orders.ids[one.order]: one for one in replay(later, live.judged, start=NOW, end=later.as_of)}
    # actor has three orders in 30 days already; by day 26 the market's have left the window, and JPY has no rule
    assert {id_ for id_, one in stopped.items() if one.whole} == {"p-actor-1", "p-actor-2", "p-lone-3"}
    # newcomer: 50.00 of 60.00 are left in the first hour, because of the device; without it nothing is asked
    assert (stopped["p-new-1"].whole, stopped["p-new-1"].amount) == (False, 1000)
    # lone at s1: two orders in 30 days, of which the market's and the first are two
    assert "p-lone-1" not in stopped
    assert (stopped["p-lone-3"].whole, stopped["p-lone-3"].amount) == (True, 19_500)
    assert set(stopped) == {"p-actor-1", "p-actor-2", "p-new-1", "p-lone-3"}


def test_the_first_order_of_each_account_is_answered_as_the_checkout_desk_answers(market: Store, run_id: str) -> None:
    live = judge(market, find_run(market, run_id), policy())
    later = take_snapshot(market)
    stopped = {later.orders.ids[one.order]: one for one in replay(later, live.judged, start=NOW, end=later.as_of)}
    desk = CheckoutDesk(market, policy())
    desk.refresh()
    for id_, buyer, store_id, amount, identifiers in (
        ("p-actor-1", "actor", "s1", 3000, ()),
        ("p-lone-1", "lone", "s1", 15_000, ()),
        ("p-lone-2", "lone", "s2", 90_000, ()),
        ("p-shop", "shopper", "s1", 70_000, ()),
        ("p-new-1", "newcomer", "s1", 6000, (f"device:{DEVICE.hex()}",)),
    ):
        request = PurchaseRequest(buyer, store_id, amount=amount, order_id=id_, identifiers=identifiers)
        verdict = desk.answer(request, now=NOW + HOUR).verdict
        one = stopped.get(id_)
        assert verdict is (Verdict.ALLOW if one is None else Verdict.DENY if one.whole else Verdict.ALLOW_UP_TO), id_


def test_a_simulation_counts_costs_on_records_and_in_money(market: Store, run_id: str) -> None:
    found = simulated(market)
    before, after = found.cost_now, found.cost_then
    assert (found.run_id, found.orders, before.denied, before.cut, before.accounts) == (run_id, 9, 3, 1, 3)
    assert before.stopped == Tally(4, {"CNY": 3000 + 4000 + 1000 + 19_500})
    assert before.by_outcome == {
        "nothing": Tally(1, {"CNY": 1000}),
        "claim refunded": Tally(1, {"CNY": 19_500}),
        "claim rejected": Tally(1, {"CNY": 4000}),
        "complaint upheld": Tally(1, {"CNY": 3000}),
    }
    assert before.honest == Tally(1, {"CNY": 1000})
    assert before.let_through == Tally(1, {"CNY": 50_000})  # nobody limits the shopper
    assert before.by_verdict == {"none": Tally(2, {"CNY": 20_500}), "abusive": Tally(2, {"CNY": 7000})}
    # by risk: actor 0.98, lone 0.97, the newcomer has none
    abusive = round(7000 * 0.98 + 19_500 * 0.97)
    assert before.by_risk == {
        "abusive": {"CNY": abusive},
        "honest": {"CNY": 26_500 - abusive},
        "unjudged": {"CNY": 1000},
    }
    assert after.stopped.orders == 4  # a day's orders are no bar any more, 30 days' are
    assert [change.field for change in found.words.changes] == [
        "limits.platform.orders_per_day",
        "limits.store.orders_per_day",
    ]


def test_a_milder_policy_stops_less_and_lets_more_through(market: Store, run_id: str) -> None:
    found = simulated(market, POLICY_TEXT + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.99\n")
    assert found.then.limited == 0
    assert found.cost_then.denied == 0
    assert found.cost_then.let_through == Tally(3, {"CNY": 50_000 + 3000 + 4000})
    assert found.moves() == {("PLATFORM_LIMITED", "WATCH"): 1, ("STORE_LIMITED", "WATCH"): 1}
    assert ("actor", "PLATFORM_LIMITED", "WATCH") in found.changes()
    assert json.loads(json.dumps(found.to_json()))["then"]["cost"]["abuse_let_through"]["amounts"] == {"CNY": "570.00"}


STEPWISE = POLICY_TEXT.replace('"t1"', '"stepwise"')
STEPWISE += "[statuses]\nimmediate_store_risk = 1.0\nimmediate_platform_risk = 1.0\n"


def test_a_simulation_tells_what_steps_before_a_limit_cost_and_spare(market: Store) -> None:
    """Live: closed everywhere at once. Tried: an account that no run knew is warned, one that was warned is limited
    where it claimed."""
    known = {"actor": Account("actor", 0.5, 3, "ring-a"), "lone": Account("lone", 0.01, 1)}
    run_detection(
        market,
        policy=policy(),
        now=lambda: NOW,
        holder="test",
        as_of=NOW - HOUR,
        detect=lambda *_: market_findings(**known),
    )
    detect(market)
    load(
        market,
        orders=[
            order("p-other", "actor", placed_at=NOW + HOUR, amount=3000, store_id="s9"),
            order("p-lone", "lone", placed_at=NOW + HOUR, amount=90_000, store_id="s1"),
        ],
        refunds=[refund("q-other", "p-other", requested_at=NOW + DAY, amount=3000, outcome="rejected")],
    )
    found = simulate_policy(market, policy(STEPWISE))
    assert found.moves() == {("PLATFORM_LIMITED", "STORE_LIMITED"): 1, ("STORE_LIMITED", "WATCH"): 1}
    # spared: the honest order of the one who is warned first; let through: abuse at a store not yet claimed at
    assert (found.cost_now.honest, found.cost_then.honest.orders) == (Tally(1, {"CNY": 71_000}), 0)
    assert (found.cost_now.let_through.orders, found.cost_then.let_through) == (0, Tally(1, {"CNY": 3000}))
    words = {one.field: one.effect for one in found.words.changes}
    assert words == {"statuses.immediate_store_risk": "milder", "statuses.immediate_platform_risk": "milder"}


def test_a_backtest_goes_on_from_what_the_tried_policy_itself_decided(market: Store) -> None:
    runs = [detect(market, at=NOW - hours * HOUR) for hours in (4, 3, 2, 1)]
    tested = backtest(market, policy(STEPWISE))
    statuses = [one.statuses["actor"] for one in tested.judgements]
    assert statuses == ["STORE_LIMITED", "PLATFORM_LIMITED", "PLATFORM_LIMITED", "PLATFORM_LIMITED"]
    rows = [market.run_rows(run, "run_decisions").to_pylist() for run in runs]
    live = [next(row["status"] for row in some if row["buyer_id"] == "actor") for some in rows]
    assert live == ["PLATFORM_LIMITED"] * 4
    # a policy that never limits has nothing to go on from, whatever the live one did
    text = STEPWISE.replace("[statuses]", "[statuses]\nplatform_limited_risk = 1.0\nstore_limited_risk = 1.0")
    mild = backtest(market, policy(text.replace("stepwise", "mild")))
    assert {one.statuses["actor"] for one in mild.judgements} == {"WATCH"}


def test_the_window_can_be_chosen_but_never_before_the_run_knew(market: Store, run_id: str) -> None:
    short = simulated(market, end=NOW + DAY)
    assert (short.orders, short.cost_now.stopped.orders) == (6, 2)
    # what became of an order counts also where it was known after the window
    assert "complaint upheld" in short.cost_now.by_outcome
    assert simulated(market, start=NOW + DAY).cost_now.stopped.orders == 2
    with pytest.raises(BadInput, match="before the run's as_of"):
        simulated(market, start=NOW - DAY)
    with pytest.raises(BadInput, match="no order was placed"):
        simulated(market, start=NOW + 90 * DAY)


def test_nothing_is_written(market: Store, run_id: str) -> None:
    before = (market.runs(), market.head(), market.notes("policies").num_rows)
    simulated(market)
    backtest(market, policy(MILD))
    assert (market.runs(), market.head(), market.notes("policies").num_rows) == before


def test_other_settings_of_detection_are_detected_anew_on_what_the_run_saw(market: Store, run_id: str) -> None:
    seen = []

    def again(snapshot: Any, settings: Any) -> Any:
        seen.append((snapshot.as_of, snapshot.known_by, settings.seed))
        return market_findings()

    found = simulated(market, MILD + "[detection]\nseed = 99\n", detect=again)
    assert seen == [(NOW, 1, 99)]
    assert (found.now.detected, found.then.detected, found.words.new_detection) == (False, True, True)


def test_a_backtest_goes_over_earlier_runs_and_counts_each_order_once(market: Store) -> None:
    first = detect(market)
    load_future(market)
    second = detect(market, at=NOW + DAY)
    found = backtest(market, policy())
    assert [one.run_id for one in found.judgements] == [first, second]
    assert found.windows == ((NOW, NOW + DAY), (NOW + DAY, NOW + 26 * DAY))
    assert [one.stopped.orders for one in found.costs] == [2, 2]
    assert found.total.stopped == Tally(4, {"CNY": 27_500})
    assert [one.run_id for one in backtest(market, policy(), runs=1).judgements] == [second]


def test_a_backtest_does_not_peek(market: Store) -> None:
    detect(market)
    load_future(market)
    detect(market, at=NOW + DAY)
    before = backtest(market, policy(MILD))
    # the future turns out otherwise: later orders and claims, a new account of the device, an earlier claim decided
    load(
        market,
        orders=[
            order("late-1", "actor", placed_at=NOW + 40 * DAY),
            order("late-2", "mother", placed_at=NOW - 2 * DAY, store_id="s2"),  # told late
            order("late-3", "stranger", placed_at=NOW - DAY, device=DEVICE),
        ],
        refunds=[
            refund("late-r", "late-2", requested_at=NOW - DAY),
            refund("r-lone-1", "o-lone-1", outcome="rejected", outcome_at=NOW - DAY),  # corrected late
            refund("q-4", "p-lone-3", requested_at=NOW + 4 * DAY, outcome="rejected"),
        ],
        complaints=[complaint(9, "late-r", "upheld")],
    )
    after = backtest(market, policy(MILD))
    assert json.dumps(before.judgements_json()) == json.dumps(after.judgements_json())
    assert [one.judged.speaking for one in before.judgements] == [one.judged.speaking for one in after.judgements]
    assert before.total != after.total  # what came of it is told by the future, and only that


def test_a_backtest_needs_a_published_run(store: Store) -> None:
    load_market(store)
    with pytest.raises(BadInput, match="no run has been published"):
        backtest(store, policy())


SHARED = (
    POLICY_TEXT.replace("orders_per_day = 1\n", "").replace("orders_per_30_days = 3\n", "")
    + '[[checkout.allowances]]\nof = "OF"\norders_per_day = 1\n'
)


def load_crowd(store: Store) -> None:
    """Buyers b0 to b3 with a claim each at three stores; b0 and b1 at one door."""
    orders = [order(f"o{b}-{n}", f"b{b}", store_id=f"s{n}") for b in range(4) for n in (1, 2, 3)]
    load(
        store,
        identifiers=[
            {"id": f"door:{DOOR.hex()}", "kind": "door", "key": DOOR, "masked": "***", "has_city": True},
        ],
        orders=[row | ({"address": DOOR} if row["buyer_id"] in ("b0", "b1") else {}) for row in orders],
        refunds=[refund(f"r{b}-{n}", f"o{b}-{n}") for b in range(4) for n in (1, 2, 3)],
    )


@pytest.mark.parametrize(
    ("of", "stopped"),
    [
        # an hour apart: each of its own, those of one door, those of one ring
        ("account", {"x0b", "x2b"}),
        ("door", {"x0b", "x1a"}),
        ("ring", {"x0b", "x2a", "x2b"}),
    ],
)
def test_what_accounts_share_is_used_up_in_the_order_of_time(store: Store, of: str, stopped: set[str]) -> None:
    load_crowd(store)
    accounts = [Account(f"b{n}", 0.97, 3, {0: "ring-x", 2: "ring-x"}.get(n)) for n in range(4)]
    run = run_detection(
        store,
        policy=policy(SHARED.replace("OF", of), publication={"max_limited_share": 1.0}),
        now=lambda: NOW,
        holder="test",
        as_of=NOW,
        detect=lambda *_: findings(accounts, [Ring("ring-x")]),
    )
    assert run.limited == 4
    times = {"x0a": 1, "x1a": 2, "x2a": 3, "x2b": 4, "x0b": 5, "x3a": 6}
    load(
        store,
        orders=[
            order(id_, f"b{id_[1]}", placed_at=NOW + hour * HOUR, amount=10)
            | ({"address": DOOR} if id_ in ("x0a", "x1a") else {})
            for id_, hour in times.items()
        ],
    )
    live = judge(store, find_run(store, None), policy(SHARED.replace("OF", of)))
    later = take_snapshot(store)
    found = {later.orders.ids[one.order] for one in replay(later, live.judged, start=NOW, end=later.as_of)}
    assert found == stopped
    # the desk, asked about the last order of b0 where all went through before it, says the same
    desk = CheckoutDesk(store, policy(SHARED.replace("OF", of)))
    desk.refresh()
    request = PurchaseRequest("b0", "s1", amount=10, order_id="x0b")
    assert desk.answer(request, now=NOW + 5 * HOUR).verdict is Verdict.DENY
