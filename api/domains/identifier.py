"""Identifiers by pseudonym: who used them, what they lie in, and what the run made of the busy ones (hubs)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from api.context import Context, Info
from api.describe import choice, resolver
from api.domains.common import After, First, In, Language, page_rows, page_texts, told
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction
from api.scalars import Instant
from api.view import Row

if TYPE_CHECKING:
    from api.domains.account import Account

_MAX_RAW_BYTES = 4_096
_ORDER_COLUMN = {"door": "address", "building": "address", "estate": "address", "ip_prefix": "ip"}


@strawberry.enum(description="A kind of raw value by which an identifier can be asked for.")
class RawKind(Enum):
    """Kinds of raw value."""

    DEVICE = choice("device", "A device id as the platform fingerprints it.")
    IP = choice("ip", "An IP address.")
    PAYMENT = choice("payment", "A payment instrument's id.")
    PHONE = choice("phone", "A phone number, however written.")
    RECIPIENT = choice("recipient", "A recipient's name.")
    ADDRESS = choice("address", "A postal address, however written.")
    PARCEL = choice("parcel", "A return parcel's number.")


@strawberry.enum(description="A kind of identifier.")
class IdentifierKind(Enum):
    """Kinds of identifier, as in the declared schema."""

    DEVICE = choice("device", "A device.")
    IP = choice("ip", "An IP address.")
    IP_PREFIX = choice("ip_prefix", "A network of IP addresses.")
    PAYMENT = choice("payment", "A payment instrument.")
    PHONE = choice("phone", "A phone number.")
    RECIPIENT = choice("recipient", "A recipient's name.")
    DOOR = choice("door", "A door: the finest place.")
    BUILDING = choice("building", "A building.")
    ESTATE = choice("estate", "An estate or street.")
    PARCEL = choice("parcel", "A return parcel.")


@strawberry.enum(description="What a run made of a hub.")
class HubVerdict(Enum):
    """Verdicts on a hub."""

    BENIGN = choice("benign", "A place that many unrelated people share.")
    UNCLEAR = choice("unclear", "Neither shown to be harmless nor the contrary.")
    ABUSIVE = choice("abusive", "Its people act together.")


@strawberry.enum(description="What users of an identifier are sorted by.")
class UserOrder(Enum):
    """Sort keys of users."""

    RISK = choice("RISK", "The account's risk; those not judged count as lowest.")
    ID = choice("ID", "The account's id, by code point.")


@strawberry.input(description="How users of an identifier are sorted; ties are in order of id.")
class UserSort:
    """Sort of users."""

    by: UserOrder = strawberry.field(default=UserOrder.RISK, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")


@strawberry.type(description="An identifier that many buyers share, and what the published run made of it.")
class Hub:
    """One row of run_hubs."""

    buyers: int = strawberry.field(description="Accounts that share it.")
    claims: int = strawberry.field(description="Claims of those accounts.")
    expected_claims: float = strawberry.field(description="Claims that their baskets predict.")
    nats: float = strawberry.field(description="Evidence that its people act together; negative: a benign place.")
    verdict: HubVerdict = strawberry.field(description="What was made of it.")
    told: strawberry.Private[str]
    fact: strawberry.Private[str | None]

    @resolver("Why.")
    def text(self, language: In = Language.EN) -> str:
        """The sentence."""
        return told([self.told], [self.fact] if self.fact else None, language)[0]


@strawberry.type(description="A use of an identifier by an account.")
class IdentifierUser:
    """One account at an identifier."""

    account_id: strawberry.ID = strawberry.field(description="The account's id.")
    orders: int = strawberry.field(description="Orders it placed with the identifier.")
    first_at: Instant = strawberry.field(description="First use.")
    last_at: Instant = strawberry.field(description="Last use.")

    @resolver("The account.")
    async def account(self, info: Info) -> Annotated[Account, strawberry.lazy("api.domains.account")]:
        """The account, batched."""
        from api.domains.account import load_account

        return await load_account(info.context, self.account_id)


@strawberry.type(description="A device, phone, place … by pseudonym; the raw value is stored nowhere.")
class Identifier:
    """One row of identifiers."""

    id: strawberry.ID = strawberry.field(description="Kind, colon, pseudonym.")
    kind: IdentifierKind = strawberry.field(description="What it is.")
    masked: str | None = strawberry.field(description="What may be shown of it.")
    key: strawberry.Private[bytes]
    within_id: strawberry.Private[str | None]

    @resolver("The wider place: a door's building, a building's estate, an IP's network.")
    async def within(self, info: Info) -> Annotated[Identifier, strawberry.lazy("api.domains.identifier")] | None:
        """The wider place, batched."""
        return None if self.within_id is None else await load_identifier(info.context, self.within_id)

    @resolver("What the published run made of it; null where it is no hub.")
    def hub(self, info: Info) -> Hub | None:
        """The hub's row."""
        row = info.context.view.hubs.get(self.id)
        if row is None:
            return None
        return Hub(
            buyers=row["buyers"],
            claims=row["claims"],
            expected_claims=row["expected_claims"],
            nats=row["nats"],
            verdict=HubVerdict(row["verdict"]),
            told=row["text"],
            fact=row["fact"],
        )

    @resolver("Accounts that used it, in orders and outside; of a place also those who used a door in it.")
    def users(
        self,
        info: Info,
        sort: Annotated[UserSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[IdentifierUser]:
        """Users, sorted and paged."""
        context, sort = info.context, sort or UserSort()
        rows = users_of(context, self.kind.value, self.key)
        risk = {}
        if sort.by is UserOrder.RISK:
            judged = context.view.judged([row["buyer_id"] for row in rows])
            risk = {buyer: row.get("risk") for buyer, row in judged.items()}
        cut, page = page_rows(
            context,
            f"users:{self.id}:{sort.by.value}",
            rows,
            "buyer_id",
            first=first,
            after=after,
            key=(lambda row: risk.get(row["buyer_id"])) if risk else None,
            direction=sort.direction,
        )
        for row in cut:
            context.saw("account", row["buyer_id"])
        return page.of(
            [
                IdentifierUser(
                    account_id=row["buyer_id"],
                    orders=row["orders"],
                    first_at=Instant(row["first_at"]),
                    last_at=Instant(row["last_at"]),
                )
                for row in cut
            ]
        )


def users_of(context: Context, kind: str, key: bytes) -> list[Row]:
    """Buyers that used an identifier, by id: buyer_id, orders, first_at, last_at."""
    keys = context.view.keys_within(kind, key)
    found: dict[str, Row] = {}

    def add(buyer: str, at: int, orders: int) -> None:
        row = found.setdefault(buyer, {"buyer_id": buyer, "orders": 0, "first_at": at, "last_at": at})
        row["orders"] += orders
        row["first_at"], row["last_at"] = min(row["first_at"], at), max(row["last_at"], at)

    if kind == "parcel":
        refunds = context.find("refunds", "parcel", keys, columns=("refund_id", "order_id", "requested_at"))
        orders = context.find(
            "orders", "order_id", sorted({row["order_id"] for row in refunds}), columns=("order_id", "buyer_id")
        )
        buyers = {row["order_id"]: row["buyer_id"] for row in orders}
        for row in refunds:
            if row["order_id"] in buyers:
                add(buyers[row["order_id"]], row["requested_at"], 1)
    else:
        column = _ORDER_COLUMN.get(kind, kind)
        for row in context.find("orders", column, keys, columns=("order_id", "buyer_id", "placed_at")):
            add(row["buyer_id"], row["placed_at"], 1)
        for row in context.find("uses", "key", keys, columns=("use_id", "buyer_id", "used_at")):
            add(row["buyer_id"], row["used_at"], 0)
    return [found[buyer] for buyer in sorted(found)]


async def keys_of_buyers(context: Context, buyer_id: str) -> list[bytes]:
    """Keys that a buyer used in orders and outside, sorted."""
    from api.domains.order import ORDER_KEYS

    orders = await context.many("orders", "buyer_id").load(buyer_id)
    uses = await context.many("uses", "buyer_id").load(buyer_id)
    keys = {row[column] for row in orders for column in ORDER_KEYS} | {row["key"] for row in uses}
    return sorted(key for key in keys if key is not None)


def _identifier_of(row: Row) -> Identifier:
    kind, within = row["kind"], row["within"]
    wider = {"door": "building", "building": "estate", "ip": "ip_prefix"}.get(kind)
    return Identifier(
        id=row["id"],
        kind=IdentifierKind(kind),
        masked=row["masked"],
        key=row["key"],
        within_id=f"{wider}:{within.hex()}" if wider and within is not None else None,
    )


async def load_identifier(context: Context, identifier_id: str) -> Identifier | None:
    """An identifier by id, batched."""
    row = await context.one("identifiers", "id").load(identifier_id)
    return None if row is None else _identifier_of(row)


async def identifier_page(
    context: Context, name: str, keys: Sequence[bytes], first: int, after: str | None
) -> Connection[Identifier]:
    """A page over the identifiers of these keys, by id."""

    async def load(wanted: list[bytes]) -> list[list[Row]]:
        groups: dict[bytes, list[Row]] = {}
        for row in context.find("identifiers", "key", sorted(set(wanted))):
            groups.setdefault(row["key"], []).append(row)
        return [groups.get(key, []) for key in wanted]

    lists = await context.loader(("identifiers", "key"), load).load_many(list(keys))
    rows = {row["id"]: row for one in lists for row in one}
    ids, page = page_texts(context, name, sorted(rows), first=first, after=after)
    return page.of([_identifier_of(rows[id_]) for id_ in ids])


@strawberry.type
class IdentifierQuery:
    """Root fields about identifiers."""

    @resolver(
        "The identifier of a raw value, which is keyed at the door and neither logged nor kept; null where "
        "no order or use brought it. An address is looked up at the finest place known of it: door, building, estate."
    )
    async def identifier(
        self,
        info: Info,
        kind: Annotated[RawKind, strawberry.argument(description="What the value is.")],
        value: Annotated[str, strawberry.argument(description="The value as a person writes it; best in a variable.")],
    ) -> Identifier | None:
        """An identifier, by raw value."""
        context = info.context
        if not value or len(value.encode("utf-8", "surrogatepass")) > _MAX_RAW_BYTES:
            raise ApiError(ErrorCode.BAD_INPUT, f"the value is 1 to {_MAX_RAW_BYTES} bytes of text")
        ids = context.keyer.identifier_ids(kind.value, value)
        # The asked-for pseudonym is noted even where nobody knows it: asking is the look-up.
        for id_ in ids[:1]:
            context.saw("identifier", id_)
        rows = await context.one("identifiers", "id").load_many(list(ids))
        found = next((row for row in rows if row is not None), None)
        if found is None:
            return None
        context.saw("identifier", found["id"])
        return _identifier_of(found)
