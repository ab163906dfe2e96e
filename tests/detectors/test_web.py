"""Which of the things that accounts have in common are one fact, and which are two."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.contract import BUYERS, Evidence, Keys, evidence
from detectors.registry import LINKS
from detectors.web import Web, weave


def shared(detector: str, people: range, nats: float) -> Evidence:
    """One key of this detector that `people` share, `nats` rare."""
    who = np.array(people, np.int32)
    nothing = np.zeros(len(who), np.int32)
    keys = Keys(np.array([detector], object), np.array([len(who)]), np.array([False]))
    said = np.full(len(who), nats)
    return evidence(detector, buyer=who, nats=said, key=nothing, table=nothing + BUYERS, row=who, keys=keys)


def woven(people: range, *detectors: str) -> Web:
    """The web of what these detectors say of the same people."""
    chosen = [detector for detector in LINKS if detector.name in detectors]
    found = [shared(detector.name, people, 1.0) for detector in chosen]
    return weave(chosen, found, max(people) + 1, np.zeros(len(found), np.int32))


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_household_told_by_its_door_number_and_device_is_told_once(size: int) -> None:
    web = woven(range(size), "shared_device", "shared_door", "shared_phone")
    assert web.keys == 1
    assert web.alias.tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [3, 8])
def test_what_three_share_and_what_they_did_together_are_two_facts(size: int) -> None:
    web = woven(range(size), "shared_device", "shared_door", "lockstep", "same_targets")
    assert web.keys == 2
    assert web.alias[0] == web.alias[1] != web.alias[2] == web.alias[3]
    assert np.unique(web.family).tolist() == [1, 2]
    assert sorted(web.buyer.tolist()) == sorted([*range(size), *range(size)])


def test_of_two_people_each_says_the_same_of_the_other_by_both() -> None:
    assert woven(range(2), "shared_device", "same_targets").keys == 1
