"""What a store sees of the platform: itself and the claims made on its own orders.

These types are narrow on purpose and share no object type with what investigators see. Nothing here leads to a buyer,
to another store or to a finding; `tests/api/test_my_store.py` walks every path.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import strawberry

from api.context import Context, Info
from api.describe import resolver
from api.domains.common import After, First, check_id, page_rows
from api.domains.policy import StoreEntitlementList, entitlement_list
from api.domains.rates import Days, MyRates, Until, rates_for_store
from api.domains.refund import ComplaintOutcome, ComplaintType, RefundKind, RefundOutcome
from api.domains.remedy import MyRemedy, remedies_for_store
from api.pages import DEFAULT_PAGE, Connection, Direction, page_of
from api.scalars import Instant, Money, instant, money
from api.view import Row
from graph.errors import NotFound


@strawberry.type(description="The store's own report of a claim.")
class MyComplaint:
    """One row of complaints, as its store sees it."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    filed_at: Instant = strawberry.field(description="When.")
    type: ComplaintType = strawberry.field(description="What is reported.")
    outcome: ComplaintOutcome = strawberry.field(description="What became of it.")
    outcome_at: Instant | None = strawberry.field(description="Since when.")


@strawberry.type(description="A claim on an order of the store; who made it stays with the platform.")
class MyClaim:
    """One row of refunds, as its store sees it."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    order_id: strawberry.ID = strawberry.field(description="The store's order that it is about.")
    requested_at: Instant = strawberry.field(description="When it was made.")
    kind: RefundKind = strawberry.field(description="What it asks for.")
    reason: str | None = strawberry.field(description="The buyer's reason code.")
    amount: Money | None = strawberry.field(description="What is asked back: the order's amount where none is named.")
    freight_covered: bool | None = strawberry.field(description="Whether return-freight cover paid the way back.")
    shipped_weight_g: float | None = strawberry.field(description="What went out, grams.")
    return_weight_g: float | None = strawberry.field(description="What came back, grams.")
    outcome: RefundOutcome = strawberry.field(description="What became of it.")
    outcome_at: Instant | None = strawberry.field(description="Since when; null counts from the request.")

    @resolver("The store's reports about it, by id.")
    async def complaints(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[MyComplaint]:
        """Complaints, batched and paged."""
        rows = await info.context.many("complaints", "refund_id").load(self.id)
        rows = info.context.state.affairs.complaints.over(self.id, rows)
        cut, page = page_rows(info.context, f"my:complaints:{self.id}", rows, "complaint_id", first=first, after=after)
        return page.of([_complaint(row) for row in cut])

    @resolver("What is done about it, as far as the store's score entitles it to that.")
    def remedies(self, info: Info) -> list[MyRemedy]:
        """Remedies for the claim, in the store's words."""
        return remedies_for_store(info.context, self.id)


@strawberry.type(description="The store that the token speaks for, as it sees itself.")
class MyStore:
    """One row of stores, as the store sees it."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    category: str | None = strawberry.field(description="What it sells.")
    experience_score: float | None = strawberry.field(description="The platform's score of the store, 0 to 5.")
    opened_at: Instant | None = strawberry.field(description="When it opened.")
    freight_cover: str | None = strawberry.field(description="`all`, `selected` or `none`: return-freight cover.")

    @resolver("Its rates over a window, as they are and without proven abuse; null before its first order.")
    def rates(self, info: Info, days: Days = None, until: Until = None) -> MyRates | None:
        """Rates."""
        try:
            return rates_for_store(info.context, days, until)
        except NotFound:
            return None

    @resolver("What the store is entitled to by its score: remedies, complaints, warnings.")
    def entitlements(self, info: Info) -> StoreEntitlementList:
        """By the policy of the published run, at the instant that is answered for."""
        return entitlement_list(info.context, self.experience_score)

    @resolver("Claims on its orders, latest first.")
    async def claims(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[MyClaim]:
        """Claims, paged, then read in one go."""
        context = info.context
        known = context.view.store_claims.get(context.own_store, [])
        page = page_of(
            f"my:claims:{context.own_store}",
            [refund for refund, _ in known],
            first=first,
            after=after,
            limit=context.settings.max_page,
            keys=np.array([at for _, at in known], dtype=np.int64),
            direction=Direction.DESC,
        )
        found = [await _own_claim(context, known[number][0]) for number in page.rows]
        return page.of([one for one in found if one is not None])


def _complaint(row: Row) -> MyComplaint:
    return MyComplaint(
        id=row["complaint_id"],
        filed_at=Instant(row["filed_at"]),
        type=ComplaintType(row["type"]),
        outcome=ComplaintOutcome(row["outcome"]),
        outcome_at=instant(row["outcome_at"]),
    )


async def own_refund(context: Context, refund_id: str) -> tuple[Row, Row] | None:
    """The rows of a claim and its order, batched; None where it is not the token's store's or there is none: the two
    are not told apart."""
    row = await context.one("refunds", "refund_id").load(refund_id)
    order = None if row is None else await context.one("orders", "order_id").load(row["order_id"])
    if row is None or order is None or order["store_id"] != context.own_store:
        return None
    return row, order


async def _own_claim(context: Context, refund_id: str) -> MyClaim | None:
    context.saw("refund", refund_id)
    found = await own_refund(context, refund_id)
    if found is None:
        return None
    row, order = found
    return MyClaim(
        id=row["refund_id"],
        order_id=row["order_id"],
        requested_at=Instant(row["requested_at"]),
        kind=RefundKind(row["kind"]),
        reason=row["reason"],
        amount=money(row["amount"] if row["amount"] is not None else order["amount"], order["currency"]),
        freight_covered=row["freight_covered"],
        shipped_weight_g=row["shipped_weight_g"],
        return_weight_g=row["return_weight_g"],
        outcome=RefundOutcome(row["outcome"]),
        outcome_at=instant(row["outcome_at"]),
    )


@strawberry.type
class MyStoreQuery:
    """Root fields of a store."""

    @resolver("The store that the token speaks for.")
    async def my_store(self, info: Info) -> MyStore:
        """The store; one that only orders name has an id and nothing else."""
        store_id = info.context.own_store
        row = await info.context.one("stores", "store_id").load(store_id) or {}
        return MyStore(
            id=strawberry.ID(store_id),
            category=row.get("category"),
            experience_score=row.get("experience_score"),
            opened_at=instant(row.get("opened_at")),
            freight_cover=row.get("freight_cover"),
        )

    @resolver("One claim on an order of the store; null where there is none of that id.")
    async def my_claim(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The platform's id of the claim.")],
    ) -> MyClaim | None:
        """A claim of the store's own."""
        return await _own_claim(info.context, check_id(id_, "a claim's id"))
