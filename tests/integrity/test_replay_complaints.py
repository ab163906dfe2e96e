"""What triage made of a complaint is weighed once more from what its act recorded, whatever came later."""

from __future__ import annotations

from typing import Any

import pytest

from graph.errors import BadInput, NotFound
from graph.leases import held
from graph.store import Store
from integrity.acts import Actor
from integrity.affairs import Affairs
from integrity.complaints import Complaint, Filing
from integrity.forgetting import forget_buyer
from integrity.instants import DAY
from integrity.policy import Policy
from integrity.replay_complaints import ReplayedComplaint, replay_complaint
from integrity.runs import run_detection
from tests.integrity.hand import NOW, Account, load, load_market, market_findings, order, policy, refund

ANNA, BEN = Actor("anna", "investigator"), Actor("ben", "senior_investigator")
ONLY = "abnormal_refund_only"
PICTURE = ["0f0f0f0f0f0f0f0f"]


@pytest.fixture
def affairs(store: Store) -> Affairs:
    """The small market with a run; a picture is on a claim of `actor` and one of `lone`."""
    load_market(store)
    load(store, refunds=[refund("r-actor-1", "o-actor-1", pictures=PICTURE)])
    load(store, refunds=[refund("r-lone-1", "o-lone-1", pictures=PICTURE)])
    detected(store, NOW)
    made = Affairs(store, policy)
    made.book.refresh()
    return made


def detected(store: Store, at: int, **more: Any) -> None:
    found = market_findings(**more)
    run_detection(store, policy=policy(), now=lambda: at, holder="test", as_of=at, detect=lambda *_: found)


def filed(affairs: Affairs, *refunds: str, now: int = NOW) -> list[Complaint]:
    made = affairs.complaint_desk.file([Filing(one, ONLY) for one in refunds], by=ANNA, now=now)
    assert all(isinstance(one, Complaint) for one in made)
    return [one for one in made if isinstance(one, Complaint)]


def again(affairs: Affairs, one: Complaint) -> ReplayedComplaint:
    return replay_complaint(affairs.book.store, one.complaint_id)


def test_triage_says_the_same_whatever_came_later(affairs: Affairs) -> None:
    store = affairs.book.store
    (first, second) = filed(affairs, "r-actor-1", "r-lone-1")
    (third,) = filed(affairs, "r-actor-2", now=NOW + 1)
    desk = affairs.complaint_desk
    desk.decide(first.complaint_id, "dismissed" if first.outcome != "dismissed" else "upheld", "seen", by=BEN, now=NOW)
    # later: a store that is believed less, another run, other rules, and the picture at others too
    shown = [refund("r-x", "o-x", pictures=PICTURE)]
    load(store, orders=[order("o-x", "x")], refunds=[*shown, refund("r-actor-2", "o-actor-2", pictures=PICTURE)])
    detected(store, NOW + DAY, actor=Account("actor", 0.3, 3))
    strict = policy(complaints={"dismiss_below": 0.001, "uphold_from": 0.999})
    later = Affairs(store, lambda: strict)
    later.book.refresh()
    for one in (first, second, third):
        assert later.complaint_desk.weigh_again(one.complaint_id).reasons != one.reasons, "today it is another matter"
        found = again(affairs, one)
        assert (found.same, found.forgotten, found.run_id) == (True, 0, one.run_id)
        assert found.said["probability"] == one.probability


def test_what_was_decided_before_counts(affairs: Affairs) -> None:
    (first,) = filed(affairs, "r-actor-1")
    untouched = affairs.complaint_desk.weigh_again(first.complaint_id).probability
    affairs.complaint_desk.decide(first.complaint_id, "upheld", "seen", by=BEN, now=NOW)
    (second,) = filed(affairs, "r-lone-1", now=NOW + 1)
    assert affairs.complaint_desk.weigh_again(first.complaint_id).probability > untouched, "its store is believed more"
    found = again(affairs, second)
    assert (found.same, found.said["probability"]) == (True, second.probability)


def test_an_act_that_says_otherwise_shows(affairs: Affairs, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = filed(affairs, "r-actor-1")
    monkeypatch.setattr("integrity.triage.WEIGHTS", (-1.0, 0.52, 0.92, 1.52, 0.60, -1.01, 0.62, 0.20, 1.13, -0.34))
    found = again(affairs, one)
    assert not found.same
    assert found.recorded != found.again


def test_what_cannot_be_weighed_again_says_why(affairs: Affairs, monkeypatch: pytest.MonkeyPatch) -> None:
    store = affairs.book.store
    (one,) = filed(affairs, "r-lone-1")
    with pytest.raises(NotFound, match="no complaint 'rc-none' was filed here"):
        replay_complaint(store, "rc-none")
    with monkeypatch.context() as patched:
        patched.setattr("integrity.replay_complaints.ringfence_version", lambda: "9.9")
        with pytest.raises(BadInput, match="was weighed by version"):
            replay_complaint(store, one.complaint_id)
    with held(store, "load", "test") as lease:
        forget_buyer(store, lease, "actor", by=ANNA, now=NOW)
    found = replay_complaint(store, one.complaint_id)
    assert (found.same, found.forgotten) == (False, 1), "the picture is nobody else's any more"
    rules: Policy = policy(publication={"keep_published_runs": 1})
    for turn in (1, 2):
        late = NOW + turn * DAY
        run_detection(store, policy=rules, now=lambda late=late: late, holder="test", as_of=late,
                      detect=lambda *_: market_findings())  # fmt: skip
    with pytest.raises(NotFound, match="was dropped by retention"):
        replay_complaint(store, one.complaint_id)
