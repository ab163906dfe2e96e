"""Who owned a number before others wrote it is not linked by what they write."""

from __future__ import annotations

import numpy as np

from detectors.links.sharing import Sightings, without_owners

DAY = 86_400_000_000


def seen(*rows: tuple[int, int, int]) -> Sightings:
    """Sightings of (key, account, day)."""
    key, buyer, day = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return Sightings(
        key.astype(np.int64),
        buyer.astype(np.int32),
        day.astype(np.int64) * DAY,
        np.zeros(count, np.int8),
        np.arange(count, dtype=np.int32),
    )


def left(sightings: Sightings) -> set[tuple[int, int]]:
    kept = without_owners(sightings)
    return set(zip(kept.key.tolist(), kept.buyer.tolist(), strict=True))


def test_the_owner_is_taken_out_and_the_others_stay_linked() -> None:
    rows = [(0, 7, 0), (0, 7, 10), (0, 7, 20), (0, 1, 40), (0, 2, 41), (0, 7, 60)]
    assert left(seen(*rows)) == {(0, 1), (0, 2)}
    assert left(seen(*rows[::-1])) == {(0, 1), (0, 2)}


def test_nobody_owns_what_was_shared_soon_or_used_little() -> None:
    soon = [(0, 7, 0), (0, 7, 1), (0, 7, 2), (0, 1, 20)]
    little = [(1, 7, 0), (1, 7, 10), (1, 1, 90)]
    assert left(seen(*soon, *little)) == {(0, 7), (0, 1), (1, 7), (1, 1)}


def test_a_key_of_one_account_stays() -> None:
    alone = [(3, 5, day) for day in range(0, 200, 20)]
    assert left(seen(*alone, (4, 5, 0), (4, 5, 10), (4, 5, 20), (4, 6, 50))) == {(3, 5), (4, 6)}
