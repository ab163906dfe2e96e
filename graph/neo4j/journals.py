"""Journals in Neo4j: rows in the order written, each id once, each function within one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from graph.columns import JOURNAL, body_text, to_table
from graph.neo4j.ledger import numbers
from graph.neo4j.model import using

_NAMED = "UNWIND $id AS id MATCH (n:Note {ns: $ns, journal: $journal, id: id}) " + using(
    "n", "Note", ("ns", "journal", "id")
)


def note(tx: Any, ns: str, journal: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows whose id the journal doesn't hold yet."""
    first = numbers(tx, ns, f"journal {journal}", len(rows))
    tx.run(
        "UNWIND range(0, size($id) - 1) AS i MERGE (n:Note {ns: $ns, journal: $journal, id: $id[i]}) "
        "ON CREATE SET n.seq = $first + i, n.at = $at[i], n.body = $body[i]",
        ns=ns,
        journal=journal,
        first=first,
        id=[str(row["id"]) for row in rows],
        at=[int(row["at"]) for row in rows],
        body=[body_text(row["body"]) for row in rows],
    ).consume()


def notes(tx: Any, ns: str, journal: str, after: int, limit: int) -> pa.Table:
    """Rows of a journal in the order written."""
    found = tx.run(
        "MATCH (n:Note {ns: $ns, journal: $journal}) WHERE n.seq > $after "
        "RETURN n.seq, n.at, n.id, n.body ORDER BY n.seq LIMIT $limit",
        ns=ns,
        journal=journal,
        after=after,
        limit=limit,
    )
    return to_table([record.values() for record in found], JOURNAL)


def noted(tx: Any, ns: str, journal: str, ids: Sequence[str]) -> pa.Table:
    """Rows of these ids in the order written."""
    query = f"{_NAMED} RETURN n.seq, n.at, n.id, n.body ORDER BY n.seq"
    found = tx.run(query, ns=ns, journal=journal, id=sorted(set(ids)))
    return to_table([record.values() for record in found], JOURNAL)


def erase(tx: Any, ns: str, journal: str, ids: Sequence[str]) -> int:
    """Delete rows; how many there were."""
    found = tx.run(f"{_NAMED} DELETE n RETURN count(*)", ns=ns, journal=journal, id=sorted(set(ids))).single()
    return int(found[0])


def reword(tx: Any, ns: str, journal: str, bodies: Mapping[str, str]) -> int:
    """Replace bodies; how many rows there were."""
    given = {id_: body_text(body) for id_, body in bodies.items()}
    query = f"{_NAMED} SET n.body = $bodies[id] RETURN count(*)"
    return int(tx.run(query, ns=ns, journal=journal, id=sorted(given), bodies=given).single()[0])
