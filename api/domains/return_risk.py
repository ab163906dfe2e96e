"""Return risk: whether an order is likely to come back, and what the store can do about it."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from api.context import Info
from api.describe import choice, resolver
from api.domains.common import In, Language, check_id, speaks
from api.errors import ApiError, ErrorCode
from api.view import Row
from integrity import return_risk as rules
from integrity.policy import Policy
from integrity.stages import entitlements
from integrity.words import texts_of

MOST_ORDERS = 1_000


@strawberry.enum(description="How much more probable a claim is than for other orders of the category.")
class ReturnRiskLevel(Enum):
    """Levels, as in integrity.return_risk.Level."""

    LOW = choice("LOW", "No more than usual.")
    MEDIUM = choice("MEDIUM", "Clearly more than usual.")
    HIGH = choice("HIGH", "Much more than usual.")


@strawberry.enum(description="Why an order is likely to come back.")
class ReturnRiskReason(Enum):
    """Reasons, as in integrity.return_risk.RiskReason."""

    ITEM = choice("item", "The item comes back oftener than others of the store.")
    STORE = choice("store", "The store's orders come back oftener than others of the category.")
    PLATFORM_CHECK = choice("platform_check", "The platform's check of the order.")
    NEW_ACCOUNT = choice("new_account", "Nothing is known of the buyer yet: what the category brings is expected.")


@strawberry.enum(description="What a store can do, so that less comes back or a claim can be answered.")
class Care(Enum):
    """Measures, as in integrity.return_risk.Care."""

    PHOTO_AT_PACKING = choice("photo_at_packing", "Take a picture of the goods as they are packed.")
    SIGNATURE = choice("signature", "Have the parcel signed for.")
    WEIGHING_AT_PACKING = choice("weighing_at_packing", "Weigh the parcel as it leaves.")
    FREIGHT_COVER_OFF = choice("freight_cover_off", "Leave return-freight cover off for such orders.")


@strawberry.type(description="The warning for one order. It limits nobody: most of what comes back is honest.")
class ReturnRisk:
    """As in integrity.return_risk.OrderRisk."""

    order_id: strawberry.ID = strawberry.field(description="The order.")
    level: ReturnRiskLevel = strawberry.field(description="How likely.")
    reasons: list[ReturnRiskReason] = strawberry.field(
        description="Why, strongest first; empty for LOW but for new accounts."
    )
    reduced_by: list[Care] = strawberry.field(description="What can be done; empty for LOW.")
    known: strawberry.Private[rules.OrderRisk]

    @resolver("The reasons as sentences that are safe to show.")
    def because(self, language: In = Language.EN) -> list[str]:
        """Sentences of the reasons."""
        return texts_of(self.known.because, speaks(language))

    @resolver("What can be done, as sentences.")
    def advice(self, language: In = Language.EN) -> list[str]:
        """Sentences of the measures."""
        return texts_of(self.known.advice, speaks(language))


@strawberry.type
class ReturnRiskQuery:
    """Root fields about return risk."""

    @resolver(
        "How likely orders are to come back, in the order asked; null where there is no such order (for a store: of "
        "its own)."
    )
    def return_risk(
        self,
        info: Info,
        order_ids: Annotated[list[strawberry.ID], strawberry.argument(description="The orders, at most 1,000.")],
    ) -> list[ReturnRisk | None]:
        """Warnings, read in one go."""
        context = info.context
        if len(order_ids) > MOST_ORDERS:
            raise ApiError(ErrorCode.TOO_EXPENSIVE, f"a batch holds at most {MOST_ORDERS} orders")
        wanted = sorted({check_id(id_, "an order's id") for id_ in order_ids})
        rows = context.find("orders", "order_id", wanted) if wanted else []
        own = context.token.store_id
        rows = [row for row in rows if own is None or row["store_id"] == own]
        shops = {row["store_id"] for row in rows} | ({own} if own is not None else set())
        stores = context.find("stores", "store_id", sorted(shops)) if shops else []
        by_store = {row["store_id"]: row for row in stores}
        policy = context.policy
        if own is not None:
            _need_entitlement(by_store.get(own, {}), policy, context.state.now())
        found = {
            one.order_id: one for one in rules.order_risks(context.view.return_model(policy), rows, by_store, policy)
        }
        for id_, one in found.items():
            context.saw("order", id_)
            if own is None:
                context.saw("account", one.buyer_id)
        return [None if id_ not in found else _shown(found[id_]) for id_ in order_ids]


def _need_entitlement(store: Row, policy: Policy, now: int) -> None:
    if "return_risk_warnings" not in entitlements(policy, store.get("experience_score"), now).entitlements:
        raise ApiError(ErrorCode.FORBIDDEN, "the store's score does not entitle it to warnings", status=403)


def _shown(one: rules.OrderRisk) -> ReturnRisk:
    return ReturnRisk(
        order_id=strawberry.ID(one.order_id),
        level=ReturnRiskLevel(one.level.value),
        reasons=[ReturnRiskReason(reason.value) for reason in one.reasons],
        reduced_by=[Care(care.value) for care in one.reduced_by],
        known=one,
    )
