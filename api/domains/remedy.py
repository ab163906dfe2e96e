"""Remedies: what the platform does about an account or a claim, in words for the buyer and for the store."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.common import check_id
from api.scalars import Instant, instant
from api.view import Row
from graph.errors import NotFound
from integrity import remedies as rules
from integrity import remedy_words as words
from integrity.assess import Assessment, assess_claim, basis_of
from integrity.judgements import Said
from integrity.references import Reference
from integrity.replay_claims import replay_claim
from integrity.words import Words as Text


@strawberry.enum(description="What can be done about a claim or an account.")
class RemedyKind(Enum):
    """Kinds, as in integrity.remedy_words.RemedyKind."""

    REJECT_CLAIM = choice("reject_claim", "The claim is rejected.")
    STORE_LIMIT = choice("store_limit", "Purchases are limited at some stores.")
    PLATFORM_LIMIT = choice("platform_limit", "Purchases are limited everywhere.")
    NO_PLATFORM_INTERVENTION = choice(
        "no_platform_intervention", "The platform doesn't step in on the buyer's side; the store's answer holds."
    )
    EXCLUDE_FROM_STORE_RATES = choice("exclude_from_store_rates", "The claims don't count in the rates of stores.")
    NO_REFUND_ONLY = choice("no_refund_only", "Money back against the goods only.")
    NO_FREIGHT_COVER = choice("no_freight_cover", "Return-freight cover doesn't pay the way back.")
    MANUAL_REVIEW = choice("manual_review", "A person looks before anything is decided.")


@strawberry.enum(description="Where a remedy holds.")
class RemedyScope(Enum):
    """Scopes, as in integrity.remedies.RemedyScope."""

    PLATFORM = choice("platform", "Everywhere.")
    STORES = choice("stores", "At some stores.")
    CLAIM = choice("claim", "For one claim.")


@strawberry.enum(description="Why a remedy applies; where several reasons hold, the one that decided.")
class RemedyReason(Enum):
    """Reasons, as in integrity.remedy_words.RemedyReason."""

    COMPLAINT_UPHELD = choice("complaint_upheld", "The store's report of the claim was upheld.")
    COMPLAINT_PENDING = choice("complaint_pending", "The store's report of the claim is not decided yet.")
    RETURN_TOO_LIGHT = choice("return_too_light", "What came back doesn't weigh what was sent.")
    PICTURES_OF_OTHER_GOODS = choice("pictures_of_other_goods", "The pictures were given for other goods too.")
    PARCEL_OF_ANOTHER_RETURN = choice("parcel_of_another_return", "The parcel's number belongs to another return too.")
    CLAIMS_FAR_ABOVE_EXPECTED = choice(
        "claims_far_above_expected", "The account's own claims are far above those expected of its baskets."
    )
    ACCOUNT_JUDGED = choice("account_judged", "A person judged the account abusive.")
    ACCOUNT_RISK = choice("account_risk", "The account's risk in the published run.")


@strawberry.type(description="One text in two languages.")
class Words:
    """As in integrity.words.Words."""

    en: str = strawberry.field(description="In English.")
    zh: str = strawberry.field(description="In Chinese.")


@strawberry.type(description="One remedy.")
class Remedy:
    """As in integrity.remedies.Remedy."""

    kind: RemedyKind = strawberry.field(description="What is done.")
    scope: RemedyScope = strawberry.field(description="Where it holds.")
    store_ids: list[strawberry.ID] = strawberry.field(description="For scope STORES: where.")
    starts_at: Instant = strawberry.field(description="Since when.")
    expires_at: Instant | None = strawberry.field(description="When it ends by itself; null: with the claim.")
    reason: RemedyReason = strawberry.field(description="Why.")
    buyer: Words = strawberry.field(description="What the buyer is told.")
    store: Words = strawberry.field(description="What the store is told.")
    lift: Words = strawberry.field(description="What would end it.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that it rests on.")
    policy: str = strawberry.field(description="The version of the policy that it rests on.")


@strawberry.type(description="A claim assessed: what applies to it.")
class ClaimAssessment:
    """As in integrity.assess.Assessment."""

    refund_id: strawberry.ID = strawberry.field(description="The claim.")
    remedies: list[Remedy] = strawberry.field(description="What applies.")
    told_to_store: list[RemedyKind] = strawberry.field(
        description="Those that its store may use and is told of, by its score."
    )
    run_id: strawberry.ID | None = strawberry.field(description="The run that it rests on; null before any.")
    policy: str = strawberry.field(description="The version of the policy that it rests on.")
    reference: str = strawberry.field(
        description="Names all that this rests on: keep it with what you decide, and `replayClaim` gives the same."
    )


@strawberry.type(description="A claim assessed once more, from what the reference names.")
class ClaimReplay:
    """As in integrity.replay_claims.ReplayedClaim."""

    refund_id: strawberry.ID = strawberry.field(description="The claim.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that it rests on; null before any.")
    same: bool = strawberry.field(description="Whether the same came of it, to the byte.")
    recorded: str = strawberry.field(description="Fingerprint of what was said then.")
    again: str = strawberry.field(description="Fingerprint of what is said of the same now.")
    forgotten: bool = strawberry.field(description="Whether its buyer was forgotten since: then the records tell less.")


def words_of(text: Text) -> Words:
    """A text of the rules as the API gives it."""
    return Words(en=text.en, zh=text.zh)


def _remedy(one: rules.Remedy) -> Remedy:
    return Remedy(
        kind=RemedyKind(one.kind.value),
        scope=RemedyScope(one.scope.value),
        store_ids=[strawberry.ID(id_) for id_ in one.store_ids],
        starts_at=Instant(one.starts_at),
        expires_at=instant(one.expires_at),
        reason=RemedyReason(one.reason.value),
        buyer=words_of(one.buyer),
        store=words_of(one.store),
        lift=words_of(one.lift),
        run_id=None if one.basis.run_id is None else strawberry.ID(one.basis.run_id),
        policy=one.basis.policy,
    )


def facts_of_account(context: Context, buyer_id: str) -> rules.AccountFacts | None:
    """What the published run says of an account; None where it did not judge it."""
    row = context.view.judged([buyer_id]).get(buyer_id)
    if row is None:
        return None
    ring = context.view.ring_by_id.get(row.get("ring_id") or "")
    member: Row | None = None
    if ring is not None:
        mine = (one for one in context.view.memberships_of(buyer_id) if one["ring_id"] == ring["ring_id"])
        member = next(mine, None)
    judged = buyer_id in judged_abusive(context)
    return rules.account_facts(row, row, member, ring, context.policy, judged=judged)


def judged_abusive(context: Context) -> frozenset[str]:
    """Buyers whom a person judged abusive, as things stand."""
    accounts = context.state.affairs.outranking().accounts
    return frozenset(buyer for buyer, one in accounts.items() if one.about.said is Said.ABUSIVE)


def remedies_of_account(context: Context, buyer_id: str) -> list[Remedy]:
    """Remedies that hold for an account now."""
    facts = facts_of_account(context, buyer_id)
    if facts is None:
        return []
    policy = context.policy
    found = rules.account_remedies(facts, policy, basis_of(context.view.published, policy), now=context.state.now())
    return [_remedy(one) for one in found]


def warning_of_account(context: Context, buyer_id: str) -> Words | None:
    """What a watched account is told."""
    facts = facts_of_account(context, buyer_id)
    told = None if facts is None else rules.warning(facts)
    return None if told is None else words_of(told)


def told_to_buyer(context: Context, buyer_id: str) -> list[Text]:
    """What a buyer is told of what is done about the account now."""
    facts = facts_of_account(context, buyer_id)
    if facts is None:
        return []
    policy = context.policy
    return rules.told_to_buyer(facts, policy, basis_of(context.view.published, policy), now=context.state.now())


def assessed(context: Context, refund_id: str) -> Assessment | None:
    """A claim assessed at this head; None where there is none, or its order is not known."""
    view = context.view
    try:
        return assess_claim(
            view.store,
            refund_id,
            view.published,
            context.policy,
            known_by=view.head.load,
            now=context.state.now(),
            acted=context.state.affairs.acted(),
        )
    except NotFound:
        return None


@strawberry.enum(description="What is done about a claim, as its store is told.")
class MyRemedyKind(Enum):
    """Kinds; where the buyer's purchases are limited is not told."""

    REJECT_CLAIM = choice("reject_claim", "The claim is rejected.")
    PURCHASES_LIMITED = choice("purchases_limited", "The buyer's purchases are limited.")
    NO_PLATFORM_INTERVENTION = choice(
        "no_platform_intervention", "The platform doesn't step in on the buyer's side; your answer holds."
    )
    EXCLUDE_FROM_STORE_RATES = choice("exclude_from_store_rates", "The claim doesn't count in your rates.")
    NO_REFUND_ONLY = choice("no_refund_only", "You may ask for the goods back first.")
    NO_FREIGHT_COVER = choice("no_freight_cover", "Return-freight cover doesn't pay the way back.")
    MANUAL_REVIEW = choice("manual_review", "A person looks before anything is decided.")


