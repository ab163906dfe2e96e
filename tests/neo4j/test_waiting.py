"""Work that others wait for: tried again while that may help, given up in time, and done by few threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from neo4j.exceptions import ClientError, Neo4jError, ServiceUnavailable

from graph.neo4j import waiting
from graph.neo4j.waiting import Threads, Tries


def failing(*errors: Exception) -> tuple[Callable[[], str], list[float]]:
    """Work that fails so, one error a try and the last for ever, and when it was tried."""
    times: list[float] = []

    def work() -> str:
        times.append(time.monotonic())
        if len(times) <= len(errors):
            raise errors[len(times) - 1]
        return "done"

    return work, times


def server_says(code: str) -> Exception:
    return Neo4jError._hydrate_neo4j(code=code, message="")


DEADLOCK = "Neo.TransientError.Transaction.DeadlockDetected"
MEMORY = "Neo.TransientError.General.MemoryPoolOutOfMemoryError"


def test_what_failed_for_a_passing_reason_is_tried_again() -> None:
    work, times = failing(ServiceUnavailable("away"), server_says(DEADLOCK))
    assert Tries(work, 10.0)() == "done"
    assert len(times) == 3
    assert times[1] - times[0] < 0.2, "the first time soon"


def test_what_will_fail_again_is_told_at_once() -> None:
    work, times = failing(server_says("Neo.ClientError.Statement.SyntaxError"))
    with pytest.raises(ClientError):
        Tries(work, 10.0)()
    assert len(times) == 1


@pytest.mark.parametrize(("code", "patience", "for_memory"), [(DEADLOCK, 0.5, 9.0), (MEMORY, 9.0, 0.5)])
def test_patience_ends_and_for_memory_sooner(
    code: str, patience: float, for_memory: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_FOR_MEMORY", for_memory)
    work, times = failing(*[server_says(code)] * 100)
    began = time.monotonic()
    with pytest.raises(Neo4jError):
        Tries(work, patience)()
    assert 0.1 < time.monotonic() - began < 3
    assert len(times) > 2


def test_what_nobody_waits_for_any_more_is_not_tried_again() -> None:
    tries: Tries[None]

    def work() -> None:
        tries.over = True
        raise ServiceUnavailable("away")

    tries = Tries(work, 60.0)
    with pytest.raises(ServiceUnavailable):
        tries()


def test_it_is_known_how_long_the_present_try_lasts() -> None:
    going, go_on = threading.Event(), threading.Event()

    def work() -> None:
        going.set()
        go_on.wait(10)

    tries, threads = Tries(work, 1.0), Threads("test-lasts")
    assert tries.lasted() == 0
    pending = threads.begin(tries)
    going.wait(10)
    time.sleep(0.05)
    assert 0.04 < tries.lasted() < 5
    go_on.set()
    assert pending.wait(10)
    threads.end()


def alive(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_threads_hand_back_answers_and_errors_and_are_used_again() -> None:
    threads = Threads("test-used")
    for number in range(200):
        pending = threads.begin(lambda number=number: number)
        assert pending.wait(10)
        assert pending.result() == number
    assert alive("test-used") == 1
    pending = threads.begin(lambda: 1 // 0)
    assert pending.wait(10)
    with pytest.raises(ZeroDivisionError):
        pending.result()
    threads.end()
    end = time.monotonic() + 10
    while alive("test-used"):
        assert time.monotonic() < end, "a thread outlived its work"
        time.sleep(0.01)


def test_work_that_never_ends_keeps_nobody_else_from_theirs() -> None:
    threads, stuck = Threads("test-stuck"), threading.Event()
    first = threads.begin(lambda: stuck.wait(60))
    assert not first.wait(0.05)
    second = threads.begin(lambda: "done")
    assert second.wait(10)
    assert second.result() == "done"
    threads.end()
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "test-stuck")
    stuck.set()
    assert first.wait(10), "what comes late can still be waited for"
