"""What limited accounts bought, remembered by the desk: orders by account and by door, read once a load.

An order's address may name no more than a building; only doors are shared allowances, so the kind of each address is
looked up with it."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

import pyarrow as pa

from graph.store import Head, Store
from integrity.checkout import CountedOrder
from integrity.columns import keys, rows_of, texts

K = TypeVar("K")
V = TypeVar("V")
_COLUMNS = ("order_id", "buyer_id", "store_id", "placed_at", "amount", "currency", "quantity", "sku", "address")
KEYS = ("device", "ip", "payment", "phone", "recipient", "address")
Orders = tuple[CountedOrder, ...]
"""By the time they were placed."""


def _placed_at(order: CountedOrder) -> tuple[int, str]:
    return order.placed_at, order.order_id


class NotRead(Exception):
    """Something is not in memory, and the store was not to be asked."""


def remember(memory: OrderedDict[K, V], key: K, value: V, most: int, lock: threading.Lock) -> None:
    """Keep a value, and the latest `most` only."""
    with lock:
        memory[key] = value
        while len(memory) > most:
            memory.popitem(last=False)


def _keep(memory: OrderedDict[tuple[int, K], V], head: Head) -> None:
    for known in [key for key in memory if key[0] != head.load]:
        del memory[known]


class OrderMemory:
    """Orders at one head after the other; `items` says whether the rows of orders' items count. Thread-safe."""

    def __init__(self, store: Store, *, items: bool, remembered: int) -> None:
        self._store, self._items, self._most = store, items, remembered
        self._by_buyer: OrderedDict[tuple[int, str], Orders] = OrderedDict()
        self._by_door: OrderedDict[tuple[int, str], Orders] = OrderedDict()
        self._doors: OrderedDict[tuple[int, bytes], bool] = OrderedDict()
        self._lock = threading.Lock()

    def forget_before(self, head: Head) -> None:
        """Let go of what was read at other heads."""
        with self._lock:
            _keep(self._by_buyer, head)
            _keep(self._by_door, head)
            _keep(self._doors, head)

    def of(self, buyer: str, head: Head, *, reading: bool = True) -> Orders:
        """All orders of an account. Raises `NotRead` where they are not in memory and `reading` is false."""
        known = self._by_buyer.get((head.load, buyer))
        if known is None and not reading:
            raise NotRead
        return known if known is not None else self.read([buyer], head)[buyer]

    def read(self, buyers: Sequence[str], head: Head, touched: set[bytes] | None = None) -> dict[str, Orders]:
        """All orders of these accounts, from the store. The identifiers that they used are added to `touched`."""
        columns = tuple(dict.fromkeys((*_COLUMNS, *KEYS)))
        rows = self._store.find("orders", "buyer_id", buyers, columns=columns, known_by=head.load)
        if touched is not None:
            for column in KEYS:
                touched |= keys(rows, column)
        found: dict[str, list[CountedOrder]] = {buyer: [] for buyer in buyers}
        for order in self._counted(rows, head):
            found[order.buyer_id].append(order)
        done = {buyer: tuple(sorted(orders, key=_placed_at)) for buyer, orders in found.items()}
        for buyer, orders in done.items():
            remember(self._by_buyer, (head.load, buyer), orders, self._most, self._lock)
        return done

    def at_door(self, door: str, limited: Collection[str], head: Head, *, reading: bool = True) -> Orders:
        """Orders of limited accounts that were sent to a door, by the hex text of its key. Raises as `of`."""
        known = self._by_door.get((head.load, door))
        if known is None:
            if not reading:
                raise NotRead
            known = self.read_doors([door], head)[door]
        return tuple(order for order in known if order.buyer_id in limited)

    def read_doors(self, doors: Sequence[str], head: Head) -> dict[str, Orders]:
        """All orders sent to these doors, from the store."""
        wanted = [bytes.fromhex(door) for door in doors]
        rows = self._store.find("orders", "address", wanted, columns=_COLUMNS, known_by=head.load)
        found: dict[str, list[CountedOrder]] = {door: [] for door in doors}
        for order in self._counted(rows, head):
            if order.address is not None:
                found[order.address.hex()].append(order)
        done = {door: tuple(sorted(orders, key=_placed_at)) for door, orders in found.items()}
        for door, orders in done.items():
            remember(self._by_door, (head.load, door), orders, self._most, self._lock)
        return done

    def door_of(self, orders: Orders, head: Head, *, reading: bool = True) -> str | None:
        """The door where an account last had something sent, as hex text; None where no order names one. Raises as
        `of`."""
        addresses = [order.address for order in orders if order.address is not None]
        if not addresses:
            return None
        latest = addresses[-1]
        if (head.load, latest) not in self._doors:
            if not reading:
                raise NotRead
            self.read_kinds([latest], head)
        return latest.hex() if self._doors[head.load, latest] else None

    def read_kinds(self, addresses: Iterable[bytes], head: Head) -> None:
        """Look up which addresses are doors."""
        asked = sorted(set(addresses))
        if not asked:
            return
        rows = self._store.find("identifiers", "key", asked, columns=("kind", "key"), known_by=head.load)
        doors = {row["key"] for row in rows_of(rows) if row["kind"] == "door"}
        for address in asked:
            remember(self._doors, (head.load, address), address in doors, self._most, self._lock)

    def _counted(self, rows: pa.Table, head: Head) -> list[CountedOrder]:
        items: dict[str, list[tuple[str, int]]] = defaultdict(list)
        if self._items and rows.num_rows:
            found = self._store.find(
                "order_items",
                "order_id",
                sorted(set(texts(rows, "order_id"))),
                columns=("order_id", "sku", "quantity"),
                known_by=head.load,
            )
            for row in rows_of(found):
                items[row["order_id"]].append((row["sku"] or "", row["quantity"] or 1))
        return [
            CountedOrder(**row, items=tuple(items.get(row["order_id"], ()))) for row in rows_of(rows.select(_COLUMNS))
        ]
