"""The snapshot: one read of the store into dense integer columns, in an order that depends on the platform's ids only.

Detectors see nothing else. A snapshot is fixed by `(as_of, known_by)`: what had happened by the instant `as_of`,
as far as the loads up to number `known_by` had told. Rows are numbered from 0 in code-point order of their id;
identifiers are numbered by their first appearance in that order, never by pseudonym, so that the numbers do not
depend on the deployment's key. Times are UTC microseconds; a missing time is `NEVER`, a missing reference -1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NEVER: Final = np.iinfo(np.int64).min
"""Stands for a missing instant."""

KINDS: Final = ("device", "ip", "ip_prefix", "payment", "phone", "recipient", "door", "building", "estate")
"""Kinds of identifier that orders and uses carry, in the order in which snapshots keep them."""


@dataclass(frozen=True)
class Buyers:
    """`n` accounts. `ids` (n,) text; `registered_at` (n,) instants."""

    ids: npt.NDArray[np.object_]
    registered_at: Longs


@dataclass(frozen=True)
class Stores:
    """`n` stores. `category` (n,) index into `categories`, -1 where unknown; `score` (n,) 0 to 5, NaN unknown."""

    ids: npt.NDArray[np.object_]
    category: Ints
    categories: tuple[str, ...]
    score: Floats


@dataclass(frozen=True)
class Orders:
    """`n` orders. `buyer`, `store`, `sku`, `currency` (n,) are indices (sku -1 where unknown); `amount` (n,) minor
    units; `at` (n,) instants; `used` maps each identifier kind of `KINDS` to an (n,) index, -1 where absent."""

    ids: npt.NDArray[np.object_]
    buyer: Ints
    store: Ints
    sku: Ints
    at: Longs
    signed_at: Longs
    amount: Longs
    currency: Ints
    quantity: Longs
    used: Mapping[str, Ints]


@dataclass(frozen=True)
class Items:
    """Lines of orders: `order`, `sku` indices, `quantity`, and `amount` in minor units (-1 where not given)."""

    order: Ints
    sku: Ints
    quantity: Longs
    amount: Longs


@dataclass(frozen=True)
class Refunds:
    """`n` claims whose order is known. `order`, `buyer`, `store` indices; `only` (n,) true for refund_only; `by_buyer`
    false where seller or platform began it; `outcome` index into `OUTCOMES` as of the snapshot; `reason` index into
    `reasons`, -1 none; `parcel` index, -1 none; `shipped_g`, `returned_g` grams or NaN; `note` index of equal notes,
    -1 none; `covered` 1, 0, or -1 unknown."""

    ids: npt.NDArray[np.object_]
    order: Ints
    buyer: Ints
    store: Ints
    at: Longs
    only: Bools
    by_buyer: Bools
    amount: Longs
    reason: Ints
    reasons: tuple[str, ...]
    outcome: Ints
    outcome_at: Longs
    parcel: Ints
    shipped_g: Floats
    returned_g: Floats
    note: Ints
    covered: Ints


OUTCOMES: Final = ("approved", "rejected", "withdrawn", "pending", "upheld", "dismissed")


@dataclass(frozen=True)
class Pictures:
    """One row a picture of a claim: `refund` index and the 64-bit perceptual hash."""

    refund: Ints
    phash: npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Complaints:
    """Stores' reports: `refund` index, `at`, `type` index into `types`, `outcome` index into `OUTCOMES` (pending
    where it was decided after `as_of`)."""

    ids: npt.NDArray[np.object_]
    refund: Ints
    at: Longs
    type: Ints
    types: tuple[str, ...]
    outcome: Ints


@dataclass(frozen=True)
class Uses:
    """Identifiers seen outside orders: `buyer`, `kind` (index into `KINDS`), `identifier` index of that kind, `at`.
    A use of an address counts once for each level it names, a use of an IP for the address and the prefix; `row`
    numbers the source row in `ids`."""

    ids: npt.NDArray[np.object_]
    row: Ints
    buyer: Ints
    kind: Ints
    identifier: Ints
    at: Longs


@dataclass(frozen=True)
class PastDecisions:
    """What the platform decided before: `buyer`, `store` (-1 platform-wide), `at`, `decision` index into
    `DECISIONS`."""

    ids: npt.NDArray[np.object_]
    buyer: Ints
    store: Ints
    at: Longs
    decision: Ints


DECISIONS: Final = ("closed", "limited", "lifted")


@dataclass(frozen=True)
class Snapshot:
    """Everything that detection sees. `identifiers[kind]` is the (n,) array of identifier row ids (as in the store's
    `identifiers` table) by number, and `parcels` the same for return parcels; `within["door"][i]` is the building of
    door i, `within["building"][i]` its estate, `within["ip"][i]` its prefix (-1 none)."""

    as_of: int
    known_by: int
    buyers: Buyers
    stores: Stores
    skus: npt.NDArray[np.object_]
    currencies: tuple[str, ...]
    orders: Orders
    items: Items
    refunds: Refunds
    pictures: Pictures
    complaints: Complaints
    uses: Uses
    past: PastDecisions
    identifiers: Mapping[str, npt.NDArray[np.object_]]
    parcels: npt.NDArray[np.object_]
    within: Mapping[str, Ints]
    absent: tuple[str, ...]
    """Names of what the platform did not give at all: `phone`, `pictures`, `refunds` …"""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all columns but the pseudonyms: equal snapshots, and only those, have equal digests."""
        hasher = hashlib.sha256(f"{self.as_of}".encode())
        parts: tuple[object, ...] = (self.buyers, self.stores, self.orders, self.items, self.refunds, self.pictures)
        for part in (*parts, self.complaints, self.uses, self.past):
            _feed(hasher, part)
        _feed_value(hasher, self.skus)
        _feed_value(hasher, self.currencies)
        for kind in sorted(self.within):
            _feed_value(hasher, self.within[kind])
        return hasher.hexdigest()


def _feed(hasher: hashlib._Hash, part: object) -> None:
    for field in fields(part):  # type: ignore[arg-type]  # always one of the dataclasses above
        hasher.update(field.name.encode())
        _feed_value(hasher, getattr(part, field.name))


def _feed_value(hasher: hashlib._Hash, value: object) -> None:
    if isinstance(value, np.ndarray):
        data = "\x00".join(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes()
        hasher.update(f"{value.shape}{value.dtype.str}".encode() + data)
    elif isinstance(value, Mapping):
        for key in sorted(value):
            hasher.update(str(key).encode())
            _feed_value(hasher, value[key])
    else:
        hasher.update(repr(value).encode())
