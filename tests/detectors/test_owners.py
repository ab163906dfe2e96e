"""Who had a key to itself before others came to it is told from those who came."""

from __future__ import annotations

import numpy as np

from detectors.contract import EARLY, OWN
from detectors.links.sharing import owners
from detectors.numerics import group

DAY = 86_400_000_000


def owning(*rows: tuple[int, int, int], how: int = OWN) -> set[tuple[int, int]]:
    """(key, account) of those who own a key in that way, given uses (key, account, day)."""
    key, buyer, day = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    owner = owners(key, buyer.astype(np.int32), day * DAY)
    first = group(key, buyer).first[owner == how]
    return set(zip(key[first].tolist(), buyer[first].tolist(), strict=True))


def test_the_first_account_owns_a_key_that_others_came_to_later() -> None:
    rows = [(0, 7, 0), (0, 7, 60), (0, 1, 40), (0, 2, 41), (5, 9, 0), (5, 3, 100)]
    assert owning(*rows) == {(0, 7), (5, 9)}
    assert owning(*rows[::-1]) == {(0, 7), (5, 9)}


def test_nobody_owns_what_several_came_to_within_a_week() -> None:
    assert owning((0, 7, 0), (0, 7, 5), (0, 1, 6), (0, 2, 90)) == set()


def test_a_key_of_one_account_needs_no_owner() -> None:
    assert owning((3, 5, 0), (3, 5, 200), (4, 5, 0), (4, 6, 50)) == {(4, 5)}


def test_who_lives_there_before_most_others_come_is_early() -> None:
    home = [(0, 7, 0), (0, 8, 2), (0, 9, 3)]
    ring = [(0, 20 + at, 30 + at) for at in range(4)]
    assert owning(*home, *ring, how=EARLY) == {(0, 7), (0, 8), (0, 9)}
    assert owning(*ring[::-1], *home[::-1], how=EARLY) == {(0, 7), (0, 8), (0, 9)}
    assert owning(*home, *ring[:2], how=EARLY) == set()


def test_nobody_is_early_where_all_come_in_one_week() -> None:
    assert owning(*((1, at, at) for at in range(6)), how=EARLY) == set()
