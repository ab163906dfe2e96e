"""What accounts, stores and relationships are made of after a first load: of its rows the few columns that they need,
with the numbers of the nodes that stand for the rows.

Two ways of a first load draw from it: over Bolt (`graph.neo4j.first`) and by offline import (`graph.neo4j.bulk_graph`).
Keys are kept as 64-bit hashes, about 130 bytes an order in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from graph.hashing import Ints, hashes
from graph.neo4j.edges import USED
from graph.neo4j.model import ENTITIES
from graph.schema import BY_NAME, Table

_COLUMNS: Final = {
    "identifiers": ("kind", "key", "within"),
    "buyers": ("buyer_id", "registered_at"),
    "stores": BY_NAME["stores"].names,
    "orders": ("order_id", "buyer_id", "store_id", "placed_at", *USED),
    "uses": ("buyer_id", "kind", "key", "used_at"),
    "refunds": ("refund_id", "order_id", "parcel", "pictures"),
    "complaints": ("refund_id",),
    "past_decisions": ("buyer_id",),
}
_NAMING: Final = {
    "Buyer": ("buyers", ("orders", "uses", "past_decisions")),
    "Store": ("stores", ("orders",)),
    "Picture": ("pictures", ()),
}
_ENDS: Final = {"begin": pl.Int64, "end": pl.Int64}


class Outline:
    """Grows by `add`. Frames of relationships hold the nodes at their ends, `begin` and `end`; further columns are
    properties."""

    def __init__(self) -> None:
        self._added: dict[str, list[pl.DataFrame]] = {name: [] for name in _COLUMNS}
        self._joined: dict[str, pl.DataFrame] = {}

    def add(self, table: Table, rows: pa.Table, nodes: Iterable[int]) -> None:
        """Keep what is needed of rows in the table's stored columns, whose nodes are `nodes`. A row of a node that was
        added before takes its place; tables that nothing is drawn from are left out."""
        if table.name not in _COLUMNS:
            return
        columns: dict[str, Any] = {"node": pl.Series(nodes, dtype=pl.Int64)}
        for name in _COLUMNS[table.name]:
            column = rows.column(name)
            columns[name] = _hashed(column) if pa.types.is_fixed_size_binary(column.type) else pl.from_arrow(column)
        self._added[table.name].append(pl.DataFrame(columns))

    def leave_out(self, nodes: Iterable[int]) -> None:
        """Forget the rows of these nodes, in all tables."""
        gone = pl.DataFrame({"node": pl.Series(nodes, dtype=pl.Int64)})
        for name in self._added if gone.height else ():
            self._added[name] = [part.join(gone, on="node", how="anti") for part in self._added[name]]

    def unmistakable(self) -> bool:
        """Whether each identifier is told by the hash of its key; the odds are a million to one for a few million."""
        return not self._rows("identifiers")["key"].is_duplicated().any()

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def entities(self, label: str) -> pl.DataFrame:
        """The accounts (`Buyer`) or stores (`Store`) themselves, known from rows of their own or from others only, or
        the pictures (`Picture`) of claims: a column a property, by id. Their nodes are told by `found`."""
        name, others = _NAMING[label]
        id_ = ENTITIES[label][1]
        own = self._rows(name).drop("node").unique(id_)
        ids = pl.concat([own.select(id_), *(self._rows(other).select(id_) for other in others)])
        return ids.unique().sort(id_).join(own, on=id_, how="left", maintain_order="left")

    def found(self, label: str, ids: pl.Series, nodes: Iterable[int]) -> None:
        """Say which nodes stand for the accounts, stores or pictures of these ids."""
        known = pl.DataFrame({ENTITIES[label][1]: ids, label: pl.Series(nodes, dtype=pl.Int64)})
        for name in ("orders", "uses", "past_decisions", "pictures"):
            rows = self._rows(name)
            if ENTITIES[label][1] in rows.columns:
                joined = rows.join(known, on=ENTITIES[label][1], how="left", maintain_order="left")
                self._joined[name] = joined.drop(ENTITIES[label][1])

    # -- relationships -------------------------------------------------------------------------------------------------

    def placed(self) -> pl.DataFrame:
        """Orders, by account: `node`, `Buyer`, `Store`."""
        return self._rows("orders").select("node", "Buyer", "Store").sort("Buyer", "node")

    def used(self, column: str) -> pl.DataFrame:
        """One relationship an account and identifier of an order's column: first and last seen, in how many orders and
        other uses."""
        none = pl.lit(None, pl.Int64)
        uses = self._rows("uses").filter(pl.col("kind") == column)
        seen = pl.concat(
            [
                self._rows("orders").select("Buyer", key=column, at="placed_at", orders=pl.lit(1, pl.Int64), uses=none),
                uses.select("Buyer", "key", at="used_at", orders=none, uses=pl.lit(1, pl.Int64)),
            ]
        ).drop_nulls("key")
        counted = [
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in ("orders", "uses")
        ]
        pairs = seen.group_by("Buyer", "key").agg(
            pl.col("at").min().alias("first"), pl.col("at").max().alias("last"), *counted
        )
        # an address may be a door, a building or an estate, which the key alone tells
        there = self._identifiers("" if column == "address" else column)
        found = pairs.join(there, on="key").select(pl.col("Buyer").alias("begin"), pl.exclude("Buyer", "key"))
        return found.sort("begin", "end")

    def within(self) -> pl.DataFrame:
        """Identifiers that lie within others."""
        inner = self._rows("identifiers").drop_nulls("within").select(pl.col("node").alias("begin"), key="within")
        return inner.join(self._identifiers(), on="key").select(*_ENDS).sort("end", "begin")

    def refunded(self) -> pl.DataFrame:
        """Claims whose order is known."""
        known = self._rows("orders").select("order_id", pl.col("node").alias("begin"))
        claims = self._rows("refunds").select("order_id", pl.col("node").alias("end"))
        return claims.join(known, on="order_id", maintain_order="left").select(*_ENDS)

    def returned(self) -> pl.DataFrame:
        """Claims and the parcels that came back."""
        claims = self._rows("refunds").drop_nulls("parcel").select(pl.col("node").alias("begin"), key="parcel")
        return claims.join(self._identifiers("parcel"), on="key", maintain_order="left").select(*_ENDS)

    def shown(self) -> pl.DataFrame:
        """Claims and the pictures filed with them."""
        return self._rows("pictures").select(pl.col("node").alias("begin"), pl.col("Picture").alias("end"))

    def complained(self) -> pl.DataFrame:
        """Complaints whose claim is known."""
        known = self._rows("refunds").select("refund_id", pl.col("node").alias("end"))
        told = self._rows("complaints").select("refund_id", pl.col("node").alias("begin"))
        return told.join(known, on="refund_id", maintain_order="left").select(*_ENDS)

    def decided(self) -> pl.DataFrame:
        """What the platform decided before, and about whom."""
        return self._rows("past_decisions").select(pl.col("node").alias("begin"), pl.col("Buyer").alias("end"))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _rows(self, name: str) -> pl.DataFrame:
        """What was added of a table; of a node that was added twice the last. `pictures` are those of claims."""
        if name == "pictures" and name not in self._joined:
            claims = self._rows("refunds").select("node", picture="pictures")
            self._joined[name] = claims.explode("picture", empty_as_null=False).drop_nulls().unique(maintain_order=True)
        if name not in self._joined:
            parts, self._added[name] = self._added[name], []
            rows = pl.concat(parts) if parts else _nothing(name)
            if rows["node"].is_duplicated().any():
                rows = rows.unique("node", keep="last", maintain_order=True)
            self._joined[name] = rows
        return self._joined[name]

    def _identifiers(self, kind: str = "") -> pl.DataFrame:
        rows = self._rows("identifiers")
        chosen = rows.filter(pl.col("kind") == kind) if kind else rows
        return chosen.select("key", pl.col("node").alias("end"))


def _hashed(column: pa.ChunkedArray[Any]) -> pl.Series:
    keys: Any = column.combine_chunks()
    if keys.null_count == len(keys):
        return pl.Series([None] * len(keys), dtype=pl.Int64)
    found: Ints = hashes(keys)
    nulls = keys.is_null().to_numpy(zero_copy_only=False)
    series = pl.Series(found)
    return series.set(pl.Series(nulls), None) if np.any(nulls) else series


def _nothing(name: str) -> pl.DataFrame:
    table = BY_NAME[name]
    kinds: dict[str, Any] = {"text": pl.String, "texts": pl.List(pl.String), "real": pl.Float64}
    columns = {one: kinds.get(table.column(one).type.value, pl.Int64) for one in _COLUMNS[name]}
    return pl.DataFrame(schema={"node": pl.Int64, **columns})
