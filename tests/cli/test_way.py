"""The way of a newcomer's own export through the commands, and what each of them prints."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from graph.store import Store
from tests.cli.conftest import KEY, Command
from tests.integrity.hand import POLICY_TEXT


@pytest.fixture
def loaded(ringfence: Command, export: Path) -> Command:
    assert ringfence("load", export).code == 0
    return ringfence


@pytest.fixture
def detected(loaded: Command) -> Command:
    assert loaded("detect").code == 0
    return loaded


def test_load_reports_counts_that_add_up(ringfence: Command, export: Path) -> None:
    told = ringfence("load", export, "--json").json
    assert told["tables"]["orders"]["read"] == told["tables"]["orders"]["new"] == 640
    again = ringfence("load", export)
    assert "load 2" in again.out
    assert [word for line in again.out.splitlines() if line.startswith("orders") for word in line.split()] == [
        "orders", "640", "0", "0", "640", "0", "0",
    ]  # fmt: skip


def test_quarantined_rows_are_listed_with_file_line_and_rule(ringfence: Command, export: Path) -> None:
    with (export / "orders.csv").open("a") as file:
        file.write("bad,b1,s1,2024-11-01T00:00:00Z,-5,device-secret-9\n")
    assert "1 rows in quarantine" in ringfence("load", export).out
    (entry,) = ringfence("quarantine", "list", "--json").json
    assert (entry["file"], entry["line"], entry["column"], entry["table"]) == ("orders.csv", 642, "amount", "orders")
    assert "orders.csv" in ringfence("quarantine", "list").out


def test_a_corrected_row_is_taken_up_by_a_retry(ringfence: Command, export: Path, store: Store) -> None:
    orders = export / "orders.csv"
    whole = orders.read_text()
    orders.write_text(whole.replace("200.50", "-200.50", 1))
    ringfence("load", export)
    assert len(ringfence("quarantine", "list", "--json").json) == 1
    orders.write_text(whole)
    (tried,) = ringfence("quarantine", "retry", "--json").json
    assert (tried["load"], tried["entries"], tried["report"]["tables"]["orders"]["new"]) == (1, 1, 1)
    assert ringfence("quarantine", "list", "--json").json == []
    assert "nothing waits" in ringfence("quarantine", "retry").out


def test_detect_publishes_and_the_run_is_listed(loaded: Command, store: Store) -> None:
    outcome = loaded("detect", "--json").json
    assert outcome["state"] == "published"
    assert outcome["run"]["as_of"] == "2024-12-04T09:09:00Z" or outcome["run"]["as_of"].startswith("2024-12-04")
    assert sum(outcome["statuses"].values()) == outcome["accounts"] == 160
    (listed,) = loaded("runs", "--json").json
    assert listed["run_id"] == store.head().run
    assert listed["current"]
    assert outcome["run"]["run_id"] in loaded("runs").out


def test_an_unpublished_run_can_be_published_compared_and_rolled_back(detected: Command, store: Store) -> None:
    first = store.head().run
    second = detected("detect", "--no-publish", "--seed", 3, "--json").json["run"]["run_id"]
    assert store.head().run == first
    assert detected("diff", first, second).code == 0
    assert detected("publish", second).code == 0
    assert store.head().run == second
    assert detected("rollback").code == 0
    assert store.head().run == first


def test_as_of_looks_at_what_had_happened_by_then(loaded: Command) -> None:
    outcome = loaded("detect", "--as-of", "2024-11-15", "--json").json
    assert outcome["run"]["as_of"] == "2024-11-15T00:00:00Z"


def test_a_run_that_limits_too_many_is_held_with_its_own_exit_code(loaded: Command, home: Path, store: Store) -> None:
    strict = home / "strict.toml"
    everyone = "[statuses]\nwatch_risk = 0.0\nstore_limited_risk = 0.0\nplatform_limited_risk = 0.0\n"
    alone = "alone_limited_risk = 0.0\nminimum_claims_alone = 1\nminimum_claims_in_ring = 1\n"
    strict.write_text(POLICY_TEXT.replace("0.6", "0.0") + everyone + alone)
    ran = loaded("detect", "--policy", strict)
    assert ran.code == 7
    assert "would limit" in ran.err
    assert "ringfence publish run-" in ran.err
    assert store.head().run is None
    assert loaded("runs", "--json").json[0]["state"] == "held"


def test_accounts_are_exported_in_three_forms(detected: Command, home: Path) -> None:
    for ending in ("csv", "parquet", "jsonl"):
        assert detected("export", "accounts", home / f"accounts.{ending}", "--json").json["rows"] == 160
    with (home / "accounts.csv").open() as file:
        from_csv = [row["buyer_id"] for row in csv.DictReader(file)]
    from_json = [json.loads(line)["buyer_id"] for line in (home / "accounts.jsonl").read_text().splitlines()]
    assert from_csv == from_json == sorted(f"b{n:02}" for n in range(160))


def test_any_account_is_explained(detected: Command) -> None:
    told = detected("explain", "account", "b00", "--json").json
    assert (told["buyer_id"], told["orders"], told["claims"]) == ("b00", 4, 4)
    assert "b00: " in detected("explain", "account", "b00").out


def test_status_says_what_is_there_and_what_is_not_set_up(detected: Command, store: Store) -> None:
    told = detected("status", "--json").json
    assert (told["published_run"], told["last_load"], told["rows"]["orders"]) == (store.head().run, 1, 640)
    assert told["not_set"] == ["RINGFENCE_TOKEN_KEY", "RINGFENCE_AUDIT_KEY", "RINGFENCE_METRICS_TOKEN"]
    assert detected("status").code == 0


def test_forgetting_a_buyer_says_what_was_erased_and_what_runs_still_hold(detected: Command, store: Store) -> None:
    told = detected("forget", "b05", "--json").json
    assert told["erased"]["orders"] == 4
    assert told["erased"]["texts"] == told["kept_shared"] == 0
    assert told["published_run"] == store.head().run
    assert "no raw value" in told["note"]
    assert store.find("orders", "buyer_id", ["b05"], columns=("device",))["device"].null_count == 4
    assert "published run" in detected("forget", "b06").out


def test_forgetting_erases_what_people_wrote_and_the_book_still_holds(detected: Command) -> None:
    made = detected("judge", "make", "account", "b05", "honest", "--reason", "her doctor wrote to us")
    assert made.code == 0
    assert "1 texts are as they were written, 0 were erased" in detected("audit", "verify").out
    assert "her doctor" in detected("judge", "list").out
    assert detected("forget", "b05", "--by", "olga", "--json").json["erased"]["texts"] == 1
    assert "0 texts are as they were written, 1 were erased" in detected("audit", "verify").out
    checked = detected("audit", "verify", "--json").json
    assert (checked["texts"], checked["erased"], checked["unfinished"]) == (0, 1, 0)
    assert "(erased)" in detected("judge", "list").out
    *_, act = detected("audit", "show", "--json").json
    assert (act["kind"], act["by"], act["subject"]) == ("texts.erased", "olga", "b05")


def test_no_raw_identifier_and_no_key_is_printed(ringfence: Command, export: Path) -> None:
    printed = ""
    for words in (("load", export), ("detect",), ("explain", "account", "b00"), ("status",), ("settings",)):
        ran = ringfence(*words)
        printed += ran.out + ran.err
    assert "farm-device-1" not in printed
    assert KEY not in printed


def test_a_store_option_wins_over_the_environment(ringfence: Command, export: Path, home: Path) -> None:
    other = f"sqlite:///{home / 'other.db'}"
    assert ringfence("load", export, "--store", other).code == 0
    assert (home / "other.db").exists()
    assert not (home / "store.db").exists()
    assert ringfence("status", "--store", other, "--json").json["rows"]["orders"] == 640


def test_namespaces_keep_markets_apart(ringfence: Command, export: Path) -> None:
    assert ringfence("load", export, "--namespace", "one").code == 0
    assert ringfence("status", "--namespace", "two", "--json").json["last_load"] is None
    assert ringfence("detect", "--namespace", "two").code == 3


def test_a_folder_can_be_loaded_and_looked_at_in_one_command(ringfence: Command, export: Path, store: Store) -> None:
    assert ringfence("detect", "--load", export, "--json").json["accounts"] == 160
    assert [load.state for load in store.loads()] == ["finished"]
