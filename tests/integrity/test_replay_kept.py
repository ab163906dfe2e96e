"""What is kept can be replayed: retention keeps what a kept run rests on, and says what it lets go of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph.errors import BadInput, NotFound
from graph.leases import held
from graph.store import Store
from integrity.acts import Actor
from integrity.affairs import Affairs, acted, cited
from integrity.assess import Assessment, assess_claim
from integrity.cases import Candidate
from integrity.checkout_view import published_run
from integrity.complaints import Filing
from integrity.forgetting import forget_buyer
from integrity.instants import DAY
from integrity.judgements import About, Said, Target
from integrity.publication import DROPPED, find_run, lacking, replay_needs
from integrity.references import Reference
from integrity.replay import replay
from integrity.replay_claims import replay_claim
from integrity.runs import RunOutcome, run_detection
from tests.integrity.hand import NOW, Account, load, market_findings, policy, refund

ANNA, BEN = Actor("anna", "investigator"), Actor("ben", "senior_investigator")
HOUR = DAY // 24
FEW = policy(publication={"keep_published_runs": 2, "max_limited_share": 1.0})
FOUND = market_findings(actor=Account("actor", 0.93, 3, "ring-a"))


def found(_snapshot: Any, _settings: Any) -> Any:
    return FOUND


def run(store: Store, turn: int, *, as_of: int | None = None, **more: Any) -> RunOutcome:
    at = NOW if as_of is None else as_of
    given = {"policy": FEW, "detect": found} | more
    return run_detection(store, now=lambda: NOW + turn, holder="test", as_of=at, **given)


def status(store: Store, run_id: str, buyer: str = "actor") -> str:
    rows = store.run_rows(run_id, "run_decisions").to_pylist()
    return next(row["status"] for row in rows if row["buyer_id"] == buyer)


def test_every_run_that_is_kept_still_replays(market: Store) -> None:
    made = [run(market, turn, as_of=NOW - (9 - turn) * HOUR) for turn in range(8)]
    runs = {one.run_id: one for one in market.runs()}
    latest = [one.run.run_id for one in made[-2:]]
    assert list(runs) == [made[-3].run.run_id, *latest], "the parent of the oldest that is kept, and no more"
    for name in latest:
        assert replay(market, name, detect=found).same
        assert lacking(runs[name], runs) == ()
    # the one that is kept for their sake says what it lacks
    (first, *_) = runs
    assert lacking(runs[first], runs) == (made[-4].run.run_id,)
    with pytest.raises(BadInput, match=f"the run {made[-4].run.run_id} that it goes on from was dropped"):
        replay(market, first, detect=found)


def test_over_unchanged_data_the_run_whose_limits_are_gone_on_from_stays(market: Store) -> None:
    """However often the same data is run over, nobody's limit is forgotten, and no chain of runs piles up."""
    first = run(market, 0, as_of=NOW - DAY).run.run_id
    assert status(market, first) == "STORE_LIMITED"
    for turn in range(1, 9):
        name = run(market, turn).run.run_id
        assert status(market, name) == "PLATFORM_LIMITED", turn
    kept = [one.run_id for one in market.runs()]
    assert first in kept
    assert len(kept) == 4
    assert replay(market, name, detect=found).same


def test_what_was_dropped_is_told_and_remembered(market: Store) -> None:
    first = run(market, 0, as_of=NOW - 9 * HOUR).run.run_id
    outcomes = [run(market, turn, as_of=NOW - (9 - turn) * HOUR) for turn in (1, 2, 3)]
    assert [one.dropped for one in outcomes] == [(), (), (first,)]
    (noted,) = market.notes(DROPPED).to_pylist()
    assert (noted["id"], noted["at"]) == (first, NOW + 3)
    assert json.loads(noted["body"]) == {"as_of": NOW - 9 * HOUR, "policy": "t1"}
    with pytest.raises(NotFound, match=f"run {first} was dropped by retention at 2024-12-31"):
        find_run(market, first)
    with pytest.raises(NotFound, match="no run 'run-never'"):
        replay(market, "run-never")


