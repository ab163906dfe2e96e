"""Decisions: who is limited, where, how much, and who is only watched."""

from __future__ import annotations

from typing import Any

import pytest

from graph.errors import BadInput
from graph.reader import take_snapshot
from graph.snapshot import Snapshot
from graph.store import Store
from integrity.decide import decide, limited_share
from integrity.instants import DAY
from integrity.policy import default_policy
from tests.integrity.hand import BUYERS, NOW, POLICY_TEXT, Account, Ring, findings, market_findings, order, policy


@pytest.fixture
def snapshot(market: Store) -> Snapshot:
    return take_snapshot(market, as_of=NOW)


def decided(snapshot: Snapshot, found: Any, **changed: Any) -> dict[str, dict[str, Any]]:
    rows = decide(snapshot, found, policy(**changed)).to_pylist()
    return {row["buyer_id"]: row for row in rows}


def test_every_buyer_of_the_snapshot_gets_one_decision_in_order_of_id(snapshot: Snapshot) -> None:
    table = decide(snapshot, findings([]), policy())
    assert table["buyer_id"].to_pylist() == sorted(BUYERS)
    assert set(table["status"].to_pylist()) == {"CLEAR"}


def test_an_actor_of_a_ring_that_hit_many_stores_is_limited_on_the_platform(snapshot: Snapshot) -> None:
    row = decided(snapshot, market_findings())["actor"]
    assert row["status"] == "PLATFORM_LIMITED"
    assert row["limit_store_ids"] == []
    assert (row["limit_orders_1d"], row["limit_orders_30d"], row["limit_quantity"]) == (1, 3, 2)
    assert (row["limit_amount_1d"], row["limit_amount_30d"], row["currency"]) == (10_000, 25_000, "CNY")


STEPS = ("CLEAR", "WATCH", "STORE_LIMITED", "PLATFORM_LIMITED")


@pytest.mark.parametrize("risk", [0.97, 0.999, 1.0])
def test_an_account_goes_one_step_a_run_however_high_its_risk(snapshot: Snapshot, risk: float) -> None:
    """Warned, then limited where it claimed, then everywhere; and it stays there."""
    found = market_findings(actor=Account("actor", risk, 3, "ring-a"), lone=Account("lone", risk, 4))
    stepwise = policy(statuses={"immediate_store_risk": 1.0, "immediate_platform_risk": 1.0})
    before = dict.fromkeys(BUYERS, "CLEAR")
    seen: list[dict[str, str]] = []
    for _ in range(4):
        rows = decide(snapshot, found, stepwise, before=before).to_pylist()
        seen.append({row["buyer_id"]: row["status"] for row in rows})
        before = seen[-1]
    assert [one["actor"] for one in seen] == [*STEPS[1:], "PLATFORM_LIMITED"]
    assert [one["lone"] for one in seen] == ["WATCH", "STORE_LIMITED", "STORE_LIMITED", "STORE_LIMITED"]
    assert {one["mother"] for one in seen} == {"WATCH"}
    row = decide(snapshot, found, stepwise, before={"shopper": "CLEAR"}).to_pylist()[0]
    assert row["reasons"][0].startswith(f"risk {risk:.2f} is at least 0.65: warned first, limited if a later run")
    assert (row["limit_orders_30d"], row["expires_at"], row["limit_store_ids"]) == (None, None, [])


@pytest.mark.parametrize(
    ("at_stores", "everywhere", "stood", "status"),
    [
        (1.0, 1.0, "CLEAR", "WATCH"),
        (0.95, 1.0, "CLEAR", "WATCH"),
        (0.93, 1.0, "CLEAR", "STORE_LIMITED"),
        (0.0, 0.95, "CLEAR", "STORE_LIMITED"),
        (0.0, 0.93, "CLEAR", "PLATFORM_LIMITED"),
        (0.95, 0.95, "WATCH", "STORE_LIMITED"),
        (0.93, 0.93, "WATCH", "PLATFORM_LIMITED"),
        (1.0, 1.0, "STORE_LIMITED", "PLATFORM_LIMITED"),
    ],
)
def test_from_which_risk_on_a_step_is_left_out_is_the_policys(
    snapshot: Snapshot, at_stores: float, everywhere: float, stood: str, status: str
) -> None:
    found = market_findings(actor=Account("actor", 0.94, 3, "ring-a"))
    rules = policy(statuses={"immediate_store_risk": at_stores, "immediate_platform_risk": everywhere})
    rows = decide(snapshot, found, rules, before={"actor": stood}).to_pylist()
    assert {row["buyer_id"]: row["status"] for row in rows}["actor"] == status


