"""A basket of several items at checkout: what may be bought of each item alone, and whether all of it may.

A basket becomes one order a store. Each is judged after what the ones before it would take, so that together they pass
no limit that they share; what one store may not have says nothing about the others. Nothing is taken: `reservations`
does that, order by order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graph.errors import StoreProblem
from integrity.checkout import PurchaseAnswer, PurchaseRequest, Scope, Verdict
from integrity.checkout_bounds import Late
from integrity.checkout_desk import CheckoutDesk, Weighed
from integrity.checkout_view import PublishedRun


@dataclass(frozen=True, slots=True)
class BasketItem:
    """One item, of which so many pieces are bought at a store. `amount` in minor units of the basket's currency, None
    where it is not known."""

    store_id: str
    sku: str | None
    quantity: int
    amount: int | None


@dataclass(frozen=True, slots=True)
class BasketAnswer:
    """`whole` is the answer to all items together: of the first store's order that is refused, cut short, or limited at
    all. `items` are the answers to each alone, in the order asked."""

    whole: PurchaseAnswer
    items: tuple[PurchaseAnswer, ...]


def orders_of(request: PurchaseRequest, items: Sequence[BasketItem]) -> list[PurchaseRequest]:
    """One order a store, stores in the order in which they are first named. An amount that is not known of one item is
    not known of its order."""
    orders = []
    for store_id in dict.fromkeys(item.store_id for item in items):
        mine = [item for item in items if item.store_id == store_id]
        amounts = [item.amount for item in mine if item.amount is not None]
        named = tuple((item.sku, item.quantity) for item in mine if item.sku is not None)
        orders.append(
            replace(
                request,
                store_id=store_id,
                sku=None,
                quantity=sum(item.quantity for item in mine),
                amount=sum(amounts) if len(amounts) == len(mine) else None,
                items=named,
            )
        )
    return orders


def answer_basket(
    desk: CheckoutDesk,
    request: PurchaseRequest,
    items: Sequence[BasketItem],
    *,
    now: int,
    published: PublishedRun | None = None,
) -> BasketAnswer:
    """The answers to a basket of at least one item; `request` names the buyer, the currency and the identifiers.

    Cost: one look at the store for all of them, and none where memory alone answers. Where the store does not answer
    within the policy's deadline, the policy says what then, to each."""
    alone = [
        replace(request, store_id=one.store_id, sku=one.sku, quantity=one.quantity, amount=one.amount, items=())
        for one in items
    ]
    asked = [*alone, *orders_of(request, items)]
    known = [desk.at_once(one, now=now, published=published) for one in asked]
    if None in known:
        try:
            known = desk.within_deadline(lambda: _of_store(desk, asked, len(alone), now, published))
            desk.counts.add("asked_of_store")
        except (Late, StoreProblem):
            known = [desk.unreachable(one, now=now, published=published) for one in asked]
    answers = [one for one in known if one is not None]
    return BasketAnswer(min(answers[len(alone) :], key=_mildness), tuple(answers[: len(alone)]))


def _of_store(
    desk: CheckoutDesk, asked: Sequence[PurchaseRequest], alone: int, now: int, published: PublishedRun | None
) -> list[PurchaseAnswer | None]:
    found = [desk.weigh(one, now=now, published=published) for one in asked]
    weighed = [one for one in found if isinstance(one, Weighed)]
    taken = iter(desk.taken(weighed, now=now))
    before: dict[tuple[str, str], int] = {}
    answers: list[PurchaseAnswer | None] = []
    for number, one in enumerate(found):
        if isinstance(one, PurchaseAnswer):
            answers.append(one)
            continue
        used = next(taken)
        if number < alone:
            answers.append(desk.dated(one.judge(used), now))
            continue
        more = [total + before.get(line.place, 0) for line, total in zip(one.lines, used, strict=True)]
        answers.append(desk.dated(one.judge(more), now))
        for line in one.lines:
            before[line.place] = before.get(line.place, 0) + line.asked
    return answers


def _mildness(answer: PurchaseAnswer) -> tuple[int, bool]:
    order = (Verdict.DENY, Verdict.ALLOW_UP_TO, Verdict.ALLOW)
    return order.index(answer.verdict), answer.scope is Scope.NONE
