"""Complaints, judgements, appeals, the book of acts and replay from the command line."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Command

ONLY = "abnormal_refund_only"


@pytest.fixture
def ready(ringfence: Command, export: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The export loaded, detected and published, with a key that signs acts."""
    policy = home / "policy.toml"
    policy.write_text(ringfence("policy", "show").out.replace("max_limited_share = 0.03", "max_limited_share = 0.5"))
    monkeypatch.setenv("RINGFENCE_POLICY", str(policy))
    monkeypatch.setenv("RINGFENCE_AUDIT_KEY", "the key that signs acts in the tests of commands")
    assert ringfence("load", export).code == 0
    assert ringfence("detect").code == 0
    return ringfence


def _claims(home: Path) -> list[tuple[str, str]]:
    """Claim and store of the export, the group's first."""
    orders = {
        line.split(",")[0]: line.split(",")[2] for line in (home / "export" / "orders.csv").read_text().split()[1:]
    }
    rows = [line.split(",") for line in (home / "export" / "refunds.csv").read_text().split()[1:]]
    return [(row[0], orders[row[1]]) for row in rows if row[3] == "refund_only"]


def _held_against(ready: Command, home: Path) -> str:
    """An account that the published run limits or watches."""
    assert ready("export", "accounts", "accounts.csv").code == 0
    with (home / "accounts.csv").open() as file:
        return next(row["buyer_id"] for row in csv.DictReader(file) if row["status"] != "CLEAR")


def test_from_a_complaint_to_a_verdict_and_its_count(ready: Command, home: Path) -> None:
    (refund, shop), *_ = _claims(home)
    filed = ready("complaint", "file", refund, ONLY, "--store-id", shop, "--note", "an empty box", "--json").json
    assert (filed["refund_id"], filed["store_id"], filed["by"]) == (refund, shop, shop)
    again = ready("complaint", "file", refund, ONLY, "--store-id", shop, "--json").json
    assert again["complaint_id"] == filed["complaint_id"]
    refused = ready("complaint", "file", refund, ONLY, "--store-id", "elsewhere")
    assert (refused.code, "no such claim at this store" in refused.err) == (3, True)
    outcome = "dismissed" if again["proposal"] == "upheld" else "upheld"
    decide = ("complaint", "decide", filed["complaint_id"], outcome, "--reason", "seen", "--by", "ada")
    assert ready(*decide).out == f"{filed['complaint_id']}: {outcome}\n"
    assert ready(*decide).code == 3
    listed = ready("complaint", "list", "--json").json
    assert [one["complaint_id"] for one in listed] == [filed["complaint_id"]]
    assert ready("complaint", "list", "--pending", "--json").json == []
    (chinese,) = ready("complaint", "list", "--language", "zh", "--json").json
    assert any("账户" in reason for reason in chinese["reasons"])
    assert chinese["complaint_id"] == filed["complaint_id"]
    assert len(chinese["reasons"]) == len(filed["reasons"])
    counted = ready("complaint", "counts", "--json").json
    assert sum(one["filed"] for one in counted) == 1
    assert sum(one[outcome] for one in counted) == 1
    assert sum(one["reviewed"] for one in counted) == 1


def test_many_complaints_in_one_act_each_stand_or_are_refused(ready: Command, home: Path) -> None:
    (refund, _), (other, _), *_ = _claims(home)
    lines = [
        f'{{"refund_id": "{refund}", "type": "{ONLY}", "note": "an empty box", "evidence": ["box.jpg"]}}',
        '{"refund_id": "nothing", "type": "fake_evidence"}',
        "",
        f'{{"refund_id": "{other}", "type": "swapped_return"}}',
    ]
    (home / "many.jsonl").write_text("\n".join(lines))
    told = ready("complaint", "file-many", "many.jsonl", "--by", "ada", "--json").json
    assert [one["refund_id"] for one in told] == [refund, "nothing", other]
    assert told[0]["complaint"]["evidence"] == ["box.jpg"]
    assert [one["refused"] for one in told[1:]] == [
        "there is no such claim",
        "nothing was to be sent back: a refund-only claim",
    ]
    assert [one["kind"] for one in ready("audit", "show", "--json").json] == ["run.started", "complaint.filed"]
    assert "no such claim" in ready("complaint", "file-many", "many.jsonl", "--by", "ada").out
    for line in (
        "[]",
        "{",
        '{"refund_id": "r"}',
        '{"refund_id": 1, "type": "x"}',
        lines[1][:-1] + ', "evidence": "x"}',
    ):
        (home / "bad.jsonl").write_text("\n" + line)
        bad = ready("complaint", "file-many", "bad.jsonl")
        assert (bad.code, "bad.jsonl, line 2" in bad.err) == (3, True), bad.err
    assert len(ready("audit", "show", "--json").json) == 2, "nothing of a file with such a line is filed"
    assert ready("complaint", "accords", "--json").json == []


