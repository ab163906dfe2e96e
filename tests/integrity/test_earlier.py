"""What an earlier run had decided: the nearest one that looked at an earlier instant."""

from __future__ import annotations

from graph.store import Store
from integrity.earlier import earlier_statuses
from integrity.instants import DAY
from integrity.publication import find_run
from integrity.runs import run_detection
from integrity.trial import try_policy
from tests.integrity.hand import NOW, Account, market_findings, policy

FOUND = market_findings(actor=Account("actor", 0.93, 3, "ring-a"))


def run(store: Store, as_of: int, at: int) -> str:
    outcome = run_detection(
        store, policy=policy(), now=lambda: at, holder="test", as_of=as_of, detect=lambda _snapshot, _settings: FOUND
    )
    return outcome.run.run_id


def status(store: Store, run_id: str) -> str:
    rows = store.run_rows(run_id, "run_decisions").to_pylist()
    return next(row["status"] for row in rows if row["buyer_id"] == "actor")


def test_the_second_run_over_later_data_closes_the_platform_and_running_again_changes_nothing(market: Store) -> None:
    first = run(market, NOW - DAY, NOW)
    assert status(market, first) == "STORE_LIMITED"
    again = run(market, NOW - DAY, NOW + 1)
    assert again != first
    assert find_run(market, again).parent == first
    assert market.run_rows(again, "run_decisions").equals(market.run_rows(first, "run_decisions"))
    second = run(market, NOW, NOW + 2)
    assert status(market, second) == "PLATFORM_LIMITED"
    third = run(market, NOW, NOW + 3)
    assert market.run_rows(third, "run_decisions").equals(market.run_rows(second, "run_decisions"))


def test_a_trial_of_the_same_policy_changes_nothing_in_a_run_with_a_past(market: Store) -> None:
    run(market, NOW - DAY, NOW)
    run(market, NOW, NOW + 1)
    assert try_policy(market, policy()).changes == ()


def test_without_an_earlier_run_nobody_was_limited_before(market: Store) -> None:
    only = run(market, NOW, NOW)
    assert earlier_statuses(market, None, as_of=NOW) == {}
    assert earlier_statuses(market, "run-dropped", as_of=NOW) == {}
    assert earlier_statuses(market, only, as_of=NOW) == {}
    assert earlier_statuses(market, only, as_of=NOW + 1)["actor"] == "STORE_LIMITED"
