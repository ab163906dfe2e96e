"""The graph that people walk: relationships between what a finished load brought and what a run found.

Rows are stored as nodes without relationships, so that a load stays invisible to whoever walks the graph until it is
finished; then their relationships are made here, on the server and in short transactions. All of it can be repeated,
and what a killed process left undone is done by the next load (`Load.connected`).

`Buyer` and `Store` nodes stand for the account and the store themselves, known from a row of their own or only from
orders. What a buyer used is one relationship a buyer and identifier, with `first`, `last` and `orders`: an order's own
device or address is found by the key that the order carries.
"""

from __future__ import annotations

from typing import Any, Final

from graph.neo4j.connection import Connection
from graph.neo4j.model import key_of, using
from graph.schema import BY_NAME

ROWS: Final = 5_000
"""Rows a transaction."""
USED: Final = {
    column: relationship for relationship, column, target in BY_NAME["orders"].links if target == "identifiers"
}
"""Relationship from a buyer to an identifier, by the order's column: USED, FROM, PAID_WITH …"""
_ORDER: Final = using("o", "Order", key_of(BY_NAME["orders"]))
_REFUND: Final = using("f", "Refund", key_of(BY_NAME["refunds"]))
_USE: Final = using("n", "Use", ("ns", "buyer_id"))
_ALL_USED: Final = "|".join(USED.values())


def connect(connection: Connection, ns: str, load: int) -> None:
    """Make the relationships of a finished load, and take off those of rows that it replaced."""
    for statement in _statements(first=load == 1):
        connection.alone(statement, ns=ns, load=load)
    connection.write(
        lambda tx: tx.run("MATCH (l:Load {ns: $ns, load: $load}) SET l.connected = true", ns=ns, load=load).consume()
    )


def unconnected(tx: Any, ns: str) -> list[int]:
    """Finished loads whose relationships are not all made."""
    found = tx.run(
        "MATCH (l:Load {ns: $ns, state: 'finished'}) WHERE l.connected IS NULL RETURN l.load ORDER BY l.load", ns=ns
    )
    return [int(record[0]) for record in found]


def _each(match: str, work: str, given: str) -> str:
    """A statement that does `work` for each row of `match`, in transactions of `ROWS`."""
    return f"{match} CALL ({given}) {{ {work} }} IN TRANSACTIONS OF {ROWS} ROWS"


def _new(label: str, table: str, condition: str = "n.since = $load AND n.until IS NULL") -> str:
    table_ = BY_NAME[table]
    hint = using("n", label, key_of(table_))
    return f"MATCH (n:{label}) {hint} WHERE n.ns = $ns AND n.{table_.id} >= '' AND {condition}"