def test_a_run_that_measured_the_market_stays_as_long_as_one_rests_on_it(market: Store) -> None:
    stats = json.dumps({"frozen_of": "run-m", "before_of": "run-b"})
    record = find_run(market, run(market, 0).run.run_id)
    needs = replay_needs(record.__class__(**{**vars(record), "stats": stats, "parent": "run-p"}), {})
    assert needs == ("run-p", "run-b", "run-m")


def test_a_run_of_an_earlier_version_is_followed_from_parent_to_parent(market: Store) -> None:
    base = find_run(market, run(market, 0).run.run_id)

    def made(name: str, as_of: int, parent: str | None) -> Any:
        return base.__class__(**{**vars(base), "run_id": name, "as_of": as_of, "parent": parent, "stats": "{}"})

    runs = {one.run_id: one for one in (made("a", 1, None), made("b", 5, "a"), made("c", 5, "b"), made("d", 5, "c"))}
    assert replay_needs(runs["d"], runs) == ("c", "b", "a")
    assert lacking(runs["d"], {"c": runs["c"], "d": runs["d"]}) == ("b",)


def test_runs_that_open_appeals_and_cases_are_about_stay_until_they_are_closed(market: Store) -> None:
    appealed = run(market, 0, as_of=NOW - 9 * HOUR).run.run_id
    affairs = Affairs(market, lambda: FEW)
    appeal = affairs.appeal_desk.open("actor", "not me", by=ANNA, now=NOW)
    on_case = run(market, 1, as_of=NOW - 8 * HOUR).run.run_id
    candidate = Candidate("ring", "ring-a", ("actor",), 1, "CNY", 0.9, NOW, on_case)
    case = affairs.case_desk.open(candidate, by=BEN, now=NOW)
    for turn in range(2, 7):
        run(market, turn, as_of=NOW - (9 - turn) * HOUR)
    assert cited(market) == {appealed, on_case}
    assert {appealed, on_case} < {one.run_id for one in market.runs()}
    affairs.appeal_desk.reject(appeal.appeal_id, "its own", by=BEN, now=NOW)
    affairs.case_desk.close(case.case_id, "done", by=BEN, now=NOW)
    assert cited(market) == frozenset()
    assert set(run(market, 7, as_of=NOW - HOUR).dropped) >= {appealed, on_case}


# -- claims ------------------------------------------------------------------------------------------------------------


def assessed(store: Store, refund_id: str, *, now: int = NOW) -> Assessment:
    head = store.head()
    published = None if head.run is None else published_run(store, head.run, FEW)
    rules = FEW if published is None else published.facts.policy
    return assess_claim(store, refund_id, published, rules, known_by=head.load, now=now, acted=acted(store))


@pytest.fixture
def pending(market: Store) -> Store:
    """A market with a claim that waits: of `actor`, at s2."""
    load(market, refunds=[refund("r-new", "o-actor-2", outcome="pending", requested_at=NOW - DAY)])
    return market


def test_an_assessed_claim_replays_whatever_came_later(pending: Store) -> None:
    run(pending, 0, detect=lambda _s, _d: market_findings())
    first = assessed(pending, "r-new")
    assert {one.kind.value for one in first.remedies} >= {"reject_claim", "platform_limit"}
    affairs = Affairs(pending, lambda: FEW)
    affairs.judgement_desk.make(About(Target.ACCOUNT, "actor", Said.HONEST), "spoke with her", by=ANNA, now=NOW)
    affairs.complaint_desk.file([Filing("r-new", "abnormal_refund_only")], by=Actor("x", "store", "s2"), now=NOW)
    load(pending, refunds=[refund("r-new", "o-actor-2", outcome="withdrawn", requested_at=NOW - DAY)])
    run(pending, 1)
    second = assessed(pending, "r-new")
    assert second.said() != first.said()
    for one in (first, second):
        again = replay_claim(pending, one.reference)
        assert again.same
        assert again.assessment == one.said()
        assert again.run_id == one.basis.run_id
    assert Reference.of(first.reference).text == first.reference


