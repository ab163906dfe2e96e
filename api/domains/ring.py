"""Rings: accounts that act together, with members, stores, evidence and confidence."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.account import Account, MemberRole, load_account
from api.domains.common import After, First, In, Language, check_id, need_run, page_rows, page_texts, told
from api.pages import DEFAULT_PAGE, Connection, Direction, page_of
from api.scalars import Currency, DecimalText, Instant, Money, minor_units, money
from api.view import NO_RISK, Row

if TYPE_CHECKING:
    from api.domains.evidence import Evidence, EvidenceSort
    from api.domains.store import Store


@strawberry.enum(description="What rings are sorted by.")
class RingOrder(Enum):
    """Sort keys of rings."""

    CONFIDENCE = choice("CONFIDENCE", "Probability that the ring is real: its risk.")
    AMOUNT = choice("AMOUNT", "Money claimed by its members, in one currency.")
    MEMBERS = choice("MEMBERS", "Number of members.")
    LAST_AT = choice("LAST_AT", "When it was last active.")
    ID = choice("ID", "The ring's id, by code point.")


@strawberry.input(description="How rings are sorted; ties are in order of id.")
class RingSort:
    """Sort of rings."""

    by: RingOrder = strawberry.field(default=RingOrder.CONFIDENCE, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    currency: Currency | None = strawberry.field(
        default=None,
        description="For AMOUNT: the currency; rings of another stand behind when the largest come first. Default: the "
        "one most rings are in.",
    )


@strawberry.input(description="Which rings are listed: those that meet every condition given.")
class RingFilter:
    """Filter of rings."""

    confidence_at_least: float | None = strawberry.field(default=None, description="The confidence is this or more.")
    members_at_least: int | None = strawberry.field(default=None, description="It has so many members or more.")
    store_id: strawberry.ID | None = strawberry.field(default=None, description="It claimed at this store.")
    buyer_id: strawberry.ID | None = strawberry.field(default=None, description="This account is a member of it.")
    amount_at_least: DecimalText | None = strawberry.field(
        default=None, description="Its members claimed this much or more in `currency`."
    )
    currency: Currency | None = strawberry.field(default=None, description="Its claims are mostly in this currency.")
    active_since: Instant | None = strawberry.field(default=None, description="It was active at this instant or later.")


@strawberry.enum(description="What members of a ring are sorted by.")
class MemberOrder(Enum):
    """Sort keys of members."""

    PROBABILITY = choice("PROBABILITY", "That the account acts with the ring: its risk.")
    ID = choice("ID", "The account's id, by code point.")


@strawberry.input(description="How members of a ring are sorted; ties are in order of id.")
class MemberSort:
    """Sort of members."""

    by: MemberOrder = strawberry.field(default=MemberOrder.PROBABILITY, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")


@strawberry.type(description="A member of a ring.")
class Member:
    """One row of run_members, from the ring's side."""

    probability: float = strawberry.field(description="That the account acts with the ring.")
    role: MemberRole = strawberry.field(description="Whether it acts with the ring or only stands by.")
    account_id: strawberry.ID = strawberry.field(description="The account's id.")

    @resolver("The account.")
    async def account(self, info: Info) -> Account:
        """The account, batched."""
        return await load_account(info.context, self.account_id)


@strawberry.enum(description="What a ring is to the rings of the run before.")
class RingState(Enum):
    """How a ring stands to those of the parent run."""

    NEW = choice("new", "No ring of the run before had most of its members.")
    CONTINUES = choice("continues", "It is a ring of the run before, under its id.")
    RETURNS = choice("returns", "It was found earlier, not in the run before, and has its id again.")
    SPLITS = choice("splits", "Most of its members were in a ring that goes on without them: `splitsFrom`.")


@strawberry.type(description="Where a ring comes from: the run before is the one named as the parent of this run.")
class RingLineage:
    """One row of run_lineage, of a ring that the run found."""

    state: RingState = strawberry.field(description="What it is to the rings of the run before.")
    splits_from: strawberry.ID | None = strawberry.field(description="The ring that most of its members were in.")
    merges: list[strawberry.ID] = strawberry.field(description="Rings of the run before that went into it, by id.")


