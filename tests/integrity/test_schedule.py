"""The schedule, by a clock that tests turn themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from graph.errors import BadInput
from graph.store import Store
from integrity.schedule import Inbox, Stopped, Turns, new_events, run_schedule, run_turn, take_up
from loaders.keying import Keyer
from tests.integrity.hand import NOW, load_market, market_findings, policy

HEADER = "order_id,buyer_id,store_id,placed_at,amount\n"


class HandClock:
    """Time passes only by waiting, and stops after `turns` waits."""

    def __init__(self, turns: int = 1) -> None:
        self.turns, self.at, self.waits, self.told = turns, 0.0, list[float](), False

    def now(self) -> int:
        return NOW + int(self.at * 1_000_000)

    def steady(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds

    def stopping(self) -> bool:
        return self.told or len(self.waits) >= self.turns


def schedule(store: Store, clock: HandClock, detect: Callable[..., Any] | None = None, **more: Any) -> Turns:
    found = detect or (lambda *_: market_findings())
    return run_schedule(
        store, every=3600, policy=more.pop("policy", policy), clock=clock, holder="test", detect=found, **more
    )


def test_it_runs_at_once_and_then_by_the_clock(market: Store) -> None:
    clock = HandClock(turns=3)
    assert schedule(market, clock) == Turns(good=3, failed=0)
    assert clock.waits == [3600, 3600, 3600]
    assert [run.started_at for run in market.runs()] == [NOW, NOW + 3600 * 10**6, NOW + 7200 * 10**6]


def test_turns_that_were_missed_are_skipped_and_never_overlap(market: Store) -> None:
    clock = HandClock(turns=2)

    def slow(*_: Any) -> Any:
        clock.at += 5000
        return market_findings()

    schedule(market, clock, slow)
    assert clock.waits == [2200, 2200]


def test_a_failed_run_is_logged_and_the_next_one_comes(market: Store) -> None:
    calls = iter([ZeroDivisionError("bad"), None])

    def sometimes(*_: Any) -> Any:
        error = next(calls)
        if error is not None:
            raise error
        return market_findings()

    with capture_logs() as lines:
        assert schedule(market, HandClock(turns=2), sometimes) == Turns(good=1, failed=1)
    assert any(line["log_level"] == "error" and line["kind"] == "ZeroDivisionError" for line in lines)
    assert market.head().run is not None


def test_a_policy_that_breaks_between_turns_fails_the_turn_and_not_the_schedule(market: Store) -> None:
    def broken() -> Any:
        raise BadInput("is missing", where="policy.toml")

    assert schedule(market, HandClock(turns=2), policy=broken) == Turns(good=0, failed=2)


def test_a_held_run_counts_as_failed_and_is_not_published(market: Store) -> None:
    strict = policy(publication={"max_limited_share": 0.0})
    assert schedule(market, HandClock(), policy=lambda: strict) == Turns(good=0, failed=1)
    assert market.head().run is None


def test_another_run_at_the_same_time_makes_it_skip_the_turn(market: Store) -> None:
    lease = market.acquire("run", "somebody else")
    with capture_logs() as lines:
        assert schedule(market, HandClock()) == Turns(good=0, failed=1)
    assert any("somebody else" in line.get("error", "") for line in lines)
    market.release(lease)


def test_a_stop_between_steps_leaves_nothing_visible(market: Store) -> None:
    clock = HandClock()

    def told_to_stop(*_: Any) -> Any:
        clock.told = True
        return market_findings()

    assert schedule(market, clock, told_to_stop) == Turns(good=0, failed=0)
    assert market.runs() == []
    clock.told = False
    assert run_turn(market, policy(), clock, holder="test", detect=lambda *_: market_findings()).state == "published"


def test_a_turn_that_is_told_to_stop_says_so(market: Store) -> None:
    with pytest.raises(Stopped):
        run_turn(market, policy(), HandClock(turns=0), holder="test", detect=lambda *_: market_findings())


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    folder = tmp_path / "inbox"
    (folder / "orders").mkdir(parents=True)
    return Inbox(folder, Keyer("k" * 32))


def put(inbox: Inbox, day: int, amount: str = "10.00", order_id: str = "o") -> None:
    row = f"{order_id},b,s,2024-12-0{day}T10:00:00Z,{amount}\n"
    (inbox.folder / "orders" / f"2024-12-0{day}.csv").write_text(HEADER + row)


def amounts(store: Store) -> list[int]:
    return [value for batch in store.scan("orders", ("order_id", "amount")) for value in batch["amount"].to_pylist()]


def test_new_files_are_taken_up_before_each_run_and_old_ones_not_again(store: Store, inbox: Inbox) -> None:
    put(inbox, 1)
    clock = HandClock(turns=3)
    found = market_findings()

    def drop_a_file(*_: Any) -> Any:
        if clock.at == 0:
            put(inbox, 2, "12.00")
        return found

    schedule(store, clock, drop_a_file, inbox=inbox)
    loads = [record.state for record in store.loads()]
    assert loads == ["finished", "finished"]
    assert amounts(store) == [1200]  # the later file's word on the same order, not a conflict
    assert [run.known_by for run in store.runs()] == [1, 2, 2]


def test_a_changed_file_is_taken_up_again(store: Store, inbox: Inbox) -> None:
    clock = HandClock()
    put(inbox, 1)
    assert take_up(store, inbox, clock, holder="test") is not None
    assert take_up(store, inbox, clock, holder="test") is None
    put(inbox, 1, "1234.00")
    assert take_up(store, inbox, clock, holder="test") is not None
    assert amounts(store) == [123_400]


def test_a_refused_file_is_logged_and_detection_goes_on(store: Store, inbox: Inbox) -> None:
    load_market(store)
    (inbox.folder / "orders" / "bad.csv").write_bytes(b"\xff\xfe")
    with capture_logs() as lines:
        assert schedule(store, HandClock(), inbox=inbox) == Turns(good=0, failed=1)
    assert store.head().run is not None
    assert any("load failed" in line["event"] and "bad.csv" in line["error"] for line in lines)


def test_a_stop_during_a_load_leaves_it_invisible(store: Store, inbox: Inbox) -> None:
    put(inbox, 1)
    clock = HandClock(turns=0)
    with pytest.raises(Stopped):
        take_up(store, inbox, clock, holder="test")
    assert store.head().load == 0


def began(store: Store) -> list[int]:
    """When runs were started, in seconds after NOW."""
    return [(run.started_at - NOW) // 1_000_000 for run in store.runs()]


def test_a_schedule_that_starts_again_goes_on_where_it_was(market: Store) -> None:
    schedule(market, HandClock(turns=1))
    again = HandClock(turns=2)
    again.at = 600.0  # ten minutes later another process takes over
    assert schedule(market, again) == Turns(good=1, failed=0)
    assert again.waits == [3000, 3600]
    assert began(market) == [0, 3600]


def test_missed_slots_are_made_up_for_by_one_run(market: Store) -> None:
    schedule(market, HandClock(turns=1))
    late = HandClock(turns=2)
    late.at = 5.5 * 3600
    with capture_logs() as lines:
        schedule(market, late)
    assert began(market) == [0, int(5.5 * 3600), int(6.5 * 3600)]
    assert [line["missed"] for line in lines if line["event"] == "catching up with one run"] == [4]


def test_two_schedules_of_one_store_share_the_turns(market: Store) -> None:
    clock = HandClock(turns=3)
    plain = clock.wait

    def wait(seconds: float) -> None:
        plain(seconds)
        if len(clock.waits) == 1:  # the other one was faster by ten seconds
            clock.at -= 10
            run_turn(market, policy(), clock, holder="other", detect=lambda *_: market_findings())
            clock.at += 20

    clock.wait = wait  # type: ignore[method-assign]
    schedule(market, clock)
    assert began(market) == [0, 3590, 7190]


def test_a_run_from_the_future_does_not_stop_the_clock(market: Store) -> None:
    ahead = HandClock()
    ahead.at = 50_000.0
    schedule(market, ahead)
    assert schedule(market, HandClock()) == Turns(good=1, failed=0)


def test_enough_new_orders_and_claims_make_a_turn_due_before_its_time(store: Store, inbox: Inbox) -> None:
    put(inbox, 1)
    clock = HandClock(turns=8)
    plain = clock.wait

    def wait(seconds: float) -> None:
        plain(seconds)
        if clock.at in (60, 120):  # one order is not enough, two are
            put(inbox, 1 + len(clock.waits), order_id=f"o{len(clock.waits)}")

    clock.wait = wait  # type: ignore[method-assign]
    with capture_logs() as lines:
        schedule(store, clock, inbox=inbox, after_events=2)
    assert began(store) == [0, 120]
    whys = [line["why"] for line in lines if line["event"] == "turn"]
    assert whys == ["by the clock", "2 orders and claims are new"]
    assert clock.waits == [60] * 8
    assert new_events(store) == 0


def test_the_clock_still_counts_where_little_is_new(market: Store) -> None:
    clock = HandClock(turns=121)
    schedule(market, clock, after_events=1000)
    assert began(market) == [0, 3600, 7200]


def test_an_early_turn_moves_the_beat(store: Store, inbox: Inbox) -> None:
    put(inbox, 1)
    clock = HandClock(turns=71)
    plain = clock.wait

    def wait(seconds: float) -> None:
        plain(seconds)
        if clock.at == 600:
            put(inbox, 2, order_id="o2")

    clock.wait = wait  # type: ignore[method-assign]
    schedule(store, clock, inbox=inbox, after_events=1)
    assert began(store) == [0, 600, 4200]
