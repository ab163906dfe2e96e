"""What the sections of the policy are made of: a strict base, shares, amounts, days and lists."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A part of the policy: no unknown fields, no silent conversions, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _as_decimal(value: Any) -> Any:
    """Amounts are decimal text, so that no binary fraction slips in; whole numbers are fine as they are."""
    if isinstance(value, str):
        try:
            return Decimal(value)
        except ArithmeticError:
            return value
    if isinstance(value, float):
        raise ValueError('amounts are decimal text in quotes, such as "200.00"')
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def as_tuple(value: Any) -> Any:
    """A TOML array as the tuple that frozen sections hold."""
    return tuple(value) if isinstance(value, list) else value


def _as_day(value: Any) -> Any:
    """A TOML date, or the same as text (as the stored form has it)."""
    if isinstance(value, datetime):
        raise ValueError("a day has no time: write it as 2025-01-31")
    if isinstance(value, str):
        return date.fromisoformat(value)
    return value


Share = Annotated[float, Field(ge=0, le=1, strict=False)]
Amount = Annotated[Decimal, BeforeValidator(_as_decimal), Field(ge=0, max_digits=15)]
Day = Annotated[date, BeforeValidator(_as_day)]
