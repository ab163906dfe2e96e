"""Who starts a run or a schedule by command stands in the book of acts, as over GraphQL."""

from __future__ import annotations

from typing import Any

import pytest

from cli.common import now_us
from graph.store import Store
from integrity.acts import Actor, Book
from integrity.instants import DAY, from_iso
from integrity.run_book import OLD, Start, started
from integrity.runs import run_detection
from integrity.schedule import run_schedule
from tests.cli.conftest import Command
from tests.integrity.hand import NOW, load_market, market_findings, policy
from tests.integrity.test_schedule import HandClock


@pytest.fixture
def loaded(ringfence: Command, store: Store) -> Command:
    """The small market, loaded."""
    load_market(store)
    return ringfence


def acts(ringfence: Command) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ringfence("audit", "show", "--json").json
    return found


def test_who_started_a_run_by_command_stands_in_the_book(loaded: Command) -> None:
    assert loaded("detect", "--as-of", "2024-12-31", "--by", "olga", "--now", "2025-01-02").code == 0
    (act,) = acts(loaded)
    assert (act["kind"], act["by"], act["role"]) == ("run.started", "olga", "operator")
    assert act["body"] == {"as_of": "2024-12-31T00:00:00Z", "known_by": None, "every": None}
    assert act["at"] == from_iso("2025-01-02", where="test")


def test_one_that_a_server_started_is_the_servers_act(loaded: Command, store: Store) -> None:
    started(Book(store), "start 1", Actor("olga", "scheduler"), NOW)
    assert loaded("detect", "--noted", "start 1").code == 0
    assert [act["by"] for act in acts(loaded)] == ["olga"]


def test_a_run_whose_act_nobody_wrote_writes_it(loaded: Command, store: Store) -> None:
    started(Book(store), "start 1", Actor("olga", "scheduler"), NOW)
    assert loaded("detect", "--noted", "start 2").code == 0
    assert [(act["subject"], act["by"]) for act in acts(loaded)] == [("start 1", "olga"), ("start 2", "command line")]


def test_each_start_has_a_name_of_its_own(loaded: Command) -> None:
    assert [loaded("detect").code for _ in range(2)] == [0, 0]
    one, two = acts(loaded)
    assert one["subject"] != two["subject"]


def test_a_run_that_does_not_begin_is_no_act(loaded: Command, store: Store) -> None:
    lease = store.acquire("run", "somebody else")
    assert loaded("detect").code == 4
    store.release(lease)
    assert acts(loaded) == []


def test_a_run_over_old_data_moves_the_book_to_no_later_instant(loaded: Command, store: Store) -> None:
    assert loaded("detect").code == 0
    (act,) = acts(loaded)
    assert act["at"] == store.runs()[-1].as_of < now_us() - OLD
    filed = loaded("judge", "make", "account", "shopper", "honest", "--reason", "so", "--now", "2025-01-03", "--json")
    assert filed.json["at"] == from_iso("2025-01-03", where="test")


def test_a_run_over_data_of_today_stands_at_the_instant_of_its_start(loaded: Command, store: Store) -> None:
    clock = NOW + DAY
    for by in ("ada", "ben"):
        begin = Start(store, by, Actor(by, "operator"), clock)
        run_detection(
            store,
            policy=policy(),
            now=lambda: clock,
            holder="test",
            detect=lambda _s, _d: market_findings(),
            started=begin,
        )
    assert [(act["by"], act["at"]) for act in acts(loaded)] == [("ada", clock), ("ben", clock)]


def test_who_started_a_schedule_stands_in_the_book_once(loaded: Command, store: Store) -> None:
    clock = HandClock(turns=3)
    begin = Start(store, "a schedule", Actor("olga", "operator"), clock.now(), every=3600.0)
    done = run_schedule(
        store,
        every=3600,
        policy=policy,
        clock=clock,
        holder="test",
        detect=lambda _s, _d: market_findings(),
        started=begin,
    )
    assert done.good == 3
    (act,) = acts(loaded)
    assert (act["by"], act["body"]["every"]) == ("olga", 3600.0)


def test_a_signed_book_is_not_added_to_without_its_key(
    loaded: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGFENCE_AUDIT_KEY", "a key that signs the acts of this test")
    assert loaded("detect").code == 0
    monkeypatch.delenv("RINGFENCE_AUDIT_KEY")
    for words in (("detect",), ("detect", "--every", "1h")):
        refused = loaded(*words)
        assert (refused.code, "set RINGFENCE_AUDIT_KEY" in refused.err) == (3, True)
    assert len(store.runs()) == 1
    monkeypatch.setenv("RINGFENCE_AUDIT_KEY", "a key that signs the acts of this test")
    assert loaded("audit", "verify", "--json").json["signed"] == 1
