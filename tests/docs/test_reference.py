"""Nothing without documentation: the reference is what the code says, and each part of it says something."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.schema import core_schema
from cli.docs import PAGES, page
from cli.reference import commands
from cli.settings import SETTINGS
from detectors.registry import ALL
from detectors.settings import DetectionSettings
from graph.schema import TABLES
from integrity.policy import Policy

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_what_the_code_says(name: str) -> None:
    assert (REFERENCE / name).read_text("utf-8") == page(name), "run `make docs`"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES)


def test_every_command_and_option_is_explained() -> None:
    for name, command in commands():
        assert (command.help or "").strip(), name
        for param in command.params:
            assert (getattr(param, "help", None) or "").strip(), f"{name} {param.name}"


def test_every_setting_that_the_code_reads_is_documented() -> None:
    read = set()
    for folder in ("api", "cli", "detectors", "graph", "integrity", "loaders", "simulator"):
        for path in (ROOT / folder).rglob("*.py"):
            read |= set(re.findall(r"RINGFENCE_[A-Z0-9_]+", path.read_text("utf-8")))
    documented = {setting.name for setting in SETTINGS}
    assert read - documented == set()
    assert all(f"`{name}`" in page("settings.md") for name in documented)


def test_every_detector_says_what_it_does_and_where_the_method_comes_from() -> None:
    text = page("detectors.md")
    for detector in ALL:
        assert detector.title.strip()
        assert detector.doc.strip()
        assert detector.source.strip()
        assert f"## {detector.name}" in text
    for name, field in DetectionSettings.model_fields.items():
        assert (field.description or "").strip(), name
        assert f"`{name}`" in text


def test_every_field_of_the_policy_is_explained() -> None:
    def fields(model: type, path: str = "") -> Iterator[tuple[str, str | None]]:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]  # pydantic models only
            yield f"{path}{name}", field.description
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                yield from fields(field.annotation, f"{path}{name}.")

    assert [name for name, description in fields(Policy) if not (description or "").strip()] == []


def test_every_table_and_column_is_explained() -> None:
    text = page("schema.md")
    for table in TABLES:
        assert table.doc.strip()
        for column in table.columns:
            assert column.doc.strip()
            assert f"`{column.name}`" in text


def test_every_graphql_type_field_and_argument_is_explained() -> None:
    missing = []
    for name, kind in core_schema().type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        if not kind.description:
            missing.append(name)
        for field_name, field in getattr(kind, "fields", {}).items():
            if not field.description:
                missing.append(f"{name}.{field_name}")
            missing += [
                f"{name}.{field_name}({arg_name})"
                for arg_name, arg in getattr(field, "args", {}).items()
                if not arg.description
            ]
        for value_name, value in getattr(kind, "values", {}).items() if hasattr(kind, "values") else ():
            if not value.description:
                missing.append(f"{name}.{value_name}")
    assert missing == []


def test_links_between_pages_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
    broken = [
        f"{os.path.relpath(path, ROOT)}: {target}"
        for path in pages
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        if not target.startswith(("http:", "https:")) and not (path.parent / target).exists()
    ]
    assert broken == []
