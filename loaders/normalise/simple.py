"""One entry to the normalisers of identifiers that have a single canonical form."""

from __future__ import annotations

import re
from collections.abc import Callable

from loaders.normalise.ip import canonical_ip
from loaders.normalise.phone import canonical_phone
from loaders.normalise.recipient import canonical_recipient
from loaders.normalise.text import fold_plain

_CARD = re.compile(r"\d[\d -]{10,}\d")


def canonical_device(text: str) -> str | None:
    """A device's fingerprint as the platform gives it: NFKC, trimmed; case is kept. None where nothing is left."""
    return fold_plain(text) or None


def canonical_payment(text: str) -> str | None:
    """A payment instrument's id: as a device; a card number loses its spaces and dashes."""
    value = fold_plain(text)
    if _CARD.fullmatch(value) is not None:
        value = value.replace(" ", "").replace("-", "")
    return value or None


def canonical_parcel(text: str) -> str | None:
    """A parcel's tracking number: NFKC, upper case, without spaces and dashes."""
    value = fold_plain(text).upper()
    if not value.isalnum():
        value = fold_plain("".join(char for char in value if not char.isspace() and char != "-"))
    return value or None


SIMPLE: dict[str, Callable[[str], str | None]] = {
    "device": canonical_device,
    "phone": canonical_phone,
    "payment": canonical_payment,
    "recipient": canonical_recipient,
    "ip": canonical_ip,
    "parcel": canonical_parcel,
}


def canonical(kind: str, text: str) -> str | None:
    """The canonical form of a value; None where the text is none of its kind.

    `kind` is `device`, `phone`, `payment`, `recipient`, `ip` or `parcel`; addresses have levels and go through
    `parse_address`. Raises ValueError for another kind.
    """
    normalise = SIMPLE.get(kind)
    if normalise is None:
        raise ValueError(
            f"unknown kind of identifier {kind!r}: use one of {', '.join(sorted(SIMPLE))}, or parse_address"
        )
    return normalise(text)
