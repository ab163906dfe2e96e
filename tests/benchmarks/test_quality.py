"""The bench of quality: seeds that never meet, mixtures that turn what they say, tables where the page wants them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.quality import markets as kept
from benchmarks.quality.__main__ import main
from benchmarks.quality.markets import case_of, market_of
from benchmarks.quality.mixtures import MIXTURES, POOLED, REPORT, TUNING, UNSEEN, knobs_of, mixture_of
from benchmarks.quality.page import PAGE, fill, mark
from benchmarks.quality.report import OURS, pool_of
from benchmarks.quality.results import Judge
from simulator.knobs import Knobs


def test_seeds_of_reports_pools_unseen_kinds_and_tuning_never_meet() -> None:
    parts = [REPORT, TUNING, POOLED, UNSEEN]
    assert len(set().union(*parts)) == sum(len(part) for part in parts)


def test_twelve_seeds_in_a_row_hold_every_mixture_once() -> None:
    assert {mixture_of(seed).name for seed in REPORT[:12]} == {mixture.name for mixture in MIXTURES}


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda mixture: mixture.name)
def test_a_mixture_turns_what_it_says_and_depends_on_the_seed_alone(mixture: object) -> None:
    one, again, other = (knobs_of(mixture, seed) for seed in (5, 5, 6))  # type: ignore[arg-type]
    assert one == again != other
    low, high = mixture.abusers  # type: ignore[attr-defined]
    assert one.abusers is not None
    assert low <= one.abusers <= high
    for name, (low, high) in mixture.turned.items():  # type: ignore[attr-defined]
        # what the seed shifts besides stays within a few of its own deviations
        assert 0.5 * low <= getattr(one, name) <= 2.0 * high
        assert low == high or getattr(one, name) != getattr(Knobs(), name)
    assert bool(one.left_out) == bool(mixture.may_lack)  # type: ignore[attr-defined]


def test_a_pool_deals_shares_and_mixtures_out_in_turn() -> None:
    pool = pool_of(36, 10_001, 500, "mixed", None)
    assert [market.knobs.abusers for market in pool[:4]] == [0.0, 0.001, 0.008, 0.0]
    assert len({market.label for market in pool}) == 36
    assert len({market.name for market in pool}) == 36


def test_a_market_is_made_once_and_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    market = market_of(300, 101, None, 0.05)
    case = case_of(market)
    assert len(case.truth.abuser) == len(case.snapshot.buyers.ids) == 300
    assert case.truth.abuser.sum() == 15
    assert (case.truth.ring[~case.truth.abuser] == -1).all()
    judge = Judge()
    first = judge.result(market, OURS)
    monkeypatch.setattr(kept, "simulate", lambda *_, **__: pytest.fail("the market was made again"))
    second = Judge().result(market, OURS)
    assert (first.cached, second.cached) == (False, True)
    assert second.score.abusers == first.score.abusers == 15


def test_tables_go_where_the_page_wants_them() -> None:
    begin, end = mark("targets")
    page = f"# Title\n\n{begin}\nold\n{end}\n\nText."
    once = fill(page, {"targets": "| a |\n"})
    assert once == f"# Title\n\n{begin}\n\n| a |\n\n{end}\n\nText."
    assert fill(once, {"targets": "| a |\n"}) == once
    with pytest.raises(ValueError, match="no place for the table 'other'"):
        fill(page, {"other": ""})


def test_the_page_has_a_place_for_every_table() -> None:
    names = (
        "targets", "chance", "markets", "kinds", "reliability", "pool", "pool_chance", "discovery", "quiet",
        "pool_reliability", "peers", "reach", "ceiling", "ceiling_kinds", "ceiling_missed", "unseen",
        "ablation", "retail", "retail_total", "p2p", "missed", "evasion",
    )  # fmt: skip
    page = (Path(__file__).parents[2] / PAGE).read_text("utf-8")
    filled = fill(page, {name: f"table of {name}" for name in names})
    assert all(f"table of {name}\n" in filled for name in names)
    assert filled.count("written by benchmarks.quality") == len(names)


def test_options_choose_one_part_and_tuning_seeds_are_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["--peers", "--real"])
    with pytest.raises(SystemExit, match="seed 3 is no tuning seed"):
        main(["--explain", "3"])
    with pytest.raises(SystemExit, match="tuning seeds are not published"):
        main(["--many", "2", "--tuning", "--publish"])
    main(["--many", "2", "--tuning", "--buyers", "300"])
    kept = json.loads((tmp_path / ".bench" / "quality" / "results" / "pool-tuning.json").read_text("utf-8"))
    assert kept["seeds"] == [101, 102]
    assert {"version", "source", "machine"} <= kept.keys()
    assert (tmp_path / ".bench" / "quality" / "plots" / "pool-reliability.png").stat().st_size > 1_000
