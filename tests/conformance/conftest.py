"""The stores that the suite runs over. A new implementation is added here and passes the tests unchanged."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.neo4j import Neo4jStore
from graph.open import masked_url
from graph.sqlite import SqliteStore
from graph.store import Store
from tests.conformance.support import Backend

_NAMES = itertools.count()


@pytest.fixture(params=["sqlite", "neo4j"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    opened: list[Store] = []
    if request.param == "sqlite":
        path = tmp_path / "store.db"
        url = f"sqlite:///{path}"

        def open_here(**more: Any) -> Store:
            store = SqliteStore(path, **more)
            opened.append(store)
            return store

    else:
        url = request.getfixturevalue("neo4j_url")
        # one database for all tests: each has namespaces of its own
        prefix = f"test {os.getpid()} {next(_NAMES)} "
        monkeypatch.setenv("RINGFENCE_TEST_NAMESPACE", f"{prefix}default")

        def open_here(**more: Any) -> Store:
            namespace = prefix + more.pop("namespace", "default")
            store = Neo4jStore(url, shown=masked_url(url), namespace=namespace, **more)
            opened.append(store)
            return store

    yield Backend(request.param, url, open_here)
    for store in opened:
        store.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open()
