"""What people do about runs, each an act in the book: publishing one, going back, starting one, deciding anew.

Publishing and going back is one switch in the store under the `run` lease, right after its act; earlier runs stay
readable until retention drops them. Of a schedule it is an act that somebody started it; each run that it makes is its
own record and no act.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from graph.errors import BadInput
from graph.leases import held
from graph.store import Lease, RunRecord, Store
from integrity.acts import Actor, Book, Draft
from integrity.instants import DAY, to_iso
from integrity.publication import RUN_LEASE, age, find_run, published_runs

PUBLISHED: Final = "run.published"
ROLLED_BACK: Final = "run.rolled_back"
STARTED: Final = "run.started"
ANEW: Final = "run.decided_anew"
OLD: Final = 7 * DAY
"""How far behind the clock data ends that is tried, and not of today."""


@dataclass(frozen=True)
class Chosen:
    """Who chooses a run, at which instant of the data (UTC microseconds) and why; `signing_key` signs the act, ""
    leaves it unsigned."""

    by: Actor
    now: int
    reason: str = ""
    signing_key: str = ""


def publish(store: Store, run_id: str, chosen: Chosen, *, holder: str, wait: float = 0.0) -> RunRecord:
    """Make a whole run, held ones included, the one that readers see. Raises `NotFound`, `LeaseHeld`, `Tampered`."""
    with held(store, RUN_LEASE, holder, wait=wait) as lease:
        return _switch(store, lease, find_run(store, run_id), PUBLISHED, chosen)


def rollback(store: Store, chosen: Chosen, *, holder: str, to: str | None = None, wait: float = 0.0) -> RunRecord:
    """Make the run `to`, published before, the one that readers see; for None the published run that was started before
    the current one.

    Again and again it goes back further. Raises `NotFound` without such a run, `BadInput` without an earlier one, or
    where `to` was never published; `LeaseHeld`, `Tampered`."""
    with held(store, RUN_LEASE, holder, wait=wait) as lease:
        return _switch(store, lease, _earlier(store, to), ROLLED_BACK, chosen)


def reference() -> str:
    """What to call the work that somebody starts: no other is ever called so, as processes are by their number."""
    return f"start {secrets.token_hex(8)}"


def started(
    book: Book,
    reference: str,
    by: Actor,
    now: int,
    *,
    as_of: int | None = None,
    known_by: int | None = None,
    every: float | None = None,
) -> None:
    """Write that somebody started a run, or with `every` (seconds) a schedule of runs; `reference` names the work that
    was begun. Raises `Tampered`, `StoreProblem`, `BadInput` where the book is signed and there is no key."""
    asked = {"as_of": None if as_of is None else to_iso(as_of), "known_by": known_by, "every": every}
    book.append(lambda: Draft(STARTED, reference, asked), by=by, now=now)


def decided_anew(book: Book, run_id: str, by: Actor, now: int) -> None:
    """Write that somebody had the published run decided anew; `run_id` is what came of it. Raises as `started`."""
    book.append(lambda: Draft(ANEW, run_id, {}), by=by, now=now)


@dataclass
class Start:
    """Says once in the book that a run or a schedule was started, unless an act of this `reference` says so already, as
    a server's does: `run_detection` calls it when the run has begun.

    `now` is the instant of the act; None is the clock's, or the instant looked at where the data ends long before: an
    act of today would have all later ones, and the complaints among them, lie after what old data tells."""

    store: Store
    reference: str
    by: Actor
    clock: int
    now: int | None = None
    signing_key: str = ""
    as_of: int | None = None
    known_by: int | None = None
    every: float | None = None
    _said: bool = field(default=False, init=False)

    def check(self) -> None:
        """Raises before anything was begun what the act would raise."""
        book = self._book()
        book.refresh()
        book.check_key()

    def __call__(self, looked_at: int) -> None:
        """`looked_at` is the instant that the run looks at. Raises as `started`."""
        if self._said:
            return
        self._said = True
        book = self._book()
        book.refresh()
        if any(act.kind == STARTED and act.subject == self.reference for act in book.acts):
            return
        fresh = self.clock - looked_at <= OLD
        at = self.now if self.now is not None else self.clock if fresh else looked_at
        asked = {"as_of": self.as_of, "known_by": self.known_by}
        started(book, self.reference, self.by, at, every=self.every, **asked)

    def _book(self) -> Book:
        return Book(self.store, signing_key=self.signing_key, words=False)


def _earlier(store: Store, to: str | None) -> RunRecord:
    current = find_run(store, None)
    if to is not None:
        target = find_run(store, to)
        if target.state != "published":
            raise BadInput(
                f"{to} was never published", where=store.url, do=f"look at it first, then: ringfence publish {to}"
            )
        return target
    earlier = [run for run in published_runs(store) if age(run) < age(current)]
    if not earlier:
        raise BadInput(
            f"no published run before {current.run_id}", where=store.url, do="`ringfence runs` lists what there is"
        )
    return earlier[-1]


def _switch(store: Store, lease: Lease, run: RunRecord, kind: str, chosen: Chosen) -> RunRecord:
    body = {"before": store.head().run, "state": run.state, "held_reason": run.held_reason, "reason": chosen.reason}
    Book(store, signing_key=chosen.signing_key, words=False).append(
        lambda: Draft(kind, run.run_id, body), by=chosen.by, now=chosen.now
    )
    # on old data the act stands at an instant of the data; no run is published before it was finished
    store.publish(lease, run.run_id, at=max(chosen.now, run.finished_at or 0))
    return find_run(store, run.run_id)
