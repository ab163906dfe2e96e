"""kill -9 of a server or of its client at a moment, and what has to hold afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j

from graph.neo4j.model import INTERNAL
from graph.open import open_store
from graph.sqlite import SqliteStore
from scripts.neo4j_server import Server
from tests.faults.support import ROOT, ended, kill
from tests.neo4j.support import ServerDesk, end_leases, lease_taken, wait_until

PROBLEM, HELD = 6, 4
LONGEST = {"load": 4.0, "detect": 1.5, "publish": 0.3, "reserve": 1.0}
"""How long after it began its work a command may be killed, in seconds: about as long as it works."""
CLIENTS, ORDERS, HOT, CAP, OWN = 4, 60, "hot", 100, 1000
"""Reservations: so many threads, each for so many orders, of one allowance that is too small for all and of one of its
own that is large enough."""


def drawn(count: int, seed: int = 20241231) -> list[tuple[str, str, float]]:
    """Moments by a fixed seed: who is killed, during which command, how long after it began its work."""
    draw = random.Random(seed)
    kinds = [(who, command) for command in LONGEST for who in ("client", "server")]
    moments = [(*kind, round(draw.random() * LONGEST[kind[1]], 4)) for kind in (kinds * count)[:count]]
    draw.shuffle(moments)
    return moments


@dataclass(frozen=True)
class Scene:
    """A desk with an empty namespace on a server that may be harmed, a market, and what readers see in a store to which
    nothing happens: the rows, the exports, and how much of the graph is drawn."""

    desk: ServerDesk
    server: Server
    market: Path
    undisturbed: dict[str, Any]
    drawn: dict[str, int]


def same(seen: dict[str, Any], undisturbed: dict[str, Any]) -> bool:
    """Whether readers see the same, whatever number the load has."""
    return {**seen, "head": None} == {**undisturbed, "head": None}


def drawn_graph(driver: neo4j.Driver, namespace: str) -> dict[str, int]:
    """How many nodes of each label for people, and relationships of each type, stand in the graph that people walk, of
    runs those of the published one."""
    read = "MATCH (h:Head {ns: $ns}) MATCH (n {ns: $ns}) WHERE n.run_id IS NULL OR n.run_id = h.run"
    labels = f"{read} UNWIND labels(n) AS name WITH name WHERE NOT name ENDS WITH 'Record' AND NOT name IN $ours "
    types = f"{read} MATCH (n)-[r]->(m) WHERE m.run_id IS NULL OR m.run_id = h.run "
    ours = [label for label in INTERNAL if label != "Head"]
    found = [
        *driver.execute_query(f"{labels}RETURN name, count(*)", ns=namespace, ours=ours).records,
        *driver.execute_query(f"{types}RETURN type(r), count(*)", ns=namespace).records,
    ]
    return {str(name): int(count) for name, count in found}


def try_moment(who: str, command: str, delay: float, scene: Scene) -> bool:
    """Kill the client or the server so many seconds after `command` began; whether it was still at work then."""
    if command == "reserve":
        return try_reserving(who, delay, scene)
    desk, server, undisturbed = scene.desk, scene.server, scene.undisturbed
    words: tuple[object, ...] = ("load", scene.market)
    if command != "load":
        desk.done("load", scene.market)
        words = ("detect",)
    run = ""
    if command == "publish":
        run = desk.done("detect", "--no-publish", "--json").json["run"]["run_id"]
        words = ("publish", run)
    lease = "load" if command == "load" else "run"
    before = desk.seen() if command != "load" else {}
    with server.driver() as driver:
        process = desk.start(*words)
        wait_until(lambda: process.poll() is not None or lease_taken(driver, "default", lease))
        time.sleep(delay)
    working = process.poll() is None
    acknowledged = process.poll() == 0
    if who == "client":
        kill(process)
    else:
        server.kill()
        server.start()
        ran = ended(process)
        assert ran.code in (0, PROBLEM, HELD), ran.err
        assert ran.code == 0 or ran.told
        acknowledged = ran.code == 0

    store = open_store(desk.url, create=False, readonly=True)
    head = store.head()
    store.close()
    if command == "load":
        assert head.load or not acknowledged, "a load was acknowledged and is not there"
        rows = desk.rows()
        whole = {name: undisturbed[name] for name in rows}
        assert rows == (whole if head.load else {name: one.slice(0, 0) for name, one in whole.items()})
    else:
        assert head.run or not acknowledged, "a run was acknowledged and is not there"
        assert head.run in (None, run) or command == "detect"
        seen = desk.seen()
        assert seen == before if head.run is None else same(seen, undisturbed)
    end_leases(server, "default")
    desk.done(*words)
    if command == "load":
        desk.done("detect")
    assert same(desk.seen(), undisturbed)
    with server.driver() as driver:
        assert drawn_graph(driver, "default") == scene.drawn
    return working


# -- reservations ------------------------------------------------------------------------------------------------------

_RESERVE = """
import sys, threading, time
from graph.errors import StoreProblem
from graph.open import open_store

