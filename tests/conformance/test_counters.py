"""Counters: never past the cap, once an order, and gone when they expire or are given back."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import pytest

from graph.store import Take


def test_takes_add_up_to_the_cap_and_no_further(store):
    assert store.take("b1", "30d", 60, 100, "o1", now=0, expires_at=10) == Take(True, 40)
    assert store.take("b1", "30d", 50, 100, "o2", now=0, expires_at=10) == Take(False, 40)
    assert store.take("b1", "30d", 40, 100, "o3", now=0, expires_at=10) == Take(True, 0)
    assert store.taken([("b1", "30d"), ("b1", "1d"), ("b2", "30d")], now=0) == [100, 0, 0]


def test_the_same_order_again_answers_as_the_first_time_and_takes_nothing_more(store):
    first = store.take("k", "w", 60, 100, "o1", now=0, expires_at=10)
    store.take("k", "w", 30, 100, "o2", now=0, expires_at=10)
    assert store.take("k", "w", 60, 100, "o1", now=1, expires_at=11) == first
    assert store.taken([("k", "w")], now=1) == [90]


def test_a_refused_order_may_ask_again_when_there_is_room(store):
    store.take("k", "w", 100, 100, "o1", now=0, expires_at=10)
    assert not store.take("k", "w", 1, 100, "o2", now=0, expires_at=10).granted
    assert store.give_back("k", "w", "o1")
    assert store.take("k", "w", 1, 100, "o2", now=0, expires_at=10) == Take(True, 99)


def test_takes_end_when_they_expire(store):
    store.take("k", "w", 100, 100, "o1", now=0, expires_at=10)
    assert store.taken([("k", "w")], now=9) == [100]
    assert store.taken([("k", "w")], now=10) == [0]
    assert store.take("k", "w", 100, 100, "o2", now=10, expires_at=20).granted
    assert not store.take("k", "w", 100, 100, "o1", now=10, expires_at=20).granted


def test_giving_back_what_was_not_taken_says_so(store):
    store.take("k", "w", 1, 1, "o1", now=0, expires_at=10)
    assert not store.give_back("k", "w", "o2")
    assert not store.give_back("k", "x", "o1")
    assert store.give_back("k", "w", "o1")
    assert not store.give_back("k", "w", "o1")


def test_a_cap_below_what_is_taken_leaves_nothing(store):
    store.take("k", "w", 5, 10, "o1", now=0, expires_at=10)
    assert store.take("k", "w", 1, 3, "o2", now=0, expires_at=10) == Take(False, 0)


def test_a_negative_amount_is_refused(store):
    with pytest.raises(ValueError, match="negative"):
        store.take("k", "w", -1, 10, "o1", now=0, expires_at=10)


def test_64_clients_at_once_never_pass_the_cap_and_leave_nothing_unused(backend):
    store = backend.open()
    granted: Counter[str] = Counter()
    remaining: list[int] = []
    gate = threading.Barrier(64)
    lock = threading.Lock()

    def client(number: int) -> None:
        mine = store if number % 2 else backend.open()
        gate.wait()
        for turn in range(6):
            # every order is sent by two clients, as by a till that tries again
            order_id = f"o{number // 2}-{turn}"
            took = mine.take("buyer", "30d", 7, 1_000, order_id, now=0, expires_at=10)
            with lock:
                granted[order_id] += took.granted
                if took.granted:
                    remaining.append(took.remaining)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    orders = sum(count > 0 for count in granted.values())
    assert len(granted) == 192
    assert orders == 1_000 // 7
    assert store.taken([("buyer", "30d")], now=0) == [orders * 7]
    assert set(remaining) == {1_000 - 7 * n for n in range(1, orders + 1)}, "each grant saw its own state"


_CLIENT = """
import os, sys
from graph.open import open_store
store = open_store(sys.argv[1], namespace=os.environ.get("RINGFENCE_TEST_NAMESPACE", "default"), create=False)
print(sum(store.take("k", "w", 1, 150, f"{sys.argv[2]}-{n}", now=0, expires_at=9).granted for n in range(60)))
"""


def test_several_processes_share_one_cap_exactly(backend):
    store = backend.open()
    clients = [
        subprocess.Popen([sys.executable, "-c", _CLIENT, backend.url, str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    grants = [int(client.communicate(timeout=60)[0]) for client in clients]
    assert sum(grants) == 150
    assert store.taken([("k", "w")], now=0) == [150]


def test_what_has_ended_is_swept_and_what_counts_stays(store):
    for number in range(5):
        store.take(f"k{number}", "30d", 1, 9, "o1", now=0, expires_at=10 + number)
    store.take("k0", "30d", 2, 9, "o2", now=0, expires_at=100)
    store.take("empty", "30d", 1, 0, "o1", now=0, expires_at=100)  # refused: nothing is taken
    places = [(f"k{number}", "30d") for number in range(5)]
    before = store.taken(places, now=12)
    swept = store.sweep_counters(now=12)
    assert swept >= 3, "the takes that ended at 10, 11 and 12"
    assert store.sweep_counters(now=12) == 0
    assert store.taken(places, now=12) == before == [2, 0, 0, 1, 1]
    # an allowance that was dropped is there again when it is asked for, and the cap holds
    assert store.take("k1", "30d", 9, 9, "o3", now=12, expires_at=50) == Take(True, 0)
    assert not store.take("k1", "30d", 1, 9, "o4", now=12, expires_at=50).granted
    assert store.sweep_counters(now=1_000) >= 4
    assert store.taken(places, now=12) == [0, 0, 0, 0, 0]


def test_sweeping_drops_so_many_at_once_and_nothing_of_another_namespace(backend):
    here, there = backend.open(), backend.open(namespace="other")
    for store in (here, there):
        for number in range(6):
            store.take(f"k{number}", "1d", 1, 9, "o", now=0, expires_at=10)
    first = here.sweep_counters(now=10, limit=2)
    assert 2 <= first <= 4, "two takes, and on a store that keeps allowances theirs"
    while here.sweep_counters(now=10, limit=2):
        pass
    assert here.taken([("k5", "1d")], now=0) == [0]
    assert there.taken([("k5", "1d")], now=0) == [1]


def test_sweeping_while_others_take_and_give_back_never_lets_a_cap_be_passed(backend):
    """Allowances are emptied and dropped all the time; at no moment are more takes live than the cap allows."""
    live: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock, stop = threading.Lock(), threading.Event()
    failed: list[BaseException] = []

    def client(number: int) -> None:
        mine = backend.open()
        try:
            for turn in range(20):
                key, order = f"k{turn % 3}", f"o{number}-{turn}"
                if mine.take(key, "w", 1, 2, order, now=0, expires_at=10).granted:
                    with lock:
                        live[key] += 1
                        most[key] = max(most[key], live[key])
                    with lock:
                        live[key] -= 1
                    mine.give_back(key, "w", order)
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            failed.append(error)

    def sweeper() -> None:
        mine = backend.open()
        while not stop.is_set():
            mine.sweep_counters(now=0)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    sweeping = threading.Thread(target=sweeper)
    for thread in (*threads, sweeping):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    sweeping.join()
    assert not failed
    assert set(most) == {"k0", "k1", "k2"}
    assert max(most.values()) <= 2
    store = backend.open()
    store.sweep_counters(now=0)
    assert store.taken([(key, "w") for key in most], now=0) == [0, 0, 0]
