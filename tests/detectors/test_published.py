"""Rings are published, surest first, while the share of false ones to be expected stays within what was asked."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.curve import published, q_values
from detectors.frozen import Frozen, Measures
from detectors.settings import DetectionSettings

SURE = st.lists(st.floats(0, 1), max_size=30).map(lambda values: np.array(values, np.float64))
TWENTIETH = DetectionSettings(ring_confidence=0.0, false_discovery=0.05)


@settings(deadline=None)
@given(SURE)
def test_what_is_published_keeps_the_share_and_nothing_surer_is_withheld(sure: np.ndarray) -> None:
    chosen = published(sure, Measures(), TWENTIETH)
    assert chosen.sum() == 0 or (1 - sure[chosen]).mean() <= 0.05 + 1e-12
    assert sure[chosen].min(initial=1.0) >= sure[~chosen].max(initial=0.0)


def test_the_share_is_the_mean_over_all_that_are_as_sure() -> None:
    assert np.allclose(q_values(np.array([0.8, 1.0, 0.8, 0.9])), [0.125, 0.0, 0.125, 0.05])


def test_unsure_rings_ride_on_sure_ones_but_never_below_the_least_confidence() -> None:
    sure = np.array([0.999] * 20 + [0.85, 0.5])
    told = TWENTIETH.model_copy(update={"ring_confidence": 0.8})
    assert published(sure, Measures(), told).tolist() == [True] * 21 + [False]
    assert not published(sure[20:], Measures(), told).any()


def test_an_earlier_runs_line_stands() -> None:
    line = Frozen({"line": np.array([0.9])})
    assert published(np.array([0.85, 0.95]), Measures(line), TWENTIETH).tolist() == [False, True]
