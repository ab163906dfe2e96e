"""Leases, loads' and runs' book-keeping and counters, each as functions of one transaction.

Whoever changes a shared node locks it first by setting a constant property, and reads only then: what is read before
is what others are about to change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from graph.errors import LeaseHeld, LeaseLost, NotFound, StoreProblem
from graph.neo4j.connection import Connection
from graph.neo4j.model import using
from graph.store import Head, Lease, LoadRecord, RunRecord, Take


def head(tx: Any, ns: str) -> Head:
    """What readers see."""
    record = tx.run("MATCH (h:Head {ns: $ns}) RETURN h.load, h.run", ns=ns).single()
    return Head(int(record[0] or 0), record[1]) if record else Head(0, None)


# -- leases ------------------------------------------------------------------------------------------------------------

LANES: Final = 2
"""How many transactions of one holder can commit beside each other. Each lane is a node to lock: the first is the lease
itself, and whoever takes the lease locks them all, so waits for whatever is about to be committed under it."""


def lane_of(name: str, lane: int) -> str:
    """The name of the node that a lane of a lease locks."""
    return f"{name} lane {lane + 1}" if lane else name


def acquire(tx: Any, ns: str, name: str, holder: str, nonce: str, *, now: int, ttl: int) -> Lease:
    """Take the lease where it is free or expired; `nonce` tells a repeat of this very call."""
    lock = "UNWIND $names AS name MERGE (l:Lease {ns: $ns, name: name}) SET l.locked = true"
    tx.run(lock, ns=ns, names=[lane_of(name, lane) for lane in range(LANES)]).consume()
    record = tx.run(
        "MATCH (l:Lease {ns: $ns, name: $name}) RETURN l.holder, l.fence, l.expires_at, l.nonce", ns=ns, name=name
    ).single()
    held_by, fence, until, last = record[0], record[1] or 0, record[2] or 0, record[3]
    if last == nonce:
        return Lease(name, holder, fence, until)
    if held_by is not None and until > now:
        shown = datetime.fromtimestamp(until / 1e6, UTC).isoformat(timespec="seconds")
        raise LeaseHeld(
            f"{held_by} holds the {name} lease until {shown} unless it goes on",
            do="wait for it to end, or try again after that",
        )
    lease = Lease(name, holder, fence + 1, now + ttl)
    tx.run(
        "MATCH (l:Lease {ns: $ns, name: $name}) "
        "SET l.holder = $holder, l.fence = $fence, l.expires_at = $until, l.nonce = $nonce",
        ns=ns,
        name=name,
        holder=holder,
        fence=lease.fence,
        until=lease.expires_at,
        nonce=nonce,
    ).consume()
    return lease


def check(tx: Any, ns: str, lease: Lease, *, lane: int = 0) -> None:
    """Raise `LeaseLost` unless the lease's fencing number is still the newest and it was not given back. Until the
    commit nobody else takes the lease, and no other transaction of the same `lane` commits."""
    record = tx.run(
        "MATCH (k:Lease {ns: $ns, name: $lane}) SET k.locked = true "
        "WITH k MATCH (l:Lease {ns: $ns, name: $name}) RETURN l.holder, l.fence",
        ns=ns,
        lane=lane_of(lease.name, lane % LANES),
        name=lease.name,
    ).single()
    holder, fence = record.values() if record else (None, None)
    if holder is None or fence != lease.fence:
        now_held = f"{holder} holds it now" if holder else "it was given back"
        raise LeaseLost(f"{lease.holder} lost the {lease.name} lease: {now_held}", do="start the work again")


def leased(connection: Connection, ns: str, lease: Lease, work: Callable[[Any], Any]) -> Any:
    """What `work` makes of one write transaction that checks the lease first."""

    def checked(tx: Any) -> Any:
        check(tx, ns, lease)
        return work(tx)

    return connection.write(checked)


def beat(tx: Any, ns: str, lease: Lease, *, now: int, ttl: int) -> Lease:
    """Extend the lease from `now`."""
    check(tx, ns, lease)
    query = "MATCH (l:Lease {ns: $ns, name: $name}) SET l.expires_at = $until"
    tx.run(query, ns=ns, name=lease.name, until=now + ttl).consume()
    return Lease(lease.name, lease.holder, lease.fence, now + ttl)


def release(tx: Any, ns: str, lease: Lease) -> None:
    """Give it back; the fencing number stays."""
    tx.run(
        "MATCH (l:Lease {ns: $ns, name: $name, fence: $fence}) SET l.holder = null, l.expires_at = 0, l.nonce = null",
        ns=ns,
        name=lease.name,
        fence=lease.fence,
    ).consume()


# -- loads -------------------------------------------------------------------------------------------------------------


def check_running(tx: Any, ns: str, load: int) -> None:
    """Raise `StoreProblem` unless the load is open."""
    record = tx.run("MATCH (l:Load {ns: $ns, load: $load}) RETURN l.state", ns=ns, load=load).single()
    if record is None or record[0] != "running":
        state = record[0] if record else "unknown"
        raise StoreProblem(f"load {load} is {state}, not running", do="begin a new load")


def load_records(tx: Any, ns: str) -> list[LoadRecord]:
    """All loads, oldest first."""
    found = tx.run(
        "MATCH (l:Load {ns: $ns}) RETURN l.load, l.state, l.started_at, l.finished_at, l.source, l.report "
        "ORDER BY l.load",
        ns=ns,
    )
    return [LoadRecord(*record.values()) for record in found]


def numbers(tx: Any, ns: str, name: str, count: int) -> int:
    """Reserve `count` numbers of a sequence; returns the first. They ascend in the order of commits."""
    tx.run("MERGE (s:Sequence {ns: $ns, name: $name}) SET s.locked = true", ns=ns, name=name).consume()
    record = tx.run(
        "MATCH (s:Sequence {ns: $ns, name: $name}) SET s.last = coalesce(s.last, 0) + $count RETURN s.last",
        ns=ns,
        name=name,
        count=count,
    ).single()
    return int(record[0]) - count + 1


# -- runs --------------------------------------------------------------------------------------------------------------

_RUN = tuple(RunRecord.__dataclass_fields__)


def run_record(tx: Any, ns: str, run_id: str) -> RunRecord:
    """One run, in whatever state; `NotFound` where there is none."""
    found = _records(tx, ns, run_id)
    if not found:
        raise NotFound(f"no run {run_id}", do="see `ringfence runs`")
    return found[0]


def run_records(tx: Any, ns: str) -> list[RunRecord]:
    """All whole runs, by `started_at` then id."""
    whole = [record for record in _records(tx, ns, None) if record.state not in ("building", "dropping")]
    return sorted(whole, key=lambda record: (record.started_at, record.run_id))


def _records(tx: Any, ns: str, run_id: str | None) -> list[RunRecord]:
    columns = ", ".join(f"r.{name}" for name in _RUN)
    found = tx.run(
        f"MATCH (r:Run {{ns: $ns}}) WHERE $run IS NULL OR r.run_id = $run RETURN {columns}", ns=ns, run=run_id
    )
    return [RunRecord(*record.values()) for record in found]


def put_run(tx: Any, ns: str, run: RunRecord) -> None:
    """Write a run's own node."""
    tx.run("MERGE (r:Run {ns: $ns, run_id: $run}) SET r += $all", ns=ns, run=run.run_id, all=asdict(run)).consume()


