"""What is past its age is dropped, on the way or when somebody asks; what still counts stays."""

from __future__ import annotations

from typing import Any

import pytest

from graph.errors import BadInput, LeaseHeld
from graph.leases import held
from graph.store import Store
from integrity.acts import Actor
from integrity.instants import DAY
from integrity.prune import MARGIN, Pruned, prune
from integrity.publication import RUN_LEASE
from integrity.runs import run_detection
from integrity.shadow import SHADOW, prune_shadow, shadow_report, start_shadow
from tests.integrity.hand import NOW, POLICY_TEXT, market_findings, policy

ANNA = Actor("anna", "operator")
OTHER = policy(POLICY_TEXT.replace('"t1"', '"other"'))
KEPT = policy(publication={"keep_published_runs": 2, "keep_shadow_days": 30, "max_limited_share": 1.0})


def run(store: Store, day: int, hour: int) -> str:
    return run_detection(
        store,
        policy=KEPT,
        now=lambda: NOW + day * DAY,
        holder="test",
        as_of=NOW - hour * DAY // 24,
        detect=lambda _s, _d: market_findings(),
    ).run.run_id


def test_what_was_decided_in_the_shadow_ends_by_its_age(market: Store) -> None:
    start_shadow(market, OTHER, by=ANNA, now=NOW)
    runs = [run(market, day, 9 - number) for number, day in enumerate((0, 10, 30, 31))]
    # the last run was 31 days after the first: that one's shadow is past its age, the second's not yet
    assert [one.run_id for one in shadow_report(market).runs] == runs[1:]
    assert prune_shadow(market, before=NOW + 10 * DAY) == 0
    assert prune_shadow(market, before=NOW + 10 * DAY + 1) == 1
    assert [one.run_id for one in shadow_report(market).runs] == runs[2:]
    assert prune_shadow(market, before=NOW + 99 * DAY) == 2
    with pytest.raises(BadInput, match="no run was decided in the shadow"):
        shadow_report(market)


def test_many_rows_of_the_shadow_are_dropped_in_pages_and_all_of_a_run_together(store: Store) -> None:
    rows = [{"at": NOW + (n // 10), "id": f"d:run-{n // 10}:{n % 10:06d}", "body": "{}"} for n in range(100)]
    store.note(SHADOW, rows)
    store.note("audit", [{"at": 0, "id": "old", "body": "{}"}])
    assert prune_shadow(store, before=NOW + 6) == 60
    assert store.notes(SHADOW).column("id").to_pylist() == [row["id"] for row in rows[60:]]
    assert store.notes("audit").num_rows == 1


def test_pruning_drops_all_that_is_past_its_age_and_nothing_else(market: Store) -> None:
    start_shadow(market, OTHER, by=ANNA, now=NOW)
    generous = policy(publication={"keep_published_runs": 9, "keep_shadow_days": 400, "max_limited_share": 1.0})
    runs = []
    for number in range(5):
        given: dict[str, Any] = {"as_of": NOW - (9 - number) * DAY // 24, "detect": lambda _s, _d: market_findings()}
        at = NOW + number * 40 * DAY
        runs.append(run_detection(market, policy=generous, now=lambda at=at: at, holder="test", **given).run.run_id)
    for key, end in (("ended", 10), ("lately", 10 + MARGIN), ("live", 10 + 2 * MARGIN)):
        market.take(key, "1d", 1, 5, "o", now=NOW, expires_at=NOW + 160 * DAY + end)
    now = NOW + 160 * DAY + 10 + MARGIN
    done = prune(market, KEPT, now=now, holder="test")
    assert done == Pruned(tuple(runs[:2]), 4, 0, 1)
    assert [one.run_id for one in market.runs()] == runs[2:]
    assert [one.run_id for one in shadow_report(market).runs] == runs[4:]
    assert market.taken([("ended", "1d"), ("lately", "1d"), ("live", "1d")], now=NOW) == [0, 1, 1]
    assert prune(market, KEPT, now=now, holder="test") == Pruned((), 0, 0, 0)


def test_pruning_waits_for_no_run_unless_it_is_told_to(market: Store) -> None:
    with held(market, RUN_LEASE, "a run"), pytest.raises(LeaseHeld, match="a run holds"):
        prune(market, KEPT, now=NOW, holder="test")
