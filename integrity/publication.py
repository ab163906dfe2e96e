"""Which run readers see: publish, roll back, and let go of old runs.

Each is one switch in the store under the `run` lease; earlier runs stay readable until retention drops them.
"""

from __future__ import annotations

from collections.abc import Iterable

from graph.errors import BadInput, NotFound
from graph.leases import held
from graph.store import Lease, RunRecord, Store
from integrity.policy import Policy

RUN_LEASE = "run"
"""The lease that detection and publication hold."""


def find_run(store: Store, run_id: str | None) -> RunRecord:
    """The whole run of that id, or the published one for None. Raises `NotFound`."""
    wanted = run_id if run_id is not None else store.head().run
    if wanted is None:
        raise NotFound("no run has been published yet", where=store.url, do="run: ringfence detect")
    for run in store.runs():
        if run.run_id == wanted:
            return run
    raise NotFound(f"no run {wanted!r}", where=store.url, do="`ringfence runs` lists them")


def publish(store: Store, run_id: str, *, now: int, holder: str, wait: float = 0.0) -> RunRecord:
    """Make a whole run, held ones included, the one that readers see. Raises `NotFound`, `LeaseHeld`."""
    with held(store, RUN_LEASE, holder, wait=wait) as lease:
        run = find_run(store, run_id)
        store.publish(lease, run.run_id, at=now)
    return find_run(store, run.run_id)


def rollback(store: Store, *, now: int, holder: str, to: str | None = None, wait: float = 0.0) -> RunRecord:
    """Make the run `to`, published before, the one that readers see; for None the published run that was started before
    the current one.

    Again and again it goes back further. Raises `NotFound` without such a run, `BadInput` without an earlier one, or
    where `to` was never published."""
    with held(store, RUN_LEASE, holder, wait=wait) as lease:
        current = find_run(store, None)
        if to is not None:
            target = find_run(store, to)
            if target.state != "published":
                raise BadInput(
                    f"{to} was never published", where=store.url, do=f"look at it first, then: ringfence publish {to}"
                )
            store.publish(lease, to, at=now)
            return find_run(store, to)
        earlier = [run for run in _published(store) if _age(run) < _age(current)]
        if not earlier:
            raise BadInput(
                f"no published run before {current.run_id}", where=store.url, do="`ringfence runs` lists what there is"
            )
        store.publish(lease, earlier[-1].run_id, at=now)
    return find_run(store, earlier[-1].run_id)


def drop_old_runs(store: Store, lease: Lease, policy: Policy) -> list[str]:
    """Drop what the policy no longer keeps: published runs but the latest few, and unpublished ones older than these.

    The run that readers see is always kept. Returns the ids dropped."""
    kept = _published(store)[-policy.publication.keep_published_runs :]
    if not kept:
        return []
    current, oldest = store.head().run, _age(kept[0])
    old = [run.run_id for run in store.runs() if _age(run) < oldest and run.run_id != current]
    if old:
        store.drop_runs(lease, old)
    return old


def last_good_run(store: Store) -> RunRecord | None:
    """The latest whole run, published or not: detection worked then."""
    return latest_of(store.runs())


def latest_of(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The whole run that finished last; None without any."""
    return max(runs, key=lambda run: (run.finished_at or 0, run.run_id), default=None)


def _published(store: Store) -> list[RunRecord]:
    return sorted((run for run in store.runs() if run.state == "published"), key=_age)


def _age(run: RunRecord) -> tuple[int, str]:
    return run.started_at, run.run_id
