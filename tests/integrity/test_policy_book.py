"""Policies published, listed and rolled back: guarded, recorded, and never half of one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from graph.errors import BadInput, LeaseHeld, NotFound, RunHeld
from graph.store import Store
from integrity.acts import Actor
from integrity.acts_check import verify
from integrity.checkout_desk import CheckoutDesk
from integrity.policy import Policy
from integrity.policy_book import PolicyBook, PolicyOutcome, publish_policy, rollback_policy
from integrity.policy_journal import policy_of
from integrity.publication import find_run
from integrity.runs import run_detection
from tests.integrity.hand import NOW, POLICY_TEXT, Account, market_findings, policy

ANNA = Actor("anna", "operator")
MILD = POLICY_TEXT.replace('"t1"', '"mild"') + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.99\n"
TIGHT = POLICY_TEXT.replace('"t1"', '"tight"').replace("0.6", "0.25")
EAGER = POLICY_TEXT.replace('"t1"', '"eager"').replace("0.6", "1.0")


def run(store: Store, *, at: int = NOW, chosen: Policy | None = None, found: Any = None) -> str:
    made = found or market_findings()
    outcome = run_detection(
        store, policy=chosen or policy(), now=lambda: at, holder="test", as_of=NOW, detect=lambda *_: made
    )
    return outcome.run.run_id


def publish(book: PolicyBook, text: str = POLICY_TEXT, **more: Any) -> PolicyOutcome:
    return publish_policy(
        book, policy(text), **({"by": ANNA, "now": lambda: NOW + 10, "holder": "test", "text": text} | more)
    )


@pytest.fixture
def book(market: Store) -> PolicyBook:
    return PolicyBook(market)


def statuses(store: Store) -> dict[str, str]:
    rows = store.run_rows(store.head().run or "", "run_decisions", columns=("buyer_id", "status"))
    return dict(zip(rows["buyer_id"].to_pylist(), rows["status"].to_pylist(), strict=True))


def test_the_first_policy_is_in_force_before_any_run(book: PolicyBook) -> None:
    assert book.in_force() is None
    outcome = publish(book, reason="the first")
    assert outcome.run is None
    current = PolicyBook(book.store).in_force()
    assert current == outcome.published
    assert (current.policy.digest, current.by, current.reason, current.tried) == (
        policy().digest,
        "anna",
        "the first",
        None,
    )


def test_publishing_decides_the_published_run_anew_and_switches_readers_at_once(book: PolicyBook) -> None:
    store = book.store
    before = run(store)
    assert statuses(store)["actor"] == "PLATFORM_LIMITED"
    outcome = publish(book, MILD)
    assert statuses(store) == {"actor": "WATCH", "lone": "WATCH", "mother": "WATCH", "shopper": "CLEAR"}
    record = find_run(store, None)
    assert outcome.run is not None
    assert (record.run_id, record.parent, record.policy, record.as_of) == (outcome.run.run.run_id, before, "mild", NOW)
    assert policy_of(store, record) == policy(MILD)
    # what was found is what the run before found, down to the evidence
    for name in ("run_accounts", "run_rings", "run_members", "run_evidence", "run_hubs"):
        assert store.run_rows(before, name).equals(store.run_rows(record.run_id, name))
    assert outcome.run.absent == ("pictures",)


def test_a_policy_that_would_limit_too_many_is_refused_and_changes_nothing(book: PolicyBook) -> None:
    store = book.store
    before, runs = run(store), len(store.runs())
    with pytest.raises(RunHeld, match=r"policy tight: would limit 2 of 4 accounts \(50.00%\), the pol"):
        publish(book, TIGHT)
    assert (store.head().run, len(store.runs()), book.in_force()) == (before, runs, None)


def test_a_policy_cannot_loosen_the_guard_for_itself(book: PolicyBook) -> None:
    publish(book, TIGHT)
    run(book.store)
    with pytest.raises(RunHeld, match=r"would limit 2 of 4 accounts \(50.00%\), the policy allows 25.00%"):
        publish(book, EAGER)


def test_force_needs_a_reason_and_both_are_recorded(book: PolicyBook) -> None:
    run(book.store)
    with pytest.raises(BadInput, match="with a reason"):
        publish(book, TIGHT, force=True, reason="  ")
    outcome = publish(book, TIGHT, force=True, reason="agreed with the risk board")
    made = outcome.published
    assert (made.forced, made.reason, made.limited, made.accounts) == (True, "agreed with the risk board", 2, 4)
    assert made.broke == ("would limit 2 of 4 accounts (50.00%), the policy allows 25.00%",)
    assert find_run(book.store, None).policy == "tight"
    assert verify(book.store).acts == 1


def test_force_that_was_not_needed_is_not_recorded_as_one(book: PolicyBook) -> None:
    run(book.store)
    assert not publish(book, MILD, force=True, reason="to be sure").published.forced


def test_policies_are_listed_and_rolled_back_to_any_earlier_one(book: PolicyBook) -> None:
    run(book.store)
    publish(book)
    publish(book, MILD)
    publish(book, MILD.replace('"mild"', '"milder"').replace("0.99", "0.995"))
    more: Any = {"by": ANNA, "now": lambda: NOW + 20, "holder": "test"}
    assert rollback_policy(book, **more).published.version == "mild"
    assert rollback_policy(book, "t1", **more).published.back
    assert statuses(book.store)["actor"] == "PLATFORM_LIMITED"
    assert find_run(book.store, None).policy == "t1"
    assert rollback_policy(book, policy(MILD).digest[:8], **more).published.version == "mild"
    assert [one.version for one in book.published()] == ["t1", "mild", "milder", "mild", "t1", "mild"]
    assert book.find("t1") == (policy(), POLICY_TEXT)
    with pytest.raises(NotFound, match="no policy 'gone'"):
        rollback_policy(book, "gone", **more)


def test_the_policies_that_held_before_any_was_published_can_be_gone_back_to(book: PolicyBook) -> None:
    run(book.store, chosen=policy(POLICY_TEXT.replace('"t1"', '"t0"')))
    run(book.store, at=NOW + 1)
    publish(book, MILD)
    more: Any = {"by": ANNA, "now": lambda: NOW + 20, "holder": "test"}
    assert rollback_policy(book, **more).published.version == "t1"
    assert rollback_policy(book, "t0", **more).published.version == "t0"
    assert statuses(book.store)["actor"] == "PLATFORM_LIMITED"


def test_there_is_no_way_back_before_the_first_policy(book: PolicyBook) -> None:
    publish(book)
    with pytest.raises(NotFound, match="no policy was in force before"):
        rollback_policy(book, by=ANNA, now=lambda: NOW, holder="test")


def test_the_same_policy_twice_and_another_under_the_same_name_are_refused(book: PolicyBook) -> None:
    publish(book)
    with pytest.raises(BadInput, match="in force already"):
        publish(book)
    with pytest.raises(BadInput, match="give it a version of its own"):
        publish(book, MILD.replace('"mild"', '"t1"'))
    assert len(book.published()) == 1


def test_other_settings_of_detection_are_detected_on_what_the_run_saw(book: PolicyBook) -> None:
    run(book.store)
    seen = []

    def again(snapshot: Any, settings: Any) -> Any:
        seen.append((snapshot.as_of, settings.seed))
        return market_findings(lone=Account("lone", 0.1, 0))

    publish(book, MILD.replace('"mild"', '"seed"') + "[detection]\nseed = 5\n", detect=again)
    assert seen == [(NOW, 5)]
    assert statuses(book.store)["lone"] == "CLEAR"


def test_a_run_under_way_is_waited_for_and_nothing_is_published_beside_it(book: PolicyBook) -> None:
    before = run(book.store)
    lease = book.store.acquire("run", "a scheduled run")
    with pytest.raises(LeaseHeld, match="a scheduled run"):
        publish(book, MILD)
    assert (book.in_force(), book.store.head().run) == (None, before)
    threading.Timer(0.3, lambda: book.store.release(lease)).start()
    assert publish(book, MILD, wait=10).run is not None


def test_a_run_published_meanwhile_is_decided_and_not_overwritten(
    book: PolicyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = book.store
    run(store)
    other: list[str] = []

    def meanwhile(*_: Any) -> Any:
        if not other:
            other.append(run(store, at=NOW + 5, found=market_findings(lone=Account("lone", 0.97, 5))))
        return market_findings()

    outcome = publish(book, MILD.replace('"mild"', '"seed"') + "[detection]\nseed = 5\n", detect=meanwhile)
    assert outcome.run is not None
    assert outcome.run.run.parent == other[0]
    assert len(book.published()) == 1


def test_checkout_follows_the_runs_policy_and_never_mixes_two(book: PolicyBook) -> None:
    store = book.store
    run(store)
    publish(book)
    desk = CheckoutDesk(store, policy(checkout={"run_max_age_hours": 1}), follow=True)
    fixed = CheckoutDesk(store, policy(checkout={"run_max_age_hours": 1}))
    from integrity.checkout import PurchaseRequest

    asked = PurchaseRequest("shopper", "s1")
    for one in (desk, fixed):
        one.refresh()
    later = NOW + 5 * 3_600_000_000
    assert not desk.answer(asked, now=later).stale
    assert fixed.answer(asked, now=later).stale, "a policy given to the server wins over the run's"
    hasty = POLICY_TEXT.replace('"t1"', '"hasty"').replace("[checkout]\n", "[checkout]\nrun_max_age_hours = 2\n")
    publish(book, hasty)
    assert not desk.answer(asked, now=later).stale
    desk.refresh()
    assert desk.answer(asked, now=later).stale


def test_where_the_policy_in_force_wants_two_people_one_alone_only_proposes(book: PolicyBook) -> None:
    store = book.store
    run(store)
    strict = POLICY_TEXT.replace('"t1"', '"strict"') + "[people]\ntwo_for_policies = true\n"
    assert not publish(book, strict).waits, "the policy in force before did not want it"
    seen = store.head().run
    ben = Actor("ben", "senior_investigator")
    proposed = publish(book, MILD)
    assert (proposed.waits, proposed.run, proposed.published.by) == (True, None, "anna")
    assert publish(book, MILD).published == proposed.published, "the same person again changes nothing"
    assert store.head().run == seen
    assert [one.version for one in book.published()] == ["strict"]
    assert [one.version for one in PolicyBook(store).proposed()] == ["mild"]
    with pytest.raises(RunHeld):
        publish(book, TIGHT)
    done = publish(book, MILD, by=ben)
    assert (done.waits, done.published.by, done.published.proposed_by) == (False, "ben", "anna")
    assert statuses(store)["actor"] == "WATCH"
    assert book.proposed() == []
    back = rollback_policy(book, by=ben, now=lambda: NOW + 20, holder="test")
    assert not back.waits, "the policy in force now wants one person"
