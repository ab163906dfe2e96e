"""Stores for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.open import open_store
from graph.store import Store
from tests.integrity.hand import load_market


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def market(store: Store) -> Store:
    """A store that holds `load_market`."""
    load_market(store)
    return store
