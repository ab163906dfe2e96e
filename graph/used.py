"""What orders and uses name: every identifier numbered by its first appearance, orders before uses.

Of places and networks the wider ones count as well: an address names a door, a building and an estate, as far as they
are known, and an IP its prefix. A wider one belongs to the distinct narrow ones, never to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from graph.coding import Coded, Values, code, numbered, objects, places
from graph.columns import arrow_type
from graph.places import resolve_places
from graph.schema import Type
from graph.side import side_by_side
from graph.snapshot import KINDS, Ints

PLAIN = ("device", "ip", "payment", "phone", "recipient")
"""Columns of orders that hold one identifier each; `address` holds up to three."""
_LEVELS = ("door", "building", "estate")
AROUND = tuple(f"{kind}:" for kind in ("ip", *_LEVELS))
"""How the ids of the identifiers begin that `wider` needs."""
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
"""The two hex digits of each byte, as they lie in memory."""
_UP = {"door": "building", "building": "estate"}


@dataclass(frozen=True)
class Used:
    """`on_order` numbers of each kind (orders,), -1 where absent. Uses by level, sorted by use and kind: `use` (row of
    the table), `kind`, `number`. `identifiers` row ids of each kind by number; `within` as in `Snapshot`."""

    on_order: Mapping[str, Ints]
    use: Ints
    kind: Ints
    number: Ints
    identifiers: Mapping[str, npt.NDArray[np.object_]]
    within: Mapping[str, Ints]


@dataclass(frozen=True)
class Wider:
    """Known identifiers by what lies around them: `ip` keys with the `prefix` of each; `levels`, a row for each address
    key as written, with the keys of its door, building and estate (columns address, @door, @building, @estate)."""

    ip: Values
    prefix: Values
    levels: pl.DataFrame


def wider(known: pa.Table) -> Wider:
    """What lies around what, of `known` identifiers, those that begin as `AROUND` says: kind, key, within, bare,
    has_city."""
    ips = known.filter(pc.equal(known.column("kind"), pa.scalar("ip")))
    return Wider(ips.column("key").combine_chunks(), ips.column("within").combine_chunks(), _levels(known))


def used(orders: pa.Table, uses: pa.Table, around: Callable[[], Wider]) -> Used:
    """Number what `orders` (columns `PLAIN` and address) and `uses` (kind, key) name; `around` is asked for what lies
    around it when rows are numbered."""
    kind = code(uses.column("kind"))
    rows = {one: np.flatnonzero(kind.of == at).astype(np.int32) for at, one in enumerate(kind.values.to_pylist())}
    none = np.empty(0, np.int32)
    number: dict[str, Ints] = {}
    keys: dict[str, Values] = {}
    columns = []
    for name in (*PLAIN, "address"):
        keyed = uses.column("key").take(rows.get(name, none))
        kind_of: Any = arrow_type(Type.KEY)
        columns.append(partial(code, pa.chunked_array([*orders.column(name).chunks, *keyed.chunks], kind_of)))
    found = dict(zip((*PLAIN, "address"), side_by_side(columns, orders.num_rows), strict=True))
    known = around()
    for name in PLAIN:
        number[name], keys[name] = found[name].of, found[name].values
    prefix = _first(_picked(known.prefix, places(keys["ip"], known.ip)))
    number["ip_prefix"], keys["ip_prefix"] = found["ip"].through(prefix.of), prefix.values
    levels = known.levels
    address = places(found["address"].values, _keys(levels["address"]))
    for name in _LEVELS:
        level = _first(_picked(_keys(levels[f"@{name}"]), address))
        number[name], keys[name] = found["address"].through(level.of), level.values
    within = {"ip": prefix.of}
    for low, high in _UP.items():
        within[low] = _within(keys[low], keys[high], levels.select(key=f"@{low}", up=f"@{high}"))
    count = orders.num_rows
    on_use = []
    for position, name in enumerate(KINDS):
        row = rows.get("address" if name in _LEVELS else name.removesuffix("_prefix"), none)
        mine = number[name][count:]
        on_use.append(np.stack([row, np.full(len(row), position, np.int32), mine], axis=1)[mine >= 0])
    flat = np.concatenate(on_use)
    # one kind after the other, each in order of its uses
    flat = flat[np.argsort(flat[:, 0], kind="stable")]
    return Used(
        on_order={name: np.ascontiguousarray(number[name][:count]) for name in KINDS},
        use=np.ascontiguousarray(flat[:, 0]),
        kind=np.ascontiguousarray(flat[:, 1]),
        number=np.ascontiguousarray(flat[:, 2]),
        identifiers={name: labels(name, keys[name]) for name in KINDS},
        within=within,
    )


def _first(column: Values) -> Coded:
    return code(pa.chunked_array([column], column.type))


def _keys(series: pl.Series) -> Values:
    """A column of keys of 16 bytes in Arrow."""
    column: Values = series.cast(pl.Binary).to_arrow().cast(pa.binary()).cast(pa.binary(16))
    return column


def _picked(values: Values, at: Ints) -> Values:
    """The values at these places, null at -1."""
    chosen: Any = pa.array(np.maximum(at, 0), mask=at < 0)
    return values.take(chosen)


def labels(kind: str, keys: Values) -> npt.NDArray[np.object_]:
    """Row ids of the identifiers of these keys, as in the store's table: the kind and 32 hex digits."""
    width = len(kind) + 33
    if not len(keys):
        return np.empty(0, object)
    bytes_of: Any = keys.buffers()[1]
    raw = np.frombuffer(bytes_of, np.uint8).reshape(-1, 16)[keys.offset : keys.offset + len(keys)]
    text = np.empty((len(keys), width), np.uint8)
    text[:, : width - 32] = np.frombuffer(f"{kind}:".encode(), np.uint8)
    text[:, width - 32 :] = _HEX[raw].view(np.uint8)
    offsets: Any = np.arange(len(keys) + 1, dtype=np.int64) * width
    letters: Any = text
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    return objects(pa.Array.from_buffers(pa.large_string(), len(keys), buffers))


