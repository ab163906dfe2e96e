"""Takes a snapshot: reads the store once, cuts at `as_of`, numbers everything canonically.

What is read stays in Arrow's columns and lives only as long as the reading; what comes out is plain NumPy
(`graph.snapshot`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graph.coding import Column, Values, code, numbered, objects, places, ranked, texts
from graph.columns import arrow_schema
from graph.errors import BadInput
from graph.schema import BY_NAME
from graph.snapshot import (
    DECISIONS,
    KINDS,
    NEVER,
    OUTCOMES,
    Bools,
    Buyers,
    Complaints,
    Floats,
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
from graph.used import AROUND, PLAIN, labels, used, wider


def take_snapshot(store: Store, *, as_of: int | None = None, known_by: int | None = None) -> Snapshot:
    """Read the store as it was known by load `known_by` (default: the last finished one), cut at `as_of`.

    `as_of` defaults to the latest event in the store. Raises `BadInput` where there is nothing to look at."""
    load = store.head().load if known_by is None else known_by
    if load < 1:
        raise BadInput("the store holds no finished load", where=store.url, do="load a folder first: ringfence load")
    threads = ThreadPoolExecutor(2)
    try:
        return _Reader(store, load, as_of, threads).read()
    finally:
        threads.shutdown(cancel_futures=True)


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "orders": (
        "order_id",
        "buyer_id",
        "store_id",
        "placed_at",
        "amount",
        "currency",
        "quantity",
        "sku",
        "signed_at",
        *PLAIN,
        "address",
    ),
    "order_items": ("order_id", "sku", "quantity", "amount"),
    "uses": ("use_id", "buyer_id", "kind", "key", "used_at"),
    "refunds": (
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
    "complaints": ("complaint_id", "refund_id", "filed_at", "type", "outcome", "outcome_at"),
    "past_decisions": ("decision_id", "buyer_id", "decided_at", "decision", "store_id"),
    "buyers": ("buyer_id", "registered_at"),
    "stores": ("store_id", "category", "experience_score"),
}
"""Columns of each table, in the order of reading: the largest first, so that two threads end together."""
_KNOWN = ("kind", "key", "within", "bare", "has_city")
_CUTS = (
    ("orders", ("placed_at", "signed_at")),
    ("uses", ("used_at",)),
    ("refunds", ("requested_at", "outcome_at")),
    ("complaints", ("filed_at", "outcome_at")),
    ("past_decisions", ("decided_at",)),
)


class _Reader:
    """Reads one snapshot; what it holds lives only as long as it does."""

    def __init__(self, store: Store, known_by: int, as_of: int | None, threads: ThreadPoolExecutor) -> None:
        self.store, self.known_by, self._threads = store, known_by, threads
        # two threads read on while what has been read is numbered
        self._wider = threads.submit(lambda: wider(self._scan("identifiers", _KNOWN, AROUND)))
        self._scanned = {name: threads.submit(self._scan, name, columns) for name, columns in _COLUMNS.items()}
        self.tables = {name: self._scanned[name].result() for name, _ in _CUTS}
        self.buyers = self._scanned["buyers"].result()
        if as_of is None:
            instants = [self.buyers.column("registered_at")]
            instants += [self.tables[name].column(column) for name, columns in _CUTS for column in columns]
            latest = [pc.max(column).as_py() for column in instants]
            as_of = max((int(at) for at in latest if at is not None), default=0)
        self.as_of = as_of
        for name, columns in _CUTS:
            self.tables[name] = _until(self.tables[name], columns[0], as_of)

    def _scan(self, table: str, columns: tuple[str, ...], begins: tuple[str, ...] = ()) -> pa.Table:
        schema = arrow_schema(BY_NAME[table])
        batches = self.store.scan(table, columns, known_by=self.known_by, begins=begins)
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in columns]))

    def read(self) -> Snapshot:
        orders, uses = self.tables["orders"], self.tables["uses"]
        naming = self._threads.submit(used, orders, uses, self._wider.result)
        buyer, store = code(orders.column("buyer_id")), code(orders.column("store_id"))
        buyers, buyer_ids = self._buyers(buyer.values)
        stores, store_ids = self._stores(store.values)
        items = self._scanned["order_items"].result()
        order_ids = orders.column("order_id").combine_chunks()
        line_of = _order_of_line(items.column("order_id").combine_chunks(), order_ids)
        if (line_of < 0).any():
            items, line_of = items.filter(pa.array(line_of >= 0)), line_of[line_of >= 0]
        sku, line_sku, currency = (
            code(column) for column in (orders.column("sku"), items.column("sku"), orders.column("currency"))
        )
        skus, currencies = ranked(sku.values, line_sku.values), ranked(currency.values)
        buyer_of = buyer.through(places(buyer.values, buyer_ids))
        store_of = store.through(places(store.values, store_ids))
        amount = _longs(orders.column("amount"))
        refunds, refund_ids, pictures, parcels = self._refunds(order_ids, buyer_of, store_of, amount)
        complaints, past = self._complaints(refund_ids), self._past(buyer_ids, store_ids)
        use_of = numbered(uses.column("buyer_id"), buyer_ids)
        use_ids = objects(uses.column("use_id"))
        named = naming.result()
        numbers = Orders(
            ids=objects(order_ids),
            buyer=buyer_of,
            store=store_of,
            sku=sku.through(places(sku.values, skus)),
            at=_longs(orders.column("placed_at")),
            signed_at=_until_known(_longs(orders.column("signed_at")), self.as_of),
            amount=amount,
            currency=currency.through(places(currency.values, currencies)),
            quantity=_longs(orders.column("quantity")),
            used=named.on_order,
        )
        lines = Items(
            order=line_of,
            sku=line_sku.through(places(line_sku.values, skus)),
            quantity=_longs(items.column("quantity")),
            amount=_longs(items.column("amount"), missing=-1),
        )
        return Snapshot(
            as_of=self.as_of,
            known_by=self.known_by,
            buyers=buyers,
            stores=stores,
            skus=objects(skus),
            currencies=texts(currencies),
            orders=numbers,
            items=_with_orders_alone(lines, numbers),
            refunds=refunds,
            pictures=pictures,
            complaints=complaints,
            uses=Uses(
                ids=use_ids,
                row=named.use,
                buyer=use_of[named.use],
                kind=named.kind,
                identifier=named.number,
                at=_longs(uses.column("used_at"))[named.use],
            ),
            past=past,
            identifiers=named.identifiers,
            parcels=parcels,
            within=named.within,
            absent=self._absent(named.identifiers, len(parcels), len(pictures.refund)),
        )

    def _buyers(self, ordering: Values) -> tuple[Buyers, Values]:
        registered = self.buyers.column("registered_at")
        later = _longs(registered) > self.as_of
        table = self.buyers.filter(pa.array(~later))
        using = code(self.tables["uses"].column("buyer_id")).values
        decided = code(self.tables["past_decisions"].column("buyer_id")).values
        own = table.column("buyer_id").combine_chunks()
        ids = ranked(own, ordering, using, decided)
        at = np.full(len(ids), NEVER)
        at[places(own, ids)] = _longs(table.column("registered_at"))
        return Buyers(ids=objects(ids), registered_at=at), ids

    def _stores(self, ordering: Values) -> tuple[Stores, Values]:
        table = self._scanned["stores"].result()
        own = table.column("store_id").combine_chunks()
        ids = ranked(own, ordering, code(self.tables["past_decisions"].column("store_id")).values)
        named = code(table.column("category"))
        categories = ranked(named.values)
        category, score = np.full(len(ids), -1, np.int32), np.full(len(ids), np.nan)
        row = places(own, ids)
        category[row] = named.through(places(named.values, categories))
        score[row] = _reals(table.column("experience_score"))
        return Stores(objects(ids), category, texts(categories), score), ids

    def _refunds(
        self, order_ids: Values, buyer_of: Ints, store_of: Ints, order_amount: Longs
    ) -> tuple[Refunds, Values, Pictures, npt.NDArray[np.object_]]:
        table = self.tables["refunds"]
        order = numbered(table.column("order_id"), order_ids)
        if (order < 0).any():
            table, order = table.filter(pa.array(order >= 0)), order[order >= 0]
        reason, parcel = code(table.column("reason")), code(table.column("parcel"))
        reasons = ranked(reason.values)
        amount = table.column("amount")
        covered = table.column("freight_covered").cast(pa.int32())
        refunds = Refunds(
            ids=objects(table.column("refund_id")),
            order=order,
            buyer=buyer_of[order],
            store=store_of[order],
            at=_longs(table.column("requested_at")),
            only=_equal(table.column("kind"), "refund_only"),
            by_buyer=_equal(table.column("initiated_by"), "buyer"),
            amount=np.where(_missing(amount), order_amount[order], _longs(amount, missing=-1)),
            reason=reason.through(places(reason.values, reasons)),
            reasons=texts(reasons),
            outcome=self._outcome(table),
            outcome_at=_until_known(_longs(table.column("outcome_at")), self.as_of),
            parcel=parcel.of,
            shipped_g=_reals(table.column("shipped_weight_g")),
            returned_g=_reals(table.column("return_weight_g")),
            note=code(table.column("note")).of,
            covered=_longs(covered, missing=-1),
        )
        filed = table.column("pictures").combine_chunks()
        hashes = pc.list_flatten(filed)
        known = hashes.is_valid()
        pictures = Pictures(
            refund=pc.list_parent_indices(filed).filter(known).to_numpy().astype(np.int32),
            phash=np.array([int(text, 16) for text in texts(hashes.filter(known))], dtype=np.uint64),
        )
        return refunds, table.column("refund_id").combine_chunks(), pictures, labels("parcel", parcel.values)

    def _complaints(self, refund_ids: Values) -> Complaints:
        table = self.tables["complaints"]
        refund = numbered(table.column("refund_id"), refund_ids)
        if (refund < 0).any():
            table, refund = table.filter(pa.array(refund >= 0)), refund[refund >= 0]
        type_ = code(table.column("type"))
        types = ranked(type_.values)
        return Complaints(
            ids=objects(table.column("complaint_id")),
            refund=refund,
            at=_longs(table.column("filed_at")),
            type=type_.through(places(type_.values, types)),
            types=texts(types),
            outcome=self._outcome(table),
        )

    def _outcome(self, table: pa.Table) -> Ints:
        """What came of each record by `as_of`; what came of it later was pending then."""
        outcome = numbered(table.column("outcome"), pa.array(OUTCOMES))
        later = _longs(table.column("outcome_at")) > self.as_of
        return np.where(later, np.int32(OUTCOMES.index("pending")), outcome)

    def _past(self, buyer_ids: Values, store_ids: Values) -> PastDecisions:
        table = self.tables["past_decisions"]
        return PastDecisions(
            ids=objects(table.column("decision_id")),
            buyer=numbered(table.column("buyer_id"), buyer_ids),
            store=numbered(table.column("store_id"), store_ids),
            at=_longs(table.column("decided_at")),
            decision=numbered(table.column("decision"), pa.array(DECISIONS)),
        )

    def _absent(
        self, identifiers: Mapping[str, npt.NDArray[np.object_]], parcels: int, pictures: int
    ) -> tuple[str, ...]:
        missing = [kind for kind in KINDS if not len(identifiers[kind])]
        missing += [name for name in ("orders", "refunds", "complaints", "uses") if not self.tables[name].num_rows]
        missing += ["past decisions"] * (not self.tables["past_decisions"].num_rows)
        missing += ["pictures"] * (not pictures) + ["return parcels"] * (not parcels)
        refunds = self.tables["refunds"]
        missing += ["return weights"] * (refunds.column("return_weight_g").null_count == refunds.num_rows)
        return tuple(missing)


def _until(table: pa.Table, column: str, as_of: int) -> pa.Table:
    """The rows whose instant is known and not after `as_of`."""
    at = table.column(column)
    last = pc.max(at).as_py()
    if not at.null_count and (last is None or last <= as_of):
        return table
    return table.filter(pc.less_equal(at, pa.scalar(as_of)))


def _until_known(at: Longs, as_of: int) -> Longs:
    """What had not happened by `as_of` is missing."""
    return np.where(at > as_of, NEVER, at)


def _order_of_line(line: Values, order: Values) -> Ints:
    """(lines,) the order of each line, -1 unknown. Lines of one order mostly lie together and in the order of orders:
    then nothing needs to be looked up."""
    if not len(line):
        return np.empty(0, np.int32)
    first = np.append(True, pc.not_equal(line.slice(1), line.slice(0, len(line) - 1)).to_numpy(zero_copy_only=False))
    runs = line.filter(pa.array(first))
    where = np.arange(len(order), dtype=np.int32) if runs.equals(order) else places(runs, order)
    found: Ints = where[np.cumsum(first) - 1]
    return found


def _with_orders_alone(lines: Items, orders: Orders) -> Items:
    """Lines by order and sku; an order without lines stands for itself."""
    has_lines = np.zeros(len(orders.ids), dtype=bool)
    has_lines[lines.order] = True
    alone = np.flatnonzero(~has_lines).astype(np.int32)
    columns = (
        np.concatenate([lines.order, alone]),
        np.concatenate([lines.sku, orders.sku[alone]]),
        np.concatenate([lines.quantity, orders.quantity[alone]]),
        np.concatenate([lines.amount, orders.amount[alone]]),
    )
    key = (columns[0].astype(np.int64) << 32) + columns[1]
    if (key[1:] >= key[:-1]).all():
        return Items(*columns)
    rank = np.argsort(key, kind="stable")
    return Items(*(column[rank] for column in columns))


def _longs(column: Column, *, missing: int = int(NEVER)) -> Any:
    """A column of integers, `missing` for null."""
    filler: Any = missing
    whole = column.fill_null(filler) if column.null_count else column
    return whole.to_numpy()


def _reals(column: Column) -> Floats:
    """A column of reals, NaN for null."""
    return column.cast(pa.float64()).to_numpy()


def _missing(column: Column) -> Bools:
    return column.is_null().to_numpy()


def _equal(column: Column, text: str) -> Bools:
    same: Any = pc.equal(column, pa.scalar(text))
    equal: Bools = same.fill_null(False).to_numpy()
    return equal
