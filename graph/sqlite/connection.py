"""Connections to the SQLite file: how it is opened, transactions, and SQLite's errors in words a person can act on."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from graph.errors import StoreProblem
from graph.sqlite.ddl import Migration, check_ours, check_version, migrate, stored_version

BUSY_SECONDS = 60.0
_PAGE = 16384

_CAUSES = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space; what was stored before is unharmed"),
    sqlite3.SQLITE_READONLY: ("the store can't be written", "make the file and its folder writable"),
    sqlite3.SQLITE_CANTOPEN: ("the store can't be opened", "check that the folder exists and is writable"),
    sqlite3.SQLITE_PERM: ("the store can't be opened", "check the file's permissions"),
    sqlite3.SQLITE_CORRUPT: ("the store is damaged", "restore it from a copy, or load into a new file"),
    sqlite3.SQLITE_NOTADB: ("this file is not a store", "name another file"),
    sqlite3.SQLITE_IOERR: ("reading or writing the store failed", "check the disk"),
    sqlite3.SQLITE_BUSY: ("another process kept the store locked", "try again when it is done"),
    sqlite3.SQLITE_LOCKED: ("another thread kept the store locked", "try again"),
    sqlite3.SQLITE_NOMEM: ("memory ran out", "free some memory"),
    sqlite3.SQLITE_TOOBIG: ("a batch is too big for the store", "write smaller batches"),
}


class Connection(sqlite3.Connection):
    """A connection that can be weakly referred to, so that one that its thread left behind is let go."""


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn SQLite's errors into `StoreProblem`; programming errors pass."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        if "closed" in str(error):
            raise StoreProblem("the store is closed", where=where, do="open it again") from error
        raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or (code & 0xFF) not in _CAUSES:
            raise
        what, do = _CAUSES[code & 0xFF]
        raise StoreProblem(f"{what} ({error})", where=where, do=do) from error


def _within(connection: sqlite3.Connection) -> bool:
    """Whether a transaction is open now."""
    return connection.in_transaction


class Connections:
    """One connection a thread, opened when it is first asked for; and one writer at a time within the process.

    SQLite's own lock works between processes by sleeping and trying again; the lock here spares threads that."""

    def __init__(
        self,
        path: Path,
        where: str,
        *,
        create: bool,
        readonly: bool,
        migrations: Sequence[Migration],
        max_bytes: int | None,
    ) -> None:
        self.path, self.where, self.readonly = path, where, readonly
        self._max_bytes = max_bytes
        self._closed = False
        self._reset()
        with explained(where):
            self._prepare(create, migrations)

    def _reset(self) -> None:
        # SQLite forbids a forked child even to close what its parent opened, so those are kept and left alone
        self._inherited: list[Connection] = [*getattr(self, "_inherited", ()), *getattr(self, "_open", ())]
        self._pid = os.getpid()
        self._local = threading.local()
        self._open: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._writing = threading.RLock()

    def _prepare(self, create: bool, migrations: Sequence[Migration]) -> None:
        path = self.path
        if path.is_dir():
            raise StoreProblem("this is a folder, not a file", where=self.where, do="name a file in it")
        if not path.exists():
            if self.readonly or not create:
                raise StoreProblem("there is no store", where=self.where, do="load something first, or check the URL")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # what is kept about people is for the owner's eyes
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                raise StoreProblem(
                    f"the store can't be made ({error.strerror})", where=self.where, do="choose a writable folder"
                ) from error
        if not self.readonly and not os.access(path, os.W_OK):
            what, do = _CAUSES[sqlite3.SQLITE_READONLY]
            raise StoreProblem(what, where=self.where, do=do)
        connection = self.fresh(quick=True)
        try:
            if self.readonly:
                check_ours(connection, self.where)
                check_version(stored_version(connection), migrations[-1].to, self.where)
                if stored_version(connection) < migrations[-1].to:
                    raise StoreProblem(
                        "the store is of an older version and opened for reading only",
                        where=self.where,
                        do="open it once for writing",
                    )
                return
            check_ours(connection, self.where)
            version = stored_version(connection)
            check_version(version, migrations[-1].to, self.where)
            self._enter_wal(connection)
            if version < migrations[-1].to:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    migrate(connection, migrations, self.where)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        finally:
            connection.close()

    def _enter_wal(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            # the switch doesn't wait for other openers by itself
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if (error.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
                continue
            if mode != "wal":
                raise StoreProblem("the file system can't hold a store", where=self.where, do="use a local disk")
            return

    def fresh(self, *, quick: bool = False) -> Connection:
        """A connection of its own, that the caller closes. `quick` leaves the cache at SQLite's default."""
        if self._closed:
            raise StoreProblem("the store is closed", where=self.where, do="open it again")
        mode = "ro" if self.readonly else "rw"
        if self.readonly and not self._can_share():
            mode = "ro&immutable=1"
        connection = sqlite3.connect(
            f"file:{quote(str(self.path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=Connection,
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        if not quick:
            connection.execute("PRAGMA cache_size = -16000")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        if self._max_bytes is not None:
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // size)}")
        return connection

    def _can_share(self) -> bool:
        # a reader of a WAL file needs the shared-memory file; on a read-only medium the file can be read as it lies
        # unless a log beside it holds more
        log = Path(f"{self.path}-wal")
        if log.exists() and log.stat().st_size:
            return True
        return os.access(self.path.parent, os.W_OK)

    def get(self) -> Connection:
        """This thread's connection."""
        if self._pid != os.getpid():
            self._reset()
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._closed:
            connection = self.fresh()
            self._local.connection = connection
            self._open.add(connection)
        return connection

    def read(self) -> Transaction:
        """A transaction in which every statement sees the same state; within one that is open, that one."""
        return Transaction(self, "BEGIN", None)

    def write(self) -> Transaction:
        """A write transaction, held from the start; undone where the body raises."""
        if self.readonly:
            raise StoreProblem("the store is open for reading only", where=self.where, do="open it for writing")
        return Transaction(self, "BEGIN IMMEDIATE", self._writing)

    @property
    def writer(self) -> Transaction | None:
        """The write transaction that this thread has begun and not ended."""
        return getattr(self._local, "writer", None)

    @writer.setter
    def writer(self, transaction: Transaction | None) -> None:
        self._local.writer = transaction

    def end_left_open(self) -> None:
        """Undo a write transaction of this thread whose end never ran: an interrupt may come on the very way into it.
        Write transactions are never nested, so what is open when another begins was left."""
        left = self.writer
        if left is not None:
            left.abandon()

    def close(self) -> None:
        """Close every thread's connection."""
        self._closed = True
        for connection in list(self._open):
            connection.close()
        self._open.clear()


class Transaction:
    """A transaction of this thread's connection for the body of a `with`. One that holds `lock` writes.

    It is no generator: an interrupt between a generator's `yield` and the body would leave the transaction open and the
    lock taken."""

    def __init__(self, connections: Connections, begin: str, lock: threading.RLock | None) -> None:
        self._connections, self._begin, self._lock = connections, begin, lock
        self._connection: Connection | None = None
        self._locked = False

    def __enter__(self) -> Connection:
        try:
            with explained(self._connections.where):
                connection = self._connections.get()
                if self._lock is None and _within(connection):
                    return connection
                if self._lock is not None:
                    self._connections.end_left_open()
                    self._locked = True
                    self._lock.acquire()
                    self._connections.writer = self
                self._connection = connection
                connection.execute(self._begin)
                return connection
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._end("ROLLBACK")
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # an interrupt may come at any call below, and leaves nothing open either
        try:
            with explained(self._connections.where):
                self._end("COMMIT" if error is None or self._lock is None else "ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise error
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._end("ROLLBACK")
            raise

    def abandon(self) -> None:
        """Undo what an interrupt left open."""
        with contextlib.suppress(sqlite3.Error):
            self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        """End what was begun here and give the lock back; what was ended already stays as it is."""
        connection = self._connection
        try:
            # a full disk may have undone it already
            if connection is not None and _within(connection):
                connection.execute(how)
            self._connection = None
            if self._connections.writer is self:
                self._connections.writer = None
        finally:
            if self._locked and self._lock is not None:
                # an interrupt may have come before it was taken
                with contextlib.suppress(RuntimeError):
                    self._lock.release()
                self._locked = False
