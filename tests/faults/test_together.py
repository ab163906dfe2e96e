"""One process serves the API while others load and detect on the same store: every answer is of the old run or of the
new one, never a mixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from tests.faults.support import Desk, Server, ended, serving, wait_for

ALL = """query {
  run { id asOf snapshotDigest }
  accounts(first: 100) { edges { node { id runId status risk claims reasons against statusReasons ring { id } } } }
  rings(first: 50) { edges { node { id confidence amount { amount currency } reasons members(first: 50)
    { edges { node { account { id } probability } } } } } }
  evidence(first: 100) { edges { node { id kind nats } } }
}"""


def test_answers_are_of_one_run_while_another_process_loads_and_detects(
    published: Desk, undisturbed: Desk, second_market: Path, tmp_path: Path
) -> None:
    desk = published.copy(tmp_path / "desk")
    with serving(desk) as server:
        old = server.ask(ALL)
        seen = [old]
        for words in (("load", second_market), ("detect",)):
            process = desk.start(*words)
            while process.poll() is None:
                seen.append(server.ask(ALL))
                assert _healthy(server)
            assert ended(process).code == 0
        wait_for(lambda: server.ask("{ run { id } }")["run"]["id"] != old["run"]["id"], seconds=10)
        new = server.ask(ALL)
        assert _healthy(server)
        ran = server.end()
    assert ran.code == 0
    assert len(seen) >= 10
    kinds = [(answer == old and "old") or (answer == new and "new") or "a mixture" for answer in seen]
    assert set(kinds) <= {"old", "new"}
    assert kinds == sorted(kinds, reverse=True), "an answer of the old run came after one of the new"
    for answer in (old, new):
        assert {edge["node"]["runId"] for edge in answer["accounts"]["edges"]} == {answer["run"]["id"]}
    assert desk.exports() == undisturbed.exports()
    assert _risks(new) == _exported_risks(undisturbed, [*_risks(new)], tmp_path)
    assert _risks(old) == _exported_risks(published, [*_risks(old)], tmp_path)


def _healthy(server: Server) -> bool:
    told = server.health()
    return (told["ok"], told["store"]) == (True, "reachable") and told["last_good_run_age_seconds"] >= 0


def _risks(answer: dict[str, Any]) -> dict[str, float]:
    return {edge["node"]["id"]: round(edge["node"]["risk"], 6) for edge in answer["accounts"]["edges"]}


def _exported_risks(desk: Desk, ids: list[str], folder: Path) -> dict[str, float]:
    file = folder / "accounts.jsonl"
    desk.done("export", "accounts", file)
    rows = {row["buyer_id"]: row["risk"] for row in map(json.loads, file.read_text("utf-8").splitlines())}
    assert pl.Series(ids).is_unique().all()
    return {one: rows[one] for one in ids}
