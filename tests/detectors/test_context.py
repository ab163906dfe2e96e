"""What a context makes once for all rounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectors.contract import Claims
from detectors.frozen import Measures
from detectors.pipeline import DEFAULTS, prepare, weigh
from graph.snapshot import Longs, Snapshot
from tests.detectors.simulated import simulated


def test_what_rests_on_snapshot_and_claims_is_made_once_for_all_rounds() -> None:
    ctx = prepare(simulated(2_500, 7), DEFAULTS)[0]
    made = []

    def make(snapshot: Snapshot, claims: Claims) -> Longs:
        made.append((snapshot, claims))
        return np.arange(3)

    later = replace(ctx, suspicion=np.ones(ctx.n))
    assert ctx.always(make) is later.always(make)
    assert made == [(ctx.snapshot, ctx.claims)]
    later.forget()
    assert ctx.always(make) is not None
    assert len(made) == 2


def test_a_context_that_is_kept_holds_nothing_that_only_rounds_need() -> None:
    ctx = weigh(simulated(2_500, 7), DEFAULTS, Measures())[0]
    assert not ctx._kept  # what it holds is not seen otherwise
