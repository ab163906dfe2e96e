"""The numerical tools against plain computations of the same."""

from __future__ import annotations

import networkx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from detectors.curve import learned
from detectors.links.shared_picture import clusters, near_pairs
from detectors.numerics import (
    Rows,
    ascending,
    by_columns,
    calibrated,
    components,
    group,
    learned_bins,
    mixture_weights,
    pool,
    rarity,
    shrink_strength,
)

words = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12, unique=True)


@settings(max_examples=60, deadline=None)
@given(words, st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 63), min_size=1, max_size=9)), max_size=20))
def test_near_pairs_are_exactly_the_pairs_within_the_distance(
    seeds: list[int], flips: list[tuple[int, set[int]]]
) -> None:
    near = {seeds[at % len(seeds)] ^ sum(1 << bit for bit in bits) for at, bits in flips}
    hashes = np.array(sorted({*seeds, *near}), np.uint64)
    for distance in (0, 3, 7):
        left, right = near_pairs(hashes, distance)
        plain = {
            (i, j)
            for i in range(len(hashes))
            for j in range(i + 1, len(hashes))
            if int(hashes[i] ^ hashes[j]).bit_count() <= distance
        }
        assert set(zip(left.tolist(), right.tolist(), strict=True)) == plain
    graph = networkx.Graph(plain)
    centre = clusters(hashes, 7)
    assert all(member == at or graph.has_edge(member, at) for at, member in enumerate(centre.tolist()))


def test_likeness_does_not_chain() -> None:
    chain = np.array([(1 << (5 * n)) - 1 for n in range(12)], np.uint64)
    assert len(np.unique(clusters(chain, 7))) > 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_grouping_counts_and_sums_like_a_dict(pairs: list[tuple[int, int]]) -> None:
    one, two = (np.array(column) for column in zip(*pairs, strict=True))
    groups = group(one, two)
    assert groups.n == len(set(pairs))
    assert [pairs[first] for first in groups.first] == sorted(set(pairs))
    assert groups.count.tolist() == [pairs.count(pair) for pair in sorted(set(pairs))]


@given(st.lists(st.integers(2, 30), min_size=2, max_size=30), st.integers(0, 100))
def test_rarity_never_falls_with_size(sizes: list[int], single: int) -> None:
    nats = rarity(np.array(sizes), len(sizes) + single)
    order = np.argsort(sizes)
    assert (np.diff(nats[order]) >= -1e-12).all()
    assert (nats >= 0).all()


def test_a_p_value_of_one_in_e_says_nothing_and_smaller_ones_more() -> None:
    nats = calibrated(np.array([1.0, 1 / np.e, 0.05, 0.001]))
    np.testing.assert_allclose(nats[:2], 0.0, atol=1e-9)
    assert 0 < nats[2] < nats[3]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=15))
def test_pooling_is_monotone_and_keeps_the_mean(values: list[float]) -> None:
    pooled = pool(np.array(values), np.ones(len(values)))
    assert (np.diff(pooled) >= -1e-9).all()
    np.testing.assert_allclose(pooled.mean(), np.mean(values), atol=1e-9)


def test_moments_find_the_shape_that_groups_were_drawn_with() -> None:
    expected = np.full(20_000, 6.0)
    draws = nbinom.rvs(3.0, 3.0 / (3.0 + expected), random_state=np.random.default_rng(1))
    assert 2.6 < shrink_strength(draws.astype(float), expected) < 3.4


def test_mixture_weights_find_the_shares_of_two_separate_laws() -> None:
    columns = np.log(np.array([[0.9, 0.1]] * 300 + [[0.1, 0.9]] * 100))
    shares = mixture_weights(columns, np.ones(400), np.full(2, 1.0), steps=200)
    # the likelihood's own maximum: (share · 0.9 + (1 - share) · 0.1) = 0.75
    np.testing.assert_allclose(shares[0], 0.8125, atol=0.01)


def test_bins_say_nothing_until_somebody_is_suspected() -> None:
    bins = np.array([0] * 90 + [1] * 10, np.int32)
    quiet = learned_bins(bins, np.zeros(2), np.zeros(100), strength=10, rising=True)
    np.testing.assert_allclose(quiet, 0.0, atol=1e-9)
    loud = learned_bins(bins, np.zeros(2), (bins == 1) * 1.0, strength=10, rising=True)
    assert loud[1] > 1 > loud[0]


def test_a_score_like_those_of_chance_is_not_believed_and_one_far_beyond_is() -> None:
    chance = np.sort(np.random.default_rng(2).exponential(2.0, 200))
    scores = np.array([1.0, 60.0])
    rate = learned(scores, chance, np.ones(200), 20).rate(scores)
    assert rate[0] > 0.5
    assert rate[1] < 0.05


def test_what_chance_brings_among_people_of_a_real_ring_counts_for_little() -> None:
    observed, chance = np.array([4.0, 5.0, 6.0]), np.full(60, 6.5)
    believed = [learned(observed, chance, np.full(60, weight), 20).rate(observed) for weight in (1.0, 0.2, 0.0)]
    assert (believed[0] > 0.9).all()
    assert (np.diff(believed, axis=0) < 0).all()
    again = learned(observed[::-1], chance, np.full(60, 0.2), 20).rate(observed)
    np.testing.assert_array_equal(again, believed[1])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**62), st.integers(0, 2)), max_size=40))
def test_rows_are_sorted_as_numpy_sorts_them_however_large_the_numbers(rows: list[tuple[int, int, int]]) -> None:
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    assert by_columns(*columns).tolist() == np.lexsort(tuple(columns)[::-1]).tolist()
    order, ranked = ascending(columns[1])
    assert order.tolist() == np.argsort(columns[1], kind="stable").tolist()
    assert ranked.tolist() == sorted(columns[1].tolist())


@given(st.lists(st.integers(0, 5), max_size=30))
def test_the_rows_of_a_number_are_those_that_hold_it_in_order(numbers: list[int]) -> None:
    rows = Rows.of(np.array(numbers, np.int32), 6)
    for number in range(6):
        assert rows[number].tolist() == [at for at, one in enumerate(numbers) if one == number]


@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 5), max_size=8))
def test_the_rows_of_several_numbers_are_those_of_each_in_turn(numbers: list[int], asked: list[int]) -> None:
    rows = Rows.of(np.array(numbers, np.int32), 6)
    found, place = rows.of_all(np.array(asked, np.int32))
    each = [rows[number].tolist() for number in asked]
    assert found.tolist() == [row for one in each for row in one]
    assert place.tolist() == [at for at, one in enumerate(each) for _ in one]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(5, 14)), max_size=20))
def test_components_are_those_of_the_graph_numbered_by_their_first_account(rows: list[tuple[int, int]]) -> None:
    graph = networkx.Graph([(("account", account), ("key", key)) for account, key in rows])
    graph.add_nodes_from(("account", account) for account in range(10))
    groups = [sorted(n for kind, n in one if kind == "account") for one in networkx.connected_components(graph)]
    number = {account: at for at, group in enumerate(sorted(groups)) for account in group}
    account, key = np.array(rows, np.int64).reshape(-1, 2).T
    assert components(account, key, 10).tolist() == [number[one] for one in range(10)]
