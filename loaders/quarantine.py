"""Takes up quarantined rows again once their source has been put right, or a rule no longer bars them.

No raw value is kept, so the source is read again: the lines that have entries, in the files they came from, with the
mapping of that load. Rows that hold now are stored under a new load; rows that still break get new entries; the old
entries are dropped. A row whose id has got a newer version meanwhile is left as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.errors import LeaseHeld, NotFound
from graph.leases import held
from graph.store import Store
from loaders.intake import SELECT
from loaders.keying import Keyer
from loaders.load import LEASE, Only, load_folder
from loaders.progress import Progress
from loaders.report import LoadReport

_PAGE = 10_000


@dataclass(frozen=True)
class Retried:
    """One load's entries, tried again: `load` is the one they came from, `entries` how many were tried, `report` that
    of the load that took the rows up."""

    load: int
    entries: int
    report: LoadReport


def entries(store: Store, *, load: int | None = None) -> Iterator[dict[str, Any]]:
    """All quarantined entries (of one load), oldest first: `seq`, `load`, and the columns of
    `graph.columns.QUARANTINE`."""
    after = 0
    while True:
        page = store.quarantined(load=load, after=after, limit=_PAGE).to_pylist()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]["seq"]


def retry(
    store: Store,
    keyer: Keyer,
    *,
    now: int,
    load: int | None = None,
    folder: Path | None = None,
    mapping: Path | None = None,
    progress: Progress | None = None,
    holder: str = "retry",
    wait: float = 0.0,
    on_wait: Callable[[LeaseHeld], None] = lambda _held: None,
) -> list[Retried]:
    """Read the sources of quarantined rows again (of `load`, or of all loads, oldest first).

    `folder` and `mapping` say where the source lies where it has moved; by default where the load found it. Line
    numbers must still be those of the entries: correct files in place. Rows that a SELECT gave have no stable line,
    so all of its rows are read.

    Raises `NotFound` where `load` is no finished load, `BadInput` where a source is gone or refused (entries stay)."""
    reports = {record.load: record.report for record in store.loads() if record.state == "finished"}
    if load is not None and load not in reports:
        raise NotFound(f"there is no finished load {load}", do="see the loads in `ringfence quarantine list`")
    waiting: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries(store, load=load):
        waiting[entry["load"]].append(entry)
    done = []
    for number, found in sorted(waiting.items()):
        before = LoadReport.from_json(reports[number])
        lines: dict[str, set[int]] = defaultdict(set)
        for entry in found:
            lines[entry["file"]].add(entry["line"])
        report = load_folder(
            store,
            keyer,
            folder or Path(before.folder),
            mapping=mapping or (Path(before.mapping) if before.mapping else None),
            now=now,
            progress=progress,
            holder=holder,
            wait=wait,
            on_wait=on_wait,
            only=Only(
                {name: None if name.startswith(SELECT) else frozenset(at) for name, at in lines.items()}, since=number
            ),
        )
        with held(store, LEASE, holder, wait=wait, on_wait=on_wait) as lease:
            store.release_quarantine(lease, [entry["seq"] for entry in found])
        done.append(Retried(number, len(found), report))
    return done
