"""Refund claims with the complaints that stores filed about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.common import After, First, check_id, page_rows
from api.domains.order import Order, order_of
from api.pages import DEFAULT_PAGE, Connection, Direction
from api.scalars import Instant, Money, instant, money
from api.view import Row

if TYPE_CHECKING:
    from api.domains.identifier import Identifier


@strawberry.enum(description="What a claim asks for.")
class RefundKind(Enum):
    """Kinds of claim."""

    REFUND_ONLY = choice("refund_only", "The money back, the goods kept.")
    RETURN_REFUND = choice("return_refund", "The money back against the goods.")


@strawberry.enum(description="Who began a refund.")
class Initiator(Enum):
    """Who began it."""

    BUYER = choice("buyer", "The buyer: a claim.")
    SELLER = choice("seller", "The store: no claim.")
    PLATFORM = choice("platform", "The platform: no claim.")


@strawberry.enum(description="What became of a claim.")
class RefundOutcome(Enum):
    """Outcomes of a claim."""

    APPROVED = choice("approved", "Granted.")
    REJECTED = choice("rejected", "Refused.")
    WITHDRAWN = choice("withdrawn", "Taken back by the buyer.")
    PENDING = choice("pending", "Not decided yet.")


@strawberry.enum(description="What a store reports about a claim.")
class ComplaintType(Enum):
    """Types of complaint."""

    ABNORMAL_REFUND_ONLY = choice("abnormal_refund_only", "Refund-only without cause.")
    SWAPPED_RETURN = choice("swapped_return", "Other goods came back.")
    FALSE_RETURN = choice("false_return", "Nothing, or an empty parcel, came back.")
    FAKE_EVIDENCE = choice("fake_evidence", "The pictures are not of these goods.")


@strawberry.enum(description="What became of a complaint.")
class ComplaintOutcome(Enum):
    """Outcomes of a complaint."""

    UPHELD = choice("upheld", "The store was right.")
    DISMISSED = choice("dismissed", "The store was not right.")
    PENDING = choice("pending", "Not decided yet.")


@strawberry.enum(description="What claims are sorted by.")
class RefundOrder(Enum):
    """Sort keys of claims."""

    REQUESTED_AT = choice("REQUESTED_AT", "When it was made.")
    AMOUNT = choice("AMOUNT", "Minor units asked back, whatever the currency.")
    ID = choice("ID", "The claim's id, by code point.")


@strawberry.input(description="How claims are sorted; ties are in order of id.")
class RefundSort:
    """Sort of claims."""

    by: RefundOrder = strawberry.field(default=RefundOrder.REQUESTED_AT, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")


@strawberry.type(description="A store's report of a claim.")
class Complaint:
    """One row of complaints."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    refund_id: strawberry.ID = strawberry.field(description="The claim complained of.")
    filed_at: Instant = strawberry.field(description="When.")
    type: ComplaintType = strawberry.field(description="What is reported.")
    outcome: ComplaintOutcome = strawberry.field(description="What became of it.")
    outcome_at: Instant | None = strawberry.field(description="Since when.")


