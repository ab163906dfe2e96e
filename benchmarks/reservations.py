"""What reserving costs: reservations a second by many clients, alone and in shared transactions.

Used by `benchmarks.server` on Neo4j, and by itself on SQLite: `python -m benchmarks.reservations`. A client reserves
one order after the other; each takes what a limited account's purchase takes under the default policy's own limits (an
order and an amount, over a day and over 30 days). `exact` says that what was granted is what the counters hold.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from graph.open import open_store
from graph.reserving import Act, Outcome, Part, Reserve
from graph.store import Store
from integrity.checkout_bounds import CheckoutCounts
from integrity.instants import DAY
from integrity.reservations_till import Till

NOW = 1_000 * DAY
MONTH = 30 * DAY
_MINUTE = 60_000_000
_WARM_UPS = 3
"""Rounds before the measurement: a server's Java is slow at first."""


@dataclass(frozen=True)
class Rate:
    """Reservations a second, how many were granted, whether exactly so many are held, how many shared a transaction on
    average, and the median and 99th percentile of a client's wait in milliseconds."""

    a_second: float
    granted: int
    exact: bool
    shared: float
    median: float
    p99: float

    def row(self) -> str:
        """For a table."""
        exact = "exact" if self.exact else "NOT EXACT"
        return (
            f"{self.a_second:,.0f} /s, {self.granted} granted, {exact}, {self.shared:.1f} a transaction, "
            f"p50 {self.median:.1f} ms, p99 {self.p99:.1f} ms"
        )


def purchase(account: str, order: str, cap: int) -> Reserve:
    """One purchase of 1.00 by an account that may place `cap` orders."""
    parts = [
        Part(f"{account} {unit}", window, amount, cap * amount, NOW + length)
        for unit, amount in (("orders", 1), ("CNY", 100))
        for window, length in (("1d", DAY), ("30d", MONTH))
    ]
    return Reserve(order, {"buyer": account, "amount": 100}, tuple(parts), NOW + 30 * _MINUTE, NOW + MONTH)


def reservations(store: Store, name: str, *, accounts: int, cap: int, count: int, clients: int, share: bool) -> Rate:
    """`count` reservations over `accounts` accounts in turn, each with an allowance of `cap` orders."""
    counts = CheckoutCounts()
    till = Till(store, counts)

    def alone(act: Act) -> Outcome:
        return store.reserve([act], now=NOW)[0]

    def shared(act: Act) -> Outcome:
        return till.submit(act, now=NOW).result()

    names = [f"{name} {number}" for number in range(accounts)]
    acts = [purchase(names[number % accounts], f"{name} order {number}", cap) for number in range(count)]
    seconds, waits, outcomes = _clients(acts, shared if share else alone, clients)
    till.close()
    granted = sum(outcome.state == "held" for outcome in outcomes)
    held = store.taken([(f"{account} orders", "30d") for account in names], now=NOW)
    told = counts.snapshot()
    waits.sort()
    return Rate(
        count / seconds,
        granted,
        sum(held) == granted and max(held) <= cap,
        told["batched"] / max(told["batches"], 1) if share else 1.0,
        statistics.median(waits),
        waits[int(0.99 * len(waits))],
    )


def _clients(
    acts: Sequence[Act], work: Callable[[Act], Outcome], clients: int
) -> tuple[float, list[float], list[Outcome]]:
    """Seconds for all, each wait in milliseconds, and every outcome."""
    gate = threading.Barrier(clients + 1)
    waits: list[float] = []
    outcomes: list[Outcome] = []

    def client(number: int) -> None:
        gate.wait()
        for act in acts[number::clients]:
            asked = time.perf_counter()
            outcomes.append(work(act))
            waits.append((time.perf_counter() - asked) * 1e3)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, number) for number in range(clients)]
        gate.wait()
        start = time.perf_counter()
        for one in running:
            one.result()
    return time.perf_counter() - start, waits, outcomes


def rows(store: Store) -> list[tuple[str, str]]:
    """The measurements, for a table: work and what was measured."""
    for turn in range(_WARM_UPS):
        reservations(store, f"warm {turn}", accounts=100, cap=500, count=2_000, clients=64, share=True)
    found = []
    for clients in (16, 64):
        for share in (False, True):
            how = "in shared transactions" if share else "each in its own"
            hot = reservations(
                store, f"hot {clients} {share}", accounts=1, cap=500, count=2_000, clients=clients, share=share
            )
            cold = reservations(
                store, f"cold {clients} {share}", accounts=500, cap=500, count=4_000, clients=clients, share=share
            )
            found.append((f"1 account, {clients} clients, {how}", hot.row()))
            found.append((f"500 accounts, {clients} clients, {how}", cold.row()))
    return found


def main() -> None:
    """Print the table for SQLite."""
    table = Table(title="Reservations on SQLite")
    for column in ("work", "measured"):
        table.add_column(column)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.db'}")
        for work, measured in rows(store):
            table.add_row(work, measured)
        store.close()
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
