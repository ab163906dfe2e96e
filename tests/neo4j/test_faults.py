"""What goes wrong with a server, a way to it, or the process at either end: each is told in one line with its exit
code, nothing half done is seen, and the same command again ends where an undisturbed one would."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.errors import LeaseLost
from graph.neo4j import Neo4jStore, check
from graph.open import masked_url, open_store
from scripts.neo4j_server import Server
from simulator.market import simulate
from tests.conformance.support import order, table
from tests.faults.support import Desk, ended, kill
from tests.neo4j.support import Proxy, ServerDesk, end_leases, lease_taken, soon, wait_until, wipe
from tests.require import neo4j_server

BUYERS, SEED = 80, 3
PROBLEM, HELD = 6, 4
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small market with claims in it; nothing may be changed in it."""
    return simulate(tmp_path_factory.mktemp("market") / "export", buyers=BUYERS, seed=SEED, abuse="high").folder


@pytest.fixture(scope="module")
def undisturbed(market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What readers see where nothing ever went wrong: in the embedded store."""
    desk = Desk(tmp_path_factory.mktemp("undisturbed"))
    desk.done("load", market)
    desk.done("detect")
    return desk.seen()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that may be harmed, apart from the one that all tests share."""
    with neo4j_server() as started:
        yield started


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> ServerDesk:
    """A desk with an empty namespace on the server that may be harmed."""
    if server.pid is None or server.settings:
        server.settings.clear()
        server.restart()
    wipe(server, "default")
    return ServerDesk(tmp_path, at=server.url)


def same(seen: dict[str, Any], undisturbed: dict[str, Any]) -> bool:
    """Whether readers see the same, whatever number the load has."""
    return {**seen, "head": None} == {**undisturbed, "head": None}


# -- the wrong place, the wrong name -----------------------------------------------------------------------------------


def test_a_wrong_password_is_told_and_never_shown(desk: ServerDesk, server: Server) -> None:
    wrong = replace(desk, at=desk.url.replace(server.password, "not-the-pass-word"))
    ran = wrong("status")
    assert ran.code == PROBLEM
    assert "refuses user or password" in ran.told
    assert "not-the-pass-word" not in ran.out + ran.err
    assert "neo4j:***@" in ran.told
    server.restart()  # the server locks a user out for a while after wrong passwords


def test_a_database_that_is_not_there_is_told(desk: ServerDesk) -> None:
    for scheme in ("neo4j", "bolt"):
        ran = replace(desk, at=f"{scheme}{desk.url[len('neo4j') :]}x")("status")
        assert ran.code == PROBLEM
        assert "no database of that name" in ran.told


def test_a_server_that_is_away_is_told_in_time(desk: ServerDesk, server: Server) -> None:
    server.kill()
    began = time.monotonic()
    ran = desk("status")
    assert ran.code == PROBLEM
    assert "does not answer" in ran.told
    assert time.monotonic() - began < 45
    doctor = desk("doctor")
    assert doctor.code == PROBLEM
    assert "does not answer" in doctor.out


# -- a server that won't ----------------------------------------------------------------------------------------------


def test_a_read_only_database_is_read_and_not_written(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    desk.done("load", market)
    desk.done("detect")
    server.settings["server.databases.read_only"] = "neo4j"
    server.restart()
    assert same(desk.seen(), undisturbed)
    for words in (("load", market), ("detect",)):
        ran = desk(*words)
        assert ran.code == PROBLEM
        assert "read-only" in ran.told
    doctor = desk("doctor")
    assert doctor.code == PROBLEM
    assert "neo4j is read-only" in doctor.out
    assert "may not write" in doctor.out
    assert same(desk.seen(), undisturbed)


def test_a_limit_of_transaction_memory_is_told_and_leaves_nothing(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    server.settings["db.memory.transaction.max"] = "2m"
    server.restart()
    ran = desk("load", market)
    assert ran.code == PROBLEM
    assert "transaction memory" in ran.told
    server.settings.clear()
    server.restart()
    store = open_store(desk.url, create=False, readonly=True)
    assert store.head().load == 0
    store.close()
    end_leases(server, "default")
    desk.done("load", market)
    desk.done("detect")
    assert same(desk.seen(), undisturbed)


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_off_is_told(desk: ServerDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(desk.url)
    real = time.time_ns
    for seconds, state in ((0, "ok"), (5, "warning"), (-60, "problem")):
        monkeypatch.setattr(check.time, "time_ns", lambda seconds=seconds: real() + seconds * 10**9)
        (clock,) = [one for one in store.check() if one.name == "clock"]
        assert clock.state == state
        told = re.search(r"([+-]\d+\.\d+) s from this host", clock.found)
        assert told is not None
        assert abs(float(told[1]) + seconds) < 0.5
    store.close()


def test_a_writer_whose_lease_was_taken_by_a_clock_ahead_writes_nothing_more(desk: ServerDesk) -> None:
    def opened(ahead: float) -> Neo4jStore:
        return Neo4jStore(desk.url, shown=masked_url(desk.url), clock=lambda: time.time() + ahead)

    slow, fast = opened(0), opened(60)
    first = slow.acquire("load", "slow")
    number = slow.begin_load(first, source="x", at=1)
    second = fast.acquire("load", "fast")
    again = fast.begin_load(second, source="y", at=2)
    for late in (
        lambda: slow.write(first, number, "orders", table("orders", [order("late")])),
        lambda: slow.finish_load(first, number, report="{}", at=3),
    ):
        with pytest.raises(LeaseLost):
            late()
    fast.write(second, again, "orders", table("orders", [order("kept")]))
    fast.finish_load(second, again, report="{}", at=4)
    assert slow.find("orders", "order_id", ["late", "kept"], columns=["order_id"]).to_pylist() == [{"order_id": "kept"}]
    slow.close()
    fast.close()


# -- the way ----------------------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_a_slow_way_that_tears_messages_changes_nothing(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    with Proxy(server.port, delay=0.0005, halve=True) as proxy:
        far = desk.through(proxy.port)
        far.done("load", market)
        far.done("detect")
        assert same(far.seen(), undisturbed)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_way_that_breaks_in_the_middle_of_messages_loses_nothing(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any], seed: int
) -> None:
    with Proxy(server.port, cut_after=300_000, seed=seed) as proxy:
        far = desk.through(proxy.port)
        for words in (("load", market), ("detect",)):
            for _ in range(12):
                ran = far(*words)
                if ran.code == 0:
                    break
                assert ran.code in (PROBLEM, HELD), ran.err
                assert "ringfence: " in ran.told
                end_leases(server, "default")
            else:
                pytest.fail(f"{words[0]} never came to an end")
        assert proxy.cuts > 0, "the way never broke"
    assert same(desk.seen(), undisturbed)


# -- kill -9 ----------------------------------------------------------------------------------------------------------

LONGEST = {"load": 4.0, "detect": 1.5, "publish": 0.3}
SAMPLE = [
    ("client", "load", 0.5),
    ("server", "load", 1.0),
    pytest.param("server", "detect", 0.4, marks=pytest.mark.soak),
]


def drawn(count: int) -> list[tuple[str, str, float]]:
    """Moments by a fixed seed: who is killed, during which command, how long after it took its lease."""
    draw = random.Random(20241231)
    kinds = [(who, command) for who in ("client", "server") for command in LONGEST]
    return [(*kind, round(draw.random() * LONGEST[kind[1]], 4)) for kind in (kinds * count)[:count]]


def try_moment(
    who: str, command: str, delay: float, desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    """Kill the client or the server so many seconds after `command` took its lease."""
    words: tuple[object, ...] = ("load", market)
    if command != "load":
        desk.done("load", market)
        words = ("detect",)
    if command == "publish":
        words = ("publish", desk.done("detect", "--no-publish", "--json").json["run"]["run_id"])
    lease = "load" if command == "load" else "run"
    before = desk.seen() if command != "load" else {}
    with server.driver() as driver:
        process = desk.start(*words)
        wait_until(lambda: process.poll() is not None or lease_taken(driver, "default", lease))
        time.sleep(delay)
    if who == "client":
        kill(process)
    else:
        server.kill()
        server.start()
        ran = ended(process)
        assert ran.code in (0, PROBLEM, HELD), ran.err
        if ran.code:
            assert ran.told
    store = open_store(desk.url, create=False, readonly=True)
    head = store.head()
    store.close()
    if command == "load":
        rows = desk.rows()
        whole = {name: undisturbed[name] for name in rows}
        assert rows == (whole if head.load else {name: one.slice(0, 0) for name, one in whole.items()})
    else:
        seen = desk.seen()
        assert seen == before if head.run is None else same(seen, undisturbed)
    end_leases(server, "default")
    desk.done(*words)
    if command == "load":
        desk.done("detect")
    assert same(desk.seen(), undisturbed)


@pytest.mark.parametrize(("who", "command", "delay"), SAMPLE)
def test_killed_at_a_moment_nothing_acknowledged_is_lost(
    who: str, command: str, delay: float, desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    try_moment(who, command, delay, desk, server, market, undisturbed)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_at_fifty_moments_nothing_acknowledged_is_lost(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    for who, command, delay in drawn(50):
        wipe(server, "default")
        try_moment(who, command, delay, desk, server, market, undisturbed)


@pytest.mark.soak
def test_a_server_restarted_in_the_middle_of_a_load_is_ridden_out_or_told(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    process = desk.start("load", market)
    with soon(1.5, server.restart):
        ran = ended(process)
    assert ran.code in (0, PROBLEM), ran.err
    if ran.code:
        assert ran.told
        end_leases(server, "default")
        desk.done("load", market)
    desk.done("detect")
    assert same(desk.seen(), undisturbed)
