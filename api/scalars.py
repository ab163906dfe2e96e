"""Scalars and small values that all domains share: instants, decimals, currencies, money.

Inside, an instant is UTC microseconds and money is integer minor units; here both become text that no client misreads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NewType, cast

import strawberry
from strawberry.types.scalar import ScalarDefinition

from api.errors import ApiError, ErrorCode
from graph.errors import BadInput
from integrity.instants import from_iso, to_iso
from integrity.money import to_minor, to_text

Instant = NewType("Instant", int)
"""UTC microseconds since 1970."""

DecimalText = NewType("DecimalText", str)
"""A decimal number as text; what clients send has been checked to be one."""

Currency = NewType("Currency", str)
"""An ISO 4217 code: three capital letters."""

_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


def _parse_instant(value: object) -> int:
    if not isinstance(value, str):
        raise ApiError(ErrorCode.BAD_INPUT, "an Instant is text such as 2024-12-31T16:00:00Z")
    try:
        return from_iso(value, where="Instant")
    except (BadInput, OverflowError) as error:
        raise ApiError(ErrorCode.BAD_INPUT, "an Instant is text such as 2024-12-31T16:00:00Z") from error


def _parse_decimal(value: object) -> str:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ApiError(ErrorCode.BAD_INPUT, 'a Decimal is text such as "129.90"')
    return value


def _parse_currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ApiError(ErrorCode.BAD_INPUT, "a Currency is an ISO 4217 code such as CNY")
    return value


def scalar_map() -> Mapping[object, ScalarDefinition]:
    """How each scalar is written and read, for the schema's configuration."""
    return cast(
        Mapping[object, ScalarDefinition],
        {
            Instant: strawberry.scalar(
                name="Instant",
                description="An instant in ISO 8601, UTC: `2024-12-31T16:00:00Z`. An offset is understood on input.",
                serialize=to_iso,
                parse_value=_parse_instant,
            ),
            DecimalText: strawberry.scalar(
                name="Decimal",
                description="A decimal number as text, so that nothing is lost to binary fractions: `129.90`.",
                serialize=str,
                parse_value=_parse_decimal,
            ),
            Currency: strawberry.scalar(
                name="Currency",
                description="An ISO 4217 currency code: `CNY`.",
                serialize=str,
                parse_value=_parse_currency,
            ),
        },
    )


@strawberry.type(description="An amount of one currency. Amounts of different currencies are never added.")
class Money:
    """Decimal text with exactly the currency's decimals."""

    amount: DecimalText = strawberry.field(description="Decimal text with the currency's decimals.")
    currency: Currency = strawberry.field(description="The currency of the amount.")


def money(minor: int | None, currency: str | None) -> Money | None:
    """Money of integer minor units, or None where either is missing."""
    if minor is None or currency is None:
        return None
    return Money(amount=DecimalText(to_text(minor, currency)), currency=Currency(currency))


def minor_units(amount: str, currency: str, *, where: str) -> int:
    """Minor units of decimal text; `ApiError` BAD_INPUT where it is negative or finer than the currency."""
    try:
        value = to_minor(Decimal(amount), currency)
    except (ValueError, InvalidOperation) as error:
        raise ApiError(ErrorCode.BAD_INPUT, f"{where}: {error}") from error
    if value < 0:
        raise ApiError(ErrorCode.BAD_INPUT, f"{where} must not be negative")
    return value


def instant(value: Any) -> Instant | None:
    """An instant of the store as the scalar, None staying None."""
    return None if value is None else Instant(value)
