"""Replaces personal values by pseudonyms, and gives the rows of `identifiers` that say what may be shown of them.

Each distinct value is normalised and keyed once while it is remembered; what is remembered is bounded, and only in
memory. A value that can't be read as what it is (`n/a` as an IP) is absent evidence: it becomes null and is counted.
In `uses`, where the value is what the row is about, it breaks the row.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow.compute as pc

from loaders.checks import BROKEN
from loaders.contract import USE_KINDS, Contract, Rule
from loaders.keying import ADDRESS_LEVELS, Keyer
from loaders.normalise.masks import mask
from loaders.readers import Columns, Readers, gathered

REMEMBERED = 400_000
"""Distinct values of a kind that are remembered between batches."""

_PLACES = {"value": pl.String, "place": pl.UInt32}
_NO_KEYS = pl.Series("key", [], pl.Binary)
IDENTIFIERS = {
    "id": pl.String,
    "kind": pl.String,
    "key": pl.Binary,
    "masked": pl.String,
    "within": pl.Binary,
    "bare": pl.Binary,
    "has_city": pl.Boolean,
}


@dataclass(frozen=True)
class Keyed:
    """A batch behind the door: `rows` with keys (16 bytes) in place of values; `identifiers` not written before by
    this load; `broken` rows of `uses` (line, column, value masked, rule); `unreadable` values per column."""

    rows: pl.DataFrame
    identifiers: pl.DataFrame
    broken: pl.DataFrame
    unreadable: dict[str, int]


@dataclass(frozen=True)
class Asked:
    """Values of one kind in a batch that are being read: the distinct texts not remembered, the futures of what they
    are read as, whether what was remembered before is to be dropped first; and for each row that holds such a value
    the place of its key among those remembered (null where it has none)."""

    kind: str
    texts: list[str]
    parts: list[Future[Columns]]
    afresh: bool
    places: pl.Series


@dataclass
class Pseudonyms:
    """Keys the personal columns of batches with one `Keyer`; one object a load.

    A batch is announced with `ask`, so that its values are read while other work goes on, and keyed with `of`;
    batches are keyed in the order they were announced."""

    keyer: Keyer
    readers: Readers
    _known: dict[str, pl.Series] = field(default_factory=dict)
    _asked: dict[str, pl.DataFrame] = field(default_factory=dict)
    _given: dict[str, pl.DataFrame] = field(default_factory=dict)

    def ask(self, contract: Contract, rows: pl.DataFrame) -> list[Asked]:
        """Begin to read the identifiers of a checked batch: one answer for each column that has a kind, or for each
        kind of `uses`, in their order."""
        if contract.name == "uses":
            return [self._ask(kind, rows.filter(pl.col("kind") == kind)["value"]) for kind in USE_KINDS]
        return [self._ask(declared.kind, rows[declared.name]) for declared in contract.fields if declared.kind]

    def _ask(self, kind: str, values: pl.Series) -> Asked:
        known = self._asked.get(kind, pl.DataFrame(schema=_PLACES))
        afresh = known.height > REMEMBERED
        if afresh:
            known = known.clear()
        coded: Any = pc.dictionary_encode(values.to_arrow())
        distinct = pl.DataFrame({"value": coded.dictionary}, schema={"value": pl.String})
        place = distinct.join(known, on="value", how="left", maintain_order="left")["place"]
        fresh = distinct.filter(place.is_null()).with_row_index("place", known.height).select(_PLACES.keys())
        self._asked[kind] = pl.concat([known, fresh])
        place = place.scatter(place.is_null().arg_true(), fresh["place"])
        texts = fresh["value"].to_list()
        rows = place.gather(pl.Series(coded.indices, dtype=pl.UInt32))
        return Asked(kind, texts, self.readers.ask(kind, texts), afresh, rows)

    def of(self, contract: Contract, rows: pl.DataFrame, asked: list[Asked]) -> Keyed:
        """Key one checked batch that `ask` announced."""
        found, columns = [pl.DataFrame(schema=IDENTIFIERS)], []
        for one in asked:
            found.append(self._learn(one))
            columns.append(self._known.get(one.kind, _NO_KEYS).gather(one.places))
        unreadable: dict[str, int] = {}
        broken = pl.DataFrame(schema=BROKEN)
        if contract.name == "uses":
            rows, broken = self._uses(rows, columns)
        else:
            names = [declared.name for declared in contract.fields if declared.kind]
            for name, keys in zip(names, columns, strict=True):
                lost = keys.null_count() - rows[name].null_count()
                if lost:
                    unreadable[name] = lost
                rows = rows.with_columns(keys.alias(name))
        for declared in contract.fields:
            if declared.rule is Rule.WORDS:
                rows = rows.with_columns(self._notes(rows[declared.name]))
        return Keyed(rows, pl.concat(found), broken, unreadable)

    def _uses(self, rows: pl.DataFrame, columns: list[pl.Series]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of `uses`, whose kind stands in the row, with the keys of each kind's rows; those whose value can't be
        read are broken."""
        parts = [
            rows.filter(pl.col("kind") == kind).with_columns(keys.alias("key"))
            for kind, keys in zip(USE_KINDS, columns, strict=True)
        ]
        keyed = pl.concat(parts).sort("line")
        bad = keyed.filter(pl.col("key").is_null())
        broken = pl.DataFrame(
            {
                "line": bad["line"],
                "column": ["value"] * bad.height,
                "value": [mask(kind, value) for kind, value in zip(bad["kind"], bad["value"], strict=True)],
                "rule": ["cannot be read as " + kind for kind in bad["kind"]],
            },
            schema=BROKEN,
        )
        good = keyed.filter(pl.col("key").is_not_null()).drop("value").rename({"key": "value"})
        return good, broken

    def _learn(self, asked: Asked) -> pl.DataFrame:
        """Key the values that were asked for, and remember the keys; returns their identifiers."""
        if asked.afresh:
            self._known.pop(asked.kind, None)
        if not asked.texts:
            return pl.DataFrame(schema=IDENTIFIERS)
        keyed = self.keyer.keyed(asked.kind, asked.texts, gathered(asked.parts))
        self._known[asked.kind] = pl.concat([self._known.get(asked.kind, _NO_KEYS), keyed["key"]], rechunk=True)
        return self._not_given(asked.kind, identifiers(asked.kind, keyed))

    def _not_given(self, kind: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Identifiers that this load has not met: those of another value may be the same door, estate or prefix."""
        given = self._given.get(kind)
        if given is not None:
            rows = rows.join(given, on="id", how="anti", maintain_order="left")
        met = rows.select("id")
        self._given[kind] = met if given is None or given.height > REMEMBERED else pl.concat([given, met])
        return rows

    def _notes(self, notes: pl.Series) -> pl.Series:
        """Keyed fingerprints of a column of words."""
        distinct = notes.drop_nulls().unique(maintain_order=True)
        keys = pl.DataFrame(
            {"value": distinct, "key": [self.keyer.note_fingerprint(text) for text in distinct]},
            schema={"value": pl.String, "key": pl.Binary},
        )
        asked = notes.alias("value").to_frame()
        return asked.join(keys, on="value", how="left", maintain_order="left")["key"].alias(notes.name)


def identifiers(kind: str, keyed: pl.DataFrame) -> pl.DataFrame:
    """Rows of the `identifiers` table for what `Keyer.identify` answered, sorted by id and each once."""
    if kind == "address":
        wider = {"door": pl.coalesce("building", "estate"), "building": pl.col("estate"), "estate": _NO_KEY}
        parts = [
            _rows(level, keyed.filter(pl.col(level).is_not_null()), pl.col(level), wider[level]).with_columns(
                pl.Series("bare", keyed.filter(pl.col(level).is_not_null())[f"bare_{level}"], pl.Binary),
                pl.Series("has_city", keyed.filter(pl.col(level).is_not_null())["has_city"], pl.Boolean),
            )
            for level in ADDRESS_LEVELS
        ]
    elif kind == "ip":
        keyed = keyed.filter(pl.col("key").is_not_null())
        parts = [
            _rows("ip", keyed, pl.col("key"), pl.col("prefix")),
            _rows("ip_prefix", keyed, pl.col("prefix"), _NO_KEY),
        ]
    else:
        parts = [_rows(kind, keyed.filter(pl.col("key").is_not_null()), pl.col("key"), _NO_KEY)]
    return pl.concat(parts).select(IDENTIFIERS.keys()).unique("id", keep="first", maintain_order=True).sort("id")


_NO_KEY = pl.lit(None, pl.Binary)


def _rows(kind: str, keyed: pl.DataFrame, key: pl.Expr, within: pl.Expr) -> pl.DataFrame:
    return keyed.select(
        pl.concat_str(pl.lit(f"{kind}:"), key.bin.encode("hex")).alias("id"),
        pl.lit(kind).alias("kind"),
        key.alias("key"),
        "masked",
        within.alias("within"),
        pl.lit(None, pl.Binary).alias("bare"),
        pl.lit(None, pl.Boolean).alias("has_city"),
    )
