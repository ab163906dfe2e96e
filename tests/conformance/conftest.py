"""The stores that the suite runs over. A new implementation is added here and passes the tests unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.sqlite import SqliteStore
from graph.store import Store
from tests.conformance.support import Backend


@pytest.fixture(params=["sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    opened: list[Store] = []
    path = tmp_path / "store.db"

    def open_here(**more: Any) -> Store:
        store = SqliteStore(path, **more)
        opened.append(store)
        return store

    yield Backend(request.param, f"sqlite:///{path}", open_here)
    for store in opened:
        store.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open()
