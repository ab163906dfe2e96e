"""What keys hear from their accounts, and what they tell them."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.contract import Family
from detectors.fusion import ACTS, HUB, HUB_NATS, Conduct, propagate, unheard
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
