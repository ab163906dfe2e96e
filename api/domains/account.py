"""Accounts: what the published run says of a buyer, what is advised about it, and everything it rests on."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.common import After, First, In, Language, check_id, need_run, page_rows, told, told_one
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction, page_of
from api.scalars import Currency, DecimalText, Instant, Money, instant, minor_units, money
from api.view import Row, View

if TYPE_CHECKING:
    from api.domains.evidence import Evidence, EvidenceSort
    from api.domains.flip import Flip, Weighed
    from api.domains.identifier import Identifier
    from api.domains.order import Order, OrderSort
    from api.domains.refund import Refund, RefundSort
    from api.domains.remedy import Remedy, Words
    from api.domains.ring import Ring


@strawberry.enum(description="What the platform is advised to do about an account.")
class AccountStatus(Enum):
    """Statuses of a decision."""

    CLEAR = choice("CLEAR", "Nothing.")
    WATCH = choice("WATCH", "Look more closely; nothing is limited.")
    STORE_LIMITED = choice("STORE_LIMITED", "Purchases are limited at some stores.")
    PLATFORM_LIMITED = choice("PLATFORM_LIMITED", "Purchases are limited everywhere.")


@strawberry.enum(description="How an account belongs to a ring.")
class MemberRole(Enum):
    """Roles in a ring."""

    ACTOR = choice("actor", "It acts with the ring.")
    BYSTANDER = choice("bystander", "It is linked to the ring without acting like it.")


@strawberry.enum(description="What accounts are sorted by.")
class AccountOrder(Enum):
    """Sort keys of accounts."""

    RISK = choice("RISK", "Probability that the account abuses refunds.")
    CLAIMED = choice("CLAIMED", "Money claimed back in one currency.")
    CLAIMS = choice("CLAIMS", "Number of claims.")
    ID = choice("ID", "The account's id, by code point.")


@strawberry.input(description="How accounts are sorted; ties are in order of id.")
class AccountSort:
    """Sort of accounts."""

    by: AccountOrder = strawberry.field(default=AccountOrder.RISK, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    currency: Currency | None = strawberry.field(
        default=None,
        description="For CLAIMED: the currency, since amounts of two are not compared. Default: the one most accounts "
        "claimed in.",
    )


@strawberry.input(description="Which accounts are listed: those that meet every condition given.")
class AccountFilter:
    """Filter of accounts."""

    status: list[AccountStatus] | None = strawberry.field(default=None, description="The status is one of these.")
    risk_at_least: float | None = strawberry.field(default=None, description="The risk is this or more.")
    risk_at_most: float | None = strawberry.field(default=None, description="The risk is this or less.")
    in_ring: bool | None = strawberry.field(default=None, description="Whether the account belongs to a ring.")
    ring_id: strawberry.ID | None = strawberry.field(default=None, description="The account belongs to this ring.")
    claims_at_least: int | None = strawberry.field(default=None, description="It made so many claims or more.")
    claimed_at_least: DecimalText | None = strawberry.field(
        default=None, description="It claimed this much or more in `claimedCurrency`."
    )
    claimed_currency: Currency | None = strawberry.field(
        default=None, description="The currency of `claimedAtLeast`; default as for sorting by CLAIMED."
    )


@strawberry.type(description="What an account may still buy where its limits hold; a null is no limit.")
class Limits:
    """Limits of a decision."""

    orders_per_day: int | None = strawberry.field(description="Orders in any 24 hours.")
    orders_per_30_days: int | None = strawberry.field(description="Orders in any 30 days.", name="ordersPer30Days")
    amount_per_day: Money | None = strawberry.field(description="Money in any 24 hours.")
    amount_per_30_days: Money | None = strawberry.field(description="Money in any 30 days.", name="amountPer30Days")
    quantity_per_item: int | None = strawberry.field(description="Pieces of one item in one order.")
    store_ids: list[strawberry.ID] = strawberry.field(description="Stores where they hold; empty: everywhere.")


@strawberry.type(description="An account's membership of a ring.")
class Membership:
    """One row of run_members, from the account's side."""

    probability: float = strawberry.field(description="That the account acts with the ring.")
    role: MemberRole = strawberry.field(description="Whether it acts with the ring or only stands by.")
    ring_id: strawberry.ID = strawberry.field(description="The ring's id.")

    @resolver("The ring.")
    def ring(self, info: Info) -> Annotated[Ring, strawberry.lazy("api.domains.ring")] | None:
        """The ring itself."""
        from api.domains.ring import ring_by_id

        return ring_by_id(info.context, self.ring_id)


