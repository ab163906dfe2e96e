"""What goes wrong with a server or the way to it: each is told in one line with its exit code, nothing half done is
seen, and the same command again ends where an undisturbed one would. What kill -9 does stands in test_kill_soak.py."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from graph.errors import LeaseLost, StoreProblem
from graph.leases import held
from graph.neo4j import Neo4jStore, check, connection, waiting
from graph.open import masked_url, open_store
from scripts.neo4j_server import Server
from tests.conformance.support import key, load, order, table
from tests.faults.support import EXPORTS, ended, serving, small_disk
from tests.faults.support import Server as Api
from tests.neo4j.killing import HELD, PROBLEM, same
from tests.neo4j.support import HARMED, Proxy, ServerDesk, end_leases, soon
from tests.require import neo4j_server

pytestmark = pytest.mark.timeout(600)


def rows_of(seen: dict[str, Any]) -> dict[str, Any]:
    """Of what readers see, the rows of all tables."""
    return {name: one for name, one in seen.items() if name != "head" and name not in EXPORTS}


# -- the wrong place, the wrong name ----------------------------------------------------------------------------------


def test_a_wrong_password_is_told_and_never_shown(desk: ServerDesk, server: Server) -> None:
    wrong = replace(desk, at=desk.url.replace(server.password, "not-the-pass-word"))
    ran = wrong("status")
    assert ran.code == PROBLEM
    assert "refuses user or password" in ran.told
    assert "not-the-pass-word" not in ran.out + ran.err
    assert "neo4j:***@" in ran.told


def test_a_database_that_is_not_there_is_told(desk: ServerDesk) -> None:
    for scheme in ("neo4j", "bolt"):
        ran = replace(desk, at=f"{scheme}{desk.url[len('neo4j') :]}x")("status")
        assert ran.code == PROBLEM
        assert "no database of that name" in ran.told


def test_a_server_that_is_away_is_told_in_time(apart: ServerDesk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ended_at_once:
        desk = replace(apart, at=apart.url.replace(f":{apart.port}/", f":{ended_at_once.getsockname()[1]}/"))
    began = time.monotonic()
    ran = desk("status")
    assert ran.code == PROBLEM
    assert "does not answer" in ran.told
    assert time.monotonic() - began < 45
    doctor = desk("doctor")
    assert doctor.code == PROBLEM
    assert "does not answer" in doctor.out


# -- a server that has not enough -------------------------------------------------------------------------------------


def test_a_limit_of_transaction_memory_is_told_and_leaves_nothing(
    desk: ServerDesk, market: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_FOR_MEMORY", 0.5)
    store = open_store(desk.url)
    with pytest.raises(StoreProblem, match="transaction memory"):
        load(store, orders=[order(f"o{n}", f"b{n % 700}", **dict.fromkeys(KEYS, key(n))) for n in range(5_000)])
    assert store.head().load == 0
    assert store.find("orders", "order_id", ["o1"]).num_rows == 0
    store.close()
    desk.done("load", market)
    assert desk.rows() == rows_of(undisturbed)


KEYS = ("device", "ip", "payment", "phone", "recipient", "address")


@pytest.mark.soak  # the next test fills a disk in every run
@pytest.mark.parametrize(
    "mount",
    [
        pytest.param(True, id="small file system"),  # or the other, where none may be mounted
        pytest.param(False, id="file size limit"),
    ],
)
def test_a_disk_that_fills_up_while_the_first_store_is_made_is_told_in_time_and_the_next_open_makes_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: bool
) -> None:
    monkeypatch.setattr(connection, "SCHEMA_SECONDS", 1.0)
    monkeypatch.setattr(connection, "_GRACE", 1.0)
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        small_disk(disk, 65_536) if mount else contextlib.nullcontext(False) as mounted,
        neo4j_server(disk / "neo", settings=HARMED) as server,
    ):
        if mounted:
            (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 50_000))
        else:
            resource.prlimit(server.pid or 0, resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        began = time.monotonic()
        with pytest.raises(StoreProblem, match=r"the server (can't write|did not make the constraint)") as told:
            open_store(server.url)
        assert time.monotonic() - began < 20
        assert "free some space" in str(told.value)
        (disk / "ballast").unlink(missing_ok=True)
        server.kill()
        server.start()
        monkeypatch.undo()
        store = open_store(server.url)
        states = {one.name: (one.state, one.found) for one in store.check()}
        assert states["constraints"][0] == "ok", states["constraints"]
        load(store, orders=[order("o1")])
        assert store.head().load == 1
        store.close()


def test_a_disk_that_fills_up_during_a_load_is_told_and_the_load_goes_through_with_room(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any]
) -> None:
    open_store(desk.url).close()
    resource.prlimit(server.pid or 0, resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    ran = desk("load", market)
    assert ran.code == PROBLEM
    assert "the server can't write" in ran.told
    assert "free some space" in ran.told
    server.kill()
    server.start()
    end_leases(server, "default")
    store = open_store(desk.url, create=False)
    assert store.head().load == 0
    store.close()
    desk.done("load", market)
    assert desk.rows() == rows_of(undisturbed)


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


# -- a server that goes and comes -------------------------------------------------------------------------------------


def test_a_load_waits_for_a_server_that_restarts(desk: ServerDesk, server: Server) -> None:
    store = open_store(desk.url)
    with held(store, "load", "me") as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "orders", table("orders", [order("before")]))
        server.kill()
        back = threading.Thread(target=server.start)
        back.start()
        store.write(lease, number, "orders", table("orders", [order("after")]))
        store.finish_load(lease, number, report="{}", at=2)
        back.join()
    found = store.find("orders", "order_id", ["before", "after"], columns=["order_id"]).column("order_id")
    assert found.to_pylist() == ["after", "before"]
    store.close()


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


IN_TIME = 3.0
"""Seconds in which the API answers while the store is away: it waits half as long, and the machine may be busy."""


def asked(api: Api, query: str, token: str) -> tuple[str, float]:
    """The code of the first error, empty without any, and the seconds it took."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"{api.base}/graphql", json.dumps({"query": query}).encode(), headers)
    began = time.monotonic()
    try:
        with urlopen(request, timeout=120) as response:
            answer = json.loads(response.read())
    except HTTPError as refused:
        answer = json.loads(refused.read())
    seconds = time.monotonic() - began
    return answer["errors"][0]["extensions"]["code"] if answer.get("errors") else "", seconds


