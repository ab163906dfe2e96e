"""What `Store.check` finds out about a store on a Neo4j server, and what the server lets this user find out."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graph import checks
from graph.errors import StoreProblem
from graph.neo4j.bulk_schema import OWED
from graph.neo4j.connection import Connection
from graph.neo4j.model import by_id, constraints, label_of, lookups, signposts, visible
from graph.schema import BY_NAME, SCHEMA_VERSION, Kind
from graph.store import Check

_CREATED = re.compile(r"CREATE (CONSTRAINT|INDEX) (\w+)")
_SKEW_WARNING = 1_000_000
_SKEW_PROBLEM = 10_000_000
_UNKNOWN = "not known: the user may not ask the server"


class _Undone(Exception):
    """Ends the trial of writing, so that it leaves nothing."""


def counted(connection: Connection, ns: str, known_by: int) -> dict[str, int]:
    """How many rows of each table of loads are visible at load `known_by`."""

    def count(tx: Any) -> dict[str, int]:
        return {
            table.name: int(
                tx.run(
                    f"MATCH (n:{label_of(table)}) {by_id(table)} "
                    f"WHERE n.ns = $ns AND n.{table.id} >= '' AND {visible()} RETURN count(*)",
                    ns=ns,
                    known_by=known_by,
                ).single()[0]
            )
            for table in BY_NAME.values()
            if table.kind is not Kind.RUN
        }

    return connection.read(count)


def examine(connection: Connection, namespace: str, now: int) -> Iterator[Check]:
    """One check after the other; `now` in UTC microseconds."""
    components = _asked(
        connection, "CALL dbms.components() YIELD name, edition WHERE name = 'Neo4j Kernel' RETURN edition"
    )
    edition = components[0][0] if components else "edition unknown"
    yield Check("version", "ok", f"Neo4j {connection.version} {edition}, schema version {SCHEMA_VERSION}")
    yield _database(connection)
    yield _rights(connection)
    yield from _schema(connection, namespace)
    held = _asked(
        connection,
        "MATCH (l:Lease {ns: $ns}) WHERE l.holder IS NOT NULL RETURN l.name, l.holder, l.expires_at ORDER BY l.name",
        ns=namespace,
    )
    yield checks.leases([(name, holder, until) for name, holder, until in held or ()], now)
    yield _clock(connection)
    yield from _server(connection)


def _asked(connection: Connection, query: str, **parameters: Any) -> list[list[Any]] | None:
    """The rows of a query; None where the server refuses it."""
    try:
        return connection.read(lambda tx: [record.values() for record in tx.run(query, **parameters)])
    except StoreProblem:
        return None


def _database(connection: Connection) -> Check:
    database = urlsplit(connection.where).path.strip("/") or "neo4j"
    rows = _asked(connection, "SHOW DATABASE $name YIELD currentStatus, access, statusMessage", name=database)
    if not rows:
        return Check("database", "ok", f"{database} answers; its state is {_UNKNOWN}")
    status, access, message = rows[0]
    if status != "online":
        return Check("database", "problem", f"{database} is {status}: {message}", "see the server's log")
    if access != "read-write":
        return Check("database", "problem", f"{database} is {access}", "open it for writing to load or detect")
    return Check("database", "ok", f"{database} is online, {access}")


def _rights(connection: Connection) -> Check:
    if connection.readonly:
        return Check("rights", "warning", "opened for reading only", "open it for writing to load")

    def attempt(tx: Any) -> None:
        tx.run("MERGE (m:StoreMeta {ns: '', key: 'check'}) SET m.value = ''").consume()
        raise _Undone

    user = _asked(connection, "SHOW CURRENT USER YIELD user RETURN user")
    who = f"user {user[0][0]}" if user else "the user"
    try:
        with contextlib.suppress(_Undone):
            connection.write(attempt)
    except StoreProblem as refused:
        return Check("rights", "problem", f"{who} may not write: {refused.what}", refused.do)
    return Check("rights", "ok", f"{who} may read and write")


def _schema(connection: Connection, namespace: str) -> Iterator[Check]:
    wanted: dict[str, set[str]] = {"CONSTRAINT": set(), "INDEX": set()}
    loaded = _asked(connection, "MATCH (h:Head {ns: $ns}) WHERE h.load > 0 RETURN h.load", ns=namespace)
    # the indexes that readers use are made when a first load is finished
    owed = _asked(connection, "MATCH (m:StoreMeta {ns: '', key: $key}) RETURN m.key", key=OWED)
    for statement in [*constraints(loaded=not owed), *((*lookups(), *signposts()) if loaded else ())]:
        if found := _CREATED.match(statement):
            wanted[found[1]].add(found[2])
    there = _asked(connection, "SHOW CONSTRAINTS YIELD name")
    states = _asked(connection, "SHOW INDEXES YIELD name, state, populationPercent")
    if there is None or states is None:
        yield Check("constraints", "warning", _UNKNOWN, "let it show constraints and indexes")
        return
    again = "run `ringfence load` with a user who may make constraints and indexes"
    missing = sorted(wanted["CONSTRAINT"] - {str(row[0]) for row in there})
    if missing:
        yield Check("constraints", "problem", f"missing: {', '.join(missing)}", again)
    else:
        yield Check("constraints", "ok", f"all {len(wanted['CONSTRAINT'])} are there")
    by_name = {str(name): (str(state), float(percent)) for name, state, percent in states}
    needed = wanted["CONSTRAINT"] | wanted["INDEX"]
    off = [f"{name} {by_name[name][0]} ({by_name[name][1]:.0f} %)" for name in sorted(needed & set(by_name))
           if by_name[name][0] != "ONLINE"]  # fmt: skip
    absent = sorted(wanted["INDEX"] - set(by_name))
    if absent or off:
        parts = [f"missing: {', '.join(absent)}"] if absent else []
        parts += [f"not online: {', '.join(off)}"] if off else []
        yield Check("indexes", "problem", "; ".join(parts), again if absent else "wait, or see the server's log")
    else:
        yield Check("indexes", "ok", f"all {len(needed)} are online")


def _clock(connection: Connection) -> Check:
    """The server's clock against ours, as nearly as the way there lets it be known."""
    best = None
    for _ in range(3):
        before = time.time_ns() // 1000
        rows = _asked(connection, "RETURN datetime.realtime().epochMillis")
        after = time.time_ns() // 1000
        if rows and (best is None or after - before < best[1]):
            best = (rows[0][0] * 1000 - (before + after) // 2, after - before)
    if best is None:
        return Check("clock", "warning", "the server did not tell its time")
    skew, trip = best
    told = f"the server is {skew / 1e6:+.3f} s from this host, give or take {trip / 2e6:.3f} s"
    if abs(skew) - trip < _SKEW_WARNING:
        return Check("clock", "ok", told)
    far = abs(skew) - trip >= _SKEW_PROBLEM
    return Check("clock", "problem" if far else "warning", told, "set the clocks: leases and expiries go by them")


def _server(connection: Connection) -> Iterator[Check]:
    names = ["server.directories.data", "server.memory.heap.max_size", "server.memory.pagecache.size"]
    rows = _asked(connection, "SHOW SETTINGS YIELD name, value WHERE name IN $names", names=names)
    settings = {str(name): str(value) for name, value in rows or ()}
    if settings:
        heap = settings.get("server.memory.heap.max_size", "None")
        heap = "by Java" if heap in ("None", "No Value") else heap
        told = f"heap {heap}, page cache {settings.get(names[2], 'unknown')}"
        yield Check("memory", "ok", told)
    data = Path(settings.get("server.directories.data", ""))
    if not settings or not _here(connection.where) or not data.is_dir():
        yield Check("space", "ok", "not known: the server's disk can't be seen from here")
        return
    size = sum(path.stat().st_size for path in sorted(data.rglob("*")) if path.is_file())
    yield checks.space(size, shutil.disk_usage(data).free)


def _here(where: str) -> bool:
    host = urlsplit(where).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
