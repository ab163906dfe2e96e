"""Runs: what one detection run found, written under its id, whole before anyone reads it, published in one switch."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, replace

import pyarrow as pa

from graph.columns import arrow_schema, conform, ordered
from graph.errors import NotFound, StoreProblem
from graph.schema import RUN_TABLES, Table
from graph.sqlite import blocks
from graph.store import RunRecord

_COLUMNS = (
    "run_id, state, as_of, known_by, policy, policy_digest, version, snapshot_digest, parent, started_at, "
    "finished_at, published_at, held_reason, stats"
)


def record(connection: sqlite3.Connection, namespace: str, run_id: str) -> RunRecord:
    """One run, in whatever state; `NotFound` where there is none."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE namespace = ? AND run_id = ?",  # noqa: S608
        (namespace, run_id),
    ).fetchone()
    if row is None:
        raise NotFound(f"no run {run_id}", do="see `ringfence runs`")
    return RunRecord(*row)


def records(connection: sqlite3.Connection, namespace: str) -> list[RunRecord]:
    """All whole runs, by `started_at` then id."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE namespace = ? AND state != 'building' "  # noqa: S608
        "ORDER BY started_at, run_id",
        (namespace,),
    )
    return [RunRecord(*row) for row in rows]


def begin(connection: sqlite3.Connection, namespace: str, run: RunRecord) -> None:
    """Sweep unfinished runs and open this one."""
    unfinished = connection.execute(
        "SELECT run_id FROM runs WHERE namespace = ? AND (state = 'building' OR run_id = ?)", (namespace, run.run_id)
    ).fetchall()
    for (run_id,) in unfinished:
        if record(connection, namespace, run_id).state == "published":
            raise StoreProblem(f"run {run_id} was published and can't be replaced", do="give the run another id")
        _drop(connection, namespace, run_id)
    opened = replace(run, state="building", finished_at=None, published_at=None)
    places = ", ".join("?" * 15)
    connection.execute(f"INSERT INTO runs VALUES({places})", (namespace, *astuple(opened)))


def _building(connection: sqlite3.Connection, namespace: str, run_id: str) -> None:
    state = record(connection, namespace, run_id).state
    if state != "building":
        raise StoreProblem(f"run {run_id} is {state}, not building", do="begin a new run")


def write(connection: sqlite3.Connection, namespace: str, run_id: str, table: Table, rows: pa.Table) -> None:
    """Add rows to a building run."""
    _building(connection, namespace, run_id)
    blocks.append(connection, namespace, table, conform(rows, arrow_schema(table), where=table.name), run_id)


def finish(
    connection: sqlite3.Connection, namespace: str, run_id: str, *, state: str, held_reason: str, stats: str, at: int
) -> None:
    """Close the run."""
    if state not in ("complete", "held"):
        raise ValueError(f"a run is finished as complete or held, not as {state}")
    _building(connection, namespace, run_id)
    connection.execute(
        "UPDATE runs SET state = ?, held_reason = ?, stats = ?, finished_at = ? WHERE namespace = ? AND run_id = ?",
        (state, held_reason, stats, at, namespace, run_id),
    )


def publish(connection: sqlite3.Connection, namespace: str, run_id: str, *, at: int) -> None:
    """Make this run the one that readers see."""
    if record(connection, namespace, run_id).state == "building":
        raise StoreProblem(f"run {run_id} is not finished", do="finish it first")
    connection.execute(
        "UPDATE runs SET state = 'published', published_at = ? WHERE namespace = ? AND run_id = ?",
        (at, namespace, run_id),
    )
    connection.execute(
        "INSERT INTO head VALUES(?, 0, ?) ON CONFLICT(namespace) DO UPDATE SET run = excluded.run",
        (namespace, run_id),
    )


def drop(connection: sqlite3.Connection, namespace: str, run_ids: Sequence[str]) -> None:
    """Forget runs, but never the one that readers see."""
    row = connection.execute("SELECT run FROM head WHERE namespace = ?", (namespace,)).fetchone()
    if row is not None and row[0] in run_ids:
        raise StoreProblem(f"run {row[0]} is the published one", do="publish another run first")
    for run_id in run_ids:
        _drop(connection, namespace, run_id)


def _drop(connection: sqlite3.Connection, namespace: str, run_id: str) -> None:
    for table in RUN_TABLES:
        connection.execute(
            f"DELETE FROM {table.name} WHERE namespace = ? AND run_id = ?",  # noqa: S608
            (namespace, run_id),
        )
    connection.execute("DELETE FROM runs WHERE namespace = ? AND run_id = ?", (namespace, run_id))


def rows(connection: sqlite3.Connection, namespace: str, run_id: str, table: Table, columns: Sequence[str]) -> pa.Table:
    """All rows of a whole run, sorted by id; of rows with one id the last written stands."""
    if record(connection, namespace, run_id).state == "building":
        raise NotFound(f"run {run_id} is not finished", do="wait for it, or see `ringfence runs`")
    whole = blocks.read_run(connection, namespace, table, run_id)
    whole = ordered(whole, table).combine_chunks()
    return whole.select(list(columns)) if columns else whole
