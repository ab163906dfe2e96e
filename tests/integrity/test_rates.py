"""Rates of a store: what is counted, what is left out, and that complaining alone changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from graph.errors import BadInput, NotFound
from graph.store import Store
from integrity.checkout_view import PublishedRun, published_run
from integrity.complaints import Outcomes
from integrity.instants import DAY
from integrity.policy import default_policy
from integrity.rates import Excluded, StoreRates, store_rates
from integrity.runs import run_detection
from tests.integrity.hand import NOW, Account, Ring, findings, load, order, refund

POLICY = default_policy().model_copy(
    update={"publication": default_policy().publication.model_copy(update={"max_limited_share": 1.0})}
)
SHOP = {"store_id": "s1", "category": "apparel", "experience_score": 4.9}


def fill(store: Store, *, complaints: Sequence[Mapping[str, Any]] = (), score: float = 4.9) -> None:
    """Ten orders at s1, two of them by an abuser who claims both and others at s2; three honest claims."""
    orders = [order(f"o{n}", f"h{n}", placed_at=NOW - 20 * DAY, signed_at=NOW - 15 * DAY) for n in range(8)]
    orders += [order(f"x{n}", "bad", placed_at=NOW - 20 * DAY, signed_at=NOW - 15 * DAY) for n in (1, 2)]
    orders += [order(f"y{n}", "bad", store_id="s2") for n in (1, 2, 3)]
    refunds = [
        refund("r0", "o0", reason="damaged", outcome="approved"),
        refund("r1", "o1", reason="no_longer_wanted", outcome="rejected"),
        refund("r2", "o2", reason=None, outcome="approved"),
        *(refund(f"rx{n}", f"x{n}", reason="quality", outcome="rejected") for n in (1, 2)),
        *(refund(f"ry{n}", f"y{n}") for n in (1, 2, 3)),
    ]
    load(store, stores=[SHOP | {"experience_score": score}], orders=orders, refunds=refunds, complaints=complaints)


def publish(store: Store, *accounts: Account, rings: Sequence[Ring] = ()) -> PublishedRun:
    found = findings(accounts, rings)
    outcome = run_detection(
        store, policy=POLICY, now=lambda: NOW, holder="test", as_of=NOW, detect=lambda _snapshot, _settings: found
    )
    assert outcome.state == "published"
    return published_run(store, outcome.run.run_id, POLICY)


def rates(store: Store, published: PublishedRun | None = None, **more: Any) -> StoreRates:
    known = {"known_by": store.head().load, "now": NOW} | more
    return store_rates(store, "s1", published, POLICY, **known)


def shares(one: Any) -> tuple[Any, ...]:
    return one.orders, one.claims, one.refund_rate, one.quality_rate, one.dispute_rate


def left_out(found: StoreRates) -> dict[str, str]:
    return {one.refund_id: one.reason.value for one in found.left_out}


def complaint(refund_id: str, outcome: str) -> dict[str, Any]:
    return {
        "complaint_id": f"c-{refund_id}",
        "refund_id": refund_id,
        "filed_at": NOW - DAY,
        "type": "fake_evidence",
        "outcome": outcome,
        "outcome_at": None if outcome == "pending" else NOW - DAY,
    }


BAD = Account("bad", 0.98, 5)


def test_each_rate_is_a_share_of_the_orders_signed_for_in_the_window(store: Store) -> None:
    fill(store)
    found = rates(store)
    assert shares(found.raw) == (10, 5, 0.5, 0.3, 0.3)
    assert found.cleaned == found.raw
    assert (found.since, found.until) == (NOW - 30 * DAY, NOW)
    assert rates(store, days=14).raw.orders == 0
    assert rates(store, days=14).raw.refund_rate is None
    assert rates(store, until=NOW - 15 * DAY + 1, days=1).raw.orders == 10


def test_claims_of_an_account_that_the_run_limits_here_are_left_out_with_their_orders(store: Store) -> None:
    fill(store)
    found = rates(store, publish(store, BAD))
    assert left_out(found) == {"rx1": "account_limited", "rx2": "account_limited"}
    assert shares(found.raw) == (10, 5, 0.5, 0.3, 0.3)
    assert shares(found.cleaned) == (8, 3, 3 / 8, 1 / 8, 1 / 8)
    assert found.counted == found.cleaned


@pytest.mark.parametrize(
    ("account", "rings"),
    [
        (Account("bad", 0.5, 5), []),
        (Account("bad", 0.95, 5, "ring-a", role="bystander", probability=0.1), [Ring("ring-a")]),
        (Account("bad", 0.85, 5, "ring-a"), [Ring("ring-a")]),
    ],
    ids=["watched", "bystander", "limited, not surely enough"],
)
def test_nobody_else_is_left_out(store: Store, account: Account, rings: list[Ring]) -> None:
    fill(store)
    assert left_out(rates(store, publish(store, account, rings=rings))) == {}


def test_limits_that_have_ended_leave_nothing_out(store: Store) -> None:
    fill(store)
    published = publish(store, BAD)
    assert left_out(rates(store, published, now=NOW + 90 * DAY, until=NOW)) == {}


@pytest.mark.parametrize("outcome", ["pending", "dismissed"])
def test_complaining_of_everybody_changes_nothing(store: Store, outcome: str) -> None:
    claims = ("r0", "r1", "r2", "rx1", "rx2")
    fill(store, complaints=[complaint(id_, outcome) for id_ in claims])
    found = rates(store)
    assert found.left_out == ()
    assert shares(found.cleaned) == shares(found.raw) == (10, 5, 0.5, 0.3, 0.3)
    # and what the run has proven without them is left out as before
    assert left_out(rates(store, publish(store, BAD))) == {"rx1": "account_limited", "rx2": "account_limited"}


def test_a_complaint_upheld_leaves_its_claim_out_and_a_dismissed_one_beside_it_does_not_matter(store: Store) -> None:
    fill(store, complaints=[complaint("r0", "upheld"), *(complaint(id_, "dismissed") for id_ in ("r1", "r2"))])
    assert left_out(rates(store)) == {"r0": "complaint_upheld"}
    assert left_out(rates(store, complaints=Outcomes({"c-r0": "dismissed", "c-r1": "upheld"}))) == {
        "r1": "complaint_upheld"
    }


def test_what_a_person_judged_outranks_the_run(store: Store) -> None:
    fill(store)
    published = publish(store, BAD)
    assert left_out(rates(store, published, honest={"bad"})) == {}
    assert left_out(rates(store, published, abusive={"h0"}, honest={"bad"})) == {"r0": "account_judged"}


def test_where_several_reasons_hold_the_claims_own_is_told(store: Store) -> None:
    fill(store, complaints=[complaint("rx1", "upheld")])
    found = rates(store, publish(store, BAD), abusive={"bad"})
    assert left_out(found) == {"rx1": "complaint_upheld", "rx2": "account_judged"}
    assert [one.value for one in Excluded] == ["complaint_upheld", "account_judged", "account_limited"]


def test_claims_taken_back_begun_by_others_or_made_later_do_not_count(store: Store) -> None:
    orders = [order(f"o{n}", "h", placed_at=NOW - 20 * DAY) for n in range(4)]
    claims = [
        refund("r0", "o0", outcome="withdrawn"),
        refund("r1", "o1", initiated_by="seller"),
        refund("r2", "o2", requested_at=NOW - DAY),
        refund("r3", "o2", requested_at=NOW - DAY, outcome="rejected"),
    ]
    load(store, orders=orders, refunds=claims)
    assert shares(rates(store).raw) == (4, 1, 0.25, 0.0, 0.25)  # two claims of one order count once
    assert rates(store, until=NOW - 2 * DAY).raw.claims == 0


def test_a_store_whose_score_does_not_entitle_it_keeps_its_rates_as_they_are(store: Store) -> None:
    fill(store, score=3.9)
    found = rates(store, publish(store, BAD))
    assert not found.entitled
    assert found.counted == found.raw != found.cleaned


def test_a_window_without_sense_and_an_unknown_store_are_refused(store: Store) -> None:
    fill(store)
    for days in (0, 3_651):
        with pytest.raises(BadInput, match="1 to 3650 days"):
            rates(store, days=days)
    with pytest.raises(NotFound, match="no store 's9'"):
        store_rates(store, "s9", None, POLICY, known_by=store.head().load, now=NOW)
