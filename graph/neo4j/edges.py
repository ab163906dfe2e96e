"""The graph that people walk: labels and relationships of what a finished load brought.

Records are stored as nodes without relationships and without the label that people ask for, so that a load stays
invisible to whoever walks the graph until it is finished. Then it is drawn here, on the server and in short
transactions: a record that readers see gets its label (`Order`, `Refund` …) and its relationships, one that was
replaced loses both. All of it can be repeated, and what a killed process left undone is done by the next load
(`Load.connected`). What the first load of a namespace is drawn by stands in `graph.neo4j.first`.

`Buyer` and `Store` nodes stand for the account and the store themselves, known from a row of their own or only from
orders and uses; a `Picture` for what claims of one perceptual hash show. What a buyer used is one relationship a buyer
and identifier, with `first`, `last`, `orders` and, seen outside orders, `uses`: an order's own device or address is
found by the key that the order carries.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from graph.neo4j import rows
from graph.neo4j.connection import Connection
from graph.neo4j.model import index_of, key_of, label_of, signposts, using
from graph.schema import BY_NAME

ROWS: Final = 5_000
"""Rows a transaction, where each row changes few things."""
USED: Final = {
    column: relationship for relationship, column, target in BY_NAME["orders"].links if target == "identifiers"
}
"""Relationship from a buyer to an identifier, by the order's column: USED, FROM, PAID_WITH …"""
_ALL_USED: Final = "|".join(USED.values())
_BY_KEY: Final = index_of(BY_NAME["identifiers"], "key")
_DRAWN: Final = ("orders", "order_items", "refunds", "complaints", "uses", "past_decisions")
"""Tables whose visible rows have a label for people."""

Lane = list[str]
"""Statements that run one after the other."""


def connect(connection: Connection, ns: str, load: int, *, first: bool) -> None:
    """Draw a finished load. `first` says that no load of the namespace was finished before: nothing is replaced."""
    names = {table.name for table in connection.read(lambda tx: rows.touched(tx, ns, load))}
    given = {"ns": ns, "load": load}

    def run(lane: Lane) -> None:
        for query in lane:
            connection.alone(query, **given)

    if not first:
        run([_erase(name) for name in _DRAWN if name in names])
    # what stands beside each other touches no node in common, and so never waits for the other or deadlocks with it
    rows.both(run, [_of(names, *_ACCOUNTS, *_ORDERS), _of(names, *_ALONE)])
    again = [] if first else [each(STALE, f"MATCH (b)-[u:{_ALL_USED}]->(:Identifier) DELETE u", "b")]
    gone = [] if first else [each(STALE, _GONE, "b")]
    used = [*again, _USED, *_SEEN, *gone, each(STALE, "REMOVE b.stale", "b")] if {"orders", "uses"} & names else []
    rows.both(run, [used, _of(names, *_HUNG, *([] if first else (*_WAITED, _UNSEEN)))])
    if first and names:
        connection.schema(signposts())
    drawn(connection, ns, load)


def drawn(connection: Connection, ns: str, load: int) -> None:
    """Write down that a load is drawn whole."""
    given = {"ns": ns, "load": load}

    def done(tx: Any) -> None:
        tx.run("MATCH (l:Load {ns: $ns, load: $load}) SET l.connected = true", **given).consume()
        tx.run("MATCH (t:Touched {ns: $ns, load: $load}) DELETE t", **given).consume()

    connection.write(done)


def unconnected(tx: Any, ns: str) -> list[tuple[int, bool]]:
    """Finished loads that are not drawn whole, and whether each is the first finished one."""
    found = tx.run(
        "MATCH (l:Load {ns: $ns, state: 'finished'}) WITH min(l.load) AS first "
        "MATCH (l:Load {ns: $ns, state: 'finished'}) WHERE l.connected IS NULL "
        "RETURN l.load, l.load = first ORDER BY l.load",
        ns=ns,
    )
    return [(int(load), bool(first)) for load, first in (record.values() for record in found)]


def each(match: str, work: str, given: str, size: int = ROWS) -> str:
    """A statement that does `work` for each row of `match`, in transactions of `size` rows."""
    return f"{match} CALL ({given}) {{ {work} }} IN TRANSACTIONS OF {size} ROWS"


def _of(names: Collection[str], *told: tuple[str, str]) -> Lane:
    """The statements of these tables, in their order."""
    return [query for name, query in told if name in names]