def _statements(*, first: bool) -> list[str]:
    """What a load needs, in order; the first load of a namespace replaced nothing."""
    replaced = "n.since >= 0 AND n.until = $load"
    found = []
    if not first:
        for table in ("orders", "refunds", "complaints", "order_items"):
            label = BY_NAME[table].label
            lost = (
                "OPTIONAL MATCH (b:Buyer)-[:PLACED]->(n) SET b.stale = true WITH n OPTIONAL MATCH (n)-[r]-() DELETE r"
                if label == "Order"
                else "OPTIONAL MATCH (n)-[r]-() DELETE r"
            )
            found.append(_each(_new(label, table, replaced), lost, "n"))
    found += [
        _each(
            _new("BuyerRecord", "buyers"),
            "MERGE (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) SET b.registered_at = n.registered_at",
            "n",
        ),
        _each(
            _new("StoreRecord", "stores"),
            "MERGE (s:Store {ns: n.ns, store_id: n.store_id}) SET s.category = n.category, "
            "s.experience_score = n.experience_score, s.opened_at = n.opened_at, s.freight_cover = n.freight_cover",
            "n",
        ),
        _each(
            _new("Order", "orders"),
            "MERGE (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) SET b.stale = true "
            "MERGE (s:Store {ns: n.ns, store_id: n.store_id}) MERGE (b)-[:PLACED]->(n) MERGE (n)-[:AT]->(s)",
            "n",
        ),
        _each(
            _new("Use", "uses"),
            "MERGE (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) SET b.stale = true",
            "n",
        ),
        _each(
            _new("Item", "order_items"),
            f"MATCH (o:Order {{ns: n.ns, order_id: n.order_id}}) {_ORDER} WHERE o.until IS NULL AND o.since >= 0 "
            "MERGE (n)-[:IN]->(o)",
            "n",
        ),
        _each(
            _new("Refund", "refunds"),
            f"MATCH (o:Order {{ns: n.ns, order_id: n.order_id}}) {_ORDER} WHERE o.until IS NULL AND o.since >= 0 "
            "MERGE (o)-[:REFUNDED_BY]->(n)",
            "n",
        ),
        _each(
            _new("Refund", "refunds", "n.since = $load AND n.until IS NULL AND n.parcel IS NOT NULL"),
            f"MATCH (p:Identifier {{ns: n.ns, id: 'parcel:' + n.parcel}}) "
            f"{using('p', 'Identifier', ('ns', 'id'))} MERGE (n)-[:RETURNED_IN]->(p)",
            "n",
        ),
        _each(
            _new("Complaint", "complaints"),
            f"MATCH (f:Refund {{ns: n.ns, refund_id: n.refund_id}}) {_REFUND} WHERE f.until IS NULL AND f.since >= 0 "
            "MERGE (n)-[:ABOUT]->(f)",
            "n",
        ),
        _each(
            _new("Identifier", "identifiers", "n.since = $load AND n.within IS NOT NULL"),
            f"MATCH (w:Identifier {{ns: n.ns, key: n.within}}) {using('w', 'Identifier', ('ns', 'key'))} "
            "MERGE (n)-[:IN]->(w)",
            "n",
        ),
    ]
    if not first:
        # what waited for an order or a claim that this load brought
        found += [
            _each(
                _new("Order", "orders"),
                "MATCH (f:Refund {ns: n.ns, order_id: n.order_id}) WHERE f.until IS NULL MERGE (n)-[:REFUNDED_BY]->(f)",
                "n",
            ),
            _each(
                _new("Order", "orders"),
                "MATCH (i:Item {ns: n.ns, order_id: n.order_id}) WHERE i.until IS NULL MERGE (i)-[:IN]->(n)",
                "n",
            ),
            _each(
                _new("Refund", "refunds"),
                "MATCH (c:Complaint {ns: n.ns, refund_id: n.refund_id}) WHERE c.until IS NULL MERGE (c)-[:ABOUT]->(n)",
                "n",
            ),
        ]
    stale = "MATCH (b:Buyer {ns: $ns}) WHERE b.stale"
    if not first:
        found.append(_each(stale, f"MATCH (b)-[u:{_ALL_USED}]->(:Identifier) DELETE u", "b"))
    found += [_each(stale, _used(column, relationship), "b") for column, relationship in USED.items()]
    found += [_each(stale, _seen(kind, relationship), "b") for kind, relationship in USED.items()]
    found.append(_each(stale, "REMOVE b.stale", "b"))
    return found


def _target(kind: str) -> tuple[str, str]:
    """What identifies an identifier, and the index to find it by: an address may be a door, a building or an estate,
    which the key alone tells."""
    if kind == "address":
        return "{ns: b.ns, key: key}", using("i", "Identifier", ("ns", "key"))
    return f"{{ns: b.ns, id: '{kind}:' + key}}", using("i", "Identifier", ("ns", "id"))


def _used(column: str, relationship: str) -> str:
    target, hint = _target(column)
    return (
        f"MATCH (b)-[:PLACED]->(o:Order) WHERE o.{column} IS NOT NULL "
        f"WITH b, o.{column} AS key, min(o.placed_at) AS first, max(o.placed_at) AS last, count(*) AS orders "
        f"MATCH (i:Identifier {target}) {hint} MERGE (b)-[u:{relationship}]->(i) "
        "SET u.first = first, u.last = last, u.orders = orders"
    )


def _seen(kind: str, relationship: str) -> str:
    target, hint = _target(kind)
    return (
        f"MATCH (n:Use {{ns: b.ns, buyer_id: b.buyer_id}}) {_USE} WHERE n.kind = '{kind}' AND n.until IS NULL "
        "WITH b, n.key AS key, min(n.used_at) AS first, max(n.used_at) AS last, count(*) AS uses "
        f"MATCH (i:Identifier {target}) {hint} MERGE (b)-[u:{relationship}]->(i) "
        "SET u.uses = uses, u.first = CASE WHEN u.first < first THEN u.first ELSE first END, "
        "u.last = CASE WHEN u.last > last THEN u.last ELSE last END"
    )


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
        connection.alone(_each(match, work, "n"), ns=ns, run_id=run_id)
    connection.write(
        lambda tx: tx.run("MATCH (r:Run {ns: $ns, run_id: $run}) SET r.connected = true", ns=ns, run=run_id).consume()
    )