def _levels(known: pa.Table) -> pl.DataFrame:
    """The canonical keys of door, building and estate of each address key as written, as in `Wider`."""
    table = pl.from_arrow(known.filter(pc.is_in(known.column("kind"), value_set=pa.array(_LEVELS))))
    assert isinstance(table, pl.DataFrame)
    up = table.select("key", "kind", "within", "bare")
    first = table.join(
        up.select(within="key", kind2="kind", within2="within", bare2="bare"), on="within", how="left"
    ).join(up.select(within2="key", kind3="kind", bare3="bare"), on="within2", how="left")
    bare_estate = (
        pl.when(pl.col("kind") == "estate")
        .then("bare")
        .when(pl.col("kind2") == "estate")
        .then("bare2")
        .when(pl.col("kind3") == "estate")
        .then("bare3")
    )
    canonical = resolve_places(first.select("key", "has_city", "bare", level="kind", bare_estate=bare_estate))
    columns = []
    for level in ("door", "building", "estate"):
        at = (
            pl.when(pl.col("kind") == level)
            .then("key")
            .when(pl.col("kind2") == level)
            .then("within")
            .when(pl.col("kind3") == level)
            .then("within2")
        )
        columns.append(at.alias(f"@{level}"))
    result = first.select(pl.col("key").alias("address"), *columns)
    for level in ("door", "building", "estate"):
        mapped = canonical.rename({"key": f"@{level}", "canonical": "to"})
        result = (
            result.join(mapped, on=f"@{level}", how="left", maintain_order="left")
            .with_columns(pl.coalesce("to", f"@{level}").alias(f"@{level}"))
            .drop("to")
        )
    return result


def _within(low: Values, high: Values, pairs: pl.DataFrame) -> Ints:
    """(g,) where the place around each of `low` stands in `high`, -1 where there is none; `pairs` of key and up."""
    one = pairs.drop_nulls().unique("key", keep="any")  # a place lies within one place
    at = places(low, _keys(one["key"]))
    around = numbered(pa.chunked_array([_keys(one["up"])]), high)
    return np.append(around, np.int32(-1))[at]