def _new(name: str, condition: str = "") -> str:
    """The rows that a load brought and that readers see."""
    table = BY_NAME[name]
    label = label_of(table)
    return (
        f"MATCH (n:{label}) {using('n', label, key_of(table))} WHERE n.ns = $ns AND n.{table.id} >= '' "
        f"AND n.since = $load AND n.until IS NULL{condition}"
    )


def _erase(name: str) -> str:
    """Take labels and relationships off what the load replaced; a row's buyer has to be looked at again."""
    table = BY_NAME[name]
    label = label_of(table)
    match = (
        f"MATCH (n:{label}) {using('n', label, key_of(table))} WHERE n.ns = $ns AND n.{table.id} >= '' "
        "AND n.since < $load AND n.until = $load"
    )
    stale = "OPTIONAL MATCH (b:Buyer {ns: n.ns, buyer_id: n.buyer_id}) SET b.stale = true WITH n "
    begin = stale if name in ("orders", "uses") else ""
    return each(match, f"{begin}REMOVE n:{table.label} WITH n OPTIONAL MATCH (n)-[r]-() DELETE r", "n")


def _current(name: str, of: str, condition: str) -> str:
    """A match of the visible row of a table by its id."""
    table = BY_NAME[name]
    label = label_of(table)
    return (
        f"MATCH ({of}:{label} {{ns: n.ns, {table.id}: n.{condition}}}) {using(of, label, key_of(table))} "
        f"WHERE {of}.since >= 0 AND {of}:{table.label}"
    )


def _waiting(name: str, of: str, column: str) -> str:
    """A match of the visible rows of a table that refer to this one."""
    table = BY_NAME[name]
    label = label_of(table)
    return (
        f"MATCH ({of}:{label} {{ns: n.ns, {column}: n.{column}}}) {using(of, label, ('ns', column))} "
        f"WHERE {of}:{table.label}"
    )


SHOWN: Final = "UNWIND n.pictures AS picture MERGE (p:Picture {ns: n.ns, picture: picture}) MERGE (n)-[:SHOWS]->(p)"
"""The pictures of claim `n`."""
_UNSEEN: Final = (
    "refunds",
    each(
        "MATCH (p:Picture) USING INDEX p:Picture(ns, picture) WHERE p.ns = $ns AND p.picture >= '' "
        "AND NOT EXISTS { (p)<-[:SHOWS]-() }",
        "DELETE p",
        "p",
    ),
)
"""A picture that no claim shows any more is taken away."""
_BUYER: Final = "MERGE (b:Buyer {ns: n.ns, buyer_id: n.buyer_id})"
_ACCOUNTS: Final = (
    ("buyers", each(_new("buyers"), f"{_BUYER} SET b.registered_at = n.registered_at", "n")),
    (
        "stores",
        each(
            _new("stores"),
            "MERGE (s:Store {ns: n.ns, store_id: n.store_id}) SET s.category = n.category, "
            "s.experience_score = n.experience_score, s.opened_at = n.opened_at, s.freight_cover = n.freight_cover",
            "n",
        ),
    ),
)
_ORDERS: Final = (
    (
        "orders",
        # an order without the label is not drawn yet: its relationships need not be looked for
        each(
            _new("orders", " AND NOT n:Order"),
            f"{_BUYER} MERGE (s:Store {{ns: n.ns, store_id: n.store_id}}) "
            "SET b.stale = true, n:Order CREATE (b)-[:PLACED]->(n)-[:AT]->(s)",
            "n",
        ),
    ),
    ("uses", each(_new("uses"), f"{_BUYER} SET b.stale = true, n:Use", "n")),
    ("past_decisions", each(_new("past_decisions"), f"{_BUYER} SET n:PastDecision MERGE (n)-[:ABOUT]->(b)", "n")),
)
_WITHIN: Final = each(
    "MATCH (n:Identifier) USING INDEX n:Identifier(ns, id) "
    "WHERE n.ns = $ns AND n.id >= '' AND n.since = $load AND n.within IS NOT NULL",
    f"MATCH (w:Identifier {{ns: n.ns, key: n.within}}) {using('w', 'Identifier', _BY_KEY)} MERGE (n)-[:IN]->(w)",
    "n",
)
_HUNG: Final = (
    (
        "refunds",
        each(
            _new("refunds"),
            f"SET n:Refund WITH n {_current('orders', 'o', 'order_id')} MERGE (o)-[:REFUNDED_BY]->(n)",
            "n",
        ),
    ),
    (
        "refunds",
        each(
            _new("refunds", " AND n.parcel IS NOT NULL"),
            "MATCH (p:Identifier {ns: n.ns, id: 'parcel:' + n.parcel}) "
            f"{using('p', 'Identifier', ('ns', 'id'))} MERGE (n)-[:RETURNED_IN]->(p)",
            "n",
        ),
    ),
    ("refunds", each(_new("refunds", " AND n.pictures IS NOT NULL"), SHOWN, "n")),
    (
        "complaints",
        each(
            _new("complaints"),
            f"SET n:Complaint WITH n {_current('refunds', 'f', 'refund_id')} MERGE (n)-[:ABOUT]->(f)",
            "n",
        ),
    ),
)
_WAITED: Final = (
    ("orders", each(_new("orders"), f"{_waiting('refunds', 'f', 'order_id')} MERGE (n)-[:REFUNDED_BY]->(f)", "n")),
    ("refunds", each(_new("refunds"), f"{_waiting('complaints', 'c', 'refund_id')} MERGE (c)-[:ABOUT]->(n)", "n")),
)
"""What was there before, and waited for an order or a claim or hung on its earlier version."""
_ALONE: Final = (
    ("identifiers", _WITHIN),
    ("order_items", each(_new("order_items"), "SET n:Item", "n")),
)
"""What touches neither orders nor claims. A line of an order is found by the order id that it carries: a relationship
for each took a fifth of the whole time."""

