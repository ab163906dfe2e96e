"""Reservations in SQLite: read what a batch touches, decide, write, in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from graph.reserving import Act, Changes, Entry, Outcome, Place, Record, decide, orders_of, places_of


def reserve(connection: sqlite3.Connection, namespace: str, acts: Sequence[Act], *, now: int) -> list[Outcome]:
    """See `Store.reserve`. The write transaction is the lock."""
    records = _records(connection, namespace, orders_of(acts))
    takes = _takes(connection, namespace, places_of(acts, records))
    outcomes, changes = decide(acts, records, takes, now=now)
    _write(connection, namespace, changes)
    return outcomes


def sweep(connection: sqlite3.Connection, namespace: str, *, now: int, limit: int) -> int:
    """See `Store.sweep_reservations`."""
    found = connection.execute(
        "SELECT order_id, body FROM reservations WHERE namespace = ? AND keep_until <= ? LIMIT ?",
        (namespace, now, limit),
    ).fetchall()
    for order, body in found:
        changes = Changes(records={order: None})
        for part in Record.of_text(body).parts:
            changes.takes[(part.key, part.window), order] = None
        _write(connection, namespace, changes)
    return len(found)


def _records(connection: sqlite3.Connection, namespace: str, orders: Iterable[str]) -> dict[str, Record]:
    query = "SELECT body FROM reservations WHERE namespace = ? AND order_id = ?"
    found = ((order, connection.execute(query, (namespace, order)).fetchone()) for order in orders)
    return {order: Record.of_text(row[0]) for order, row in found if row is not None}


def _takes(connection: sqlite3.Connection, namespace: str, places: Iterable[Place]) -> dict[Place, dict[str, Entry]]:
    query = "SELECT order_id, amount, remaining, expires_at FROM takes WHERE namespace = ? AND key = ? AND period = ?"
    return {
        place: {order: Entry(*rest) for order, *rest in connection.execute(query, (namespace, *place))}
        for place in places
    }


def _write(connection: sqlite3.Connection, namespace: str, changes: Changes) -> None:
    gone = [(namespace, *place, order) for (place, order), entry in changes.takes.items() if entry is None]
    connection.executemany("DELETE FROM takes WHERE namespace = ? AND key = ? AND period = ? AND order_id = ?", gone)
    connection.executemany(
        "INSERT OR REPLACE INTO takes VALUES(?, ?, ?, ?, ?, ?, ?)",
        [
            (namespace, *place, order, entry.amount, entry.remaining, entry.expires_at)
            for (place, order), entry in changes.takes.items()
            if entry is not None
        ],
    )
    connection.executemany(
        "DELETE FROM reservations WHERE namespace = ? AND order_id = ?",
        [(namespace, order) for order, record in changes.records.items() if record is None],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO reservations VALUES(?, ?, ?, ?)",
        [
            (namespace, order, record.keep_until, record.to_text())
            for order, record in changes.records.items()
            if record is not None
        ],
    )