def test_the_first_run_of_all_begins_with_the_stores(snapshot: Snapshot) -> None:
    """Nobody could be warned before it."""
    stepwise = {"immediate_store_risk": 1.0, "immediate_platform_risk": 1.0}
    assert decided(snapshot, market_findings(), statuses=stepwise)["actor"]["status"] == "STORE_LIMITED"


def test_by_default_no_step_is_left_out() -> None:
    rules = default_policy().statuses
    assert (rules.immediate_store_risk, rules.immediate_platform_risk) == (1.0, 1.0)
    assert not rules.at_once(1.0, rules.immediate_store_risk)


def test_a_policy_that_closes_the_platform_before_it_warns_is_refused() -> None:
    text = POLICY_TEXT + "[statuses]\nimmediate_store_risk = 0.9\nimmediate_platform_risk = 0.8\n"
    with pytest.raises(BadInput, match="immediate_store_risk must not be above immediate_platform_risk"):
        policy(text)


def test_the_whole_platform_is_closed_only_by_the_second_run_that_limits_unless_the_risk_is_very_high(
    snapshot: Snapshot,
) -> None:
    found = market_findings(actor=Account("actor", 0.93, 3, "ring-a"))

    def at(before: dict[str, str] | None) -> dict[str, Any]:
        return {row["buyer_id"]: row for row in decide(snapshot, found, policy(), before=before).to_pylist()}["actor"]

    first = at(None)
    assert (first["status"], first["limit_store_ids"]) == ("STORE_LIMITED", ["s1", "s2", "s3"])
    assert "the whole platform if a later run finds it again" in first["reasons"][0]
    assert at({"actor": "WATCH"})["status"] == "STORE_LIMITED"
    assert at({"actor": "STORE_LIMITED"})["status"] == at({"actor": "PLATFORM_LIMITED"})["status"] == "PLATFORM_LIMITED"
    at_once = decided(snapshot, found, statuses={"immediate_platform_risk": 0.93})["actor"]
    assert at_once["status"] == "PLATFORM_LIMITED"


@pytest.mark.parametrize(
    ("buyer", "days", "status"),
    [
        ("actor", 5, "PLATFORM_LIMITED"),
        ("actor", 4, "STORE_LIMITED"),
        ("actor", 2, "WATCH"),
        ("actor", 1, "CLEAR"),
        ("lone", 5, "STORE_LIMITED"),
        ("lone", 4, "WATCH"),
        ("lone", 2, "CLEAR"),
        ("mother", 1, "WATCH"),
    ],
)
def test_every_stretch_of_days_without_a_new_claim_is_a_step_down(
    snapshot: Snapshot, buyer: str, days: int, status: str
) -> None:
    # all claims of the market are four days old
    row = decided(snapshot, market_findings(), statuses={"good_conduct_days": days})[buyer]
    assert row["status"] == status
    if (buyer, status) in (("actor", "STORE_LIMITED"), ("lone", "WATCH")):
        assert "no new claim for 4 days" in row["reasons"][0]
        assert row["limit_store_ids"] == (["s1", "s2", "s3"] if buyer == "actor" else [])


def test_a_new_claim_ends_good_conduct(store: Store) -> None:
    from tests.integrity.hand import load, refund

    orders = [order(f"o{n}", "b", store_id=f"s{n}", placed_at=NOW - 300 * DAY) for n in (1, 2, 3)]
    old = [refund(f"r{n}", f"o{n}", requested_at=NOW - 200 * DAY) for n in (1, 2)]
    load(store, orders=orders, refunds=[*old, refund("r3", "o3", requested_at=NOW - 10 * DAY)])
    found = findings([Account("b", 0.98, 3)])
    assert decided(take_snapshot(store, as_of=NOW), found)["b"]["status"] == "PLATFORM_LIMITED"
    assert decided(take_snapshot(store, as_of=NOW - 11 * DAY), found)["b"]["status"] == "STORE_LIMITED"


def test_abuse_at_one_store_is_limited_there_however_high_the_risk(snapshot: Snapshot) -> None:
    row = decided(snapshot, market_findings())["lone"]
    assert row["status"] == "STORE_LIMITED"
    assert row["limit_store_ids"] == ["s1"]
    assert (row["limit_amount_1d"], row["limit_amount_30d"]) == (None, 20_000)


