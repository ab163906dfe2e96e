"""`ringfence doctor`: what it finds, and its exit code for scripts."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from graph.leases import held
from graph.store import Store
from tests.cli.conftest import Command


def checks(ringfence: Command, *more: object) -> dict[str, dict[str, Any]]:
    told = ringfence("doctor", "--json", *more).json
    assert told["ok"] == all(one["state"] != "problem" for one in told["checks"])
    return {one["name"]: one for one in told["checks"]}


def test_a_store_in_order_has_no_warning(ringfence: Command, export: Path) -> None:
    assert ringfence("load", export).code == 0
    assert ringfence("detect").code == 0
    found = checks(ringfence)
    assert {one["state"] for one in found.values()} == {"ok"}
    assert "640 orders" in found["rows"]["found"]
    assert found["last load"]["found"].startswith("load 1, finished 20")
    assert "knows loads up to 1 of 1" in found["published run"]["found"]
    text = ringfence("doctor")
    assert text.code == 0
    assert "PROBLEM" not in text.out
    assert "SQLite" in text.out


def test_what_has_not_been_done_is_a_warning_and_no_failure(ringfence: Command, export: Path) -> None:
    ringfence("load", export)
    ran = ringfence("doctor")
    assert ran.code == 0
    assert "ringfence detect" in ran.out
    ringfence("detect")
    with (export / "orders.csv").open("a") as file:
        file.write("new,b1,s1,2024-11-01T00:00:00Z,5,device-9\n")
    ringfence("load", export)
    stale = checks(ringfence)["published run"]
    assert (stale["state"], "up to 1 of 2" in stale["found"]) == ("warning", True)


def test_a_store_that_is_not_there_is_a_problem(ringfence: Command, home: Path) -> None:
    ran = ringfence("doctor", "--store", f"sqlite:///{home / 'nowhere.db'}", "--json")
    assert ran.code == 6
    (only,) = ran.json["checks"]
    assert (only["name"], only["state"]) == ("reached", "problem")
    assert not (home / "nowhere.db").exists()


def test_a_password_is_never_shown(ringfence: Command) -> None:
    ran = ringfence("doctor", "--store", "neo4j://neo4j:hush-hush@127.0.0.1:9/neo4j")
    assert ran.code == 6
    assert "does not answer" in ran.out
    assert "hush" not in ran.out + ran.err


def test_another_key_is_told_with_the_exit_code_of_keys(
    ringfence: Command, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ringfence("load", export)
    monkeypatch.setenv("RINGFENCE_KEY", "another key of the tests, long enough too")
    assert ringfence("doctor").code == 5
    assert checks(ringfence)["key"]["state"] == "problem"
    monkeypatch.delenv("RINGFENCE_KEY")
    assert checks(ringfence)["key"]["state"] == "warning"


def test_a_missing_index_is_named(ringfence: Command, export: Path, home: Path) -> None:
    ringfence("load", export)
    with sqlite3.connect(home / "store.db") as connection:
        connection.execute("DROP INDEX segments_of")
    connection.close()
    assert ringfence("doctor").code == 6
    assert "segments_of" in checks(ringfence)["constraints"]["found"]


def test_a_store_that_may_not_be_written_is_a_problem_and_still_looked_at(
    ringfence: Command, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ringfence("load", export)
    # file modes do not hold root back, so the answer to the question whether the file may be written is changed
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **more: mode != os.W_OK and real(path, mode, **more))
    ran = ringfence("doctor", "--json")
    assert ran.code == 6
    found = {one["name"]: one for one in ran.json["checks"]}
    assert found["rights"]["state"] == "problem"
    assert "640 orders" in found["rows"]["found"]


def test_who_writes_now_is_named(ringfence: Command, export: Path, store: Store) -> None:
    ringfence("load", export)
    with held(store, "load", "a long load"):
        assert checks(ringfence)["leases"]["found"] == "load: a long load"
