"""Waiting for a server that may never answer: another thread waits in place of the caller, who can then stop.

A socket's own timeout is of no use here: a server whose disk is full keeps its connections alive and answers nothing.
Handing work over costs 12 to 20 microseconds, against most of a millisecond for the quickest question to the server.
"""

from __future__ import annotations

import math
import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from neo4j import exceptions as failures

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_FOR_MEMORY: Final = 3.0
"""Seconds for which work is tried again for which the server had no memory."""

Result = TypeVar("Result")


class Tries(Generic[Result]):
    """Work on a server that is tried again where it failed for a passing reason, for `patience` seconds from the first
    failure on. Set `over` to have it tried no more."""

    def __init__(self, once: Callable[[], Result], patience: float) -> None:
        self._once, self._patience = once, patience
        self._began = math.inf
        self.over = False

    def __call__(self) -> Result:
        """What the work returns. Raises what the last try raised."""
        until = math.inf
        pause = _FIRST_PAUSE
        while True:
            self._began = time.monotonic()
            try:
                return self._once()
            except (failures.Neo4jError, failures.DriverError) as error:
                failed = time.monotonic()
                until = min(until, failed + self._patience)
                self._began = math.inf
                # of two that stand in each other's way one goes first
                wait = pause * random.uniform(0.5, 1.0)
                code = str(getattr(error, "code", ""))
                # what it waited for another has dropped: it is made anew
                passing = error.is_retryable() or "EntityNotFound" in code
                if self.over or not passing or failed + wait > until:
                    raise
                if "Memory" in code:
                    # others may give some back; a statement that is too large for the server is so the next time
                    until = min(until, failed + _FOR_MEMORY)
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def lasted(self) -> float:
        """Seconds since the present try began; 0 between two."""
        return max(time.monotonic() - self._began, 0.0)


class Pending(Generic[Result]):
    """Work that another thread does. One thread may wait for it."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work: Callable[[], Result] | None = work
        self._found: list[Result] = []
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Do it, here and now."""
        work, self._work = self._work, None
        assert work is not None  # it is run once
        try:
            self._found.append(work())
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            self._error = error

    def end(self) -> None:
        """Tell whoever waits."""
        self._done.release()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether it is done."""
        return self._done.acquire(timeout=max(seconds, 0.0))

    def result(self) -> Result:
        """What the work returned, or the error that it raised; to be asked once, when it is done."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._found.pop()


class Threads:
    """Threads that do work for others, as many as there is work at once, and none that keeps the process from ending.

    A thread whose work never ends is given up together with it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Pending[Any] | None]] = []
        self._over = False

    def begin(self, work: Callable[[], Result]) -> Pending[Result]:
        """Have it done."""
        pending = Pending(work)
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name=self._name, daemon=True).start()
        inbox.put(pending)
        return pending

    def end(self) -> None:
        """Let the threads go that have nothing to do, and the others when they are done."""
        with self._lock:
            self._over = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _serve(self, inbox: queue.SimpleQueue[Pending[Any] | None]) -> None:
        while (pending := inbox.get()) is not None:
            pending.run()
            with self._lock:
                over = self._over
                if not over:
                    self._idle.append(inbox)
            # told last, so that who asks again at once meets this thread, and no new one is begun
            pending.end()
            del pending
            if over:
                return
