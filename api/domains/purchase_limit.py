"""What a buyer may buy now: the order service's question at checkout, alone or in batches."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.account import AccountStatus
from api.domains.common import check_id
from api.errors import ApiError, ErrorCode
from api.scalars import Currency, DecimalText, Instant, Money, instant, minor_units, money
from api.tokens import Role
from integrity import checkout_baskets as baskets
from integrity.checkout import PurchaseAnswer, PurchaseRequest
from integrity.checkout_baskets import answer_basket

_MAX_QUANTITY = 1_000_000
_DEFAULT_CURRENCY = Currency("CNY")
_MAX_RAW_BYTES = 4_096


@strawberry.enum(description="What is answered at checkout.")
class PurchaseVerdict(Enum):
    """Verdicts, as in integrity.checkout.Verdict."""

    ALLOW = choice("ALLOW", "The purchase may be made as asked.")
    ALLOW_UP_TO = choice("ALLOW_UP_TO", "A smaller one may be made: up to `remainingAmount` and `maxQuantity`.")
    DENY = choice("DENY", "Nothing may be bought now.")


@strawberry.enum(description="Where the limit holds that an answer rests on.")
class PurchaseScope(Enum):
    """Scopes, as in integrity.checkout.Scope."""

    NONE = choice("NONE", "No limit holds.")
    STORE = choice("STORE", "At some stores.")
    PLATFORM = choice("PLATFORM", "At all stores.")


@strawberry.enum(description="Why an answer is what it is; where several reasons hold, the one that decided.")
class PurchaseReason(Enum):
    """Reasons, as in integrity.checkout.Reason."""

    NOT_LIMITED = choice("NOT_LIMITED", "The account was judged and is not limited.")
    LIMITED_ELSEWHERE = choice("LIMITED_ELSEWHERE", "Its limits hold at other stores.")
    LIMIT_EXPIRED = choice("LIMIT_EXPIRED", "Its limits have ended.")
    NEW_ACCOUNT = choice("NEW_ACCOUNT", "No run has judged the account, and nothing speaks against it.")
    KNOWN_IDENTIFIER = choice(
        "KNOWN_IDENTIFIER",
        "No run has judged the account, but it comes with an identifier of limited accounts; what is asked fits.",
    )
    WITHIN_LIMIT = choice("WITHIN_LIMIT", "The account is limited, and what is asked fits.")
    CURRENCY_WITHOUT_RULE = choice(
        "CURRENCY_WITHOUT_RULE",
        "The account is limited and orders are left; the policy has no amount for the currency.",
    )
    ORDER_LIMIT = choice("ORDER_LIMIT", "No order is left in the window.")
    AMOUNT_LIMIT = choice("AMOUNT_LIMIT", "More is asked for than the window leaves, or no amount was named.")
    QUANTITY_LIMIT = choice(
        "QUANTITY_LIMIT", "More pieces are asked for than one order may hold, or than the window leaves."
    )
    NO_RUN = choice("NO_RUN", "No run has been published yet; the policy says what then.")
    STALE_RUN = choice("STALE_RUN", "The published run is older than the policy allows; it says what then.")
    STORE_UNREACHABLE = choice(
        "STORE_UNREACHABLE", "What was bought before could not be told in time; the policy says what then."
    )


@strawberry.enum(description="The limit that leaves least.")
class PurchaseMeasure(Enum):
    """Measures, as in integrity.checkout.Measure."""

    ORDERS_PER_DAY = choice("ORDERS_PER_DAY", "Orders in 24 hours.")
    ORDERS_PER_30_DAYS = choice("ORDERS_PER_30_DAYS", "Orders in 30 days.")
    AMOUNT_PER_DAY = choice("AMOUNT_PER_DAY", "Money in 24 hours.")
    AMOUNT_PER_30_DAYS = choice("AMOUNT_PER_30_DAYS", "Money in 30 days.")
    QUANTITY_PER_ITEM = choice("QUANTITY_PER_ITEM", "Pieces of one item in one order.")
    UNITS_PER_DAY = choice("UNITS_PER_DAY", "Pieces in 24 hours.")
    UNITS_PER_30_DAYS = choice("UNITS_PER_30_DAYS", "Pieces in 30 days.")


@strawberry.enum(description="Whose allowance a limit is.")
class PurchaseWhose(Enum):
    """Owners of allowances, as in integrity.checkout.Whose."""

    ACCOUNT = choice("ACCOUNT", "The account's own.")
    DOOR = choice("DOOR", "Shared by the limited accounts behind one door.")
    RING = choice("RING", "Shared by the limited accounts of one ring.")


@strawberry.input(
    description="Identifiers that a purchase comes with, as the buyer or the platform writes them. They are keyed at "
    "the door, neither logged nor kept, and looked at only for an account that no run has judged; the address also "
    "for a limited account, where those behind one door share an allowance."
)
class PurchaseIdentifiers:
    """Raw identifiers of a purchase."""

    device: str | None = strawberry.field(default=None, description="The device id.")
    phone: str | None = strawberry.field(default=None, description="The phone number.")
    address: str | None = strawberry.field(default=None, description="The delivery address.")
    payment: str | None = strawberry.field(default=None, description="The payment instrument's id.")
    ip: str | None = strawberry.field(default=None, description="The IP address.")
    recipient: str | None = strawberry.field(default=None, description="The recipient's name.")

    def given(self) -> list[tuple[str, str]]:
        """The (kind, value) pairs that were given; `ApiError` for a value too long to be one."""
        pairs = [
            (kind, value)
            for kind, value in (
                ("device", self.device),
                ("phone", self.phone),
                ("address", self.address),
                ("payment", self.payment),
                ("ip", self.ip),
                ("recipient", self.recipient),
            )
            if value
        ]
        for kind, value in pairs:
            if len(value) > _MAX_RAW_BYTES:
                raise ApiError(ErrorCode.BAD_INPUT, f"identifiers.{kind} is longer than {_MAX_RAW_BYTES} characters")
        return pairs


@strawberry.input(description="One of several items of a basket, which may be of several stores.")
class BasketItem:
    """As in integrity.checkout_baskets.BasketItem."""

    sku: str | None = strawberry.field(default=None, description="The item.")
    store_id: strawberry.ID | None = strawberry.field(default=None, description="Where; `storeId` of the question.")
    quantity: int = strawberry.field(default=1, description="Pieces of it.")
    amount: DecimalText | None = strawberry.field(
        default=None, description="What these pieces cost, where known, in the question's currency."
    )


@strawberry.input(description="One question of a batch: may this buyer buy this now?")
class PurchaseLimitRequest:
    """The arguments of purchaseLimit, as an object."""

    buyer_id: strawberry.ID = strawberry.field(description="Who would buy.")
    store_id: strawberry.ID = strawberry.field(description="Where.")
    sku: str | None = strawberry.field(default=None, description="The item.")
    quantity: int = strawberry.field(default=1, description="Pieces.")
    amount: DecimalText | None = strawberry.field(default=None, description="What it would cost, where known.")
    currency: Currency = strawberry.field(default=_DEFAULT_CURRENCY, description="The currency of the amount.")
    order_id: strawberry.ID | None = strawberry.field(
        default=None, description="The order, where it exists already: it is not counted against itself."
    )
    identifiers: PurchaseIdentifiers | None = strawberry.field(
        default=None, description="What the purchase comes with, to judge an account never seen."
    )
    items: list[BasketItem] | None = strawberry.field(
        default=None, description="The items, in place of `sku`, `quantity` and `amount`, where there are several."
    )


@strawberry.type(description="What a buyer may buy now, and what that rests on.")
class PurchaseLimit:
    """An answer of the checkout desk."""

    buyer_id: strawberry.ID = strawberry.field(description="The buyer asked about.")
    verdict: PurchaseVerdict = strawberry.field(description="Allow, allow up to, or deny.")
    reason: PurchaseReason = strawberry.field(description="Why.")
    scope: PurchaseScope = strawberry.field(description="Where the limit holds.")
    status: AccountStatus | None = strawberry.field(description="The account's status; null where no run judged it.")
    remaining_orders: int | None = strawberry.field(description="Orders that the limits leave; null is no limit.")
    remaining_amount: Money | None = strawberry.field(description="Money that the limits leave; null is no limit.")
    max_quantity: int | None = strawberry.field(description="Pieces that the order may hold; null is no limit.")
    binding: PurchaseMeasure | None = strawberry.field(description="The limit that leaves least.")
    binding_of: PurchaseWhose | None = strawberry.field(description="Whose limit that is.")
    expires_at: Instant | None = strawberry.field(description="When the limits end.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that the answer rests on.")
    stale: bool = strawberry.field(description="Whether that run is older than the policy allows.")
    counted_until: Instant | None = strawberry.field(
        description="Until when orders were counted: when the last load began; null before any."
    )
    items: list[PurchaseLimit] = strawberry.field(
        default_factory=list,
        description="Where several items were named: the answer to each alone, in the order asked. The one around them "
        "is then of all together, an order a store, one after the other: of the first that is refused or cut short.",
    )


_VERDICT = {one.value: one for one in PurchaseVerdict}
_REASON = {one.value: one for one in PurchaseReason}
_SCOPE = {one.value: one for one in PurchaseScope}
_MEASURE = {one.value: one for one in PurchaseMeasure}
_STATUS = {one.value: one for one in AccountStatus}
_WHOSE = {one.value: one for one in PurchaseWhose}


def answer_of(buyer_id: str, answer: PurchaseAnswer) -> PurchaseLimit:
    """The desk's answer as the schema has it."""
    return PurchaseLimit(
        buyer_id=strawberry.ID(buyer_id),
        verdict=_VERDICT[answer.verdict.value],
        reason=_REASON[answer.reason.value],
        scope=_SCOPE[answer.scope.value],
        status=None if answer.status is None else _STATUS[answer.status.value],
        remaining_orders=answer.remaining_orders,
        remaining_amount=money(answer.remaining_amount, answer.currency),
        max_quantity=answer.max_quantity,
        binding=None if answer.binding is None else _MEASURE[answer.binding.value],
        binding_of=None if answer.binding_of is None else _WHOSE[answer.binding_of.value],
        expires_at=instant(answer.expires_at),
        run_id=None if answer.run_id is None else strawberry.ID(answer.run_id),
        stale=answer.stale,
        counted_until=instant(answer.counted_until),
    )


