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
