"""What an earlier run had decided, for steps that need two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from graph.store import Store
from integrity.columns import texts


def earlier_run(store: Store, parent: str | None, *, as_of: int) -> str | None:
    """The nearest run, from `parent` back, that looked at an instant before `as_of`; None where there is none any more.

    A run over the same instant as its parent so rests on what the parent rested on: running again over the same data
    is no second opinion, and changes nothing. A run names the one that it rested on, so that those in between need
    not be kept."""
    runs = {run.run_id: run for run in store.runs()}
    seen: set[str] = set()
    while parent is not None and parent in runs and parent not in seen:
        seen.add(parent)
        if runs[parent].as_of < as_of:
            return parent
        parent = json.loads(runs[parent].stats).get("before_of") or runs[parent].parent
    return None


def earlier_statuses(store: Store, parent: str | None, *, as_of: int) -> Mapping[str, str]:
    """Buyer to status in `earlier_run`; empty where there is none."""
    return statuses_of(store, earlier_run(store, parent, as_of=as_of))


def statuses_of(store: Store, run_id: str | None) -> Mapping[str, str]:
    """Buyer to status in a run; empty for None."""
    if run_id is None:
        return {}
    rows = store.run_rows(run_id, "run_decisions", columns=("buyer_id", "status"))
    return dict(zip(texts(rows, "buyer_id"), texts(rows, "status"), strict=True))
