"""Writes checked and pseudonymised batches: asks what each row changes, stores and counts.

One thread of its own writes, one batch after the other in the order given, while the next batches are being read,
checked and keyed; each batch is a few short transactions. What the loader asks of currencies is answered here too,
since it rests on the orders written.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from graph.columns import QUARANTINE
from graph.schema import BY_NAME, ID_SEPARATOR
from graph.store import Lease, Store
from graph.upsert import CONFLICT_RULE, Seen, plan
from loaders.checks import SHOWN_CHARS
from loaders.contract import Contract
from loaders.decimals import OrderCurrencies, Waiting
from loaders.pseudonyms import Keyed
from loaders.report import TableCount

QUARANTINED = "kept out; correct the source and load it again, or run `ringfence quarantine retry`"
MOST_WAITING = 1
"""Batches that may wait while one is being written: they take memory."""


@dataclass(frozen=True)
class Only:
    """Restricts a load to what a retry asks for: per file its lines (None: all of them). Rows whose id got a version
    after load `since` are left as they are, unless their `updated_at` says that they are newer."""

    lines: Mapping[str, frozenset[int] | None]
    since: int


@dataclass(frozen=True)
class Batch:
    """A batch to write: its table, the number of its file, rows read, rows that broke a rule and their entries, the
    rows that hold in the store's columns with what was met on keying them (both None where no row held), and refunds
    among them whose order was not known when they were checked."""

    contract: Contract
    file: int
    read: int
    broken_rows: int
    broken: pl.DataFrame
    keyed: Keyed | None
    rows: pl.DataFrame | None
    waiting: int


class Writer:
    """Writes the batches of one load. `files` are the names that file numbers stand for.

    `counts`, `unreadable()` and `waiting` are whole once `drain` has returned."""

    def __init__(self, store: Store, lease: Lease, load: int, files: Sequence[str], only: Only | None) -> None:
        self._store, self._lease, self._load = store, lease, load
        self._files, self._only = files, only
        self._seen: dict[str, Seen] = {}
        self._waiters = Waiting(store)
        self._thread = ThreadPoolExecutor(1, "load-writer")
        self._pending: deque[Future[None]] = deque()
        self.currencies = OrderCurrencies(store)
        self.counts: dict[str, TableCount] = {}
        self._unreadable: dict[int, Counter[str]] = defaultdict(Counter)
        self.waiting = 0

    def put(self, batch: Batch) -> None:
        """Write a batch when its turn has come. Raises what the writing of an earlier batch raised."""
        while len(self._pending) > MOST_WAITING:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._write, batch))

    def drain(self) -> None:
        """Return when all batches given are written. Raises what their writing raised."""
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """End the thread; batches not begun are dropped."""
        self._thread.shutdown(cancel_futures=True)

    def settle(self) -> int:
        """Rescale the amounts that waited for an order of this load; returns how many."""
        return self._waiters.settle(self._lease, self._load)

    def same(self, contract: Contract, file: int, rows: int, unreadable: Mapping[str, int]) -> None:
        """Count a file that is known to change nothing."""
        count = self.counts.setdefault(contract.name, TableCount())
        count.read += rows
        count.unchanged += rows
        self._unreadable[file].update(unreadable)

    def unreadable(self, files: Iterable[int] | None = None) -> dict[str, int]:
        """Values that could not be read, per `table.column`, in files of these numbers (None: in all)."""
        found: Counter[str] = Counter()
        for file in sorted(self._unreadable) if files is None else files:
            found.update(self._unreadable.get(file, {}))
        return dict(sorted(found.items()))

    def _write(self, batch: Batch) -> None:
        contract, keyed = batch.contract, batch.keyed
        count = self.counts.setdefault(contract.name, TableCount())
        count.read += batch.read
        # what Arrow keeps for later use would add up over the batches
        pa.default_memory_pool().release_unused()
        count.quarantined += batch.broken_rows
        self.waiting += batch.waiting
        name = pl.lit(self._files[batch.file]).alias("file")
        self._quarantine(contract, batch.broken.with_columns(name))
        if keyed is None or batch.rows is None:
            return
        for column, values in keyed.unreadable.items():
            self._unreadable[batch.file][f"{contract.name}.{column}"] += values
        count.quarantined += keyed.broken.height
        self._quarantine(contract, keyed.broken.with_columns(name))
        if keyed.identifiers.height:
            self._store.write(self._lease, self._load, "identifiers", keyed.identifiers.to_arrow())
        if batch.rows.height:
            self._upsert(contract, batch.rows.with_columns(pl.lit(batch.file, pl.Int32).alias("file")), count)

    def _upsert(self, contract: Contract, rows: pl.DataFrame, count: TableCount) -> None:
        """Classify a shaped batch against what is known, write what changes, record what conflicts."""
        table = BY_NAME[contract.stored]
        current = pl.from_arrow(self._store.current(table.name, rows[table.id].to_list(), load=self._load))
        assert isinstance(current, pl.DataFrame)
        if self._only:
            later = current.filter((pl.col("since") > self._only.since) & (pl.col("since") != self._load))["id"]
            stays = pl.col(table.id).is_in(later.implode()) & pl.col("updated_at").is_null()
            count.unchanged += rows.filter(stays).height
            rows = rows.filter(~stays)
        seen = self._seen.setdefault(table.name, Seen())
        planned = plan(rows, current, self._load, id_column=table.id, seen=seen)
        count.new += planned.counts.new
        count.changed += planned.counts.changed
        count.unchanged += planned.counts.unchanged
        count.quarantined += planned.counts.quarantined
        if planned.rows.height or planned.conflicts:
            written = planned.rows.to_arrow()
            self._store.write(self._lease, self._load, table.name, written, conflicts=planned.conflicts)
        if planned.quarantine.height:
            entries = planned.quarantine.select(
                pl.col("file").replace_strict(dict(enumerate(self._files)), return_dtype=pl.String),
                "line",
                pl.lit(table.id).alias("column"),
                pl.col("id")
                .str.replace_all(ID_SEPARATOR, " / ", literal=True)
                .str.slice(0, SHOWN_CHARS)
                .alias("value"),
                pl.lit(CONFLICT_RULE).alias("rule"),
            )
            self._quarantine(contract, entries)
        if contract.name == "orders":
            self.currencies.learn(rows)
            self._waiters.arrived(rows)

    def _quarantine(self, contract: Contract, entries: pl.DataFrame) -> None:
        """Record broken values: file, line, column, value, rule."""
        if entries.height:
            rows = entries.with_columns(pl.lit(contract.name).alias("table"), pl.lit(QUARANTINED).alias("action"))
            self._store.quarantine(self._lease, self._load, rows.select(QUARANTINE.names).to_arrow())
