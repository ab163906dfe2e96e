"""Finds how many decimals an order's currency has, for refunds and order lines, which carry no currency of their own.

Orders of the running load are remembered in nine bytes each (a hash of the id, the decimals); others are looked up
in the store. An amount whose order is not known yet is read with two decimals, as most currencies have; when an
order arrives whose currency has another number, the waiting rows are rescaled (`Waiting`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from graph.currencies import EXPONENTS
from graph.digests import with_digest
from graph.schema import BY_NAME
from graph.store import Lease, Store

ASSUMED = 2
_WAITERS: Mapping[str, str] = {"refunds": "refund_id", "order_items": "item_id"}


class OrderCurrencies:
    """What this load and the store know of orders' currencies."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored = store.head().load > 0
        self._chunks: list[pl.DataFrame] = []

    def learn(self, orders: pl.DataFrame) -> None:
        """Remember a batch of this load's orders: order_id, currency."""
        if orders.height:
            self._chunks.append(
                orders.select(pl.col("order_id").hash(seed=0).alias("hash"), _exponent(pl.col("currency")).alias("own"))
            )

    def lookup(self, order_ids: pl.Series) -> pl.DataFrame:
        """For each order id: `exponent` (int8; `ASSUMED` where the order is unknown) and `known` (bool)."""
        if len(self._chunks) > 1:
            self._chunks = [pl.concat(self._chunks).unique("hash", keep="last", maintain_order=True)]
        asked = pl.DataFrame([order_ids.alias("order_id")])
        if self._chunks:
            keyed = asked.with_columns(pl.col("order_id").hash(seed=0).alias("hash"))
            asked = keyed.join(
                self._chunks[0].unique("hash", keep="last"), on="hash", how="left", maintain_order="left"
            )
        else:
            asked = asked.with_columns(pl.lit(None, pl.Int8).alias("own"))
        unknown = asked.filter(pl.col("own").is_null())["order_id"].drop_nulls().unique().sort()
        stored = self._find(unknown)
        return asked.join(stored, on="order_id", how="left", maintain_order="left").select(
            pl.coalesce("own", "stored", pl.lit(ASSUMED, pl.Int8)).alias("exponent"),
            (pl.col("own").is_not_null() | pl.col("stored").is_not_null()).alias("known"),
        )

    def _find(self, order_ids: pl.Series) -> pl.DataFrame:
        schema = {"order_id": pl.String, "stored": pl.Int8}
        if not self._stored or order_ids.is_empty():
            return pl.DataFrame(schema=schema)
        found = self._store.find("orders", "order_id", order_ids.to_list(), columns=("order_id", "currency"))
        return _frame(found).select("order_id", _exponent(pl.col("currency")).alias("stored"))


class Waiting:
    """Amounts that were read before their order was known, and are rescaled when it arrives with other decimals."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored = store.head().load > 0
        self._found: dict[str, list[pl.DataFrame]] = {table: [] for table in _WAITERS}

    def arrived(self, orders: pl.DataFrame) -> None:
        """Note which stored rows wait for these orders of the running load (order_id, currency)."""
        if not self._stored:
            return
        unusual = orders.filter(_exponent(pl.col("currency")) != ASSUMED).select(
            "order_id", _exponent(pl.col("currency")).alias("exponent")
        )
        if unusual.is_empty():
            return
        known = _frame(self._store.find("orders", "order_id", unusual["order_id"].to_list(), columns=("order_id",)))
        unusual = unusual.join(known, on="order_id", how="anti").unique("order_id", keep="last", maintain_order=True)
        if unusual.is_empty():
            return
        for table in _WAITERS:
            rows = _frame(self._store.find(table, "order_id", unusual["order_id"].to_list()))
            rows = rows.filter(pl.col("amount").is_not_null())
            if rows.height:
                self._found[table].append(rows.join(unusual, on="order_id"))

    def settle(self, lease: Lease, load: int) -> int:
        """Write the rescaled rows, those left alone that this load brought itself. Returns how many were written.

        A value that the currency cannot express (half a yen) is rounded to its smallest unit."""
        written = 0
        for table, chunks in self._found.items():
            if not chunks:
                continue
            id_column = _WAITERS[table]
            rows = pl.concat(chunks).unique(id_column, keep="last", maintain_order=True)
            current = _frame(self._store.current(table, rows[id_column].to_list(), load=load))
            own = current.filter(pl.col("since") == load)["id"]
            before = current.filter(pl.col("since") != load).select(
                pl.col("id").alias(id_column), "updated_at", "file", "line"
            )
            rows = rows.filter(~pl.col(id_column).is_in(own.implode())).join(before, on=id_column)
            power = pl.lit(10, pl.Int64).pow(pl.col("exponent").cast(pl.UInt32))
            rows = rows.with_columns(((pl.col("amount") * power + 50) // 100).cast(pl.Int64).alias("amount"))
            if rows.height:
                table_of = BY_NAME[table]
                shaped = with_digest(rows.select(*table_of.names, "updated_at", "file", "line"), table_of)
                self._store.write(lease, load, table, shaped.to_arrow())
                written += rows.height
        return written


def _exponent(currency: pl.Expr) -> pl.Expr:
    return currency.replace_strict(EXPONENTS, default=ASSUMED, return_dtype=pl.Int8)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
