"""What `Store.check` finds out about a store in a SQLite file."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Iterator

from graph import checks
from graph.schema import SCHEMA_VERSION
from graph.sqlite.connection import Connections
from graph.sqlite.ddl import statements
from graph.store import Check

_CREATED = re.compile(r"CREATE (?:TABLE|INDEX) IF NOT EXISTS (\w+)")


def examine(connections: Connections, namespace: str, now: int) -> Iterator[Check]:
    """One check after the other; `now` in UTC microseconds."""
    with connections.read() as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        yield Check("version", "ok", f"SQLite {sqlite3.sqlite_version}, {mode} mode, schema version {SCHEMA_VERSION}")
        yield _objects(connection)
        (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if damage == "ok":
            yield Check("integrity", "ok", "the file is whole")
        else:
            yield Check("integrity", "problem", f"the file is damaged: {damage}", "restore it from a copy")
        held = connection.execute(
            "SELECT name, holder, expires_at FROM leases WHERE namespace = ? AND holder IS NOT NULL ORDER BY name",
            (namespace,),
        ).fetchall()
        yield checks.leases(held, now)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    yield _rights(connections)
    yield Check("clock", "ok", "the store has this host's clock")
    yield checks.space(pages * size, shutil.disk_usage(connections.path.parent).free)


def _objects(connection: sqlite3.Connection) -> Check:
    wanted = {found[1] for statement in statements() if (found := _CREATED.match(statement))}
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if missing := sorted(wanted - there):
        return Check("constraints", "problem", f"missing: {', '.join(missing)}", "restore the store from a copy")
    return Check("constraints", "ok", f"all {len(wanted)} tables and indexes are there")


class _Undone(Exception):
    """Ends the trial of writing, so that it leaves nothing."""


def _rights(connections: Connections) -> Check:
    if connections.readonly:
        return Check("rights", "warning", "opened for reading only", "make the file and its folder writable to load")
    with contextlib.suppress(_Undone), connections.write() as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES('', 'check', '')")
        raise _Undone
    return Check("rights", "ok", "may read and write")
