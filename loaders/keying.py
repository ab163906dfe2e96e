"""Keys of identifiers: HMAC-SHA256 of the canonical form with the deployment's key, cut to 16 bytes, and the masked
form beside it.

The message is domain-separated: namespace and kind stand before the canonical form, each with its length, so that no
value of one kind
can have the key of another. The states of the inner and the outer hash after the padded key (and, inside, the
domain) are kept
and copied for each value, which is the definition of HMAC (RFC 2104) without hashing the key anew. The key itself is
not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from graph.errors import KeyProblem
from loaders.normalise.address import parse_address
from loaders.normalise.ip import ip_prefix
from loaders.normalise.masks import mask_address, mask_canonical
from loaders.normalise.simple import SIMPLE
from loaders.normalise.text import fold_plain
from loaders.readers import PARTS, Columns, read

if TYPE_CHECKING:
    from hashlib import _Hash

VARIABLE = "RINGFENCE_KEY"
SHORTEST_KEY = 32
KEY_BYTES = 16
KINDS = (*sorted(SIMPLE), "address")
ADDRESS_LEVELS = ("door", "building", "estate")

_BLOCK = 64
_INNER, _OUTER = 0x36, 0x5C
_FINGERPRINT_LABEL = b"ringfence key check, version 1"


@dataclass(frozen=True, slots=True)
class Identity:
    """One value, keyed: `key` is the finest key there is (None where the value is none of its kind), `keys` all of
    them by name.

    The names are the kind itself; `prefix` of an IP; for an address `door`, `building`, `estate` and their `bare_`
    twins.
    """

    kind: str
    key: bytes | None
    masked: str
    keys: Mapping[str, bytes]


class Keyer:
    """Turns raw identifiers of one namespace into keys and masks. Holds hash states, not the key; its text shows
    neither."""

    __slots__ = ("_fingerprint", "_inner", "_outer", "_states", "namespace")

    def __init__(self, key: bytes | str, namespace: str = "default") -> None:
        """Raises KeyProblem for a key of fewer than 32 bytes."""
        secret = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else bytes(key)
        if len(secret) < SHORTEST_KEY:
            raise KeyProblem(
                f"the key is {len(secret)} bytes long",
                where=VARIABLE,
                do=f"set it to at least {SHORTEST_KEY} bytes of text that stays the same and stays secret",
            )
        padded = (secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()).ljust(_BLOCK, b"\0")
        self.namespace = namespace
        self._inner = hashlib.sha256(bytes(byte ^ _INNER for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ _OUTER for byte in padded))
        self._states: dict[str, _Hash] = {}
        self._fingerprint = self._digest(self._inner, _FINGERPRINT_LABEL).hex()

    @classmethod
    def from_env(cls, env: Mapping[str, str], namespace: str = "default") -> Keyer:
        """The keyer of the key in `RINGFENCE_KEY`. Raises KeyProblem where it is missing or short."""
        key = env.get(VARIABLE, "")
        if not key:
            raise KeyProblem(
                f"{VARIABLE} is not set, and personal identifiers are keyed before anything is stored",
                do=f"set it to at least {SHORTEST_KEY} bytes of secret text",
            )
        return cls(key, namespace)

    def __repr__(self) -> str:
        return f"Keyer(namespace={self.namespace!r})"

    def __reduce__(self) -> str:
        raise TypeError("a Keyer is not pickled: make one from the key where it is needed")

    def fingerprint(self) -> str:
        """A check value of the key, the same for all namespaces: an HMAC of a fixed text (32 hex digits). It reveals
        nothing of the key."""
        return self._fingerprint

    def key(self, domain: str, canonical: str) -> bytes:
        """The 16-byte key of a canonical value in a domain (a kind, or an address level)."""
        return self._digest(self._state(domain), canonical.encode("utf-8", "surrogatepass"))

    def note_fingerprint(self, text: str) -> bytes | None:
        """The key of a note's text, without case and spacing, so that copied notes meet; None for a text without
        letters and digits."""
        squeezed = "".join(filter(str.isalnum, fold_plain(text).casefold()))
        return self.key("note", squeezed) if squeezed else None

    def one(self, kind: str, text: str) -> Identity:
        """Key a single value. Raises ValueError for a kind that is not one of `KINDS`."""
        if kind == "address":
            address = parse_address(text)
            keys = {
                name: self.key(name.removeprefix("bare_"), value)
                for name in PARTS
                if (value := getattr(address, name)) is not None
            }
            key = keys.get(address.level) if address.level is not None else None
            return Identity(kind, key, mask_address(text, address), keys)
        canonical = _normaliser(kind)(text)
        masked = mask_canonical(kind, text, canonical)
        if canonical is None:
            return Identity(kind, None, masked, {})
        keys = {kind: self.key(kind, canonical)}
        if kind == "ip":
            keys["prefix"] = self.key("ip_prefix", ip_prefix(canonical))
        return Identity(kind, keys[kind], masked, keys)

    def identify(self, kind: str, values: pl.Series) -> pl.DataFrame:
        """Key the distinct values of a text column.

        Returns one row for each distinct non-null value, in order of first appearance: `value`, `key` (16 bytes,
        null where the
        value is none of its kind), `masked`; for `ip` also `prefix`; for `address` also `level` (`door`, `building`,
        `estate` or null), `has_city`,
        and the keys `door`, `building`, `estate`, `bare_door`, `bare_building`, `bare_estate` (null where the text
        doesn't reach the level).
        Raises ValueError for a kind that is not one of `KINDS`.
        """
        texts: list[str] = values.cast(pl.String).drop_nulls().unique(maintain_order=True).to_list()
        return self.keyed(kind, texts, read(kind, texts))

    def keyed(self, kind: str, texts: Sequence[str], parts: Columns) -> pl.DataFrame:
        """Key distinct values that are read already (`loaders.readers`): what `identify` answers for them."""
        columns: dict[str, pl.Series] = {"value": pl.Series(texts, dtype=pl.String)}
        if kind != "address":
            columns["key"] = self._keys(kind, parts["canonical"])
            columns["masked"] = pl.Series(parts["masked"], dtype=pl.String)
            if kind == "ip":
                columns["prefix"] = self._keys("ip_prefix", parts["prefix"])
            return pl.DataFrame(columns)
        columns["masked"] = pl.Series(parts["masked"], dtype=pl.String)
        columns["level"] = pl.Series(parts["level"], dtype=pl.String)
        columns["has_city"] = pl.Series(parts["city"], dtype=pl.String).is_not_null()
        for name in PARTS:
            columns[name] = self._keys(name.removeprefix("bare_"), parts[name])
        frame = pl.DataFrame(columns).with_columns(pl.coalesce("door", "building", "estate").alias("key"))
        return frame.select("value", "key", "masked", "level", "has_city", *PARTS)

    def _keys(self, domain: str, canonical: Sequence[str | None]) -> pl.Series:
        """A Binary column of keys; values that recur (estates) are hashed once."""
        fresh, outer = self._state(domain).copy, self._outer.copy
        seen: dict[str | None, bytes | None] = {None: None}
        for form in canonical:
            if form is not None and form not in seen:
                inside = fresh()
                inside.update(form.encode("utf-8", "surrogatepass"))
                outside = outer()
                outside.update(inside.digest())
                seen[form] = outside.digest()[:KEY_BYTES]
        keys = [seen[form] for form in canonical]
        return pl.Series(keys, dtype=pl.Binary)

    def _state(self, domain: str) -> _Hash:
        """The inner hash after the padded key, the namespace and the domain."""
        state = self._states.get(domain)
        if state is None:
            state = self._inner.copy()
            for part in (self.namespace.encode("utf-8", "surrogatepass"), domain.encode()):
                state.update(len(part).to_bytes(4, "big") + part)
            self._states[domain] = state
        return state

    def _digest(self, state: _Hash, message: bytes) -> bytes:
        inside = state.copy()
        inside.update(message)
        outside = self._outer.copy()
        outside.update(inside.digest())
        return outside.digest()[:KEY_BYTES]


def _normaliser(kind: str) -> Callable[[str], str | None]:
    normalise = SIMPLE.get(kind)
    if normalise is None:
        raise ValueError(f"unknown kind of identifier {kind!r}: use one of {', '.join(KINDS)}")
    return normalise


def address_identifiers(found: pl.DataFrame) -> pl.DataFrame:
    """The distinct address keys of `Keyer.identify("address", …)` as rows for `graph.places.resolve_places`.

    Columns: `key`, `level`, `has_city`, `bare`, `bare_estate`; one row for each level that an address reaches,
    sorted by key.
    """
    levels = [
        found.filter(pl.col(level).is_not_null()).select(
            pl.col(level).alias("key"),
            pl.lit(level).alias("level"),
            "has_city",
            pl.col(f"bare_{level}").alias("bare"),
            "bare_estate",
        )
        for level in ADDRESS_LEVELS
    ]
    return pl.concat(levels).unique().sort("key", "level")
