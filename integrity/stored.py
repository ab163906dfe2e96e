"""The findings of a stored run, as detection handed them over; and handed on to a run after it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from detectors.frozen import read_frozen
from detectors.names import Known, known_rings, name_rings
from detectors.pipeline import Findings
from detectors.settings import DetectionSettings
from detectors.tables import lineage_table
from graph.snapshot import Snapshot
from graph.store import RunRecord, Store
from integrity.decide import Findings as Found
from integrity.heard import heard
from integrity.policy import Policy
from integrity.runs import Detect, Ground, ground_of


def stored_findings(store: Store, run_id: str, *, with_evidence: bool = True) -> Findings:
    """All findings of a whole run. Without evidence, which is most of it, that table has no rows; `stats` is empty."""
    tables = {
        name: store.run_rows(run_id, f"run_{name}") for name in ("accounts", "rings", "lineage", "members", "hubs")
    }
    evidence = store.run_rows(run_id, "run_evidence") if with_evidence else tables["hubs"].slice(0, 0)
    frozen = read_frozen(store.run_rows(run_id, "run_frozen"))
    return Findings(**tables, evidence=evidence, frozen=frozen, stats={})


def recorded_ground(store: Store, run: RunRecord) -> Ground:
    """What a run rested on, as far as its decisions go: what it knew, the acts done by then, and what the run before
    it had decided. Raises `BadInput`, `Tampered`."""
    kept = any(known.run_id == run.parent for known in store.runs())
    return ground_of(
        store,
        run.parent if kept else None,
        as_of=run.as_of,
        known_by=run.known_by,
        acts=json.loads(run.stats).get("acts", 0),
    )


def handed_on(store: Store, run: RunRecord, ground: Ground, policy: Policy | None, *, detect: Detect | None) -> Detect:
    """What detects for a run on `ground` that follows `run`, which was decided by `policy` (None: not known). Where
    the ground is what the run saw, and settings are the same, it hands on the run's findings, its rings going on as
    themselves; else it detects, by `detect` or the pipeline.

    The rows are those that detecting again would give, in the time it takes to read them. Asked again for the same, it
    answers with what it had."""
    seen = heard(ground.snapshot).digest if ground.snapshot.digest == run.snapshot_digest else None
    former = known_rings(store.run_rows(run.run_id, "run_rings"), store.run_rows(run.run_id, "run_lineage"))
    had: dict[tuple[str, DetectionSettings], Found] = {}

    def again(snapshot: Snapshot, wanted: DetectionSettings) -> Found:
        key = snapshot.digest, wanted
        if key not in had:
            had[key] = once(snapshot, wanted)
        return had[key]

    def once(snapshot: Snapshot, wanted: DetectionSettings) -> Found:
        if policy is not None and policy.detection == wanted and snapshot.digest == seen:
            kept = _after(stored_findings(store, run.run_id), former, snapshot.as_of)
            if kept is not None:
                return replace(kept, stats=json.loads(run.stats).get("detection", {}))
        if detect is not None:
            return detect(snapshot, wanted)
        from detectors.pipeline import detect as pipeline

        return pipeline(snapshot, wanted, former=former)

    return again


def _after(found: Findings, former: Sequence[Known], as_of: int) -> Findings | None:
    """The findings with the lineage of a run after them; None where a ring would have another name."""
    rings = found.rings.select(["ring_id", "members"]).to_pylist()
    names, lineage = name_rings([ring["members"] for ring in rings], former, as_of)
    if names != [ring["ring_id"] for ring in rings]:
        return None
    return replace(found, lineage=lineage_table(lineage))
