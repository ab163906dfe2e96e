"""What changed between runs, and why an account or ring stands as it does."""

from __future__ import annotations

from typing import Any

import pytest

from graph.errors import NotFound
from graph.store import Store
from integrity.diff import RingMove, diff_runs
from integrity.explain import explain_account, explain_ring
from integrity.explain_text import account_text, ring_text
from integrity.runs import run_detection
from tests.integrity.hand import NOW, Account, Ring, findings, market_findings, policy


def detect(store: Store, found: Any, at: int = NOW) -> str:
    return run_detection(
        store, policy=policy(), now=lambda: at, holder="test", as_of=NOW, detect=lambda *_: found
    ).run.run_id


def test_two_runs_that_found_the_same_differ_in_nothing(market: Store) -> None:
    found = diff_runs(market, detect(market, market_findings()), detect(market, market_findings(), NOW + 1))
    assert (found.accounts, found.rings_appeared, found.rings_disappeared, found.rings_changed) == ((), (), (), ())


def test_accounts_are_listed_whose_status_limits_or_risk_changed(market: Store) -> None:
    before = detect(market, market_findings())
    after = detect(market, market_findings(lone=Account("lone", 0.1), shopper=Account("shopper", 0.25)), NOW + 1)
    found = diff_runs(market, before, after)
    assert [(one.buyer_id, one.status_before, one.status_after) for one in found.accounts] == [
        ("lone", "STORE_LIMITED", "CLEAR"),
        ("shopper", "CLEAR", "CLEAR"),
    ]
    assert found.accounts[0].limits_changed
    assert not found.accounts[1].limits_changed
    assert found.moves() == {("STORE_LIMITED", "CLEAR"): 1}
    assert [one.buyer_id for one in diff_runs(market, before, after, risk_step=0.5).accounts] == ["lone"]


def ring(name: str, *members: str) -> Any:
    return findings([Account(buyer, 0.5, 1, name) for buyer in members], [Ring(name)])


def test_a_ring_with_mostly_the_same_members_has_changed_and_others_come_and_go(market: Store) -> None:
    one = detect(market, ring("ring-1", "actor", "lone", "mother"))
    two = detect(market, ring("ring-2", "actor", "lone", "shopper"), NOW + 1)
    three = detect(market, ring("ring-3", "mother"), NOW + 2)
    (change,) = diff_runs(market, one, two).rings_changed
    assert (change.before, change.after, change.joined, change.left) == ("ring-1", "ring-2", ("shopper",), ("mother",))
    gone = diff_runs(market, two, three)
    assert (gone.rings_appeared, gone.rings_disappeared, gone.rings_changed) == (("ring-3",), ("ring-2",), ())


def test_a_ring_that_keeps_its_id_is_told_with_who_joined_and_splits_and_mergers_by_name(market: Store) -> None:
    one = detect(market, ring("ring-1", "actor", "lone", "mother", "shopper"))
    two = detect(market, ring("ring-1", "actor", "lone", "mother"), NOW + 1)
    (change,) = diff_runs(market, one, two).rings_changed
    assert (change.before, change.after, change.joined, change.left) == ("ring-1", "ring-1", (), ("shopper",))
    apart = [Account(b, 0.5, 1, f"ring-{1 + (b == 'shopper')}") for b in ("actor", "lone", "mother", "shopper")]
    three = detect(market, findings(apart, [Ring("ring-1"), Ring("ring-2")]), NOW + 2)
    assert diff_runs(market, one, three).rings_split == (RingMove("ring-2", "ring-1"),)
    assert diff_runs(market, three, one).rings_merged == (RingMove("ring-2", "ring-1"),)


def test_a_run_goes_on_from_the_rings_of_its_parent_and_of_no_other_run(market: Store) -> None:
    detect(market, findings([Account("actor", 0.9, 3, "ring-1")], [Ring("ring-1")]))
    seen = run_detection(market, policy=policy(), now=lambda: NOW + 1, holder="test", as_of=NOW)
    assert seen.run.parent is not None
    (row,) = market.run_rows(seen.run.run_id, "run_lineage").to_pylist()
    assert (row["ring_id"], row["state"], row["members"], row["gone_at"]) == ("ring-1", "dissolved", ["actor"], NOW)


def test_an_account_is_explained_down_to_the_source_record(market: Store) -> None:
    detect(market, market_findings())
    told = explain_account(market, "actor")
    assert (told["status"], told["risk"], told["ring"]["ring_id"]) == ("PLATFORM_LIMITED", 0.98, "ring-a")
    (evidence,) = told["evidence"]
    assert evidence["record"]["order_id"] == "o-actor-1"
    assert evidence["record"]["amount"] == "10.00 CNY"
    assert evidence["shown"] == evidence["record"]["device"] == "dev***1"
    text = account_text(told)
    for part in (
        "risk 0.98 is at least 0.9",
        "signed for its parcels",
        "CNY in 30 days 250.00",
        "orders o-actor-1",
        "+3.25",
    ):
        assert part in text


def test_an_account_that_is_clear_is_explained_too(market: Store) -> None:
    detect(market, market_findings())
    told = explain_account(market, "shopper")
    assert (told["status"], told["ring"], told["evidence"]) == ("CLEAR", None, [])
    assert "shopper: CLEAR, risk 0.020" in account_text(told)


def test_a_claims_amount_is_shown_in_its_orders_currency(market: Store) -> None:
    from tests.integrity.hand import load, refund

    load(market, refunds=[refund("r-lone-1", "o-lone-1", amount=550)])
    detect(market, market_findings())
    assert explain_account(market, "lone")["evidence"][0]["record"]["amount"] == "5.50 CNY"


def test_a_ring_is_explained_with_members_and_evidence(market: Store) -> None:
    detect(market, market_findings())
    told = explain_ring(market, "ring-a")
    assert [(m["buyer_id"], m["role"], m["status"]) for m in told["members"]] == [
        ("actor", "actor", "PLATFORM_LIMITED"),
        ("mother", "bystander", "WATCH"),
    ]
    text = ring_text(told)
    for part in ("1234.56 CNY claimed at 3 stores", "mother  bystander 0.10", "share one device", "[dev***1]"):
        assert part in text


def test_no_key_is_shown_in_any_explanation(market: Store) -> None:
    from tests.integrity.hand import DEVICE

    detect(market, market_findings())
    assert DEVICE.decode() not in str(explain_account(market, "actor")["evidence"][0]["record"])


def test_what_a_run_does_not_know_is_not_found(market: Store) -> None:
    with pytest.raises(NotFound):
        explain_account(market, "actor")
    detect(market, market_findings())
    with pytest.raises(NotFound, match="no account 'nobody'"):
        explain_account(market, "nobody")
    with pytest.raises(NotFound, match="no ring 'ring-x'"):
        explain_ring(market, "ring-x")