def test_another_answer_under_the_same_reference_shows(pending: Store) -> None:
    run(pending, 0)
    one = Reference.of(assessed(pending, "r-new").reference)
    for changed in ({"now": NOW + 400 * DAY}, {"refund_id": "r-actor-1"}, {"said": "0" * 16}):
        other = Reference(**{**vars(one), **changed})
        assert not replay_claim(pending, other.text).same


def test_a_claim_without_any_run_replays_where_its_policy_is_kept(pending: Store) -> None:
    one = assessed(pending, "r-new")
    with pytest.raises(BadInput, match="is not in the store"):
        replay_claim(pending, one.reference)
    run(pending, 0)  # remembers the policy
    assert replay_claim(pending, one.reference).same
    assert replay_claim(pending, one.reference).run_id is None


def test_a_claim_by_a_run_that_was_dropped_says_so(pending: Store) -> None:
    run(pending, 0, as_of=NOW - 9 * HOUR)
    reference = assessed(pending, "r-new").reference
    for turn in (1, 2, 3):
        run(pending, turn, as_of=NOW - (9 - turn) * HOUR)
    with pytest.raises(NotFound, match="was dropped by retention at"):
        replay_claim(pending, reference)


def test_a_claim_of_another_version_or_with_nonsense_for_a_reference(
    pending: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pending, 0)
    reference = assessed(pending, "r-new").reference
    for nonsense in (
        "",
        "r-new",
        "claim:a:b",
        reference.replace("claim:", "order:"),
        reference.replace(f":{NOW}:", ":x:"),
    ):
        with pytest.raises(BadInput, match="no reference of an assessed claim"):
            replay_claim(pending, nonsense)
    with pytest.raises(BadInput, match="no reference"):
        replay_claim(pending, reference.replace(f":{NOW}:", f":{1 << 70}:"))
    monkeypatch.setattr("integrity.replay_claims.ringfence_version", lambda: "9.9")
    with pytest.raises(BadInput, match=r"this is 9\.9"):
        replay_claim(pending, reference)


def test_a_reference_holds_ids_with_colons(market: Store) -> None:
    load(market, refunds=[refund("claim:7:x", "o-actor-2")])
    run(market, 0)
    assert replay_claim(market, assessed(market, "claim:7:x").reference).same


def test_a_run_that_saw_more_than_is_left_since_somebody_was_forgotten_says_so(market: Store) -> None:
    whole = run(market, 0)
    with held(market, "load", "test") as lease:
        forget_buyer(market, lease, "actor", by=ANNA, now=NOW)
    # hand-made findings come out the same: what the run saw is what is no longer there
    again = replay(market, whole.run.run_id, detect=found)
    assert (again.whole, again.ground_same, again.forgotten) == (True, False, 1)
    other = replay(market, whole.run.run_id, detect=lambda *_: market_findings(lone=Account("lone")))
    assert (other.whole, other.lapsed) == (False, True)
    fresh = replay(market, run(market, 1).run.run_id, detect=lambda *_: market_findings(lone=Account("lone")))
    assert (fresh.ground_same, fresh.lapsed) == (True, False), "a run made since has no such excuse"


def test_forgetting_a_buyer_leaves_assessments_of_others_replayable(pending: Store) -> None:
    run(pending, 0)
    mine, other = assessed(pending, "r-new").reference, assessed(pending, "r-lone-1").reference
    with held(pending, "load", "test") as lease:
        forget_buyer(pending, lease, "actor", by=ANNA, now=NOW)
    assert replay_claim(pending, other).same
    assert replay_claim(pending, mine).same, "nothing of this claim hung on what was erased"
