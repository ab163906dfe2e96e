"""What the API asks of whoever holds the pseudonymisation key.

The API knows no normaliser and no key: the command line hands it a `Keyer`. Raw values go in, identifier row ids come
out, and nothing here keeps or logs the raw value.
"""

from __future__ import annotations

from typing import Protocol

RAW_KINDS = ("device", "ip", "payment", "phone", "recipient", "address", "parcel")
"""Kinds of raw value that can be keyed; an address becomes a door, a building or an estate."""


class Keyer(Protocol):
    """Turns raw identifiers into the row ids of table `identifiers`."""

    def identifier_ids(self, kind: str, value: str) -> tuple[str, ...]:
        """Row ids (`kind:hex`) of a raw value of one of `RAW_KINDS`, the finest place first; empty where the value
        is no identifier of that kind (blank, or an address without any place in it)."""
        ...
