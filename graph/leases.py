"""Holding a lease while work goes on: waiting for it, and a heartbeat in the background."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from graph.errors import LeaseHeld, LeaseLost, StoreProblem
from graph.store import Lease, Store

_PAUSE = 0.2


def _nobody(_: LeaseHeld) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def held(
    store: Store,
    name: str,
    holder: str,
    *,
    ttl: float = 30.0,
    wait: float = 0.0,
    on_wait: Callable[[LeaseHeld], None] = _nobody,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lease]:
    """Hold the lease `name` for the body, extended every third of `ttl` seconds, given back at its end.

    Where another holds it, waits up to `wait` seconds (`on_wait` is told once, with the error that names the holder)
    and then raises `LeaseHeld`. Where it is lost meanwhile, each write of the body raises `LeaseLost`: the body need
    not look. A heartbeat that can't reach the store goes on trying."""
    lease = _acquire(store, name, holder, ttl, wait, on_wait, sleep)
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(store, lease, ttl, done), name=f"lease-{name}", daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        done.set()
        heart.join()
        # the body's own error is the one to report
        with contextlib.suppress(StoreProblem):
            store.release(lease)


def _acquire(
    store: Store,
    name: str,
    holder: str,
    ttl: float,
    wait: float,
    on_wait: Callable[[LeaseHeld], None],
    sleep: Callable[[float], None],
) -> Lease:
    waited, told = 0.0, False
    while True:
        try:
            return store.acquire(name, holder, ttl=ttl)
        except LeaseHeld as error:
            if waited >= wait:
                raise
            if not told:
                on_wait(error)
                told = True
        pause = min(_PAUSE, wait - waited)
        sleep(pause)
        waited += pause


def _beat(store: Store, lease: Lease, ttl: float, done: threading.Event) -> None:
    while not done.wait(ttl / 3):
        try:
            store.beat(lease, ttl=ttl)
        except LeaseLost:
            return
        except StoreProblem:
            # a store that is away for a moment may come back before the lease ends; writes say it if not
            continue
