"""Work side by side: what does not depend on each other is done by two threads at a time.

Most of it is spent in NumPy, which lets other threads go on. What comes out is the same however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE: Final = 2
"""Pieces of work done at a time: of more a market's columns would crowd each other out of the caches."""
WORTH: Final = 50_000
"""Rows from which on a second thread gains more than its start costs."""


def side_by_side(calls: Iterable[Callable[[], T]], rows: int) -> list[T]:
    """What the calls return, in their order; with few `rows` to work on, one after the other."""
    if rows < WORTH:
        return [call() for call in calls]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [future.result() for future in [threads.submit(call) for call in calls]]


def both(one: Callable[[], T], other: Callable[[], U], rows: int) -> tuple[T, U]:
    """What two calls return, made side by side; with few `rows` to work on, one after the other."""
    if rows < WORTH:
        return one(), other()
    with ThreadPoolExecutor(1) as thread:
        later = thread.submit(one)
        here = other()
        return later.result(), here
