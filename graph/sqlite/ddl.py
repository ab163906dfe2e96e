"""SQLite tables, made from the declared schema, and the forward migrations between schema versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graph.errors import StoreProblem
from graph.schema import SCHEMA_VERSION, TABLES, Kind, Table
from graph.texts import FORMER, TEXTS, row_digest

APPLICATION_ID = 0x52494E47
"""Marks the file as a Ringfence store in SQLite's header ("RING")."""

_FIXED = """
CREATE TABLE IF NOT EXISTS meta(namespace TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY(namespace, key));
CREATE TABLE IF NOT EXISTS head(namespace TEXT PRIMARY KEY, load INTEGER NOT NULL, run TEXT);
CREATE TABLE IF NOT EXISTS leases(namespace TEXT, name TEXT, holder TEXT, fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, PRIMARY KEY(namespace, name));
CREATE TABLE IF NOT EXISTS loads(namespace TEXT, load INTEGER, state TEXT NOT NULL, started_at INTEGER NOT NULL,
    finished_at INTEGER, source TEXT NOT NULL, report TEXT NOT NULL, PRIMARY KEY(namespace, load));
CREATE TABLE IF NOT EXISTS conflicts(namespace TEXT, load INTEGER, name TEXT, id TEXT,
    PRIMARY KEY(namespace, load, name, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending(namespace TEXT, load INTEGER, name TEXT, refs BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine(seq INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT, load INTEGER NOT NULL,
    "table" TEXT, file TEXT, line INTEGER, "column" TEXT, value TEXT, rule TEXT, action TEXT);
CREATE INDEX IF NOT EXISTS quarantine_load ON quarantine(namespace, load);
CREATE TABLE IF NOT EXISTS layouts(layout INTEGER PRIMARY KEY, form BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS segments(seg INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT, name TEXT, col TEXT,
    load INTEGER NOT NULL, n INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS segments_of ON segments(namespace, name, col, seg, n);
CREATE INDEX IF NOT EXISTS segments_by ON segments(namespace, load, name, col, seg, n);
CREATE TABLE IF NOT EXISTS runs(namespace TEXT, run_id TEXT, state TEXT NOT NULL, as_of INTEGER NOT NULL,
    known_by INTEGER NOT NULL, policy TEXT NOT NULL, policy_digest TEXT NOT NULL, version TEXT NOT NULL,
    snapshot_digest TEXT NOT NULL, parent TEXT, started_at INTEGER NOT NULL, finished_at INTEGER,
    published_at INTEGER, held_reason TEXT NOT NULL, stats TEXT NOT NULL, PRIMARY KEY(namespace, run_id));
CREATE TABLE IF NOT EXISTS takes(namespace TEXT, key TEXT, period TEXT, order_id TEXT, amount INTEGER NOT NULL,
    remaining INTEGER NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY(namespace, key, period, order_id))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS takes_by ON takes(namespace, expires_at);
CREATE TABLE IF NOT EXISTS reservations(namespace TEXT, order_id TEXT, keep_until INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY(namespace, order_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reservations_by ON reservations(namespace, keep_until);
CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT, journal TEXT,
    at INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE(namespace, journal, id));
CREATE INDEX IF NOT EXISTS journal_by ON journal(namespace, journal, seq);
"""


def table_ddl(table: Table) -> str:
    """The statements that make one declared table: its blocks, and for versioned tables their ends and postings."""
    name = table.name
    if table.kind is Kind.RUN:
        return f"""
CREATE TABLE IF NOT EXISTS {name}(block INTEGER PRIMARY KEY, namespace TEXT, run_id TEXT, rows INTEGER NOT NULL,
    layout INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS {name}_by ON {name}(namespace, run_id);
"""
    return f"""
CREATE TABLE IF NOT EXISTS {name}(block INTEGER PRIMARY KEY, namespace TEXT, since INTEGER NOT NULL,
    rows INTEGER NOT NULL, low BLOB NOT NULL, layout INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS {name}_by ON {name}(namespace, low, block, since, rows);
CREATE INDEX IF NOT EXISTS {name}_since ON {name}(namespace, since);
CREATE TABLE IF NOT EXISTS {name}_ends(block INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS {name}_keys(part INTEGER PRIMARY KEY, seg INTEGER NOT NULL, high INTEGER NOT NULL,
    low INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS {name}_keys_by ON {name}_keys(seg, high, low);
"""


def statements() -> list[str]:
    """Every statement of the current schema version, each of which does nothing where its object exists."""
    script = _FIXED + "".join(table_ddl(table) for table in TABLES)
    return [statement.strip() for statement in script.split(";") if statement.strip()]


@dataclass(frozen=True)
class Migration:
    """One step forward: `apply` brings a store of version `to - 1` to version `to`, inside a transaction."""

    to: int
    apply: Callable[[sqlite3.Connection], None]


def _baseline(connection: sqlite3.Connection) -> None:
    for statement in statements():
        connection.execute(statement)


def _texts(connection: sqlite3.Connection) -> None:
    _baseline(connection)
    for former in FORMER:
        rows = connection.execute("SELECT seq, body FROM journal WHERE journal = ?", (former,)).fetchall()
        connection.executemany(
            "UPDATE OR REPLACE journal SET journal = ?, id = ? WHERE seq = ?",
            [(TEXTS, row_digest(body), seq) for seq, body in rows],
        )


MIGRATIONS: tuple[Migration, ...] = (
    *(Migration(to, _baseline) for to in (1, 2, 3)),
    Migration(4, _texts),
    *(Migration(to, _baseline) for to in (5, 6)),
)
"""In order. Version 1 is the baseline; a later version adds a step that also holds for a store made that day. Versions
2 and 3 have more tables of runs, and columns of them, which read as null in runs of before; version 4 keeps all that
people wrote in one journal, and finds takes by when they end; version 5 has the facts of decisions, which
read as null in runs of before; version 6 changes Neo4j alone."""
assert MIGRATIONS[-1].to == SCHEMA_VERSION


def stored_version(connection: sqlite3.Connection) -> int:
    """The schema version that the file holds; 0 for an empty file."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").fetchone()
    if known is None:
        return 0
    row = connection.execute("SELECT value FROM meta WHERE namespace = '' AND key = 'schema_version'").fetchone()
    return int(row[0]) if row else 0


def check_ours(connection: sqlite3.Connection, where: str) -> None:
    """Raise `StoreProblem` where the file is a database of some other program."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and mark != APPLICATION_ID:
        raise StoreProblem("this is another program's database", where=where, do="name another file")


def check_version(version: int, newest: int, where: str) -> None:
    """Raise `StoreProblem` where the store was made by a newer Ringfence."""
    if version > newest:
        raise StoreProblem(
            f"the store has schema version {version}, this Ringfence knows up to {newest}",
            where=where,
            do="use the newer Ringfence that made it",
        )


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], where: str) -> None:
    """Bring the store to the newest version, in the caller's transaction. Does nothing where it is there."""
    newest = migrations[-1].to
    check_ours(connection, where)
    version = stored_version(connection)
    check_version(version, newest, where)
    for migration in migrations:
        if migration.to > version:
            migration.apply(connection)
    if version != newest:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("INSERT OR REPLACE INTO meta VALUES('', 'schema_version', ?)", (str(newest),))
