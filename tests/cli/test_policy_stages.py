"""`ringfence policy stages`: the bands, and one store."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.integrity.hand import POLICY_TEXT
from tests.integrity.test_stages import STAGED


def test_bands_are_shown_and_one_store_is_told_what_it_has(ringfence: Command, export: Path, home: Path) -> None:
    mine = home / "mine.toml"
    mine.write_text(POLICY_TEXT + STAGED)
    (export / "stores.csv").write_text("store_id,experience_score\ns0,4.6\ns1,\n")
    ringfence("load", export)
    shown = ringfence("policy", "stages", "--policy", mine)
    assert "2025-09-01" in shown.out
    assert "unknown" in shown.out
    assert ringfence("policy", "stages", "--policy", mine, "--json").json["bands"][0]["at_least"] == 4.8
    asked = ("policy", "stages", "--policy", mine, "--now", "2025-07-01", "--store-id")
    found = ringfence(*asked, "s0", "--json").json
    assert (found["entitlements"], found["since"], found["until"]) == (
        ["file_complaints"],
        "2025-06-01T00:00:00Z",
        "2025-09-01T00:00:00Z",
    )
    assert "no_refund_only" in ringfence(*asked, "s0").out
    assert "no score" in ringfence(*asked, "s1").out
    assert "没有给出" in ringfence(*asked, "s1", "--language", "zh").out
    missing = ringfence(*asked, "s9")
    assert missing.code == 8
    assert "s9" in missing.err
