"""The store contract on a Neo4j server (5.26 and later, Community or Enterprise)."""

from __future__ import annotations

from typing import Any

from graph.neo4j.migrations import bring_up
from graph.neo4j.store import Neo4jStore

__all__ = ["Neo4jStore", "open_neo4j"]


def open_neo4j(url: str, *, patience: float | None = None, **options: Any) -> Neo4jStore:
    """A `Neo4jStore` of the newest schema version, that waits for a server that is away for `patience` seconds, where
    given, and no longer. Raises `StoreProblem`."""
    store = Neo4jStore(url, **options)
    try:
        if patience is not None:
            store._connection.patience = patience
        bring_up(store._connection, store.meta())
    except BaseException:
        store.close()
        raise
    return store
