"""What is well and what is not: the store, the key, the loads and the runs, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from graph.errors import KeyProblem, RingfenceError, StoreProblem
from graph.open import open_store
from graph.store import Check, Store
from integrity.instants import to_iso
from integrity.publication import find_run

_STALE_RUN = 36 * 3600 * 1_000_000


def examine(url: str, shown: str, *, namespace: str, fingerprint: str | None, now: int) -> list[Check]:
    """Everything that can be known, beginning with whether the store can be reached; changes nothing.

    `shown` is the URL without its password, `fingerprint` that of the pseudonymisation key, None where none is set;
    `now` in UTC microseconds."""
    try:
        store, rights = _opened(url, namespace)
    except StoreProblem as problem:
        return [Check("reached", "problem", f"{shown}: {problem.what}", problem.do)]
    try:
        found = [Check("reached", "ok", f"{store.url}, namespace {namespace}")]
        # what kept the store from being opened for writing says more than that it was opened for reading
        found += [rights if rights is not None and one.name == rights.name else one for one in store.check()]
        found.append(_key(store, fingerprint))
        found += _contents(store)
        found += _runs(store, now)
    except RingfenceError as problem:
        found.append(Check("reached", "problem", f"{shown}: {problem.what}", problem.do))
    finally:
        store.close()
    return found


def _opened(url: str, namespace: str) -> tuple[Store, Check | None]:
    """The store, for writing where that is allowed; where it isn't, why."""
    try:
        return open_store(url, namespace=namespace, create=False), None
    except StoreProblem as problem:
        refused = problem
    try:
        store = open_store(url, namespace=namespace, create=False, readonly=True)
    except StoreProblem:
        raise refused from None
    return store, Check("rights", "problem", f"may read, not write: {refused.what}", refused.do)


def _key(store: Store, fingerprint: str | None) -> Check:
    bound = store.meta().get("key_fingerprint")
    if bound is None:
        return Check("key", "ok", "the store is bound to no key yet; the first load does that")
    if fingerprint is None:
        return Check("key", "warning", "the store is bound to a key and none is set", "set RINGFENCE_KEY to load")
    if fingerprint != bound:
        return Check("key", "problem", "RINGFENCE_KEY is not the key that this store was made with", "set that key")
    return Check("key", "ok", "RINGFENCE_KEY is the key that this store was made with")


def _contents(store: Store) -> Iterator[Check]:
    rows = store.describe()["rows"]
    told = ", ".join(f"{count:,} {name}" for name, count in rows.items() if count)
    yield Check("rows", "ok", told or "none")
    loads = store.loads()
    finished = [load for load in loads if load.state == "finished"]
    running = [load for load in loads if load.state == "running"]
    if not finished:
        yield Check("last load", "warning", "nothing has been loaded", "run: ringfence load FOLDER")
    else:
        last = finished[-1]
        at = "" if last.finished_at is None else f", finished {to_iso(last.finished_at)}"
        yield Check("last load", "ok", f"load {last.load}{at}")
    if running:
        numbers = ", ".join(str(load.load) for load in running)
        yield Check("unfinished load", "ok", f"load {numbers} is running or was stopped; nobody sees its rows")


def _runs(store: Store, now: int) -> Iterator[Check]:
    head = store.head()
    held = [run.run_id for run in store.runs() if run.state == "held"]
    if head.run is None:
        yield Check("published run", "warning", "no run has been published", "run: ringfence detect")
    else:
        run = find_run(store, head.run)
        told = f"{run.run_id}, as of {to_iso(run.as_of)}, knows loads up to {run.known_by} of {head.load}"
        if run.known_by < head.load:
            yield Check("published run", "warning", told, "run: ringfence detect")
        elif run.finished_at is not None and now - run.finished_at > _STALE_RUN:
            yield Check("published run", "warning", f"{told}, made {to_iso(run.finished_at)}", "run: ringfence detect")
        else:
            yield Check("published run", "ok", told)
    if held:
        do = f"look at it, then: ringfence publish {held[-1]}"
        yield Check("held run", "warning", f"{', '.join(held)} waits for a person", do)


def worst(checks: list[Check]) -> RingfenceError | None:
    """The error that stands for the problems found, the key's if it is the only one; None where there is none."""
    problems = [one for one in checks if one.state == "problem"]
    if not problems:
        return None
    kind = KeyProblem if {one.name for one in problems} == {"key"} else StoreProblem
    return kind("; ".join(f"{one.name}: {one.found}" for one in problems))
