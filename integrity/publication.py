"""The runs that are kept: finding one, and letting go of old ones without losing what a kept one rests on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from graph.errors import NotFound
from graph.store import Lease, RunRecord, Store
from integrity.instants import to_iso
from integrity.policy import Policy

RUN_LEASE = "run"
"""The lease that detection and publication hold."""
DROPPED = "dropped_runs"
"""The journal of runs that retention let go."""


def find_run(store: Store, run_id: str | None) -> RunRecord:
    """The whole run of that id, or the published one for None. Raises `NotFound`."""
    wanted = run_id if run_id is not None else store.head().run
    if wanted is None:
        raise NotFound("no run has been published yet", where=store.url, do="run: ringfence detect")
    for run in store.runs():
        if run.run_id == wanted:
            return run
    gone = dropped_at(store, wanted)
    what = f"no run {wanted!r}" if gone is None else f"run {wanted} was dropped by retention at {to_iso(gone)}"
    raise NotFound(what, where=store.url, do="`ringfence runs` lists them")


def drop_old_runs(
    store: Store, lease: Lease, policy: Policy, *, now: int, cited: Collection[str] = frozenset()
) -> list[str]:
    """Drop what the policy no longer keeps: published runs but the latest few, and unpublished ones older than these.

    The run that readers see is always kept, and so are those in `cited`; and whatever replaying a run that is kept
    reads. What is dropped is noted in the journal `DROPPED` first, so that nobody has to guess what became of it.
    Returns the ids dropped."""
    latest = published_runs(store)[-policy.publication.keep_published_runs :]
    if not latest:
        return []
    runs = {run.run_id: run for run in store.runs()}
    oldest, current = age(latest[0]), store.head().run
    kept = {name for name, run in runs.items() if age(run) >= oldest or name == current or name in cited}
    kept |= {needed for name in sorted(kept) for needed in replay_needs(runs[name], runs)}
    old = sorted(runs.keys() - kept, key=lambda name: age(runs[name]))
    if old:
        body = {name: json.dumps({"as_of": runs[name].as_of, "policy": runs[name].policy}) for name in old}
        store.note(DROPPED, [{"at": now, "id": name, "body": body[name]} for name in old])
        store.drop_runs(lease, old)
    return old


def replay_needs(run: RunRecord, runs: Mapping[str, RunRecord]) -> tuple[str, ...]:
    """Ids of the runs that replaying `run` reads, kept or not: its parent, whose rings it carries on; the one over
    earlier data, whose limits it went on from; the one that measured the market. `runs` are those kept, by id."""
    stats = json.loads(run.stats)
    found = [run.parent]
    if "before_of" in stats:
        found.append(stats["before_of"])
    else:  # made by an earlier version: from parent to parent
        while (last := found[-1]) in runs and last is not None and runs[last].as_of >= run.as_of:
            if runs[last].parent in found:
                break
            found.append(runs[last].parent)
    found.append(stats.get("frozen_of"))
    return tuple(dict.fromkeys(name for name in found if name is not None and name != run.run_id))


def lacking(run: RunRecord, runs: Mapping[str, RunRecord]) -> tuple[str, ...]:
    """The runs that replaying `run` would need and that are not kept."""
    return tuple(name for name in replay_needs(run, runs) if name not in runs)


def dropped_at(store: Store, run_id: str) -> int | None:
    """When retention dropped a run; None where it never did."""
    rows = store.noted(DROPPED, [run_id]).to_pylist()
    return int(rows[0]["at"]) if rows else None


def last_good_run(store: Store) -> RunRecord | None:
    """The latest whole run, published or not: detection worked then."""
    return latest_of(store.runs())


def latest_of(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The whole run that finished last; None without any."""
    return max(runs, key=lambda run: (run.finished_at or 0, run.run_id), default=None)


def published_runs(store: Store) -> list[RunRecord]:
    """Runs that readers see or saw, in the order in which they were started."""
    return sorted((run for run in store.runs() if run.state == "published"), key=age)


def age(run: RunRecord) -> tuple[int, str]:
    """What runs are put in order by: when they were started."""
    return run.started_at, run.run_id
