"""The lineage benchmark counts what goes on by members, not by ids, and tells what new orders touch."""

from __future__ import annotations

import numpy as np

from benchmarks.lineage import follow, grow
from graph.snapshot import Snapshot
from integrity.policy import default_policy
from tests.detectors.market import snapshot

CREW = {"orders": 8, "claims": 6, "only": True, "start": 20, "every": 6, "stores": ["s2", "s5", "s7", "s9"]}


def test_going_on_is_told_from_members_alone() -> None:
    runs = [
        {"a": frozenset("123456"), "b": frozenset("xyz")},
        {"a": frozenset("12345"), "c": frozenset("xyz")},
        {"d": frozenset("mno")},
    ]
    kept = follow(iter(runs))
    assert (kept.runs, kept.rings, kept.continuing, kept.kept, kept.kept_by_members) == (3, 5, 2, 1, 1)


def crews(later: int) -> Snapshot:
    """Two crews of six far from each other; the second one makes `later` more orders."""
    accounts = {f"old-{n}": CREW | {"minute": n * 45, "device": "d1", "door": f"h{n}/1"} for n in range(6)}
    more = CREW | {"orders": 8 + later, "stores": ["s1", "s3", "s4", "s6"], "device": "d2"}
    accounts |= {f"new-{n}": more | {"minute": n * 50, "door": f"g{n}/1"} for n in range(6)}
    return snapshot({"crowd": 300, "accounts": accounts})


def test_a_ring_is_unrelated_where_nobody_of_it_did_anything_new() -> None:
    before, after = crews(0), crews(3)
    assert np.isin(before.orders.ids.astype(str), after.orders.ids.astype(str)).all()
    added = grow(before, after, default_policy())
    assert (added.orders, added.rings, added.unrelated) == (18, 2, 1)
    assert (added.other_id, added.other_members, added.other_status) == (0, 0, 0)