def asked_of(context: Context, request: PurchaseLimitRequest, *, amount: int | None) -> PurchaseRequest:
    """The question, checked, with its identifiers keyed where they could matter; noted for the audit.

    Raises `ApiError` BAD_INPUT, FORBIDDEN where the token is for another store, NO_KEY."""
    buyer, store = check_id(request.buyer_id, "buyerId"), check_id(request.store_id, "storeId")
    _own_store(context, store)
    if not 1 <= request.quantity <= _MAX_QUANTITY:
        raise ApiError(ErrorCode.BAD_INPUT, f"quantity is 1 to {_MAX_QUANTITY}")
    for id_, what in ((request.sku, "sku"), (request.order_id, "orderId")):
        if id_ is not None:
            check_id(id_, what)
    if context.token.role is Role.ORDER_SERVICE:
        context.state.audit.count(context.token, buyer)
    else:
        context.saw("account", buyer)
    return PurchaseRequest(
        buyer_id=buyer,
        store_id=store,
        sku=request.sku,
        quantity=request.quantity,
        amount=amount,
        currency=request.currency,
        order_id=request.order_id,
        identifiers=_keyed(context, buyer, request.identifiers),
    )


def _keyed(context: Context, buyer: str, identifiers: PurchaseIdentifiers | None) -> tuple[str, ...]:
    """Row ids of what a purchase comes with. Keying an address costs more than all the rest, so it is done only where
    the answer could depend on it."""
    given = identifiers.given() if identifiers is not None else []
    published = context.view.published
    if not given or published is None:
        return ()
    if buyer in published.decisions:
        # a door that is not told is the one where the account last had something sent
        given = [(kind, value) for kind, value in given if kind == "address"]
        if not given or not context.has_key or not context.state.desk.needs_door(buyer, published):
            return ()
    keyer = context.keyer
    return tuple(id_ for kind, value in given for id_ in keyer.identifier_ids(kind, value))


