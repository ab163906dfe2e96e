"""Money as people write it, and as it is kept: decimal text to integer minor units of a currency, and back."""

from __future__ import annotations

from decimal import Decimal

from graph.currencies import EXPONENTS


def exponent(currency: str) -> int:
    """How many decimals the minor unit of an ISO 4217 currency has: 2 where it is unknown."""
    return EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal, currency: str) -> int:
    """Integer minor units of a decimal amount. Raises `ValueError` where it has more decimals than the currency."""
    scaled = amount.scaleb(exponent(currency))
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more than the {exponent(currency)} decimals of {currency}")
    return int(scaled)


def to_text(minor: int, currency: str) -> str:
    """Decimal text of integer minor units, with exactly the currency's decimals: 12345 CNY is `123.45`."""
    places = exponent(currency)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
