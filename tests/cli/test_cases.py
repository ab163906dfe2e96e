"""`ringfence case`: from the queue to the bundle on disk."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from graph.store import Store
from tests.api import market
from tests.cli.conftest import Command


@pytest.fixture
def ready(ringfence: Command, store: Store) -> Command:
    market.fill(store)
    market.put_run(store, "run-1")
    return ringfence


def test_from_the_queue_to_a_closed_case(ready: Command) -> None:
    queue = ready("case", "queue", "--json").json
    assert [(one["id"], one["currency"], one["at_risk"]) for one in queue] == [
        ("ring-0a", "CNY", "2328.00"),
        ("ring-0b", "JPY", "594000"),
    ]
    case = ready("case", "open", "ring", "ring-0a", "--by", "ada", "--json").json["case_id"]
    assert [one["id"] for one in ready("case", "queue", "--json").json] == ["ring-0b"]
    assert len(ready("case", "queue", "--all", "--json").json) == 2
    assert ready("case", "assign", case, "ada", "--by", "ada").out == f"{case}: open, ada's\n"
    ready("case", "note", case, "seen with my own eyes", "--by", "ada")
    assert "seen with my own eyes" in ready("case", "notes", case).out
    assert ready("case", "decide", case, "abusive", "--reason", "empty parcels", "--by", "ben").code != 0
    assert ready("case", "decide", case, "abusive", "--reason", "empty parcels", "--by", "ada").code == 0
    assert ready("case", "close", case, "--reason", "done", "--by", "ada").code == 0
    (listed,) = ready("case", "list", "--state", "closed", "--json").json
    assert (listed["case_id"], listed["decision"], listed["notes"]) == (case, "abusive", 1)
    assert ready("case", "list", "--state", "open", "--json").json == []
    assert f"# {case}" in ready("case", "brief", case).out
    assert "## 时间线" in ready("case", "brief", case, "--language", "zh").out


def test_a_bundle_is_the_same_each_time_and_its_export_is_on_record(ready: Command, store: Store, home: Path) -> None:
    case = ready("case", "open", "ring", "ring-0a", "--json").json["case_id"]
    first = ready("case", "export", case, "one.zip", "--by", "ada", "--json").json
    ready("case", "export", case, "two.zip")
    assert (home / "one.zip").read_bytes() == (home / "two.zip").read_bytes()
    assert hashlib.sha256((home / "one.zip").read_bytes()).hexdigest() == first["sha256"]
    with zipfile.ZipFile(home / "one.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["acts"]["head"] == first["head"]
    lines = [json.loads(row["body"]) for row in store.notes("audit").to_pylist()]
    assert (lines[0]["who"], lines[0]["kind"], lines[0]["what"]) == ("ada", "case", case)
    assert lines[0]["sha256"] == first["sha256"]
    assert ready("audit", "verify", "--head", first["head"]).code == 0


def test_a_ring_is_drawn_to_a_file(ready: Command, home: Path) -> None:
    case = ready("case", "open", "ring", "ring-0a", "--json").json["case_id"]
    assert ready("case", "draw", case, "ring.svg").code == 0
    assert (home / "ring.svg").read_text("utf-8").lstrip().startswith("<?xml")
    assert ready("case", "draw", case, "ring.png").code == 0
    assert (home / "ring.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("open", "ring", "ring-none"), 8, "no ring 'ring-none'"),
        (("open", "account", "c-00"), 8, "no account 'c-00'"),
        (("open", "shop", "s-1"), 2, ""),
        (("brief", "case-none"), 8, "no case 'case-none'"),
        (("list", "--state", "lost"), 3, "choose open, decided or closed"),
        (("export", "case-none", "x.tar"), 3, "use .zip"),
        (("draw", "case-none", "x.jpg"), 3, "use .svg or .png"),
        (("decide", "case-none", "guilty"), 2, ""),
    ],
)
def test_what_makes_no_sense_is_told(ready: Command, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = ready("case", *arguments)
    assert ran.code == code
    assert said in ran.err


def test_without_a_published_run_there_is_no_queue(ringfence: Command, store: Store) -> None:
    market.fill(store)
    ran = ringfence("case", "queue")
    assert ran.code == 8
    assert "no run has been published yet" in ran.err
