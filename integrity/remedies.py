"""Which remedies apply to an account and to one claim: pure, from the run's decision and findings, the policy and now.

Two rules stand above all thresholds. Nothing is done to an account that only stands by a ring. And no claim is rejected
because of the company its account keeps: that needs evidence in the claim itself, or conduct of the account's own that
is counted without any link (its claims against those expected of its baskets).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from integrity.checkout import Status
from integrity.instants import to_iso
from integrity.policy import Policy
from integrity.remedy_words import (
    LIFTED,
    TO_BUYER,
    TO_STORE,
    WARNING,
    WHY_TO_BUYER,
    WHY_TO_STORE,
    RemedyKind,
    RemedyReason,
)
from integrity.stages import entitlements
from integrity.words import Words

_LIMITED: Final = (Status.STORE_LIMITED, Status.PLATFORM_LIMITED)
_OF_KIND: Final[Mapping[str, RemedyReason]] = {
    "swapped_return": RemedyReason.RETURN_TOO_LIGHT,
    "shared_picture": RemedyReason.PICTURES_OF_OTHER_GOODS,
    "shared_parcel": RemedyReason.PARCEL_OF_ANOTHER_RETURN,
}
"""What a run's evidence about one claim says against it."""


class RemedyScope(StrEnum):
    """Where a remedy holds: everywhere, at some stores, or for one claim."""

    PLATFORM = "platform"
    STORES = "stores"
    CLAIM = "claim"


@dataclass(frozen=True)
class Basis:
    """What remedies rest on: the run (None: none published), its `as_of` (UTC microseconds), the policy's version."""

    run_id: str | None
    as_of: int
    policy: str


@dataclass(frozen=True)
class Remedy:
    """One remedy. `starts_at`, `expires_at` (None: with the claim) in UTC microseconds; `buyer` and `store` are what
    each of them is told, `lift` what would end it."""

    kind: RemedyKind
    scope: RemedyScope
    store_ids: tuple[str, ...]
    starts_at: int
    expires_at: int | None
    reason: RemedyReason
    buyer: Words
    store: Words
    lift: Words
    basis: Basis

    def holds_at(self, store_id: str) -> bool:
        """Whether it concerns a store."""
        return self.scope is not RemedyScope.STORES or store_id in self.store_ids


@dataclass(frozen=True)
class AccountFacts:
    """What a run says of an account. `stands_by`: belongs to a ring that counts without acting like it;
    `judged`: a person judged it abusive, which outranks both that and its risk."""

    buyer_id: str
    status: Status
    risk: float
    claims: int
    expected_claims: float
    stands_by: bool
    store_ids: tuple[str, ...]
    expires_at: int | None
    judged: bool = False


@dataclass(frozen=True)
class ClaimFacts:
    """What is known of one claim. `evidence` are reasons in the claim itself, strongest first; `complaints` the
    outcomes of what its store reported."""

    refund_id: str
    store_id: str
    requested_at: int
    by_buyer: bool
    refund_only: bool
    outcome: str
    freight_covered: bool
    evidence: tuple[RemedyReason, ...]
    complaints: tuple[str, ...]


def account_facts(
    decision: Mapping[str, Any],
    finding: Mapping[str, Any] | None,
    member: Mapping[str, Any] | None,
    ring: Mapping[str, Any] | None,
    policy: Policy,
    *,
    judged: bool = False,
) -> AccountFacts:
    """The facts in rows of `run_decisions`, `run_accounts`, `run_members` and `run_rings` (of the finding's ring), and
    whether a person's judgement stands that the account is abusive."""
    rules, finding = policy.statuses, finding or {}
    counts = ring is not None and ring["confidence"] >= rules.ring_confidence
    acts = member is not None and member["role"] == "actor" and member["probability"] >= rules.membership_probability
    return AccountFacts(
        decision["buyer_id"],
        Status(decision["status"]),
        finding.get("risk") or 0.0,
        finding.get("claims") or 0,
        finding.get("expected_claims") or 0.0,
        counts and not acts and not judged,
        tuple(decision["limit_store_ids"]),
        decision["expires_at"],
        judged,
    )


