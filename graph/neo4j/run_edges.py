"""What a whole run found, as a graph to walk: rings and their members, findings, decisions, evidence, hubs.

Drawn before the run is published, in short transactions that can be repeated. Nodes of a run carry its `run_id`;
the published one hangs on the head: `(:Head)-[:PUBLISHED]->(:Run)`.
"""

from __future__ import annotations

from typing import Final

from graph.neo4j.connection import Connection
from graph.neo4j.edges import each
from graph.neo4j.model import using

_RUN: Final = (
    ("Ring", "ring_id", "MATCH (r:Run {ns: n.ns, run_id: n.run_id}) MERGE (r)-[:FOUND]->(n)"),
    ("Finding", "buyer_id", "MATCH (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) MERGE (n)-[:OF]->(b)"),
    ("Decision", "buyer_id", "MATCH (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) MERGE (n)-[:ABOUT]->(b)"),
    (
        "Member",
        "member_id",
        "MATCH (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) "
        "MATCH (r:Ring {ns: n.ns, run_id: n.run_id, ring_id: n.ring_id}) "
        "MERGE (b)-[m:MEMBER_OF]->(r) SET m.probability = n.probability, m.role = n.role",
    ),
    ("Evidence", "evidence_id", "MATCH (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) MERGE (n)-[:SPEAKS_OF]->(b)"),
    (
        "Evidence",
        "evidence_id",
        "MATCH (r:Ring {ns: n.ns, run_id: n.run_id, ring_id: n.ring_id}) MERGE (n)-[:SUPPORTS]->(r)",
    ),
    (
        "Evidence",
        "evidence_id",
        "MATCH (i:Identifier {ns: n.ns, id: n.identifier}) MERGE (n)-[:NAMES]->(i)",
    ),
    ("Hub", "identifier", "MATCH (i:Identifier {ns: n.ns, id: n.identifier}) MERGE (n)-[:OF]->(i)"),
)


def connect_run(connection: Connection, ns: str, run_id: str) -> None:
    """Make the relationships of a whole run, where they are not made yet: between what it found and whom."""
    for label, id_, work in _RUN:
        hint = using("n", label, ("ns", "run_id", id_))
        match = f"MATCH (n:{label}) {hint} WHERE n.ns = $ns AND n.run_id = $run_id AND n.{id_} >= ''"
        connection.alone(each(match, work, "n"), ns=ns, run_id=run_id)
    connection.write(
        lambda tx: tx.run("MATCH (r:Run {ns: $ns, run_id: $run}) SET r.connected = true", ns=ns, run=run_id).consume()
    )
