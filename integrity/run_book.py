"""What people do about runs, each an act in the book: publishing one, going back, starting one, deciding anew.

Publishing and going back is one switch in the store under the `run` lease, right after its act; earlier runs stay
readable until retention drops them. A run that a schedule makes is its own record and no act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graph.errors import BadInput
from graph.leases import held
from graph.store import Lease, RunRecord, Store
from integrity.acts import Actor, Book, Draft
from integrity.publication import RUN_LEASE, age, find_run, published_runs

PUBLISHED: Final = "run.published"
ROLLED_BACK: Final = "run.rolled_back"
STARTED: Final = "run.started"
ANEW: Final = "run.decided_anew"


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


def noted(book: Book, kind: str, subject: str, by: Actor, now: int, body: Mapping[str, Any] | None = None) -> None:
    """Write that a run was started (`STARTED`, `subject` a reference to it) or decided anew (`ANEW`, its id). Raises
    `Tampered`, `StoreProblem`."""
    book.append(lambda: Draft(kind, subject, body or {}), by=by, now=now)


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
