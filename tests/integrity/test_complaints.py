"""Complaints: filed in one call, weighed at once, decided by people, taken up into the records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import BadInput, Forbidden, NotFound
from graph.reader import take_snapshot
from graph.snapshot import OUTCOMES
from graph.store import Store
from integrity.accord import accords
from integrity.acts import Actor
from integrity.affairs import Affairs
from integrity.complaints import Complaint, Filing, Refused, Verdict, complaint_id
from integrity.runs import run_detection
from integrity.standing import Fate, Tally, made
from integrity.triage import STORES_IN_ACCORD, Case, Proposal, Reported, ground, probability, weigh
from integrity.uptake import take_up
from tests.integrity import hand
from tests.integrity.hand import DAY, NOW, load, market_findings, order, refund

SHOP = Actor("shop one", "store", "s1")
ANNA, BEN = Actor("anna", "investigator"), Actor("ben", "senior_investigator")
EVE = Actor("eve", "senior_investigator")
ONLY = "abnormal_refund_only"


@pytest.fixture
def affairs(market: Store) -> Affairs:
    """The affairs of the hand-made market with its run published."""
    run_detection(market, policy=hand.policy(), now=lambda: NOW, holder="test", detect=lambda _s, _d: market_findings())
    return Affairs(market, hand.policy)


def file(affairs: Affairs, *filings: Filing, by: Actor = SHOP, **more: Any) -> list[Complaint | Refused]:
    return affairs.complaint_desk.file(filings, by=by, **({"now": NOW} | more))


def one(affairs: Affairs, refund_id: str = "r-actor-1", type_: str = ONLY, **more: Any) -> Complaint:
    (found,) = file(affairs, Filing(refund_id, type_), **more)
    assert isinstance(found, Complaint), found
    return found


def test_all_but_the_claim_and_the_type_is_filled_in(affairs: Affairs) -> None:
    filed = one(affairs)
    assert (filed.store_id, filed.buyer_id, filed.by) == ("s1", "actor", "shop one")
    assert filed.run_id == affairs.book.store.head().run
    assert any("risk is 0.980" in reason for reason in filed.reasons)
    assert any("it claimed 3 times where 0.4 were expected" in reason for reason in filed.reasons), filed.reasons
    assert "the account acts with a ring" in filed.reasons


def test_a_claim_of_an_account_without_risk_is_dismissed_at_once_and_of_a_ring_not(affairs: Affairs) -> None:
    load(affairs.book.store, refunds=[refund("r-shopper-1", "o-shopper-1")])
    quiet, ring = one(affairs, "r-shopper-1"), one(affairs)
    assert quiet.probability < 0.2 < ring.probability
    assert quiet.outcome in ("dismissed", "pending")
    assert quiet.outcome == "dismissed" or quiet.why


@pytest.mark.parametrize(
    ("filing", "why"),
    [
        (Filing("r-nobody", ONLY), "no such claim at this store"),
        (Filing("r-actor-2", ONLY), "no such claim at this store"),
        (Filing("r-actor-1", "rude_buyer"), "no type of complaint"),
        (Filing("r-actor-1", "swapped_return"), "nothing was to be sent back"),
        (Filing("r-actor-1", ONLY, note="x" * 2_001), "more than 2000 characters"),
        (Filing("r-actor-1", ONLY, evidence=("",)), "evidence is up to 20 names"),
        (Filing("r-gone", ONLY), "withdrew this claim"),
        (Filing("r-back", ONLY), "the goods were sent back"),
        (Filing("r-seller", ONLY), "the store began this refund"),
        (Filing("r-known", ONLY), "was reported before, as complaint c-file"),
    ],
)
def test_what_cannot_be_filed_says_why_and_the_others_stand(affairs: Affairs, filing: Filing, why: str) -> None:
    load(
        affairs.book.store,
        orders=[order(f"o-{n}", "shopper") for n in ("gone", "back", "seller", "known")],
        refunds=[
            refund("r-gone", "o-gone", outcome="withdrawn"),
            refund("r-back", "o-back", kind="return_refund"),
            refund("r-seller", "o-seller", initiated_by="seller"),
            refund("r-known", "o-known"),
        ],
        complaints=[
            {"complaint_id": "c-file", "refund_id": "r-known", "filed_at": NOW, "type": ONLY, "outcome": "pending"}
        ],
    )
    refused, stands = file(affairs, filing, Filing("r-lone-1", ONLY))
    assert isinstance(refused, Refused)
    assert why in refused.why
    assert isinstance(stands, Complaint)


def test_another_stores_claim_and_no_claim_get_the_same_words(affairs: Affairs) -> None:
    foreign, unknown = file(affairs, Filing("r-actor-2", ONLY), Filing("r-nothing", ONLY))
    assert isinstance(foreign, Refused)
    assert isinstance(unknown, Refused)
    assert foreign.why == unknown.why
    assert not affairs.complaints.filed


def test_filing_again_changes_nothing(affairs: Affairs) -> None:
    first = one(affairs, key="k")
    assert one(affairs, key="k", now=NOW + DAY) == first
    assert one(affairs, now=NOW + DAY) == first
    assert len(affairs.book.acts) == 1
    with pytest.raises(BadInput, match="used for another request"):
        one(affairs, "r-lone-1", key="k")


def test_too_many_at_once_and_foreign_roles_are_refused(affairs: Affairs) -> None:
    with pytest.raises(BadInput, match="501 complaints at once"):
        file(affairs, *[Filing(f"r-{n}", ONLY) for n in range(501)])
    with pytest.raises(Forbidden):
        file(affairs, Filing("r-actor-1", ONLY), by=Actor("till", "order_service"))


def test_people_decide_and_only_a_senior_decides_again(affairs: Affairs) -> None:
    desk, filed = affairs.complaint_desk, one(affairs)
    decided = desk.decide(filed.complaint_id, "upheld", "the parcel was empty", by=ANNA, now=NOW + DAY)
    assert isinstance(decided, Complaint)
    assert (decided.outcome, decided.outcome_at) == ("upheld", NOW + DAY)
    with pytest.raises(BadInput, match="decided already"):
        desk.decide(filed.complaint_id, "dismissed", "not so", by=ANNA, now=NOW + DAY)
    with pytest.raises(BadInput, match="is upheld already"):
        desk.decide(filed.complaint_id, "upheld", "again", by=BEN, now=NOW + DAY)
    again = desk.decide(filed.complaint_id, "dismissed", "it was the courier", by=BEN, now=NOW + 2 * DAY)
    assert isinstance(again, Complaint)
    assert [one.outcome for one in again.verdicts if one.by != "triage"] == ["upheld", "dismissed"]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda desk: desk.decide("rc-0", "upheld", "so", by=ANNA, now=NOW), NotFound),
        (lambda desk: desk.decide("rc-0", "maybe", "so", by=ANNA, now=NOW), BadInput),
        (lambda desk: desk.decide("rc-0", "upheld", " ", by=ANNA, now=NOW), BadInput),
        (lambda desk: desk.decide("rc-0", "upheld", "so", by=SHOP, now=NOW), Forbidden),
    ],
)
def test_verdicts_that_cannot_be(affairs: Affairs, act: Callable[[Any], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        act(affairs.complaint_desk)
    assert not affairs.book.acts


def test_taken_up_into_the_records_once_and_known_to_the_next_run(affairs: Affairs) -> None:
    store, filed = affairs.book.store, one(affairs)
    affairs.complaint_desk.decide(filed.complaint_id, "upheld", "seen", by=ANNA, now=NOW + DAY)
    before = store.head().load
    assert take_up(store, affairs.complaints, now=NOW, holder="test") == 1
    assert take_up(store, affairs.complaints, now=NOW, holder="test") == 0
    assert store.head().load == before + 1
    seen = take_snapshot(store, as_of=NOW + 2 * DAY)
    assert seen.complaints.ids.tolist() == [filed.complaint_id]
    assert OUTCOMES[seen.complaints.outcome[0]] == "upheld"
    assert seen.refunds.ids[seen.complaints.refund[0]] == "r-actor-1"


def test_a_verdict_outranks_the_platforms_file_whenever_that_comes(affairs: Affairs) -> None:
    store = affairs.book.store
    row = {"complaint_id": "c-9", "refund_id": "r-lone-1", "filed_at": NOW, "type": ONLY, "outcome": "pending"}
    load(store, complaints=[row])
    given = affairs.complaint_desk.decide("c-9", "dismissed", "a broken lamp, as the pictures show", by=ANNA, now=NOW)
    assert isinstance(given, Verdict)
    take_up(store, affairs.complaints, now=NOW, holder="test")
    load(store, complaints=[row | {"outcome": "upheld", "digest": 7}])
    assert take_up(store, affairs.complaints, now=NOW, holder="test") == 1
    outcome = store.find("complaints", "complaint_id", ["c-9"], columns=("outcome",))["outcome"].to_pylist()
    assert outcome == ["dismissed"]


def test_a_run_takes_up_by_itself(affairs: Affairs) -> None:
    store, filed = affairs.book.store, one(affairs)
    seen = []

    def detect(snapshot: Any, _settings: Any) -> Any:
        seen.append(snapshot.complaints.ids.tolist())
        return market_findings()

    run_detection(store, policy=hand.policy(), now=lambda: NOW, holder="test", detect=detect)
    (row,) = store.find("complaints", "refund_id", [filed.refund_id]).to_pylist()
    assert (row["complaint_id"], row["outcome"]) == (filed.complaint_id, "pending")
    assert seen == [[]]  # in the records, and heard only once it is upheld


# -- triage on paper ---------------------------------------------------------------------------------------------


def case(**changed: Any) -> Case:
    """A returned parcel of an account of no risk, at a store of which the market says all."""
    standing = made((1000, 50, 10, 40), {"s": (20, 1, 0, 1)})
    facts: dict[str, Any] = {
        "reported": Reported("c", "r", "swapped_return", NOW),
        "buyer_id": "b",
        "store_id": "s",
        "risk": 0.05,
        "actor": False,
        "refund_only": False,
        "ratio": None,
        "parcel_claims": 0,
        "picture": False,
        "standing": standing.of("elsewhere"),
        "market": standing.market,
        "concerted": 1,
    }
    return Case(**(facts | changed))


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ({}, {"risk": 0.5}),
        ({}, {"actor": True}),
        ({"ratio": 1.0}, {}),
        ({}, {"ratio": 0.2}),
        ({}, {"parcel_claims": 2}),
        ({}, {"picture": True}),
    ],
)
def test_each_piece_of_evidence_moves_the_probability_its_way(weaker: dict[str, Any], stronger: dict[str, Any]) -> None:
    assert probability(case(**weaker)) < probability(case(**stronger))


def test_a_store_that_complains_of_everybody_moves_nobody() -> None:
    known = made((1000, 140, 20, 120), {"loud": (100, 95, 2, 90), "careful": (100, 4, 4, 0)})
    loud = probability(case(standing=known.of("loud"), market=known.market, risk=0.3))
    nobody = probability(case(standing=known.of("new"), market=known.market, risk=0.3))
    careful = probability(case(standing=known.of("careful"), market=known.market, risk=0.3))
    assert loud < nobody < careful


def test_reliability_is_shrunk_to_the_market() -> None:
    known = made((1000, 100, 30, 70), {"one": (10, 1, 1, 0), "many": (500, 200, 190, 10)})
    market = known.market.reliability
    assert market < known.of("one").reliability < 0.5 < known.of("many").reliability < 0.95


def test_stores_in_accord_against_a_quiet_account_send_it_to_a_person() -> None:
    rules = hand.policy().complaints
    said = weigh(case(risk=0.01, concerted=STORES_IN_ACCORD), rules, run_id="run-1")
    assert said.proposal is Proposal.NEEDS_A_PERSON
    assert "3 stores reported this buyer" in said.why
    assert weigh(case(risk=0.99, concerted=STORES_IN_ACCORD), rules, run_id="run-1").why != said.why


def test_stores_that_file_one_after_the_other_are_noticed_by_the_third(affairs: Affairs) -> None:
    """With no load and no run in between: what was filed here counts at once."""
    load(affairs.book.store, refunds=[refund(f"r-shopper-{n}", f"o-shopper-{n}") for n in (1, 2, 3)])
    filed = [
        one(affairs, f"r-shopper-{n}", by=Actor(f"shop {n}", "store", f"s{n}"), now=NOW + n * DAY) for n in (1, 2, 3)
    ]
    noticed = "3 stores reported this buyer"
    assert [noticed in each.why for each in filed] == [False, False, True]
    assert [each.store_ids for each in affairs.complaint_desk.accords()] == [("s1", "s2", "s3")]


def test_what_becomes_of_a_stores_complaint_counts_for_its_next_one_at_once(affairs: Affairs) -> None:
    """With no load and no run in between, here and in every other process; the next load changes nothing about it."""
    store = affairs.book.store
    other = Affairs(store, hand.policy)

    def told(desk: Affairs, refund_id: str) -> tuple[float, list[str]]:
        found = desk.complaint_desk.weigh_again(complaint_id(Filing(refund_id, ONLY)))
        return round(found.probability, 9), [one for one in found.reasons if "store" in one]

    filed = [one(affairs, "r-actor-1"), one(affairs, "r-lone-1")]
    other.book.refresh()
    before = told(other, "r-lone-1")
    decide = affairs.complaint_desk.decide
    decide(filed[0].complaint_id, "upheld", "seen", by=BEN, now=NOW)
    upheld = told(affairs, "r-lone-1")
    assert upheld[0] > before[0]
    assert "1 of 1 decided complaints of this store were upheld" in upheld[1]
    decide(filed[0].complaint_id, "dismissed", "looked again", by=EVE, now=NOW)
    dismissed = told(affairs, "r-lone-1")
    assert dismissed[0] < before[0]
    assert "0 of 1 decided complaints of this store were upheld" in dismissed[1]
    other.book.refresh()
    assert told(other, "r-lone-1") == dismissed
    # taken up into the records, and by somebody who never saw it otherwise
    assert take_up(store, affairs.complaints, now=NOW, holder="test") == 2
    late = Affairs(store, hand.policy)
    late.book.refresh()
    assert told(affairs, "r-lone-1") == told(other, "r-lone-1") == told(late, "r-lone-1") == dismissed


def test_a_verdict_on_a_complaint_of_the_records_counts_at_once_too(affairs: Affairs) -> None:
    row = {"complaint_id": "c1", "refund_id": "r-actor-1", "filed_at": NOW, "type": ONLY, "outcome": "pending"}
    load(affairs.book.store, complaints=[row])
    mine = one(affairs, "r-lone-1")
    before = affairs.complaint_desk.weigh_again(mine.complaint_id)
    affairs.complaint_desk.decide("c1", "upheld", "seen", by=BEN, now=NOW)
    assert affairs.complaint_desk.weigh_again(mine.complaint_id).probability > before.probability


COUNTED = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["a", "b"]), st.sampled_from(["pending", "upheld", "dismissed"])),
    max_size=20,
)


@given(COUNTED)
def test_counting_on_is_counting_anew(fates: list[tuple[int, str, str]]) -> None:
    """A complaint is its first store's, and counts as what became of it last, however often it was told."""
    counted = Tally({"a": (9, 0, 0, 0), "z": (1, 0, 0, 0)}, {})
    last: dict[str, tuple[str, str]] = {}
    for number, store, outcome in fates:
        counted.take(Fate(f"c{number}", store, outcome))
        last[f"c{number}"] = last.get(f"c{number}", (store, ""))[0], outcome
    anew = Tally({"a": (9, 0, 0, 0), "z": (1, 0, 0, 0)}, {})
    for name, (store, outcome) in sorted(last.items()):
        anew.take(Fate(name, store, outcome))
    assert counted.counts == anew.counts
    found = counted.standings()
    assert found.market == anew.standings().market
    assert (found.market.filed, found.market.claims) == (len(last), 10)
    assert found.market.upheld == sum(outcome == "upheld" for _, outcome in last.values())
    counted.take(Fate("unknown", None, "upheld"))
    assert counted.counts == anew.counts, "a verdict on a claim that nobody knows counts for no store"


