"""What a buyer may buy now: the pure part of the checkout answer.

`standing` says which limits hold, or answers where none does; `judge` answers from what they leave. Both look at
nothing but their arguments, `now` included, so that every defined situation can be tried on paper: no run yet, a stale
run, a buyer never judged, limits elsewhere, expired limits, a currency without a rule. `allowances` says what each
limit leaves, `checkout_desk` brings the arguments from the store.

Windows roll: `per day` is the last 24 hours up to `now`, `per 30 days` the last 30 times 24 hours. An order counts
from the moment it was placed, whatever became of it. The order that is asked about never counts against itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from integrity.instants import DAY
from integrity.policy import Checkout, Policy


class Status(StrEnum):
    """What a decision makes of an account."""

    CLEAR = "CLEAR"
    WATCH = "WATCH"
    STORE_LIMITED = "STORE_LIMITED"
    PLATFORM_LIMITED = "PLATFORM_LIMITED"


class Verdict(StrEnum):
    """ALLOW: as asked. ALLOW_UP_TO: a smaller purchase, up to what remains. DENY: nothing now."""

    ALLOW = "ALLOW"
    ALLOW_UP_TO = "ALLOW_UP_TO"
    DENY = "DENY"


class Scope(StrEnum):
    """Where the limit holds that the answer rests on."""

    NONE = "NONE"
    STORE = "STORE"
    PLATFORM = "PLATFORM"


class Reason(StrEnum):
    """Why the answer is what it is. One reason an answer; where several hold, the one that decided."""

    NOT_LIMITED = "NOT_LIMITED"
    """The account was judged and is not limited."""
    LIMITED_ELSEWHERE = "LIMITED_ELSEWHERE"
    """The account's limits hold at other stores."""
    LIMIT_EXPIRED = "LIMIT_EXPIRED"
    """The account's limits have ended."""
    NEW_ACCOUNT = "NEW_ACCOUNT"
    """No run has judged the account, and nothing speaks against it."""
    KNOWN_IDENTIFIER = "KNOWN_IDENTIFIER"
    """No run has judged the account, but it comes with an identifier of limited accounts; what is asked fits."""
    WITHIN_LIMIT = "WITHIN_LIMIT"
    """The account is limited, and what is asked fits."""
    CURRENCY_WITHOUT_RULE = "CURRENCY_WITHOUT_RULE"
    """The account is limited and the order counts leave room; the policy has no amount for the currency."""
    ORDER_LIMIT = "ORDER_LIMIT"
    """No order is left in the window."""
    AMOUNT_LIMIT = "AMOUNT_LIMIT"
    """More is asked for than the window leaves, or no amount was named."""
    QUANTITY_LIMIT = "QUANTITY_LIMIT"
    """More pieces are asked for than one order may hold, or than the window leaves."""
    NO_RUN = "NO_RUN"
    """No run has been published yet; the policy's `when_no_run` answers."""
    STALE_RUN = "STALE_RUN"
    """The published run is older than the policy allows; its `when_stale` answers."""
    STORE_UNREACHABLE = "STORE_UNREACHABLE"
    """What was bought before could not be read or counted in time; the policy's `when_unreachable` answers."""


class Measure(StrEnum):
    """The limit that leaves least."""

    ORDERS_PER_DAY = "ORDERS_PER_DAY"
    ORDERS_PER_30_DAYS = "ORDERS_PER_30_DAYS"
    AMOUNT_PER_DAY = "AMOUNT_PER_DAY"
    AMOUNT_PER_30_DAYS = "AMOUNT_PER_30_DAYS"
    QUANTITY_PER_ITEM = "QUANTITY_PER_ITEM"
    UNITS_PER_DAY = "UNITS_PER_DAY"
    UNITS_PER_30_DAYS = "UNITS_PER_30_DAYS"


class Whose(StrEnum):
    """Whose allowance a limit is: the account's own, or one that limited accounts share."""

    ACCOUNT = "ACCOUNT"
    DOOR = "DOOR"
    RING = "RING"


class Left(NamedTuple):
    """What one limit leaves of a purchase, before it, never below zero; `asked` is what the purchase takes of it, None
    for an order or an amount."""

    measure: Measure
    whose: Whose
    left: int
    asked: int | None = None


@dataclass(frozen=True, slots=True)
class PurchaseRequest:
    """What the order service asks. `amount` in minor units of `currency`, None where it is not known yet; `order_id`
    where the order exists already; `identifiers` are row ids such as `device:4f…`, keyed at the door. An order of
    several items names them in `items`, as (item, pieces), and all their pieces in `quantity`."""

    buyer_id: str
    store_id: str
    sku: str | None = None
    quantity: int = 1
    amount: int | None = None
    currency: str = "CNY"
    order_id: str | None = None
    identifiers: tuple[str, ...] = ()
    items: tuple[tuple[str, int], ...] = ()

    @property
    def by_item(self) -> dict[str, int]:
        """Pieces of each item that is named."""
        found: dict[str, int] = {}
        for sku, pieces in self.items or (((self.sku, self.quantity),) if self.sku is not None else ()):
            found[sku] = found.get(sku, 0) + pieces
        return found

    @property
    def most_of_one(self) -> int:
        """Pieces of the item of which there are most; all of them where no item is named."""
        return max(self.by_item.values(), default=self.quantity)