url, clients, orders, hot, cap, own = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4], *map(int, sys.argv[5:7])
store = open_store(url, create=False)

def take(key, most, order):
    while True:
        try:
            return store.take(key, "30d", 1, most, order, now=1, expires_at=10)
        except StoreProblem:
            time.sleep(0.2)  # not acknowledged: ask again, for the same order

def reserve(client):
    for number in range(orders):
        order = f"{client}-{number}"
        for key, most in ((hot, cap), (f"own-{client}", own)):
            given = take(key, most, order)
            sys.stdout.write(f"{key} {order} {int(given.granted)} {given.remaining}\\n")

sys.stdout.reconfigure(line_buffering=True)
threads = [threading.Thread(target=reserve, args=(client,)) for client in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def try_reserving(who: str, delay: float, scene: Scene) -> bool:
    """The same for clients that reserve."""
    desk, server = scene.desk, scene.server
    open_store(desk.url).close()
    said = desk.folder / "said"
    (desk.folder / "beside.db").unlink(missing_ok=True)
    words = [desk.url, CLIENTS, ORDERS, HOT, CAP, OWN]
    with said.open("w") as to:
        process = subprocess.Popen(
            [sys.executable, "-c", _RESERVE, *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=to,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or said.stat().st_size > 0)
        time.sleep(delay)
        working = process.poll() is None
        if who == "server":
            server.kill()
            server.start()
            assert process.wait(240) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    told = acknowledged(said.read_text("utf-8"))
    # a client that lives on asks again until it is told; one that died may have been waiting for one answer
    check_takes(server, told, unknown=0 if who == "server" else CLIENTS)

    with (
        contextlib.closing(SqliteStore(desk.folder / "beside.db")) as beside,
        contextlib.closing(open_store(desk.url)) as store,
    ):
        for client in range(CLIENTS):
            for order in (f"{client}-{number}" for number in range(ORDERS)):
                for key, most in ((HOT, CAP), (f"own-{client}", OWN)):
                    now = store.take(key, "30d", 1, most, order, now=2, expires_at=10)
                    granted, remaining = told.get((key, order), (now.granted, now.remaining))
                    if granted:
                        assert (now.granted, now.remaining) == (granted, remaining), (
                            "told something else the second time"
                        )
                    beside.take(key, "30d", 1, most, order, now=2, expires_at=10)
        keys = [(HOT, "30d"), *((f"own-{client}", "30d") for client in range(CLIENTS))]
        assert store.taken(keys, now=2) == beside.taken(keys, now=2) == [CAP, *([ORDERS] * CLIENTS)]
    return working


def acknowledged(said: str) -> dict[tuple[str, str], tuple[bool, int]]:
    """Key and order to what the client was told; a line that was cut by the kill was not told."""
    found = re.findall(r"^(\S+) (\S+) ([01]) (\d+)\n", said, re.MULTILINE)
    return {(key, order): (granted == "1", int(remaining)) for key, order, granted, remaining in found}


def check_takes(server: Server, told: dict[tuple[str, str], tuple[bool, int]], *, unknown: int) -> None:
    """Every reservation that was acknowledged is there, at most `unknown` others, and never more than there is."""
    query = "MATCH (c:Counter {ns: 'default'})-[:HOLDS]->(t:Take) RETURN c.key, t.order_id"
    with server.driver() as driver:
        listed = [(key, order) for key, order in driver.execute_query(query).records]
    stored = set(listed)
    assert len(listed) == len(stored), "an order holds two reservations of one allowance"
    granted = {one for one, (yes, _) in told.items() if yes}
    refused = {one for one, (yes, _) in told.items() if not yes}
    assert granted <= stored, "a reservation was acknowledged and is not there"
    assert not refused & stored, "a reservation was refused and is there"
    assert len(stored - granted) <= unknown
    assert sum(key == HOT for key, _ in stored) <= CAP
