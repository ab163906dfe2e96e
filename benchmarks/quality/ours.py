"""Ringfence as a method beside the others: what a run hears, detection, and decision with the default policy."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.metrics import Bools, Outcome, Ring
from detectors.curve import q_values
from detectors.pipeline import Findings, detect
from detectors.settings import DetectionSettings
from graph.snapshot import Snapshot
from integrity.decide import decide
from integrity.heard import heard
from integrity.policy import Policy, default_policy

LIMITED: Final = ("STORE_LIMITED", "PLATFORM_LIMITED")
TIMID: Final = {"ring_confidence": 0.0, "false_discovery": 1.0}
"""Settings under which every candidate ring is published, whatever its confidence: they are only scored, for the false
discovery rate and for calibration; nobody is limited by them."""


def ringfence(snapshot: Snapshot, *, all_rings: bool = True, policy: Policy | None = None) -> Outcome:
    """What Ringfence publishes; with `all_rings` a second detection that holds nothing back shows what it would."""
    chosen = policy or default_policy()
    seen = heard(snapshot)
    findings = detect(seen, chosen.detection)
    return outcome_of(snapshot, findings, chosen, _wide(seen, chosen.detection) if all_rings else None)


def outcome_of(snapshot: Snapshot, findings: Findings, policy: Policy, wide: Findings | None) -> Outcome:
    """Findings as arrays over the snapshot's accounts."""
    decisions = frame_of(decide(snapshot, findings, policy))
    accounts = frame_of(findings.accounts)
    ids = snapshot.buyers.ids
    assert decisions["buyer_id"].to_list() == accounts["buyer_id"].to_list() == ids.tolist()
    limited = decisions["status"].is_in(LIMITED).to_numpy()
    return Outcome(
        risk=accounts["risk"].to_numpy().astype(np.float64),
        limited=limited,
        rings=rings_of(snapshot, findings),
        calibrated=True,
        hub_alone=_hub_alone(snapshot, findings, limited),
        all_rings=() if wide is None else rings_of(snapshot, wide),
    )


def _wide(snapshot: Snapshot, detection: DetectionSettings) -> Findings:
    assert TIMID.keys() <= DetectionSettings.model_fields.keys()  # a copy with unknown settings would hold rings back
    return detect(snapshot, detection.model_copy(update=TIMID))


def rings_of(snapshot: Snapshot, findings: Findings) -> list[Ring]:
    """Published rings by account number."""
    number = {buyer: at for at, buyer in enumerate(snapshot.buyers.ids.tolist())}
    roles = frame_of(findings.members).filter(pl.col("role") == "actor").group_by("ring_id").agg("buyer_id")
    actors = dict(roles.iter_rows())
    rows = frame_of(findings.rings).to_dicts()
    q = q_values(np.array([row["confidence"] for row in rows], dtype=np.float64))
    return [
        Ring(
            members=np.array([number[buyer] for buyer in row["members"]], dtype=np.int64),
            actors=np.array([number[buyer] for buyer in actors.get(row["ring_id"], [])], dtype=np.int64),
            confidence=float(row["confidence"]),
            q=float(q[at]),
        )
        for at, row in enumerate(rows)
    ]


def _hub_alone(snapshot: Snapshot, findings: Findings, limited: Bools) -> Bools:
    """(n,) limited accounts against which nothing speaks any more once the evidence of hubs is taken away."""
    hubs = frame_of(findings.hubs)["identifier"].to_list()
    rows = frame_of(findings.evidence).filter(~pl.col("identifier").fill_null("").is_in(hubs))
    left = dict(rows.group_by("buyer_id").agg(pl.col("nats").sum()).iter_rows())
    alone = np.zeros(len(limited), dtype=np.bool_)
    for at in np.flatnonzero(limited).tolist():
        alone[at] = left.get(snapshot.buyers.ids[at], 0.0) <= 0.0
    return alone


def frame_of(table: pa.Table) -> pl.DataFrame:
    """What a run found, as a frame to look into."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
