"""Orders as placed, with their lines, identifiers and claims."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.account import Account, load_account
from api.domains.common import After, First, check_id, page_rows
from api.domains.store import Store, load_store
from api.pages import DEFAULT_PAGE, Connection, Direction
from api.scalars import Instant, Money, instant, money
from api.view import Row

if TYPE_CHECKING:
    from api.domains.identifier import Identifier
    from api.domains.refund import Refund, RefundSort

ORDER_KEYS = ("device", "ip", "payment", "phone", "recipient", "address")
"""Columns of an order that hold an identifier's key."""


@strawberry.enum(description="What orders are sorted by.")
class OrderOrder(Enum):
    """Sort keys of orders."""

    PLACED_AT = choice("PLACED_AT", "When it was placed.")
    AMOUNT = choice("AMOUNT", "Minor units of its amount, whatever the currency.")
    ID = choice("ID", "The order's id, by code point.")


@strawberry.input(description="How orders are sorted; ties are in order of id.")
class OrderSort:
    """Sort of orders."""

    by: OrderOrder = strawberry.field(default=OrderOrder.PLACED_AT, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")


@strawberry.type(description="A line of an order.")
class OrderItem:
    """One row of order_items."""

    sku: str = strawberry.field(description="The item.")
    quantity: int = strawberry.field(description="Pieces.")
    amount: Money | None = strawberry.field(description="What the line cost, where the platform told.")


@strawberry.type(description="An order as placed.")
class Order:
    """One row of orders."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    placed_at: Instant = strawberry.field(description="When it was placed.")
    amount: Money | None = strawberry.field(description="What it cost.")
    quantity: int = strawberry.field(description="Pieces.")
    sku: str | None = strawberry.field(description="The item, where the order names one.")
    signed_at: Instant | None = strawberry.field(description="When the parcel was signed for.")
    buyer_id: strawberry.ID = strawberry.field(description="Who ordered.")
    store_id: strawberry.ID = strawberry.field(description="Where.")
    row: strawberry.Private[Row]

    @resolver("The account that ordered.")
    async def buyer(self, info: Info) -> Account:
        """The account, batched."""
        return await load_account(info.context, self.buyer_id)

    @resolver("The store.")
    async def store(self, info: Info) -> Store:
        """The store, batched."""
        return await load_store(info.context, self.store_id)

    @resolver("Its lines, by id; empty where the platform exports none.")
    async def items(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[OrderItem]:
        """Lines, batched and paged."""
        rows = await info.context.many("order_items", "order_id").load(self.id)
        cut, page = page_rows(info.context, f"items:{self.id}", rows, "item_id", first=first, after=after)
        currency = self.row["currency"]
        return page.of(
            [OrderItem(sku=row["sku"], quantity=row["quantity"], amount=money(row["amount"], currency)) for row in cut]
        )

    @resolver("Identifiers that it was placed with, by id.")
    async def identifiers(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Annotated[Identifier, strawberry.lazy("api.domains.identifier")]]:
        """Identifiers, batched and paged."""
        from api.domains.identifier import identifier_page

        keys = sorted({key for column in ORDER_KEYS if (key := self.row[column]) is not None})
        return await identifier_page(info.context, f"identifiers:order:{self.id}", keys, first, after)

    @resolver("Claims on it.")
    async def refunds(
        self,
        info: Info,
        sort: Annotated[
            Annotated[RefundSort, strawberry.lazy("api.domains.refund")] | None,
            strawberry.argument(description="Order of the list; latest first where not given."),
        ] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Annotated[Refund, strawberry.lazy("api.domains.refund")]]:
        """Claims, batched and paged."""
        from api.domains.refund import refund_page

        rows = await info.context.many("refunds", "order_id").load(self.id)
        return refund_page(info.context, f"refunds:order:{self.id}", rows, {self.id: self.row}, sort, first, after)


def order_of(context: Context, row: Row) -> Order:
    """The order of a row of orders; audited, since it names a buyer."""
    context.saw("order", row["order_id"])
    context.saw("account", row["buyer_id"])
    return Order(
        id=row["order_id"],
        placed_at=Instant(row["placed_at"]),
        amount=money(row["amount"], row["currency"]),
        quantity=row["quantity"],
        sku=row["sku"],
        signed_at=instant(row["signed_at"]),
        buyer_id=row["buyer_id"],
        store_id=row["store_id"],
        row=row,
    )


def order_page(
    context: Context, name: str, rows: Sequence[Row], sort: OrderSort | None, first: int, after: str | None
) -> Connection[Order]:
    """A page over orders given in order of id."""
    sort = sort or OrderSort()
    column = {OrderOrder.PLACED_AT: "placed_at", OrderOrder.AMOUNT: "amount"}.get(sort.by)
    cut, page = page_rows(
        context,
        f"{name}:{sort.by.value}",
        rows,
        "order_id",
        first=first,
        after=after,
        key=None if column is None else (lambda row: row[column]),
        direction=sort.direction,
    )
    return page.of([order_of(context, row) for row in cut])


@strawberry.type
class OrderQuery:
    """Root fields about orders."""

    @resolver("One order by the platform's id; null where there is none.")
    async def order(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The platform's id.")],
    ) -> Order | None:
        """An order."""
        info.context.saw("order", check_id(id_, "an order's id"))
        row = await info.context.one("orders", "order_id").load(id_)
        return None if row is None else order_of(info.context, row)
