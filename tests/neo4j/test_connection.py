"""Refusals before a store is opened, and waits that end: whatever a server or the way to it does, who asks is told in
time, and can ask again when it is over."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest

from graph.errors import StoreProblem
from graph.neo4j import Neo4jStore, connection
from graph.neo4j.connection import Connection
from graph.neo4j.model import constraints
from graph.open import CA_VARIABLE, masked_url, open_store
from scripts.neo4j_server import Server
from tests.neo4j.support import Proxy

SOON = 4.0
"""Seconds in which a wait of one second surely ends on a busy machine."""


def test_a_server_that_is_too_old_is_refused_by_name(neo4j_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OLDEST", (9999, 0))
    with pytest.raises(StoreProblem, match=r"the server is Neo4j \d+\.\d+"):
        open_store(neo4j_url)


@pytest.mark.parametrize("scheme", ["bolt", "neo4j", "bolt+s", "neo4j+ssc"])
def test_certificates_that_do_not_hold_are_refused(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("missing.pem", None), ("empty.pem", ""), ("no.pem", "no certificate")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text, "utf-8")
        monkeypatch.setenv(CA_VARIABLE, str(path))
        with pytest.raises(StoreProblem, match="its certificates do not hold") as refused:
            open_store(f"{scheme}://user:hunter2@127.0.0.1:1/neo4j")
        assert "hunter2" not in str(refused.value)


# -- waits ------------------------------------------------------------------------------------------------------------


def told(ask: Callable[[], object]) -> tuple[str, float]:
    """What an error says, and after how many seconds it came."""
    began = time.monotonic()
    with pytest.raises(StoreProblem) as problem:
        ask()
    return str(problem.value), time.monotonic() - began


@pytest.fixture
def proxy(neo4j_server: Any) -> Iterator[Proxy]:
    with Proxy(int(neo4j_server.uri.rpartition(":")[2])) as running:
        yield running


@pytest.fixture
def store(neo4j_server: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Neo4jStore]:
    """A store behind the proxy, that waits for a server that is away for a second."""
    monkeypatch.setattr(connection, "_GRACE", 0.5)
    login = f"{neo4j_server.user}:{neo4j_server.password}"
    url = f"bolt://{login}@127.0.0.1:{proxy.port}/neo4j"
    opened = open_store(url, namespace=f"waits {os.getpid()}", patience=1.0)
    assert isinstance(opened, Neo4jStore)
    yield opened
    proxy.stall = False
    opened.close()


def again(ask: Callable[[], object]) -> None:
    """Ask until there is an answer: once a server was found to be away, nobody knocks for a second."""
    end = time.monotonic() + 20
    while True:
        try:
            ask()
            return
        except StoreProblem:
            assert time.monotonic() < end, "it never came back"
            time.sleep(0.1)


def test_a_server_that_listens_and_never_speaks_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OPEN_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("bolt", "neo4j", "bolt+ssc"):
            url = f"{scheme}://user:word@127.0.0.1:{silent.getsockname()[1]}/neo4j"
            what, seconds = told(lambda url=url: open_store(url))
            assert "the server does not answer" in what
            assert seconds < SOON


def test_a_way_that_goes_silent_is_told_in_time_and_comes_back(store: Neo4jStore, proxy: Proxy) -> None:
    store.head()
    # more than any buffer on the way takes: the sender itself is stuck
    large = [{"id": "large", "at": 1, "body": "x" * 30_000_000}]
    for ask in (store.head, lambda: store.acquire("load", "me"), lambda: store.note("audit", large)):
        proxy.stall = True
        what, seconds = told(ask)
        assert "the server does not answer" in what
        assert seconds < SOON
        what, seconds = told(store.head)
        assert seconds < 0.5, "who asks right afterwards is told at once"
        proxy.stall = False
        again(store.head)
    again(lambda: store.release(store.acquire("load", "me")))


def test_a_store_is_closed_in_time_though_nobody_listens(store: Neo4jStore, proxy: Proxy) -> None:
    store.head()
    proxy.stall = True
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < SOON


def test_a_server_that_answers_others_and_not_this_is_told_apart(
    store: Neo4jStore, neo4j_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 1.0)
    monkeypatch.setattr(connection, "_GRACE", 5.0)  # the server looks every two seconds
    lease = store.acquire("load", "me")
    with (
        neo4j.GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password)) as driver,
        driver.session() as session,
        session.begin_transaction() as other,
    ):
        other.run("MATCH (l:Lease {ns: $ns}) SET l.locked = true", ns=store.namespace).consume()
        what, seconds = told(lambda: store.beat(lease))
        assert "a change that took too long" in what
        assert "SHOW TRANSACTIONS" in what
        assert seconds < 2 * SOON
        other.rollback()
    store.beat(lease)
    store.release(lease)


def test_what_the_server_itself_does_not_end_is_given_up(
    store: Neo4jStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door still opens: new connections get through, and what was asked over the old one is never answered."""
    monkeypatch.setattr(connection, "READ_SECONDS", 1.0)
    store.head()
    monkeypatch.setattr(Connection, "_opens", lambda *_: True)
    proxy.stall = True
    what, seconds = told(store.head)
    assert "the server did not answer within 1 s" in what
    assert seconds < SOON
    proxy.stall = False
    again(store.head)


def test_an_index_without_its_constraint_gets_one(server: Server) -> None:
    """What a disk that was full leaves behind."""
    with contextlib.closing(Connection(server.url, where=masked_url(server.url))) as opened, server.driver() as driver:
        opened.schema(constraints())
        driver.execute_query("DROP CONSTRAINT ringfence_Head")
        driver.execute_query("CREATE INDEX ringfence_Head FOR (n:Head) ON (n.ns)")
        opened.schema(constraints())
        (found,) = driver.execute_query("SHOW CONSTRAINTS YIELD name, type WHERE name = 'ringfence_Head'").records
        assert "UNIQUENESS" in found["type"]
