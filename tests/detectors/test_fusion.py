"""What keys hear from their accounts, and what they tell them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.contract import Family
from detectors.fusion import (
    ACTS,
    AMONG_LEAST,
    EXPLAINED,
    HUB,
    HUB_NATS,
    WEIGHED,
    Beliefs,
    Conduct,
    Start,
    believe,
    elsewhere,
    propagate,
    unheard,
)
from detectors.settings import DetectionSettings
from graph.snapshot import Floats
from tests.detectors.webs import web_of

ABUSERS = 0.004


def told(own: list[float]) -> tuple[Floats, float]:
    """(n,) what the key tells accounts that did `own` (n,) nats, and its guilt."""
    web, nothing = web_of((Family.CONDUCT, range(len(own)))), np.zeros(len(own))
    conduct = Conduct(np.array(own), nothing, nothing)
    message, guilt = propagate(web, conduct, ABUSERS, 0.0, np.zeros(1), unheard(web, ABUSERS, 0.0))
    return message, float(guilt[0])


@pytest.mark.parametrize("size", [60, 240])
def test_a_picture_of_a_crowd_in_which_a_ring_hides_says_little_to_anybody(size: int) -> None:
    message, guilt = told([7.0] * (size // 6) + [-1.0] * (size - size // 6))
    assert guilt > ACTS
    assert 0 < message.max() <= HUB_NATS * HUB / size


@pytest.mark.parametrize(("acting", "idle"), [(45, 15), (5, HUB - 6), (20, 0)])
def test_a_ring_of_any_size_and_a_small_crowd_are_heard_in_full(acting: int, idle: int) -> None:
    message, guilt = told([5.0] * acting + [-0.5] * idle)
    assert guilt > ACTS
    assert message.min() > HUB_NATS


def test_a_weight_is_for_what_is_half_known_and_no_more_of_a_key_that_is_surely_guilty() -> None:
    def message(own: float, weight: float) -> float:
        web, nothing = web_of((Family.INSTRUMENT, range(6))), np.zeros(6)
        web = replace(web, weight=np.array([weight]))
        conduct = Conduct(np.full(6, own), nothing, nothing)
        return float(propagate(web, conduct, ABUSERS, 0.0, np.zeros(1), unheard(web, ABUSERS, 0.0))[0][0])

    half, full = message(0.9, 0.5), message(0.9, 1.0)
    assert 0 < full < WEIGHED
    assert half == pytest.approx(full / 2)
    sure = message(6.0, 1.0)
    assert sure > WEIGHED
    assert message(6.0, 0.5) == pytest.approx(sure - WEIGHED / 2)
    assert message(-2.0, 0.5) == message(-2.0, 1.0) < 0


@pytest.mark.parametrize("guilty", [True, False], ids=["a guilty key", "a key that says nothing"])
def test_what_an_account_did_with_others_speaks_against_its_being_idle_and_no_more(guilty: bool) -> None:
    """The key's prior rests on what its accounts did together: a part in that is no second proof that it is guilty."""
    own = np.array([6.0 if guilty else -1.0] * 4 + [0.5] * 2)
    web, nothing = web_of((Family.CONDUCT, range(6))), np.zeros(6)
    usual = unheard(web, ABUSERS, 0.0)

    def message(part: float) -> float:
        told = replace(web, part=np.array([0.0, 0.0, 0.0, 0.0, part, 0.0]))
        conduct = Conduct(own, nothing, nothing)
        said, _ = propagate(told, conduct, ABUSERS, 0.0, np.zeros(1), usual)
        assert said[5] == propagate(web, conduct, ABUSERS, 0.0, np.zeros(1), usual)[0][5]
        return float(said[4])

    stranger, unknown, theirs, surely = (message(part) for part in (-4.0, 0.0, 4.0, 40.0))
    assert stranger < unknown < theirs <= surely
    assert stranger < unknown - 1.5 or not guilty
    assert theirs > unknown + 0.5 if guilty else surely < 1.0


