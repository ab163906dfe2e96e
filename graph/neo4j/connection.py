"""The connection to a Neo4j server: one driver a store, short transactions, and errors that say what to do.

A transaction that fails for a passing reason (a deadlock, a leader that moved, a server that restarts, a connection cut
before the commit was sent) is tried again for `patience` seconds. One whose commit was sent and not acknowledged is
not: whoever asked for it is told, and may ask again, since every write of the contract can be repeated.

Nothing is waited for without end. The server gives a transaction so many seconds, and the caller waits a little longer
(see `graph.neo4j.waiting`). Meanwhile the server's door is knocked at: one that opens no more is given up after
`patience` seconds.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import neo4j
from neo4j import exceptions as failures

from graph.errors import RingfenceError, StoreProblem
from graph.neo4j.problems import RESTART, away, late, problem
from graph.neo4j.waiting import Threads, Tries
from graph.neo4j.way import Way

OLDEST = (5, 26)
PATIENCE: Final = 60.0
"""Seconds for which a server that is away is waited for, unless told otherwise: one that restarts takes 5 to 20."""
OPEN_SECONDS: Final = 20.0
"""For the first words with a server; nothing is tried again."""
READ_SECONDS = 120.0
WRITE_SECONDS = 300.0
ALONE_SECONDS = 3600.0
"""For a statement that goes through whole tables; half a million orders take ten seconds."""
SCHEMA_SECONDS = 30.0
"""For one constraint or index, and a second more for every `SCHEMA_NODES` nodes that are there already."""
SCHEMA_NODES: Final = 10_000
_GRACE = 5.0
"""Seconds that the caller waits longer, so that the server's own word comes first."""
_KNOCKS: Final = 4
"""How often in `patience` seconds the server's door is knocked at."""
_REFUSED_SECONDS: Final = 1.0
"""How long nobody tries again once the server was found to be away."""
_MAKES: Final = re.compile(r"CREATE (CONSTRAINT|INDEX) (\w+)")
_PAUSES: Final = (0.1, 0.3, 1.0, 3.0)
"""In these another may finish the constraint whose index is there already."""

Result = TypeVar("Result")


