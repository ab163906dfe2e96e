"""The scorer that judges us is itself held to scikit-learn and to cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from benchmarks.metrics import (
    Outcome,
    Ring,
    Truth,
    average_precision,
    calibration_error,
    honest_at_half,
    is_true,
    pairs,
    precise_line,
    reliability,
    rings_found,
    true_rings,
    upper_bound,
)
from benchmarks.quality.scores import Score, from_json, pooled, score, to_json


def truth_of(rings: list[int], abuser: list[bool] | None = None) -> Truth:
    """Accounts by their ring, -1 for none; whoever is in a ring abuses unless said otherwise."""
    label = np.array(rings)
    flags = label >= 0 if abuser is None else np.array(abuser)
    return Truth(flags, label, np.where(flags, "bad", "good").astype(object))


def ring_of(*members: int, confidence: float = 0.9) -> Ring:
    return Ring(np.array(members), np.array(members), confidence)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9])), min_size=1, max_size=60))
def test_average_precision_is_scikit_learns_whatever_the_ties(rows: list[tuple[bool, float]]) -> None:
    flags, scores = np.array([flag for flag, _ in rows]), np.array([value for _, value in rows])
    if flags.any():
        assert average_precision(flags, scores) == pytest.approx(average_precision_score(flags, scores))
    else:
        assert np.isnan(average_precision(flags, scores))


def test_a_ring_counts_as_found_only_when_both_halves_hold() -> None:
    ring = frozenset(range(4))
    assert rings_found([ring], [frozenset([0, 1])]) == (1, 1)
    assert rings_found([ring], [frozenset([0])]) == (0, 1)
    assert rings_found([ring], [frozenset(range(9))]) == (0, 1)
    assert rings_found([ring], []) == (0, 1)


@given(st.lists(st.integers(-1, 3), min_size=2, max_size=14), st.integers(0, 2**32 - 1))
def test_pairs_are_those_counted_one_by_one(label: list[int], seed: int) -> None:
    truth = truth_of(label)
    side = np.random.default_rng(seed).integers(0, 3, len(label))
    published = [np.flatnonzero(side == one) for one in range(2)]
    one_by_one = [(a, b) for a in range(len(label)) for b in range(a)]
    together = [(a, b) for a, b in one_by_one if side[a] == side[b] < 2]
    true = [(a, b) for a, b in one_by_one if label[a] == label[b] >= 0]
    assert pairs(truth, published) == (len(set(together) & set(true)), len(together), len(true))


def test_a_published_ring_is_true_where_half_abuse_and_two_act_together() -> None:
    truth = truth_of([0, 0, 1, -1, -1, -1])
    assert is_true(truth, np.array([0, 1, 3, 4]))
    assert not is_true(truth, np.array([0, 1, 3, 4, 5]))
    assert not is_true(truth, np.array([0, 2]))


def test_a_true_ring_has_two_abusers() -> None:
    assert true_rings(truth_of([0, 1, 0, 2, 2, -1])) == [frozenset([0, 2]), frozenset([3, 4])]


def test_calibration_error_is_zero_where_risk_is_the_share() -> None:
    flags = np.array([True, False, False, False])
    assert calibration_error(*reliability(np.full(4, 0.25), flags)) == pytest.approx(0.0)
    assert calibration_error(*reliability(np.full(4, 0.75), flags)) == pytest.approx(0.5)


def test_the_honest_at_half_recall_are_those_who_score_with_the_better_half() -> None:
    flags = np.array([True, True, False, False, False, False])
    assert honest_at_half(flags, np.array([0.9, 0.1, 0.95, 0.9, 0.2, 0.0])) == pytest.approx(5_000)


def test_the_precise_line_is_the_lowest_with_that_precision() -> None:
    flags, scores = np.array([True, False, True, True, False]), np.array([0.9, 0.8, 0.7, 0.6, 0.6])
    assert precise_line(flags, scores, 0.66) == 0.7
    assert precise_line(flags, scores, 0.6) == 0.6
    assert precise_line(flags, scores, 0.9) == 0.9
    assert precise_line(~flags, scores, 0.9) == float("inf")


def test_the_upper_bound_of_no_hit_is_the_rule_of_three_and_more() -> None:
    assert upper_bound(0, 100) == pytest.approx(0.0362, abs=1e-4)
    assert upper_bound(5, 5) == 1.0


def test_a_score_counts_whom_it_should() -> None:
    truth = truth_of([0, 0, -1, -1, -1], [True, True, True, False, False])
    limited = np.array([True, False, True, True, False])
    outcome = Outcome(
        risk=np.array([0.9, 0.8, 0.95, 0.4, 0.0]),
        limited=limited,
        rings=[ring_of(0, 1, 3)],
        calibrated=True,
        hub_alone=np.array([False, False, False, True, False]),
        all_rings=[ring_of(0, 1, 3, confidence=0.96), ring_of(3, 4, confidence=0.85)],
    )
    got = score(truth, outcome)
    assert (got.abusers, got.abusers_limited, got.honest_limited, got.hub_alone) == (3, 2, 1, 1)
    assert (got.lone, got.lone_limited, got.rings, got.rings_found) == (1, 1, 1, 1)
    assert (got.limit_precision, got.limit_recall, got.honest_per_10k) == (2 / 3, 2 / 3, 5_000)
    assert (got.pairs_both, got.pairs_published, got.pairs_true) == (1, 3, 1)
    assert got.kinds == {"bad": (2, 3), "good": (1, 2)}
    assert got.reach == {"bad": (3, 3)}
    assert (got.discovery(0.05).rings, got.discovery(0.05).false) == (1, 0)
    loose = got.discovery(0.2)
    assert (loose.rings, loose.false, loose.stated) == (2, 1, pytest.approx(0.095))
    assert got.average_precision == 1.0


def test_scores_add_up_and_survive_json() -> None:
    truth = truth_of([0, 0, -1, -1])
    calm = score(truth, Outcome(np.array([0.9, 0.8, 0.1, 0.0]), np.array([True] * 2 + [False] * 2), [], True))
    wild = score(truth, Outcome(np.array([0.1, 0.2, 0.9, 0.0]), np.array([False] * 2 + [True] * 2), [], True))
    both = pooled([calm, wild])
    assert (both.markets, both.abusers, both.abusers_limited, both.honest_limited) == (2, 4, 2, 2)
    # ranking of both markets: 0.9 twice (one abuser), 0.8, 0.2, 0.1 twice (one abuser)
    assert both.average_precision == pytest.approx((1 / 2 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    assert to_json(from_json(to_json(both))) == to_json(both)
    assert Score().limit_precision == 1.0