@strawberry.enum(description="Why something is done about a claim, as its store is told.")
class MyRemedyReason(Enum):
    """Reasons; all that rests on the account, wherever it was seen, is the platform's check."""

    COMPLAINT_UPHELD = choice("complaint_upheld", "Your report was upheld.")
    COMPLAINT_PENDING = choice("complaint_pending", "Your report is not decided yet.")
    RETURN_TOO_LIGHT = choice("return_too_light", "What came back doesn't weigh what was sent.")
    PICTURES_OF_OTHER_GOODS = choice("pictures_of_other_goods", "The pictures are not of these goods.")
    PARCEL_OF_ANOTHER_RETURN = choice("parcel_of_another_return", "The parcel's number belongs to another return.")
    PLATFORM_CHECK = choice("platform_check", "The platform's check.")


@strawberry.type(description="One remedy for a claim, as its store is told.")
class MyRemedy:
    """A remedy without what it says of anything outside the store."""

    kind: MyRemedyKind = strawberry.field(description="What is done.")
    reason: MyRemedyReason = strawberry.field(description="Why.")
    expires_at: Instant | None = strawberry.field(description="When it ends by itself; null: with the claim.")
    en: str = strawberry.field(description="What it means for you, in English.")
    zh: str = strawberry.field(description="What it means for you, in Chinese.")
    policy: str = strawberry.field(description="The version of the policy that it rests on.")


