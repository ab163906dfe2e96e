"""`ringfence policy shadow`, and a schedule that waits for events."""

from __future__ import annotations

from pathlib import Path

from graph.store import Store
from tests.cli.conftest import Command
from tests.integrity.hand import POLICY_TEXT

WATCHFUL = POLICY_TEXT.replace('"t1"', '"watchful"') + "[statuses]\nwatch_risk = 0.0\n"


def test_a_policy_decides_in_the_shadow_and_is_reported_on(
    ringfence: Command, export: Path, home: Path, store: Store
) -> None:
    (home / "watchful.toml").write_text(WATCHFUL)
    ringfence("load", export)
    assert ringfence("policy", "shadow", "--report").code == 3
    assert "from the next run on" in ringfence("policy", "shadow", "watchful.toml", "--by", "anna").out
    ringfence("detect")
    found = ringfence("policy", "shadow", "--report", "--json").json
    assert (found["shadow"]["version"], found["shadow"]["by"], len(found["runs"])) == ("watchful", "anna", 1)
    assert found["runs"][0]["run_id"] == store.head().run
    assert any(after == "WATCH" for _, _, after in found["runs"][0]["differ"])
    assert "watchful" not in ringfence("runs", "--json").out
    assert "in the shadow since" in ringfence("policy", "shadow", "--report").out
    assert ringfence("policy", "shadow", "--stop").code == 0
    ringfence("detect")
    assert len(ringfence("policy", "shadow", "--report", "--json").json["runs"]) == 1


def test_one_thing_at_a_time(ringfence: Command, export: Path) -> None:
    ringfence("load", export)
    for arguments in ((), ("--report", "--stop"), ("a.toml", "--stop")):
        refused = ringfence("policy", "shadow", *arguments)
        assert refused.code == 3
        assert "exactly one" in refused.err


def test_waiting_for_events_needs_a_longest_wait(ringfence: Command, export: Path) -> None:
    ringfence("load", export)
    refused = ringfence("detect", "--after-events", "5")
    assert refused.code == 3
    assert "--every" in refused.err
    assert ringfence("detect", "--every", "1h", "--after-events", "5", "--look", "soon").code == 3
