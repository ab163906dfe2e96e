"""The published run held in memory, and the checkout desk that answers from it.

`PublishedRun` is built once from the store's run tables and never changes; `CheckoutDesk` keeps the current one,
notices a new head within a second (in the background once `start` was called, else by `refresh`) and swaps it in one
assignment, so that whoever holds one sees one run only. An account that is not limited is answered without touching
the store; for a limited one its orders are read once a load, and reservations (`Store.taken`) every time.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from graph.errors import RingfenceError
from graph.store import Head, RunRecord, Store
from integrity.checkout import (
    AccountDecision,
    Caps,
    CountedOrder,
    PurchaseAnswer,
    PurchaseRequest,
    RunFacts,
    Status,
    Usage,
    allowance,
    count_usage,
    standing,
)
from integrity.columns import keys, rows_of, texts
from integrity.instants import DAY
from integrity.policy import Policy
from integrity.policy_journal import policy_of
from integrity.publication import find_run

K = TypeVar("K")
V = TypeVar("V")
_SEPARATOR = "\x1f"  # ids hold no control characters
_KEYS = ("device", "ip", "payment", "phone", "recipient", "address")
_READ_AHEAD, _PAGE = 5_000, 25
"""Limited accounts whose orders are read before they are asked for, and how many at a time."""
_HUB_LOOK = 500
"""Orders looked at to judge one identifier of a new account; one used more often is a hub or known by then."""


@dataclass(frozen=True)
class PublishedRun:
    """One published run. `decisions` holds every judged buyer; `limited` those with limits; `hubs` the verdict of
    every hub by identifier id. `table` reads the others on first need."""

    record: RunRecord
    facts: RunFacts
    decisions: dict[str, AccountDecision]
    limited: frozenset[str]
    hubs: dict[str, str]
    store: Store = field(repr=False)
    _tables: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> pa.Table:
        """All rows of one run table of this run, read once and kept."""
        if name not in self._tables:
            self._tables[name] = self.store.run_rows(self.record.run_id, name)
        return self._tables[name]


def published_run(store: Store, run_id: str, fallback: Policy) -> PublishedRun:
    """Build the view of a whole run; `fallback` stands in where the store does not know the run's policy.

    Raises `NotFound` for an unknown run id."""
    record = find_run(store, run_id)
    rows = store.run_rows(run_id, "run_decisions")
    decisions: dict[str, AccountDecision] = {}
    free = {status.value: AccountDecision(status) for status in (Status.CLEAR, Status.WATCH)}
    held = pc.field("status").isin([Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value])
    for buyer, status in zip(texts(rows, "buyer_id"), texts(rows, "status"), strict=True):
        decisions[buyer] = free.get(status, free[Status.CLEAR.value])
    limited = rows.filter(held)
    for row in rows_of(limited):
        decisions[row["buyer_id"]] = AccountDecision(
            Status(row["status"]),
            row["limit_orders_1d"],
            row["limit_orders_30d"],
            row["limit_amount_1d"],
            row["limit_amount_30d"],
            row["limit_quantity"],
            row["currency"],
            frozenset(row["limit_store_ids"]),
            row["expires_at"],
        )
    hubs = store.run_rows(run_id, "run_hubs", columns=("identifier", "verdict"))
    return PublishedRun(
        record=record,
        facts=RunFacts(
            run_id, record.as_of, record.finished_at or record.started_at, policy_of(store, record) or fallback
        ),
        decisions=decisions,
        limited=frozenset(texts(limited, "buyer_id")),
        hubs=dict(zip(texts(hubs, "identifier"), texts(hubs, "verdict"), strict=True)),
        store=store,
    )


def reservation_keys(request: PurchaseRequest, caps: Caps) -> list[tuple[str, str]]:
    """The (key, window) pairs of `Store.take` under which reservations count against `caps`, in the order orders a
    day, orders 30 days, amount a day, amount 30 days for each place.

    Whoever reserves takes 1 under `orders` and the amount under the currency, once for the buyer (platform-wide) and
    once for the buyer at the store, in windows `1d` and `30d` that expire as long after; and gives back when the order
    has been loaded, since loaded orders count on their own."""
    places = [""] if caps.stores is None else sorted(caps.stores)
    keys = []
    for place in places:
        for measure in ("orders", request.currency):
            key = _SEPARATOR.join((request.buyer_id, place, measure))
            keys += [(key, "1d"), (key, "30d")]
    return keys


def _placed_at(order: CountedOrder) -> int:
    return order.placed_at


class CheckoutDesk:
    """Answers purchase limits from the published run of one store.

    `policy` is the one in force now: its `checkout` section holds for every answer, the rest for answers that rest on
    no run. Safe to use from several threads."""

    def __init__(self, store: Store, policy: Policy, *, remembered: int = 50_000) -> None:
        self._store, self._policy, self._remembered = store, policy, remembered
        self._state: tuple[Head, PublishedRun | None, int | None] = (Head(0, None), None, None)
        self._touched: tuple[Head, frozenset[bytes] | None] = (Head(0, None), None)
        self._orders: OrderedDict[tuple[int, str], tuple[CountedOrder, ...]] = OrderedDict()
        self._suspects: OrderedDict[tuple[str, int, str], bool] = OrderedDict()
        self._lock, self._memory_lock = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self._log = structlog.get_logger("ringfence.checkout")

    @property
    def published(self) -> PublishedRun | None:
        """The run that answers rest on now. Hold on to it for the length of one request."""
        return self._state[1]

    @property
    def head(self) -> Head:
        """The head that this desk has noticed."""
        return self._state[0]

    def refresh(self) -> bool:
        """Look at the store's head and take up what is new; True where something was."""
        with self._lock:
            head = self._store.head()
            before, run, counted_until = self._state
            if head == before:
                return False
            if head.run != before.run:
                run = published_run(self._store, head.run, self._policy) if head.run is not None else None
            if head.load != before.load:
                started = [record.started_at for record in self._store.loads() if record.load == head.load]
                counted_until = started[0] if started else None
            if run is not None:
                self._read_ahead(run, head)  # before the switch: no buyer waits while the store is read for them
            self._state = (head, run, counted_until)
            with self._memory_lock:
                self._suspects.clear()
                for known in [key for key in self._orders if key[0] != head.load]:
                    del self._orders[known]
            return True

    def start(self, *, every: float = 0.5) -> None:
        """Refresh now, and in the background from now on. A store that fails for a while keeps the last state."""
        self.refresh()
        if self._watcher is None:
            self._stop.clear()
            self._watcher = threading.Thread(target=self._watch, args=(every,), name="checkout-refresh", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """End the background refresh."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join(timeout=10)
            self._watcher = None

    def _watch(self, every: float) -> None:
        while not self._stop.wait(every):
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001  whatever it is, the last state goes on answering
                known = isinstance(error, RingfenceError)
                self._log.warning("refresh failed; the last state is kept", error=str(error), exc_info=not known)

    def answer(self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None) -> PurchaseAnswer:
        """The answer at `now`, resting on `published` (default: the current run)."""
        head, current, counted_until = self._state
        run = published or current
        facts = run.facts if run is not None else None
        decision = run.decisions.get(request.buyer_id) if run is not None else None
        suspect = (
            run is not None
            and decision is None
            and any(self._speaks_against(identifier, run, head) for identifier in request.identifiers)
        )
        found = standing(request, decision, facts, self._policy.checkout, now=now, suspect=suspect)
        if isinstance(found, PurchaseAnswer):
            answer = found
        else:
            assert facts is not None  # limits come from a run
            usage = count_usage(self._recent(request.buyer_id, head, now), found, request, now=now)
            answer = allowance(request, found, self._with_reservations(usage, request, found, now), facts)
        return replace(answer, counted_until=None if counted_until is None else min(counted_until, now))

    def _recent(self, buyer_id: str, head: Head, now: int) -> tuple[CountedOrder, ...]:
        """The buyer's orders of the 30 days up to `now`."""
        orders = self._orders_of(buyer_id, head)
        return orders[bisect_right(orders, now - 30 * DAY, key=_placed_at) : bisect_right(orders, now, key=_placed_at)]

    def _orders_of(self, buyer_id: str, head: Head) -> tuple[CountedOrder, ...]:
        known = self._orders.get((head.load, buyer_id))
        return known if known is not None else self._read_orders([buyer_id], head)[buyer_id]

    def _read_ahead(self, run: PublishedRun, head: Head) -> None:
        """Read the orders of limited accounts before they are asked for: many at once cost little more than one.

        Also notes every identifier that they used: one that is not among them speaks against nobody, and needs no
        look at the store. Where more accounts are limited than are read ahead, that shortcut is left out."""
        buyers = sorted(run.limited)[: min(_READ_AHEAD, self._remembered)]
        touched: set[bytes] = set()
        for start in range(0, len(buyers), _PAGE):
            page = buyers[start : start + _PAGE]
            self._read_orders(page, head, touched)
            uses = self._store.find("uses", "buyer_id", page, columns=("key",), known_by=head.load)
            touched |= keys(uses, "key")
        self._touched = head, frozenset(touched) if len(buyers) == len(run.limited) else None

    def _read_orders(
        self, buyers: Sequence[str], head: Head, touched: set[bytes] | None = None
    ) -> dict[str, tuple[CountedOrder, ...]]:
        """All orders of these buyers at this head, by the time they were placed; remembered. The identifiers that they
        used are added to `touched`."""
        columns = ("buyer_id", *CountedOrder._fields)
        rows = self._store.find("orders", "buyer_id", buyers, columns=(*columns, *_KEYS), known_by=head.load)
        found: dict[str, list[CountedOrder]] = {buyer: [] for buyer in buyers}
        if touched is not None:
            for column in _KEYS:
                touched |= keys(rows, column)
        for row in rows_of(rows.select(columns)):
            found[row.pop("buyer_id")].append(CountedOrder(**row))
        done = {buyer: tuple(sorted(orders, key=_placed_at)) for buyer, orders in found.items()}
        for buyer, orders in done.items():
            self._remember(self._orders, (head.load, buyer), orders)
        return done

    def _with_reservations(self, usage: Usage, request: PurchaseRequest, caps: Caps, now: int) -> Usage:
        taken = self._store.taken(reservation_keys(request, caps), now=now)
        return Usage(
            usage.orders_1d + sum(taken[0::4]),
            usage.orders_30d + sum(taken[1::4]),
            usage.amount_1d + sum(taken[2::4]),
            usage.amount_30d + sum(taken[3::4]),
        )

    def _speaks_against(self, identifier: str, run: PublishedRun, head: Head) -> bool:
        """Whether an identifier is an abusive hub, or no hub and used by limited accounts for the policy's share."""
        kind, _, text = identifier.partition(":")
        rules = run.facts.policy.new_accounts
        if kind not in rules.kinds:
            return False
        verdict = run.hubs.get(identifier)
        if verdict is not None:
            return verdict == "abusive"
        noted_at, touched = self._touched
        if touched is not None and noted_at == Head(head.load, run.facts.run_id) and bytes.fromhex(text) not in touched:
            return False
        key = (run.facts.run_id, head.load, identifier)
        known = self._suspects.get(key)
        if known is None:
            users = self._users(kind, bytes.fromhex(text), run, head)
            known = bool(users) and len(users & run.limited) >= rules.limited_share * len(users)
            self._remember(self._suspects, key, known)
        return known

    def _users(self, kind: str, key: bytes, run: PublishedRun, head: Head) -> frozenset[str]:
        """Judged accounts that used an identifier, in orders or outside."""
        column = "address" if kind == "door" else kind
        found: set[str] = set()
        for table, by in (("orders", column), ("uses", "key")):
            rows = self._store.find(table, by, [key], columns=("buyer_id",), limit=_HUB_LOOK, known_by=head.load)
            found.update(texts(rows, "buyer_id"))
        return frozenset(buyer for buyer in found if buyer in run.decisions)

    def _remember(self, memory: OrderedDict[K, V], key: K, value: V) -> None:
        with self._memory_lock:
            memory[key] = value
            while len(memory) > self._remembered:
                memory.popitem(last=False)
