"""Forgetting one buyer: identifiers, notes, pictures and parcels are taken off every version, uses are deleted, and
identifiers that nobody else refers to go too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graph.neo4j.edges import USED
from graph.neo4j.model import index_of, label_of, using
from graph.schema import BY_NAME, ERASED, SOURCE_TABLES, Type

Hint = Callable[[str, str], str]
_MINE = "{ns: $ns, buyer_id: $buyer}"


def forget(tx: Any, ns: str, buyer_id: str) -> Mapping[str, int]:
    """Erase; how many rows of each table were touched, and how many identifiers went."""
    hint = _hints(tx)
    mine = f"MATCH (n:OrderRecord {_MINE}) {hint('orders', 'buyer_id')}"
    orders = _erased(tx, mine, ERASED["orders"], ns, buyer_id)
    claims = (
        f"{mine} WITH DISTINCT n.order_id AS id "
        f"MATCH (n:RefundRecord {{ns: $ns, order_id: id}}) {hint('refunds', 'order_id')}"
    )
    refunds = _erased(tx, claims, ERASED["refunds"], ns, buyer_id)
    # of whoever has the order now: a claim that is erased shows and brings back nothing
    tx.run(
        f"{claims} MATCH (n)-[r:RETURNED_IN|SHOWS]->(x) DELETE r "
        "WITH DISTINCT x WHERE x:Picture AND NOT EXISTS { (x)<-[:SHOWS]-() } DELETE x",
        ns=ns,
        buyer=buyer_id,
    ).consume()
    record = tx.run(
        f"MATCH (n:UseRecord {_MINE}) {hint('uses', 'buyer_id')} "
        "WITH collect(n) AS found, collect(n.key) AS keys FOREACH (n IN found | DETACH DELETE n) RETURN keys",
        ns=ns,
        buyer=buyer_id,
    ).single()
    used = "|".join(USED.values())
    tx.run(
        f"MATCH (:Buyer {{ns: $ns, buyer_id: $buyer}})-[u:{used}]->() DELETE u",
        ns=ns,
        buyer=buyer_id,
    ).consume()
    keys = {*orders[1], *refunds[1], *record[0]}
    return {
        "orders": orders[0],
        "refunds": refunds[0],
        "uses": len(record[0]),
        "identifiers": _drop_unused(tx, ns, keys, hint),
    }


def _hints(tx: Any) -> Hint:
    """Names the look-up index of a table's column; nothing while the database's first load is open, when there are none
    yet."""
    made = tx.run("MATCH (m:StoreMeta {ns: '', key: 'lookups'}) RETURN m.value").single() is not None

    def hint(name: str, column: str) -> str:
        table = BY_NAME[name]
        return using("n", label_of(table), index_of(table, column)) if made else ""

    return hint


def _erased(tx: Any, match: str, names: tuple[str, ...], ns: str, buyer_id: str) -> tuple[int, set[str]]:
    """Remove the named properties of what matches; how many nodes had any, and the keys among them."""
    some = " OR ".join(f"n.{name} IS NOT NULL" for name in names)
    keys = " + ".join(f"collect(n.{name})" for name in names if name not in ("note", "pictures"))
    removed = ", ".join(f"n.{name} = null" for name in names)
    record = tx.run(
        f"{match} WITH n WHERE {some} WITH collect(n) AS found, {keys} AS keys, count(n) AS count "
        f"FOREACH (n IN found | SET {removed}) RETURN count, keys",
        ns=ns,
        buyer=buyer_id,
    ).single()
    return int(record[0]), set(record[1])


def _drop_unused(tx: Any, ns: str, keys: set[str], hint: Hint) -> int:
    """Delete the identifiers of these keys that no row refers to any more, then the wider places of those."""
    dropped = 0
    while keys:
        free = keys - _referred(tx, ns, keys, hint)
        record = tx.run(
            f"UNWIND $keys AS key MATCH (n:Identifier {{ns: $ns, key: key}}) {hint('identifiers', 'key')} "
            "WITH collect(n) AS found, collect(n.within) + collect(n.bare) AS wider "
            "FOREACH (n IN found | DETACH DELETE n) RETURN size(found), wider",
            ns=ns,
            keys=sorted(free),
        ).single()
        dropped += int(record[0])
        keys = set(record[1]) - free
    return dropped


def _referred(tx: Any, ns: str, keys: set[str], hint: Hint) -> set[str]:
    """Those of the keys that some row, of any version, or some other identifier still refers to."""
    still: set[str] = set()
    asked = sorted(keys)
    for table in SOURCE_TABLES:
        for column in table.columns:
            if column.type is Type.KEY and column.name in table.indexes:
                record = tx.run(
                    f"UNWIND $keys AS key MATCH (n:{label_of(table)} {{ns: $ns, {column.name}: key}}) "
                    f"{hint(table.name, column.name)} "
                    "RETURN collect(DISTINCT key)",
                    ns=ns,
                    keys=asked,
                ).single()
                still |= set(record[0])
    for name in ("within", "bare"):
        record = tx.run(
            f"MATCH (n:Identifier) WHERE n.ns = $ns AND n.{name} IN $keys AND n.{name} <> n.key "
            f"RETURN collect(DISTINCT n.{name})",
            ns=ns,
            keys=asked,
        ).single()
        still |= set(record[0])
    return still
