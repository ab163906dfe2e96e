"""Reservations in Neo4j: lock what a batch touches, read it, decide, write, in the caller's transaction.

Records are locked before allowances, and both in order, so that two batches never wait for each other. A node is locked
by setting a constant property, and read only then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graph.errors import StoreProblem
from graph.neo4j.ledger import AGAIN
from graph.neo4j.model import using
from graph.reserving import Act, Changes, Entry, Outcome, Place, Record, Reserve, decide, orders_of, places_of

_COUNTER = (
    f"MATCH (c:Counter {{ns: $ns, key: $key[i], period: $period[i]}}) {using('c', 'Counter', ('ns', 'key', 'period'))}"
)
_RECORD = f"MATCH (r:Reservation {{ns: $ns, order_id: $order[i]}}) {using('r', 'Reservation', ('ns', 'order_id'))}"

_LOCK_NEW = (
    "UNWIND range(0, size($order) - 1) AS i MERGE (r:Reservation {ns: $ns, order_id: $order[i]}) "
    "SET r.locked = true WITH r RETURN r.order_id, r.body"
)
_LOCK_OLD = f"UNWIND range(0, size($order) - 1) AS i {_RECORD} SET r.locked = true WITH r RETURN r.order_id, r.body"
_LOCK_COUNTERS = (
    "UNWIND range(0, size($key) - 1) AS i MERGE (c:Counter {ns: $ns, key: $key[i], period: $period[i]}) "
    "SET c.locked = true WITH i, c OPTIONAL MATCH (c)-[:HOLDS]->(t:Take) "
    "RETURN i, c.key, collect([t.order_id, t.amount, t.remaining, t.expires_at])"
)
_DELETE = (
    f"UNWIND range(0, size($key) - 1) AS i {_COUNTER} "
    "MATCH (c)-[:HOLDS]->(t:Take {order_id: $order[i]}) DETACH DELETE t"
)
_CHANGE = (
    f"UNWIND range(0, size($key) - 1) AS i {_COUNTER} MATCH (c)-[:HOLDS]->(t:Take {{order_id: $order[i]}}) "
    "SET t.amount = $amount[i], t.remaining = $remaining[i], t.expires_at = $until[i]"
)
_CREATE = (
    f"UNWIND range(0, size($key) - 1) AS i {_COUNTER} CREATE (c)-[:HOLDS]->(:Take {{order_id: $order[i], "
    "amount: $amount[i], remaining: $remaining[i], expires_at: $until[i]})"
)
_PUT = f"UNWIND range(0, size($order) - 1) AS i {_RECORD} SET r.body = $body[i], r.keep_until = $keep[i]"
_MARK = f"UNWIND range(0, size($order) - 1) AS i {_RECORD} SET r.keep_until = $keep[i]"
_DROP = f"UNWIND range(0, size($order) - 1) AS i {_RECORD} DELETE r"
_ENDED = (
    "MATCH (r:Reservation) WHERE r.ns = $ns AND r.keep_until <= $now RETURN r.order_id ORDER BY r.order_id LIMIT $limit"
)


def reserve(tx: Any, ns: str, acts: Sequence[Act], *, now: int) -> list[Outcome]:
    """See `Store.reserve`."""
    new = {act.order_id for act in acts if isinstance(act, Reserve)}
    records, empty = _locked(tx, ns, orders_of(acts), new)
    takes = _takes(tx, ns, places_of(acts, records))
    outcomes, changes = decide(acts, records, takes, now=now)
    _write(tx, ns, changes, takes)
    refused = {act.order_id: act.keep_until for act in acts if isinstance(act, Reserve) and act.order_id in empty}
    left = sorted(refused.keys() - changes.records.keys())
    if left:
        # an empty node is not deleted here: another may wait for its lock
        tx.run(_MARK, ns=ns, order=left, keep=[refused[order] for order in left]).consume()
    return outcomes


def sweep(tx: Any, ns: str, *, now: int, limit: int) -> int:
    """See `Store.sweep_reservations`."""
    ended = [str(record[0]) for record in tx.run(_ENDED, ns=ns, now=now, limit=limit)]
    found, empty = _locked(tx, ns, sorted(ended), set())
    # one that was made anew in between stays
    records = {order: record for order, record in found.items() if record.keep_until <= now}
    takes = _takes(tx, ns, places_of((), records))
    changes = Changes(records=dict.fromkeys([*records, *empty]))
    for order, record in records.items():
        for part in record.parts:
            changes.takes[(part.key, part.window), order] = None
    _write(tx, ns, changes, takes)
    return len(changes.records)


def _locked(tx: Any, ns: str, orders: list[str], new: set[str]) -> tuple[dict[str, Record], set[str]]:
    """Records of these orders, and which of them hold nothing yet; those in `new` are made."""
    records: dict[str, Record] = {}
    empty: set[str] = set()
    # in runs of one kind, so that the order of locking is kept
    start = 0
    while start < len(orders):
        end = start + 1
        while end < len(orders) and (orders[end] in new) == (orders[start] in new):
            end += 1
        query = _LOCK_NEW if orders[start] in new else _LOCK_OLD
        for order, body in tx.run(query, ns=ns, order=orders[start:end]):
            if body is None:
                empty.add(str(order))
            else:
                records[str(order)] = Record.of_text(body)
        start = end
    return records, empty


def _takes(tx: Any, ns: str, places: Sequence[Place]) -> dict[Place, dict[str, Entry]]:
    if not places:
        return {}
    given = {"key": [key for key, _ in places], "period": [window for _, window in places]}
    for _ in range(AGAIN):
        found = [record.values() for record in tx.run(_LOCK_COUNTERS, ns=ns, **given)]
        if sum(key is not None for _, key, _ in found) < len(places):
            continue  # one was dropped while its lock was waited for
        return {
            places[number]: {
                str(order): Entry(amount, remaining, until)
                for order, amount, remaining, until in entries
                if order is not None
            }
            for number, _, entries in found
        }
    raise StoreProblem("allowances are dropped faster than they are made", do="try again")


def _write(tx: Any, ns: str, changes: Changes, takes: dict[Place, dict[str, Entry]]) -> None:
    sent: dict[str, list[tuple[Place, str, Entry | None]]] = {_DELETE: [], _CHANGE: [], _CREATE: []}
    for (place, order), entry in changes.takes.items():
        there = order in takes.get(place, {})
        if there or entry is not None:
            query = _DELETE if entry is None else _CHANGE if there else _CREATE
            sent[query].append((place, order, entry))
    for query, rows in sent.items():
        if not rows:
            continue
        given: dict[str, Any] = {
            "key": [place[0] for place, _, _ in rows],
            "period": [place[1] for place, _, _ in rows],
            "order": [order for _, order, _ in rows],
        }
        if query != _DELETE:
            entries = [entry for _, _, entry in rows if entry is not None]
            given |= {
                "amount": [entry.amount for entry in entries],
                "remaining": [entry.remaining for entry in entries],
                "until": [entry.expires_at for entry in entries],
            }
        tx.run(query, ns=ns, **given).consume()
    put = {order: record for order, record in changes.records.items() if record is not None}
    if put:
        tx.run(
            _PUT,
            ns=ns,
            order=list(put),
            body=[record.to_text() for record in put.values()],
            keep=[record.keep_until for record in put.values()],
        ).consume()
    dropped = [order for order, record in changes.records.items() if record is None]
    if dropped:
        tx.run(_DROP, ns=ns, order=dropped).consume()
