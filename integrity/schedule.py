"""Detection by the clock: take up new files, detect, publish; again and again until told to stop.

The first turn begins at once, later ones at whole multiples of the interval after it; a turn that takes longer than
the interval makes the schedule skip what it missed, so turns never overlap. A turn that fails is logged and the next
one comes all the same. A stop is obeyed between the steps of a turn and while waiting; what was begun stays invisible.

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
from graph.store import Store
from integrity.policy import Policy
from integrity.policy_journal import read_journal
from integrity.runs import Detect, RunOutcome, run_detection
from loaders.keying import Keyer
from loaders.load import Only, load_folder
from loaders.progress import Silent
from loaders.reading import EXTENSIONS
from loaders.report import LoadReport

SEEN_FILES = "seen_files"


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
) -> Turns:
    """Turn after turn, `every` seconds, until the clock says stop.

    `policy` is asked anew for each turn, so that a changed file counts from the next one on."""
    log = structlog.get_logger("ringfence.schedule")
    began, turn, good, failed = clock.steady(), 0, 0, 0
    while not clock.stopping():
        fine = True
        try:
            if inbox is not None:
                fine = _load(store, inbox, clock, holder, log)
            outcome = run_turn(store, policy(), clock, holder=holder, publish=publish, detect=detect)
            fine = _tell(outcome, log) and fine
        except Stopped:
            break
        except LeaseHeld as error:
            fine = False
            log.warning("turn skipped: another run is going on", error=str(error))
        except Exception as error:  # noqa: BLE001  a schedule outlives whatever one turn runs into
            fine = False
            _failed(log, "run failed; the published run stays", error)
        good, failed = good + fine, failed + (not fine)
        turn = max(turn + 1, int((clock.steady() - began) // every) + 1)
        clock.wait(max(0.0, began + turn * every - clock.steady()))
    log.info("stopped", good=good, failed=failed)
    return Turns(good, failed)


def run_turn(
    store: Store, policy: Policy, clock: Clock, *, holder: str, publish: bool = True, detect: Detect | None = None
) -> RunOutcome:
    """One detection that a stop can end between its steps. Raises `Stopped`."""

    def step(_: str) -> None:
        if clock.stopping():
            raise Stopped

    return run_detection(store, policy=policy, now=clock.now, holder=holder, publish=publish, detect=detect, step=step)


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
