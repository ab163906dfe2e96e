"""Reserving a purchase: what it takes of which allowances, and what is answered.

A reservation is held for the policy's `hold_minutes`, is confirmed when the order is placed, and then counts until its
windows end; a released one stops counting at once. An account without limits has nothing to reserve: it is answered
from memory and nothing is written. `ReservationDesk` brings `CheckoutDesk` (what limits hold, what loaded orders used)
and `Till` (shared transactions) together, within the policy's deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Waited
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from graph.currencies import EXPONENTS
from graph.errors import BadInput, StoreProblem
from graph.reserving import Confirm, Outcome, Record, Release, Reserve
from integrity.allowances import WINDOWS
from integrity.checkout import PurchaseAnswer, PurchaseRequest, Reason, Verdict
from integrity.checkout_bounds import Late
from integrity.checkout_desk import CheckoutDesk, Weighed
from integrity.checkout_orders import NotRead
from integrity.checkout_view import PublishedRun
from integrity.reservations_till import Till

_MINUTE = 60_000_000
_KEPT = max(WINDOWS.values())
_MOST_WAITING = 10_000
"""Acts that wait at most for a store that is away."""
MAX_AMOUNT = 10**12
"""Minor units of one order: what the input contract allows an amount to have, 12 digits."""


class ReservationState(StrEnum):
    """What has become of a reservation."""

    FREE = "FREE"
    """No limit holds: the order may be placed, and nothing is counted."""
    HELD = "HELD"
    """Counted until `expires_at`; confirm it when the order is placed."""
    CONFIRMED = "CONFIRMED"
    """The order was placed: counted until its windows end."""
    RELEASED = "RELEASED"
    """Given up: no longer counted. The order id may be reserved anew."""
    EXPIRED = "EXPIRED"
    """It was not confirmed in time and is no longer counted: reserve it anew."""
    REFUSED = "REFUSED"
    """It does not fit; the limit says why. Nothing was taken."""
    UNCOUNTED = "UNCOUNTED"
    """The store was not reached in time and the policy lets the order pass. It is counted when the store is back, if it
    comes back to this server and the order then fits."""
    NONE = "NONE"
    """Nothing is known of the order id: never reserved, of an account without limits, or ended long ago."""


@dataclass(frozen=True)
class Reservation:
    """What is answered. `changed`: by this very request. `limit` is there where a purchase was judged; what remains is
    told after the purchase where it is held. Instants are UTC microseconds."""

    order_id: str
    state: ReservationState
    changed: bool = False
    expires_at: int | None = None
    limit: PurchaseAnswer | None = None


class OtherContent(BadInput):
    """An order id names a reservation of something else; `field` is what differs."""

    code = "CONFLICT"

    def __init__(self, order_id: str, field: str, record: Record) -> None:
        self.field, self.record = field, record
        shown = {"buyer": "buyer", "store": "store", "sku": "item", "quantity": "quantity"}.get(field, field)
        super().__init__(
            f"order {order_id} is reserved with another {shown}",
            do="release that reservation first, or use the order's own id",
        )


class ReservationDesk:
    """Reserves, confirms and releases over one store. Safe to use from several threads."""

    def __init__(self, desk: CheckoutDesk, till: Till) -> None:
        self._desk, self._till = desk, till

    # -- for callers that may wait -------------------------------------------------------------------------------------

    def reserve(self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None) -> Reservation:
        """Reserve a purchase. Raises `OtherContent`, `BadInput` for an amount or an order id that can't be."""
        planned = self.plan(request, now=now, published=published)
        if isinstance(planned, Reservation):
            return planned
        weighed, act = planned
        future = self.submit(act, now=now)
        return self.reserved(weighed, self._waited(future), future, now=now)

    def confirm(self, order_id: str, expects: Mapping[str, Any], *, now: int) -> Reservation:
        """Confirm; `expects` are fields of what was reserved that must agree. Raises `OtherContent`, `StoreProblem`."""
        future = self.submit(Confirm(order_id, expects), now=now)
        return self.settled(order_id, self._waited(future))

    def release(self, order_id: str, expects: Mapping[str, Any], *, now: int) -> Reservation:
        """Release; as `confirm`."""
        future = self.submit(Release(order_id, expects), now=now)
        return self.settled(order_id, self._waited(future))

    def _waited(self, future: Future[Outcome] | None) -> Outcome | None:
        if future is None:
            return None
        try:
            return future.result(timeout=self.patience())
        except (Waited, StoreProblem):
            return None

    # -- the same in steps, for callers that have something else to do meanwhile ---------------------------------------

    @property
    def deadline(self) -> float:
        """Seconds for which an answer may wait for the store."""
        return self._desk.checkout.deadline_ms / 1_000

    def plan(
        self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None, reading: bool = True
    ) -> Reservation | tuple[Weighed, Reserve]:
        """What to take for a purchase, or the answer where nothing has to be. Where memory is not enough the store is
        read, within the deadline; or `NotRead` is raised where `reading` is false."""
        _check(request)
        at_once = self._desk.at_once(request, now=now, published=published)
        if at_once is not None:
            return _free(request, at_once)
        try:
            weighed = self._weighed(request, now, published, reading)
        except (Late, StoreProblem):
            return _passed(request, self._desk.unreachable(request, now=now, published=published))
        if isinstance(weighed, PurchaseAnswer):
            return _free(request, weighed)
        if weighed.caps.quantity is not None and request.most_of_one > weighed.caps.quantity:
            # an order that is too large whatever was bought takes nothing
            if not reading:
                raise NotRead
            answer = self._desk.answer(request, now=now, published=published)
            if answer.reason is Reason.STORE_UNREACHABLE:
                return _passed(request, answer)
            self._desk.counts.add("refused")
            return Reservation(_order(request), ReservationState.REFUSED, limit=answer)
        what = {
            "buyer": request.buyer_id,
            "store": request.store_id,
            "sku": request.sku,
            "quantity": request.quantity,
            "amount": request.amount,
            "currency": request.currency,
            "items": [list(item) for item in sorted(request.by_item.items())] if request.items else [],
        }
        parts = tuple(line.part(now) for line in weighed.lines)
        hold = now + self._desk.checkout.hold_minutes * _MINUTE
        return weighed, Reserve(_order(request), what, parts, hold, max(now + _KEPT, hold))

    def _weighed(
        self, request: PurchaseRequest, now: int, published: PublishedRun | None, reading: bool
    ) -> Weighed | PurchaseAnswer:
        try:
            return self._desk.weigh(request, now=now, published=published, reading=False)
        except NotRead:
            if not reading:
                raise
            return self._desk.within_deadline(lambda: self._desk.weigh(request, now=now, published=published))

    def submit(self, act: Reserve | Confirm | Release, *, now: int) -> Future[Outcome] | None:
        """Have it written, as soon as the store can; None where too much waits for it already."""
        return self._till.submit(act, now=now) if self._till.waiting() < _MOST_WAITING else None

    def patience(self) -> float:
        """Seconds for which an outcome is worth waiting for: the deadline, or 0 where the store is late already."""
        return 0.0 if self._till.held_up() > self.deadline else self.deadline

    def reserved(
        self, weighed: Weighed, outcome: Outcome | None, future: Future[Outcome] | None, *, now: int
    ) -> Reservation:
        """The answer to a reservation; `outcome` is None where the store was not reached in time."""
        request = weighed.request
        if outcome is None:
            answer = _passed(request, self._desk.unreachable(request, now=now))
            denied = answer.state is ReservationState.REFUSED
            # what was let pass is written when the store is back, and then counts; what was denied is not, or is undone
            if denied and future is not None and not future.cancel():
                future.add_done_callback(lambda done: self._undo(request, done, now))
            return answer
        if outcome.state == "conflict":
            self._conflict(_order(request), outcome)
        if outcome.state == "refused":
            self._desk.counts.add("refused")
            taken = [line.cap - line.used - left for line, left in zip(weighed.lines, outcome.left, strict=True)]
            limit = self._desk.dated(weighed.judge(taken), now)
            return Reservation(_order(request), ReservationState.REFUSED, limit=limit)
        assert outcome.record is not None  # it is held or confirmed
        if outcome.done:
            self._desk.counts.add("held")
        state = ReservationState.CONFIRMED if outcome.state == "confirmed" else ReservationState.HELD
        return Reservation(
            _order(request),
            state,
            outcome.done,
            outcome.record.hold_until if state is ReservationState.HELD else None,
            self._desk.dated(self._after(weighed, outcome), now),
        )

    def settled(self, order_id: str, outcome: Outcome | None) -> Reservation:
        """The answer to a confirmation or a release. Raises `StoreProblem` where the store was not reached in time:
        asking again is safe."""
        if outcome is None:
            self._desk.counts.add("unreachable_settling")
            raise StoreProblem("the store was not reached in time", do="send it again: it changes nothing twice")
        if outcome.state == "conflict":
            self._conflict(order_id, outcome)
        if outcome.done or outcome.state == "expired":
            self._desk.counts.add(outcome.state)
        state = ReservationState(outcome.state.upper())
        held = outcome.record.hold_until if outcome.record is not None and outcome.state == "expired" else None
        return Reservation(order_id, state, outcome.done, held)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _conflict(self, order_id: str, outcome: Outcome) -> None:
        assert outcome.record is not None  # there is something that it differs from
        self._desk.counts.add("conflict")
        raise OtherContent(order_id, outcome.differs, outcome.record)

    def _undo(self, request: PurchaseRequest, done: Future[Outcome], now: int) -> None:
        if done.exception() is None and done.result().done:
            self._till.submit(Release(_order(request)), now=now)

    def _after(self, weighed: Weighed, outcome: Outcome) -> PurchaseAnswer:
        """ALLOW, with what remains after the purchase: as it was told the first time."""
        assert outcome.record is not None
        granted = {(part.key, part.window): part.left for part in outcome.record.parts}
        known = [line for line in weighed.lines if line.place in granted]
        whole = replace(weighed, lines=tuple(known))
        answer = whole.judge([line.cap - line.used - granted[line.place] for line in known])
        free = weighed.caps.status is None
        reason = Reason.KNOWN_IDENTIFIER if free else Reason.WITHIN_LIMIT
        if answer.remaining_amount is None and not free:
            reason = Reason.CURRENCY_WITHOUT_RULE
        return replace(answer, verdict=Verdict.ALLOW, reason=reason)