@strawberry.type(description="What the platform itself decided about an account before.")
class PastDecision:
    """One row of past_decisions."""

    id: strawberry.ID = strawberry.field(description="Digest of the record.")
    decided_at: Instant = strawberry.field(description="When.")
    decision: str = strawberry.field(description="`closed`, `limited` or `lifted`.")
    scope: str = strawberry.field(description="`platform` or `store`.")
    store_id: strawberry.ID | None = strawberry.field(description="The store, for scope `store`.")


@strawberry.type(description="A buyer account and its integrity, as the published run sees it.")
class Account:
    """Finding and decision of one account; null numbers where no run has judged it yet."""

    id: strawberry.ID = strawberry.field(description="The platform's id of the buyer.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that judged it; null where none has yet.")
    status: AccountStatus | None = strawberry.field(description="What is advised about it; null where not judged.")
    risk: float | None = strawberry.field(description="Probability that it abuses refunds, 0 to 1.")
    order_count: int | None = strawberry.field(description="Orders up to the run's `asOf`.")
    claims: int | None = strawberry.field(description="Claims it began.")
    expected_claims: float | None = strawberry.field(description="Claims that the same baskets would bring.")
    limits: Limits | None = strawberry.field(description="The recommended purchase limits; null where there are none.")
    expires_at: Instant | None = strawberry.field(description="When the limits end.")
    ring_id: strawberry.Private[str | None] = None
    finding: strawberry.Private[Row | None] = None

    @resolver("Why it has this status, strongest first.")
    def status_reasons(self, language: In = Language.EN) -> list[str]:
        """Sentences of the decision."""
        row = self.finding or {}
        return told(row.get("decision_reasons", []), row.get("decision_facts"), language)

    @resolver("What would lift the limits.")
    def lift(self, language: In = Language.EN) -> str | None:
        """The decision's sentence."""
        row = self.finding or {}
        return told_one(row.get("lift"), row.get("lift_fact"), language)

    @resolver("What speaks for abuse, strongest first.")
    def reasons(self, language: In = Language.EN) -> list[str]:
        """Sentences of the finding."""
        row = self.finding or {}
        return told(row.get("reasons", []), row.get("reason_facts"), language)

    @resolver("What speaks against it, strongest first.")
    def against(self, language: In = Language.EN) -> list[str]:
        """Sentences of the finding."""
        row = self.finding or {}
        return told(row.get("against", []), row.get("against_facts"), language)

    @resolver("What would flip its decision, by judging the run again; null before any run has judged it.")
    async def flip(self, info: Info) -> Annotated[Flip, strawberry.lazy("api.domains.flip")] | None:
        """Taken out piece by piece, off the event loop."""
        from api.domains.flip import flip_of

        return None if self.run_id is None else await flip_of(info.context, self.id)

    @resolver("All that was weighed of it, whatever came of it; null before any run has judged it.")
    async def weighed(
        self, info: Info, language: In = Language.EN
    ) -> Annotated[Weighed, strawberry.lazy("api.domains.flip")] | None:
        """Looked up in the run judged again, off the event loop."""
        from api.domains.flip import weighed_of

        return None if self.run_id is None else await weighed_of(info.context, self.id, language)

    @resolver("The ring it belongs to, if any.")
    def ring(self, info: Info) -> Annotated[Ring, strawberry.lazy("api.domains.ring")] | None:
        """The ring of its finding."""
        from api.domains.ring import ring_by_id

        return None if self.ring_id is None else ring_by_id(info.context, self.ring_id)

    @resolver("Every ring it is a member of, bystanders included, by ring id.")
    def memberships(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Membership]:
        """Memberships, paged."""
        rows = info.context.view.memberships_of(self.id)
        cut, page = page_rows(info.context, f"memberships:{self.id}", rows, "ring_id", first=first, after=after)
        return page.of(
            [Membership(probability=r["probability"], role=MemberRole(r["role"]), ring_id=r["ring_id"]) for r in cut]
        )

    @resolver("When the account was opened, where the platform told.")
    async def registered_at(self, info: Info) -> Instant | None:
        """From the buyers table, batched."""
        row = await info.context.one("buyers", "buyer_id").load(self.id)
        return None if row is None else instant(row["registered_at"])

    @resolver("What it claimed back up to the run's `asOf`, by currency.")
    def claimed(self, info: Info) -> list[Money]:
        """Sums over its claims."""
        sums = info.context.view.claimed.get(self.id, {})
        return [found for currency, minor in sorted(sums.items()) if (found := money(minor, currency)) is not None]

    @resolver("The account's orders.")
    async def orders(
        self,
        info: Info,
        sort: Annotated[
            Annotated[OrderSort, strawberry.lazy("api.domains.order")] | None,
            strawberry.argument(description="Order of the list; latest first where not given."),
        ] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Annotated[Order, strawberry.lazy("api.domains.order")]]:
        """Orders, batched and paged."""
        from api.domains.order import order_page

        rows = await info.context.many("orders", "buyer_id").load(self.id)
        return order_page(info.context, f"orders:{self.id}", rows, sort, first, after)

    @resolver("The account's refund claims.")
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
        """Claims on its orders, batched and paged."""
        from api.domains.refund import refund_page

        orders = await info.context.many("orders", "buyer_id").load(self.id)
        lists = await info.context.many("refunds", "order_id").load_many([row["order_id"] for row in orders])
        rows = sorted((row for one in lists for row in one), key=lambda row: row["refund_id"])
        by_id = {row["order_id"]: row for row in orders}
        return refund_page(info.context, f"refunds:{self.id}", rows, by_id, sort, first, after)

    @resolver("Evidence that speaks of the account, for or against.")
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
        """Evidence, paged."""
        from api.domains.evidence import evidence_page

        rows = info.context.view.evidence_rows("buyer_id", self.id)
        return evidence_page(info.context, f"evidence:account:{self.id}", rows, sort, first, after)

    @resolver("Identifiers it used, in orders and outside, by id.")
    async def identifiers(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Annotated[Identifier, strawberry.lazy("api.domains.identifier")]]:
        """Identifiers, batched and paged."""
        from api.domains.identifier import identifier_page, keys_of_buyers

        keys = await keys_of_buyers(info.context, self.id)
        return await identifier_page(info.context, f"identifiers:{self.id}", keys, first, after)

    @resolver("What is done about it now beyond its status; empty where it only stands by a ring.")
    def remedies(self, info: Info) -> list[Annotated[Remedy, strawberry.lazy("api.domains.remedy")]]:
        """Remedies that hold now."""
        from api.domains.remedy import remedies_of_account

        return remedies_of_account(info.context, self.id)

    @resolver("What a watched account is told, so that limits don't come from nowhere; null for all others.")
    def warning(self, info: Info) -> Annotated[Words, strawberry.lazy("api.domains.remedy")] | None:
        """The warning."""
        from api.domains.remedy import warning_of_account

        return warning_of_account(info.context, self.id)

    @resolver("What the platform itself decided about it before, by record id.")
    async def past_decisions(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[PastDecision]:
        """Past decisions, batched and paged."""
        rows = await info.context.many("past_decisions", "buyer_id").load(self.id)
        cut, page = page_rows(info.context, f"past:{self.id}", rows, "decision_id", first=first, after=after)
        return page.of(
            [
                PastDecision(
                    id=row["decision_id"],
                    decided_at=Instant(row["decided_at"]),
                    decision=row["decision"],
                    scope=row["scope"],
                    store_id=row["store_id"],
                )
                for row in cut
            ]
        )


def account_of(context: Context, buyer_id: str, row: Row | None) -> Account:
    """The account of a judged row (see `View.judged`), or of a buyer that no run has judged; audited."""
    context.saw("account", buyer_id)
    run = context.view.run
    if row is None or run is None:
        return Account(
            id=strawberry.ID(buyer_id),
            run_id=None,
            status=None,
            risk=None,
            order_count=None,
            claims=None,
            expected_claims=None,
            limits=None,
            expires_at=None,
        )
    status = AccountStatus(row["status"])
    return Account(
        id=strawberry.ID(buyer_id),
        run_id=strawberry.ID(run.run_id),
        status=status,
        risk=row.get("risk"),
        order_count=row.get("orders"),
        claims=row.get("claims"),
        expected_claims=row.get("expected_claims"),
        limits=_limits(row) if status in (AccountStatus.STORE_LIMITED, AccountStatus.PLATFORM_LIMITED) else None,
        expires_at=instant(row["expires_at"]),
        ring_id=row.get("ring_id"),
        finding=row,
    )


def _limits(row: Row) -> Limits:
    return Limits(
        orders_per_day=row["limit_orders_1d"],
        orders_per_30_days=row["limit_orders_30d"],
        amount_per_day=money(row["limit_amount_1d"], row["currency"]),
        amount_per_30_days=money(row["limit_amount_30d"], row["currency"]),
        quantity_per_item=row["limit_quantity"],
        store_ids=row["limit_store_ids"],
    )


async def load_account(context: Context, buyer_id: str) -> Account:
    """The account of a buyer that is known to exist, batched."""

    async def load(ids: list[str]) -> list[Account]:
        judged = context.view.judged(ids)
        return [account_of(context, id_, judged.get(id_)) for id_ in ids]

    account: Account = await context.loader(("accounts", ""), load).load(buyer_id)
    return account


def accounts_of(context: Context, buyer_ids: list[str]) -> list[Account]:
    """The accounts of buyers that are known to exist, in the order given."""
    judged = context.view.judged(buyer_ids)
    return [account_of(context, id_, judged.get(id_)) for id_ in buyer_ids]


def account_exists(context: Context, buyer_id: str) -> bool:
    """Whether any run, order, use or buyer row knows the buyer."""
    view = context.view
    if view.judged([buyer_id]):
        return True
    return any(
        view.store.find(table, "buyer_id", [buyer_id], columns=("buyer_id",), limit=1, known_by=view.head.load).num_rows
        for table in ("buyers", "orders", "uses")
    )


@strawberry.type
class AccountQuery:
    """Root fields about accounts."""

    @resolver("One account by the platform's id; null where nobody has heard of it.")
    def account(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The platform's id of the buyer.")],
    ) -> Account | None:
        """An account, judged or not."""
        context = info.context
        check_id(id_, "an account's id")
        context.saw("account", id_)
        if not account_exists(context, id_):
            return None
        return accounts_of(context, [id_])[0]

    @resolver("Accounts that the published run judged, riskiest first where not sorted otherwise.")
    def accounts(
        self,
        info: Info,
        where: Annotated[
            AccountFilter | None, strawberry.argument(name="filter", description="Which accounts; all where not given.")
        ] = None,
        sort: Annotated[AccountSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Account]:
        """Accounts, filtered, sorted and paged."""
        context = info.context
        view = context.view
        need_run(view)
        sort = sort or AccountSort()
        keys, name = _sort_keys(view, sort)
        page = page_of(
            name,
            view.buyer_ids,
            first=first,
            after=after,
            limit=context.settings.max_page,
            keys=keys,
            direction=sort.direction,
            chosen=_chosen(view, where),
        )
        return page.of(accounts_of(context, [view.buyer_ids[row] for row in page.rows]))


def _sort_keys(view: View, sort: AccountSort) -> tuple[npt.NDArray[np.float64] | None, str]:
    if sort.by is AccountOrder.ID:
        return None, "accounts:ID"
    if sort.by is AccountOrder.CLAIMED:
        currency = sort.currency or view.main_currency
        return view.claimed_in(currency), f"accounts:CLAIMED:{currency}"
    column = view.account_column("risk" if sort.by is AccountOrder.RISK else "claims")
    return column.astype(np.float64), f"accounts:{sort.by.value}"


def _chosen(view: View, wanted: AccountFilter | None) -> npt.NDArray[np.bool_] | None:
    if wanted is None:
        return None
    chosen = np.ones(len(view.buyer_ids), dtype=bool)
    if wanted.status is not None:
        chosen &= np.isin(view.account_column("status").astype(str), [status.value for status in wanted.status])
    risk, rings = view.account_column("risk"), view.account_column("ring_id")
    if wanted.risk_at_least is not None:
        chosen &= risk >= wanted.risk_at_least
    if wanted.risk_at_most is not None:
        chosen &= risk <= wanted.risk_at_most
    if wanted.in_ring is not None:
        chosen &= view.accounts_frame["ring_id"].is_not_null().to_numpy() == wanted.in_ring
    if wanted.ring_id is not None:
        chosen &= rings == str(wanted.ring_id)
    if wanted.claims_at_least is not None:
        chosen &= view.account_column("claims") >= wanted.claims_at_least
    if wanted.claimed_at_least is not None:
        currency = wanted.claimed_currency or view.main_currency
        least = minor_units(wanted.claimed_at_least, currency, where="claimedAtLeast")
        chosen &= view.claimed_in(currency) >= least
    elif wanted.claimed_currency is not None:
        raise ApiError(ErrorCode.BAD_INPUT, "claimedCurrency says nothing without claimedAtLeast")
    return chosen