def publish(tx: Any, ns: str, run_id: str, at: int) -> None:
    """Make this run the one that readers see: one switch, of the head's property and of its relationship."""
    if run_record(tx, ns, run_id).state in ("building", "dropping"):
        raise StoreProblem(f"run {run_id} is not finished", do="finish it first")
    tx.run(
        "MERGE (h:Head {ns: $ns}) SET h.run = $run WITH h "
        "MATCH (r:Run {ns: $ns, run_id: $run}) SET r.state = 'published', r.published_at = $at WITH h, r "
        "OPTIONAL MATCH (h)-[old:PUBLISHED]->() DELETE old WITH DISTINCT h, r MERGE (h)-[:PUBLISHED]->(r)",
        ns=ns,
        run=run_id,
        at=at,
    ).consume()


# -- counters ----------------------------------------------------------------------------------------------------------

AGAIN = 20
"""How often one is made anew that another dropped (`sweep`) while it was waited for: then nothing is found of it."""
_TAKE = """
MERGE (c:Counter {ns: $ns, key: $key, period: $period}) SET c.locked = true
WITH c OPTIONAL MATCH (c)-[:HOLDS]->(t:Take)
WITH c, collect(t) AS found,
     collect(CASE WHEN t.order_id = $order AND t.expires_at > $now THEN t.remaining END) AS mine,
     sum(CASE WHEN t.expires_at > $now THEN t.amount ELSE 0 END) AS live
WITH c, [t IN found WHERE t.expires_at <= $now] AS dead, mine, $cap - live AS free
FOREACH (t IN dead | DETACH DELETE t)
FOREACH (_ IN CASE WHEN size(mine) = 0 AND $amount <= free THEN [1] ELSE [] END |
    CREATE (c)-[:HOLDS]->(:Take {order_id: $order, amount: $amount, remaining: free - $amount, expires_at: $until}))
RETURN size(mine) > 0 OR $amount <= free AS granted,
       CASE WHEN size(mine) > 0 THEN mine[0] WHEN $amount <= free THEN free - $amount
            WHEN free > 0 THEN free ELSE 0 END AS remaining
"""


