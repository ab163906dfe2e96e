"""Every top-level package has its place in the import contract, and the tests mirror the rooms."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_is_placed_in_the_layers() -> None:
    packages = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name not in {"tests", "build", "dist"}
        if any(path.glob("*.py"))
    }
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    linter = settings["importlinter"]
    layered = {room for layer in linter["contracts"][0]["layers"] for room in layer.split(" | ")}
    assert packages == layered == set(linter["root_packages"]) == set(settings["mypy"]["packages"])


def test_nothing_names_an_index_address() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert "http" not in lock.replace("httpx", "").replace("httpcore", "").replace("httptools", "")
    assert lock.count("--hash=sha256:") > 100
