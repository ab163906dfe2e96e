"""Purchases reserved, confirmed and released by the order service.

The resolvers wait without holding a thread, so that requests that arrive together share one transaction."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any

import strawberry

from api.context import Context, Info
from api.describe import choice, mutation
from api.domains.common import check_id
from api.domains.purchase_limit import PurchaseIdentifiers, PurchaseLimit, PurchaseLimitRequest, answer_of, asked_of
from api.errors import ApiError, ErrorCode
from api.scalars import Currency, DecimalText, Instant, instant, minor_units
from graph.errors import StoreProblem
from graph.reserving import Confirm, Outcome, Release
from integrity.checkout_orders import NotRead
from integrity.reservations import OtherContent, Reservation

_DEFAULT_CURRENCY = Currency("CNY")
_FIELDS = {"buyer": "buyerId", "store": "storeId"}


@strawberry.enum(description="What has become of a reservation.")
class PurchaseReservationState(Enum):
    """States, as in integrity.reservations.ReservationState."""

    FREE = choice("FREE", "No limit holds: the order may be placed, and nothing is counted.")
    HELD = choice("HELD", "Counted until `expiresAt`; confirm it when the order is placed.")
    CONFIRMED = choice("CONFIRMED", "The order was placed: counted until its windows end, whatever becomes of it.")
    RELEASED = choice("RELEASED", "Given up: no longer counted. The order id may be reserved anew.")
    EXPIRED = choice("EXPIRED", "Not confirmed in time, and no longer counted: reserve it anew.")
    REFUSED = choice("REFUSED", "It does not fit: `limit` says why. Nothing was taken.")
    UNCOUNTED = choice(
        "UNCOUNTED",
        "The store was not reached in time; by the policy the order may be placed. Counted when the store is back.",
    )
    NONE = choice(
        "NONE", "Nothing is known of the order: never reserved, of an account without limits, or ended long ago."
    )


@strawberry.input(description="One of several items of an order.")
class PurchaseItem:
    """An item and how many of it."""

    sku: str = strawberry.field(description="The item.")
    quantity: int = strawberry.field(default=1, description="Pieces of it.")


@strawberry.input(description="An order that is about to be placed.")
class PurchaseOrder:
    """What is reserved."""

    order_id: strawberry.ID = strawberry.field(
        description="The order's own id: the same id again is the same reservation, and is counted once."
    )
    buyer_id: strawberry.ID = strawberry.field(description="Who buys.")
    store_id: strawberry.ID = strawberry.field(description="Where.")
    amount: DecimalText = strawberry.field(description="What it costs.")
    currency: Currency = strawberry.field(default=_DEFAULT_CURRENCY, description="The currency of the amount.")
    sku: str | None = strawberry.field(default=None, description="The item.")
    quantity: int = strawberry.field(default=1, description="Pieces of that item.")
    items: list[PurchaseItem] | None = strawberry.field(
        default=None, description="The items, in place of `sku` and `quantity`, where there are several; at most 100."
    )
    identifiers: PurchaseIdentifiers | None = strawberry.field(
        default=None, description="What the purchase comes with: they judge an account never seen, and name the door."
    )


@strawberry.type(description="A reservation as it stands now.")
class PurchaseReservation:
    """An answer to a reservation, a confirmation or a release."""

    order_id: strawberry.ID = strawberry.field(description="The order.")
    state: PurchaseReservationState = strawberry.field(description="What has become of it.")
    changed: bool = strawberry.field(description="Whether this very request changed anything.")
    expires_at: Instant | None = strawberry.field(description="When the hold ends, or ended.")
    limit: PurchaseLimit | None = strawberry.field(
        description="The answer at checkout, to a reservation; where it is held, what remains after the purchase."
    )


_STATE = {one.value: one for one in PurchaseReservationState}


def _answer(reservation: Reservation, buyer_id: str = "") -> PurchaseReservation:
    return PurchaseReservation(
        order_id=strawberry.ID(reservation.order_id),
        state=_STATE[reservation.state.value],
        changed=reservation.changed,
        expires_at=instant(reservation.expires_at),
        limit=None if reservation.limit is None else answer_of(buyer_id, reservation.limit),
    )


async def _outcome(future: Future[Outcome] | None, seconds: float) -> Outcome | None:
    """What came of it; None where the store is not reached within so many seconds."""
    if future is None:
        return None
    waited = asyncio.wrap_future(future)
    await asyncio.wait({waited}, timeout=seconds)
    if not waited.done():
        waited.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody is left to hear of it
        return None
    try:
        return waited.result()
    except StoreProblem:
        return None


def _items(context: Context, order: PurchaseOrder) -> tuple[tuple[str, int], ...]:
    most = context.settings.max_batch
    found = order.items or []
    if len(found) > most:
        raise ApiError(ErrorCode.TOO_EXPENSIVE, f"an order names at most {most} items")
    return tuple((check_id(item.sku, "sku"), item.quantity) for item in found)


async def _reserve(context: Context, order: PurchaseOrder) -> PurchaseReservation:
    amount = minor_units(order.amount, order.currency, where="amount")
    items = _items(context, order)
    question = PurchaseLimitRequest(
        buyer_id=order.buyer_id,
        store_id=order.store_id,
        sku=order.sku,
        quantity=sum(pieces for _, pieces in items) if items else order.quantity,
        currency=order.currency,
        order_id=order.order_id,
        identifiers=order.identifiers,
    )
    published = context.view.published
    judged = published is not None and order.buyer_id in published.decisions and order.buyer_id not in published.limited
    if order.identifiers is None or published is None or judged:
        asked = asked_of(context, question, amount=amount)
    else:  # keying an address takes longer than all the rest: others are answered meanwhile
        asked = await asyncio.to_thread(asked_of, context, question, amount=amount)
    asked = replace(asked, items=items)
    desk, now = context.state.reservations, context.state.now()
    try:
        planned = desk.plan(asked, now=now, published=published, reading=False)
    except NotRead:
        planned = await asyncio.to_thread(desk.plan, asked, now=now, published=published)
    if isinstance(planned, Reservation):
        return _answer(planned, asked.buyer_id)
    weighed, act = planned
    future = desk.submit(act, now=now)
    outcome = await _outcome(future, desk.patience())
    try:
        return _answer(desk.reserved(weighed, outcome, future, now=now), asked.buyer_id)
    except OtherContent as error:
        raise _conflict(context, error) from error


async def _settle(context: Context, act: Confirm | Release) -> PurchaseReservation:
    desk = context.state.reservations
    outcome = await _outcome(desk.submit(act, now=context.state.now()), desk.patience())
    try:
        return _answer(desk.settled(act.order_id, outcome))
    except OtherContent as error:
        raise _conflict(context, error) from error


def _conflict(context: Context, error: OtherContent) -> ApiError:
    # what another store's order holds is not told to a token for one store
    if context.token.store_id not in (None, error.record.what.get("store")):
        return ApiError(ErrorCode.FORBIDDEN, "the order is another store's", status=403)
    what = _FIELDS.get(error.field, error.field)
    return ApiError(
        ErrorCode.CONFLICT,
        f"the order id is reserved with another {what}; release that reservation first, or use the order's own id",
    )


def _expected(context: Context, order_id: str) -> dict[str, Any]:
    check_id(order_id, "orderId")
    return {} if context.token.store_id is None else {"store": context.token.store_id}


@strawberry.type
class ReservationMutation:
    """Mutations of the order service."""

    @mutation(
        "Reserve a purchase before its order is placed: what it takes of each allowance, all together or nothing."
    )
    async def reserve_purchase(
        self,
        info: Info,
        order: Annotated[PurchaseOrder, strawberry.argument(description="The order.")],
    ) -> PurchaseReservation:
        """Hold a purchase until it is confirmed, released or too old."""
        return await _reserve(info.context, order)

    @mutation("Confirm a reservation: the order was placed, and counts until its windows end.")
    async def confirm_purchase(
        self,
        info: Info,
        order_id: Annotated[strawberry.ID, strawberry.argument(description="The order.")],
        amount: Annotated[
            DecimalText | None,
            strawberry.argument(description="What was paid; where given it must be what was reserved."),
        ] = None,
        currency: Annotated[
            Currency, strawberry.argument(description="The currency of the amount.")
        ] = _DEFAULT_CURRENCY,
    ) -> PurchaseReservation:
        """Count a purchase for good."""
        expects = _expected(info.context, order_id)
        if amount is not None:
            expects |= {"amount": minor_units(amount, currency, where="amount"), "currency": currency}
        return await _settle(info.context, Confirm(order_id, expects))

    @mutation("Release a reservation: the order was given up before it was placed, and stops counting at once.")
    async def release_purchase(
        self,
        info: Info,
        order_id: Annotated[strawberry.ID, strawberry.argument(description="The order.")],
    ) -> PurchaseReservation:
        """Give back what a purchase holds."""
        return await _settle(info.context, Release(order_id, _expected(info.context, order_id)))