def test_nothing_is_decided_at_once_without_a_run() -> None:
    assert weigh(case(risk=0.001), hand.policy().complaints, run_id=None).proposal is Proposal.NEEDS_A_PERSON


def test_a_share_is_drawn_by_lot_the_same_whoever_asks() -> None:
    rules = hand.policy(complaints={"sample_share": 0.3}).complaints
    drawn = [
        weigh(case(reported=Reported(f"c{n}", "r", ONLY, NOW), risk=0.001, ratio=1.0), rules, run_id="run-1").sample
        for n in range(400)
    ]
    assert 80 < sum(drawn) < 160


def test_stores_in_accord_are_listed_the_repeated_first_and_people_of_risk_are_not(market: Store) -> None:
    reported = {
        "quiet": [("s1", 0), ("s2", 1), ("s3", 2), ("s4", 40)],
        "calm": [("s1", 10), ("s2", 11), ("s5", 12)],
        "other": [("s6", 0), ("s7", 1), ("s8", 2)],
        "slow": [("s1", 0), ("s2", 4), ("s3", 8)],
        "two": [("s1", 0), ("s2", 0)],
        "risky": [("s1", 0), ("s2", 1), ("s3", 2)],
    }
    base = ground(market, market.head())
    base = replace(
        base,
        risk={"risky": 0.9},
        reports={buyer: [(NOW + day * DAY, store) for store, day in rows] for buyer, rows in reported.items()},
    )
    found = accords(base, below_risk=0.5)
    assert [(one.buyer_id, one.store_ids, one.before) for one in found] == [
        ("calm", ("s1", "s2", "s5"), 1),
        ("quiet", ("s1", "s2", "s3"), 1),
        ("other", ("s6", "s7", "s8"), 0),
    ]
    assert (found[1].first_at, found[1].last_at) == (NOW, NOW + 2 * DAY)