def test_what_was_judged_holds_at_once_where_all_is_decided_anew(ready: Command, home: Path) -> None:
    buyer = _held_against(ready, home)
    ready("judge", "make", "account", buyer, "honest", "--reason", "spoke with her", "--by", "ada")
    before = next(one["run_id"] for one in ready("runs", "--json").json if one["current"])
    anew = ready("judge", "anew", "--json").json["run_id"]
    assert anew != before
    assert ready("explain", "account", buyer, "--json").json["status"] == "CLEAR"
    assert len(ready("judge", "list", "--state", "standing", "--target", "account", "--json").json) == 1
    assert ready("judge", "list", "--target", "ring", "--json").json == []


def test_from_a_judgement_to_the_next_run(ready: Command, home: Path) -> None:
    buyer = _held_against(ready, home)
    made = ready(
        "judge", "make", "account", buyer, "honest", "--reason", "spoke with her", "--by", "ada", "--json"
    ).json
    assert made["state"] == "standing"
    assert ready("judge", "make", "account", buyer, "abusive", "--reason", "no").code == 3
    assert ready("judge", "make", "account", buyer, "purple", "--reason", "no").code == 3
    assert ready("detect").code == 0
    assert ready("explain", "account", buyer, "--json").json["status"] == "CLEAR"
    assert ready("judge", "withdraw", made["judgement_id"], "--reason", "a mistake", "--by", "ben").code == 10
    assert ready("judge", "withdraw", made["judgement_id"], "--reason", "a mistake", "--by", "ada").code == 0
    wide = ready("judge", "make", "account", buyer, "abusive", "--reason", "seen", "--by", "ada", "--json").json
    assert wide["state"] == "proposed"
    assert ready("judge", "second", wide["judgement_id"], "--by", "ada").code == 10
    assert ready("judge", "second", wide["judgement_id"], "--by", "ben").out.endswith("standing\n")
    assert len(ready("judge", "list", "--json").json) == 2


def test_from_an_appeal_to_who_is_healed(ready: Command, home: Path) -> None:
    buyer = _held_against(ready, home)
    (home / "letter.txt").write_text("that was not me")
    opened = ready("appeal", "open", buyer, "letter.txt", "--by", "ada", "--json").json
    assert opened["state"] == "open"
    assert "not me" not in ready("appeal", "list", "--json").out + ready("audit", "show", "--json").out
    bad = ready("appeal", "uphold", opened["appeal_id"], "--wrong", "account", "--reason", "so")
    assert (bad.code, "TARGET ID SAID" in bad.err) == (3, True)
    uphold = ("appeal", "uphold", opened["appeal_id"], "--wrong", f"account {buyer} honest", "--reason", "so")
    done = ready(*uphold, "--by", "ada", "--json").json
    assert (buyer, "CLEAR") in [(one["buyer_id"], one["after"]) for one in done["healed"]]
    assert ready("explain", "account", buyer, "--json").json["status"] == "CLEAR"
    assert ready("appeal", "reject", opened["appeal_id"], "--reason", "no").code == 3
    assert ready("appeal", "list", "--state", "open", "--json").json == []


def test_a_buyer_may_take_an_appeal_back(ready: Command, home: Path) -> None:
    buyer = _held_against(ready, home)
    (home / "letter.txt").write_text("that was not me")
    opened = ready("appeal", "open", buyer, "letter.txt", "--by", "ada", "--json").json
    back = ("appeal", "reject", opened["appeal_id"], "--withdrawn", "--reason", "she rang", "--by", "ada", "--json")
    assert ready(*back).json["state"] == "withdrawn"
    assert len(ready("appeal", "list", "--state", "withdrawn", "--json").json) == 1


def test_acts_are_signed_verified_and_shown_and_a_decision_replays(ready: Command, home: Path) -> None:
    buyer = _held_against(ready, home)
    again = ready("replay", buyer, "--json")
    assert (again.code, again.json["same"]) == (0, True)
    assert ready("replay").code == 0
    ready("judge", "make", "account", buyer, "honest", "--reason", "so", "--by", "ada")
    checked = ready("audit", "verify", "--json").json
    assert (checked["acts"], checked["signed"]) == (2, 2)
    kinds = [one["kind"] for one in ready("audit", "show", "--json").json]
    assert kinds == ["run.started", "judgement.made"]
    with sqlite3.connect(home / "store.db") as connection:
        connection.execute("UPDATE journal SET body = replace(body, 'honest', 'abusive') WHERE journal = 'acts'")
    found = ready("audit", "verify")
    assert (found.code, "act 2 was changed after it was written" in found.err) == (9, True)


def test_a_replay_tells_a_forgotten_buyer_from_tampering(ready: Command, home: Path) -> None:
    (refund, _), *_ = _claims(home)
    first = ready("runs", "--json").json[-1]["run_id"]
    assessed = ready("assess", refund, "--json").json
    assert ready("replay").code == 0
    assert ready("forget", assessed["buyer_id"], "--json").json["erased"]["orders"] > 0
    lapsed = ready("replay", "--run", first)
    assert (lapsed.code, "somebody was forgotten since (1 acts say so)" in lapsed.err) == (3, True)
    claim = ready("replay", "--claim", assessed["reference"][:-1] + ("0" if assessed["reference"][-1] != "0" else "1"))
    assert (claim.code, "its buyer was forgotten since" in claim.err) == (3, True)
    assert ready("detect").code == 0
    assert ready("replay").code == 0
