"""Evidence: coincidences and records that speak for or against, down to the source records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any

import numpy as np
import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.account import Account, PastDecision, load_account
from api.domains.common import After, First, In, Language, check_id, need_run, told
from api.domains.identifier import Identifier, load_identifier
from api.domains.order import Order, order_of
from api.domains.refund import Complaint, Refund, complaint_of, load_refund
from api.domains.ring import Ring, ring_by_id
from api.pages import DEFAULT_PAGE, Connection, Direction, page_of
from api.scalars import Instant
from api.view import Row


@strawberry.enum(description="What evidence is sorted by.")
class EvidenceOrder(Enum):
    """Sort keys of evidence."""

    NATS = choice("NATS", "Its weight.")
    ID = choice("ID", "Its id, by code point.")


@strawberry.input(description="How evidence is sorted; ties are in order of id.")
class EvidenceSort:
    """Sort of evidence."""

    by: EvidenceOrder = strawberry.field(default=EvidenceOrder.NATS, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")


@strawberry.input(description="Which evidence is listed: what meets every condition given.")
class EvidenceFilter:
    """Filter of evidence."""

    buyer_id: strawberry.ID | None = strawberry.field(default=None, description="It speaks of this account.")
    ring_id: strawberry.ID | None = strawberry.field(default=None, description="It supports this ring.")
    kind: str | None = strawberry.field(default=None, description="It comes from the detector of this name.")
    identifier_id: strawberry.ID | None = strawberry.field(default=None, description="It rests on this identifier.")
    nats_at_least: float | None = strawberry.field(default=None, description="Its weight is this or more.")


EvidenceSource = Annotated[
    Order | Refund | Complaint | PastDecision,
    strawberry.union("EvidenceSource", description="The record that a piece of evidence rests on."),
]


@strawberry.type(description="One coincidence or record that speaks for or against.")
class Evidence:
    """One row of run_evidence."""

    id: strawberry.ID = strawberry.field(description="Digest of what it states.")
    kind: str = strawberry.field(description="The detector's name.")
    nats: float = strawberry.field(description="Log-likelihood ratio in nats; negative speaks against abuse.")
    buyer_id: strawberry.ID = strawberry.field(description="The account it speaks of.")
    ring_id: strawberry.ID | None = strawberry.field(description="The ring it supports, if any.")
    source_table: str = strawberry.field(description="The table where its record stands.")
    source_id: strawberry.ID = strawberry.field(description="The id of its record.")
    identifier_id: strawberry.Private[str | None]
    stated: strawberry.Private[str]
    fact: strawberry.Private[str | None]

    @resolver("What it states, in a plain sentence.")
    def text(self, language: In = Language.EN) -> str:
        """The sentence."""
        return told([self.stated], [self.fact] if self.fact else None, language)[0]

    @resolver("The account it speaks of.")
    async def account(self, info: Info) -> Account:
        """The account, batched."""
        return await load_account(info.context, self.buyer_id)

    @resolver("The ring it supports, if any.")
    def ring(self, info: Info) -> Ring | None:
        """The ring."""
        return None if self.ring_id is None else ring_by_id(info.context, self.ring_id)

    @resolver("The shared identifier it rests on, if any.")
    async def identifier(self, info: Info) -> Identifier | None:
        """The identifier, batched."""
        return None if self.identifier_id is None else await load_identifier(info.context, self.identifier_id)

    @resolver("Its record: null where the record is of another kind (a buyer, a use) or is no longer there.")
    async def source(self, info: Info) -> EvidenceSource | None:
        """The source record, batched."""
        context = info.context
        if self.source_table == "orders":
            row = await context.one("orders", "order_id").load(self.source_id)
            return None if row is None else order_of(context, row)
        if self.source_table == "refunds":
            return await load_refund(context, self.source_id)
        if self.source_table == "complaints":
            row = await context.one("complaints", "complaint_id").load(self.source_id)
            return None if row is None else complaint_of(row)
        if self.source_table == "past_decisions":
            row = await context.one("past_decisions", "decision_id").load(self.source_id)
            return None if row is None else _past(row)
        return None


def _past(row: Row) -> PastDecision:
    return PastDecision(
        id=row["decision_id"],
        decided_at=Instant(row["decided_at"]),
        decision=row["decision"],
        scope=row["scope"],
        store_id=row["store_id"],
    )


def evidence_page(
    context: Context, name: str, rows: Sequence[int], sort: EvidenceSort | None, first: int, after: str | None
) -> Connection[Evidence]:
    """A page over evidence given by row numbers in rising order."""
    sort, view = sort or EvidenceSort(), context.view
    page = page_of(
        f"{name}:{sort.by.value}",
        [view.evidence_ids[row] for row in rows],
        first=first,
        after=after,
        limit=context.settings.max_page,
        keys=view.evidence_nats[list(rows)] if sort.by is EvidenceOrder.NATS and rows else None,
        direction=sort.direction,
    )
    return page.of([evidence_of(context, row) for row in view.evidence([rows[number] for number in page.rows])])


def evidence_of(context: Context, row: Mapping[str, Any]) -> Evidence:
    """A row of run_evidence; audited."""
    context.saw("account", row["buyer_id"])
    return Evidence(
        id=row["evidence_id"],
        kind=row["kind"],
        nats=row["nats"],
        buyer_id=row["buyer_id"],
        ring_id=row["ring_id"],
        source_table=row["source_table"],
        source_id=row["source_id"],
        identifier_id=row["identifier"],
        stated=row["text"],
        fact=row["fact"],
    )


@strawberry.type
class EvidenceQuery:
    """Root fields about evidence."""

    @resolver("Evidence of the published run, strongest first where not sorted otherwise.")
    def evidence(
        self,
        info: Info,
        where: Annotated[
            EvidenceFilter | None,
            strawberry.argument(name="filter", description="Which evidence; all where not given."),
        ] = None,
        sort: Annotated[EvidenceSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Evidence]:
        """Evidence, filtered, sorted and paged."""
        context, wanted = info.context, where or EvidenceFilter()
        view = context.view
        need_run(view)
        chosen: set[int] | None = None
        for column, value in (
            ("buyer_id", wanted.buyer_id),
            ("ring_id", wanted.ring_id),
            ("kind", wanted.kind),
            ("identifier", wanted.identifier_id),
        ):
            if value is not None:
                found = set(view.evidence_rows(column, check_id(value, "a filter's value")))
                chosen = found if chosen is None else chosen & found
        rows = range(len(view.evidence_ids)) if chosen is None else sorted(chosen)
        if wanted.nats_at_least is not None and rows:
            heavy = view.evidence_nats[list(rows)] >= wanted.nats_at_least
            rows = [rows[int(number)] for number in np.flatnonzero(heavy)]
        return evidence_page(context, "evidence", rows, sort, first, after)
