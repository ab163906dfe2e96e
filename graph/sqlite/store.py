"""The contract on SQLite: each method is one transaction around the functions of the modules beside it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from graph.columns import QUARANTINE, QUARANTINED, conform, to_table
from graph.errors import KeyProblem, LeaseLost, StoreProblem
from graph.reserving import Act, Outcome
from graph.schema import Table, run_table, versioned
from graph.sqlite import blocks, check, forget, journals, ledger, loads, postings, reserving, runs
from graph.sqlite.connection import Connections, explained
from graph.sqlite.ddl import MIGRATIONS, Migration
from graph.store import Check, Head, Lease, LoadRecord, RunRecord, Store, Take


class SqliteStore(Store):
    """A store in one SQLite file. May be used from several threads, and by several processes of one host.

    `clock` gives seconds since 1970 and drives lease expiry alone. `max_bytes` refuses growth of the file beyond it,
    as a full disk would. One that is `passing` holds a load until that is read whole: rows are found by id only. Raises
    `StoreProblem` where the file can't be opened or is of a newer version."""

    def __init__(
        self,
        path: Path,
        *,
        url: str = "",
        namespace: str = "default",
        create: bool = True,
        readonly: bool = False,
        clock: Callable[[], float] = time.time,
        migrations: Sequence[Migration] = MIGRATIONS,
        max_bytes: int | None = None,
        passing: bool = False,
    ) -> None:
        self.url = url or f"sqlite:///{path}"
        self.namespace = namespace
        self._passing = passing
        self._clock = clock
        self._connections = Connections(
            path, self.url, create=create, readonly=readonly, migrations=migrations, max_bytes=max_bytes
        )

    # -- the store itself --------------------------------------------------------------------------------------

    def close(self) -> None:
        self._connections.close()

    def meta(self) -> Mapping[str, str]:
        with self._connections.read() as connection:
            rows = connection.execute(
                "SELECT key, value FROM meta WHERE namespace IN ('', ?) ORDER BY key", (self.namespace,)
            )
            return dict(rows.fetchall())

    def claim_key(self, fingerprint: str) -> None:
        query = "SELECT value FROM meta WHERE namespace = ? AND key = 'key_fingerprint'"
        with self._connections.read() as connection:
            row = connection.execute(query, (self.namespace,)).fetchone()
        if row is None:
            with self._connections.write() as connection:
                connection.execute(
                    "INSERT OR IGNORE INTO meta VALUES(?, 'key_fingerprint', ?)", (self.namespace, fingerprint)
                )
                row = connection.execute(query, (self.namespace,)).fetchone()
        if row[0] != fingerprint:
            raise KeyProblem(
                "RINGFENCE_KEY is not the key that this store was made with",
                where=self.url,
                do="set the key that it was made with, or load into a new store",
            )

    def describe(self) -> Mapping[str, Any]:
        with self._connections.read() as connection:
            head = self._head(connection)
            rows = {table.name: self._count(connection, table, head.load) for table in loads.VERSIONED}
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            version = connection.execute(
                "SELECT value FROM meta WHERE namespace = '' AND key = 'schema_version'"
            ).fetchone()
            return {
                "url": self.url,
                "namespace": self.namespace,
                "schema_version": int(version[0]),
                "bytes": pages * size,
                "load": head.load,
                "run": head.run,
                "rows": rows,
            }

    def _count(self, connection: Any, table: Table, known_by: int) -> int:
        query = (
            f"SELECT b.rows, e.data FROM {table.name} b LEFT JOIN {table.name}_ends e ON e.block = b.block "  # noqa: S608
            "WHERE b.namespace = ? AND b.since <= ?"
        )
        total = 0
        for rows, ends in connection.execute(query, (self.namespace, known_by)):
            total += rows
            if ends is not None:
                at = np.frombuffer(ends, np.int64)
                total -= int(((at != 0) & (at <= known_by)).sum())
        return total

    def check(self) -> list[Check]:
        return list(check.examine(self._connections, self.namespace, self._now()))

    # -- leases ------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return round(self._clock() * 1e6)

    def acquire(self, name: str, holder: str, *, ttl: float = 30.0) -> Lease:
        with self._connections.write() as connection:
            return ledger.acquire(connection, self.namespace, name, holder, now=self._now(), ttl=round(ttl * 1e6))

    def beat(self, lease: Lease, *, ttl: float = 30.0) -> Lease:
        with self._connections.write() as connection:
            return ledger.beat(connection, self.namespace, lease, now=self._now(), ttl=round(ttl * 1e6))

    def release(self, lease: Lease) -> None:
        with self._connections.write() as connection:
            ledger.release(connection, self.namespace, lease)

    # -- loads -------------------------------------------------------------------------------------------------

    def begin_load(self, lease: Lease, *, source: str, at: int) -> int:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            return loads.begin(connection, self.namespace, source=source, at=at)

    def current(self, table: str, ids: Sequence[str], *, load: int) -> pa.Table:
        declared = versioned(table)
        with self._connections.read() as connection:
            return loads.current(connection, self.namespace, declared, ids, load)

    def write(self, lease: Lease, load: int, table: str, rows: pa.Table, *, conflicts: Sequence[str] = ()) -> None:
        declared = versioned(table)
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            loads.check_running(connection, self.namespace, load)
            columns = () if self._passing else declared.indexes
            loads.write(connection, self.namespace, load, declared, rows, conflicts, (declared.id, *columns))

    def finish_load(self, lease: Lease, load: int, *, report: str, at: int) -> None:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            loads.check_running(connection, self.namespace, load)
            loads.finish(connection, self.namespace, load, report=report, at=at)
        if self._passing:
            return
        # the load is finished, whatever becomes of this: the next load tries it again
        with contextlib.suppress(LeaseLost, StoreProblem):
            self._merge_postings(lease)

    def _merge_postings(self, lease: Lease) -> None:
        """Keep look-ups quick as loads add up. Each merge is a short transaction that changes no answer."""
        while True:
            with self._connections.read() as connection:
                due = postings.due(connection, self.namespace, 0)
            if not due:
                return
            for name, column, segs in due:
                with self._connections.write() as connection:
                    ledger.check(connection, self.namespace, lease)
                    postings.merge(connection, self.namespace, name, column, 0, segs)

    def loads(self) -> list[LoadRecord]:
        with self._connections.read() as connection:
            return loads.records(connection, self.namespace)

    def quarantine(self, lease: Lease, load: int, rows: pa.Table) -> None:
        entries = conform(rows, QUARANTINE, where="quarantine")
        columns = [column.to_pylist() for column in entries.columns]
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            loads.check_running(connection, self.namespace, load)
            connection.executemany(
                'INSERT INTO quarantine(namespace, load, "table", file, line, "column", value, rule, action) '
                "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(self.namespace, load, *row) for row in zip(*columns, strict=True)],
            )

    def quarantined(self, *, load: int | None = None, after: int = 0, limit: int = 1000) -> pa.Table:
        with self._connections.read() as connection:
            rows = connection.execute(
                'SELECT seq, load, "table", file, line, "column", value, rule, action FROM quarantine '
                "WHERE namespace = ?1 AND (?2 IS NULL OR load = ?2) AND seq > ?3 AND load IN "
                "(SELECT load FROM loads WHERE namespace = ?1 AND state = 'finished') ORDER BY seq LIMIT ?4",
                (self.namespace, load, after, limit),
            ).fetchall()
            return to_table(rows, QUARANTINED)

    def release_quarantine(self, lease: Lease, seqs: Sequence[int]) -> None:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            connection.executemany(
                "DELETE FROM quarantine WHERE namespace = ? AND seq = ?", [(self.namespace, seq) for seq in seqs]
            )

    def forget(self, lease: Lease, buyer_id: str) -> Mapping[str, int]:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            counts = forget.forget(connection, self.namespace, buyer_id)
        self.scrub()
        return counts

    def scrub(self) -> None:
        with explained(self.url):
            # what was overwritten still lies in the log until it is emptied
            (busy, *_) = self._connections.get().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreProblem(
                "what was erased still lies in the log, because a reader holds an earlier state",
                where=self.url,
                do="forget again when the reader is done",
            )

    # -- reading what the platform exported -----------------------------------------------------------------------

    def head(self) -> Head:
        with explained(self.url):
            return self._head(self._connections.get())

    def _head(self, connection: Any) -> Head:
        row = connection.execute("SELECT load, run FROM head WHERE namespace = ?", (self.namespace,)).fetchone()
        return Head(*row) if row else Head(0, None)

    def scan(
        self,
        table: str,
        columns: Sequence[str],
        *,
        known_by: int | None = None,
        batch: int = 65_536,
        begins: Sequence[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        declared = versioned(table)
        for name in columns:
            declared.column(name)
        return self._scan(declared, columns, known_by, batch, begins)

    def _scan(
        self, table: Table, columns: Sequence[str], known_by: int | None, batch: int, begins: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        with explained(self.url):
            # a connection of its own holds the state while the caller goes on to use the store
            connection = self._connections.fresh()
            try:
                connection.execute("BEGIN")
                upto = self._upto(connection, known_by)
                yield from blocks.scan(connection, self.namespace, table, columns, upto, batch, begins)
            finally:
                connection.close()

    def _upto(self, connection: Any, known_by: int | None) -> int:
        head = loads.last_load(connection, self.namespace)
        return head if known_by is None else min(known_by, head)

    def find(
        self,
        table: str,
        column: str,
        values: Sequence[str | bytes],
        *,
        columns: Sequence[str] = (),
        after: str = "",
        limit: int | None = None,
        known_by: int | None = None,
    ) -> pa.Table:
        declared = versioned(table)
        if self._passing and column != declared.id:
            raise ValueError(f"{table}.{column} is not indexed in a passing store")
        with self._connections.read() as connection:
            return loads.find(
                connection,
                self.namespace,
                declared,
                column,
                values,
                columns=columns,
                after=after,
                limit=limit,
                known_by=self._upto(connection, known_by),
            )

    # -- runs --------------------------------------------------------------------------------------------------

    def begin_run(self, lease: Lease, run: RunRecord) -> None:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            runs.begin(connection, self.namespace, run)

    def write_run(self, lease: Lease, run_id: str, table: str, rows: pa.Table) -> None:
        declared = run_table(table)
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            runs.write(connection, self.namespace, run_id, declared, rows)

    def finish_run(
        self,
        lease: Lease,
        run_id: str,
        *,
        state: Literal["complete", "held"],
        held_reason: str = "",
        stats: str = "{}",
        at: int,
    ) -> None:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            runs.finish(connection, self.namespace, run_id, state=state, held_reason=held_reason, stats=stats, at=at)

    def publish(self, lease: Lease, run_id: str, *, at: int) -> None:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            runs.publish(connection, self.namespace, run_id, at=at)

    def drop_runs(self, lease: Lease, run_ids: Sequence[str]) -> None:
        with self._connections.write() as connection:
            ledger.check(connection, self.namespace, lease)
            runs.drop(connection, self.namespace, run_ids)

    def runs(self) -> list[RunRecord]:
        with self._connections.read() as connection:
            return runs.records(connection, self.namespace)

    def run_rows(self, run_id: str, table: str, *, columns: Sequence[str] = ()) -> pa.Table:
        declared = run_table(table)
        with self._connections.read() as connection:
            return runs.rows(connection, self.namespace, run_id, declared, columns)

    # -- counters ----------------------------------------------------------------------------------------------

    def take(self, key: str, window: str, amount: int, cap: int, order_id: str, *, now: int, expires_at: int) -> Take:
        with self._connections.write() as connection:
            return ledger.take(
                connection, self.namespace, key, window, amount, cap, order_id, now=now, expires_at=expires_at
            )

    def give_back(self, key: str, window: str, order_id: str) -> bool:
        with self._connections.write() as connection:
            return ledger.give_back(connection, self.namespace, key, window, order_id)

    def taken(
        self, keys: Sequence[tuple[str, str]], *, now: int, loaded: Sequence[Collection[str]] | None = None
    ) -> list[int]:
        with self._connections.read() as connection:
            return ledger.taken(connection, self.namespace, keys, now, loaded)

    def reserve(self, acts: Sequence[Act], *, now: int) -> list[Outcome]:
        with self._connections.write() as connection:
            return reserving.reserve(connection, self.namespace, acts, now=now)

    def sweep_reservations(self, *, now: int, limit: int = 1000) -> int:
        with self._connections.write() as connection:
            return reserving.sweep(connection, self.namespace, now=now, limit=limit)

    def sweep_counters(self, *, now: int, limit: int = 1000) -> int:
        with self._connections.write() as connection:
            return ledger.sweep(connection, self.namespace, now=now, limit=limit)

    # -- journal -----------------------------------------------------------------------------------------------

    def note(self, journal: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._connections.write() as connection:
            journals.note(connection, self.namespace, journal, rows)

    def notes(self, journal: str, *, after: int = 0, limit: int = 1000) -> pa.Table:
        with self._connections.read() as connection:
            return journals.notes(connection, self.namespace, journal, after, limit)

    def noted(self, journal: str, ids: Sequence[str]) -> pa.Table:
        with self._connections.read() as connection:
            return journals.noted(connection, self.namespace, journal, ids)

    def erase_notes(self, journal: str, ids: Sequence[str]) -> int:
        with self._connections.write() as connection:
            return journals.erase(connection, self.namespace, journal, ids)

    def reword_notes(self, journal: str, bodies: Mapping[str, str]) -> int:
        with self._connections.write() as connection:
            return journals.reword(connection, self.namespace, journal, bodies)