class Connection:
    """A driver and what is known of its server. `where` is the URL without its password."""

    def __init__(self, url: str, *, where: str, readonly: bool = False, ca: str = "") -> None:
        """Connects at once. Raises `StoreProblem`."""
        self.where, self.readonly = where, readonly
        self.patience = PATIENCE
        """Seconds; may be changed at any time."""
        # the driver's own warnings repeat what is told here, and notifications are about queries that we wrote
        logging.getLogger("neo4j").setLevel(logging.CRITICAL)
        self._way = Way.of(url, where=where, ca=ca)
        self._threads, self._lock = Threads("neo4j-wait"), threading.Lock()
        self._closed, self._refused_until = False, 0.0
        self._driver = self._way.driver(OPEN_SECONDS)
        try:
            self.version = self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> str:
        def ask() -> tuple[str, str]:
            info = self._driver.get_server_info()
            (record,), _, _ = self._driver.execute_query(
                "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0]",
                database_=self._way.database,
                routing_=neo4j.RoutingControl.READ,
            )
            return str(record[0]), str(info.agent)

        with self._told():
            pending = self._threads.begin(ask)
            if not pending.wait(OPEN_SECONDS + _GRACE):
                raise away(self.where)
            try:
                version, agent = pending.result()
            except failures.ServiceUnavailable as error:
                # who asks for the way is told only that nobody knew it; the server itself says why
                raise self._way.tried(OPEN_SECONDS) or error  # noqa: B904  its own cause is what is told
        found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if found < OLDEST:
            raise StoreProblem(
                f"the server is Neo4j {version} ({agent})", where=self.where, do="use Neo4j 5.26 or later"
            )
        return version

    def close(self) -> None:
        """Let go of the driver. Idempotent."""
        if not self._closed:
            self._closed = True
            # a server that listens no more keeps nobody waiting for its farewell
            self._threads.begin(self._driver.close).wait(_GRACE)
            self._threads.end()

    # -- what is asked -------------------------------------------------------------------------------------------------

    def read(self, work: Callable[[Any], Result]) -> Result:
        """Run `work` in one read transaction, of at most `READ_SECONDS`."""
        timed = neo4j.unit_of_work(timeout=READ_SECONDS)(work)

        def once() -> Result:
            with self._session(neo4j.READ_ACCESS) as session:
                return session.execute_read(timed)

        with self._told():
            return self._answered(once, READ_SECONDS, "answer")

    def write(self, work: Callable[[Any], Result]) -> Result:
        """Run `work` in one write transaction, of at most `WRITE_SECONDS`; it may be run again, so it changes nothing
        but the graph."""
        timed = neo4j.unit_of_work(timeout=WRITE_SECONDS)(work)

        def once() -> Result:
            with self._session(neo4j.WRITE_ACCESS) as session:
                return session.execute_write(timed)

        with self._told(writing=True):
            return self._answered(once, WRITE_SECONDS, "make a change")

    def alone(self, query: str, **parameters: Any) -> None:
        """Run one statement that can be repeated outside a transaction of ours: CALL {} IN TRANSACTIONS."""
        with self._told(writing=True):
            self._persist(query, parameters, ALONE_SECONDS, "end a statement")

    def schema(self, queries: Sequence[str]) -> None:
        """Make constraints and indexes where they are missing, and wait until they can be used."""
        named = [(query, *found.groups()) for query in queries if (found := _MAKES.match(query))]
        assert len(named) == len(queries)  # nothing else is asked for
        with self._told(writing=True):
            seconds = SCHEMA_SECONDS + self._nodes() / SCHEMA_NODES
            for query, kind, name in named:
                self._make(query, kind, name, seconds)
            self._await([name for _, kind, name in named if kind == "INDEX"], seconds)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _nodes(self) -> int:
        def once() -> int:
            with self._session(neo4j.READ_ACCESS) as session:
                return session.execute_read(lambda tx: int(tx.run("MATCH (n) RETURN count(n)").single(strict=True)[0]))

        return self._answered(once, READ_SECONDS, "count its nodes")

    def _make(self, query: str, kind: str, name: str, seconds: float) -> None:
        what = f"make the {kind.lower()} {name}"
        for pause in (*_PAUSES, None):
            try:
                return self._persist(query, {}, seconds, what, do=RESTART)
            except failures.ClientError as error:
                # two that make the same at once: IF NOT EXISTS was asked before the other had it
                if "AlreadyExists" not in str(error.code):
                    raise
                if "IndexWithNameAlreadyExists" not in str(error.code):
                    return None
            if pause is None:
                # no other is at it: a disk that was full left the index of a constraint without the constraint
                self._persist(f"DROP INDEX {name} IF EXISTS", {}, seconds, what, do=RESTART)
                return self._persist(query, {}, seconds, what, do=RESTART)
            time.sleep(pause)
        return None

    def _await(self, names: list[str], seconds: float) -> None:
        what = "fill its indexes"
        query = "UNWIND $names AS name CALL db.awaitIndex(name, $seconds) RETURN count(*)"
        try:
            if names:
                self._persist(query, {"names": names, "seconds": int(seconds)}, seconds, what, do=RESTART)
        except failures.ClientError as error:
            if "Procedure" in str(error.code):
                raise late(what, seconds, self.where, do=RESTART) from None
            raise

    def _persist(self, query: str, given: dict[str, Any], seconds: float, what: str, *, do: str = "") -> None:
        timed = neo4j.Query(query, timeout=seconds)

        def once() -> None:
            with self._session(neo4j.WRITE_ACCESS) as session:
                session.run(timed, given).consume()

        self._answered(once, seconds, what, do=do)

    def _session(self, access: str) -> neo4j.Session:
        return self._driver.session(database=self._way.database, default_access_mode=access)

    def _answered(self, once: Callable[[], Result], seconds: float, what: str, *, do: str = "") -> Result:
        """What `once` returns, tried again while that may help. Raises `StoreProblem` when the server does not `what`
        within so many seconds or is away, and what the driver raises."""
        if time.monotonic() < self._refused_until:
            raise away(self.where)
        tries = Tries(once, self.patience)
        pending = self._threads.begin(tries)
        heard = time.monotonic()
        step = self.patience / _KNOCKS
        knock = heard + step
        while not pending.wait(min(knock - time.monotonic(), seconds + _GRACE - tries.lasted())):
            if tries.lasted() >= seconds + _GRACE:
                self._give_up(tries)
                raise late(what, seconds, self.where, do=do)
            if time.monotonic() >= knock:
                if self._opens(step):
                    heard = time.monotonic()
                elif time.monotonic() - heard >= self.patience:
                    self._give_up(tries)
                    self._refuse()
                    raise away(self.where)
                knock = time.monotonic() + step
        try:
            return pending.result()
        except (failures.ServiceUnavailable, failures.SessionExpired) as error:
            if error.is_retryable():
                self._refuse()
            raise

    def _opens(self, seconds: float) -> bool:
        pending = self._threads.begin(lambda: self._way.opens(seconds))
        return pending.wait(seconds) and pending.result()

    def _refuse(self) -> None:
        self._refused_until = time.monotonic() + _REFUSED_SECONDS

    def _give_up(self, tries: Tries[Any]) -> None:
        """Leave behind what does not come to an end, and every connection with it: the server ends what hangs on one
        when that is cut. Others that are under way try again over new ones."""
        tries.over = True
        with self._lock:
            old, self._driver = self._driver, self._way.driver(OPEN_SECONDS)
        self._threads.begin(old.close)

    @contextlib.contextmanager
    def _told(self, *, writing: bool = False) -> Iterator[None]:
        if self._closed:
            raise StoreProblem("the store is closed", where=self.where)
        if writing and self.readonly:
            raise StoreProblem("the store was opened for reading only", where=self.where)
        try:
            yield
        except RingfenceError:
            raise
        except (failures.Neo4jError, failures.DriverError) as error:
            raise problem(error, self.where) from None
