"""The page on the model names what is there: detectors, modules of detection and what stands in them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from detectors.registry import ACCOUNTS, ALL

PAGE = (Path(__file__).parents[2] / "docs" / "model.md").read_text("utf-8")
NAMED = re.findall(r"\(`([a-z_./]+)`(?:, `([a-z_./]+)`)?", PAGE)


def test_every_module_that_the_page_names_exists() -> None:
    names = [name for pair in NAMED for name in pair if name]
    assert len(names) > 10
    detectors = {detector.name for detector in ALL}
    for name in names:
        if name in detectors:
            continue
        module, _, attribute = name.replace("/", ".").partition("._")
        found = importlib.import_module(f"detectors.{module.removesuffix('.combine')}")
        wanted = f"_{attribute}" if attribute else "combine" if name.endswith(".combine") else ""
        assert not wanted or hasattr(found, wanted), name


def test_every_account_detector_has_its_row() -> None:
    for detector in ACCOUNTS:
        assert f"(`{detector.name}`)" in PAGE