def believed(*keys: tuple[Family, list[int]], own: list[float]) -> Beliefs:
    """What is believed where these keys are shared by accounts that did `own` (n,) nats."""
    web, nothing = web_of(*keys), np.zeros(len(own))
    conduct = Conduct(np.array(own), nothing, nothing)
    return believe(web, conduct, DetectionSettings(), Start(ABUSERS, 0.0, np.zeros(len(keys))))


PAIR, BESIDE = (Family.CONDUCT, [0, 1]), (Family.INSTRUMENT, [2, 3, 4])
RING, OTHERS = [0, 2, 3, 4], [1, 2, 3, 4]
OWN = [7.0, 0.5, 6.0, 6.0, 6.0]


def test_a_pair_is_hardly_guilty_where_one_of_it_acts_with_others() -> None:
    """Who acts with a ring files a picture that anybody can find, too: nothing against whoever found it as well."""
    alone = believed(PAIR, BESIDE, own=OWN)
    within = believed(PAIR, (Family.INSTRUMENT, RING), own=OWN)
    assert within.guilt[0] < alone.guilt[0]
    assert within.message[1] < alone.message[1] - 2
    assert within.risk[1] < 0.1 < ACTS < alone.risk[1]
    assert within.risk[0] > alone.risk[0]


@pytest.mark.parametrize(
    "other",
    [(Family.INSTRUMENT, [0, 1, 2, 3, 4]), (Family.INSTRUMENT, OTHERS)],
    ids=["a key that both are on", "a key of the other one"],
)
def test_what_both_share_or_the_other_does_explains_nothing_away(other: tuple[Family, list[int]]) -> None:
    alone, within = believed(PAIR, BESIDE, own=OWN), believed(PAIR, other, own=OWN)
    assert within.guilt[0] == pytest.approx(alone.guilt[0], abs=0.05)
    assert within.risk[1] > alone.risk[1]


def test_keys_that_keep_company_with_this_one_are_told_apart_from_those_that_don_t() -> None:
    web = web_of(PAIR, (Family.INSTRUMENT, RING), (Family.PLACE, [0, 1, 2]))
    row, other = web.apart
    assert [(int(web.key[a]), int(web.key[b]), int(web.buyer[a])) for a, b in zip(row, other, strict=True)] == [
        (0, 1, 0)
    ]
    loud = elsewhere(web, np.array([0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]), ABUSERS)
    assert loud[0] == EXPLAINED
    assert loud[1:] == pytest.approx(np.full(8, ABUSERS))


@pytest.mark.parametrize(("acting", "family"), [(1, Family.INSTRUMENT), (3, Family.PLACE)], ids=["one", "at a door"])
def test_claiming_with_nobody_speaks_for_an_account_but_among_several_that_act(acting: int, family: Family) -> None:
    alone = -3.0

    def log_odds(*keys: tuple[Family, list[int]], nats: float) -> float:
        web, nothing = web_of(*keys), np.zeros(4)
        conduct = Conduct(np.array([1.0, *[6.0] * acting, *[-3.0] * (3 - acting)]), nothing, nothing)
        risk = believe(web, conduct, DetectionSettings(), Start(ABUSERS, nats, np.zeros(len(keys)))).risk[0]
        return float(np.log(risk) - np.log1p(-risk))

    key = (family, [0, 1, 2, 3])
    assert log_odds(key, nats=alone) == pytest.approx(log_odds(key, nats=0.0) + alone)
    device = (Family.INSTRUMENT, [0, 1, 2, 3])
    among = log_odds(device, nats=alone) - log_odds(device, nats=0.0)
    assert among == pytest.approx(AMONG_LEAST if acting > 1 else alone)


def test_a_kiosk_s_device_leaves_nobody_among_its_people_who_act() -> None:
    size = 2 * HUB
    web, nothing = web_of((Family.INSTRUMENT, list(range(size)))), np.zeros(size)
    own = np.array([1.0, *[6.0] * (size - 1)])
    risk = [
        believe(web, Conduct(own, nothing, nothing), DetectionSettings(), Start(ABUSERS, nats, np.zeros(1))).risk[0]
        for nats in (-3.0, 0.0)
    ]
    odds = np.log(risk) - np.log1p(-np.array(risk))
    assert odds[0] == pytest.approx(odds[1] - 3.0)
