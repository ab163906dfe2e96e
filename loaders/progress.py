"""How a long job says how far it is: a bar with rate and time left on a terminal, plain lines elsewhere.

The only clock here is the monotonic one, and only for what is shown; no result depends on it.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress(Protocol):
    """Hears how far a job is. Rows are counted per phase (`check`, or a table's name)."""

    def phase(self, name: str, total: int | None) -> None:
        """A phase begins; `total` rows are to come, None where that is not known."""

    def advance(self, rows: int) -> None:
        """So many more rows of the current phase are done."""

    def close(self) -> None:
        """Nothing more will come."""


class Silent:
    """Says nothing."""

    def phase(self, name: str, total: int | None) -> None:
        """Ignored."""

    def advance(self, rows: int) -> None:
        """Ignored."""

    def close(self) -> None:
        """Ignored."""


class Bar:
    """A bar for a terminal: rows done, rows a second, time left."""

    def __init__(self, stream: TextIO) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(file=stream),
        )
        self._task: TaskID | None = None
        self._bar.start()

    def phase(self, name: str, total: int | None) -> None:
        """Begin a new line of the display."""
        self._finish()
        self._task = self._bar.add_task(name, total=total, rate="")

    def advance(self, rows: int) -> None:
        """Move the bar."""
        if self._task is not None:
            task = self._bar.tasks[-1]
            self._bar.update(self._task, advance=rows, rate=f"{task.speed or 0:,.0f} rows/s")

    def close(self) -> None:
        """End the display and leave the terminal as it was."""
        self._finish()
        self._bar.stop()

    def _finish(self) -> None:
        if self._task is not None:
            task = self._bar.tasks[-1]
            self._bar.update(self._task, total=task.completed)


class Lines:
    """Plain lines: at the start of a phase and at most every `every` seconds."""

    def __init__(self, stream: TextIO, *, every: float = 5.0) -> None:
        self._stream, self._every = stream, every
        self._name, self._total, self._done = "", None, 0  # type: tuple[str, int | None, int]
        self._began = self._said = time.monotonic()

    def phase(self, name: str, total: int | None) -> None:
        """Say what begins."""
        self._name, self._total, self._done = name, total, 0
        self._began = self._said = time.monotonic()
        rows = f": {total:,} rows" if total is not None else ""
        self._say(f"{name}{rows}")

    def advance(self, rows: int) -> None:
        """Count, and say so where it is time to."""
        self._done += rows
        now = time.monotonic()
        if now - self._said < self._every:
            return
        self._said = now
        rate = self._done / max(now - self._began, 1e-9)
        left = f", {(self._total - self._done) / rate:,.0f} s left" if self._total and rate else ""
        of = f" of {self._total:,}" if self._total else ""
        self._say(f"{self._name}: {self._done:,}{of} rows, {rate:,.0f} rows/s{left}")

    def close(self) -> None:
        """Nothing to end."""

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Shown:
    """The progress that fits a stream (a bar on a terminal, else lines), as a context manager."""

    def __init__(self, stream: TextIO | None = None) -> None:
        out = stream or sys.stderr
        self._progress: Progress = Bar(out) if out.isatty() else Lines(out)

    def __enter__(self) -> Progress:
        return self._progress

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.close()