@strawberry.type(description="Accounts that act together.")
class Ring:
    """One row of run_rings."""

    id: strawberry.ID = strawberry.field(
        description="Kept from run to run while most members stay; derived from its members when it was first found."
    )
    confidence: float = strawberry.field(description="Probability that the ring is real.")
    q_value: float | None = strawberry.field(
        description="Share of false ones to be expected among the run's rings that are at least as sure; null in runs "
        "of before."
    )
    amount: Money | None = strawberry.field(description="Claimed by its members, in the currency most claims are in.")
    member_count: int = strawberry.field(description="Number of members, bystanders left out.")
    first_at: Instant = strawberry.field(description="First claim or shared use.")
    last_at: Instant = strawberry.field(description="Last claim or shared use.")
    run_id: strawberry.ID = strawberry.field(description="The run that found it.")
    store_ids: strawberry.Private[list[str]]
    told: strawberry.Private[list[str]]
    facts: strawberry.Private[list[str] | None]

    @resolver("Why it is one, in plain sentences, strongest first.")
    def reasons(self, language: In = Language.EN) -> list[str]:
        """Sentences of the ring."""
        return told(self.told, self.facts, language)

    @resolver("Where it comes from; null in runs of an earlier version, which did not record it.")
    def lineage(self, info: Info) -> RingLineage | None:
        """The ring's row of run_lineage."""
        row = info.context.view.lineage.get(self.id)
        if row is None:
            return None
        return RingLineage(
            state=RingState(row["state"]),
            splits_from=row["splits_from"],
            merges=[strawberry.ID(r) for r in row["merges"]],
        )

    @resolver("Its members and those who stand by.")
    def members(
        self,
        info: Info,
        sort: Annotated[MemberSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Member]:
        """Members, sorted and paged."""
        sort = sort or MemberSort()
        by_risk = sort.by is MemberOrder.PROBABILITY
        rows, page = page_rows(
            info.context,
            f"members:{self.id}:{sort.by.value}",
            info.context.view.members_of(self.id),
            "buyer_id",
            first=first,
            after=after,
            key=(lambda row: row["probability"]) if by_risk else None,
            direction=sort.direction,
        )
        for row in rows:
            info.context.saw("account", row["buyer_id"])
        return page.of(
            [
                Member(probability=row["probability"], role=MemberRole(row["role"]), account_id=row["buyer_id"])
                for row in rows
            ]
        )

    @resolver("Stores where its members claimed, by id.")
    async def stores(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Annotated[Store, strawberry.lazy("api.domains.store")]]:
        """Stores, batched and paged."""
        from api.domains.store import load_store

        ids, page = page_texts(info.context, f"stores:{self.id}", self.store_ids, first=first, after=after)
        return page.of([await load_store(info.context, id_) for id_ in ids])

    @resolver("Evidence that supports it.")
    def evidence(
        self,
        info: Info,
        sort: Annotated[
            Annotated[EvidenceSort, strawberry.lazy("api.domains.evidence")] | None,
            strawberry.argument(description="Order of the list; strongest first where not given."),
        ] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Annotated[Evidence, strawberry.lazy("api.domains.evidence")]]:
        """Evidence, sorted and paged."""
        from api.domains.evidence import evidence_page

        rows = info.context.view.evidence_rows("ring_id", self.id)
        return evidence_page(info.context, f"evidence:ring:{self.id}", rows, sort, first, after)


def ring_of(context: Context, row: Row) -> Ring:
    """The ring of a row of run_rings."""
    return Ring(
        id=row["ring_id"],
        confidence=row["confidence"],
        q_value=row["q_value"],
        amount=money(row["amount"], row["currency"]),
        member_count=len(row["members"]),
        first_at=Instant(row["first_at"]),
        last_at=Instant(row["last_at"]),
        run_id=strawberry.ID(need_run(context.view).run_id),
        store_ids=row["stores"],
        told=row["reasons"],
        facts=row["reason_facts"],
    )


def ring_by_id(context: Context, ring_id: str) -> Ring | None:
    """The ring of that id in the published run."""
    row = context.view.ring_by_id.get(ring_id)
    return None if row is None else ring_of(context, row)


@strawberry.type
class RingQuery:
    """Root fields about rings."""

    @resolver("One ring of the published run by its id; null where there is none.")
    def ring(
        self, info: Info, id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The ring's id.")]
    ) -> Ring | None:
        """A ring."""
        return ring_by_id(info.context, check_id(id_, "a ring's id"))

    @resolver("Rings of the published run, surest first where not sorted otherwise.")
    def rings(
        self,
        info: Info,
        where: Annotated[
            RingFilter | None, strawberry.argument(name="filter", description="Which rings; all where not given.")
        ] = None,
        sort: Annotated[RingSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Ring]:
        """Rings, filtered, sorted and paged."""
        return ring_page(info.context, "rings", where or RingFilter(), sort or RingSort(), first, after)


def ring_page(
    context: Context, name: str, wanted: RingFilter, sort: RingSort, first: int, after: str | None
) -> Connection[Ring]:
    """A page of the published run's rings."""
    view = context.view
    need_run(view)
    rows = view.rings
    currency = _currency(rows, sort.currency)
    name = f"{name}:{sort.by.value}" + (f":{currency}" if sort.by is RingOrder.AMOUNT else "")
    page = page_of(
        name,
        [row["ring_id"] for row in rows],
        first=first,
        after=after,
        limit=context.settings.max_page,
        keys=_keys(rows, sort.by, currency),
        direction=sort.direction,
        chosen=np.array([_meets(row, wanted) for row in rows], dtype=bool),
    )
    return page.of([ring_of(context, rows[number]) for number in page.rows])


def _currency(rows: list[Row], wanted: str | None) -> str:
    if wanted is not None:
        return wanted
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["currency"]] = counts.get(row["currency"], 0) + 1
    return min(counts, key=lambda one: (-counts[one], one), default="CNY")


def _keys(rows: list[Row], by: RingOrder, currency: str) -> npt.NDArray[np.float64] | None:
    if by is RingOrder.ID:
        return None
    return np.array([_key(row, by, currency) for row in rows], dtype=np.float64)


def _key(row: Row, by: RingOrder, currency: str) -> float:
    if by is RingOrder.AMOUNT:
        return float(row["amount"]) if row["currency"] == currency else NO_RISK
    if by is RingOrder.MEMBERS:
        return len(row["members"])
    return float(row["confidence"] if by is RingOrder.CONFIDENCE else row["last_at"])


def _meets(row: Row, wanted: RingFilter) -> bool:
    if wanted.amount_at_least is not None:
        currency = wanted.currency or row["currency"]
        if row["amount"] < minor_units(wanted.amount_at_least, currency, where="amountAtLeast"):
            return False
    return (
        (wanted.confidence_at_least is None or row["confidence"] >= wanted.confidence_at_least)
        and (wanted.members_at_least is None or len(row["members"]) >= wanted.members_at_least)
        and (wanted.store_id is None or wanted.store_id in row["stores"])
        and (wanted.buyer_id is None or wanted.buyer_id in row["members"])
        and (wanted.currency is None or row["currency"] == wanted.currency)
        and (wanted.active_since is None or row["last_at"] >= wanted.active_since)
    )
