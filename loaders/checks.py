"""Checks a batch of text rows against the contract: typed rows that hold, and one entry per broken value.

A row with any broken value is kept out whole; each of its broken columns gets one entry, with the first rule that
the value breaks. Personal values are shown masked, others cut to 80 characters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from graph.currencies import EXPONENTS
from loaders import values
from loaders.contract import CONTRACTS, MAX_FIELD_BYTES, Contract, Field, Rule
from loaders.values import Parsed

SHOWN_CHARS = 80

Mask = Callable[[str, str], str]
"""(kind, raw value) to what may be shown of it."""


@dataclass(frozen=True)
class Setting:
    """What the checks of one file need to know: the moment of loading (µs), the mapping's zone, time format and unit,
    how an order's currency is found (order ids to exponents), how pictures are turned into hashes, and the mask."""

    now: int
    exponents: Callable[[pl.Series], pl.Series]
    pictures: Callable[[pl.Series], Parsed]
    mask: Mask
    zone: str = ""
    form: str = ""
    minor: bool = False


@dataclass(frozen=True)
class Checked:
    """Rows that hold, typed and in contract columns plus `line`; and the broken values: line, column, value, rule."""

    rows: pl.DataFrame
    broken: pl.DataFrame

    @property
    def broken_rows(self) -> int:
        """How many rows were kept out."""
        return self.broken["line"].n_unique()


BROKEN = {"line": pl.Int64, "column": pl.String, "value": pl.String, "rule": pl.String}


def check(batch: pl.DataFrame, contract: Contract, setting: Setting) -> Checked:
    """Check one batch. `batch`: the contract's columns as text, and `line`."""
    typed: dict[str, pl.Series] = {}
    rules: dict[str, pl.Series] = {}
    for field in contract.fields:
        text = batch[field.name]
        long = values.too_long(text)
        if long is not None:
            text = text.set(long, None)
        parsed = _parse(text, field, contract, setting, typed)
        rule = parsed.rules
        if long is not None:
            rule = _first(
                pl.Series("rule", [f"is over {MAX_FIELD_BYTES} bytes"]).new_from_index(0, len(text)), long, rule
            )
        elif field.required and batch[field.name].null_count():
            rule = _first(
                pl.Series("rule", ["is required and empty"]).new_from_index(0, len(text)), text.is_null(), rule
            )
        typed[field.name] = parsed.values.alias(field.name)
        if rule is not None:
            rules[field.name] = rule
    if contract.name == "decisions":
        lacks = ((typed["scope"] == "store") & typed["store_id"].is_null()).fill_null(value=False)
        if lacks.any():
            sentence = pl.Series("rule", ["is required where scope is store"]).new_from_index(0, len(lacks))
            rules["store_id"] = _first(sentence, lacks, rules.get("store_id"))
    rows = pl.DataFrame([*typed.values(), batch["line"]])
    if not rules:
        return Checked(rows, pl.DataFrame(schema=BROKEN))
    entries = [_entries(batch, contract.field(name), rule, setting.mask) for name, rule in rules.items()]
    bad = pl.DataFrame([rule.is_not_null().alias(name) for name, rule in rules.items()]).select(
        pl.any_horizontal(pl.all())
    )
    return Checked(rows.filter(~bad.to_series()), pl.concat(entries).sort("line", maintain_order=True))


def _first(sentence: pl.Series, mask: pl.Series, other: pl.Series | None) -> pl.Series:
    """The sentence where the mask holds, else the other rule."""
    masked = sentence.set(~mask, None)
    if other is None:
        return masked
    return pl.DataFrame([masked.alias("a"), other.alias("b")]).select(pl.coalesce("a", "b")).to_series()


def _parse(text: pl.Series, field: Field, contract: Contract, setting: Setting, typed: dict[str, pl.Series]) -> Parsed:
    if field.default:
        text = text.fill_null(field.default)
    match field.rule:
        case Rule.ID | Rule.CODE:
            return values.ids(text)
        case Rule.TIME | Rule.DATE:
            dates = field.rule is Rule.DATE
            return values.times(text, now=setting.now, zone=setting.zone, form=setting.form, dates=dates)
        case Rule.AMOUNT:
            return values.amounts(text, _exponents(contract, setting, typed), minor=setting.minor)
        case Rule.CURRENCY:
            return values.currencies(text)
        case Rule.COUNT:
            return values.counts(text)
        case Rule.CHOICE:
            return values.choices(text, field.choices)
        case Rule.FLAG:
            return values.flags(text)
        case Rule.WEIGHT:
            return values.numbers(text)
        case Rule.SCORE:
            return values.numbers(text, most=5.0, what="score")
        case Rule.PICTURES:
            return setting.pictures(text)
        case Rule.IDENTIFIER | Rule.WORDS:
            return Parsed(text)


def _exponents(contract: Contract, setting: Setting, typed: dict[str, pl.Series]) -> pl.Series:
    """Decimals of each row's currency: its own, or its order's."""
    if contract.amount_of:
        return setting.exponents(typed[contract.amount_of])
    return typed["currency"].replace_strict(EXPONENTS, default=2, return_dtype=pl.Int8)


def _entries(batch: pl.DataFrame, field: Field, rule: pl.Series, mask: Mask) -> pl.DataFrame:
    """One entry for each broken value of a column."""
    bad = batch.filter(rule.is_not_null())
    shown = [_shown(field, value, kind, mask) for value, kind in zip(bad[field.name], _kinds(bad, field), strict=True)]
    return pl.DataFrame(
        {
            "line": bad["line"],
            "column": [field.name] * bad.height,
            "value": shown,
            "rule": rule.drop_nulls(),
        },
        schema=BROKEN,
    )


def _kinds(bad: pl.DataFrame, field: Field) -> list[str]:
    """Kind of identifier of each value; rows of `uses` name it themselves, rightly or not."""
    if field.kind or not field.personal or field.rule is Rule.WORDS:
        return [field.kind] * bad.height
    known = {contract_field.kind for contract in CONTRACTS for contract_field in contract.fields} - {""}
    return [kind if kind in known else "" for kind in bad["kind"]]


def _shown(field: Field, value: str | None, kind: str, mask: Mask) -> str:
    if value is None:
        return ""
    if not field.personal:
        return value[:SHOWN_CHARS]
    if not kind or len(value) > MAX_FIELD_BYTES:
        return "***"
    return mask(kind, value)[:SHOWN_CHARS]
