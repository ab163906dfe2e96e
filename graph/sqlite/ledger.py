"""Leases and counters: small rows that SQLite keeps as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from graph.errors import LeaseHeld, LeaseLost
from graph.store import Lease, Take


def acquire(connection: sqlite3.Connection, namespace: str, name: str, holder: str, *, now: int, ttl: int) -> Lease:
    """Take the lease where it is free or expired. Instants and `ttl` in microseconds."""
    row = connection.execute(
        "SELECT holder, fence, expires_at FROM leases WHERE namespace = ? AND name = ?", (namespace, name)
    ).fetchone()
    if row is not None and row[0] is not None and row[2] > now:
        until = datetime.fromtimestamp(row[2] / 1e6, UTC).isoformat(timespec="seconds")
        raise LeaseHeld(
            f"{row[0]} holds the {name} lease until {until} unless it goes on",
            do="wait for it to end, or try again after that",
        )
    lease = Lease(name, holder, (row[1] if row else 0) + 1, now + ttl)
    connection.execute(
        "INSERT OR REPLACE INTO leases VALUES(?, ?, ?, ?, ?)", (namespace, name, holder, lease.fence, lease.expires_at)
    )
    return lease


def check(connection: sqlite3.Connection, namespace: str, lease: Lease) -> None:
    """Raise `LeaseLost` unless the lease's fencing number is still the newest and it was not given back."""
    row = connection.execute(
        "SELECT holder, fence FROM leases WHERE namespace = ? AND name = ?", (namespace, lease.name)
    ).fetchone()
    if row is None or row[1] != lease.fence or row[0] is None:
        now_held = f"{row[0]} holds it now" if row and row[0] else "it was given back"
        raise LeaseLost(f"{lease.holder} lost the {lease.name} lease: {now_held}", do="start the work again")


def beat(connection: sqlite3.Connection, namespace: str, lease: Lease, *, now: int, ttl: int) -> Lease:
    """Extend the lease from `now`."""
    check(connection, namespace, lease)
    connection.execute(
        "UPDATE leases SET expires_at = ? WHERE namespace = ? AND name = ?", (now + ttl, namespace, lease.name)
    )
    return Lease(lease.name, lease.holder, lease.fence, now + ttl)


def release(connection: sqlite3.Connection, namespace: str, lease: Lease) -> None:
    """Give it back; the fencing number stays, so that the next holder's is higher."""
    connection.execute(
        "UPDATE leases SET holder = NULL, expires_at = 0 WHERE namespace = ? AND name = ? AND fence = ?",
        (namespace, lease.name, lease.fence),
    )


def take(
    connection: sqlite3.Connection,
    namespace: str,
    key: str,
    period: str,
    amount: int,
    cap: int,
    order_id: str,
    *,
    now: int,
    expires_at: int,
) -> Take:
    """See `Store.take`. Only grants are recorded: an order that was refused may ask again."""
    if amount < 0:
        raise ValueError(f"take of a negative amount: {amount}")
    row = connection.execute(
        "SELECT remaining, expires_at FROM takes WHERE namespace = ? AND key = ? AND period = ? AND order_id = ?",
        (namespace, key, period, order_id),
    ).fetchone()
    if row is not None and row[1] > now:
        return Take(True, row[0])
    connection.execute(
        "DELETE FROM takes WHERE namespace = ? AND key = ? AND period = ? AND expires_at <= ?",
        (namespace, key, period, now),
    )
    left = cap - _live(connection, namespace, key, period, now)
    if amount > left:
        return Take(False, max(0, left))
    connection.execute(
        "INSERT INTO takes VALUES(?, ?, ?, ?, ?, ?, ?)",
        (namespace, key, period, order_id, amount, left - amount, expires_at),
    )
    return Take(True, left - amount)


def give_back(connection: sqlite3.Connection, namespace: str, key: str, period: str, order_id: str) -> bool:
    """Drop a take; whether there was one."""
    cursor = connection.execute(
        "DELETE FROM takes WHERE namespace = ? AND key = ? AND period = ? AND order_id = ?",
        (namespace, key, period, order_id),
    )
    return cursor.rowcount > 0


def _live(connection: sqlite3.Connection, namespace: str, key: str, period: str, now: int) -> int:
    (total,) = connection.execute(
        "SELECT coalesce(sum(amount), 0) FROM takes WHERE namespace = ? AND key = ? AND period = ? AND expires_at > ?",
        (namespace, key, period, now),
    ).fetchone()
    return int(total)


def sweep(connection: sqlite3.Connection, namespace: str, *, now: int, limit: int) -> int:
    """See `Store.sweep_counters`. Without takes nothing is left of an allowance."""
    cursor = connection.execute(
        "DELETE FROM takes WHERE (namespace, key, period, order_id) IN "
        "(SELECT namespace, key, period, order_id FROM takes WHERE namespace = ? AND expires_at <= ? LIMIT ?)",
        (namespace, now, limit),
    )
    return cursor.rowcount


def taken(
    connection: sqlite3.Connection,
    namespace: str,
    keys: Sequence[tuple[str, str]],
    now: int,
    loaded: Sequence[Collection[str]] | None = None,
) -> list[int]:
    """Live sums, in the order asked, without the orders of each pair's entry in `loaded`."""
    if loaded is None:
        return [_live(connection, namespace, key, period, now) for key, period in keys]
    query = "SELECT order_id, amount FROM takes WHERE namespace = ? AND key = ? AND period = ? AND expires_at > ?"
    return [
        sum(amount for order, amount in connection.execute(query, (namespace, *key, now)) if order not in left_out)
        for key, left_out in zip(keys, loaded, strict=True)
    ]