def claim_facts(
    refund: Mapping[str, Any],
    order: Mapping[str, Any],
    complaints: Iterable[str],
    evidence: Iterable[Mapping[str, Any]],
    parcel_elsewhere: bool,
    policy: Policy,
) -> ClaimFacts:
    """The facts in rows of `refunds` and `orders`, outcomes of complaints, a run's evidence whose source is the claim,
    and whether the parcel's number stands for a return of another buyer or to another store too."""
    rules = policy.remedies
    weight: dict[RemedyReason, float] = {}
    for row in evidence:
        reason = _OF_KIND.get(row["kind"])
        if reason is not None and row["nats"] >= rules.claim_evidence_nats:
            weight[reason] = max(weight.get(reason, 0.0), row["nats"])
    shipped, returned = refund["shipped_weight_g"], refund["return_weight_g"]
    # what the run has not seen yet, the records may show already
    if shipped and returned is not None and returned < rules.light_return_share * shipped:
        weight.setdefault(RemedyReason.RETURN_TOO_LIGHT, 0.0)
    if parcel_elsewhere:
        weight.setdefault(RemedyReason.PARCEL_OF_ANOTHER_RETURN, 0.0)
    return ClaimFacts(
        refund["refund_id"],
        order["store_id"],
        refund["requested_at"],
        refund["initiated_by"] == "buyer",
        refund["kind"] == "refund_only",
        refund["outcome"],
        bool(refund["freight_covered"]),
        tuple(sorted(weight, key=lambda reason: (-weight[reason], reason))),
        tuple(sorted(complaints)),
    )


def is_limited(account: AccountFacts, now: int) -> bool:
    """Whether limits of the account hold at `now`."""
    return account.status in _LIMITED and (account.expires_at is None or now < account.expires_at)


def warning(account: AccountFacts) -> Words | None:
    """What a watched account is told, so that limits don't come from nowhere; None for all others, bystanders too."""
    return WARNING if account.status is Status.WATCH and not account.stands_by and account.claims else None


def told_to_buyer(account: AccountFacts, policy: Policy, basis: Basis, *, now: int) -> list[Words]:
    """What a buyer is told of what is done about the account at `now`, or that it is warned; nothing where nothing is
    done."""
    warned = warning(account)
    done = [one.buyer for one in account_remedies(account, policy, basis, now=now)]
    return done if warned is None else [*done, warned]


def account_remedies(account: AccountFacts, policy: Policy, basis: Basis, *, now: int) -> list[Remedy]:
    """Remedies that hold for an account at `now`, in the order of `RemedyKind`; none for one that only stands by."""
    if account.stands_by or not is_limited(account, now):
        return []
    rules = policy.remedies
    everywhere = account.status is Status.PLATFORM_LIMITED
    scope = RemedyScope.PLATFORM if everywhere else RemedyScope.STORES
    reason = RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED if _own_conduct(account, policy) else RemedyReason.ACCOUNT_RISK
    if account.judged:
        reason = RemedyReason.ACCOUNT_JUDGED
    limit = RemedyKind.PLATFORM_LIMIT if everywhere else RemedyKind.STORE_LIMIT
    from_risk = (
        (limit, 0.0),
        (RemedyKind.NO_PLATFORM_INTERVENTION, rules.no_platform_intervention_risk),
        (RemedyKind.EXCLUDE_FROM_STORE_RATES, rules.exclude_risk),
        (RemedyKind.NO_REFUND_ONLY, rules.no_refund_only_risk),
        (RemedyKind.NO_FREIGHT_COVER, rules.no_freight_cover_risk),
    )
    stores = () if everywhere else account.store_ids
    return [
        _remedy(kind, scope, stores, basis.as_of, account.expires_at, reason, basis)
        for kind, least in from_risk
        if account.judged or account.risk >= least
    ]


