"""The scorer that judges us is itself held to scikit-learn and to cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from benchmarks.metrics import average_precision, calibration_error, rings_found, score


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9])), min_size=1, max_size=60))
def test_average_precision_is_scikit_learns_whatever_the_ties(rows: list[tuple[bool, float]]) -> None:
    flags, scores = np.array([flag for flag, _ in rows]), np.array([value for _, value in rows])
    if flags.any():
        assert average_precision(flags, scores) == pytest.approx(average_precision_score(flags, scores))


def test_a_ring_counts_as_found_only_when_both_halves_hold() -> None:
    ring = frozenset("abcd")
    assert rings_found([ring], [frozenset("ab")]) == (1, 1)
    assert rings_found([ring], [frozenset("a")]) == (0, 1)
    assert rings_found([ring], [frozenset("abcdefghi")]) == (0, 1)
    assert rings_found([ring], []) == (0, 1)


def test_honest_limited_is_per_ten_thousand_honest_accounts() -> None:
    truth = {f"b{i}": "" for i in range(1_001)}
    got = score(truth, {"b0": 1.0}, frozenset({"b0", "b1"}), [], frozenset({"b0"}))
    assert got.honest_limited == pytest.approx(10.0)
    assert (got.limit_precision, got.limit_recall, got.average_precision) == (0.5, 1.0, 1.0)


def test_calibration_error_is_zero_where_risk_is_the_share() -> None:
    flags = np.array([True, False, False, False])
    assert calibration_error(flags, np.full(4, 0.25)) == pytest.approx(0.0)
    assert calibration_error(flags, np.full(4, 0.75)) == pytest.approx(0.5)
