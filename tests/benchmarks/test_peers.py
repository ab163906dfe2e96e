"""Peers do what their papers say, on cases small enough to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.metrics import Truth
from benchmarks.quality import elsewhere
from benchmarks.quality.ceiling import HONEST, WAYS, above, ceiling_sheets
from benchmarks.quality.markets import Case, case_of, market_of
from benchmarks.quality.peers.common import Claims, Shared, components, ranked, surprise
from benchmarks.quality.peers.fraudar import densest
from benchmarks.quality.peers.leiden import project
from benchmarks.quality.peers.linkage import cluster
from benchmarks.quality.peers.rates import fit_gamma
from benchmarks.quality.peers.registry import PEERS
from benchmarks.quality.peers.synchrotrap import DAY, matches
from benchmarks.quality.scores import score


def longs(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def test_components_join_whoever_has_a_key_in_common() -> None:
    pairs = Shared(longs(0, 1, 1, 2, 4), longs(0, 0, 1, 1, 2), longs(0, 0, 0, 0, 0), 3)
    label = components(5, pairs)
    assert label[0] == label[1] == label[2]
    assert len({int(label[at]) for at in (0, 3, 4)}) == 3
    assert pairs.at_most(1).account.tolist() == []
    assert pairs.at_most(2).key.tolist() == [0, 0, 1, 1]


def test_an_accounts_surprise_is_its_own_or_its_groups_whichever_is_less() -> None:
    claims = Claims(longs(), longs(), longs(), np.full(4, 9.0), np.array([5.0, 5.0, 5.0, 0.0]), np.full(4, 0.5))
    risk = surprise(claims, longs(0, 0, 1, 1))
    assert risk[0] == risk[1] > 5.0
    assert risk[2] == pytest.approx(0.0)  # its mate never claimed
    assert risk[3] == pytest.approx(0.0)
    assert surprise(claims, longs(0, 1, 2, 3)).tolist() == [0.0] * 4


def test_greedy_peeling_finds_the_planted_block() -> None:
    rng = np.random.default_rng(3)
    noise = np.unique(rng.integers(0, [200, 400], (500, 2)), axis=0)
    block = np.array([(200 + a, 400 + c) for a in range(8) for c in range(6)])
    edges = np.concatenate([noise, block])
    weight = 1.0 / np.log(np.bincount(edges[:, 1])[edges[:, 1]] + 5.0)
    rows, density = densest(edges[:, 0], edges[:, 1], weight)
    assert set(edges[rows, 0].tolist()) == set(range(200, 208))
    assert density == pytest.approx(weight[-48:].sum() / 14)
    assert densest(longs(), longs(), np.empty(0)) == (pytest.approx([]), 0.0)


def test_two_accounts_match_where_they_claim_at_a_store_within_a_day() -> None:
    account, store = longs(0, 1, 2, 0, 1), longs(7, 7, 7, 8, 8)
    at = longs(0, DAY // 2, 3 * DAY, 9 * DAY, 9 * DAY)
    one, two, times = matches(account, store, at)
    assert (one.tolist(), two.tolist(), times.tolist()) == ([0], [1], [2])


def test_a_projection_costs_the_pairs_of_small_keys_only() -> None:
    one, two, weight = project(Shared(longs(3, 5, 9, 1), longs(0, 0, 0, 1), longs(0, 0, 0, 0), 2))
    assert sorted(zip(one.tolist(), two.tolist(), weight.tolist(), strict=True)) == [
        (3, 5, 0.5), (3, 9, 0.5), (5, 9, 0.5),
    ]  # fmt: skip


def test_the_gamma_law_of_propensities_is_found_again() -> None:
    rng = np.random.default_rng(1)
    expected = rng.uniform(0.2, 4.0, 20_000)
    claimed = rng.poisson(expected * rng.gamma(0.7, 1.5, 20_000)).astype(float)
    shape, scale = fit_gamma(claimed, expected)
    assert (shape, scale) == (pytest.approx(0.7, rel=0.1), pytest.approx(1.5, rel=0.1))


def test_record_linkage_joins_the_accounts_of_one_person() -> None:
    rng = np.random.default_rng(2)
    n = 400
    person = np.where(np.arange(n) < 60, np.arange(n) // 2, np.arange(n))  # thirty people with two accounts each
    columns: dict[str, object] = {"unique_id": np.arange(n)}
    for kind in ("device", "phone", "payment", "door"):
        keeps = rng.random(n) < 0.8
        key = np.where(keeps, person, n + np.arange(n) + rng.integers(0, 2, n) * n)
        columns[kind] = [[int(one)] for one in key]
        columns[f"{kind}_first"] = [str(one) for one in key]
    columns["recipient"] = [f"r{one % 150}" for one in person]
    label = cluster(pa.table(columns))
    pairs = label[0:60:2] == label[1:60:2]
    assert pairs.mean() > 0.6
    assert len(np.unique(label[60:])) > 300


def test_peers_are_given_the_line_that_catches_half_and_publish_groups_above_it() -> None:
    truth = Truth(
        np.array([True, True, False, False]), longs(0, 0, -1, -1), np.array(["bad", "bad", "good", "good"], object)
    )
    outcome = ranked(truth, np.array([0.9, 0.8, 0.85, 0.1]), longs(0, 0, 0, 1))
    assert outcome.limited.tolist() == [True, False, False, False]
    assert outcome.rings == []
    both = ranked(truth, np.array([0.9, 0.9, 0.2, 0.1]), longs(0, 0, 0, 1))
    assert [ring.members.tolist() for ring in both.rings] == [[0, 1]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("peers"))
        return case_of(market_of(1_500, 109, None, 0.04))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_ranks_a_market_better_than_chance_and_the_same_way_twice(
    peer: object, small: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (peer.run(small) for _ in range(2))  # type: ignore[attr-defined]
    assert np.array_equal(first.risk, second.risk)
    got = score(small.truth, first)
    least = 0.035 if peer.name == "any shared identifier" else 0.06  # type: ignore[attr-defined]
    assert got.average_precision > least


def test_a_learner_from_another_market_ranks_this_one(
    small: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(elsewhere, "MARKETS", 1)
    monkeypatch.setattr(elsewhere, "BUYERS", 3_000)
    elsewhere.model.cache_clear()
    try:
        got = score(small.truth, elsewhere.run(small))
    finally:
        elsewhere.model.cache_clear()
    assert got.average_precision > 0.3


def test_a_line_lets_no_more_honest_people_above_it_than_told() -> None:
    rng = np.random.default_rng(4)
    abuser = rng.random(30_000) < 0.01
    score_ = rng.normal(size=30_000) + 3.0 * abuser
    chosen = above(abuser, score_)
    wrong = np.count_nonzero(chosen & ~abuser)
    assert wrong == int(HONEST * np.count_nonzero(~abuser) / 10_000)
    assert score_[chosen].min() >= score_[~chosen].max()
    # one place lower down the next honest one would be among them, or another abuser could
    assert np.count_nonzero(above(abuser, abuser.astype(float)) & abuser) == np.count_nonzero(abuser)


def test_what_others_truth_teaches_ranks_a_market_better_than_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sheets = ceiling_sheets([market_of(2_000, seed) for seed in (301, 302)], [market_of(2_000, 303)])
    rows = {row[0]: row[1:] for row in sheets["ceiling"].rows}
    assert set(rows) == {
        "limited by the default policy", "ringfence", *(f"told of others: {way}" for way in WAYS)
    }  # fmt: skip
    truth = case_of(market_of(2_000, 303)).truth
    chance = float(truth.abuser.mean())
    assert all(float(rows[f"told of others: {way}"][0]) > 5 * chance for way in WAYS)
    kinds = {row[0]: int(row[1]) for row in sheets["ceiling_kinds"].rows}
    assert kinds == {kind: int(np.count_nonzero(truth.kind == kind)) for kind in set(truth.kind[truth.abuser])}
