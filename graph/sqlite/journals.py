"""Journals in SQLite: rows in the order written, each id once."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from graph.columns import JOURNAL, body_text, to_table

_AT_ONCE = 500


def note(connection: sqlite3.Connection, namespace: str, journal: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows whose id the journal doesn't hold yet."""
    connection.executemany(
        "INSERT OR IGNORE INTO journal(namespace, journal, at, id, body) VALUES(?, ?, ?, ?, ?)",
        [(namespace, journal, int(row["at"]), str(row["id"]), body_text(row["body"])) for row in rows],
    )


def notes(connection: sqlite3.Connection, namespace: str, journal: str, after: int, limit: int) -> pa.Table:
    """Rows of a journal in the order written."""
    rows = connection.execute(
        "SELECT seq, at, id, body FROM journal WHERE namespace = ? AND journal = ? AND seq > ? ORDER BY seq LIMIT ?",
        (namespace, journal, after, limit),
    ).fetchall()
    return to_table(rows, JOURNAL)


def noted(connection: sqlite3.Connection, namespace: str, journal: str, ids: Sequence[str]) -> pa.Table:
    """Rows of these ids in the order written."""
    wanted, rows = sorted(set(ids)), []
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        places = ", ".join("?" * len(some))
        query = f"SELECT seq, at, id, body FROM journal WHERE namespace = ? AND journal = ? AND id IN ({places})"  # noqa: S608
        rows += connection.execute(query, (namespace, journal, *some)).fetchall()
    return to_table(sorted(rows), JOURNAL)


def erase(connection: sqlite3.Connection, namespace: str, journal: str, ids: Sequence[str]) -> int:
    """Delete rows; how many there were."""
    cursor = connection.executemany(
        "DELETE FROM journal WHERE namespace = ? AND journal = ? AND id = ?",
        [(namespace, journal, id_) for id_ in sorted(set(ids))],
    )
    return max(0, cursor.rowcount)


def reword(connection: sqlite3.Connection, namespace: str, journal: str, bodies: Mapping[str, str]) -> int:
    """Replace bodies; how many rows there were."""
    cursor = connection.executemany(
        "UPDATE journal SET body = ? WHERE namespace = ? AND journal = ? AND id = ?",
        [(body_text(body), namespace, journal, id_) for id_, body in sorted(bodies.items())],
    )
    return max(0, cursor.rowcount)