@dataclass(frozen=True, slots=True)
class PurchaseAnswer:
    """What is answered. `remaining_*` are what the limits leave before this purchase (None: no limit), in orders and
    in minor units of `currency`; `max_quantity` is the pieces that the order may hold. `binding` is the limit that
    leaves least, `binding_of` whose it is. `expires_at` is when the limit ends; `run_id` what it rests on;
    `counted_until` the instant up to which files were taken in."""

    verdict: Verdict
    reason: Reason
    scope: Scope
    status: Status | None
    currency: str
    remaining_orders: int | None = None
    remaining_amount: int | None = None
    max_quantity: int | None = None
    binding: Measure | None = None
    expires_at: int | None = None
    run_id: str | None = None
    stale: bool = False
    counted_until: int | None = None
    binding_of: Whose | None = None


class AccountDecision(NamedTuple):
    """The limits of one decision, as checkout needs them; amounts are (a day, 30 days) by currency of the decision."""

    status: Status
    orders_1d: int | None = None
    orders_30d: int | None = None
    amount_1d: int | None = None
    amount_30d: int | None = None
    quantity: int | None = None
    currency: str | None = None
    store_ids: frozenset[str] = frozenset()
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The run that answers rest on, and the policy that it used."""

    run_id: str
    as_of: int
    finished_at: int
    policy: Policy


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits in force for one request. `stores` None: orders at all stores count; else those at these."""

    scope: Scope
    status: Status | None
    stores: frozenset[str] | None
    orders_1d: int | None
    orders_30d: int | None
    amount_1d: int | None
    amount_30d: int | None
    quantity: int | None
    expires_at: int | None
    stale: bool


class CountedOrder(NamedTuple):
    """One order, as far as limits look at it. `items` are (sku, pieces) where the order has rows of its own for them;
    else `sku` and `quantity` stand for it."""

    order_id: str
    store_id: str
    placed_at: int
    amount: int
    currency: str
    quantity: int = 1
    sku: str | None = None
    address: bytes | None = None
    items: tuple[tuple[str, int], ...] = ()
    buyer_id: str = ""