def _ask(context: Context, request: PurchaseLimitRequest) -> PurchaseLimit:
    amount = None if request.amount is None else minor_units(request.amount, request.currency, where="amount")
    asked = asked_of(context, request, amount=amount)
    desk, now, published = context.state.desk, context.state.now(), context.view.published
    if request.items:
        basket = answer_basket(desk, asked, _basket(context, request), now=now, published=published)
        context.state.metrics.limit(basket.whole.verdict.value, basket.whole.reason.value)
        whole = answer_of(asked.buyer_id, basket.whole)
        whole.items = [answer_of(asked.buyer_id, one) for one in basket.items]
        return whole
    answer = desk.answer(asked, now=now, published=published)
    context.state.metrics.limit(answer.verdict.value, answer.reason.value)
    return answer_of(asked.buyer_id, answer)


def _basket(context: Context, request: PurchaseLimitRequest) -> list[baskets.BasketItem]:
    """The items of a question, checked; `ApiError` as of `asked_of`, and TOO_EXPENSIVE for too many."""
    most, items = context.settings.max_batch, request.items or []
    if len(items) > most:
        raise ApiError(ErrorCode.TOO_EXPENSIVE, f"a basket names at most {most} items")
    if request.sku is not None or request.quantity != 1 or request.amount is not None:
        raise ApiError(ErrorCode.BAD_INPUT, "sku, quantity and amount stand in the items where there are items")
    found = []
    for number, item in enumerate(items):
        where = f"items[{number}]"
        store = request.store_id if item.store_id is None else check_id(item.store_id, f"{where}.storeId")
        _own_store(context, store)
        if item.sku is not None:
            check_id(item.sku, f"{where}.sku")
        if not 1 <= item.quantity <= _MAX_QUANTITY:
            raise ApiError(ErrorCode.BAD_INPUT, f"{where}.quantity is 1 to {_MAX_QUANTITY}")
        amount = None if item.amount is None else minor_units(item.amount, request.currency, where=f"{where}.amount")
        found.append(baskets.BasketItem(store, item.sku, item.quantity, amount))
    return found