@pytest.mark.parametrize("how", ["refuses", "goes silent"])
def test_the_api_answers_in_time_while_the_server_is_away_and_as_before_when_it_is_back(
    apart: ServerDesk, market: Path, how: str
) -> None:
    desk = apart
    desk.done("load", market)
    desk.done("detect")
    buyer = desk.rows()["orders"].column("buyer_id")[0].as_py()
    # an account's decision stands in memory, and the audit line goes to the store; its orders are read from there
    audited = f'{{ account(id: "{buyer}") {{ status }} }}'
    read = f'{{ account(id: "{buyer}") {{ orders {{ edges {{ node {{ id }} }} }} }} }}'
    limit = f'{{ purchaseLimit(buyerId: "{buyer}", storeId: "s") {{ verdict }} }}'
    with Proxy(desk.port) as proxy, serving(desk.through(proxy.port)) as api:
        investigator, shop = (
            desk.done("token", "--role", role, "--subject", "test").out.strip()
            for role in ("investigator", "order_service")
        )
        for query, token in ((audited, investigator), (read, investigator), (limit, shop)):
            assert asked(api, query, token)[0] == ""
        proxy.away, proxy.stall = how == "refuses", how == "goes silent"
        if proxy.away:
            proxy.drop()
        for _ in range(3):
            for query in (audited, read):
                code, seconds = asked(api, query, investigator)
                assert code in ("AUDIT_UNAVAILABLE", "STORE_UNAVAILABLE")
                assert seconds < IN_TIME
            code, seconds = asked(api, limit, shop)
            assert (code, seconds < 1) == ("", True), "a shop goes on selling"
            time.sleep(0.4)
        proxy.away = proxy.stall = False
        end = time.monotonic() + 20
        while asked(api, audited, investigator)[0] != "":
            assert time.monotonic() < end, "it never came back"
            time.sleep(0.1)  # each refusal is a line of the log, which nobody reads meanwhile
        for query, token in ((read, investigator), (limit, shop)):
            assert asked(api, query, token)[0] == ""


# -- a server that won't: last, for the next test would have to start it anew ------------------------------------------


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
