"""Parses one column of text into typed values and names the rule that each broken value breaks.

Every function takes a text column and gives `Parsed`: the values, and the rules (text, null where the value holds),
or None where all hold. All work is done on whole columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa

from graph.currencies import EXPONENTS
from loaders.contract import EARLIEST_YEAR, MAX_AMOUNT_DIGITS, MAX_FIELD_BYTES, MAX_ID_BYTES

EARLIEST = int(datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_DECIMAL = r"^[0-9]+(\.[0-9]+)?$"
_TWO_DECIMALS = rf"^[0-9]{{1,{MAX_AMOUNT_DIGITS - 2}}}\.[0-9]{{2}}$"
_MAX_WEIGHT_G = 1e9


@dataclass(frozen=True)
class Parsed:
    """Typed values of a column, and the broken rule of each (text, null where none), or None where none is broken."""

    values: pl.Series
    rules: pl.Series | None = None


def judged(values: pl.Series, *rules: tuple[str, pl.Series]) -> Parsed:
    """Values with the first rule that is broken: each rule is its sentence and a mask of the rows that break it."""
    broken = [(text, mask.fill_null(value=False)) for text, mask in rules]
    broken = [(text, mask) for text, mask in broken if mask.any()]
    if not broken:
        return Parsed(values)
    frame = pl.DataFrame([mask.alias(str(place)) for place, (_, mask) in enumerate(broken)])
    chain = pl.coalesce(pl.when(pl.col(str(place))).then(pl.lit(text)) for place, (text, _) in enumerate(broken))
    return Parsed(values, frame.select(chain.alias("rule")).to_series())


def too_long(text: pl.Series) -> pl.Series | None:
    """Mask of fields over 64 KiB, or None where there is none."""
    size = text.str.len_bytes()
    longest = size.max()
    return (
        (size > MAX_FIELD_BYTES).fill_null(value=False)
        if isinstance(longest, int) and longest > MAX_FIELD_BYTES
        else None
    )


def ids(text: pl.Series) -> Parsed:
    """Ids and codes stay as given: at most 256 bytes, no control characters."""
    return judged(
        text,
        (f"is longer than {MAX_ID_BYTES} bytes", text.str.len_bytes() > MAX_ID_BYTES),
        ("holds a control character", text.str.contains(r"\p{Cc}")),
    )


def times(text: pl.Series, *, now: int, zone: str = "", form: str = "", dates: bool = False) -> Parsed:
    """ISO 8601 with an offset (or in `form`) to UTC microseconds. Times without an offset are read in `zone`, the
    earlier of two where the clock was set back; without a zone they break the rule. `dates`: a bare date is its
    midnight in UTC (or `zone`)."""
    clean = text.str.strip_chars()
    values, bare = _in_form(clean, form, zone) if form else _iso(clean, zone, dates=dates)
    return judged(
        values,
        ("has no offset from UTC, and no mapping gives its time zone", bare),
        (
            "is no ISO 8601 time" if not form else f"is no time of the form {form}",
            clean.is_not_null() & values.is_null(),
        ),
        ("lies after the moment of loading", values > now),
        (f"lies before {EARLIEST_YEAR}", values < EARLIEST),
    )


def _iso(clean: pl.Series, zone: str, *, dates: bool) -> tuple[pl.Series, pl.Series]:
    """Microseconds, and the mask of times that need a zone and have none."""
    nothing = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(clean))
    whole = _all_whole(clean)
    if whole is not None:
        return whole, nothing
    values = _strptime(
        clean.set(~clean.str.contains(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$"), None), "%+"
    )
    left = clean.is_not_null() & values.is_null()
    if not left.any():
        return values, nothing
    rest = clean.filter(left)
    full = (
        rest.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
        .str.replace(r"z$", "Z")
        .str.replace(r"(T\d\d:\d\d)(Z|[+-]\d\d(?::?\d\d)?)?$", "${1}:00${2}")
        .str.replace(r"(T\S*[+-]\d\d)$", "${1}:00")
        .str.replace(r"(T\S*),(\d)", "${1}.${2}")
    )
    day = full.str.contains(r"^\d{4}-\d\d-\d\d$")
    if zone or dates:
        full = full.str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
    offset = full.str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$")
    plain = full.str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?$")
    given = _strptime(full.set(~offset, None), "%+")
    local = full.set(~plain, None).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    used = zone or "UTC"
    allowed = plain if zone else plain & day & dates
    placed = _to_utc(local.set(~allowed, None), used)
    found = pl.DataFrame([given.alias("a"), placed.alias("b")]).select(pl.coalesce("a", "b")).to_series()
    bare = (plain & ~allowed & local.is_not_null()) | (day & ~allowed)
    at = left.arg_true()
    return values.scatter(at, found), nothing.scatter(at, bare)


def _all_whole(clean: pl.Series) -> pl.Series | None:
    """Microseconds where every time is `2024-01-31T12:00:00` with `Z` or `+08:00`, as most files write them: Arrow
    reads that form much faster. None where one is of another form, or is no time."""
    size = clean.str.len_bytes()
    if not size.is_in([20, 25]).all() or clean.str.contains(",", literal=True).any():
        return None
    try:
        read = clean.to_arrow().cast(pa.string()).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return None
    return pl.Series(clean.name, read.cast(pa.int64()), dtype=pl.Int64)


def _strptime(text: pl.Series, form: str) -> pl.Series:
    return text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False).dt.epoch("us")


def _to_utc(local: pl.Series, zone: str) -> pl.Series:
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.epoch("us")


def _in_form(clean: pl.Series, form: str, zone: str) -> tuple[pl.Series, pl.Series]:
    if any(mark in form for mark in ("%z", "%:z", "%#z", "%+", "%s")):
        return _strptime(clean, form), clean.is_null() & clean.is_not_null()
    if not any(mark in form for mark in ("%H", "%I", "%T", "%R", "%X", "%c")):
        local = clean.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    else:
        local = clean.str.to_datetime(form, time_unit="us", strict=False)
    if zone:
        return _to_utc(local, zone), clean.is_null() & clean.is_not_null()
    return local.dt.epoch("us").set(local.is_not_null(), None), local.is_not_null()


def currencies(text: pl.Series) -> Parsed:
    """ISO 4217 codes, in capitals as the standard writes them."""
    clean = text.str.strip_chars()
    return judged(clean, ("is no ISO 4217 currency", ~clean.is_in(list(EXPONENTS))))


def amounts(text: pl.Series, exponents: pl.Series, *, minor: bool = False) -> Parsed:
    """Decimal text to integer minor units; `exponents` (int) is the number of decimals of each row's currency.

    Trailing zeros are no decimals: 12.5000 CNY and 100.00 JPY hold. `minor`: the text is whole minor units already."""
    clean = text.str.strip_chars()
    if not minor and (exponents == 2).all() and clean.str.contains(_TWO_DECIMALS).all():
        # as nearly every file writes nearly every currency: without the point it is minor units
        return Parsed(clean.str.replace(".", "", literal=True).cast(pl.Int64).alias(text.name))
    good = clean.str.contains(_DECIMAL)
    negative = clean.str.contains(r"^-\s*[0-9.]")
    parts = clean.set(~good, None).str.split_exact(".", 1).struct.unnest()
    whole = parts["field_0"].str.strip_chars_start("0")
    decimals = parts["field_1"].fill_null("").str.strip_chars_end("0")
    places = decimals.str.len_chars()
    digits = whole.str.len_chars() + places
    allowed = pl.zeros(len(text), pl.Int8, eager=True) if minor else exponents.cast(pl.Int8).fill_null(2)
    fraction = decimals.str.slice(0, 3).str.pad_end(3, "0").cast(pl.Int64, strict=False)
    units = whole.set(whole == "", "0").str.slice(0, 18).cast(pl.Int64, strict=False)
    frame = pl.DataFrame([units.alias("u"), fraction.alias("f"), allowed.alias("e")])
    power = pl.when(pl.col("e") == 0).then(1).when(pl.col("e") == 2).then(100).otherwise(1000)
    value = frame.select((pl.col("u") * power + pl.col("f") * power // 1000).alias(text.name)).to_series()
    shown = "is no whole number of minor units" if minor else "has more decimals than its currency"
    return judged(
        value,
        ("is negative", negative),
        ("is no decimal number", ~good & clean.is_not_null()),
        (f"has more than {MAX_AMOUNT_DIGITS} digits", digits > MAX_AMOUNT_DIGITS),
        (shown, places > allowed),
    )


def counts(text: pl.Series) -> Parsed:
    """Positive integers of at most 12 digits; `6.0`, as typed files write it, is 6."""
    clean = text.str.strip_chars()
    good = clean.str.contains(r"^0*[1-9][0-9]{0,11}(\.0+)?$")
    value = clean.set(~good, None).str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    return judged(value, ("is no positive integer", ~good))


def choices(text: pl.Series, allowed: tuple[str, ...]) -> Parsed:
    """One of the words that the contract names."""
    clean = text.str.strip_chars()
    return judged(clean, (f"is none of {', '.join(allowed)}", ~clean.is_in(list(allowed))))


def flags(text: pl.Series) -> Parsed:
    """true, false, 1 or 0."""
    clean = text.str.strip_chars().str.to_lowercase()
    yes, no = clean.is_in(["true", "1"]), clean.is_in(["false", "0"])
    return judged(yes.set(~(yes | no), None), ("is neither true nor false", ~(yes | no)))


def numbers(text: pl.Series, *, most: float = _MAX_WEIGHT_G, what: str = "weight") -> Parsed:
    """Decimal numbers from 0 to `most`."""
    clean = text.str.strip_chars()
    good = clean.str.contains(_DECIMAL)
    value = clean.set(~good, None).cast(pl.Float64, strict=False)
    return judged(value, (f"is no {what} from 0 to {most:g}", ~good | ~value.is_between(0, most)))
