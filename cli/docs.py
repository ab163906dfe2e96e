"""Writes the generated reference: `python -m cli.docs docs/reference`. A test fails where committed pages differ."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from api.reference import graphql_markdown, roles_markdown
from cli.parity import parity_markdown
from cli.reference import commands_markdown, exit_codes_markdown
from cli.settings import settings_markdown
from detectors.registry import reference as detectors_markdown
from graph.reference import schema_markdown
from integrity.policy import policy_markdown

PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_markdown,
    "detectors.md": detectors_markdown,
    "exit-codes.md": exit_codes_markdown,
    "graphql.md": graphql_markdown,
    "parity.md": parity_markdown,
    "policy.md": policy_markdown,
    "roles.md": roles_markdown,
    "schema.md": schema_markdown,
    "settings.md": settings_markdown,
}
"""File name below docs/reference -> what makes its text."""


def page(name: str) -> str:
    """The text of one page, ending in one newline."""
    return PAGES[name]().rstrip() + "\n"


def main() -> None:
    """Write every page into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (folder / name).write_text(page(name), "utf-8")


if __name__ == "__main__":
    main()