STALE: Final = "MATCH (b:Buyer) USING INDEX b:Buyer(ns, buyer_id) WHERE b.ns = $ns AND b.buyer_id >= '' AND b.stale"
_GONE: Final = (
    "WITH b WHERE NOT EXISTS { (b)-[:PLACED]->() } AND NOT EXISTS { (b)<-[:ABOUT]-(:PastDecision) } "
    "AND NOT EXISTS { MATCH (r:BuyerRecord {ns: b.ns, buyer_id: b.buyer_id}) WHERE r.until IS NULL } "
    "AND NOT EXISTS { MATCH (u:UseRecord {ns: b.ns, buyer_id: b.buyer_id}) WHERE u:Use } DETACH DELETE b"
)
"""An account of which nothing is known any more is taken away."""


def _target(kind: str) -> tuple[str, str]:
    """What identifies an identifier, and the index to find it by: an address may be a door, a building or an estate,
    which the key alone tells."""
    if kind == "address":
        return "{ns: b.ns, key: key}", using("i", "Identifier", _BY_KEY)
    return f"{{ns: b.ns, id: '{kind}:' + key}}", using("i", "Identifier", ("ns", "id"))


def _orders_used() -> str:
    """One relationship a buyer and identifier, from all orders of the buyer, each read once."""
    read = ", ".join(f"o.{column}" for column in USED)
    parts = [f"MATCH (b)-[:PLACED]->(o:Order) WITH b, collect([o.placed_at, {read}]) AS placed"]
    for place, (column, relationship) in enumerate(USED.items(), 1):
        target, hint = _target(column)
        parts.append(
            f"CALL (b, placed) {{ UNWIND placed AS one WITH b, one WHERE one[{place}] IS NOT NULL "
            f"WITH b, one[{place}] AS key, min(one[0]) AS first, max(one[0]) AS last, count(*) AS orders "
            f"MATCH (i:Identifier {target}) {hint} MERGE (b)-[u:{relationship}]->(i) "
            "SET u.first = first, u.last = last, u.orders = orders }"
        )
    return " ".join(parts)


def _seen(kind: str, relationship: str) -> str:
    target, hint = _target(kind)
    return (
        f"MATCH (n:UseRecord {{ns: b.ns, buyer_id: b.buyer_id}}) {using('n', 'UseRecord', ('ns', 'buyer_id'))} "
        f"WHERE n:Use AND n.kind = '{kind}' "
        "WITH b, n.key AS key, min(n.used_at) AS first, max(n.used_at) AS last, count(*) AS uses "
        f"MATCH (i:Identifier {target}) {hint} MERGE (b)-[u:{relationship}]->(i) "
        "SET u.uses = uses, u.first = CASE WHEN u.first < first THEN u.first ELSE first END, "
        "u.last = CASE WHEN u.last > last THEN u.last ELSE last END"
    )


_USED: Final = each(STALE, _orders_used(), "b", size=1_000)
_SEEN: Final = [each(STALE, _seen(kind, relationship), "b") for kind, relationship in USED.items()]
