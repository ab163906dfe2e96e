"""What must hold of a run before readers see it: told in words and numbers, and the old run stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graph.reader import take_snapshot
from graph.store import Store
from integrity.decide import decide
from integrity.instants import DAY
from integrity.invariants import RunFacts, broken, facts_in, facts_of
from integrity.run_book import publish
from integrity.runs import RunOutcome, run_detection
from integrity.words import texts_of
from tests.integrity.hand import NOW, Account, Ring, a_person, findings, load, market_findings, order, policy, refund

SEEN = RunFacts(NOW, 10_000, 800, 4_000, 60, 30, 200, 0.62, 0.60)


def told(run: RunFacts, before: RunFacts | None = SEEN, **rules: Any) -> str:
    return "; ".join(texts_of(broken(run, before, policy(invariants=rules))))


def test_a_run_like_the_one_before_holds() -> None:
    assert told(SEEN) == ""
    assert told(replace(SEEN, as_of=NOW + DAY, orders=10_500, limited=90, rings=40, abusive=0.55)) == ""


def test_the_first_run_is_held_against_the_share_alone() -> None:
    assert told(replace(SEEN, limited=2_400), None) == ""
    assert told(replace(SEEN, limited=2_401), None) == (
        "would limit 2401 of 4000 accounts (60.02%), the policy allows 60.00%"
    )


def test_rows_that_shrink_are_told_unless_an_earlier_instant_is_looked_at() -> None:
    shrunk = replace(SEEN, orders=9_000, refunds=792, accounts=4_000)
    assert told(shrunk) == "orders fell from 10,000 to 9,000 (by 10.00%), the policy allows 1.00%"
    assert told(replace(SEEN, refunds=791)).startswith("claims fell from 800 to 791")
    assert told(replace(shrunk, as_of=NOW - 1)) == ""
    assert told(shrunk, max_rows_fall=0.2) == ""


@pytest.mark.parametrize(("limited", "holds"), [(180, True), (181, False), (20, True), (19, False)])
def test_the_share_of_limited_accounts_may_change_by_a_factor_either_way(limited: int, holds: bool) -> None:
    found = told(replace(SEEN, limited=limited))
    assert (found == "") is holds
    assert holds or "limited now, the policy allows a factor of 3" in found


def test_few_more_limited_accounts_are_never_held() -> None:
    few = replace(SEEN, limited=2)
    assert told(replace(SEEN, limited=22), few) == ""
    assert "would limit 23 accounts" in told(replace(SEEN, limited=23), few)


@pytest.mark.parametrize(("rings", "holds"), [(90, True), (91, False), (10, True), (9, False)])
def test_the_count_of_rings_may_change_by_a_factor_either_way(rings: int, holds: bool) -> None:
    assert (told(replace(SEEN, rings=rings)) == "") is holds


def test_risk_that_drifts_from_verdicts_is_told_where_enough_accounts_have_one() -> None:
    drifted = replace(SEEN, abusive=0.45)
    assert "expects 62.0% to be abusive and 45.0% are" in told(drifted)
    assert told(drifted, replace(SEEN, verdicts=49)) == ""
    assert told(drifted, max_calibration_drift=0.2) == ""


def test_several_breaks_are_all_told() -> None:
    assert told(replace(SEEN, orders=1, rings=900)).count("the policy allows") == 2


def test_facts_are_counted_from_what_the_run_rests_on(market: Store) -> None:
    load(
        market,
        complaints=[
            {"complaint_id": f"c{n}", "refund_id": f"r-{who}-1", "filed_at": NOW - DAY, "type": "false_return"}
            | {"outcome": outcome}
            for n, (who, outcome) in enumerate([("actor", "upheld"), ("actor", "dismissed"), ("lone", "dismissed")])
        ],
        past_decisions=[
            {"decision_id": "d1", "buyer_id": "mother", "decided_at": NOW - DAY, "decision": "lifted"}
            | {"scope": "platform"}
        ],
    )
    snapshot, found = take_snapshot(market, as_of=NOW), market_findings()
    facts = facts_of(snapshot, found, decide(snapshot, found, policy()))
    # actor (upheld), lone (dismissed) and mother (lifted) have a verdict; their risks are 0.98, 0.97 and 0.93
    expected, abusive = round((0.98 + 0.97 + 0.93) / 3, 6), round(1 / 3, 6)
    assert facts == RunFacts(NOW, 12, 5, 4, 2, 1, 3, expected, abusive)
    assert facts_in({"invariants": facts.to_json()}) == facts
    assert facts_in({"accounts": 4}) is None
    assert facts_in({"invariants": {"of": "another version"}}) is None


def crowd(size: int) -> Any:
    accounts = [Account(f"b{n:03}", 0.97, 3, "ring-x") for n in range(size)]
    return findings(accounts, [Ring("ring-x")] if size else [])


def run(store: Store, size: int, at: int) -> RunOutcome:
    return run_detection(
        store,
        policy=policy(publication={"max_limited_share": 1.0}),
        now=lambda: at,
        holder="test",
        as_of=NOW,
        detect=lambda *_: crowd(size),
    )


def test_a_run_that_breaks_one_is_held_and_the_old_one_stays(store: Store) -> None:
    load(
        store,
        orders=[order(f"o{n:03}", f"b{n:03}") for n in range(100)],
        refunds=[refund(f"r{n:03}", f"o{n:03}") for n in range(100)],
    )
    first = run(store, 10, NOW)
    assert first.state == "published"
    more = run(store, 31, NOW + 1)
    assert more.state == "held"
    assert more.run.held_reason == (
        "would limit 31 accounts (31.00%) where 10 (10.00%) are limited now, the policy allows a factor of 3"
    )
    assert store.head().run == first.run.run_id
    publish(store, more.run.run_id, a_person(NOW + 2), holder="a person")
    assert run(store, 40, NOW + 3).state == "published", "what a person published is the new measure"
    none = run(store, 0, NOW + 4)
    assert none.state == "held"
    assert "would limit 0 accounts" in none.run.held_reason
