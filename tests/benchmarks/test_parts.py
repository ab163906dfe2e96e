"""Ablation silences what it says and nothing for longer; unknown kinds and real backgrounds are counted as planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.metrics import Outcome, Ring
from benchmarks.quality import unknown
from benchmarks.quality.__main__ import main
from benchmarks.quality.ablation import methods, silenced
from benchmarks.quality.markets import Case, case_of, market_of, read_truth, snapshot_of
from benchmarks.quality.ours import ringfence
from benchmarks.quality.parts import rows
from benchmarks.quality.real import _row
from benchmarks.quality.results import Result
from benchmarks.quality.retail import SHARE, _door, plant
from benchmarks.quality.scores import Score
from benchmarks.quality.tables import Sheet, market_sheet, peer_sheet, target_sheet, total_sheet
from benchmarks.quality.weights import weights_sheet
from detectors.registry import ALL, by_name
from simulator.unseen import UNSEEN


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("parts"))
        return case_of(market_of(1_500, 109, None, 0.04))


def test_a_silenced_detector_is_silent_only_meanwhile(small: Case) -> None:
    before = ringfence(small.snapshot, all_rings=False).risk
    with silenced(frozenset(detector.name for detector in ALL)):
        nothing = ringfence(small.snapshot, all_rings=False).risk
    after = ringfence(small.snapshot, all_rings=False).risk
    assert np.array_equal(before, after)
    assert np.ptp(before) > 0.5
    assert np.ptp(nothing) < 0.01


def test_each_detector_is_left_out_once_and_alone_once() -> None:
    names = [method.name for method in methods()]
    assert len(names) == len(set(names)) == 1 + 2 * len(ALL)


def test_unknown_kinds_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (market,) = unknown.markets(1, 6_000)
    case = case_of(market)
    truth = case.truth
    mine = np.flatnonzero((truth.kind == UNSEEN[0]) & truth.abuser)
    ring = mine[truth.ring[mine] == truth.ring[mine[0]]]
    limited = np.zeros(len(truth.abuser), dtype=np.bool_)
    limited[ring[:2]] = True
    seen = unknown.look(case, Outcome(limited.astype(float), limited, [Ring(ring, ring)]))
    first, rest = seen[0], seen[1:]
    assert [one.kind for one in seen] == [*UNSEEN, "known kinds"]
    assert (first.limited, first.placed, first.found) == (2, len(ring), 1)
    assert all((one.limited, one.placed, one.found) == (0, 0, 0) for one in rest)
    assert all(one.all > 0 for one in seen)
    assert unknown.unseen_sheet(seen, 1).rows[0][0] == UNSEEN[0]


def test_rings_planted_in_a_real_background_leave_its_rows_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n, size = 600, 3_000
    orders = pl.DataFrame(
        {
            "order": [f"i{at}" for at in range(size)],
            "customer": rng.integers(0, n, size),
            "at": np.sort(rng.integers(1_300_000_000, 1_330_000_000, size)),
            "amount": rng.uniform(5, 50, size).round(2),
            "quantity": rng.integers(1, 9, size).astype(float),
            "store": [f"{one}" for one in rng.integers(20, 40, size)],
        }
    )
    back = orders.sample(200, seed=1).select("order", pl.col("at") + 86_400, "amount")
    plant(orders, back, 3, tmp_path)
    written = pl.read_parquet(tmp_path / "export" / "orders.parquet")
    claims = pl.read_parquet(tmp_path / "export" / "refunds.parquet")
    assert set(orders["order"]) <= set(written["order_id"])
    assert set(back["order"]) <= set(claims["order_id"])
    snapshot = snapshot_of(tmp_path / "export")
    truth = read_truth(tmp_path / "truth.csv", snapshot)
    customers = orders["customer"].n_unique()
    assert len(truth.abuser) == customers
    assert SHARE * customers <= truth.abuser.sum() <= SHARE * customers + 40
    # every claim but the real ones is of a planted account
    planted = snapshot.refunds.buyer[[not one.startswith("i") for one in snapshot.orders.ids[snapshot.refunds.order]]]
    assert truth.abuser[planted].all()
    assert len(snapshot.refunds.ids) == claims.height


def test_doors_of_the_background_are_different_doors() -> None:
    assert len({_door(value) for value in range(20_000)}) == 20_000


def test_lift_counts_ties_in_part() -> None:
    wanted = np.array([True] * 10 + [False] * 190)
    tied = _row("none", "x", wanted, np.zeros(200), np.ones(200, dtype=np.bool_))
    best = _row("none", "x", wanted, wanted.astype(float), np.ones(200, dtype=np.bool_))
    assert (tied[4], tied[7]) == ("0.1", "1.0")
    assert (best[4], best[6], best[7]) == ("2.0", "1.000", "20.0")


def test_a_sheet_is_a_markdown_table() -> None:
    sheet = Sheet("T", ("a", "b"), [["x", "1"]])
    assert sheet.markdown() == "| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_methods_side_by_side_have_a_cell_for_every_column() -> None:
    low = Score(average_precision=0.4, rings=3, rings_found=1)
    high = Score(average_precision=0.8, rings=1, rings_found=1)
    results = {"x": [Result(market_of(20, 101), "x", score, 1.0, False) for score in (low, high)]}
    for sheet in (peer_sheet(results), total_sheet(results), market_sheet(rows(results["x"]), "T")):
        assert {len(row) for row in sheet.rows} == {len(sheet.columns)}
    assert peer_sheet(results).rows[0][:3] == ["x", "0.400", "0.600"]
    assert "2/4" in peer_sheet(results).rows[0]


def test_targets_say_the_worst_and_the_median_market_and_whether_the_worst_meets_them() -> None:
    good, bad = (
        Score(average_precision=0.97, honest=20_000, honest_limited=1),
        Score(average_precision=0.90, honest=10_000),
    )
    rows_ = {row[0]: row[1:] for row in target_sheet([good, bad, good]).rows}
    assert rows_["average precision of account risk"] == ["≥ 0.95", "0.900", "0.970", "no"]
    assert rows_["honest accounts limited, per 10,000"] == ["≤ 1", "0.5", "0.5", "yes"]
    assert target_sheet([good]).columns == ("measure", "target", "all added up", "met")


def test_weights_are_fitted_on_tuning_seeds_alone() -> None:
    with pytest.raises(SystemExit, match="tuning seeds"):
        main(["--weights", "--seeds", "1"])


def test_weights_name_every_detector_and_what_it_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sheet = weights_sheet([case_of(market_of(1_500, 101))])
    stated = {row[0]: row[1] for row in sheet.rows}
    assert stated.keys() == {detector.name for detector in ALL}
    assert float(stated["lockstep"]) == by_name("lockstep").weight != 1.0
    fitted = {row[0]: float(row[2]) for row in sheet.rows}
    assert fitted["claim_excess"] > 0.3, "claims tell abusers from others in every market"
