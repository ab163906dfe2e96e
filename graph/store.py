"""The store contract: everything that Ringfence asks of a place that keeps the graph.

Batches go in and columns come out (pyarrow tables), so that a server a network away can hold it as well as a file.
Nothing here assumes SQL, a local file or cheap round trips. `tests/conformance` is the contract in executable form;
every implementation passes it unchanged.

Rules that every implementation keeps:

- A store is opened for one namespace; nothing of another namespace is ever seen.
- Every write under a lease checks the lease's fencing number in the same transaction and raises `LeaseLost` where
  another holder has taken over.
- Readers see finished loads and the published run only. `finish_load` and `publish` are one atomic switch each.
- Rows come back sorted by id in code-point order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from graph.reserving import Act, Outcome


@dataclass(frozen=True)
class Lease:
    """The right to write: `name` is what is held (`load`, `run`), `fence` grows with every new holder."""

    name: str
    holder: str
    fence: int
    expires_at: int


@dataclass(frozen=True)
class Head:
    """What readers see: the last finished load (0 before any) and the published run (None before any)."""

    load: int
    run: str | None


@dataclass(frozen=True)
class LoadRecord:
    """One load: `state` is `running`, `finished` or `swept`; `report` is its JSON report, empty until finished."""

    load: int
    state: Literal["running", "finished", "swept"]
    started_at: int
    finished_at: int | None
    source: str
    report: str


@dataclass(frozen=True)
class RunRecord:
    """One detection run. `state`: `building`, `complete` (never published), `held`, `published` (is or was published).
    `stats` is JSON. Instants are UTC microseconds."""

    run_id: str
    state: Literal["building", "complete", "held", "published"]
    as_of: int
    known_by: int
    policy: str
    policy_digest: str
    version: str
    snapshot_digest: str
    parent: str | None
    started_at: int
    finished_at: int | None
    published_at: int | None
    held_reason: str
    stats: str


@dataclass(frozen=True)
class Take:
    """Outcome of `Store.take`: whether it was granted, and what remains of the cap after it."""

    granted: bool
    remaining: int


@dataclass(frozen=True)
class Check:
    """One thing that `Store.check` looked at: what was `found`, and what to `do` where that isn't well."""

    name: str
    state: Literal["ok", "warning", "problem"]
    found: str
    do: str = ""


