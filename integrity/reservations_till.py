"""Group commit: reservations that arrive while a transaction is under way share the next one.

One thread writes. It takes whatever has gathered, so that a lone request waits for nobody, and a crowd pays for one
transaction together. Each caller gets a future of its own outcome; one that is cancelled before its turn is left out,
and nothing of it is written.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

import structlog

from graph.errors import RingfenceError
from graph.reserving import Act, Outcome
from graph.store import Store
from integrity.checkout_bounds import CheckoutCounts
from integrity.prune import MARGIN

MOST = 256
"""Acts of one transaction."""
_SWEEP_SECONDS = 60.0
_SWEPT_AT_ONCE = 1_000

log = structlog.get_logger("ringfence.checkout")


class Till:
    """Writes acts of concurrent callers in shared transactions, from a `submit` until `close`."""

    def __init__(self, store: Store, counts: CheckoutCounts, *, most: int = MOST) -> None:
        self._store, self._counts, self._most = store, counts, most
        self._waiting: deque[tuple[Act, int, Future[Outcome]]] = deque()
        self._changed = threading.Condition()
        self._began: float | None = None
        self._swept = time.monotonic()
        self._thread: threading.Thread | None = None

    def submit(self, act: Act, *, now: int) -> Future[Outcome]:
        """Have an act done at `now` (UTC microseconds); its outcome, or the error of its transaction."""
        future: Future[Outcome] = Future()
        with self._changed:
            self._waiting.append((act, now, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="checkout-till", daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def held_up(self) -> float:
        """Seconds since the present transaction began; 0 where none is under way."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def waiting(self) -> int:
        """How many acts wait for their turn."""
        return len(self._waiting)

    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        with self._changed:
            return not self._waiting and self._began is None

    def close(self) -> None:
        """Write what has gathered, and end; a later `submit` begins anew."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout=10)

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                while not self._waiting and self._thread is me:
                    self._changed.wait()
                if not self._waiting:
                    return
                gathered = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                batch = [one for one in gathered if one[2].set_running_or_notify_cancel()]
                self._began = time.monotonic() if batch else None
            if batch:
                self._write(batch)
                self._began = None
                self._sweep(batch[-1][1])

    def _write(self, batch: Sequence[tuple[Act, int, Future[Outcome]]]) -> None:
        try:
            outcomes = self._store.reserve([act for act, _, _ in batch], now=max(now for _, now, _ in batch))
        except Exception as error:  # noqa: BLE001  each caller gets it
            for _, _, future in batch:
                future.set_exception(error)
            return
        self._counts.add("batches")
        self._counts.add("batched", len(batch))
        for (_, _, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)

    def _sweep(self, now: int) -> None:
        """Once a minute drop what ended long ago; whatever fails there is tried again with the next."""
        if time.monotonic() - self._swept < _SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        try:
            self._store.sweep_reservations(now=now, limit=_SWEPT_AT_ONCE)
            self._store.sweep_counters(now=now - MARGIN, limit=_SWEPT_AT_ONCE)
        except RingfenceError as error:
            log.warning("old reservations were not swept; tried again in a minute", error=str(error))
