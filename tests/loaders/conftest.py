"""Fixtures of the loader tests: a fresh store, a key, and a folder to fill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.open import open_store
from graph.store import Store
from loaders.keying import Keyer
from tests.loaders.support import KEY, Market


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def keyer() -> Keyer:
    return Keyer(KEY)


@pytest.fixture
def market(store: Store, keyer: Keyer, tmp_path: Path) -> Market:
    folder = tmp_path / "export"
    folder.mkdir()
    return Market(store, keyer, folder)
