"""Many clients in many processes against one allowance, some of them killed: what was confirmed is counted by the
clients' own words, and is what the store holds."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from graph.reserving import Confirm, Outcome, Part, Release, Reserve
from graph.store import Store
from tests.conformance.support import Backend, eventually

log = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
DAY = 86_400_000_000
HOLD = 3_000_000
"""Microseconds for which a purchase is held: abandoned ones come free while others go on."""
ORDERS, AMOUNTS = ("shared orders", "30d"), ("shared CNY", "30d")

_CLIENT = """
import os, random, sys, threading, time
from graph.open import open_store
from graph.reserving import Confirm, Release
from integrity.checkout_bounds import CheckoutCounts
from integrity.reservations_till import Till
from tests.conformance.test_reservation_soak import purchase

url, name, threads, rounds, cap, most, log, begun = sys.argv[1:9]
begun = [int(number) for number in begun.split(",")]
store = open_store(url, namespace=os.environ.get("RINGFENCE_TEST_NAMESPACE", "default"), create=False)
till = Till(store, CheckoutCounts())
told = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def say(*words):
    os.write(told, (" ".join(words) + "\\n").encode())

def do(act):
    return till.submit(act, now=time.time_ns() // 1_000).result().state

def client(thread):
    draw = random.Random(f"{name} {thread} {begun[thread]}")
    for turn in range(begun[thread], int(rounds)):
        order = f"{name}-{thread}-{turn}"
        say(order, "asks")
        state = do(purchase(order, int(cap), int(most), time.time_ns() // 1_000))
        say(order, state)
        if state == "held":
            what = draw.choices(["confirm", "release", "leave"], [8, 87, 5])[0]
            if what != "leave":
                say(order, what)
                say(order, do((Confirm if what == "confirm" else Release)(order)))
        say(order, "done")

running = [threading.Thread(target=client, args=(number,)) for number in range(int(threads))]
for one in running:
    one.start()
for one in running:
    one.join()
"""


def purchase(order: str, cap: int, most: int, now: int) -> Reserve:
    """One order of an amount that its id alone decides, of `cap` orders and `most` in all."""
    parts = tuple(
        Part(key, window, amount, limit, now + 30 * DAY)
        for (key, window), amount, limit in ((ORDERS, 1, cap), (AMOUNTS, worth(order), most))
    )
    return Reserve(order, {"amount": worth(order)}, parts, now + HOLD, now + 30 * DAY)


def worth(order: str) -> int:
    """What an order costs, 1 to 99."""
    return random.Random(order).randint(1, 99)


@dataclass
class Process:
    """One process of clients, and what its clients told: it may be killed and started again."""

    backend: Backend
    name: str
    threads: int
    rounds: int
    caps: tuple[int, int]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    read: int = 0
    rounds_done: int = 0

    def start(self) -> None:
        """Go on with the rounds that were not begun."""
        begun = [0] * self.threads
        for order, _ in self.told():
            _, thread, turn = order.split("-")
            begun[int(thread)] = max(begun[int(thread)], int(turn) + 1)
        words = [self.backend.url, self.name, self.threads, self.rounds, *self.caps, self.log]
        self.running = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, *map(str, words), ",".join(map(str, begun))],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )

    def told(self) -> list[tuple[str, str]]:
        """What the clients said: order and word. A line that was cut by a kill was not said."""
        text = self.log.read_text("utf-8") if self.log.exists() else ""
        found: list[tuple[str, str]] = []
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                order, word = line.split()
                found.append((order, word))
        return found

    def done(self) -> int:
        """Rounds that are done; one that is read in halves is missed, which only delays a kill."""
        if self.log.exists():
            with self.log.open("rb") as file:
                file.seek(self.read)
                new = file.read()
            self.read += len(new)
            self.rounds_done += new.count(b" done\n")
        return self.rounds_done

    def kill(self) -> bool:
        """End it at once; whether it was still at work."""
        assert self.running is not None
        working = self.running.poll() is None
        self.running.kill()
        self.running.communicate()
        return working

    def ended(self) -> bool:
        """Whether its rounds are done; its failure is the test's."""
        assert self.running is not None
        if self.running.poll() is None:
            return False
        assert self.running.stderr is not None
        assert self.running.returncode == 0, self.running.stderr.read().decode()[-2000:]
        return True


@contextmanager
def ending(processes: Sequence[Process]) -> Iterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        for one in processes:
            if one.running is not None:
                one.kill()


def soak(backend: Backend, folder: Path, *, clients: int, rounds: int, cap: int, kills: int, seconds: float) -> int:
    """Let them at it; returns how many purchases were confirmed by the clients' own count."""
    store = backend.open()
    threads = 8 if clients >= 64 else 4
    caps = (cap, cap * 60)
    processes = [
        Process(backend, f"p{n}", threads, rounds, caps, folder / f"told-{n}") for n in range(clients // threads)
    ]
    draw = random.Random(clients)
    deadline = time.monotonic() + seconds
    killed = 0
    with ending(processes):
        for one in processes:
            one.start()
        while not all(one.ended() for one in processes):
            assert time.monotonic() < deadline, "the clients did not come to an end"
            time.sleep(0.05)
            held = store.taken([ORDERS, AMOUNTS], now=now())
            assert (held[0] <= caps[0], held[1] <= caps[1]) == (True, True), f"{held} of {caps} are held"
            progress = sum(one.done() for one in processes) / (clients * rounds)
            if killed < kills and progress > (killed + 1) / (kills + 2):
                victim = draw.choice([one for one in processes if not one.ended()] or processes)
                killed += victim.kill()
                victim.start()
    assert killed == kills
    told = [line for one in processes for line in one.told()]
    return compare(store, told, caps, in_doubt=kills * threads)


def now() -> int:
    """The wall clock, as the clients have it."""
    return time.time_ns() // 1_000


def compare(store: Store, told: Sequence[tuple[str, str]], caps: tuple[int, int], *, in_doubt: int) -> int:
    """Hold the clients' own words against the store; how many they say were confirmed."""
    words: dict[str, list[str]] = {}
    for order, word in told:
        words.setdefault(order, []).append(word)
    confirmed = {order for order, said in words.items() if "confirmed" in said}
    unsure = {order for order, said in words.items() if said[-1] == "confirm"}
    eventually(lambda: store.taken([ORDERS], now=now() + HOLD) == store.taken([ORDERS], now=now()))
    states = settled(store, sorted(words))
    there = {order for order, outcome in states.items() if outcome.state == "confirmed"}
    assert confirmed <= there, "a purchase was confirmed and is not there"
    assert there <= confirmed | unsure, "a purchase is there that nobody confirmed"
    assert len(unsure) <= in_doubt
    # the independent count: ids and amounts of what was confirmed, by the clients' own files
    assert store.taken([ORDERS, AMOUNTS], now=now()) == [len(there), sum(map(worth, there))]
    for order, said in words.items():
        assert not ({"refused", "released"} & set(said) and order in there), f"{order}: {said}"
    for number in range(caps[0] + 1):
        (outcome,) = store.reserve([purchase(f"last-{number}", *caps, now())], now=now())
        if outcome.state != "held":
            break
        assert store.reserve([Confirm(f"last-{number}")], now=now())[0].done
        there.add(f"last-{number}")
    left = [cap - used for cap, used in zip(caps, store.taken([ORDERS, AMOUNTS], now=now()), strict=True)]
    assert left == [caps[0] - len(there), caps[1] - sum(map(worth, there))]
    assert left[1] >= 0
    assert left[0] == 0 or left[1] < 99, "something was left that nobody could have"
    log.info(
        "%d orders: %s; %d in doubt; %d of %d counted in the end",
        len(words),
        dict(Counter(word for _, word in told)),
        len(unsure),
        len(there),
        caps[0],
    )
    return len(confirmed)


def settled(store: Store, orders: Sequence[str]) -> dict[str, Outcome]:
    """What became of each order, as the store tells it; holds that ended are released."""
    found: dict[str, Outcome] = {}
    for start in range(0, len(orders), 500):
        page = orders[start : start + 500]
        found |= zip(page, store.reserve([Release(order) for order in page], now=now()), strict=True)
    return found


def test_what_clients_confirmed_is_what_is_counted_although_one_was_killed(backend: Backend, tmp_path: Path) -> None:
    assert soak(backend, tmp_path, clients=8, rounds=40, cap=12, kills=1, seconds=240) > 0


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_64_clients_of_1000_rounds_confirm_exactly_what_is_counted(backend: Backend, tmp_path: Path) -> None:
    assert soak(backend, tmp_path, clients=64, rounds=1_000, cap=1_000, kills=12, seconds=7_000) > 500