def _own_store(context: Context, store_id: str) -> None:
    if context.token.store_id is not None and context.token.store_id != store_id:
        raise ApiError(ErrorCode.FORBIDDEN, "the token is for another store", status=403)


@strawberry.type
class PurchaseLimitQuery:
    """Root fields of checkout."""

    @resolver("May this buyer buy this now, and how much?")
    def purchase_limit(
        self,
        info: Info,
        buyer_id: Annotated[strawberry.ID, strawberry.argument(description="Who would buy.")],
        store_id: Annotated[strawberry.ID, strawberry.argument(description="Where.")],
        sku: Annotated[str | None, strawberry.argument(description="The item.")] = None,
        quantity: Annotated[int, strawberry.argument(description="Pieces.")] = 1,
        amount: Annotated[
            DecimalText | None, strawberry.argument(description="What it would cost, where known.")
        ] = None,
        currency: Annotated[
            Currency, strawberry.argument(description="The currency of the amount.")
        ] = _DEFAULT_CURRENCY,
        order_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The order, where it exists already: it is not counted against itself."),
        ] = None,
        identifiers: Annotated[
            PurchaseIdentifiers | None,
            strawberry.argument(description="What the purchase comes with, to judge an account never seen."),
        ] = None,
        items: Annotated[
            list[BasketItem] | None,
            strawberry.argument(
                description="The items, in place of `sku`, `quantity` and `amount`, where there are several; at most "
                "100, of one store or more."
            ),
        ] = None,
    ) -> PurchaseLimit:
        """One answer."""
        return _ask(
            info.context,
            PurchaseLimitRequest(
                buyer_id=buyer_id,
                store_id=store_id,
                sku=sku,
                quantity=quantity,
                amount=amount,
                currency=currency,
                order_id=order_id,
                identifiers=identifiers,
                items=items,
            ),
        )

    @resolver("The same for many buyers at once, answered in the order asked, on one run.")
    def purchase_limits(
        self,
        info: Info,
        requests: Annotated[
            list[PurchaseLimitRequest],
            strawberry.argument(description="The questions, at most 100; each item of a basket counts."),
        ],
    ) -> list[PurchaseLimit]:
        """A batch of answers."""
        most = info.context.settings.max_batch
        if sum(len(request.items or ()) or 1 for request in requests) > most:
            raise ApiError(ErrorCode.TOO_EXPENSIVE, f"a batch holds at most {most} questions, each item counted")
        return [_ask(info.context, request) for request in requests]
