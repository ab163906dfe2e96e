"""Masked forms: what an investigator may see of a value whose raw form is not stored.

| kind | shown | example |
|---|---|---|
| phone | first 3 and last 2 digits, a mark for an extension | `138******78`, `170******78转*` |
| recipient | first character or letter | `张*`, `J*` |
| address | city and first character of the estate or street | `杭州锦***` |
| ip | first half of IPv4, first two groups of IPv6 | `10.1.*.*`, `2001:db8:*` |
| device, payment, parcel | last 4 of 12 and more characters, last 2 of 8 and more | `****9f3c` |

A mask never contains the raw value or its canonical form; where what would be shown is too much of a short value,
all is masked.
"""

from __future__ import annotations

from loaders.normalise.address import Address, parse_address
from loaders.normalise.simple import SIMPLE

_ALL = "***"
_ALL_OF_STARS = "###"  # for a raw value that is itself made of stars


def _tail(value: str) -> str:
    if len(value) >= 12:
        return "****" + value[-4:]
    return "****" + value[-2:] if len(value) >= 8 else _ALL


def _phone(value: str) -> str:
    number, mark, _ = value.partition("x")
    digits = number.removeprefix("+86")
    if len(digits) < 7:
        return _ALL
    return digits[:3] + "*" * (len(digits) - 5) + digits[-2:] + ("转*" if mark else "")


def _ip(value: str) -> str:
    if ":" in value:
        groups = value.split(":")
        return f"{groups[0]}:{groups[1]}:*" if groups[0] and groups[1] else _ALL
    first, second, *_ = value.split(".")
    return f"{first}.{second}.*.*"


def _recipient(value: str) -> str:
    return value[0] + "*" if len(value) > 1 else _ALL


def _address(address: Address) -> str:
    name = (address.bare_estate or "|").removeprefix("|")
    return f"{address.city or ''}{name[:1]}{_ALL}" if len(name) > 1 else f"{address.city or ''}{_ALL}"


def _safe(shown: str, raw: str, canonical: str) -> str:
    """The mask itself, unless the raw or canonical value can be read in it."""
    if raw not in shown and (not canonical or canonical not in shown):
        return shown
    for candidate in (_ALL, _ALL_OF_STARS):
        if raw not in candidate and (not canonical or canonical not in candidate):
            return candidate
    return "*" if raw != "*" else "#"


def mask_canonical(kind: str, raw: str, canonical: str | None) -> str:
    """The mask of a value whose canonical form is known (None: the value has none, all is masked)."""
    if canonical is None:
        return _safe(_ALL, raw, "")
    if kind == "phone":
        shown = _phone(canonical)
    elif kind == "recipient":
        shown = _recipient(canonical)
    elif kind == "ip":
        shown = _ip(canonical)
    else:
        shown = _tail(canonical)
    return _safe(shown, raw, canonical)


def mask_address(raw: str, address: Address) -> str:
    """The mask of an address that is parsed already."""
    if address.kind == "unparsed":
        return _safe(_ALL, raw, "")
    return _safe(_address(address), raw, (address.bare_estate or "").removeprefix("|"))


def mask(kind: str, value: str) -> str:
    """The masked form of a raw or canonical value of any kind; all is masked for a kind that is not known."""
    if kind == "address":
        return mask_address(value, parse_address(value))
    normalise = SIMPLE.get(kind)
    return mask_canonical(kind, value, normalise(value) if normalise is not None else None)
