"""Leases: one holder at a time, taken over when they expire, and a fencing number that stops the one who lost it."""

from __future__ import annotations

import threading

import pytest

from graph.errors import LeaseHeld, LeaseLost
from graph.leases import held
from tests.conformance.support import eventually, ids, load, order, run, table


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_second_holder_is_told_who_holds_it(store):
    store.acquire("load", "first@host")
    with pytest.raises(LeaseHeld, match="first@host"):
        store.acquire("load", "second@host")


def test_leases_of_different_names_are_independent(store):
    assert store.acquire("load", "a").name == "load"
    assert store.acquire("run", "b").name == "run"


def test_a_lease_given_back_is_free_and_the_next_fence_is_higher(store):
    first = store.acquire("load", "a")
    store.release(first)
    second = store.acquire("load", "b")
    assert second.fence > first.fence


def test_an_expired_lease_is_taken_over_and_its_holder_is_fenced_out_of_every_write(backend):
    clock = Clock()
    store = backend.open(clock=clock)
    old = store.acquire("load", "slow", ttl=30)
    number = store.begin_load(old, source="x", at=1)
    clock.now += 30.001
    new = store.acquire("load", "quick", ttl=30)
    assert new.fence > old.fence

    rows = table("orders", [order("o1")])
    rejected = table_of_rejected()
    for write in (
        lambda: store.beat(old),
        lambda: store.begin_load(old, source="x", at=1),
        lambda: store.write(old, number, "orders", rows),
        lambda: store.quarantine(old, number, rejected),
        lambda: store.release_quarantine(old, [1]),
        lambda: store.finish_load(old, number, report="", at=2),
        lambda: store.forget(old, "b1"),
        lambda: store.begin_run(old, run("r1")),
        lambda: store.write_run(old, "r1", "run_accounts", table("run_accounts", [])),
        lambda: store.finish_run(old, "r1", state="complete", at=1),
        lambda: store.publish(old, "r1", at=1),
        lambda: store.drop_runs(old, ["r1"]),
    ):
        with pytest.raises(LeaseLost):
            write()
    store.release(old)
    assert store.beat(new).fence == new.fence
    assert store.head().load == 0


def table_of_rejected():
    import pyarrow as pa

    from graph.columns import QUARANTINE

    return pa.Table.from_pylist([{"table": "orders", "file": "f", "line": 1}], schema=QUARANTINE)


def test_a_beat_keeps_the_lease_beyond_its_first_end(backend):
    clock = Clock()
    store = backend.open(clock=clock)
    lease = store.acquire("load", "a", ttl=30)
    clock.now += 20
    lease = store.beat(lease, ttl=30)
    clock.now += 20
    with pytest.raises(LeaseHeld):
        store.acquire("load", "b")
    assert lease.expires_at == round((1_020 + 30) * 1e6)


def test_a_holder_whose_lease_expired_may_go_on_while_nobody_took_it(backend):
    clock = Clock()
    store = backend.open(clock=clock)
    lease = store.acquire("load", "a", ttl=30)
    clock.now += 100
    number = store.begin_load(lease, source="x", at=1)
    store.finish_load(store.beat(lease), number, report="", at=2)
    assert store.head().load == 1


def test_writing_after_giving_back_is_refused(store):
    lease = store.acquire("load", "a")
    number = store.begin_load(lease, source="x", at=1)
    store.release(lease)
    with pytest.raises(LeaseLost):
        store.write(lease, number, "orders", table("orders", [order("o1")]))


def test_of_many_who_ask_at_once_exactly_one_gets_it(backend):
    got, refused = [], []
    gate = threading.Barrier(16)

    def ask(name: str) -> None:
        store = backend.open()
        gate.wait()
        try:
            got.append(store.acquire("load", name))
        except LeaseHeld:
            refused.append(name)

    backend.open()
    threads = [threading.Thread(target=ask, args=(f"t{i}",)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 15)


def test_held_beats_in_the_background_and_gives_back_at_the_end(store):
    with held(store, "load", "worker", ttl=0.3) as lease:
        waited = threading.Event()
        waited.wait(0.9)
        with pytest.raises(LeaseHeld, match="worker"):
            store.acquire("load", "other")
    assert store.acquire("load", "other").fence > lease.fence


def test_held_waits_for_the_other_holder_and_says_so_once(backend):
    store = backend.open()
    first = store.acquire("load", "first")
    told: list[str] = []

    def give_back() -> None:
        eventually(lambda: bool(told))
        backend.open().release(first)

    helper = threading.Thread(target=give_back)
    helper.start()
    with held(store, "load", "second", wait=20, on_wait=lambda error: told.append(str(error))) as lease:
        assert lease.fence > first.fence
    helper.join()
    assert len(told) == 1
    assert "first" in told[0]


def test_held_gives_up_after_its_patience(store):
    store.acquire("load", "first")
    pauses: list[float] = []
    with pytest.raises(LeaseHeld), held(store, "load", "second", wait=1.0, sleep=pauses.append):
        pass
    assert sum(pauses) == pytest.approx(1.0)


def test_held_gives_back_when_the_work_fails(store):
    with pytest.raises(ZeroDivisionError), held(store, "load", "a"):
        _ = 1 / 0
    load(store, orders=[order("o1")])
    assert ids(store) == ["o1"]
