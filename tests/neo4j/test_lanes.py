"""Transactions of one holder commit beside each other, each in its lane; whoever takes the lease waits for them all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import neo4j
import pytest
from neo4j.exceptions import Neo4jError

from graph.errors import LeaseLost
from graph.neo4j import ledger
from graph.store import Lease
from tests.conftest import Neo4j

NS = f"lanes {os.getpid()}"
NOW, TTL = 1_000_000, 1_000
LATER = NOW + 2 * TTL


@pytest.fixture
def driver(neo4j_server: Neo4j) -> Iterator[neo4j.Driver]:
    with neo4j.GraphDatabase.driver(
        neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password), notifications_min_severity="OFF"
    ) as driver:
        driver.execute_query("MATCH (l:Lease {ns: $ns}) DELETE l", ns=NS)
        yield driver


def taken(driver: neo4j.Driver, holder: str, now: int) -> Lease:
    with driver.session() as session:
        return session.execute_write(lambda tx: ledger.acquire(tx, NS, "load", holder, holder, now=now, ttl=TTL))


@pytest.mark.parametrize("lane", range(ledger.LANES))
def test_who_takes_an_expired_lease_waits_for_what_is_about_to_be_committed_under_it(
    driver: neo4j.Driver, lane: int
) -> None:
    lease = taken(driver, "first", NOW)
    with ThreadPoolExecutor(1) as other, driver.session() as session:
        with session.begin_transaction() as tx:
            ledger.check(tx, NS, lease, lane=lane)
            taking = other.submit(taken, driver, "second", LATER)
            with pytest.raises(NotYet):
                taking.result(timeout=0.5)
            tx.commit()
        assert taking.result(timeout=30).fence == lease.fence + 1
        with session.begin_transaction() as tx, pytest.raises(LeaseLost, match="second holds it now"):
            ledger.check(tx, NS, lease, lane=lane)


@pytest.mark.parametrize("lane", range(ledger.LANES))
def test_who_waits_for_another_to_take_the_lease_then_knows_that_it_is_lost(driver: neo4j.Driver, lane: int) -> None:
    lease = taken(driver, "first", NOW)

    def checked() -> None:
        with driver.session() as session, session.begin_transaction() as tx:
            ledger.check(tx, NS, lease, lane=lane)

    with ThreadPoolExecutor(1) as other, driver.session() as session, session.begin_transaction() as tx:
        ledger.acquire(tx, NS, "load", "second", "second", now=LATER, ttl=TTL)
        checking = other.submit(checked)
        with pytest.raises(NotYet):
            checking.result(timeout=0.5)
        tx.commit()
        with pytest.raises(LeaseLost, match="second holds it now"):
            checking.result(timeout=30)


def test_lanes_of_one_holder_do_not_wait_for_each_other(driver: neo4j.Driver) -> None:
    lease = taken(driver, "first", NOW)
    with driver.session() as one, driver.session() as two:
        with one.begin_transaction() as tx, two.begin_transaction(timeout=5) as beside:
            ledger.check(tx, NS, lease, lane=0)
            ledger.check(beside, NS, lease, lane=1)
            beside.commit()
            tx.commit()
        # there are as many as there are nodes to lock: the next shares the first's
        with one.begin_transaction() as tx:
            ledger.check(tx, NS, lease, lane=0)
            with pytest.raises(Neo4jError), two.begin_transaction(timeout=0.5) as beside:
                ledger.check(beside, NS, lease, lane=ledger.LANES)


def test_a_lease_without_its_lanes_is_not_trusted(driver: neo4j.Driver) -> None:
    lease = taken(driver, "first", NOW)
    driver.execute_query("MATCH (l:Lease {ns: $ns, name: $name}) DELETE l", ns=NS, name=ledger.lane_of("load", 1))
    with driver.session() as session, session.begin_transaction() as tx:
        ledger.check(tx, NS, lease)
        with pytest.raises(LeaseLost):
            ledger.check(tx, NS, lease, lane=1)
