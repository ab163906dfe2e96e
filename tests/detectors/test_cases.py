"""Every detector fires on the cases in which it must, and keeps silent on those in which it must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from detectors.contract import Context, Evidence
from detectors.pipeline import prepare
from detectors.registry import ALL, by_name
from detectors.settings import DetectionSettings
from tests.detectors.market import snapshot

FIRES = 0.1
CASES: list[dict[str, Any]] = [
    case for path in sorted(Path(__file__).parent.glob("cases/*.yaml")) for case in yaml.safe_load(path.read_text())
]


def context(market: dict[str, Any], suspected: list[str] | None = None) -> Context:
    """The first round's context of a market, with some accounts under suspicion."""
    ctx, _ = prepare(snapshot(market), DetectionSettings())
    suspicion = np.isin(ctx.snapshot.buyers.ids.astype(str), suspected or []).astype(float)
    return replace(ctx, suspicion=suspicion)


def nats_by_account(ctx: Context, found: Evidence) -> dict[str, float]:
    """All nats of each account: its keys' and its own."""
    total = np.bincount(found.buyer, found.nats, ctx.n)
    return dict(zip(ctx.snapshot.buyers.ids.tolist(), total.tolist(), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['detector']}: {case['name']}")
def test_a_case_fires_or_keeps_silent_as_it_says(case: dict[str, Any]) -> None:
    ctx = context(case["market"], case.get("suspected"))
    nats = nats_by_account(ctx, by_name(case["detector"]).run(ctx))
    assert {buyer: nats[buyer] for buyer in case.get("fires", []) if nats[buyer] <= FIRES} == {}
    assert {buyer: nats[buyer] for buyer in case.get("clears", []) if nats[buyer] >= -FIRES} == {}
    most = case.get("at_most", FIRES)
    assert {buyer: nats[buyer] for buyer in case.get("silent", []) if nats[buyer] > most} == {}


def test_every_detector_has_a_case_in_which_it_speaks_and_one_in_which_it_must_not() -> None:
    fires = {case["detector"] for case in CASES if case.get("fires") or case.get("clears")}
    silent = {case["detector"] for case in CASES if case.get("silent")}
    assert fires == silent == {detector.name for detector in ALL}
