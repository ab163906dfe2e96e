"""docs/quality.md: the text is written by hand, each table between its two marks by the command."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PAGE: Final = Path("docs") / "quality.md"
PLOTS: Final = Path("docs") / "quality"


def mark(name: str) -> tuple[str, str]:
    """The lines between which the table of that name stands."""
    return f"<!-- {name}: written by benchmarks.quality -->", f"<!-- end of {name} -->"


def fill(text: str, tables: Mapping[str, str]) -> str:
    """The page with the given tables put in; ValueError where the page has no place for one."""
    for name, table in tables.items():
        begin, end = mark(name)
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{PAGE} has no place for the table {name!r}; add the lines {begin} and {end}")
        filled = f"{begin}\n\n{table.strip()}\n\n{end}"
        text = pattern.sub(lambda _, filled=filled: filled, text)  # type: ignore[misc]  # the default binds the loop's
    return text


def publish(tables: Mapping[str, str], plots: Mapping[str, Path]) -> None:
    """Write the tables into the page, and the plots (SVG) beside it."""
    PAGE.write_text(fill(PAGE.read_text("utf-8"), tables), "utf-8")
    PLOTS.mkdir(exist_ok=True)
    for name, path in plots.items():
        shutil.copyfile(path, PLOTS / f"{name}.svg")
