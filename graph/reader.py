"""Takes a snapshot: reads the store once, cuts at `as_of`, numbers everything canonically.

The frames are polars and live only as long as the reading; what comes out is plain NumPy (`graph.snapshot`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from graph.columns import arrow_schema
from graph.errors import BadInput
from graph.places import resolve_places
from graph.schema import BY_NAME
from graph.snapshot import (
    DECISIONS,
    KINDS,
    NEVER,
    OUTCOMES,
    Buyers,
    Complaints,
    Ints,
    Items,
    Longs,
    Orders,
    PastDecisions,
    Pictures,
    Refunds,
    Snapshot,
    Stores,
    Uses,
)
from graph.store import Store


def take_snapshot(store: Store, *, as_of: int | None = None, known_by: int | None = None) -> Snapshot:
    """Read the store as it was known by load `known_by` (default: the last finished one), cut at `as_of`.

    `as_of` defaults to the latest event in the store. Raises `BadInput` where there is nothing to look at."""
    load = store.head().load if known_by is None else known_by
    if load < 1:
        raise BadInput("the store holds no finished load", where=store.url, do="load a folder first: ringfence load")
    return _Reader(store, load, as_of).read()


_ORDER_COLUMNS = (
    "order_id",
    "buyer_id",
    "store_id",
    "placed_at",
    "amount",
    "currency",
    "quantity",
    "sku",
    "signed_at",
    "device",
    "ip",
    "payment",
    "phone",
    "recipient",
    "address",
)
_PLAIN = ("device", "ip", "payment", "phone", "recipient")
_CUTS = (
    ("orders", ("placed_at", "signed_at")),
    ("uses", ("used_at",)),
    ("refunds", ("requested_at", "outcome_at")),
    ("complaints", ("filed_at", "outcome_at")),
    ("past_decisions", ("decided_at",)),
)


class _Reader:
    """Reads one snapshot; the frames live only as long as it does."""

    def __init__(self, store: Store, known_by: int, as_of: int | None) -> None:
        self.store, self.known_by = store, known_by
        self.frames = {
            "orders": self._scan("orders", _ORDER_COLUMNS),
            "uses": self._scan("uses", ("use_id", "buyer_id", "kind", "key", "used_at")),
            "refunds": self._scan(
                "refunds",
                (
                    "refund_id",
                    "order_id",
                    "requested_at",
                    "kind",
                    "reason",
                    "amount",
                    "initiated_by",
                    "note",
                    "freight_covered",
                    "pictures",
                    "parcel",
                    "shipped_weight_g",
                    "return_weight_g",
                    "outcome",
                    "outcome_at",
                ),
            ),
            "complaints": self._scan(
                "complaints", ("complaint_id", "refund_id", "filed_at", "type", "outcome", "outcome_at")
            ),
            "past_decisions": self._scan(
                "past_decisions", ("decision_id", "buyer_id", "decided_at", "decision", "store_id")
            ),
        }
        self.buyers = self._scan("buyers", ("buyer_id", "registered_at"))
        if as_of is None:
            latest = [self.buyers["registered_at"].max()]
            latest += [self.frames[name][column].max() for name, columns in _CUTS for column in columns]
            as_of = max((int(at) for at in latest if isinstance(at, int)), default=0)
        self.as_of = as_of
        for name, columns in _CUTS:
            self.frames[name] = self.frames[name].filter(pl.col(columns[0]) <= as_of)

    def _scan(self, table: str, columns: tuple[str, ...]) -> pl.DataFrame:
        batches = list(self.store.scan(table, columns, known_by=self.known_by))
        if not batches:
            return _empty(table, columns)
        frame = pl.from_arrow(pa.Table.from_batches(batches))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def read(self) -> Snapshot:
        orders, uses = self.frames["orders"], self.frames["uses"]
        buyers = self._buyers()
        stores = self._stores()
        buyer_no, store_no = _index(buyers.ids), _index(stores.ids)
        items = self._scan("order_items", ("order_id", "sku", "quantity", "amount")).join(
            orders.select("order_id"), on="order_id", how="semi"
        )
        skus = _sorted_unique(orders["sku"], items["sku"])
        sku_no = _index(skus)
        currencies = _sorted_unique(orders["currency"])
        orders, uses, identifiers, within = self._identifiers(orders, uses)
        order_no = _index(orders["order_id"].to_numpy())
        numbered = Orders(
            ids=_objects(orders["order_id"]),
            buyer=_ref(orders["buyer_id"], buyer_no),
            store=_ref(orders["store_id"], store_no),
            sku=_ref(orders["sku"], sku_no),
            at=_instants(orders["placed_at"]),
            signed_at=_instants(_until(orders["signed_at"], self.as_of)),
            amount=orders["amount"].to_numpy(),
            currency=_ref(orders["currency"], _index(currencies)),
            quantity=orders["quantity"].to_numpy(),
            used={kind: _numbers(orders[f"#{kind}"]) for kind in KINDS},
        )
        refunds, pictures, parcels, refund_no = self._refunds(numbered, order_no)
        return Snapshot(
            as_of=self.as_of,
            known_by=self.known_by,
            buyers=buyers,
            stores=stores,
            skus=skus,
            currencies=tuple(currencies),
            orders=numbered,
            items=_items(items, numbered, order_no, sku_no),
            refunds=refunds,
            pictures=pictures,
            complaints=self._complaints(refund_no),
            uses=Uses(
                ids=_objects(self.frames["uses"]["use_id"]),
                row=_numbers(uses["row"]),
                buyer=_ref(uses["buyer_id"], buyer_no),
                kind=_numbers(uses["kind_no"]),
                identifier=_numbers(uses["number"]),
                at=uses["used_at"].to_numpy(),
            ),
            past=self._past(buyer_no, store_no),
            identifiers=identifiers,
            parcels=parcels,
            within=within,
            absent=self._absent(identifiers, len(parcels), len(pictures.refund)),
        )

    def _buyers(self) -> Buyers:
        table = self.buyers.filter(pl.col("registered_at").is_null() | (pl.col("registered_at") <= self.as_of))
        ids = _sorted_unique(
            table["buyer_id"],
            self.frames["orders"]["buyer_id"],
            self.frames["uses"]["buyer_id"],
            self.frames["past_decisions"]["buyer_id"],
        )
        known = pl.DataFrame({"buyer_id": pl.Series(list(ids), dtype=pl.String)}).join(
            table, on="buyer_id", how="left", maintain_order="left"
        )
        return Buyers(ids=ids, registered_at=_instants(known["registered_at"]))

    def _stores(self) -> Stores:
        table = self._scan("stores", ("store_id", "category", "experience_score"))
        ids = _sorted_unique(
            table["store_id"], self.frames["orders"]["store_id"], self.frames["past_decisions"]["store_id"]
        )
        known = pl.DataFrame({"store_id": pl.Series(list(ids), dtype=pl.String)}).join(
            table, on="store_id", how="left", maintain_order="left"
        )
        categories = _sorted_unique(known["category"])
        return Stores(
            ids=ids,
            category=_ref(known["category"], _index(categories)),
            categories=tuple(categories),
            score=known["experience_score"].fill_null(float("nan")).to_numpy(),
        )

    def _identifiers(
        self, orders: pl.DataFrame, uses: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, npt.NDArray[np.object_]], dict[str, Ints]]:
        """Give orders a `#kind` number column each and uses one row a level with `kind_no` and `number`."""
        table = self._scan("identifiers", ("id", "kind", "key", "within", "bare", "has_city"))
        levels = _levels(table)
        prefixes = table.filter(pl.col("kind") == "ip").select("key", ip_prefix="within")
        for kind in _PLAIN:
            orders = orders.rename({kind: f"@{kind}"})
        orders = orders.join(prefixes.rename({"key": "@ip"}), on="@ip", how="left", maintain_order="left").rename(
            {"ip_prefix": "@ip_prefix"}
        )
        orders = orders.join(levels, on="address", how="left", maintain_order="left")
        uses = uses.with_row_index("row")
        flat = pl.concat(
            [
                uses.filter(pl.col("kind") != "address").select("row", "buyer_id", "used_at", "kind", "key"),
                uses.filter(pl.col("kind") == "ip")
                .join(prefixes, on="key", how="inner")
                .select("row", "buyer_id", "used_at", kind=pl.lit("ip_prefix"), key="ip_prefix"),
                *(
                    uses.filter(pl.col("kind") == "address")
                    .join(levels, left_on="key", right_on="address", how="inner")
                    .select("row", "buyer_id", "used_at", kind=pl.lit(level), key=f"@{level}")
                    for level in ("door", "building", "estate")
                ),
            ]
        ).drop_nulls("key")
        identifiers: dict[str, npt.NDArray[np.object_]] = {}
        numbers: dict[str, pl.DataFrame] = {}
        parts = []
        for position, kind in enumerate(KINDS):
            mine = flat.filter(pl.col("kind") == kind)
            seen = pl.concat(
                [
                    orders.select(key=f"@{kind}", at=pl.int_range(pl.len(), dtype=pl.Int64)),
                    mine.select("key", at=pl.col("row").cast(pl.Int64) + orders.height),
                ]
            ).drop_nulls("key")
            number = seen.group_by("key").agg(pl.col("at").min()).sort("at")
            number = number.select("key", number=pl.int_range(pl.len(), dtype=pl.Int32))
            numbers[kind] = number
            identifiers[kind] = _objects(
                number.select(pl.lit(f"{kind}:") + pl.col("key").bin.encode("hex")).to_series()
            )
            orders = orders.join(
                number.rename({"key": f"@{kind}", "number": f"#{kind}"}),
                on=f"@{kind}",
                how="left",
                maintain_order="left",
            )
            parts.append(
                mine.join(number, on="key", how="inner").with_columns(kind_no=pl.lit(position, dtype=pl.Int32))
            )
        flat = pl.concat(parts).sort("row", "kind_no")
        within = _within(numbers, levels, prefixes)
        return orders, flat, identifiers, within

    def _refunds(
        self, orders: Orders, order_no: pl.DataFrame
    ) -> tuple[Refunds, Pictures, npt.NDArray[np.object_], pl.DataFrame]:
        frame = self.frames["refunds"].join(
            order_no.rename({"id": "order_id", "number": "order"}), on="order_id", how="inner", maintain_order="left"
        )
        order = _numbers(frame["order"])
        reasons = _sorted_unique(frame["reason"])
        parcel, parcels = _first_seen(frame["parcel"])
        amount = frame["amount"].to_numpy() if not frame["amount"].null_count() else _filled(frame["amount"])
        refunds = Refunds(
            ids=_objects(frame["refund_id"]),
            order=order,
            buyer=orders.buyer[order],
            store=orders.store[order],
            at=_instants(frame["requested_at"]),
            only=(frame["kind"] == "refund_only").to_numpy(),
            by_buyer=(frame["initiated_by"] == "buyer").to_numpy(),
            amount=np.where(frame["amount"].is_null().to_numpy(), orders.amount[order], amount),
            reason=_ref(frame["reason"], _index(reasons)),
            reasons=tuple(reasons),
            outcome=self._outcome(frame),
            outcome_at=_instants(_until(frame["outcome_at"], self.as_of)),
            parcel=parcel,
            shipped_g=frame["shipped_weight_g"].fill_null(float("nan")).to_numpy(),
            returned_g=frame["return_weight_g"].fill_null(float("nan")).to_numpy(),
            note=_first_seen(frame["note"])[0],
            covered=frame["freight_covered"].cast(pl.Int32).fill_null(-1).to_numpy(),
        )
        exploded = (
            frame.select(number=pl.int_range(pl.len(), dtype=pl.Int32), phash="pictures")
            .explode("phash", empty_as_null=True)
            .drop_nulls("phash")
        )
        pictures = Pictures(
            refund=_numbers(exploded["number"]),
            phash=np.array([int(text, 16) for text in exploded["phash"]], dtype=np.uint64),
        )
        return (
            refunds,
            pictures,
            np.array([f"parcel:{key.hex()}" for key in parcels], dtype=object),
            _index(refunds.ids),
        )

    def _complaints(self, refund_no: pl.DataFrame) -> Complaints:
        frame = self.frames["complaints"].join(
            refund_no.rename({"id": "refund_id", "number": "refund"}),
            on="refund_id",
            how="inner",
            maintain_order="left",
        )
        types = _sorted_unique(frame["type"])
        return Complaints(
            ids=_objects(frame["complaint_id"]),
            refund=_numbers(frame["refund"]),
            at=_instants(frame["filed_at"]),
            type=_ref(frame["type"], _index(types)),
            types=tuple(types),
            outcome=self._outcome(frame),
        )

    def _outcome(self, frame: pl.DataFrame) -> Ints:
        known = pl.when(pl.col("outcome_at").fill_null(self.as_of) <= self.as_of).then("outcome")
        outcome = frame.select(known.otherwise(pl.lit("pending"))).to_series()
        return _ref(outcome, _index(np.array(OUTCOMES, dtype=object)))

    def _past(self, buyer_no: pl.DataFrame, store_no: pl.DataFrame) -> PastDecisions:
        frame = self.frames["past_decisions"]
        return PastDecisions(
            ids=_objects(frame["decision_id"]),
            buyer=_ref(frame["buyer_id"], buyer_no),
            store=_ref(frame["store_id"], store_no),
            at=_instants(frame["decided_at"]),
            decision=_ref(frame["decision"], _index(np.array(DECISIONS, dtype=object))),
        )

    def _absent(
        self, identifiers: Mapping[str, npt.NDArray[np.object_]], parcels: int, pictures: int
    ) -> tuple[str, ...]:
        missing = [kind for kind in KINDS if not len(identifiers[kind])]
        missing += [name for name in ("orders", "refunds", "complaints", "uses") if self.frames[name].is_empty()]
        missing += ["past decisions"] * self.frames["past_decisions"].is_empty()
        missing += ["pictures"] * (not pictures) + ["return parcels"] * (not parcels)
        refunds = self.frames["refunds"]
        missing += ["return weights"] * (refunds["return_weight_g"].null_count() == refunds.height)
        return tuple(missing)


def _levels(table: pl.DataFrame) -> pl.DataFrame:
    """For each address key as written, the canonical keys of its door, building and estate: columns address, @door,
    @building, @estate."""
    places = table.filter(pl.col("kind").is_in(["door", "building", "estate"]))
    up = places.select("key", "kind", "within", "bare")
    first = places.join(
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


def _within(numbers: Mapping[str, pl.DataFrame], levels: pl.DataFrame, prefixes: pl.DataFrame) -> dict[str, Ints]:
    pairs = {
        "ip": ("ip_prefix", prefixes.select(key="key", up="ip_prefix")),
        "door": ("building", levels.select(key="@door", up="@building")),
        "building": ("estate", levels.select(key="@building", up="@estate")),
    }
    result = {}
    for kind, (above, frame) in pairs.items():
        one = frame.drop_nulls().unique("key", keep="any")  # a place lies within one place
        joined = numbers[kind].join(one, on="key", how="left", maintain_order="left")
        joined = joined.join(
            numbers[above].rename({"key": "up", "number": "up_no"}), on="up", how="left", maintain_order="left"
        )
        result[kind] = _numbers(joined["up_no"])
    return result


def _items(items: pl.DataFrame, orders: Orders, order_no: pl.DataFrame, sku_no: pl.DataFrame) -> Items:
    """Lines as given; an order without lines stands for itself."""
    order = _ref(items["order_id"], order_no)
    has_lines = np.zeros(len(orders.ids), dtype=bool)
    has_lines[order] = True
    alone = np.flatnonzero(~has_lines).astype(np.int32)
    columns = (
        np.concatenate([order, alone]),
        np.concatenate([_ref(items["sku"], sku_no), orders.sku[alone]]),
        np.concatenate([items["quantity"].to_numpy(), orders.quantity[alone]]),
        np.concatenate([_filled(items["amount"]), orders.amount[alone]]),
    )
    rank = np.lexsort((columns[1], columns[0]))
    return Items(*(column[rank] for column in columns))


def _empty(table: str, columns: tuple[str, ...]) -> pl.DataFrame:
    schema = arrow_schema(BY_NAME[table])
    frame = pl.from_arrow(pa.schema([schema.field(name) for name in columns]).empty_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _sorted_unique(*series: pl.Series) -> npt.NDArray[np.object_]:
    every = pl.concat([part.cast(pl.String).alias("id") for part in series]).drop_nulls().unique().sort()
    return _objects(every)


def _index(ids: npt.NDArray[np.object_]) -> pl.DataFrame:
    return pl.DataFrame({"id": pl.Series(list(ids), dtype=pl.String), "number": np.arange(len(ids), dtype=np.int32)})


def _ref(series: pl.Series, index: pl.DataFrame) -> Ints:
    joined = series.alias("id").to_frame().join(index, on="id", how="left", maintain_order="left")
    return _numbers(joined["number"])


def _first_seen(series: pl.Series) -> tuple[Ints, list[bytes]]:
    """Number values by first appearance; also the values by number. Nulls are -1."""
    keys = series.alias("key").to_frame()
    unique = keys.drop_nulls().unique(maintain_order=True).with_columns(number=pl.int_range(pl.len(), dtype=pl.Int32))
    joined = keys.join(unique, on="key", how="left", maintain_order="left")
    return _numbers(joined["number"]), unique["key"].to_list()


def _numbers(series: pl.Series) -> Ints:
    return series.cast(pl.Int32).fill_null(-1).to_numpy()


def _filled(series: pl.Series) -> Longs:
    return series.fill_null(-1).to_numpy()


def _objects(series: pl.Series) -> npt.NDArray[np.object_]:
    result = np.empty(len(series), dtype=object)
    result[:] = series.to_list()
    return result


def _instants(series: pl.Series) -> Longs:
    return series.cast(pl.Int64).fill_null(int(NEVER)).to_numpy()


def _until(series: pl.Series, as_of: int) -> pl.Series:
    """What had not happened by `as_of` is missing."""
    return series.to_frame("at").select(pl.when(pl.col("at") <= as_of).then("at")).to_series()
