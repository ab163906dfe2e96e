"""Rings are published, surest first, while the share of false ones to be expected stays within what was asked."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.curve import learned, published, q_values, stated_q
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


@given(SURE)
def test_every_candidate_has_its_q_value_and_the_line_is_drawn_by_it(sure: np.ndarray) -> None:
    measures = Measures()
    q = stated_q(sure, measures)
    assert np.allclose(q, q_values(sure))
    assert (q[published(sure, measures, TWENTIETH)] <= 0.05 + 1e-12).all()
    again = Measures(Frozen(measures.taken))
    assert stated_q(sure[::2], again).tolist() == q[::2].tolist()


def test_a_candidate_surer_than_all_of_an_earlier_run_has_its_own_rate_for_q_value() -> None:
    earlier = Measures(Frozen({"sure": np.array([0.9, 0.5])}))
    assert np.allclose(stated_q(np.array([0.95, 0.9, 0.7, 0.1]), earlier), [0.05, 0.1, 0.1, 0.3])


def test_an_earlier_runs_line_stands() -> None:
    line = Frozen({"line": np.array([0.9])})
    assert published(np.array([0.85, 0.95]), Measures(line), TWENTIETH).tolist() == [False, True]


def test_the_best_of_many_does_not_stand_for_itself_where_chance_came_as_far() -> None:
    """Thirteen candidates where honest markets bring one and a half, two of 24 of them a better one: few of the best
    are false, where a lone candidate as good is as likely false as not."""
    chance = np.array([5.4, 5.0] + [float(score) for score in np.linspace(-1.0, 4.0, 34)])
    observed = np.array([-0.4, 0.2, 1.3, 1.6, 1.7, 1.8, 2.3, 3.6, 4.2, 4.5, 4.5, 4.5, 4.5])
    many = learned(observed, chance, np.ones(len(chance)), 24).rate(observed)
    assert (np.diff(many) <= 0).all()
    assert many[-1] < 0.15
    assert many[0] < 0.4
    alone = learned(observed[-1:], chance, np.ones(len(chance)), 24).rate(observed[-1:])
    assert alone[0] > 0.5
