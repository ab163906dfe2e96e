"""What the policy gives a store: its entitlements by score and day."""

from __future__ import annotations

from enum import Enum

import strawberry

from api.context import Context
from api.describe import choice, resolver
from api.domains.common import In, Language, speaks
from api.scalars import Instant, instant
from integrity.stages import NextBand, StoreEntitlements, entitlements
from integrity.words import Fact, text_of


@strawberry.enum(description="What a store may be entitled to: two things that it does itself, and the remedies.")
class Entitlement(Enum):
    """The policy's entitlements."""

    FILE_COMPLAINTS = choice("file_complaints", "It may report claims.")
    RETURN_RISK_WARNINGS = choice("return_risk_warnings", "It is warned of orders that are likely to come back.")
    REJECT_CLAIM = choice("reject_claim", "An abusive claim at the store is rejected.")
    STORE_LIMIT = choice("store_limit", "An abuser is limited at the store.")
    PLATFORM_LIMIT = choice("platform_limit", "An abuser of the store is limited on the platform.")
    NO_PLATFORM_INTERVENTION = choice(
        "no_platform_intervention", "The platform leaves claims to the store and does not decide for the buyer."
    )
    EXCLUDE_FROM_STORE_RATES = choice("exclude_from_store_rates", "Abusive claims do not count in the store's rates.")
    NO_REFUND_ONLY = choice("no_refund_only", "An abuser gets no refund at the store without a return.")
    NO_FREIGHT_COVER = choice("no_freight_cover", "An abuser gets no return-freight cover at the store.")
    MANUAL_REVIEW = choice("manual_review", "A person looks at the claim.")


@strawberry.type(description="The next higher band of stores, and what it would give.")
class NextStoreBand:
    """What a better score would bring."""

    at_least: float = strawberry.field(description="The score from which on stores belong to it.")
    since: Instant | None = strawberry.field(description="Since when it holds; null: from the beginning.")
    gained: list[Entitlement] = strawberry.field(description="What it gives beyond what the store has.")


@strawberry.type(description="What a store is entitled to now, by its score and the policy of the published run.")
class StoreEntitlementList:
    """Entitlements of one store."""

    score: float | None = strawberry.field(description="The platform's score of the store; null where unknown.")
    at_least: float | None = strawberry.field(description="Lowest score of the store's band; null where unknown.")
    granted: list[Entitlement] = strawberry.field(description="What the store may use now.")
    since: Instant | None = strawberry.field(description="Since when; null: from the beginning.")
    until: Instant | None = strawberry.field(description="Until when; null: no end is set.")
    next_band: NextStoreBand | None = strawberry.field(description="The next higher band; null in the highest.")
    policy_version: str = strawberry.field(description="Version of the policy that says so.")
    stated: strawberry.Private[Fact]

    @resolver("Why, in a sentence.")
    def why(self, language: In = Language.EN) -> str:
        """The sentence."""
        return text_of(self.stated, speaks(language))


_BY_NAME = {one.value: one for one in Entitlement}


def entitlement_list(context: Context, score: float | None) -> StoreEntitlementList:
    """What a store of this score is entitled to now."""
    policy = context.policy
    found: StoreEntitlements = entitlements(policy, score, context.state.now())
    return StoreEntitlementList(
        score=found.score,
        at_least=found.at_least,
        granted=[_BY_NAME[one] for one in found.entitlements],
        since=instant(found.since),
        until=instant(found.until),
        next_band=_next(found.next_band),
        policy_version=policy.version,
        stated=found.why,
    )


def _next(band: NextBand | None) -> NextStoreBand | None:
    if band is None:
        return None
    return NextStoreBand(
        at_least=band.at_least, since=instant(band.since), gained=[_BY_NAME[one] for one in band.gained]
    )
