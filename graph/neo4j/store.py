"""The contract on Neo4j: each method is one short transaction, or several that can be repeated."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import pyarrow as pa

from graph.columns import QUARANTINE, QUARANTINED, conform, to_table
from graph.errors import KeyProblem, NotFound, StoreProblem
from graph.neo4j import bulk_schema, check, edges, journals, ledger, pages, reserving, rows, runs
from graph.neo4j.connection import Connection
from graph.neo4j.first import First
from graph.neo4j.forget import forget
from graph.neo4j.migrations import bring_up
from graph.neo4j.model import constraints, given
from graph.neo4j.sent import Sent
from graph.reserving import Act, Outcome
from graph.schema import SCHEMA_VERSION, Table, Type, run_table, versioned
from graph.store import Check, Head, Lease, LoadRecord, RunRecord, Store, Take


class Neo4jStore(Store):
    """A store in one database of a Neo4j server. May be used from several threads, processes and hosts.

    `url` holds the password, `shown` none. `clock` gives seconds since 1970 and drives lease expiry alone. `ca` names a
    file of certificates that the server's is checked against; `patience` is how many seconds a server that is away is
    waited for. Raises `StoreProblem` where the server does not answer,
    refuses, is too old, or holds a store of a newer version."""

    def __init__(
        self,
        url: str,
        *,
        shown: str,
        namespace: str = "default",
        create: bool = True,
        readonly: bool = False,
        clock: Callable[[], float] = time.time,
        ca: str = "",
        patience: float | None = None,
    ) -> None:
        self.url, self.namespace, self._clock = shown, namespace, clock
        self._connection = Connection(url, where=shown, readonly=readonly, ca=ca)
        if patience is not None:
            self._connection.patience = patience
        self._first: First | None = None
        self._building = "", Sent()
        """The run that was begun here, and the ids of its rows that were sent."""
        self._owing = False
        try:
            self._open(create=create and not readonly)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, *, create: bool) -> None:
        meta = self.meta()
        version = meta.get("schema_version")
        if version is None and not create:
            raise StoreProblem("the database holds no Ringfence store", where=self.url, do="load something into it")
        if version is not None and int(version) > SCHEMA_VERSION:
            raise StoreProblem(
                f"the store is of schema version {version}, newer than this Ringfence ({SCHEMA_VERSION})",
                where=self.url,
                do="use the newer Ringfence",
            )
        if version is None:
            self._connection.schema(constraints(loaded=False))
            self._write(
                "MERGE (m:StoreMeta {ns: '', key: 'schema_version'}) ON CREATE SET m.value = $version "
                "MERGE (o:StoreMeta {ns: '', key: $owed}) ON CREATE SET o.value = 'owed'",
                version=str(SCHEMA_VERSION),
                owed=bulk_schema.OWED,
            )
            self._owing = True
            return
        bring_up(self._connection, meta)
        if bulk_schema.OWED in meta and not self._connection.readonly:
            # of an offline import, or of a first load that another process is at or that was killed
            bulk_schema.settle(self._connection)

    def _write(self, query: str, **parameters: Any) -> None:
        self._connection.write(lambda tx: tx.run(query, **parameters).consume())

    def _leased(self, lease: Lease, work: Callable[[Any], Any]) -> Any:
        return ledger.leased(self._connection, self.namespace, lease, work)

    # -- the store itself ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        self._connection.close()

    def meta(self) -> Mapping[str, str]:
        found = self._connection.read(
            lambda tx: [
                record.values()
                for record in tx.run(
                    "MATCH (m:StoreMeta) WHERE m.ns IN ['', $ns] RETURN m.key, m.value ORDER BY m.key",
                    ns=self.namespace,
                )
            ]
        )
        return {str(key): str(value) for key, value in found}

    def claim_key(self, fingerprint: str) -> None:
        known = self.meta().get("key_fingerprint")
        if known is None:
            query = (
                "MERGE (m:StoreMeta {ns: $ns, key: 'key_fingerprint'}) ON CREATE SET m.value = $value RETURN m.value"
            )
            known = self._connection.write(lambda tx: tx.run(query, ns=self.namespace, value=fingerprint).single()[0])
        if known != fingerprint:
            raise KeyProblem(
                "RINGFENCE_KEY is not the key that this store was made with",
                where=self.url,
                do="set the key that it was made with, or load into a new store",
            )

    def describe(self) -> Mapping[str, Any]:
        head = self.head()
        return {
            "url": self.url,
            "namespace": self.namespace,
            "schema_version": int(self.meta()["schema_version"]),
            "server": self._connection.version,
            "load": head.load,
            "run": head.run,
            "rows": check.counted(self._connection, self.namespace, head.load),
        }

    def check(self) -> list[Check]:
        return list(check.examine(self._connection, self.namespace, self._now()))

    # -- leases --------------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return round(self._clock() * 1e6)

    def acquire(self, name: str, holder: str, *, ttl: float = 30.0) -> Lease:
        nonce = secrets.token_hex(8)
        return self._connection.write(
            lambda tx: ledger.acquire(tx, self.namespace, name, holder, nonce, now=self._now(), ttl=round(ttl * 1e6))
        )

    def beat(self, lease: Lease, *, ttl: float = 30.0) -> Lease:
        return self._connection.write(
            lambda tx: ledger.beat(tx, self.namespace, lease, now=self._now(), ttl=round(ttl * 1e6))
        )

    def release(self, lease: Lease) -> None:
        self._connection.write(lambda tx: ledger.release(tx, self.namespace, lease))

    # -- loads ---------------------------------------------------------------------------------------------------------

    def begin_load(self, lease: Lease, *, source: str, at: int) -> int:
        ns = self.namespace
        running = self._leased(
            lease, lambda tx: [record.load for record in ledger.load_records(tx, ns) if record.state == "running"]
        )
        for load in running:
            rows.sweep(self._connection, ns, load)
        self._draw()

        def opened(tx: Any) -> int:
            tx.run("MATCH (l:Load {ns: $ns, state: 'running'}) SET l.state = 'swept'", ns=ns).consume()
            load = ledger.numbers(tx, ns, "load", 1)
            tx.run(
                "CREATE (:Load {ns: $ns, load: $load, state: 'running', started_at: $at, source: $source, report: ''})",
                ns=ns,
                load=load,
                at=at,
                source=source,
            ).consume()
            return load

        load = int(self._leased(lease, opened))
        self._first = First(load) if self.head().load == 0 else None
        return load

    def current(self, table: str, ids: Sequence[str], *, load: int) -> pa.Table:
        declared = versioned(table)
        if self._first and self._first.load == load:
            ids = self._first.met(declared, ids)
            if ids:
                self._looked_up()
        return rows.current(self._connection, self.namespace, declared, ids, load)

    def write(self, lease: Lease, load: int, table: str, rows_: pa.Table, *, conflicts: Sequence[str] = ()) -> None:
        declared = versioned(table)
        told, fresh = None, False
        if self._first and self._first.load == load:
            ids = [*given(rows_.column(declared.id), Type.TEXT), *conflicts]
            fresh = not self._first.met(declared, ids)
            if not fresh:
                self._looked_up()
            self._first.sending(declared, ids)
            told = partial(self._first.add, declared)
        try:
            rows.write_load(self._connection, self.namespace, lease, load, declared, rows_, conflicts, told, fresh)
        except BaseException:
            if self._first:
                self._first.whole = False
            raise

    def finish_load(self, lease: Lease, load: int, *, report: str, at: int) -> None:
        ns = self.namespace

        meta = self.meta()
        if bulk_schema.OWED in meta or "lookups" not in meta:
            # of the whole database, not of this namespace alone
            bulk_schema.make(self._connection, drawn=False)

        def finish(tx: Any) -> list[int]:
            ledger.check_running(tx, ns, load)
            ended = rows.settle(tx, ns, load)
            tx.run(
                "MATCH (l:Load {ns: $ns, load: $load}) "
                "SET l.state = 'finished', l.finished_at = $at, l.report = $report "
                "MERGE (h:Head {ns: $ns}) SET h.load = $load",
                ns=ns,
                load=load,
                at=at,
                report=report,
            ).consume()
            return ended

        ended = self._leased(lease, finish)
        first, self._first = self._first, None
        if first is None or first.load != load or not first.draw(self._connection, ns, lease, ended):
            self._draw()

    def _looked_up(self) -> None:
        """Make what a first load owes, once it comes to look rows up: the server would go through all of them."""
        if self._owing:
            bulk_schema.make(self._connection, drawn=False)
            self._owing = False

    def _draw(self) -> None:
        """Bring the graph that people walk up to the last finished load."""
        for load, first in self._connection.read(lambda tx: edges.unconnected(tx, self.namespace)):
            edges.connect(self._connection, self.namespace, load, first=first)

    def loads(self) -> list[LoadRecord]:
        return self._connection.read(lambda tx: ledger.load_records(tx, self.namespace))

    def quarantine(self, lease: Lease, load: int, rows_: pa.Table) -> None:
        entries = conform(rows_, QUARANTINE, where="quarantine")
        columns = {f"c_{name}": entries.column(name).to_pylist() for name in entries.column_names}
        ns = self.namespace
        listed = ", ".join(f"`{name}`: $c_{name}[i]" for name in entries.column_names)

        def put(tx: Any) -> None:
            ledger.check_running(tx, ns, load)
            first = ledger.numbers(tx, ns, "quarantine", entries.num_rows)
            tx.run(
                f"UNWIND range(0, size($c_line) - 1) AS i "
                f"CREATE (q:Quarantined {{ns: $ns, load: $load, seq: $first + i}}) SET q += {{{listed}}}",
                ns=ns,
                load=load,
                first=first,
                **columns,
            ).consume()

        self._leased(lease, put)

    def quarantined(self, *, load: int | None = None, after: int = 0, limit: int = 1000) -> pa.Table:
        names = ["seq", "load", *QUARANTINE.names]
        listed = ", ".join(f"q.`{name}`" for name in names)
        query = (
            "MATCH (l:Load {ns: $ns, state: 'finished'}) WITH collect(l.load) AS finished "
            "MATCH (q:Quarantined) WHERE q.ns = $ns AND q.seq > $after AND q.load IN finished "
            f"AND ($load IS NULL OR q.load = $load) RETURN {listed} ORDER BY q.seq LIMIT $limit"
        )
        found = self._connection.read(
            lambda tx: [
                record.values() for record in tx.run(query, ns=self.namespace, load=load, after=after, limit=limit)
            ]
        )
        return to_table(found, QUARANTINED)

    def release_quarantine(self, lease: Lease, seqs: Sequence[int]) -> None:
        query = "UNWIND $seqs AS seq MATCH (q:Quarantined {ns: $ns, seq: seq}) DELETE q"
        self._leased(lease, lambda tx: tx.run(query, ns=self.namespace, seqs=list(seqs)).consume())

    def forget(self, lease: Lease, buyer_id: str) -> Mapping[str, int]:
        found: Mapping[str, int] = self._leased(lease, lambda tx: forget(tx, self.namespace, buyer_id))
        return found

    # -- reading what the platform exported ----------------------------------------------------------------------------

    def head(self) -> Head:
        return self._connection.read(lambda tx: ledger.head(tx, self.namespace))

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
        head = self.head().load
        upto = head if known_by is None else min(known_by, head)
        yield from pages.scan(self._connection, self.namespace, table, columns, upto, batch, begins)

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
        return self._connection.read(
            lambda tx: rows.find(
                tx,
                self.namespace,
                declared,
                column,
                values,
                columns=columns,
                after=after,
                limit=limit,
                known_by=known_by,
            )
        )

    # -- runs ----------------------------------------------------------------------------------------------------------

    def begin_run(self, lease: Lease, run: RunRecord) -> None:
        runs.begin(self._connection, self.namespace, lease, run)
        self._building = run.run_id, Sent()

    def write_run(self, lease: Lease, run_id: str, table: str, rows_: pa.Table) -> None:
        declared, fresh = run_table(table), False
        building, sent = self._building
        if building == run_id:
            fresh = sent.fresh(table, given(rows_.column(declared.id), Type.TEXT))
        runs.write(self._connection, self.namespace, lease, run_id, declared, rows_, fresh=fresh)

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
        if state not in ("complete", "held"):
            raise ValueError(f"a run is finished as complete or held, not as {state}")
        runs.finish(
            self._connection, self.namespace, lease, run_id, state=state, held_reason=held_reason, stats=stats, at=at
        )

    def publish(self, lease: Lease, run_id: str, *, at: int) -> None:
        runs.publish(self._connection, self.namespace, lease, run_id, at)

    def drop_runs(self, lease: Lease, run_ids: Sequence[str]) -> None:
        runs.drop(self._connection, self.namespace, lease, run_ids)

    def runs(self) -> list[RunRecord]:
        return self._connection.read(lambda tx: ledger.run_records(tx, self.namespace))

    def run_rows(self, run_id: str, table: str, *, columns: Sequence[str] = ()) -> pa.Table:
        declared = run_table(table)
        if self._connection.read(lambda tx: ledger.run_record(tx, self.namespace, run_id)).state in (
            "building",
            "dropping",
        ):
            raise NotFound(f"run {run_id} is not finished", do="wait for it, or see `ringfence runs`")
        return pages.run_rows(self._connection, self.namespace, run_id, declared, columns)

    # -- counters ------------------------------------------------------------------------------------------------------

    def take(self, key: str, window: str, amount: int, cap: int, order_id: str, *, now: int, expires_at: int) -> Take:
        if amount < 0:
            raise ValueError(f"take of a negative amount: {amount}")
        return self._connection.write(
            lambda tx: ledger.take(
                tx, self.namespace, key, window, amount, cap, order_id, now=now, expires_at=expires_at
            )
        )

    def give_back(self, key: str, window: str, order_id: str) -> bool:
        return self._connection.write(lambda tx: ledger.give_back(tx, self.namespace, key, window, order_id))

    def taken(
        self, keys: Sequence[tuple[str, str]], *, now: int, loaded: Sequence[Collection[str]] | None = None
    ) -> list[int]:
        return self._connection.read(lambda tx: ledger.taken(tx, self.namespace, keys, now, loaded))

    def reserve(self, acts: Sequence[Act], *, now: int) -> list[Outcome]:
        return self._connection.write(lambda tx: reserving.reserve(tx, self.namespace, acts, now=now))

    def sweep_reservations(self, *, now: int, limit: int = 1000) -> int:
        return self._connection.write(lambda tx: reserving.sweep(tx, self.namespace, now=now, limit=limit))

    def sweep_counters(self, *, now: int, limit: int = 1000) -> int:
        return self._connection.write(lambda tx: ledger.sweep(tx, self.namespace, now=now, limit=limit))

    # -- journal -------------------------------------------------------------------------------------------------------

    def note(self, journal: str, rows_: Sequence[Mapping[str, Any]]) -> None:
        if rows_:
            self._connection.write(lambda tx: journals.note(tx, self.namespace, journal, rows_))

    def notes(self, journal: str, *, after: int = 0, limit: int = 1000) -> pa.Table:
        return self._connection.read(lambda tx: journals.notes(tx, self.namespace, journal, after, limit))

    def noted(self, journal: str, ids: Sequence[str]) -> pa.Table:
        return self._connection.read(lambda tx: journals.noted(tx, self.namespace, journal, ids))

    def erase_notes(self, journal: str, ids: Sequence[str]) -> int:
        return self._connection.write(lambda tx: journals.erase(tx, self.namespace, journal, ids))

    def reword_notes(self, journal: str, bodies: Mapping[str, str]) -> int:
        return self._connection.write(lambda tx: journals.reword(tx, self.namespace, journal, bodies))

    def scrub(self) -> None:
        """Nothing to do: a server's transaction logs are its own, and end by its own settings."""
