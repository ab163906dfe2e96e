"""What could be reached, and what chance makes of confidences: the tables say what they are said to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import Truth, true_rings
from benchmarks.quality.ceiling import HELD, ceiling_sheets, held, reached
from benchmarks.quality.markets import case_of, market_of
from benchmarks.quality.scores import Score
from benchmarks.quality.tables import chance_sheet
from detectors.frozen import Measures
from detectors.fusion import HUB
from detectors.pipeline import find
from integrity.heard import heard
from integrity.policy import default_policy


def test_of_accounts_rings_and_pairs_the_share_that_is_reached() -> None:
    ring = np.array([0, 0, 0, 0, 1, 1, 1, -1, -1])
    truth = Truth(np.arange(9) < 8, ring, np.full(9, "", object))
    # two of four, one of three, and the one that has no ring: a ring of half, one pair of nine
    assert reached(truth, np.array([1, 1, 0, 0, 1, 0, 0, 1, 1], bool)) == pytest.approx((4 / 8, 1 / 2, 1 / 9))
    assert reached(truth, truth.abuser) == (1.0, 1.0, 1.0)


def test_what_the_data_hold_of_an_abuser_is_what_can_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case = case_of(market_of(3_000, 101, None, 0.06))
    found = find(heard(case.snapshot), default_policy().detection, Measures())
    what, truth, web = held(found, case.truth), case.truth, found.web
    more = found.beliefs.conduct.own > 0
    claims = np.bincount(found.ctx.claims.buyer, minlength=found.ctx.n)
    seen = set()
    for ring in true_rings(truth):
        for at in ring:
            keys = [key for key in web.key[web.buyer == at].tolist() if web.size[key] < HUB]
            fellows = {other for key in keys for other in web.buyer[web.key == key].tolist()} & (ring - {at})
            if not fellows:
                expected = 1
            elif not more[at]:
                expected = 2
            elif not any(more[other] for other in fellows):
                expected = 3
            else:
                expected = 4 if claims[at] < 2 else 5
            assert what[at] == expected, HELD[expected]
            seen.add(expected)
    assert {1, 2, 5} <= seen
    assert (what[truth.abuser & (truth.ring < 0)] == 0).all()


def test_whom_the_policy_misses_adds_up_to_all_abusers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sheets = ceiling_sheets([market_of(2_000, 101, None, 0.06)], [market_of(2_000, 102, None, 0.06)])
    rows = [[int(cell.replace(",", "")) for cell in row[1:]] for row in sheets["ceiling_missed"].rows]
    assert [row[0] for row in sheets["ceiling_missed"].rows] == list(HELD)
    assert sum(row[0] for row in rows) == 120
    for abusers, limited, missed, *hit in rows:
        assert abusers == limited + missed
        assert max(hit) <= missed
    limited = sum(row[1] for row in rows)
    assert limited > 0
    assert float(sheets["ceiling"].rows[0][4]) == pytest.approx(limited / 120, abs=0.0005)
    by_kind = sheets["ceiling_kinds"].rows
    assert sum(int(row[1]) * float(row[2]) for row in by_kind) == pytest.approx(limited, abs=0.3)


def test_confidences_that_are_right_are_off_by_chance_alone() -> None:
    generator = np.random.default_rng(3)
    told = generator.uniform(0.5, 1.0, 400)

    def off(true: np.ndarray) -> tuple[float, ...]:
        scores = [
            Score(claimed=[(float(c), 0.0, bool(t)) for c, t in zip(told[half], true[half], strict=True)])
            for half in (slice(0, 200), slice(200, 400))
        ]
        worst, pooled = chance_sheet(scores).rows
        assert [worst[1], pooled[1]] == ["400", "400"]
        assert [float(value) for value in pooled[3:]] == sorted(float(value) for value in pooled[3:])
        assert float(pooled[3]) < float(worst[3])
        return float(pooled[2]), float(pooled[4]), float(worst[2]), float(worst[4])

    right, wrong = off(generator.random(400) < told), off(np.zeros(400, bool))
    assert right[0] < right[1] * 1.3
    assert wrong[0] > 5 * wrong[1]
    assert wrong[2] > 5 * wrong[3]


def test_one_score_is_one_list() -> None:
    assert [row[0] for row in chance_sheet([Score(claimed=[(0.9, 0.1, True)] * 10)]).rows] == ["all rings in one list"]
