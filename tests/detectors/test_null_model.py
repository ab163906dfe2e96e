"""The null model draws and judges the same however it is worked on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graph.side
from detectors.communities import gather
from detectors.contract import Context, Family
from detectors.frozen import Measures
from detectors.fusion import ACTS, OTHERWISE, Beliefs, combine, elsewhere, propagate, unheard
from detectors.judge import Urns, chance, draw, scores, urns_of
from detectors.pipeline import DEFAULTS, detect, weigh
from detectors.web import BEARS, Web
from graph.snapshot import Bools, Floats, Longs
from tests.detectors.simulated import simulated


def urns(mass: list[float]) -> Urns:
    """One stratum of accounts of this honest mass."""
    total = np.cumsum(np.array(mass))
    n = len(mass)
    return Urns(np.arange(n), total, np.zeros(n), np.full(n, total[-1]))


@given(st.lists(st.sampled_from([1e-9, 0.3, 1.0]), min_size=1, max_size=60), st.integers(0, 99))
def test_an_account_is_found_by_the_guide_table_as_by_bisection(mass: list[float], seed: int) -> None:
    one = urns(mass)
    points = np.random.default_rng(seed).random(50) * one.honest[-1]
    edges = np.concatenate([one.honest, np.nextafter(one.honest, 0.0), [0.0, np.nextafter(one.honest[-1], 9e9)]])
    for point in (points, edges):
        assert one.found(point).tolist() == np.searchsorted(one.honest, point).tolist()


def test_draws_made_apart_are_those_of_one_generator() -> None:
    one = urns([1.0, 0.5, 0.25, 1.0, 1e-9, 0.7])
    generator = np.random.Generator(np.random.PCG64(7))
    for number in range(4):
        point = one.before + generator.random(6) * one.mass
        expected = one.order[np.minimum(np.searchsorted(one.honest, point), 5)]
        assert draw(7, number, one).tolist() == expected.tolist()


@pytest.fixture(scope="module")
def judged() -> tuple[Context, Web, Beliefs]:
    return weigh(simulated(2_500, 7), DEFAULTS, Measures())[:3]


@pytest.fixture(scope="module")
def weighed(judged: tuple[Context, Web, Beliefs]) -> tuple[Web, Beliefs]:
    return judged[1:]


def on(web: Web, keys: Bools) -> Bools:
    """(n,) true for accounts on one of these `keys` (k,)."""
    there = np.zeros(web.n, bool)
    there[web.buyer[keys[web.key]]] = True
    return there


def drawn_by(ctx: Context, web: Web, beliefs: Beliefs) -> Longs:
    """(400, n) accounts that stand for each in 400 draws."""
    urns = urns_of(ctx, web, beliefs)
    return np.stack([draw(7, number, urns) for number in range(400)])


def test_people_met_by_their_claims_are_drawn_in_proportion_to_them(judged: tuple[Context, Web, Beliefs]) -> None:
    ctx, web, beliefs = judged
    claims = np.bincount(ctx.claims.buyer, minlength=ctx.n)
    met = on(web, web.met)
    # the same keys as ones that claims made, but were no occasions to come upon
    certain = replace(web, met=np.zeros_like(web.met), prior=np.where(web.met, np.inf, web.prior))
    plain, drawn = drawn_by(ctx, certain, beliefs), drawn_by(ctx, web, beliefs)
    assert drawn[:, ~met].tolist() == plain[:, ~met].tolist()
    # of what is drawn in proportion to its size the mean of one over the size is one over the mean of all
    assert claims[met].all()
    expected = 1.0 / claims[plain[:, met]].mean(axis=0)
    assert (1.0 / claims[drawn[:, met]]).mean() == pytest.approx(expected.mean(), rel=0.02)
    assert claims[drawn[:, met]].mean() > 1.3 * claims[plain[:, met]].mean()


def test_people_whom_no_claim_brought_upon_a_key_are_drawn_whether_they_claimed_or_not(
    judged: tuple[Context, Web, Beliefs],
) -> None:
    ctx, web, beliefs = judged
    claimed = np.bincount(ctx.claims.buyer, minlength=ctx.n) > 0
    together = on(web, (web.family == Family.CONDUCT.value) & (web.met | (web.prior > web.base)))
    shared = on(web, web.family != Family.CONDUCT.value)
    drawn = drawn_by(ctx, web, beliefs)
    assert claimed[together].all()
    assert claimed[drawn[:, together]].all()
    free = shared & ~together & claimed
    assert free.sum() > 20
    assert 0.2 < claimed[drawn[:, free]].mean() < 0.9


def test_how_many_orders_an_account_placed_is_told_to_no_key(weighed: tuple[Web, Beliefs]) -> None:
    web, beliefs = weighed
    usual = unheard(web, beliefs.abusers, beliefs.scarce)
    busier = replace(beliefs.conduct, activity=beliefs.conduct.activity + 1.0)
    heard = [
        propagate(web, conduct, beliefs.abusers, beliefs.scarce, beliefs.learned, usual)
        for conduct in (beliefs.conduct, busier)
    ]
    assert [one.tolist() for one in heard[0]] == [one.tolist() for one in heard[1]]
    message = beliefs.message
    assert beliefs.conduct.activity.any()
    before, after = beliefs.risk, combine(web, busier, message, beliefs.abusers, beliefs.alone, DEFAULTS)
    unsure = (before > 1e-9) & (after < 1 - 1e-9)
    nats = np.log(after / (1 - after)) - np.log(before / (1 - before))
    assert nats[unsure] == pytest.approx(np.ones(int(unsure.sum())), abs=1e-5)


def test_accounts_on_guilty_keys_hear_the_same_where_only_they_are_answered(weighed: tuple[Web, Beliefs]) -> None:
    web, beliefs = weighed
    usual = unheard(web, beliefs.abusers, beliefs.scarce)

    def hear(*, only_guilty: bool) -> tuple[Floats, Floats]:
        return propagate(
            web,
            beliefs.conduct,
            beliefs.abusers,
            beliefs.scarce,
            beliefs.learned,
            usual,
            only_guilty=only_guilty,
        )

    (message, guilt), (part, same_guilt) = hear(only_guilty=False), hear(only_guilty=True)
    guilty = guilt >= ACTS
    assert guilt[guilty].tolist() == same_guilt[guilty].tolist()
    assert not (same_guilt[~guilty] >= ACTS).any()
    near = np.isin(web.buyer, web.buyer[guilt[web.key] >= ACTS])
    assert near.any()
    assert not near.all()
    assert part[near].tolist() == message[near].tolist()
    assert not part[~near].any()


def test_accounts_that_are_asked_for_hear_the_same_where_only_they_are_answered(weighed: tuple[Web, Beliefs]) -> None:
    web, beliefs = weighed
    usual = unheard(web, beliefs.abusers, beliefs.scarce)
    known = (beliefs.conduct, beliefs.abusers, beliefs.scarce, beliefs.learned, usual)
    asked = web.explained
    theirs = asked[web.buyer]
    assert theirs.any()
    assert not theirs.all()
    (message, guilt), (part, same_guilt) = propagate(web, *known), propagate(web, *known, only=asked)
    assert part[theirs].tolist() == message[theirs].tolist()
    assert same_guilt.tolist() == guilt.tolist()
    assert elsewhere(web, part, beliefs.abusers).tolist() == elsewhere(web, message, beliefs.abusers).tolist()


def test_what_is_no_news_is_the_same_for_all_keys_and_for_each_by_itself(weighed: tuple[Web, Beliefs]) -> None:
    web, beliefs = weighed
    said = unheard(web, beliefs.abusers, beliefs.scarce)
    for key in np.random.default_rng(3).integers(0, web.keys, 60).tolist():
        rows = web.rows_of_key[key]
        alone, _, _ = web.copies([rows])
        assert unheard(alone, beliefs.abusers, beliefs.scarce).tolist() == said[rows].tolist()


def test_a_place_too_large_to_bear_anything_out_bears_nothing_out(weighed: tuple[Web, Beliefs]) -> None:
    web, beliefs = weighed
    usual = unheard(web, beliefs.abusers, beliefs.scarce)
    large = (web.size > BEARS) & (web.family != Family.CONDUCT.value)
    guilty = replace(web, prior=np.where(large, 0.0, web.prior))
    loud = replace(beliefs.conduct, own=np.full(web.n, 9.0))
    message, _ = propagate(guilty, loud, beliefs.abusers, beliefs.scarce, beliefs.learned, usual)
    rows = large[web.key]
    assert rows.any()
    assert 0.0 < message[rows].max() < OTHERWISE


def test_markets_gathered_at_once_bring_forth_what_each_does_by_itself(judged: tuple[Context, Web, Beliefs]) -> None:
    ctx, web, beliefs = judged
    found = chance(ctx, web, beliefs, DEFAULTS)
    urns, usual = urns_of(ctx, web, beliefs), unheard(web, beliefs.abusers, beliefs.scarce)
    expected: list[tuple[float, bool, list[int]]] = []
    for number in range(DEFAULTS.null_draws):
        conduct = beliefs.conduct.of(draw(DEFAULTS.seed, number, urns))
        message, guilt = propagate(web, conduct, beliefs.abusers, beliefs.scarce, beliefs.learned, usual)
        risk = combine(web, conduct, message, beliefs.abusers, beliefs.alone, DEFAULTS)
        rings = gather(web, conduct.own, risk, guilt, DEFAULTS)
        score = scores(web, rings, conduct.own, beliefs.abusers, beliefs.learned)
        members = [np.flatnonzero(rings.ring == ring).tolist() for ring in range(rings.rings)]
        expected += zip(score.tolist(), rings.pair.tolist(), members, strict=True)
    members = [found.account[found.candidate == ring].tolist() for ring in range(len(found.score))]
    assert len(expected) > 20
    assert list(zip(found.score.tolist(), found.pair.tolist(), members, strict=True)) == expected


def test_two_threads_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    market = simulated(2_500, 7)
    monkeypatch.setattr(graph.side, "WORTH", 10**12)
    one = detect(market)
    monkeypatch.setattr(graph.side, "WORTH", 0)
    two = detect(market)
    for name in ("accounts", "rings", "members", "evidence", "hubs"):
        assert getattr(one, name).equals(getattr(two, name))
    assert one.frozen is not None
    assert two.frozen is not None
    assert list(one.frozen.values) == list(two.frozen.values)
    assert all((one.frozen.values[name] == two.frozen.values[name]).all() for name in one.frozen.values)
