"""The page about bad input names tests that are there, and every test of faults is named on it."""

from __future__ import annotations

import re

from tests.faults.support import ROOT

PAGE = ROOT / "docs" / "bad-input.md"


def test_the_page_names_tests_that_are_there_and_leaves_none_out() -> None:
    named = set(re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", PAGE.read_text("utf-8")))
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"
    ours = {
        (str(path.relative_to(ROOT)), test)
        for path in (ROOT / "tests" / "faults").glob("test_*.py")
        for test in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
        if path.name != "test_page.py"
    }
    assert ours <= named, ours - named