def claim_remedies(
    claim: ClaimFacts, account: AccountFacts | None, policy: Policy, basis: Basis, *, now: int
) -> list[Remedy]:
    """Remedies for one claim at `now`, in the order of `RemedyKind`; `account` is None where no run judged it.

    A claim that the buyer took back, or that somebody else began, has none."""
    if not claim.by_buyer or claim.outcome == "withdrawn":
        return []
    found: list[Remedy] = []
    pending = claim.outcome == "pending"
    if pending:
        verdict = _verdict(claim, account, policy, now)
        if verdict is not None:
            found.append(_of_claim(*verdict, claim, basis))
    if "upheld" in claim.complaints:
        found.append(_of_claim(RemedyKind.EXCLUDE_FROM_STORE_RATES, RemedyReason.COMPLAINT_UPHELD, claim, basis))
    taken = {one.kind for one in found}
    applies = {
        RemedyKind.NO_PLATFORM_INTERVENTION: pending or claim.outcome == "rejected",
        RemedyKind.NO_REFUND_ONLY: pending and claim.refund_only,
        RemedyKind.NO_FREIGHT_COVER: pending and not claim.refund_only and claim.freight_covered,
    }
    of_account = [] if account is None else account_remedies(account, policy, basis, now=now)
    found += [
        one
        for one in of_account
        if one.kind not in taken and one.holds_at(claim.store_id) and applies.get(one.kind, True)
    ]
    order = list(RemedyKind)
    return sorted(found, key=lambda one: order.index(one.kind))


def entitled(policy: Policy, store_score: float | None, now: int) -> frozenset[RemedyKind]:
    """The remedies that a store of this score (0 to 5, None unknown) may use at `now`, by the policy's stages."""
    given = entitlements(policy, store_score, now).entitlements
    return frozenset(kind for kind in RemedyKind if kind.value in given)


def for_store(remedies: Sequence[Remedy], store_id: str, allowed: frozenset[RemedyKind]) -> list[Remedy]:
    """Those that a store is told of: they hold there, and its score entitles it to them."""
    return [one for one in remedies if one.kind in allowed and one.holds_at(store_id)]


def _verdict(
    claim: ClaimFacts, account: AccountFacts | None, policy: Policy, now: int
) -> tuple[RemedyKind, RemedyReason] | None:
    """What becomes of a pending claim: rejected, looked at by a person, or nothing special."""
    rules = policy.remedies
    if "upheld" in claim.complaints:
        return RemedyKind.REJECT_CLAIM, RemedyReason.COMPLAINT_UPHELD
    if "dismissed" in claim.complaints:
        return None  # somebody looked and found the buyer right: what the machine thinks doesn't outrank that
    acting = account is not None and not account.stands_by
    risk = 0.0 if account is None or not acting else 1.0 if account.judged else account.risk
    if claim.evidence:
        sure = risk >= rules.reject_risk or (len(claim.evidence) > 1 and risk >= policy.statuses.watch_risk)
        return RemedyKind.REJECT_CLAIM if sure else RemedyKind.MANUAL_REVIEW, claim.evidence[0]
    if account is not None and acting and is_limited(account, now):
        conduct = _own_conduct(account, policy)
        if conduct and risk >= rules.reject_risk and claim.refund_only:
            return RemedyKind.REJECT_CLAIM, RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED
        return RemedyKind.MANUAL_REVIEW, RemedyReason.ACCOUNT_JUDGED if account.judged else RemedyReason.ACCOUNT_RISK
    if "pending" in claim.complaints:
        return RemedyKind.MANUAL_REVIEW, RemedyReason.COMPLAINT_PENDING
    return None


def _own_conduct(account: AccountFacts, policy: Policy) -> bool:
    rules = policy.remedies
    return account.claims >= rules.own_claims and account.claims >= rules.own_excess * account.expected_claims


def _of_claim(kind: RemedyKind, reason: RemedyReason, claim: ClaimFacts, basis: Basis) -> Remedy:
    return _remedy(kind, RemedyScope.CLAIM, (), claim.requested_at, None, reason, basis)


def _remedy(
    kind: RemedyKind,
    scope: RemedyScope,
    stores: tuple[str, ...],
    start: int,
    end: int | None,
    reason: RemedyReason,
    basis: Basis,
) -> Remedy:
    until = "" if end is None else to_iso(end)[:10]
    return Remedy(
        kind,
        scope,
        stores,
        start,
        end,
        reason,
        (TO_BUYER[kind] + WHY_TO_BUYER[reason]).filled(until),
        (TO_STORE[kind] + WHY_TO_STORE[reason]).filled(until),
        LIFTED[kind].filled(until),
        basis,
    )
