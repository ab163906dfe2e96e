"""Bringing a database that an earlier version made up to the declared schema.

A database server has no transaction over its schema and its rows: every step can be repeated, and the version is
written when the last one is done. Two that open the database at once may both take them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.errors import StoreProblem
from graph.neo4j import journals
from graph.neo4j.connection import Connection
from graph.neo4j.edges import SHOWN, each
from graph.neo4j.model import constraints, lookups, no_signposts, signposts
from graph.schema import SCHEMA_VERSION
from graph.texts import FORMER, TEXTS, row_digest


@dataclass(frozen=True)
class Migration:
    """One step forward: `apply` changes what a store of version `to - 1` holds into what version `to` expects. It can
    be repeated, and holds for a store made that day. New tables, columns and indexes need no step."""

    to: int
    apply: Callable[[Connection], None]


def _texts(connection: Connection) -> None:
    """All that people wrote stands in one journal; a thousand rows in a transaction."""
    query = (
        "MATCH (n:Note) WHERE n.journal IN $former RETURN n.ns, n.journal, n.id, n.at, n.body "
        "ORDER BY n.ns, n.journal, n.seq LIMIT 1000"
    )

    def some(tx: Any) -> int:
        rows = [record.values() for record in tx.run(query, former=list(FORMER))]
        for ns in sorted({row[0] for row in rows}):
            mine = [row[1:] for row in rows if row[0] == ns]
            journals.note(tx, ns, TEXTS, [{"at": at, "id": row_digest(body), "body": body} for _, _, at, body in mine])
            for former in FORMER:
                journals.erase(tx, ns, former, [id_ for journal, id_, _, _ in mine if journal == former])
        return len(rows)

    while connection.write(some):
        pass


def _pictures(connection: Connection) -> None:
    """Pictures stand in the graph; claims that readers see are given theirs, nodes of other teams nothing."""
    connection.alone(each("MATCH (n:Refund&RefundRecord) WHERE n.pictures IS NOT NULL", SHOWN, "n"))


MIGRATIONS: tuple[Migration, ...] = (Migration(4, _texts), Migration(6, _pictures))
"""In order; version 1 is the first."""


def bring_up(connection: Connection, meta: Mapping[str, str], migrations: Sequence[Migration] | None = None) -> None:
    """Bring a store, of which `meta` are the facts, to `SCHEMA_VERSION`; does nothing where it is there. Raises
    `StoreProblem` where it is older and may not be written."""
    version = int(meta["schema_version"])
    if version >= SCHEMA_VERSION:
        return
    if connection.readonly:
        raise StoreProblem(
            f"the store is of the older schema version {version} and opened for reading only",
            where=connection.where,
            do="run `ringfence doctor` once as a user who may write",
        )
    connection.schema(constraints())
    if "lookups" in meta:
        connection.schema([*lookups(), *signposts()])
    for query in no_signposts():
        connection.alone(query)
    for step in MIGRATIONS if migrations is None else migrations:
        if step.to > version:
            step.apply(connection)
    query = "MATCH (m:StoreMeta {ns: '', key: 'schema_version'}) SET m.value = $version"
    connection.write(lambda tx: tx.run(query, version=str(SCHEMA_VERSION)).consume())
