"""The input contract as data: which columns each table may bring and which rule each value must keep.

`loaders.checks` turns these declarations into column expressions; the mapping file is validated against them and
the report speaks in their names. Nothing here knows a file format or a store.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_FIELD_BYTES = 65_536
MAX_ID_BYTES = 256
MAX_AMOUNT_DIGITS = 12
EARLIEST_YEAR = 1990
"""A time before this year is a clock's or a parser's zero, not an event: 1970 above all."""


class Rule(Enum):
    """What a value must be. ID and CODE stay as given: at most 256 bytes, no control characters."""

    ID = "id"
    CODE = "code"
    TIME = "time"
    DATE = "date"
    AMOUNT = "amount"
    CURRENCY = "currency"
    COUNT = "count"
    CHOICE = "choice"
    FLAG = "flag"
    WEIGHT = "weight"
    SCORE = "score"
    PICTURES = "pictures"
    IDENTIFIER = "identifier"
    WORDS = "words"


@dataclass(frozen=True)
class Field:
    """One column of the contract.

    `choices` are the allowed values of a CHOICE; `default` stands for an empty field; `stored` is the store's column
    where it is named otherwise; `kind` is the kind of an IDENTIFIER (empty in `uses`, whose rows name it)."""

    name: str
    rule: Rule
    required: bool = False
    choices: tuple[str, ...] = ()
    default: str = ""
    stored: str = ""
    kind: str = ""

    @property
    def personal(self) -> bool:
        """Whether the value may only be shown masked."""
        return self.rule in (Rule.IDENTIFIER, Rule.WORDS)

    @property
    def target(self) -> str:
        """Name of the store's column."""
        return self.stored or self.name


@dataclass(frozen=True)
class Contract:
    """One table of the input contract. `stored` is the store's table; `amount_of` names the column that leads to the
    order whose currency the table's amounts are in, empty where rows carry their own."""

    name: str
    stored: str
    fields: tuple[Field, ...]
    amount_of: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in declared order."""
        return tuple(field.name for field in self.fields)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a file must have."""
        return tuple(field.name for field in self.fields if field.required)

    def field(self, name: str) -> Field:
        """The declared column of that name; KeyError where there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name}.{name}")


def _f(name: str, rule: Rule, *, required: bool = False, default: str = "", stored: str = "", kind: str = "") -> Field:
    return Field(name, rule, required, (), default, stored, kind)


def _choice(name: str, choices: str, *, required: bool = False, default: str = "") -> Field:
    return Field(name, Rule.CHOICE, required, tuple(choices.split()), default)


_UPDATED = _f("updated_at", Rule.TIME)
USE_KINDS = ("device", "ip", "phone", "payment", "address", "recipient")

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "stores",
        "stores",
        (
            _f("store_id", Rule.ID, required=True),
            _f("category", Rule.CODE),
            _f("experience_score", Rule.SCORE),
            _f("opened_at", Rule.DATE),
            _choice("freight_cover", "all selected none"),
            _UPDATED,
        ),
    ),
    Contract(
        "buyers",
        "buyers",
        (_f("buyer_id", Rule.ID, required=True), _f("registered_at", Rule.TIME), _UPDATED),
    ),
    Contract(
        "orders",
        "orders",
        (
            _f("order_id", Rule.ID, required=True),
            _f("buyer_id", Rule.ID, required=True),
            _f("store_id", Rule.ID, required=True),
            _f("placed_at", Rule.TIME, required=True),
            _f("currency", Rule.CURRENCY, default="CNY"),
            _f("amount", Rule.AMOUNT, required=True),
            _f("quantity", Rule.COUNT, default="1"),
            _f("sku", Rule.ID),
            _f("signed_at", Rule.TIME),
            _f("device_id", Rule.IDENTIFIER, stored="device", kind="device"),
            _f("ip", Rule.IDENTIFIER, kind="ip"),
            _f("payment_id", Rule.IDENTIFIER, stored="payment", kind="payment"),
            _f("phone", Rule.IDENTIFIER, kind="phone"),
            _f("recipient", Rule.IDENTIFIER, kind="recipient"),
            _f("address", Rule.IDENTIFIER, kind="address"),
            _UPDATED,
        ),
    ),
    Contract(
        "order_items",
        "order_items",
        (
            _f("order_id", Rule.ID, required=True),
            _f("sku", Rule.ID, required=True),
            _f("quantity", Rule.COUNT, required=True),
            _f("amount", Rule.AMOUNT),
            _UPDATED,
        ),
        amount_of="order_id",
    ),
    Contract(
        "uses",
        "uses",
        (
            _f("buyer_id", Rule.ID, required=True),
            _choice("kind", " ".join(USE_KINDS), required=True),
            _f("value", Rule.IDENTIFIER, required=True, stored="key"),
            _f("used_at", Rule.TIME, required=True),
            _UPDATED,
        ),
    ),
    Contract(
        "refunds",
        "refunds",
        (
            _f("refund_id", Rule.ID, required=True),
            _f("order_id", Rule.ID, required=True),
            _f("requested_at", Rule.TIME, required=True),
            _choice("kind", "refund_only return_refund", required=True),
            _f("reason", Rule.CODE),
            _f("amount", Rule.AMOUNT),
            _choice("initiated_by", "buyer seller platform", default="buyer"),
            _f("note", Rule.WORDS),
            _f("freight_covered", Rule.FLAG),
            _f("evidence", Rule.PICTURES, stored="pictures"),
            _f("return_tracking_no", Rule.IDENTIFIER, stored="parcel", kind="parcel"),
            _f("shipped_weight_g", Rule.WEIGHT),
            _f("return_weight_g", Rule.WEIGHT),
            _choice("outcome", "approved rejected withdrawn pending", default="pending"),
            _f("outcome_at", Rule.TIME),
            _UPDATED,
        ),
        amount_of="order_id",
    ),
    Contract(
        "complaints",
        "complaints",
        (
            _f("complaint_id", Rule.ID, required=True),
            _f("refund_id", Rule.ID, required=True),
            _f("filed_at", Rule.TIME, required=True),
            _choice("type", "abnormal_refund_only swapped_return false_return fake_evidence", required=True),
            _choice("outcome", "upheld dismissed pending", default="pending"),
            _f("outcome_at", Rule.TIME),
            _UPDATED,
        ),
    ),
    Contract(
        "decisions",
        "past_decisions",
        (
            _f("buyer_id", Rule.ID, required=True),
            _f("decided_at", Rule.TIME, required=True),
            _choice("decision", "closed limited lifted", required=True),
            _choice("scope", "platform store", required=True),
            _f("store_id", Rule.ID),
            _UPDATED,
        ),
    ),
)
"""In loading order: orders stand before the tables whose amounts are in an order's currency."""

BY_NAME = {contract.name: contract for contract in CONTRACTS}