_LIMITS = (words.RemedyKind.STORE_LIMIT, words.RemedyKind.PLATFORM_LIMIT)
_CHECKED = (
    words.RemedyReason.ACCOUNT_RISK,
    words.RemedyReason.ACCOUNT_JUDGED,
    words.RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED,
)


def remedies_for_store(context: Context, refund_id: str) -> list[MyRemedy]:
    """What the store of a claim is told; the caller has made sure that the claim is the store's own."""
    found = assessed(context, refund_id)
    return [_mine(one) for one in (found.told_to_store if found is not None else ())]


def _mine(one: rules.Remedy) -> MyRemedy:
    limits, checked = one.kind in _LIMITS, one.reason in _CHECKED
    return MyRemedy(
        kind=MyRemedyKind.PURCHASES_LIMITED if limits else MyRemedyKind(one.kind.value),
        reason=MyRemedyReason.PLATFORM_CHECK if checked else MyRemedyReason(one.reason.value),
        expires_at=instant(one.expires_at),
        en=one.store.en,
        zh=one.store.zh,
        policy=one.basis.policy,
    )


def _seen_kinds(told: Sequence[rules.Remedy]) -> list[RemedyKind]:
    return [RemedyKind(one.kind.value) for one in told]


@strawberry.type
class RemedyQuery:
    """Root fields about remedies."""

    @resolver("One claim assessed: what applies to it now; null where there is no such claim or its order is unknown.")
    def assess_claim(
        self, info: Info, refund_id: Annotated[strawberry.ID, strawberry.argument(description="The claim's id.")]
    ) -> ClaimAssessment | None:
        """An assessment."""
        context = info.context
        context.saw("refund", check_id(refund_id, "a claim's id"))
        found = assessed(context, refund_id)
        if found is None:
            return None
        context.saw("account", found.buyer_id)
        return ClaimAssessment(
            refund_id=strawberry.ID(found.refund_id),
            remedies=[_remedy(one) for one in found.remedies],
            told_to_store=_seen_kinds(found.told_to_store),
            run_id=None if found.basis.run_id is None else strawberry.ID(found.basis.run_id),
            policy=found.basis.policy,
            reference=found.reference,
        )

    @resolver("An assessed claim once more, from what its reference names; an error where that is not kept any more.")
    def replay_claim(
        self,
        info: Info,
        reference: Annotated[str, strawberry.argument(description="As `assessClaim { reference }` gave it.")],
    ) -> ClaimReplay:
        """A replay."""
        context = info.context
        context.saw("refund", check_id(Reference.of(reference).refund_id, "a claim's id"))
        found = replay_claim(context.view.store, reference)
        context.saw("account", found.assessment["buyer_id"])
        return ClaimReplay(
            refund_id=strawberry.ID(found.refund_id),
            run_id=None if found.run_id is None else strawberry.ID(found.run_id),
            same=found.same,
            recorded=found.recorded,
            again=found.again,
            forgotten=found.forgotten,
        )
