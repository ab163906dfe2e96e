"""The adversary's rows look like everybody's; who is framed is innocent; what is spent adds up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.evasion.__main__ import RINGS, attempt, evasion_sheet, market, missed_sheet, together
from benchmarks.evasion.inject import Planted, Tables, add_ring, templates, time_of
from benchmarks.evasion.tactics import BASE, LOSS, PRICES, Spent, all_own, ladder

Market = tuple[Tables, set[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Market:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("evasion"))
        return market(101, 1_500)


def planted(place: Market, tactic: object) -> tuple[Planted, datetime]:
    rng = np.random.default_rng(4)
    stock = templates(*place, rng)
    end = time_of(place[0]["orders"]["placed_at"].max()) + timedelta(hours=1)  # type: ignore[arg-type]
    found = Planted()
    add_ring(rng, tactic, stock, end, found)  # type: ignore[arg-type]
    return found, end


def test_rungs_have_names_of_their_own() -> None:
    rungs = ladder()
    assert len({(rung.name, rung.effort) for rung in rungs}) == len(rungs) == len(set(rungs))


def test_a_careless_ring_shares_everything_and_a_careful_one_nothing(place: Market) -> None:
    for tactic, most in ((BASE, 1), (all_own(BASE, 1.0), BASE.accounts)):
        rows = pl.DataFrame(planted(place, tactic)[0].rows["orders"])
        for column in ("device_id", "address", "payment_id", "ip"):
            assert rows[column].n_unique() == most
        assert rows["phone"].n_unique() == BASE.accounts


def test_rows_fit_the_tables_and_come_before_the_end(place: Market) -> None:
    found, end = planted(place, replace(BASE, camouflage=2.0))
    for name, rows in found.rows.items():
        frame = pl.DataFrame(rows, schema=place[0][name].schema)
        assert frame.columns == place[0][name].columns
    asked = [time_of(row["requested_at"]) for row in found.rows["refunds"]]
    placed = {row["order_id"]: time_of(row["placed_at"]) for row in found.rows["orders"]}
    assert max(asked) <= end
    assert all(placed[row["order_id"]] < time_of(row["requested_at"]) for row in found.rows["refunds"])
    assert {row["kind"] for row in found.rows["refunds"]} == {"refund_only"}
    assert len(found.rows["refunds"]) == BASE.accounts * BASE.claims < len(found.rows["orders"])


def test_the_framed_are_innocent_and_what_frames_them_is_theirs(place: Market) -> None:
    tables, guilty = place
    found, _ = planted(place, replace(BASE, frame_door=0.6, frame_parcel=6))
    (victim,) = found.framed
    assert victim not in guilty
    own = tables["orders"].filter(pl.col("buyer_id") == victim)
    theirs = pl.DataFrame(found.rows["orders"], schema=tables["orders"].schema)
    share = theirs["address"].is_in(own["address"].implode()).mean()
    assert share == pytest.approx(0.6, abs=0.2)
    parcels = tables["refunds"].join(own.select("order_id"), on="order_id")["return_tracking_no"].drop_nulls()
    named = [row["return_tracking_no"] for row in found.rows["refunds"]]
    assert sum(number in set(parcels) for number in named) == 6


def test_spending_is_counts_times_prices_and_the_loss_on_camouflage() -> None:
    spent = Spent(accounts=2, phones=2, devices=1, addresses=1, cards=1, honest_yuan=100.0, refunded=500.0)
    things = 2 * PRICES["account"] + 2 * PRICES["phone"] + PRICES["device"] + PRICES["address"] + PRICES["card"]
    assert spent.yuan == pytest.approx(things + LOSS * 100)
    assert (spent + spent).refunded == 1_000


def test_an_attempt_is_counted_and_shown(place: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".bench" / "evasion").mkdir(parents=True)
    one = attempt(*place, replace(BASE, name="framing", frame_door=0.3), 101)
    assert (one.accounts, one.rings, one.framed) == (RINGS * BASE.accounts, RINGS, RINGS)
    assert one.spent.refunded > 0
    both = together([one, one])
    assert (both.accounts, both.limited, both.spent.claims) == (2 * one.accounts, 2 * one.limited, 2 * one.spent.claims)
    assert evasion_sheet([both]).rows[0][0] == "framing"
    assert missed_sheet([replace(both, limited=0)]).rows[0][1] == BASE.effort
    assert missed_sheet([replace(both, limited=both.accounts)]).rows[0][1] == "caught at every effort tried"
