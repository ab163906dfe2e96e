"""The declared schema: every table, its graph meaning, keys and indexes, as data.

Stores build their DDL from `TABLES`, the reference page is printed from it, and snapshots read it. Nothing here
assumes SQL: a table is a node label or a relationship with typed properties, keyed by one text id.

Three kinds of table:

- SOURCE: what the platform exported. Versioned: a row carries `since` (the load that brought it) and `until` (the
  load that replaced it, or null), so that an earlier state of knowledge can be read again.
- RUN: what one detection run found and decided. Written under a run id, read only by it, never changed.
- PLACE: identifiers (devices, doors, phones …) by pseudonym, with the masked form to show. Insert-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SCHEMA_VERSION = 6


class Type(Enum):
    """Column types. INSTANT is UTC microseconds since 1970; MONEY is integer minor units of the row's currency;
    KEY is a 16-byte pseudonym; TEXTS is a sorted list of text."""

    TEXT = "text"
    INT = "int"
    REAL = "real"
    BOOL = "bool"
    INSTANT = "instant"
    MONEY = "money"
    KEY = "key"
    TEXTS = "texts"


ID_SEPARATOR = "\x1f"
"""Stands between the columns that an id is made of (`Table.id_of`), which hold no control characters."""


class Kind(Enum):
    """What a table holds; see the module's docstring."""

    SOURCE = "source"
    RUN = "run"
    PLACE = "place"


@dataclass(frozen=True)
class Column:
    """One property: its name, type, meaning, and whether a row may lack it. `identifier` names the kind of identifier
    that a KEY column refers to."""

    name: str
    type: Type
    doc: str
    required: bool = False
    identifier: str = ""


@dataclass(frozen=True)
class Table:
    """A node label or relationship with its columns. `id` is the column that identifies a row within a namespace (and,
    for RUN tables, within the run); where it is other columns joined by `ID_SEPARATOR`, `id_of` names them. `at` is the
    event time, by which `as_of` cuts. `indexes` are looked up by value. `links` are edges to other tables:
    (relationship, column, table)."""

    name: str
    label: str
    kind: Kind
    id: str
    columns: tuple[Column, ...]
    doc: str
    at: str = ""
    indexes: tuple[str, ...] = ()
    links: tuple[tuple[str, str, str], ...] = ()
    id_of: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """The column of that name; KeyError names the table too."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in declared order."""
        return tuple(column.name for column in self.columns)


def _c(name: str, type_: Type, doc: str, *, required: bool = False, identifier: str = "") -> Column:
    return Column(name, type_, doc, required, identifier)


_T, _I, _R, _B, _AT, _M, _K, _L = (
    Type.TEXT,
    Type.INT,
    Type.REAL,
    Type.BOOL,
    Type.INSTANT,
    Type.MONEY,
    Type.KEY,
    Type.TEXTS,
)

IDENTIFIER_KINDS = (
    "device",
    "ip",
    "ip_prefix",
    "payment",
    "phone",
    "recipient",
    "door",
    "building",
    "estate",
    "parcel",
)
"""Kinds of identifier, each a label in the graph. An order's address is known at the finest level its writing gives:
its `address` key is a door, else a building, else an estate."""

