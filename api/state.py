"""What the server knows of the store between requests: the published run, revoked tokens, health.

One background thread asks the store a few times a second. A request takes one `View` at its start and keeps it, so it
sees the old run or the new one and never a mixture.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from api.audit import AuditLog
from api.metrics import Metrics, Seen
from api.settings import ApiSettings
from api.tokens import Revocations
from api.trials import Trials
from api.view import View
from graph.errors import RingfenceError, Tampered
from graph.store import Head, Store
from integrity.affairs import Affairs
from integrity.checkout_desk import CheckoutDesk
from integrity.checkout_view import PublishedRun
from integrity.policy import Policy
from integrity.publication import latest_of
from integrity.reservations import ReservationDesk
from integrity.reservations_till import Till
from integrity.seals import seal
from integrity.version import ringfence_version

WHOLE = "whole"
log = structlog.get_logger("ringfence.api")


@dataclass(frozen=True)
class Health:
    """What `/healthz` says. `last_good_run_age_seconds` is null before any run; `book_of_acts` is `whole`, or what was
    found to be wrong with it: then nobody can act, and checkout goes on; `checkout` counts since the start, by
    `integrity.checkout_bounds.COUNTED`."""

    ok: bool
    store: str
    last_good_run_age_seconds: float | None
    book_of_acts: str
    version: str
    checkout: Mapping[str, int]


class State:
    """The store as last seen, kept fresh by `start`. `now` is the instant that is answered for, `clock` the wall
    clock's; both in UTC microseconds. `ahead` as for `CheckoutDesk`."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        now: Callable[[], int],
        clock: Callable[[], int],
        settings: ApiSettings,
        audit_key: str = "",
        follow: bool = False,
        ahead: bool = True,
    ) -> None:
        self.store, self.settings, self.now, self.clock = store, settings, now, clock
        self.desk = CheckoutDesk(store, policy, follow=follow, ahead=ahead)
        self._till = Till(store, self.desk.counts)
        self.reservations = ReservationDesk(self.desk, self._till)
        self.audit = AuditLog(store, now=clock)
        self.affairs = Affairs(store, lambda: self.policy, signing_key=audit_key)
        self._revocations = Revocations(store)
        self._view = View(store, Head(0, None), None)
        self._view_lock = threading.Lock()
        self._last_good: int | None = None
        self._runs: Counter[str] = Counter()
        self._loads: Counter[str] = Counter()
        self._loaded: tuple[int, int | None] = (0, None)
        self._reachable = self.ready = False
        self.metrics = Metrics(self.seen)
        self._book, self._erasures = WHOLE, 0
        self.working = threading.Lock()  # held by a replay or a trial: a second one would take what answers need
        self.trials = Trials(self.working, clock)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def policy(self) -> Policy:
        """The policy in force, as the checkout desk has it."""
        return self.desk.policy

    def revoked(self) -> frozenset[str]:
        """Ids of revoked tokens as last read."""
        return self._revocations.ids

    def view(self) -> View:
        """The view of the head last noticed; hold on to it for the length of one request."""
        head, published = self._pair()
        view = self._view
        if view.head is head and view.published is published:
            return view
        with self._view_lock:
            if self._view.head is not head or self._view.published is not published:
                self._view = View(self.store, head, published)
            return self._view

    def _pair(self) -> tuple[Head, PublishedRun | None]:
        while True:
            published, head = self.desk.published, self.desk.head
            # Two reads: the desk may have swapped between them, and then the pair does not belong together.
            if head.run == (published.record.run_id if published is not None else None):
                return head, published

    def refresh(self, *, quiet: bool = False) -> None:
        """Look at the store once: a new head, revoked tokens, the last good run, new acts. Raises `StoreProblem`.

        `quiet` leaves a new run out of the log."""
        self._revocations.refresh()
        before = self.desk.head.run
        self._refresh_book()
        # whoever was forgotten is let go of at once; the records were erased before the act that says so
        erasures = self.affairs.book.erasures
        self.desk.refresh(anew=erasures != self._erasures and self.ready)
        self._erasures = erasures
        published = self.desk.published
        if published is not None and published.record.run_id != before and not quiet:
            run = published.record
            log.info("run taken up", run=run.run_id, policy=run.policy, before=before, limited=len(published.limited))
        runs = self.store.runs()
        last = latest_of(runs)
        self._last_good = None if last is None else last.finished_at
        self._runs = Counter(run.state for run in runs)
        self._count_loads()
        self._reachable = self.ready = True

    def _refresh_book(self) -> None:
        """Take up new acts, and note whether the book is whole."""
        try:
            self.affairs.book.refresh()
            self._book = WHOLE
        except Tampered as error:
            if self._book == WHOLE:
                log.error("the book of acts was tampered with", error=error.what)
            self._book = error.what

    def _count_loads(self) -> None:
        """Count loads anew where the head has moved; the list may be long."""
        load = self.desk.head.load
        if load != self._loaded[0] or not self.ready:
            loads = self.store.loads()
            self._loads = Counter(one.state for one in loads)
            self._loaded = load, next((one.finished_at for one in reversed(loads) if one.load == load), None)

    def seen(self) -> Seen:
        """What metrics tell of the store, by what the background thread last saw."""
        published, now = self.desk.published, self.clock()
        loaded = self._loaded[1]
        return Seen(
            ready=self.ready,
            reachable=self._reachable,
            run_age=None if self._last_good is None else max(0, now - self._last_good) / 1e6,
            data_age=None if loaded is None else max(0, now - loaded) / 1e6,
            run_id="" if published is None else published.record.run_id,
            policy="" if published is None else published.record.policy,
            accounts=0 if published is None else len(published.decisions),
            limited=0 if published is None else len(published.limited),
            runs={state: self._runs[state] for state in ("complete", "held", "published")},
            loads={state: self._loads[state] for state in ("finished", "running", "swept")},
            acts_whole=self._book == WHOLE,
            checkout=self.desk.counts.snapshot(),
        )

    def health(self) -> Health:
        """How the server is, by what the background thread last saw."""
        age = None if self._last_good is None else max(0, self.clock() - self._last_good) / 1_000_000
        store = "reachable" if self._reachable else "unreachable"
        shown = None if age is None else round(age, 3)
        return Health(self._reachable, store, shown, self._book, ringfence_version(), self.desk.counts.snapshot())

    def start(self) -> None:
        """Refresh now, and in the background until `stop`."""
        self._look()
        self._stop.clear()
        for name, work, every in (
            ("api-refresh", self._look, self.settings.poll_seconds),
            ("api-audit", self._flush, self.settings.audit_seconds),
            ("api-seal", self._seal, self.settings.seal_seconds),
        ):
            thread = threading.Thread(target=self._repeat, args=(work, every), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the background work and write the audit lines still gathered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._threads.clear()
        self.let_go()
        self._seal()

    def let_go(self) -> None:
        """Write what is still on its way to the store: for whoever asks without the background work."""
        self._till.close()
        self._flush()

    def _repeat(self, work: Callable[[], None], every: float) -> None:
        while not self._stop.wait(every):
            work()

    def _look(self) -> None:
        try:
            self.refresh()
        except RingfenceError as error:
            if self._reachable:
                log.warning("the store cannot be read; what was last seen stays", error=str(error))
            self._reachable = False
        except Exception:  # the thread must outlive a defect, and the log must tell of it
            log.exception("refresh failed")
            self._reachable = False

    def _flush(self) -> None:
        try:
            self.audit.flush()
        except Exception:  # as above
            log.exception("audit flush failed")

    def _seal(self) -> None:
        try:
            seal(self.affairs.book, now=self.now())
        except RingfenceError as error:
            log.warning("the audit journal was not sealed", error=str(error))
        except Exception:  # as above
            log.exception("sealing failed")


def wall_clock() -> int:
    """Now in UTC microseconds: the one clock of the server, handed on as an argument."""
    return time.time_ns() // 1_000
