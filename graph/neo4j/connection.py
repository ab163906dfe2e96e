"""The connection to a Neo4j server: one driver a store, short transactions, and errors that say what to do.

A transaction that fails for a passing reason (a deadlock, a leader that moved, a connection cut before the commit was
sent) is tried again by the driver. One whose commit was sent and not acknowledged is not: whoever asked for it is told,
and may ask again, since every write of the contract can be repeated.
"""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import neo4j
from neo4j import exceptions as failures

from graph.errors import RingfenceError, StoreProblem

OLDEST = (5, 26)
RETRY_SECONDS = 20.0

Result = TypeVar("Result")


class Connection:
    """A driver and what is known of its server. `where` is the URL without its password."""

    def __init__(self, url: str, *, where: str, readonly: bool = False, ca: str = "") -> None:
        """Connects at once. Raises `StoreProblem`."""
        self.where, self.readonly = where, readonly
        parts = _parsed(url, where)
        # the driver's own warnings repeat what is told here, and notifications are about queries that we wrote
        logging.getLogger("neo4j").setLevel(logging.CRITICAL)
        self._database = parts["database"]
        self._closed = False
        try:
            trust: dict[str, Any] = {}
            if ca:
                trust = {"encrypted": True, "ssl_context": ssl.create_default_context(cafile=ca)}
            self._driver = neo4j.GraphDatabase.driver(
                parts["uri"],
                auth=(parts["user"], parts["password"]) if parts["user"] else None,
                max_connection_pool_size=64,
                connection_acquisition_timeout=60,
                connection_timeout=10,
                max_transaction_retry_time=RETRY_SECONDS,
                notifications_min_severity="OFF",
                user_agent="ringfence",
                **trust,
            )
        except (failures.DriverError, ValueError, OSError) as error:
            what = f"the URL or its certificates do not hold ({type(error).__name__})"
            raise StoreProblem(what, where=where) from None
        try:
            self.version = self._check()
        except BaseException:
            self._driver.close()
            raise

    def _check(self) -> str:
        with self._told():
            info = self._driver.get_server_info()
            (record,), _, _ = self._driver.execute_query(
                "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0]",
                database_=self._database,
                routing_=neo4j.RoutingControl.READ,
            )
        version = str(record[0])
        found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if found < OLDEST:
            raise StoreProblem(
                f"the server is Neo4j {version} ({info.agent})", where=self.where, do="use Neo4j 5.26 or later"
            )
        return version

    def close(self) -> None:
        """Let go of the driver. Idempotent."""
        if not self._closed:
            self._closed = True
            self._driver.close()

    def read(self, work: Callable[[Any], Result]) -> Result:
        """Run `work` in one read transaction."""
        with self._told(), self._session(neo4j.READ_ACCESS) as session:
            return session.execute_read(work)

    def write(self, work: Callable[[Any], Result]) -> Result:
        """Run `work` in one write transaction; it may be run again, so it changes nothing but the graph."""
        if self.readonly:
            raise StoreProblem("the store was opened for reading only", where=self.where)
        with self._told(), self._session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(work)

    def alone(self, query: str, **parameters: Any) -> None:
        """Run one statement that can be repeated outside a transaction of ours: CALL {} IN TRANSACTIONS."""
        if self.readonly:
            raise StoreProblem("the store was opened for reading only", where=self.where)
        with self._told():
            self._persist(query, parameters)

    def schema(self, queries: Sequence[str]) -> None:
        """Make constraints and indexes where they are missing, and wait until they can be used."""
        if self.readonly:
            raise StoreProblem("the store was opened for reading only", where=self.where)
        with self._told():
            for query in [*queries, "CALL db.awaitIndexes(600)"]:
                try:
                    self._persist(query, {})
                except failures.ClientError as error:
                    # two that make the same at once: IF NOT EXISTS was asked before the other had it
                    if "AlreadyExists" not in str(error.code):
                        raise

    def _persist(self, query: str, parameters: dict[str, Any]) -> None:
        for pause in (0.1, 0.3, 1.0, 3.0, None):
            try:
                with self._session(neo4j.WRITE_ACCESS) as session:
                    session.run(query, parameters).consume()
                return
            except failures.Neo4jError as error:
                if pause is None or not error.is_retryable():
                    raise
                time.sleep(pause)

    def _session(self, access: str) -> neo4j.Session:
        return self._driver.session(database=self._database, default_access_mode=access)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        if self._closed:
            raise StoreProblem("the store is closed", where=self.where)
        try:
            yield
        except RingfenceError:
            raise
        except (failures.Neo4jError, failures.DriverError) as error:
            raise _problem(error, self.where) from None


def _parsed(url: str, where: str) -> dict[str, str]:
    unread = StoreProblem("the URL can't be read", where=where, do="give neo4j://user:password@host:port/database")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise unread from None
    if not parts.hostname or parse_qs(parts.query) or parts.fragment:
        raise unread
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return {
        "uri": f"{parts.scheme}://{host}:{port or 7687}",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.strip("/")) or "neo4j",
    }


def _problem(error: Exception, where: str) -> StoreProblem:
    """What a driver's error means to a person. Its own text may repeat values, so only its code is shown."""
    code = str(getattr(error, "code", "") or "")
    if isinstance(error, failures.AuthError) or "Security" in code:
        if "Forbidden" in code:
            return StoreProblem("the user may not do this", where=where, do="see docs/neo4j.md for the rights it needs")
        return StoreProblem("the server refuses user or password", where=where, do="check both")
    if isinstance(error, failures.IncompleteCommit):
        return StoreProblem(
            "the connection was lost while a change was being confirmed", where=where, do="run the command again"
        )
    if "DatabaseNotFound" in code:
        return StoreProblem("the server has no database of that name", where=where, do="create it, or name another")
    if "ReadOnly" in code or "AccessMode" in code or "ForbiddenOnReadOnlyDatabase" in code:
        return StoreProblem("the database is read-only", where=where, do="open it for writing and try again")
    if "MemoryPoolOutOfMemory" in code or "OutOfMemory" in code or "TransactionMemory" in code:
        return StoreProblem("the server's transaction memory is used up", where=where, do="give it more, and try again")
    if isinstance(error, failures.ServiceUnavailable | failures.SessionExpired | failures.ConfigurationError):
        return StoreProblem("the server does not answer", where=where, do="check that it runs, and the host and port")
    return StoreProblem(f"the server reports {code or type(error).__name__}", where=where, do="see the server's log")
