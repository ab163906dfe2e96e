"""Runs: opened, written in short transactions, finished, drawn and published by one switch, dropped.

Each is a step of the contract (`graph.store.Store`) and can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from graph.columns import arrow_schema, conform, ordered
from graph.errors import NotFound, StoreProblem
from graph.neo4j import ledger, run_edges
from graph.neo4j.connection import Connection
from graph.neo4j.model import assigned, label_of
from graph.neo4j.rows import BATCH, SWEPT, columns_of, in_lanes, repeat
from graph.schema import RUN_TABLES, Table
from graph.store import Lease, RunRecord


def begin(connection: Connection, ns: str, lease: Lease, run: RunRecord) -> None:
    """See `Store.begin_run`."""

    def unfinished(tx: Any) -> list[str]:
        found = tx.run(
            "MATCH (r:Run {ns: $ns}) WHERE r.state IN ['building', 'dropping'] OR r.run_id = $run "
            "RETURN r.run_id, r.state ORDER BY r.run_id",
            ns=ns,
            run=run.run_id,
        )
        listed = [record.values() for record in found]
        for run_id, state in listed:
            if state == "published":
                what = f"run {run_id} was published and can't be replaced"
                raise StoreProblem(what, do="give the run another id")
        return [run_id for run_id, _ in listed]

    for run_id in ledger.leased(connection, ns, lease, unfinished):
        _drop(connection, ns, run_id)
    opened = replace(run, state="building", finished_at=None, published_at=None)
    ledger.leased(connection, ns, lease, lambda tx: ledger.put_run(tx, ns, opened))


def write(
    connection: Connection, ns: str, lease: Lease, run_id: str, table: Table, rows: pa.Table, *, fresh: bool
) -> None:
    """Add rows to a building run, in short transactions, two beside each other. `fresh` says that none of these ids is
    there yet: then none is looked for."""
    rows = ordered(conform(rows, arrow_schema(table), where=table.name), table)
    # a new node has its key already: it would be written twice
    key = f"(n:{label_of(table)} {{ns: $ns, run_id: $run_id, {table.id}: ${table.id}[i]}})"
    put = f"UNWIND range(0, size(${table.id}) - 1) AS i {'CREATE' if fresh else 'MERGE'} {key} SET n += "

    def part(lane: int, at: int) -> None:
        piece = rows.slice(at, BATCH)
        # an all-empty column says nothing of new nodes
        names = [name for name in piece.column_names if not fresh or piece.column(name).null_count < piece.num_rows]
        told, held = piece.select(names), assigned([name for name in names if name != table.id])

        def work(tx: Any) -> None:
            try:
                _building(tx, ns, run_id)
            except (NotFound, StoreProblem):
                # dropped by whoever took the lease over: that is what there is to tell
                ledger.check(tx, ns, lease)
                raise
            if piece.num_rows:
                tx.run(put + held, ns=ns, run_id=run_id, **columns_of(table, told)).consume()
            # last, so that no lane is locked for longer than it takes
            ledger.check(tx, ns, lease, lane=lane)

        connection.write(work)

    in_lanes(part, range(0, max(rows.num_rows, 1), BATCH))


def finish(
    connection: Connection, ns: str, lease: Lease, run_id: str, *, state: str, held_reason: str, stats: str, at: int
) -> None:
    """See `Store.finish_run`."""

    def work(tx: Any) -> None:
        _building(tx, ns, run_id)
        tx.run(
            "MATCH (r:Run {ns: $ns, run_id: $run}) "
            "SET r.state = $state, r.held_reason = $held, r.stats = $stats, r.finished_at = $at",
            ns=ns,
            run=run_id,
            state=state,
            held=held_reason,
            stats=stats,
            at=at,
        ).consume()

    ledger.leased(connection, ns, lease, work)


def publish(connection: Connection, ns: str, lease: Lease, run_id: str, at: int) -> None:
    """See `Store.publish`."""

    def connected(tx: Any) -> bool:
        if ledger.run_record(tx, ns, run_id).state in ("building", "dropping"):
            raise StoreProblem(f"run {run_id} is not finished", do="finish it first")
        query = "MATCH (r:Run {ns: $ns, run_id: $run}) RETURN r.connected IS NOT NULL"
        return bool(tx.run(query, ns=ns, run=run_id).single()[0])

    # before the switch, so that whoever walks the graph finds a published run whole
    if not ledger.leased(connection, ns, lease, connected):
        run_edges.connect_run(connection, ns, run_id)
    ledger.leased(connection, ns, lease, lambda tx: ledger.publish(tx, ns, run_id, at))


def drop(connection: Connection, ns: str, lease: Lease, run_ids: Sequence[str]) -> None:
    """See `Store.drop_runs`."""

    def hide(tx: Any) -> None:
        run = ledger.head(tx, ns).run
        if run is not None and run in run_ids:
            raise StoreProblem(f"run {run} is the published one", do="publish another run first")
        tx.run(
            "UNWIND $runs AS run MATCH (r:Run {ns: $ns, run_id: run}) SET r.state = 'dropping'",
            ns=ns,
            runs=list(run_ids),
        ).consume()

    ledger.leased(connection, ns, lease, hide)
    for run_id in run_ids:
        _drop(connection, ns, run_id)


def _building(tx: Any, ns: str, run_id: str) -> None:
    """Raise `StoreProblem` unless the run is open."""
    state = ledger.run_record(tx, ns, run_id).state
    if state != "building":
        raise StoreProblem(f"run {run_id} is {state}, not building", do="begin a new run")


def _drop(connection: Connection, ns: str, run_id: str) -> None:
    """Take away a run's rows in short transactions, and last its own node."""
    for table in RUN_TABLES:
        repeat(
            connection,
            f"MATCH (n:{label_of(table)}) WHERE n.ns = $ns AND n.run_id = $run_id AND n.{table.id} >= '' "
            f"WITH n LIMIT {SWEPT} DETACH DELETE n RETURN count(*)",
            ns=ns,
            run_id=run_id,
        )
    connection.write(
        lambda tx: tx.run("MATCH (r:Run {ns: $ns, run_id: $run_id}) DETACH DELETE r", ns=ns, run_id=run_id).consume()
    )
