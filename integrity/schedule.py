"""Detection by the clock, or as soon as enough is new: take up new files, detect, publish; again and again until told
to stop.

A turn is due once the last run, whoever started it, began as long ago as the interval says; before the first run at
once. So a schedule that starts again goes on where it was, two schedules of one store share the turns, and whatever
slots were missed are made up for by one run. A turn that takes longer than the interval makes the schedule skip what it
missed, so turns never overlap. Where `after_events` is given, the schedule looks every `look` seconds, and so many
orders and claims that no run has seen make a turn due before its time. A turn that fails is logged and the next one
comes all the same. A stop is obeyed between the steps of a turn and while waiting; what was begun stays invisible.

New files are those whose name, size or time of change has not been taken up before (journal `seen_files`). Put a file
there under another name and rename it when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from graph.errors import LeaseHeld, RingfenceError, RunHeld
from graph.store import RunRecord, Store
from integrity.policy import Policy
from integrity.policy_journal import read_journal
from integrity.runs import Detect, RunOutcome, run_detection
from loaders.keying import Keyer
from loaders.load import Only, load_folder
from loaders.progress import Silent
from loaders.reading import EXTENSIONS
from loaders.report import LoadReport

SEEN_FILES = "seen_files"
_SLACK = 0.01
"""Share of the interval by which a run may be younger than it and still be the turn before."""


class Stopped(Exception):
    """The schedule was told to stop while a turn was going on."""


class Clock(Protocol):
    """Time as the schedule sees it, so that tests need no waiting."""

    def now(self) -> int:
        """The wall clock, UTC microseconds."""

    def steady(self) -> float:
        """Seconds that never go back."""

    def wait(self, seconds: float) -> None:
        """Let time pass; returns early where the schedule was told to stop."""

    def stopping(self) -> bool:
        """Whether the schedule was told to stop."""


class WallClock:
    """The real one; `stop` may be called from a signal handler or another thread."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def now(self) -> int:
        """The wall clock, UTC microseconds."""
        return time.time_ns() // 1000

    def steady(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        self._stop.wait(seconds)

    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the schedule to end."""
        self._stop.set()


@dataclass(frozen=True)
class Inbox:
    """A folder that new files are put into, how to read it, and the key for what is personal in it."""

    folder: Path
    keyer: Keyer
    mapping: Path | None = None


@dataclass(frozen=True)
class Turns:
    """What a schedule did before it was stopped."""

    good: int
    failed: int


class _Watchful(Silent):
    """Progress that ends a load between batches once the schedule is to stop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def advance(self, rows: int) -> None:  # noqa: ARG002  only that something was done matters
        """Hear of rows done."""
        if self._clock.stopping():
            raise Stopped


def run_schedule(
    store: Store,
    *,
    every: float,
    policy: Callable[[], Policy],
    clock: Clock,
    holder: str,
    inbox: Inbox | None = None,
    publish: bool = True,
    detect: Detect | None = None,
    after_events: int | None = None,
    look: float = 60.0,
    started: Callable[[int], object] = lambda _: None,
) -> Turns:
    """Turn after turn, `every` seconds, or once `after_events` orders and claims are new, until the clock says stop.

    `policy` is asked anew for each turn, so that a changed one counts from the next turn on; `started` is told of each
    turn that has begun, as by `run_detection`."""
    log = structlog.get_logger("ringfence.schedule")
    plan = _Plan(store, every, clock, log)
    good = failed = 0
    while not clock.stopping():
        fine, why = True, "by the clock"
        try:
            left = plan.left()
            if left > 0:
                if after_events is None:
                    clock.wait(left)
                    continue
                clock.wait(min(look, left))
                if clock.stopping():
                    break
                fine = inbox is None or _load(store, inbox, clock, holder, log)
                new = new_events(store)
                if new < after_events:
                    continue
                why = f"{new} orders and claims are new"
            elif inbox is not None:
                fine = _load(store, inbox, clock, holder, log)
            plan.begin()
            log.info("turn", why=why)
            outcome = run_turn(store, policy(), clock, holder=holder, publish=publish, detect=detect, started=started)
            fine = _tell(outcome, log) and fine
        except Stopped:
            break
        except LeaseHeld as error:
            fine = False
            log.warning("turn skipped: another run is going on", error=str(error))
        except Exception as error:  # noqa: BLE001  a schedule outlives whatever one turn runs into
            fine = False
            _failed(log, "run failed; the published run stays", error)
        plan.end()
        good, failed = good + fine, failed + (not fine)
    log.info("stopped", good=good, failed=failed)
    return Turns(good, failed)


class _Plan:
    """When the next turn is due, by the steady clock of this process and the instants of the store's runs."""

    def __init__(self, store: Store, every: float, clock: Clock, log: structlog.typing.FilteringBoundLogger) -> None:
        self._store, self._every, self._clock, self._log = store, every, clock, log
        self._began: float | None = None
        self._due: float | None = None

    def left(self) -> float:
        """Seconds until the next turn; zero or less where it is due. Raises `StoreProblem`."""
        if self._due is None:
            self._due = self._first()
        left = self._due - self._clock.steady()
        if left <= 0:
            rest = self._rest()
            if rest > _SLACK * self._every:
                self._log.info("another run began meanwhile; the next turn is due later", seconds=round(rest, 3))
                self._began, self._due = None, self._clock.steady() + rest
                return rest
        return left

    def begin(self) -> None:
        """A turn begins: the first, or one before its time, sets the beat; others keep it."""
        at = self._clock.steady()
        if self._began is None or self._due is None or at < self._due:
            self._began = at

    def end(self) -> None:
        """A turn ended, well or not: the next is due at the next whole multiple of the interval after the beat."""
        at = self._clock.steady()
        self._began = at if self._began is None else self._began
        self._due = self._began + (int((at - self._began) // self._every) + 1) * self._every

    def _first(self) -> float:
        rest = self._rest()
        last = _last_run(self._store)
        missed = 0 if last is None else int((self._clock.now() - last.started_at) / 1e6 // self._every) - 1
        if missed > 0:
            self._log.info("catching up with one run", missed=missed, since=last.run_id if last else None)
        return self._clock.steady() + rest

    def _rest(self) -> float:
        """Seconds until the last run is an interval old; a run from the future (a clock that was set back) is old."""
        last = _last_run(self._store)
        age = None if last is None else (self._clock.now() - last.started_at) / 1e6
        return 0.0 if age is None or age < 0 else max(0.0, self._every - age)


def _last_run(store: Store) -> RunRecord | None:
    return max(store.runs(), key=lambda run: run.started_at, default=None)


def new_events(store: Store) -> int:
    """Orders and claims that finished loads brought or changed since what the last run knew."""
    last = _last_run(store)
    known = 0 if last is None else last.known_by
    count = 0
    for load in store.loads():
        if load.state == "finished" and load.load > known and load.report:
            tables = json.loads(load.report).get("tables", {})
            for name in ("orders", "refunds"):
                rows = tables.get(name, {})
                count += rows.get("new", 0) + rows.get("changed", 0)
    return count


def run_turn(
    store: Store,
    policy: Policy,
    clock: Clock,
    *,
    holder: str,
    publish: bool = True,
    detect: Detect | None = None,
    started: Callable[[int], object] = lambda _: None,
) -> RunOutcome:
    """One detection that a stop can end between its steps. Raises `Stopped`."""

    def step(_: str) -> None:
        if clock.stopping():
            raise Stopped

    return run_detection(
        store,
        policy=policy,
        now=clock.now,
        holder=holder,
        publish=publish,
        detect=detect,
        step=step,
        started=started,
    )


def take_up(store: Store, inbox: Inbox, clock: Clock, *, holder: str) -> LoadReport | None:
    """Load the files of the inbox that were not taken up before; None where there are none.

    The first load of a store takes the whole folder, later ones the new files only, so that a later file wins over an
    earlier one. With a mapping, whose tables may join several files, the whole folder is read again."""
    seen = {row["id"] for row in read_journal(store, SEEN_FILES)}
    marks = _marks(inbox.folder)
    new = {name: mark for name, mark in marks.items() if mark not in seen}
    if not new:
        return None
    some = len(new) < len(marks) and inbox.mapping is None and store.head().load > 0
    report = load_folder(
        store,
        inbox.keyer,
        inbox.folder,
        mapping=inbox.mapping,
        now=clock.now(),
        progress=_Watchful(clock),
        holder=holder,
        only=Only(dict.fromkeys(new), since=store.head().load) if some else None,
    )
    at = clock.now()
    store.note(SEEN_FILES, [{"at": at, "id": mark, "body": json.dumps({"file": name})} for name, mark in new.items()])
    return report


def _load(store: Store, inbox: Inbox, clock: Clock, holder: str, log: structlog.typing.FilteringBoundLogger) -> bool:
    """Take up new files; a failure is logged, and detection goes on with what the store holds."""
    try:
        report = take_up(store, inbox, clock, holder=holder)
    except (RingfenceError, OSError) as error:
        _failed(log, "load failed; detection goes on without it", error)
        return False
    if report is not None:
        rows = {name: count.new + count.changed for name, count in report.tables.items()}
        log.info("loaded", load=report.load, rows=rows, quarantined=report.quarantined)
    return True


def _tell(outcome: RunOutcome, log: structlog.typing.FilteringBoundLogger) -> bool:
    run = outcome.run
    if outcome.state == "held":
        log.warning("run held", run=run.run_id, error=str(RunHeld(run.held_reason)))
        return False
    log.info(outcome.state, run=run.run_id, accounts=outcome.accounts, limited=outcome.limited, rings=outcome.rings)
    return True


def _failed(log: structlog.typing.FilteringBoundLogger, what: str, error: Exception) -> None:
    known = isinstance(error, RingfenceError)
    log.error(what, kind=type(error).__name__, error=str(error) if known else repr(error), exc_info=not known)


def _marks(folder: Path) -> dict[str, str]:
    """File name below the folder to a mark of its name, size and time of change, for files that a load could read."""
    marks = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name.endswith(tuple(EXTENSIONS)) and not path.name.startswith("."):
            stat = path.stat()
            text = f"{folder.resolve()}\x1f{name}\x1f{stat.st_size}\x1f{stat.st_mtime_ns}"
            marks[name] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return marks
