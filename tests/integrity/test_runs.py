"""Runs: whole or not at all, held where they limit too many, repeatable, and let go of in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graph.errors import BadInput, LeaseHeld, NotFound
from graph.store import Store
from integrity.acts import Book
from integrity.policy import Policy
from integrity.policy_journal import policy_of
from integrity.publication import find_run, last_good_run
from integrity.run_book import publish, rollback
from integrity.runs import RunOutcome, run_detection, run_id_of
from integrity.trial import try_policy
from tests.integrity.hand import (
    NOW,
    Account,
    a_person,
    findings,
    load,
    load_market,
    market_findings,
    order,
    policy,
)

STRICT = policy(publication={"max_limited_share": 0.25})


def detect(store: Store, found: Any = None, *, chosen: Policy | None = None, at: int = NOW, **more: Any) -> RunOutcome:
    made = found if found is not None else market_findings()
    settings = {"now": lambda: at, "holder": "test", "as_of": NOW, "detect": lambda _snapshot, _settings: made} | more
    return run_detection(store, policy=chosen or policy(), **settings)


def test_a_run_is_published_with_all_its_tables_and_counts(market: Store) -> None:
    outcome = detect(market)
    assert market.head().run == outcome.run.run_id
    assert (outcome.state, outcome.accounts, outcome.limited, outcome.rings) == ("published", 4, 2, 1)
    assert outcome.statuses == {"CLEAR": 1, "PLATFORM_LIMITED": 1, "STORE_LIMITED": 1, "WATCH": 1}
    assert outcome.absent == ("pictures",)
    rows = {
        name: market.run_rows(outcome.run.run_id, f"run_{name}").num_rows for name in ("accounts", "rings", "members")
    }
    assert rows == {"accounts": 4, "rings": 1, "members": 2}
    assert market.run_rows(outcome.run.run_id, "run_decisions").num_rows == 4


def test_an_unpublished_run_is_whole_and_changes_nothing_for_readers(market: Store) -> None:
    before = detect(market).run.run_id
    outcome = detect(market, findings([]), at=NOW + 1, publish=False)
    assert outcome.state == "complete"
    assert market.head().run == before
    assert find_run(market, outcome.run.run_id).state == "complete"


def test_a_run_that_limits_more_than_the_policys_share_is_held_and_says_why(market: Store) -> None:
    before = detect(market, findings([])).run.run_id
    outcome = detect(market, chosen=STRICT, at=NOW + 1)
    assert outcome.state == "held"
    assert outcome.run.held_reason == "would limit 2 of 4 accounts (50.00%), the policy allows 25.00%"
    assert market.head().run == before


def test_a_person_can_publish_a_held_run(market: Store) -> None:
    before = detect(market, findings([])).run.run_id
    held = detect(market, chosen=STRICT, at=NOW + 1).run.run_id
    assert publish(market, held, a_person(NOW), holder="a person").state == "published"
    assert market.head().run == held
    book = Book(market)
    book.refresh()
    told = {"before": before, "state": "held", "reason": "seen", "held_reason": find_run(market, held).held_reason}
    assert [(act.kind, act.subject, act.by, act.body) for act in book.acts] == [
        ("run.published", held, "a person", told)
    ]


def test_a_share_of_exactly_what_the_policy_allows_is_published(market: Store) -> None:
    assert detect(market, chosen=policy(publication={"max_limited_share": 0.5})).state == "published"


def test_a_failed_run_leaves_the_earlier_one_published_and_the_lease_free(market: Store) -> None:
    before = detect(market).run.run_id

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        detect(market, detect=broken, at=NOW + 1)
    assert [run.run_id for run in market.runs()] == [before]
    assert market.head().run == before
    assert detect(market, at=NOW + 2).state == "published"


def test_a_run_that_ends_while_it_writes_is_never_seen(market: Store) -> None:
    before = detect(market).run.run_id
    bad = replace(market_findings(), hubs=market_findings().accounts)  # hubs in the wrong columns
    with pytest.raises(ValueError, match=r"run_hubs|columns"):
        detect(market, bad, at=NOW + 1)
    assert [run.run_id for run in market.runs()] == [before]
    assert detect(market, at=NOW + 2).state == "published"


def test_two_runs_at_once_are_refused_by_name(market: Store) -> None:
    lease = market.acquire("run", "somebody else")
    with pytest.raises(LeaseHeld, match="somebody else"):
        detect(market)
    market.release(lease)


def test_nothing_loaded_is_said_in_one_line(store: Store) -> None:
    with pytest.raises(BadInput, match="no finished load"):
        detect(store)


def test_the_same_run_again_has_the_same_id_and_is_published_again(market: Store) -> None:
    first, second = detect(market), detect(market, at=NOW + 1)
    assert second.run.parent == first.run.run_id
    rollback(market, a_person(NOW + 2), holder="test")
    again = detect(market, at=NOW + 3, detect=lambda *_: pytest.fail("nothing has changed"))
    assert (again.run.run_id, again.repeated, again.state) == (second.run.run_id, True, "published")


def test_the_parent_changes_nothing_about_what_is_found(market: Store) -> None:
    first, second = detect(market).run, detect(market, at=NOW + 1).run
    assert first.run_id != second.run_id
    for name in ("run_accounts", "run_decisions", "run_rings", "run_evidence"):
        assert market.run_rows(first.run_id, name).equals(market.run_rows(second.run_id, name))


def test_everything_a_run_rests_on_is_in_its_id() -> None:
    ground = ("snapshot", "key", "policy", "1.0", None)
    ids = {run_id_of(*ground), run_id_of("snapshot", "key", "policy", "1.0", "run-0")}
    ids |= {
        run_id_of(*(f"other-{part}" if n == place else part for n, part in enumerate(ground))) for place in range(4)
    }
    assert len(ids) == 6


def test_a_run_can_be_taken_as_it_was_known_before_a_later_load(market: Store) -> None:
    then = detect(market).run
    load(market, orders=[order("late", "newcomer", placed_at=NOW - 1)])
    now, again = detect(market, at=NOW + 1), detect(market, at=NOW + 2, known_by=then.known_by)
    assert now.accounts == 5
    assert again.run.snapshot_digest == then.snapshot_digest


def test_the_policy_of_a_run_can_be_read_from_the_store(market: Store) -> None:
    run = detect(market, chosen=STRICT).run
    known = policy_of(market, run)
    assert known is not None
    assert known.digest == STRICT.digest


def test_rolling_back_goes_back_further_each_time_and_then_says_that_there_is_no_more(market: Store) -> None:
    ids = [detect(market, at=NOW + turn).run.run_id for turn in range(3)]
    assert rollback(market, a_person(NOW + 5), holder="test").run_id == ids[1]
    assert rollback(market, a_person(NOW + 6), holder="test").run_id == ids[0]
    with pytest.raises(BadInput, match="no published run before"):
        rollback(market, a_person(NOW + 7), holder="test")
    assert market.head().run == ids[0]


def test_rolling_back_passes_over_runs_that_were_never_published(market: Store) -> None:
    first = detect(market).run.run_id
    detect(market, findings([]), at=NOW + 1, publish=False)
    detect(market, at=NOW + 2)
    assert rollback(market, a_person(NOW + 3), holder="test").run_id == first


def test_an_unknown_run_is_not_found(market: Store) -> None:
    with pytest.raises(NotFound, match="no run 'run-x'"):
        publish(market, "run-x", a_person(NOW), holder="test")
    with pytest.raises(NotFound, match="no run has been published"):
        rollback(market, a_person(NOW), holder="test")


def test_old_runs_are_dropped_beyond_what_the_policy_keeps(market: Store) -> None:
    few = policy(publication={"keep_published_runs": 2})
    first = detect(market, chosen=few).run.run_id
    unpublished = detect(market, chosen=STRICT, at=NOW + 1, publish=False).run.run_id
    kept = [detect(market, chosen=few, at=NOW + turn).run.run_id for turn in (2, 3)]
    # the first is the parent of the oldest that is kept
    assert [run.run_id for run in market.runs()] == [first, *kept]
    assert unpublished not in kept


def test_the_last_good_run_is_the_latest_whole_one_published_or_not(market: Store) -> None:
    assert last_good_run(market) is None
    detect(market)
    held = detect(market, chosen=STRICT, at=NOW + 10).run.run_id
    good = last_good_run(market)
    assert good is not None
    assert (good.run_id, good.finished_at) == (held, NOW + 10)


def test_a_policy_can_be_tried_on_an_earlier_run_without_writing(market: Store) -> None:
    detect(market)
    milder = policy(statuses={"platform_limited_risk": 0.99, "store_limited_risk": 0.975})
    trial = try_policy(market, milder)
    assert {(one.buyer_id, one.before, one.after) for one in trial.changes} == {
        ("actor", "PLATFORM_LIMITED", "STORE_LIMITED"),
        ("lone", "STORE_LIMITED", "WATCH"),
    }
    assert (trial.limited, trial.held) == (1, False)
    assert len(market.runs()) == 1
    assert try_policy(market, policy()).changes == ()


def test_namespaces_run_apart(tmp_path: Any) -> None:
    from graph.open import open_store

    url = f"sqlite:///{tmp_path / 'two.db'}"
    one, two = open_store(url, namespace="one"), open_store(url, namespace="two")
    load_market(one)
    load_market(two)
    detect(one)
    assert two.head().run is None
    detect(two, findings([Account("actor", 0.1)]))
    assert one.head().run is not None
    one.close()
    two.close()
