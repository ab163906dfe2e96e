"""Not waiting for a store longer than checkout may: calls with a deadline, and counts of what became of them.

A call that passes its deadline goes on in its thread, and its answer is thrown away. While every thread is held by such
a call nobody waits at all: whoever comes is told at once, and the first call to come back opens the way again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Waited
from typing import TypeVar

T = TypeVar("T")
_THREADS = 4

COUNTED: Mapping[str, str] = {
    "answered_from_memory": "answers that needed no store",
    "asked_of_store": "answers that read what was bought or reserved",
    "unreachable_allowed": "purchases let pass because the store was not reached in time",
    "unreachable_denied": "purchases denied because the store was not reached in time",
    "unreachable_settling": "confirmations and releases that could not be written in time",
    "held": "reservations made",
    "refused": "reservations that did not fit",
    "confirmed": "reservations confirmed",
    "released": "reservations released",
    "expired": "confirmations that came after the hold had ended",
    "conflict": "reservations, confirmations and releases that named other content",
    "batches": "transactions in which reservations were written",
    "batched": "reservations, confirmations and releases in them",
}
"""What is counted, and what each count means."""


class Late(Exception):
    """The store did not answer in time."""


class CheckoutCounts:
    """Counts since the process began, by the names in `COUNTED`. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Count one more; `KeyError` for a name that is none."""
        COUNTED[name]
        with self._lock:
            self._counts[name] += count

    def snapshot(self) -> dict[str, int]:
        """All counts at this moment, zeros too."""
        with self._lock:
            return {name: self._counts[name] for name in COUNTED}


class Bounded:
    """Does work in threads of its own and waits no longer than told."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="checkout-read")
        self._threads, self._overdue = threads, 0
        self._lock = threading.Lock()

    def call(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` returns or raises. Raises `Late` after so many seconds, or at once where all threads are held by
        work that is late."""
        with self._lock:
            if self._overdue >= self._threads:
                raise Late
        future = self._pool.submit(work)
        try:
            return future.result(timeout=seconds)
        except Waited:
            if future.done():
                return future.result()  # it came in this very moment, or itself raised a TimeoutError
            if not future.cancel():
                with self._lock:
                    self._overdue += 1
                future.add_done_callback(self._came_back)
            raise Late from None

    def _came_back(self, _future: Future[T]) -> None:
        with self._lock:
            self._overdue -= 1