@strawberry.type(description="An after-sales claim.")
class Refund:
    """One row of refunds; what the buyer wrote is not stored."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    order_id: strawberry.ID = strawberry.field(description="The order it is about.")
    requested_at: Instant = strawberry.field(description="When it was made.")
    kind: RefundKind = strawberry.field(description="What it asks for.")
    reason: str | None = strawberry.field(description="The buyer's reason code.")
    amount: Money | None = strawberry.field(
        description="What is asked back: the order's amount where none is named; null while the order is unknown."
    )
    initiated_by: Initiator = strawberry.field(description="Who began it.")
    freight_covered: bool | None = strawberry.field(description="Whether return-freight cover paid the way back.")
    pictures: list[str] = strawberry.field(description="64-bit perceptual hashes of its pictures, 16 hex digits each.")
    shipped_weight_g: float | None = strawberry.field(description="What went out, grams.")
    return_weight_g: float | None = strawberry.field(description="What came back, grams.")
    outcome: RefundOutcome = strawberry.field(description="What became of it.")
    outcome_at: Instant | None = strawberry.field(description="Since when; null counts from the request.")
    parcel_key: strawberry.Private[bytes | None]
    order_row: strawberry.Private[Row | None]

    @resolver("The order it is about; null while that is unknown.")
    def order(self, info: Info) -> Order | None:
        """The order, read along with the claim."""
        return None if self.order_row is None else order_of(info.context, self.order_row)

    @resolver("The parcel that came back.")
    async def parcel(self, info: Info) -> Annotated[Identifier, strawberry.lazy("api.domains.identifier")] | None:
        """The parcel's identifier, batched."""
        from api.domains.identifier import load_identifier

        return (
            None if self.parcel_key is None else await load_identifier(info.context, f"parcel:{self.parcel_key.hex()}")
        )

    @resolver("Stores' reports about it, by id.")
    async def complaints(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Complaint]:
        """Complaints, batched and paged."""
        rows = await info.context.many("complaints", "refund_id").load(self.id)
        rows = info.context.state.affairs.complaints.over(self.id, rows)
        cut, page = page_rows(info.context, f"complaints:{self.id}", rows, "complaint_id", first=first, after=after)
        return page.of([complaint_of(row) for row in cut])


def complaint_of(row: Row) -> Complaint:
    """The complaint of a row of complaints."""
    return Complaint(
        id=row["complaint_id"],
        refund_id=row["refund_id"],
        filed_at=Instant(row["filed_at"]),
        type=ComplaintType(row["type"]),
        outcome=ComplaintOutcome(row["outcome"]),
        outcome_at=instant(row["outcome_at"]),
    )


def refund_of(context: Context, row: Row, order: Row | None) -> Refund:
    """The claim of a row of refunds and its order's row; audited, since it is a person's."""
    context.saw("refund", row["refund_id"])
    minor = row["amount"] if row["amount"] is not None else (order or {}).get("amount")
    return Refund(
        id=row["refund_id"],
        order_id=row["order_id"],
        requested_at=Instant(row["requested_at"]),
        kind=RefundKind(row["kind"]),
        reason=row["reason"],
        amount=money(minor, None if order is None else order["currency"]),
        initiated_by=Initiator(row["initiated_by"]),
        freight_covered=row["freight_covered"],
        pictures=row["pictures"] or [],
        shipped_weight_g=row["shipped_weight_g"],
        return_weight_g=row["return_weight_g"],
        outcome=RefundOutcome(row["outcome"]),
        outcome_at=instant(row["outcome_at"]),
        parcel_key=row["parcel"],
        order_row=order,
    )


def refund_page(
    context: Context,
    name: str,
    rows: Sequence[Row],
    orders: Mapping[str, Row],
    sort: RefundSort | None,
    first: int,
    after: str | None,
) -> Connection[Refund]:
    """A page over claims given in order of id; `orders` holds the row of each claim's order by id."""
    sort = sort or RefundSort()

    def amount(row: Row) -> int | None:
        asked: int | None = row["amount"] if row["amount"] is not None else orders[row["order_id"]]["amount"]
        return asked

    key = {RefundOrder.REQUESTED_AT: lambda row: row["requested_at"], RefundOrder.AMOUNT: amount}.get(sort.by)
    cut, page = page_rows(
        context,
        f"{name}:{sort.by.value}",
        rows,
        "refund_id",
        first=first,
        after=after,
        key=key,
        direction=sort.direction,
    )
    return page.of([refund_of(context, row, orders.get(row["order_id"])) for row in cut])


async def load_refund(context: Context, refund_id: str) -> Refund | None:
    """A claim by id, batched, with its order."""
    row = await context.one("refunds", "refund_id").load(refund_id)
    if row is None:
        return None
    return refund_of(context, row, await context.one("orders", "order_id").load(row["order_id"]))


@strawberry.type
class RefundQuery:
    """Root fields about claims."""

    @resolver("One claim by the platform's id; null where there is none.")
    async def refund(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The platform's id.")],
    ) -> Refund | None:
        """A claim."""
        info.context.saw("refund", check_id(id_, "a claim's id"))
        return await load_refund(info.context, id_)