class Store(ABC):
    """A place that keeps the graph of one namespace. See the module's docstring for the rules."""

    url: str
    """Where it is, without passwords: safe to show and to log."""
    namespace: str

    # -- the store itself --------------------------------------------------------------------------------------

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. Idempotent."""

    @abstractmethod
    def meta(self) -> Mapping[str, str]:
        """Facts about the store: `schema_version`, `key_fingerprint` (absent until claimed), and others set."""

    @abstractmethod
    def claim_key(self, fingerprint: str) -> None:
        """Bind the namespace to a pseudonymisation key: the first caller sets it, later ones must match.

        Raises `KeyProblem` for another key, before anything is written."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Counts of visible rows per table, size and version, for status pages."""

    @abstractmethod
    def check(self) -> list[Check]:
        """What can be found out about the store's health without changing it: `version`, `rights` (tried by a change
        that is undone), `constraints`, `leases`, `clock`, `space` (where it can be known), and more where a store has
        more to tell."""

    # -- leases ------------------------------------------------------------------------------------------------

    @abstractmethod
    def acquire(self, name: str, holder: str, *, ttl: float = 30.0) -> Lease:
        """Take the lease, or raise `LeaseHeld` naming who holds it and until when. An expired lease is taken over."""

    @abstractmethod
    def beat(self, lease: Lease, *, ttl: float = 30.0) -> Lease:
        """Extend the lease. Raises `LeaseLost` where another has taken over."""

    @abstractmethod
    def release(self, lease: Lease) -> None:
        """Give it back. No error where it was lost already."""

    # -- loads -------------------------------------------------------------------------------------------------

    @abstractmethod
    def begin_load(self, lease: Lease, *, source: str, at: int) -> int:
        """Sweep what unfinished loads left, and open the next load number (1, 2, …). Numbers are never used twice."""

    @abstractmethod
    def current(self, table: str, ids: Sequence[str], *, load: int) -> pa.Table:
        """What is known of these ids, for deciding what a batch changes.

        Columns (`graph.columns.CURRENT`): id, since (load number), digest (int64), updated_at (nullable int64),
        conflict (bool: this load has marked the id), file (int32) and line (int64) of the row. For each id at most two
        rows: the version readers see, and the one written by `load` itself. A marked id of which this load wrote
        nothing has a row too, with since = load and nulls for what is not known."""

    @abstractmethod
    def write(self, lease: Lease, load: int, table: str, rows: pa.Table, *, conflicts: Sequence[str] = ()) -> None:
        """Write one batch in one short transaction.

        `rows`: the table's declared columns plus digest (int64), updated_at (nullable int64), file (int32, index into
        the load's files), line (int64). A row of an id that this load wrote before replaces it. Ids in `conflicts`
        are marked so that this load changes nothing about them. Repeating the call changes nothing. For `identifiers`
        only the declared columns are given, and ids already present are left as they are."""

    @abstractmethod
    def finish_load(self, lease: Lease, load: int, *, report: str, at: int) -> None:
        """Atomically make the load's rows the ones that readers see."""

    @abstractmethod
    def loads(self) -> list[LoadRecord]:
        """All loads, oldest first."""

    @abstractmethod
    def quarantine(self, lease: Lease, load: int, rows: pa.Table) -> None:
        """Record rejected rows: columns table, file, line, column, value (masked where personal), rule, action."""

    @abstractmethod
    def quarantined(self, *, load: int | None = None, after: int = 0, limit: int = 1000) -> pa.Table:
        """Rejected rows of one finished load or of all, with `seq` (int64, ascending) and `load`."""

    @abstractmethod
    def release_quarantine(self, lease: Lease, seqs: Sequence[int]) -> None:
        """Drop entries whose rows have been taken up by a retry."""

    @abstractmethod
    def forget(self, lease: Lease, buyer_id: str) -> Mapping[str, int]:
        """Erase the buyer's identifiers in every version (orders, uses, pictures, parcels, notes) and the identifiers
        that nobody else uses. Returns how many of each were erased."""

    # -- reading what the platform exported -----------------------------------------------------------------------

    @abstractmethod
    def head(self) -> Head:
        """What readers see now. Cheap enough for every request."""

    @abstractmethod
    def scan(
        self,
        table: str,
        columns: Sequence[str],
        *,
        known_by: int | None = None,
        batch: int = 65_536,
        begins: Sequence[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        """All rows visible at load `known_by` (default: the last finished one), sorted by id; where `begins` are given,
        those whose id begins with one of them, of which none begins with another. The state is fixed when the first
        batch is asked for."""

    @abstractmethod
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
        """Visible rows whose id or indexed `column` is one of `values`, sorted by id, those after id `after` only.
        `columns` default to all declared ones."""

    # -- runs --------------------------------------------------------------------------------------------------

    @abstractmethod
    def begin_run(self, lease: Lease, run: RunRecord) -> None:
        """Open a run in state `building`; sweeps unfinished runs. Repeating a run id replaces it unless published."""

    @abstractmethod
    def write_run(self, lease: Lease, run_id: str, table: str, rows: pa.Table) -> None:
        """Add rows to a building run. Columns as declared."""

    @abstractmethod
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
        """Close the run: it is whole, and not yet published."""

    @abstractmethod
    def publish(self, lease: Lease, run_id: str, *, at: int) -> None:
        """Atomically make this run the one that readers see. Earlier runs stay readable; also used to roll back."""

    @abstractmethod
    def drop_runs(self, lease: Lease, run_ids: Sequence[str]) -> None:
        """Forget old runs. The published one is refused with `StoreProblem`."""

    @abstractmethod
    def runs(self) -> list[RunRecord]:
        """All whole runs, by `started_at` then id."""

    @abstractmethod
    def run_rows(self, run_id: str, table: str, *, columns: Sequence[str] = ()) -> pa.Table:
        """All rows of a whole run, sorted by id."""

    # -- counters ----------------------------------------------------------------------------------------------

    @abstractmethod
    def take(self, key: str, window: str, amount: int, cap: int, order_id: str, *, now: int, expires_at: int) -> Take:
        """Atomically take `amount` of what `cap` leaves for (key, window), once per order id.

        Exact under any concurrency: the sum of live takes never passes `cap`. The same order id again answers as the
        first time and takes nothing more. Takes end at `expires_at` or by `give_back`."""

    @abstractmethod
    def give_back(self, key: str, window: str, order_id: str) -> bool:
        """Release a take; False where there was none."""

    @abstractmethod
    def taken(
        self, keys: Sequence[tuple[str, str]], *, now: int, loaded: Sequence[Collection[str]] | None = None
    ) -> list[int]:
        """Live sums for (key, window) pairs, in the order asked; of each pair the orders in its entry of `loaded` are
        left out."""

    @abstractmethod
    def reserve(self, acts: Sequence[Act], *, now: int) -> list[Outcome]:
        """Reserve, confirm and release, one act after the other, in one transaction; see `graph.reserving`.

        All parts of a reservation are taken or none. Exact under any concurrency: the sum of live takes never passes a
        part's cap. Repeating an act changes nothing more."""

    @abstractmethod
    def sweep_reservations(self, *, now: int, limit: int = 1000) -> int:
        """Drop up to `limit` records of reservations whose `keep_until` has come, and their takes; how many."""

    @abstractmethod
    def sweep_counters(self, *, now: int, limit: int = 1000) -> int:
        """Drop up to `limit` takes that have ended at `now`, and what the store keeps of allowances that nothing is
        taken of any more; how many takes and allowances. Changes no answer: what has ended counts nowhere."""

    # -- journal -----------------------------------------------------------------------------------------------

    @abstractmethod
    def note(self, journal: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append to a journal (`audit`, `revoked_tokens`, `policies`, `seen_files`): each row has `at` (int µs),
        `id` (text, unique within the journal; a repeat is ignored) and `body` (JSON text)."""

    @abstractmethod
    def notes(self, journal: str, *, after: int = 0, limit: int = 1000) -> pa.Table:
        """Rows of a journal in the order written: seq, at, id, body."""

    @abstractmethod
    def noted(self, journal: str, ids: Sequence[str]) -> pa.Table:
        """Those rows of a journal that have one of these ids, in the order written: seq, at, id, body."""

    @abstractmethod
    def erase_notes(self, journal: str, ids: Sequence[str]) -> int:
        """Erase rows of a journal by id; how many there were. A number is never given to another row."""

    @abstractmethod
    def reword_notes(self, journal: str, bodies: Mapping[str, str]) -> int:
        """Put another body in place of that of each row named by id; how many there were. Meant for one thing alone:
        taking a person's words out of rows that have to stay."""

    @abstractmethod
    def scrub(self) -> None:
        """Overwrite what erased rows left behind in logs, as far as the store can. Raises `StoreProblem` where a reader
        still holds an earlier state."""