def take(
    tx: Any, ns: str, key: str, period: str, amount: int, cap: int, order_id: str, *, now: int, expires_at: int
) -> Take:
    """See `Store.take`. The lock comes first, then everything is read."""
    given = {"key": key, "period": period, "order": order_id, "amount": amount, "cap": cap, "now": now}
    record = None
    for _ in range(AGAIN):
        record = tx.run(_TAKE, ns=ns, until=expires_at, **given).single()
        if record is not None:
            return Take(bool(record[0]), int(record[1]))
    raise StoreProblem("an allowance is dropped faster than it is made", do="try again")


def give_back(tx: Any, ns: str, key: str, period: str, order_id: str) -> bool:
    """Drop a take; whether there was one."""
    record = tx.run(
        "MATCH (c:Counter {ns: $ns, key: $key, period: $period}) SET c.locked = true WITH c "
        "MATCH (c)-[:HOLDS]->(t:Take {order_id: $order}) DETACH DELETE t RETURN count(*)",
        ns=ns,
        key=key,
        period=period,
        order=order_id,
    ).single()
    return bool(record and record[0])


_ENDED = (
    "MATCH (t:Take) WHERE t.expires_at <= $now MATCH (c:Counter {ns: $ns})-[:HOLDS]->(t) WITH c LIMIT $limit "
    "RETURN DISTINCT c.key, c.period"
)
_EMPTY = "MATCH (c:Counter) WHERE c.ns = $ns AND NOT EXISTS { (c)-[:HOLDS]->() } RETURN c.key, c.period LIMIT $limit"
_SWEEP = f"""
UNWIND range(0, size($key) - 1) AS i
MATCH (c:Counter {{ns: $ns, key: $key[i], period: $period[i]}}) {using("c", "Counter", ("ns", "key", "period"))}
SET c.locked = true
WITH c OPTIONAL MATCH (c)-[:HOLDS]->(t:Take)
WITH c, collect(t) AS found
WITH c, [t IN found WHERE t.expires_at <= $now] AS dead, size(found) AS count
FOREACH (t IN dead | DETACH DELETE t)
FOREACH (_ IN CASE WHEN size(dead) = count THEN [1] ELSE [] END | DETACH DELETE c)
RETURN coalesce(sum(size(dead) + CASE WHEN size(dead) = count THEN 1 ELSE 0 END), 0)
"""


def sweep(tx: Any, ns: str, *, now: int, limit: int) -> int:
    """See `Store.sweep_counters`. Locks what it drops, in order, and looks again then; whoever waits for one that is
    dropped is told so by the server and begins anew."""
    places = [tuple(record.values()) for record in tx.run(_ENDED, ns=ns, now=now, limit=limit)]
    if len(places) < limit:
        places += [tuple(record.values()) for record in tx.run(_EMPTY, ns=ns, limit=limit - len(places))]
    if not places:
        return 0
    places = sorted(set(places))
    found = tx.run(_SWEEP, ns=ns, now=now, key=[key for key, _ in places], period=[period for _, period in places])
    return int(found.single()[0])


def taken(
    tx: Any, ns: str, keys: Sequence[tuple[str, str]], now: int, loaded: Sequence[Collection[str]] | None = None
) -> list[int]:
    """Live sums, in the order asked, without the orders of each pair's entry in `loaded`."""
    found = tx.run(
        "UNWIND range(0, size($keys) - 1) AS i "
        "OPTIONAL MATCH (:Counter {ns: $ns, key: $keys[i], period: $periods[i]})-[:HOLDS]->(t:Take) "
        "WHERE t.expires_at > $now AND NOT t.order_id IN $loaded[i] RETURN i, coalesce(sum(t.amount), 0) ORDER BY i",
        ns=ns,
        keys=[key for key, _ in keys],
        periods=[period for _, period in keys],
        now=now,
        loaded=[sorted(one) for one in loaded] if loaded is not None else [[]] * len(keys),
    )
    return [int(record[1]) for record in found]
