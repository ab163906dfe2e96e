"""The story that `examples/integrity` tells, on both stores: every claim that it makes is looked at."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "integrity" / "story.py"


@pytest.mark.timeout(600)  # on a real server the story takes minutes
@pytest.mark.parametrize("kind", ["sqlite", "neo4j"])
def test_the_story_holds(kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    # a smaller market on a server, to which it takes longer to write each run
    arguments = (
        ["--store", request.getfixturevalue("neo4j_url"), "--buyers", "500", "--seed", "5"] if kind == "neo4j" else []
    )
    told = runpy.run_path(str(EXAMPLE))["main"](arguments)
    assert told["actors"] >= 2
    assert told["filed"] >= told["upheld"] > 0
    # limits bite, and only whom they should
    assert told["limited"] in ("ALLOW_UP_TO", "DENY")
    assert told["honest"] == "ALLOW"
    assert set(told["held"][:1]) <= {"HELD", "REFUSED"}
    assert told["held"].count("HELD") <= 1
    assert told["held"][-1] == "REFUSED"
    # what was proven is taken out of the rates, and nothing else
    assert told["excluded"] > 0
    assert told["raw"]["claims"] - told["clean"]["claims"] == told["excluded"]
    assert told["clean"]["refundRate"] < told["raw"]["refundRate"]
    # the appellant is healed, and every act stands in the book
    assert (told["before"], told["after"]) == ("WATCH", "CLEAR")
    assert told["healed"] >= 1
    # two runs started, a filing, an appeal opened, upheld and healed, and the verdicts
    assert told["acts"] == 6 + told["decided"]
    assert "healed: " + told["appellant"] in capsys.readouterr().out
