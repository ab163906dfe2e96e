"""`ringfence prune`: what is past its age goes, and the command says what that was."""

from __future__ import annotations

from pathlib import Path

from graph.store import Store
from tests.cli.conftest import Command
from tests.integrity.hand import POLICY_TEXT


def test_pruning_says_what_was_dropped_and_what_is_kept_replays(
    ringfence: Command, export: Path, home: Path, store: Store
) -> None:
    assert ringfence("load", export).code == 0
    (home / "few.toml").write_text(POLICY_TEXT + "keep_published_runs = 2\n")
    for day in (10, 11, 12, 13, 14):
        assert ringfence("detect", "--as-of", f"2024-12-{day}", "--json").code == 0
    store.take("door", "1d", 1, 5, "o1", now=0, expires_at=1)
    assert "replays" in ringfence("runs").out
    runs = [one.run_id for one in store.runs()]
    done = ringfence("prune", "--policy", "few.toml", "--json").json
    assert done["runs"] == runs[:-3]
    assert done["takes"] >= 1
    assert (done["shadow"], done["reservations"]) == (0, 0)
    told = {one["run_id"]: one["replay_lacks"] for one in ringfence("runs", "--json").json}
    assert told == {runs[-3]: runs[:-3][-1:], runs[-2]: [], runs[-1]: []}
    assert f"no: {runs[-4]} dropped" in ringfence("runs").out
    assert ringfence("replay", "--run", runs[-1]).code == 0
    lost = ringfence("replay", "--run", runs[-3])
    assert lost.code == 3
    assert f"{runs[-4]} that it goes on from was dropped" in lost.err
    text = ringfence("prune", "--policy", "few.toml").out
    assert "takes and allowances" in text