def standing(
    request: PurchaseRequest,
    decision: AccountDecision | None,
    run: RunFacts | None,
    checkout: Checkout,
    *,
    now: int,
    suspect: bool = False,
) -> Caps | PurchaseAnswer:
    """The limits in force for a request, or the answer itself where no limit is.

    `decision` is None for a buyer that the run has not judged; `suspect` then says that an identifier of the request
    speaks against it. `checkout` is the policy section in force now; limits come from the policy of the run."""
    if run is None:
        return _settled(request, checkout.when_no_run == "allow", Reason.NO_RUN)
    stale = now - run.finished_at > checkout.run_max_age_hours * (DAY // 24)
    if stale and checkout.when_stale != "keep":
        status = decision.status if decision is not None else None
        return _settled(
            request, checkout.when_stale == "allow", Reason.STALE_RUN, status=status, run_id=run.run_id, stale=True
        )
    if decision is None:
        expires_at = run.as_of + run.policy.limits.expire_after_days * DAY
        if not suspect or now >= expires_at:
            return _allowed(request, Reason.NEW_ACCOUNT, None, run, stale)
        limits = run.policy.limits.new_account
        day, month = limits.minor(request.currency)
        return Caps(
            scope=Scope.PLATFORM,
            status=None,
            stores=None,
            orders_1d=limits.orders_per_day,
            orders_30d=limits.orders_per_30_days,
            amount_1d=day,
            amount_30d=month,
            quantity=limits.quantity_per_item,
            expires_at=expires_at,
            stale=stale,
        )
    if decision.status in (Status.CLEAR, Status.WATCH):
        return _allowed(request, Reason.NOT_LIMITED, decision.status, run, stale)
    if decision.expires_at is not None and now >= decision.expires_at:
        return _allowed(request, Reason.LIMIT_EXPIRED, decision.status, run, stale)
    at_stores = decision.status is Status.STORE_LIMITED
    if at_stores and request.store_id not in decision.store_ids:
        return _allowed(request, Reason.LIMITED_ELSEWHERE, decision.status, run, stale)
    if request.currency == decision.currency:
        day, month = decision.amount_1d, decision.amount_30d
    else:
        scopes = run.policy.limits
        day, month = (scopes.store if at_stores else scopes.platform).minor(request.currency)
    return Caps(
        scope=Scope.STORE if at_stores else Scope.PLATFORM,
        status=decision.status,
        stores=decision.store_ids if at_stores else None,
        orders_1d=decision.orders_1d,
        orders_30d=decision.orders_30d,
        amount_1d=day,
        amount_30d=month,
        quantity=decision.quantity,
        expires_at=decision.expires_at,
        stale=stale,
    )


_ORDERS = (Measure.ORDERS_PER_DAY, Measure.ORDERS_PER_30_DAYS)
_AMOUNTS = (Measure.AMOUNT_PER_DAY, Measure.AMOUNT_PER_30_DAYS)
_UNITS = (Measure.UNITS_PER_DAY, Measure.UNITS_PER_30_DAYS)


def judge(request: PurchaseRequest, caps: Caps, limits: Sequence[Left], run: RunFacts) -> PurchaseAnswer:
    """The answer to a request where limits are in force, from what each of them leaves."""
    orders, amount, units = (_tightest(limits, measures) for measures in (_ORDERS, _AMOUNTS, _UNITS))
    if caps.quantity is not None:
        one_item = Left(Measure.QUANTITY_PER_ITEM, Whose.ACCOUNT, caps.quantity, request.most_of_one)
        limits = [one_item, *limits]
    by_pieces = [one for one in limits if one.measure in (Measure.QUANTITY_PER_ITEM, *_UNITS)]
    too_many = [one for one in by_pieces if _pieces(one, request) > one.left]
    pieces = min(too_many or by_pieces, key=lambda one: one.left, default=None)
    asked = request.amount
    binding: Left | None
    if orders is not None and orders.left == 0:
        verdict, reason, binding = Verdict.DENY, Reason.ORDER_LIMIT, orders
    elif amount is not None and (asked is None or asked > amount.left):
        verdict = Verdict.ALLOW_UP_TO if amount.left > 0 else Verdict.DENY
        reason, binding = Reason.AMOUNT_LIMIT, amount
    elif too_many and pieces is not None:
        verdict = Verdict.ALLOW_UP_TO if pieces.left > 0 else Verdict.DENY
        reason, binding = Reason.QUANTITY_LIMIT, pieces
    else:
        verdict, binding = Verdict.ALLOW, orders or amount or units
        if amount is None:
            reason = Reason.CURRENCY_WITHOUT_RULE
        else:
            reason = Reason.KNOWN_IDENTIFIER if caps.status is None else Reason.WITHIN_LIMIT
    if verdict is Verdict.ALLOW_UP_TO and pieces is not None and pieces.left == 0:
        verdict, reason, binding = Verdict.DENY, Reason.QUANTITY_LIMIT, pieces
    return PurchaseAnswer(
        verdict=verdict,
        reason=reason,
        scope=caps.scope,
        status=caps.status,
        currency=request.currency,
        remaining_orders=None if orders is None else orders.left,
        remaining_amount=None if amount is None else amount.left,
        max_quantity=None if pieces is None else pieces.left,
        binding=None if binding is None else binding.measure,
        binding_of=None if binding is None else binding.whose,
        expires_at=caps.expires_at,
        run_id=run.run_id,
        stale=caps.stale,
    )


def unreachable(request: PurchaseRequest, checkout: Checkout, run: RunFacts | None) -> PurchaseAnswer:
    """The answer where what was bought before can't be told in time."""
    if checkout.when_unreachable == "by_amount":
        most = checkout.unreachable_minor(request.currency)
        allow = most is not None and request.amount is not None and request.amount <= most
    else:
        allow = checkout.when_unreachable == "allow"
    return _settled(request, allow, Reason.STORE_UNREACHABLE, run_id=None if run is None else run.run_id)


def _pieces(limit: Left, request: PurchaseRequest) -> int:
    return request.quantity if limit.asked is None else limit.asked


def _tightest(limits: Sequence[Left], measures: tuple[Measure, ...]) -> Left | None:
    """Of the limits of these measures the one that leaves least; the first named where several do."""
    return min((one for one in limits if one.measure in measures), key=lambda one: one.left, default=None)


def _settled(
    request: PurchaseRequest,
    allow: bool,
    reason: Reason,
    *,
    status: Status | None = None,
    run_id: str | None = None,
    stale: bool = False,
) -> PurchaseAnswer:
    return PurchaseAnswer(
        verdict=Verdict.ALLOW if allow else Verdict.DENY,
        reason=reason,
        scope=Scope.NONE if allow else Scope.PLATFORM,
        status=status,
        currency=request.currency,
        remaining_orders=None if allow else 0,
        run_id=run_id,
        stale=stale,
    )


def _allowed(
    request: PurchaseRequest, reason: Reason, status: Status | None, run: RunFacts, stale: bool
) -> PurchaseAnswer:
    return PurchaseAnswer(
        Verdict.ALLOW,
        Reason.STALE_RUN if stale else reason,
        Scope.NONE,
        status,
        request.currency,
        run_id=run.run_id,
        stale=stale,
    )
