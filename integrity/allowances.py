"""The limits that one purchase is held against, each with its counter: what it allows, what loaded orders used of it,
what the purchase would take.

Pure. An order that was loaded is counted by its row, and its take is left out (`loaded`); so none counts twice, however
many servers see a load at different moments. The account's own limits count under one scope (`platform`, or `stores`
for all stores where they hold together), allowances of the policy under theirs. Keys hold ids as the platform gave
them; whoever names a group says what its owner is counted under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from graph.reserving import Part
from integrity.checkout import (
    AccountDecision,
    Caps,
    CountedOrder,
    Left,
    Measure,
    PurchaseRequest,
    Scope,
    Status,
    Whose,
)
from integrity.instants import DAY
from integrity.policy import Allowance

_SEPARATOR = "\x1f"  # ids hold no control characters
_REMEMBERED_DAYS = 31
"""A take may outlive its order's 30 days by the time between placing and reserving."""
WINDOWS = {"1d": DAY, "30d": 30 * DAY}
_ORDERS = (Measure.ORDERS_PER_DAY, Measure.ORDERS_PER_30_DAYS)
_UNITS = (Measure.UNITS_PER_DAY, Measure.UNITS_PER_30_DAYS)
_AMOUNTS = (Measure.AMOUNT_PER_DAY, Measure.AMOUNT_PER_30_DAYS)


class Line(NamedTuple):
    """One limit of a purchase. `cap` may be taken in `window` under `key`, `used` of it is by loaded orders, `asked` is
    what the purchase takes: 1 order, pieces, or minor units of its currency."""

    measure: Measure
    whose: Whose
    key: str
    window: str
    cap: int
    used: int
    asked: int
    loaded: frozenset[str]

    @property
    def place(self) -> tuple[str, str]:
        """Key and window, as counters are named."""
        return self.key, self.window

    def part(self, now: int) -> Part:
        """What a reservation at `now` takes of it."""
        return Part(self.key, self.window, self.asked, self.cap - self.used, now + WINDOWS[self.window], self.loaded)

    def left(self, taken: int) -> Left:
        """What remains where `taken` is reserved."""
        return Left(self.measure, self.whose, max(self.cap - self.used - taken, 0), self.asked)


class Group(NamedTuple):
    """An allowance that holds for a purchase: whose it is by id, and the loaded orders that count in it."""

    rule: Allowance
    whose: Whose
    owner: str
    orders: Sequence[CountedOrder]


def own_lines(request: PurchaseRequest, caps: Caps, orders: Sequence[CountedOrder], *, now: int) -> list[Line]:
    """The account's own limits; `orders` are all of its orders."""
    counted = [order for order in orders if caps.stores is None or order.store_id in caps.stores]
    scope = "platform" if caps.stores is None else "stores"
    numbers = (
        (_ORDERS, "orders", (caps.orders_1d, caps.orders_30d)),
        (_AMOUNTS, request.currency, (caps.amount_1d, caps.amount_30d)),
    )
    name = (Whose.ACCOUNT.value, request.buyer_id, scope, "")
    return list(_lines(request, Whose.ACCOUNT, name, counted, numbers, now))


def shared_lines(request: PurchaseRequest, group: Group, *, now: int) -> list[Line]:
    """The limits of one allowance."""
    rule = group.rule
    here = [order for order in group.orders if rule.within == "platform" or order.store_id == request.store_id]
    if rule.within != "item":
        place = request.store_id if rule.within == "store" else ""
        return _within(request, group, here, place, None, now)
    return [
        line
        for sku in sorted(request.by_item)
        for line in _within(request, group, [one for one in group.orders if _pieces(one, sku)], sku, sku, now)
    ]


def _within(
    request: PurchaseRequest, group: Group, orders: Sequence[CountedOrder], place: str, item: str | None, now: int
) -> list[Line]:
    """The limits of an allowance at one place: the platform, a store, an item."""
    rule = group.rule
    numbers = (
        (_ORDERS, "orders", (rule.orders_per_day, rule.orders_per_30_days)),
        (_UNITS, "units", (rule.units_per_day, rule.units_per_30_days)),
        (_AMOUNTS, request.currency, rule.minor(request.currency)),
    )
    name = (group.whose.value, group.owner, rule.within, place)
    return list(_lines(request, group.whose, name, orders, numbers, now, item))


def holds(rule: Allowance, caps: Caps, request: PurchaseRequest) -> bool:
    """Whether an allowance of the policy holds for a purchase that limits hold for."""
    if rule.within == "item" and not request.by_item:
        return False
    return rule.within != "platform" or caps.scope is Scope.PLATFORM


def shared_by(order: CountedOrder, rule: Allowance, decision: AccountDecision) -> bool:
    """Whether an order of a limited account counts in an allowance that it shares: those of accounts limited at some
    stores count at these alone."""
    if decision.status is Status.STORE_LIMITED:
        return rule.within != "platform" and order.store_id in decision.store_ids
    return True


def _lines(
    request: PurchaseRequest,
    whose: Whose,
    name: tuple[str, str, str, str],
    orders: Sequence[CountedOrder],
    numbers: Iterable[tuple[tuple[Measure, Measure], str, tuple[int | None, int | None]]],
    now: int,
    item: str | None = None,
) -> Iterator[Line]:
    known = frozenset(order.order_id for order in orders if 0 <= now - order.placed_at < _REMEMBERED_DAYS * DAY)
    for measures, unit, caps in numbers:
        for measure, (window, length), cap in zip(measures, WINDOWS.items(), caps, strict=True):
            if cap is None:
                continue
            used = sum(
                _worth(order, unit, item)
                for order in orders
                if 0 <= now - order.placed_at < length and order.order_id != request.order_id
            )
            pieces = request.quantity if item is None else request.by_item[item]
            asked = 1 if unit == "orders" else pieces if unit == "units" else request.amount or 0
            yield Line(measure, whose, _SEPARATOR.join((*name, unit)), window, cap, used, asked, known)


def _worth(order: CountedOrder, unit: str, item: str | None) -> int:
    """What an order uses of a limit: one order, its pieces, or its amount where the currency is the same."""
    if unit == "orders":
        return 1
    if unit == "units":
        return _pieces(order, item)
    return order.amount if order.currency == unit else 0


def _pieces(order: CountedOrder, item: str | None) -> int:
    """Pieces of one item in an order, or of all."""
    items = order.items or ((order.sku or "", order.quantity),)
    return sum(quantity for sku, quantity in items if item is None or sku == item)