TABLES: tuple[Table, ...] = (
    Table(
        "identifiers",
        "Identifier",
        Kind.PLACE,
        "id",
        (
            _c("id", _T, "kind, colon, pseudonym in hex", required=True),
            _c("kind", _T, "one of the identifier kinds", required=True),
            _c("key", _K, "the pseudonym", required=True),
            _c("masked", _T, "what may be shown of it"),
            _c("within", _K, "the wider place: a door's building, a building's estate, an IP's prefix"),
            _c("bare", _K, "places only: the same place written without its city"),
            _c("has_city", _B, "places only: the writing named the city"),
        ),
        "An identifier by pseudonym; the raw value is never stored.",
        indexes=("key",),
    ),
    Table(
        "buyers",
        "Buyer",
        Kind.SOURCE,
        "buyer_id",
        (
            _c("buyer_id", _T, "the platform's id", required=True),
            _c("registered_at", _AT, "when the account was opened"),
        ),
        "A buyer account. Buyers seen only in orders or uses have no row here and are accounts all the same.",
    ),
    Table(
        "stores",
        "Store",
        Kind.SOURCE,
        "store_id",
        (
            _c("store_id", _T, "the platform's id", required=True),
            _c("category", _T, "what it sells; honest refund rates differ by it"),
            _c("experience_score", _R, "the platform's store score, 0 to 5"),
            _c("opened_at", _AT, "when the store opened"),
            _c("freight_cover", _T, "`all`, `selected` or `none`"),
        ),
        "A store of the marketplace.",
    ),
    Table(
        "orders",
        "Order",
        Kind.SOURCE,
        "order_id",
        (
            _c("order_id", _T, "the platform's id", required=True),
            _c("buyer_id", _T, "who ordered", required=True),
            _c("store_id", _T, "where", required=True),
            _c("placed_at", _AT, "when", required=True),
            _c("amount", _M, "what the order cost", required=True),
            _c("currency", _T, "ISO 4217", required=True),
            _c("quantity", _I, "pieces", required=True),
            _c("sku", _T, "the item"),
            _c("signed_at", _AT, "when the parcel was signed for"),
            _c("device", _K, "device pseudonym", identifier="device"),
            _c("ip", _K, "IP address pseudonym", identifier="ip"),
            _c("payment", _K, "payment instrument pseudonym", identifier="payment"),
            _c("phone", _K, "phone pseudonym", identifier="phone"),
            _c("recipient", _K, "recipient name pseudonym", identifier="recipient"),
            _c("address", _K, "pseudonym of the finest place that the address names", identifier="door"),
        ),
        "An order as placed.",
        at="placed_at",
        indexes=("buyer_id", "store_id", "device", "ip", "payment", "phone", "recipient", "address"),
        links=(
            ("PLACED", "buyer_id", "buyers"),
            ("AT", "store_id", "stores"),
            ("USED", "device", "identifiers"),
            ("FROM", "ip", "identifiers"),
            ("PAID_WITH", "payment", "identifiers"),
            ("CALLED", "phone", "identifiers"),
            ("RECEIVED_BY", "recipient", "identifiers"),
            ("SHIPPED_TO", "address", "identifiers"),
        ),
    ),
    Table(
        "order_items",
        "Item",
        Kind.SOURCE,
        "item_id",
        (
            _c("item_id", _T, "order id, unit separator (U+001F), sku", required=True),
            _c("order_id", _T, "the order", required=True),
            _c("sku", _T, "the item", required=True),
            _c("quantity", _I, "pieces", required=True),
            _c("amount", _M, "what the line cost, in the order's currency"),
        ),
        "A line of an order, where the platform exports lines.",
        indexes=("order_id",),
        links=(("IN", "order_id", "orders"),),
        id_of=("order_id", "sku"),
    ),
    Table(
        "uses",
        "Use",
        Kind.SOURCE,
        "use_id",
        (
            _c("use_id", _T, "digest of the row", required=True),
            _c("buyer_id", _T, "who", required=True),
            _c("kind", _T, "device, ip, phone, payment, address or recipient", required=True),
            _c("key", _K, "pseudonym of what was used", required=True),
            _c("used_at", _AT, "when", required=True),
        ),
        "An identifier seen outside orders, as at sign-up or log-in.",
        at="used_at",
        indexes=("buyer_id", "key"),
        links=(("USED", "key", "identifiers"),),
    ),
    Table(
        "refunds",
        "Refund",
        Kind.SOURCE,
        "refund_id",
        (
            _c("refund_id", _T, "the platform's id", required=True),
            _c("order_id", _T, "the order it is about; it waits where that order is not known yet", required=True),
            _c("requested_at", _AT, "when", required=True),
            _c("kind", _T, "`refund_only` or `return_refund`", required=True),
            _c("reason", _T, "the buyer's reason code"),
            _c("amount", _M, "what is asked back, in the order's currency; null stands for the order's amount"),
            _c("initiated_by", _T, "`buyer`, `seller` or `platform`", required=True),
            _c("note", _K, "keyed fingerprint of the buyer's words"),
            _c("freight_covered", _B, "return-freight cover paid the way back"),
            _c("pictures", _L, "64-bit perceptual hashes as 16 hex digits"),
            _c("parcel", _K, "pseudonym of the return parcel's number", identifier="parcel"),
            _c("shipped_weight_g", _R, "what went out, grams"),
            _c("return_weight_g", _R, "what came back, grams"),
            _c("outcome", _T, "`approved`, `rejected`, `withdrawn` or `pending`", required=True),
            _c("outcome_at", _AT, "since when; null counts from the request"),
        ),
        "An after-sales claim.",
        at="requested_at",
        indexes=("order_id", "parcel"),
        links=(("REFUNDED_BY", "order_id", "orders"), ("RETURNED_IN", "parcel", "identifiers")),
    ),
    Table(
        "complaints",
        "Complaint",
        Kind.SOURCE,
        "complaint_id",
        (
            _c("complaint_id", _T, "the platform's id", required=True),
            _c("refund_id", _T, "the claim complained of", required=True),
            _c("filed_at", _AT, "when", required=True),
            _c("type", _T, "abnormal_refund_only, swapped_return, false_return or fake_evidence", required=True),
            _c("outcome", _T, "`upheld`, `dismissed` or `pending`", required=True),
            _c("outcome_at", _AT, "since when"),
        ),
        "A store's report of a claim.",
        at="filed_at",
        indexes=("refund_id",),
        links=(("ABOUT", "refund_id", "refunds"),),
    ),
    Table(
        "past_decisions",
        "PastDecision",
        Kind.SOURCE,
        "decision_id",
        (
            _c("decision_id", _T, "digest of the row", required=True),
            _c("buyer_id", _T, "about whom", required=True),
            _c("decided_at", _AT, "when", required=True),
            _c("decision", _T, "`closed`, `limited` or `lifted`", required=True),
            _c("scope", _T, "`platform` or `store`", required=True),
            _c("store_id", _T, "for scope `store`"),
        ),
        "What the platform itself decided before.",
        at="decided_at",
        indexes=("buyer_id",),
        links=(("ABOUT", "buyer_id", "buyers"),),
    ),
    Table(
        "run_accounts",
        "Finding",
        Kind.RUN,
        "buyer_id",
        (
            _c("buyer_id", _T, "the account", required=True),
            _c("risk", _R, "probability that the account abuses refunds, 0 to 1", required=True),
            _c("ring_id", _T, "the published ring it belongs to, if any"),
            _c("orders", _I, "orders up to as_of", required=True),
            _c("claims", _I, "claims it began", required=True),
            _c("expected_claims", _R, "claims that the same baskets would bring", required=True),
            _c("reasons", _L, "what speaks for abuse, strongest first", required=True),
            _c("against", _L, "what speaks against it", required=True),
            _c("reason_facts", _L, "the facts that `reasons` say, as JSON; other languages are rendered from them"),
            _c("against_facts", _L, "the facts that `against` says, as JSON"),
        ),
        "What a run says of an account.",
        links=(("OF", "buyer_id", "buyers"), ("MEMBER_OF", "ring_id", "run_rings")),
    ),
    Table(
        "run_rings",
        "Ring",
        Kind.RUN,
        "ring_id",
        (
            _c(
                "ring_id", _T, "kept from run to run while most members stay, derived from them at first", required=True
            ),
            _c("members", _L, "buyer ids", required=True),
            _c("stores", _L, "ids of the stores it claimed at", required=True),
            _c("amount", _M, "claimed by its members in `currency`", required=True),
            _c("currency", _T, "the currency most of its claims are in", required=True),
            _c("confidence", _R, "probability that the ring is real", required=True),
            _c("q_value", _R, "share of false ones to be expected among the rings that are at least as sure"),
            _c("first_at", _AT, "first claim or shared use", required=True),
            _c("last_at", _AT, "last claim or shared use", required=True),
            _c("reasons", _L, "plain sentences, strongest first", required=True),
            _c("reason_facts", _L, "the facts that they say, as JSON"),
        ),
        "Accounts that act together.",
    ),
    Table(
        "run_lineage",
        "Lineage",
        Kind.RUN,
        "ring_id",
        (
            _c("ring_id", _T, "a ring of this run, or one that its parent knew", required=True),
            _c("state", _T, "`new`, `continues`, `returns`, `splits`, `merged` or `dissolved`", required=True),
            _c("splits_from", _T, "the ring of the parent run that most of its members were in"),
            _c("merges", _L, "rings of the parent run that went into it", required=True),
            _c("into", _T, "the ring that it went into"),
            _c("gone_at", _AT, "dissolved: as_of of the first run that no longer found it"),
            _c("members", _L, "dissolved: who was in it, so that it has its id when it is found again", required=True),
        ),
        "What became of each ring since the parent run.",
    ),
    Table(
        "run_frozen",
        "Frozen",
        Kind.RUN,
        "part_id",
        (
            _c("part_id", _T, "name, unit separator, number of the part", required=True),
            _c("name", _T, "what was measured", required=True),
            _c("shape", _T, "number type and shape of the array, as in `<f8x24`", required=True),
            _c("data", _T, "a part of its bytes, little-endian, in base64", required=True),
        ),
        "What a run measured in the whole market: with it an account is judged again as it was judged then.",
    ),
    Table(
        "run_members",
        "Member",
        Kind.RUN,
        "member_id",
        (
            _c("member_id", _T, "ring id, unit separator, buyer id", required=True),
            _c("ring_id", _T, "the ring", required=True),
            _c("buyer_id", _T, "the account", required=True),
            _c("probability", _R, "that the account acts with the ring", required=True),
            _c("role", _T, "`actor`, or `bystander`: linked to it without acting like it", required=True),
        ),
        "Membership of a ring.",
        links=(("MEMBER_OF", "ring_id", "run_rings"),),
    ),
    Table(
        "run_evidence",
        "Evidence",
        Kind.RUN,
        "evidence_id",
        (
            _c("evidence_id", _T, "digest of what it states", required=True),
            _c("ring_id", _T, "the ring it speaks for, if any"),
            _c("buyer_id", _T, "the account it speaks of", required=True),
            _c("kind", _T, "the detector's name", required=True),
            _c("nats", _R, "log-likelihood ratio; negative speaks against", required=True),
            _c("source_table", _T, "where the record stands", required=True),
            _c("source_id", _T, "the record", required=True),
            _c("identifier", _T, "id of the shared identifier, if any"),
            _c("text", _T, "a plain sentence", required=True),
            _c("fact", _T, "the fact that it says, as JSON"),
        ),
        "One coincidence or record that speaks for or against.",
        links=(("SPEAKS_OF", "buyer_id", "buyers"), ("SUPPORTS", "ring_id", "run_rings")),
    ),
    Table(
        "run_hubs",
        "Hub",
        Kind.RUN,
        "identifier",
        (
            _c("identifier", _T, "id in `identifiers`", required=True),
            _c("kind", _T, "identifier kind", required=True),
            _c("buyers", _I, "accounts that share it", required=True),
            _c("claims", _I, "claims of those accounts", required=True),
            _c("expected_claims", _R, "claims that their baskets predict", required=True),
            _c("nats", _R, "evidence that its people act together; negative says a benign place", required=True),
            _c("verdict", _T, "`benign`, `unclear` or `abusive`", required=True),
            _c("text", _T, "why", required=True),
            _c("fact", _T, "the fact that it says, as JSON"),
        ),
        "An identifier that many buyers share, and what was made of it.",
    ),
    Table(
        "run_decisions",
        "Decision",
        Kind.RUN,
        "buyer_id",
        (
            _c("buyer_id", _T, "the account", required=True),
            _c("status", _T, "CLEAR, WATCH, STORE_LIMITED or PLATFORM_LIMITED", required=True),
            _c("limit_orders_1d", _I, "orders a day; null is no limit"),
            _c("limit_orders_30d", _I, "orders in 30 days"),
            _c("limit_amount_1d", _M, "amount a day, in `currency`"),
            _c("limit_amount_30d", _M, "amount in 30 days"),
            _c("limit_quantity", _I, "pieces of one item in one order"),
            _c("currency", _T, "of the amounts"),
            _c("limit_store_ids", _L, "STORE_LIMITED: where the limits hold; empty: platform-wide", required=True),
            _c("expires_at", _AT, "when the limits end; null where there are none"),
            _c("reasons", _L, "reason sentences, strongest first", required=True),
            _c("reason_facts", _L, "the facts that they say, as JSON"),
            _c("lift", _T, "what would lift it"),
            _c("lift_fact", _T, "the fact that it says, as JSON"),
        ),
        "What the platform is advised to do about an account.",
    ),
)

BY_NAME = {table.name: table for table in TABLES}
SOURCE_TABLES = tuple(table for table in TABLES if table.kind is Kind.SOURCE)
RUN_TABLES = tuple(table for table in TABLES if table.kind is Kind.RUN)

ERASED = {
    "orders": ("device", "ip", "payment", "phone", "recipient", "address"),
    "refunds": ("note", "pictures", "parcel"),
}
"""What forgetting a buyer takes off rows that stay."""


def versioned(name: str) -> Table:
    """The SOURCE or PLACE table of that name; ValueError for any other."""
    table = BY_NAME.get(name)
    if table is None or table.kind is Kind.RUN:
        raise ValueError(f"{name} is no table that loads write")
    return table


def run_table(name: str) -> Table:
    """The RUN table of that name; ValueError for any other."""
    table = BY_NAME.get(name)
    if table is None or table.kind is not Kind.RUN:
        raise ValueError(f"{name} is no table that runs write")
    return table