def _order(request: PurchaseRequest) -> str:
    assert request.order_id is not None  # checked first
    return request.order_id


def _passed(request: PurchaseRequest, answer: PurchaseAnswer) -> Reservation:
    """What the policy says where the store was not reached in time."""
    denied = answer.verdict is Verdict.DENY
    return Reservation(
        _order(request), ReservationState.REFUSED if denied else ReservationState.UNCOUNTED, limit=answer
    )


def _free(request: PurchaseRequest, answer: PurchaseAnswer) -> Reservation:
    state = ReservationState.REFUSED if answer.verdict is Verdict.DENY else ReservationState.FREE
    return Reservation(_order(request), state, limit=answer)


def _check(request: PurchaseRequest) -> None:
    if not request.order_id:
        raise BadInput("a reservation needs the order's id", do="give orderId")
    if request.amount is None:
        raise BadInput("a reservation needs the order's amount", do="give amount and currency")
    if not 0 <= request.amount < MAX_AMOUNT:
        raise BadInput(
            f"an amount is 0 to {MAX_AMOUNT - 1} minor units, got {request.amount}", do="send the order's own amount"
        )
    if request.currency not in EXPONENTS:
        raise BadInput(f"{request.currency} is no ISO 4217 currency", do="send the currency that the order is paid in")
    if request.items and (request.sku is not None or sum(pieces for _, pieces in request.items) != request.quantity):
        raise BadInput("the items do not add up to the order", do="name either one item or all items with their pieces")
    if request.quantity < 1 or any(pieces < 1 for _, pieces in request.items):
        raise BadInput(f"a quantity is 1 or more, got {request.quantity}", do="send the order's own quantity")