def test_risk_between_the_thresholds_is_limited_at_the_stores_of_its_own_claims(snapshot: Snapshot) -> None:
    found = market_findings(actor=Account("actor", 0.8, 3, "ring-a"))
    row = decided(snapshot, found)["actor"]
    assert (row["status"], row["limit_store_ids"]) == ("STORE_LIMITED", ["s1", "s2", "s3"])


def test_the_mother_in_the_household_is_watched_and_not_limited(snapshot: Snapshot) -> None:
    row = decided(snapshot, market_findings())["mother"]
    assert row["status"] == "WATCH"
    assert row["limit_orders_30d"] is None
    assert row["expires_at"] is None
    assert "without acting like it" in row["reasons"][0]


def test_whoever_stands_by_with_little_risk_is_watched_all_the_same(snapshot: Snapshot) -> None:
    found = market_findings(mother=Account("mother", 0.01, 0, "ring-a", role="bystander", probability=0.02))
    assert decided(snapshot, found)["mother"]["status"] == "WATCH"


def test_an_improbable_member_is_treated_as_one_who_stands_by(snapshot: Snapshot) -> None:
    found = market_findings(actor=Account("actor", 0.98, 3, "ring-a", probability=0.4))
    assert decided(snapshot, found)["actor"]["status"] == "WATCH"


def test_nobody_is_limited_with_fewer_own_claims_than_the_policy_asks(snapshot: Snapshot) -> None:
    found = market_findings(actor=Account("actor", 0.99, 1, "ring-a"), lone=Account("lone", 0.99, 2))
    rows = decided(snapshot, found)
    assert {rows["actor"]["status"], rows["lone"]["status"]} == {"WATCH"}
    assert "1 claims of its own" in rows["actor"]["reasons"][0]


def test_a_ring_of_little_confidence_limits_nobody_by_membership(snapshot: Snapshot) -> None:
    accounts = [Account("actor", 0.98, 2, "ring-a"), Account("mother", 0.1, 0, "ring-a", role="bystander")]
    rows = decided(snapshot, findings(accounts, [Ring("ring-a", confidence=0.5)]))
    assert rows["actor"]["status"] == "WATCH"  # two claims are not enough for an account on its own
    assert rows["mother"]["status"] == "CLEAR"


def test_an_account_outside_rings_needs_more_risk_before_it_is_limited(snapshot: Snapshot) -> None:
    found = market_findings(lone=Account("lone", 0.85, 6))
    assert decided(snapshot, found)["lone"]["status"] == "WATCH"
    row = decided(snapshot, found, statuses={"alone_limited_risk": 0.8})["lone"]
    assert row["status"] == "STORE_LIMITED"
    # what it is told is the bound that was held against it, not the lower one of rings
    assert row["reasons"][0].startswith("risk 0.85 is at least 0.8")


def test_limits_end_so_many_days_after_as_of_and_say_what_would_lift_them(snapshot: Snapshot) -> None:
    row = decided(snapshot, market_findings())["actor"]
    assert row["expires_at"] == NOW + 90 * DAY
    assert "ends by itself at 2025-03-31T12:00:00Z" in row["lift"]
    assert "each 180 days without a new claim are a step down" in row["lift"]


def test_the_reason_of_the_policy_comes_first_and_those_of_the_finding_follow(snapshot: Snapshot) -> None:
    reasons = decided(snapshot, market_findings())["actor"]["reasons"]
    assert reasons == ["risk 0.98 is at least 0.9", "filed 3 claims; 0.4 expected", "shares a device"]


def test_a_currency_without_a_rule_leaves_the_order_counts(store: Store) -> None:
    from tests.integrity.hand import load, refund

    orders = [order(f"o{n}", "b", currency="KWD", store_id=f"s{n}") for n in (1, 2, 3)]
    load(store, orders=orders, refunds=[refund(f"r{n}", f"o{n}") for n in (1, 2, 3)])
    row = decided(take_snapshot(store, as_of=NOW), findings([Account("b", 0.97, 3)]))["b"]
    assert (row["status"], row["limit_orders_30d"]) == ("PLATFORM_LIMITED", 3)
    assert (row["limit_amount_30d"], row["currency"]) == (None, "KWD")


def test_a_sellers_own_cancellation_limits_nobody(snapshot: Snapshot) -> None:
    found = market_findings(shopper=Account("shopper", 0.99, 3))
    assert decided(snapshot, found)["shopper"]["status"] == "WATCH"


def test_the_share_of_limited_accounts_counts_both_kinds(snapshot: Snapshot) -> None:
    assert limited_share(decide(snapshot, market_findings(), policy())) == (2, 0.5)
