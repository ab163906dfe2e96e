"""What the tests against a real Neo4j share: a desk whose store is on the server, and a proxy that spoils the way."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import neo4j
import pytest

from graph.open import open_store
from graph.store import Store
from scripts.neo4j_server import Server
from tests.faults.support import Desk
from tests.require import KEPT_PLANS

MAX_WAIT = 60.0
HARMED: Final = {
    **KEPT_PLANS,
    # small loads pass, a batch of 5,000 rows does not: no restart to try it
    "db.memory.transaction.max": "32m",
    # a wrong password locks nobody out
    "dbms.security.auth_max_failed_attempts": "0",
    # with a full disk Neo4j may write a broken end to its log, and does not start with it otherwise
    "internal.dbms.tx_log.fail_on_corrupted_log_files": "false",
}
"""Settings of the server that may be harmed."""


@dataclass(frozen=True)
class ServerDesk(Desk):
    """A desk whose store is a namespace on a Neo4j server. `at` is the store URL."""

    at: str = ""
    namespace: str = "default"

    @property
    def url(self) -> str:
        return self.at

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, "RINGFENCE_NAMESPACE": self.namespace}

    def opened(self) -> Store:
        return open_store(self.url, namespace=self.namespace, create=False)

    def through(self, port: int) -> ServerDesk:
        """The same desk, reached by another port: no routing, which would name the server's own."""
        login = self.at.partition("://")[2].rpartition("@")[0]
        return replace(self, at=f"bolt://{login}@127.0.0.1:{port}/neo4j")

    @property
    def port(self) -> int:
        """Where the server listens."""
        return int(self.at.rpartition(":")[2].partition("/")[0])

    def copy(self, folder: Path) -> Desk:
        raise NotImplementedError("a namespace on a server is filled anew, not copied")

    def held(self, lease: str) -> bool:
        """Whether somebody holds that lease now."""
        store = open_store(self.at, namespace=self.namespace, create=False, readonly=True)
        try:
            return any(f"{lease}: " in one.found for one in store.check() if one.name == "leases")
        finally:
            store.close()


def sample(whole: Sequence[int], kept: Collection[int]) -> list[Any]:
    """Parameters of a test: those that are kept in every run, the others by `make soak`."""
    return [pytest.param(one, marks=() if one in kept else pytest.mark.soak) for one in whole]


def as_set_up(server: Server) -> Server:
    """The server that may be harmed, running and with its own settings again."""
    if server.pid is None or server.settings != HARMED:
        server.settings = dict(HARMED)
        server.restart()
    return server


def wipe(server: Server, namespace: str) -> None:
    """Take everything of a namespace off the server."""
    with server.driver() as driver, driver.session() as session:
        query = "MATCH (n {ns: $ns}) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS"
        session.run(query, ns=namespace).consume()


def end_leases(server: Server, namespace: str) -> None:
    """Let the time pass after which the leases of a dead process end."""
    with server.driver() as driver:
        driver.execute_query("MATCH (l:Lease {ns: $ns}) SET l.expires_at = 1", ns=namespace)


def lease_taken(driver: neo4j.Driver, namespace: str, lease: str) -> bool:
    """Whether the lease is held, asked over a connection that is open already."""
    query = "MATCH (l:Lease {ns: $ns, name: $name}) WHERE l.holder IS NOT NULL AND l.expires_at > 1 RETURN count(l)"
    return bool(driver.execute_query(query, ns=namespace, name=lease).records[0][0])


@dataclass
class Proxy:
    """Passes bytes between clients on `port` and a server on `to`, both on the loopback, and spoils what it is told to.

    `delay`: seconds before each piece. `halve`: pieces are sent in two halves. `cut_after`: connections end in the
    middle after about so many bytes to the server, drawn with `seed`; None for never. `away`: connections are refused.
    `stall`: nothing gets through, and nobody is told. `heard`: what clients sent, where it is kept.
    """

    to: int
    delay: float = 0.0
    halve: bool = False
    cut_after: int | None = None
    away: bool = False
    stall: bool = False
    heard: bytearray | None = None
    seed: int = 0
    cuts: int = 0
    port: int = 0
    _listener: socket.socket = field(init=False)
    _open: list[socket.socket] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Proxy:
        self._draw = random.Random(self.seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Cut every connection now."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self.away:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.to))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [client, server]
            left = None if self.cut_after is None else [self._draw.randrange(1, 2 * self.cut_after)]
            threading.Thread(target=self._pump, args=(client, server, left), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, left: list[int] | None) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(16_384):
                if self.delay:
                    time.sleep(self.delay)
                while self.stall and not self._over.is_set():
                    time.sleep(0.01)
                if self.heard is not None and sink.getpeername()[1] == self.to:
                    self.heard += piece
                if left is not None:
                    # half a message has gone out already when the connection ends
                    piece, rest = piece[: left[0]], piece[left[0] :]
                    left[0] -= len(piece)
                    sink.sendall(piece)
                    if rest or not left[0]:
                        self.cuts += 1
                        break
                elif self.halve and len(piece) > 1:
                    sink.sendall(piece[: len(piece) // 2])
                    time.sleep(0.0005)
                    sink.sendall(piece[len(piece) // 2 :])
                else:
                    sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def wait_until(what: Callable[[], bool], seconds: float = MAX_WAIT) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.002)


@contextlib.contextmanager
def soon(delay: float, what: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread so many seconds after the body began; ended with the body."""
    timer = threading.Timer(delay, what)
    timer.start()
    try:
        yield
    finally:
        timer.join()
