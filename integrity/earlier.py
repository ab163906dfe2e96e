"""What an earlier run had decided, for steps that need two runs."""

from __future__ import annotations

from collections.abc import Mapping

from graph.store import Store
from integrity.columns import texts


def earlier_statuses(store: Store, parent: str | None, *, as_of: int) -> Mapping[str, str]:
    """Buyer to status in the nearest run, from `parent` back, that looked at an instant before `as_of`.

    A run over the same instant as its parent so rests on what the parent rested on: running again over the same data
    is no second opinion, and changes nothing. Empty where there is no such run any more."""
    runs = {run.run_id: run for run in store.runs()}
    seen: set[str] = set()
    while parent is not None and parent in runs and parent not in seen:
        seen.add(parent)
        if runs[parent].as_of < as_of:
            rows = store.run_rows(parent, "run_decisions", columns=("buyer_id", "status"))
            return dict(zip(texts(rows, "buyer_id"), texts(rows, "status"), strict=True))
        parent = runs[parent].parent
    return {}
