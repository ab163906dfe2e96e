"""The findings of a stored run, as detection handed them over."""

from __future__ import annotations

from detectors.frozen import read_frozen
from detectors.pipeline import Findings
from graph.store import Store


def stored_findings(store: Store, run_id: str, *, with_evidence: bool = True) -> Findings:
    """All findings of a whole run. Without evidence, which is most of it, that table has no rows; `stats` is empty."""
    tables = {
        name: store.run_rows(run_id, f"run_{name}") for name in ("accounts", "rings", "lineage", "members", "hubs")
    }
    evidence = store.run_rows(run_id, "run_evidence") if with_evidence else tables["hubs"].slice(0, 0)
    frozen = read_frozen(store.run_rows(run_id, "run_frozen"))
    return Findings(**tables, evidence=evidence, frozen=frozen, stats={})
