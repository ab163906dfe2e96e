"""Replaces personal values by pseudonyms, and gives the rows of `identifiers` that say what may be shown of them.

Each distinct value is normalised and keyed once while it is remembered; what is remembered is bounded, and only in
memory. A value that can't be read as what it is (`n/a` as an IP) is absent evidence: it becomes null and is counted.
In `uses`, where the value is what the row is about, it breaks the row.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

import polars as pl
import pyarrow.compute as pc

from loaders.checks import BROKEN
from loaders.contract import USE_KINDS, Contract, Rule
from loaders.keying import ADDRESS_LEVELS, Keyer
from loaders.normalise.masks import mask
from loaders.readers import Columns, Readers, gathered

REMEMBERED = 400_000
"""Distinct values of a kind that are remembered between batches."""

_KNOWN = {"value": pl.String, "key": pl.Binary}
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
    are read as, and whether what was remembered before is to be dropped first."""

    kind: str
    texts: list[str]
    parts: list[Future[Columns]]
    afresh: bool


@dataclass
class Pseudonyms:
    """Keys the personal columns of batches with one `Keyer`; one object a load.

    A batch is announced with `ask`, so that its values are read while other work goes on, and keyed with `of`;
    batches are keyed in the order they were announced."""

    keyer: Keyer
    readers: Readers
    _known: dict[str, pl.DataFrame] = field(default_factory=dict)
    _asked: dict[str, pl.DataFrame] = field(default_factory=dict)

    def ask(self, contract: Contract, rows: pl.DataFrame) -> list[Asked]:
        """Begin to read the identifiers of a checked batch."""
        if contract.name == "uses":
            columns = [(kind, rows.filter(pl.col("kind") == kind)["value"]) for kind in USE_KINDS]
        else:
            columns = [(declared.kind, rows[declared.name]) for declared in contract.fields if declared.kind]
        return [self._ask(kind, values) for kind, values in columns]

    def _ask(self, kind: str, values: pl.Series) -> Asked:
        before = self._asked.get(kind, pl.DataFrame(schema={"value": pl.String}))
        afresh = before.height > REMEMBERED
        known = before.clear() if afresh else before
        # Arrow keeps the order of first appearance at no cost
        distinct = pl.DataFrame({"value": pc.unique(values.drop_nulls().to_arrow())}, schema={"value": pl.String})
        fresh = distinct.join(known, on="value", how="anti", maintain_order="left")
        self._asked[kind] = pl.concat([known, fresh])
        texts = fresh["value"].to_list()
        return Asked(kind, texts, self.readers.ask(kind, texts), afresh)

    def of(self, contract: Contract, rows: pl.DataFrame, asked: list[Asked]) -> Keyed:
        """Key one checked batch that `ask` announced."""
        found = [self._learn(one) for one in asked if one.texts or one.afresh]
        unreadable: dict[str, int] = {}
        broken = pl.DataFrame(schema=BROKEN)
        if contract.name == "uses":
            rows, broken = self._uses(rows)
        for declared in contract.fields:
            name = declared.name
            if declared.rule is Rule.WORDS:
                rows = rows.with_columns(self._notes(rows[name]))
            elif declared.kind:
                keys = self._keys(declared.kind, rows[name])
                lost = keys.null_count() - rows[name].null_count()
                if lost:
                    unreadable[name] = lost
                rows = rows.with_columns(keys.alias(name))
        new = pl.concat(found) if found else pl.DataFrame(schema=IDENTIFIERS)
        return Keyed(rows, new, broken, unreadable)

    def _uses(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of `uses`, whose kind stands in the row; those whose value can't be read are broken."""
        parts = []
        for kind in USE_KINDS:
            part = rows.filter(pl.col("kind") == kind)
            if part.height:
                parts.append(part.with_columns(self._keys(kind, part["value"]).alias("key")))
        keyed = pl.concat(parts).sort("line") if parts else rows.with_columns(pl.lit(None, pl.Binary).alias("key"))
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
        """Key the values that were asked for, and remember them; returns their identifiers."""
        if asked.afresh:
            self._known.pop(asked.kind, None)
        if not asked.texts:
            return pl.DataFrame(schema=IDENTIFIERS)
        keyed = self.keyer.keyed(asked.kind, asked.texts, gathered(asked.parts))
        known = self._known.get(asked.kind, pl.DataFrame(schema=_KNOWN))
        self._known[asked.kind] = pl.concat([known, keyed.select("value", "key")])
        return identifiers(asked.kind, keyed)

    def _keys(self, kind: str, values: pl.Series) -> pl.Series:
        """Keys of a column whose values are known."""
        asked = values.alias("value").to_frame()
        known = self._known.get(kind, pl.DataFrame(schema=_KNOWN))
        return asked.join(known, on="value", how="left", maintain_order="left")["key"]

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
