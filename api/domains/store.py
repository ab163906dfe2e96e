"""Stores of the marketplace, as far as abuse concerns them."""

from __future__ import annotations

from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import resolver
from api.domains.common import After, First, check_id
from api.domains.policy import StoreEntitlementList, entitlement_list
from api.domains.rates import Days, StoreRates, Until, rates_of_store
from api.domains.ring import Ring, RingFilter, RingSort, ring_page
from api.pages import DEFAULT_PAGE, Connection
from api.scalars import Instant, instant
from api.view import Row


@strawberry.type(description="A store of the marketplace.")
class Store:
    """One row of stores; a store that only orders name has an id and nothing else."""

    id: strawberry.ID = strawberry.field(description="The platform's id.")
    category: str | None = strawberry.field(description="What it sells.")
    experience_score: float | None = strawberry.field(description="The platform's score of the store, 0 to 5.")
    opened_at: Instant | None = strawberry.field(description="When it opened.")
    freight_cover: str | None = strawberry.field(description="`all`, `selected` or `none`: return-freight cover.")

    @resolver("Its rates over a window, as they are and without proven abuse.")
    def rates(self, info: Info, days: Days = None, until: Until = None) -> StoreRates:
        """Rates."""
        return rates_of_store(info.context, self.id, days, until)

    @resolver("What the store is entitled to by its score: remedies, complaints, warnings.")
    def entitlements(self, info: Info) -> StoreEntitlementList:
        """By the policy of the published run, at the instant that is answered for."""
        return entitlement_list(info.context, self.experience_score)

    @resolver("Rings that claimed at the store.")
    def rings(
        self,
        info: Info,
        sort: Annotated[RingSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Ring]:
        """Rings, sorted and paged."""
        wanted = RingFilter(store_id=self.id)
        return ring_page(info.context, f"rings:{self.id}", wanted, sort or RingSort(), first, after)


def store_of(store_id: str, row: Row | None) -> Store:
    """The store of a row of stores, or of an id that only orders name."""
    row = row or {}
    return Store(
        id=strawberry.ID(store_id),
        category=row.get("category"),
        experience_score=row.get("experience_score"),
        opened_at=instant(row.get("opened_at")),
        freight_cover=row.get("freight_cover"),
    )


async def load_store(context: Context, store_id: str) -> Store:
    """A store that is known to exist, batched."""
    return store_of(store_id, await context.one("stores", "store_id").load(store_id))


@strawberry.type
class StoreQuery:
    """Root fields about stores."""

    @resolver("One store by the platform's id; null where nobody has heard of it.")
    async def store(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The platform's id.")],
    ) -> Store | None:
        """A store."""
        context = info.context
        row = await context.one("stores", "store_id").load(check_id(id_, "a store's id"))
        if row is None:
            view = context.view
            if not view.store.find(
                "orders", "store_id", [id_], columns=("order_id",), limit=1, known_by=view.head.load
            ).num_rows:
                return None
        return store_of(id_, row)
