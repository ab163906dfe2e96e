"""Remedies: what applies to an account and to a claim, and what never does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from integrity.checkout import Status
from integrity.instants import DAY
from integrity.policy import default_policy
from integrity.remedies import (
    AccountFacts,
    Basis,
    ClaimFacts,
    Remedy,
    account_facts,
    account_remedies,
    claim_facts,
    claim_remedies,
    entitled,
    for_store,
    warning,
)
from integrity.remedy_words import TO_BUYER, TO_STORE, WHY_TO_BUYER, WHY_TO_STORE, RemedyKind, RemedyReason
from tests.integrity.hand import NOW

POLICY = default_policy()
BASIS = Basis("run-1", NOW - DAY, POLICY.version)
ABUSER = AccountFacts("b", Status.PLATFORM_LIMITED, 0.98, 6, 0.5, False, (), NOW + 80 * DAY)
AT_STORES = replace(ABUSER, status=Status.STORE_LIMITED, store_ids=("s1", "s2"))
LINKED = replace(ABUSER, claims=2, expected_claims=1.9)
"""Limited for its company: its own claims are what its baskets bring."""
BYSTANDER = replace(ABUSER, status=Status.WATCH, stands_by=True, expires_at=None)
HONEST = AccountFacts("h", Status.CLEAR, 0.01, 1, 0.9, False, (), None)
CLAIM = ClaimFacts("r", "s1", NOW - 2 * DAY, True, True, "pending", False, (), ())
LIGHT, PICTURE = RemedyReason.RETURN_TOO_LIGHT, RemedyReason.PICTURES_OF_OTHER_GOODS


def of_account(account: AccountFacts, now: int = NOW, **rules: Any) -> dict[str, Remedy]:
    chosen = POLICY.model_copy(update={"remedies": POLICY.remedies.model_copy(update=rules)})
    return {one.kind.value: one for one in account_remedies(account, chosen, BASIS, now=now)}


def of_claim(account: AccountFacts | None, now: int = NOW, **claim: Any) -> dict[str, RemedyReason]:
    found = claim_remedies(replace(CLAIM, **claim), account, POLICY, BASIS, now=now)
    return {one.kind.value: one.reason for one in found}


def test_an_account_limited_on_the_platform_has_its_remedies_everywhere_until_its_limits_end() -> None:
    found = of_account(ABUSER)
    assert list(found) == [
        "platform_limit",
        "no_platform_intervention",
        "exclude_from_store_rates",
        "no_refund_only",
        "no_freight_cover",
    ]
    for one in found.values():
        assert (one.scope.value, one.store_ids) == ("platform", ())
        assert (one.starts_at, one.expires_at, one.basis) == (NOW - DAY, NOW + 80 * DAY, BASIS)
    assert of_account(ABUSER, now=NOW + 80 * DAY) == {}


def test_an_account_limited_at_stores_has_them_there_only() -> None:
    found = of_account(AT_STORES)
    assert "platform_limit" not in found
    assert all(one.holds_at("s1") and not one.holds_at("s3") for one in found.values())


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("no_platform_intervention", "no_platform_intervention_risk"),
        ("exclude_from_store_rates", "exclude_risk"),
        ("no_refund_only", "no_refund_only_risk"),
        ("no_freight_cover", "no_freight_cover_risk"),
    ],
)
def test_each_remedy_begins_at_the_policys_risk(kind: str, rule: str) -> None:
    assert kind in of_account(ABUSER, **{rule: 0.98})
    assert kind not in of_account(ABUSER, **{rule: 0.981})


def test_nothing_is_done_to_an_account_that_only_stands_by_whatever_its_risk() -> None:
    assert of_account(BYSTANDER) == {}
    assert of_account(replace(BYSTANDER, status=Status.PLATFORM_LIMITED)) == {}
    assert warning(BYSTANDER) is None
    for outcome in ("pending", "approved"):
        assert of_claim(BYSTANDER, outcome=outcome) == {}
    # evidence in its own claim is looked at by a person, as anybody's
    assert of_claim(BYSTANDER, evidence=(LIGHT, PICTURE)) == {"manual_review": LIGHT}


@pytest.mark.parametrize("status", [Status.CLEAR, Status.WATCH])
def test_an_account_that_is_not_limited_has_no_remedies(status: Status) -> None:
    assert of_account(replace(ABUSER, status=status)) == {}


def test_a_watched_account_is_warned_and_no_other() -> None:
    told = warning(replace(ABUSER, status=Status.WATCH))
    assert told is not None
    assert "Nothing is limited" in told.en
    assert warning(ABUSER) is warning(HONEST) is warning(replace(ABUSER, status=Status.WATCH, claims=0)) is None


def test_a_claim_is_never_rejected_for_the_company_its_account_keeps() -> None:
    for risk in (0.9, 0.99, 1.0):
        found = of_claim(replace(LINKED, risk=risk))
        assert "reject_claim" not in found
        assert found["manual_review"] is RemedyReason.ACCOUNT_RISK


def test_own_conduct_or_evidence_in_the_claim_rejects_it_where_the_account_acts() -> None:
    assert of_claim(ABUSER)["reject_claim"] is RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED
    assert of_claim(LINKED, evidence=(PICTURE,))["reject_claim"] is PICTURE
    assert "reject_claim" not in of_claim(ABUSER, refund_only=False)  # the goods come back: a person sees them
    assert "reject_claim" not in of_claim(replace(ABUSER, risk=0.89))


def test_an_honest_accounts_claim_is_looked_at_for_its_evidence_and_never_rejected_by_the_machine() -> None:
    assert of_claim(HONEST) == {}
    assert of_claim(None) == {}
    for account in (HONEST, None):
        assert of_claim(account, evidence=(LIGHT,)) == {"manual_review": LIGHT}
        assert of_claim(account, evidence=(LIGHT, PICTURE)) == {"manual_review": LIGHT}


def test_a_complaint_upheld_rejects_a_pending_claim_and_excludes_any() -> None:
    upheld = RemedyReason.COMPLAINT_UPHELD
    assert of_claim(HONEST, complaints=("upheld",)) == {"reject_claim": upheld, "exclude_from_store_rates": upheld}
    assert of_claim(HONEST, complaints=("upheld",), outcome="approved") == {"exclude_from_store_rates": upheld}


def test_a_complaint_dismissed_keeps_the_machine_off_the_claim() -> None:
    found = of_claim(ABUSER, complaints=("dismissed",), evidence=(LIGHT, PICTURE))
    assert "reject_claim" not in found
    assert "manual_review" not in found


def test_a_complaint_alone_only_brings_a_person() -> None:
    assert of_claim(HONEST, complaints=("pending",)) == {"manual_review": RemedyReason.COMPLAINT_PENDING}


def test_a_decided_claim_is_not_rejected_again_and_one_taken_back_or_not_the_buyers_has_no_remedy() -> None:
    assert set(of_claim(ABUSER, outcome="approved")) == {"platform_limit", "exclude_from_store_rates"}
    assert of_claim(ABUSER, outcome="withdrawn", complaints=("upheld",)) == {}
    assert of_claim(ABUSER, by_buyer=False) == {}


def test_freight_cover_is_withheld_from_covered_returns_only() -> None:
    assert "no_freight_cover" in of_claim(ABUSER, refund_only=False, freight_covered=True)
    assert "no_freight_cover" not in of_claim(ABUSER, refund_only=False, freight_covered=False)
    assert "no_freight_cover" not in of_claim(ABUSER, refund_only=True, freight_covered=True)


def test_limits_at_other_stores_say_nothing_of_a_claim_here() -> None:
    found = of_claim(replace(AT_STORES, store_ids=("s2",)))
    assert set(found) == {"reject_claim"}


def test_a_run_counts_as_evidence_of_a_claim_from_the_policys_weight_on_and_links_never_do() -> None:
    refund = {
        "refund_id": "r",
        "requested_at": NOW,
        "initiated_by": "buyer",
        "kind": "return_refund",
        "outcome": "pending",
        "freight_covered": None,
        "shipped_weight_g": 1000.0,
        "return_weight_g": 900.0,
    }

    def found(*rows: tuple[str, float], parcel: bool = False, **more: Any) -> tuple[RemedyReason, ...]:
        evidence = [{"kind": kind, "nats": nats} for kind, nats in rows]
        return claim_facts(refund | more, {"store_id": "s"}, [], evidence, parcel, POLICY).evidence

    assert found(("shared_device", 9.0), ("lockstep", 9.0), ("shared_door", 9.0)) == ()
    assert found(("swapped_return", 1.9), ("shared_picture", 2.0)) == (PICTURE,)
    assert found(("swapped_return", 5.0), ("shared_picture", 2.0)) == (LIGHT, PICTURE)
    assert found(return_weight_g=499.0) == (LIGHT,)
    assert found(return_weight_g=None) == found(shipped_weight_g=None) == ()
    assert found(parcel=True) == (RemedyReason.PARCEL_OF_ANOTHER_RETURN,)


def test_whoever_acts_in_a_ring_that_counts_does_not_stand_by() -> None:
    decision = {"buyer_id": "b", "status": "WATCH", "limit_store_ids": [], "expires_at": None}
    ring = {"confidence": 0.97}

    def stands_by(ring: Any, role: str, probability: float) -> bool:
        member = {"role": role, "probability": probability}
        return account_facts(decision, {"risk": 0.5}, member, ring, POLICY).stands_by

    assert stands_by(ring, "bystander", 0.9)
    assert stands_by(ring, "actor", 0.4)
    assert not stands_by(ring, "actor", 0.6)
    assert not stands_by({"confidence": 0.5}, "bystander", 0.9)
    assert not account_facts(decision, None, None, None, POLICY).stands_by


def test_a_persons_judgement_outranks_the_risk_and_whether_the_run_saw_a_bystander() -> None:
    decision = {"buyer_id": "b", "status": "PLATFORM_LIMITED", "limit_store_ids": [], "expires_at": NOW + DAY}
    member, ring = {"role": "bystander", "probability": 0.1}, {"confidence": 0.97}
    facts = account_facts(decision, {"risk": 0.2, "claims": 1}, member, ring, POLICY, judged=True)
    found = of_account(facts)
    assert len(found) == 5
    assert {one.reason for one in found.values()} == {RemedyReason.ACCOUNT_JUDGED}
    assert of_claim(facts)["manual_review"] is RemedyReason.ACCOUNT_JUDGED  # and no more, by the judgement alone
    assert of_claim(facts, evidence=(LIGHT,))["reject_claim"] is LIGHT


def test_every_remedy_and_reason_is_told_in_both_languages_and_filled_in() -> None:
    for told in (TO_BUYER, TO_STORE):
        assert set(told) == set(RemedyKind)
    for why in (WHY_TO_BUYER, WHY_TO_STORE):
        assert set(why) == set(RemedyReason)
    for one in [
        *account_remedies(ABUSER, POLICY, BASIS, now=NOW),
        *account_remedies(AT_STORES, POLICY, BASIS, now=NOW),
    ]:
        for words in (one.buyer, one.store, one.lift):
            assert re.search("[\u4e00-\u9fff]", words.zh)
            assert re.fullmatch("[ -~]+", words.en)
            assert "{" not in words.en + words.zh
        assert "2025-03-21" in one.buyer.en or one.kind is RemedyKind.EXCLUDE_FROM_STORE_RATES


def test_the_stores_words_tell_of_no_other_store_buyer_or_ring() -> None:
    for words in (*TO_STORE.values(), *WHY_TO_STORE.values()):
        assert not re.search(r"\bring|gang|other (buyer|account|store)|group|risk|platform-wide", words.en), words.en
        assert not re.search("团伙|其他|关联|风险|全平台", words.zh), words.zh
    assert TO_STORE[RemedyKind.PLATFORM_LIMIT] == TO_STORE[RemedyKind.STORE_LIMIT]
    account_reasons = {
        RemedyReason.ACCOUNT_RISK,
        RemedyReason.ACCOUNT_JUDGED,
        RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED,
    }
    assert len({WHY_TO_STORE[reason] for reason in account_reasons}) == 1


def test_a_store_is_told_what_holds_there_and_what_its_score_entitles_it_to() -> None:
    found = claim_remedies(CLAIM, AT_STORES, POLICY, BASIS, now=NOW)
    high, low, unknown = (entitled(POLICY, score, NOW) for score in (4.8, 3.9, None))
    assert {one.kind for one in for_store(found, "s1", high)} >= {RemedyKind.REJECT_CLAIM, RemedyKind.NO_REFUND_ONLY}
    assert RemedyKind.NO_PLATFORM_INTERVENTION in high - entitled(POLICY, 4.79, NOW)
    assert for_store(found, "s1", low) == []
    assert low == unknown == {RemedyKind.PLATFORM_LIMIT, RemedyKind.MANUAL_REVIEW}
    assert {one.scope.value for one in for_store(found, "s9", high)} <= {"claim", "platform"}
