"""Parts that some tests need and a checkout may lack: the test skips and says why (a failure in CI, see conftest)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.neo4j_server import Server, Unavailable


def require_data(name: str) -> Path:
    """The folder of a real data set below `RINGFENCE_DATA`; skips the test where it is not there."""
    root = os.environ.get("RINGFENCE_DATA", "")
    if not root:
        pytest.skip("RINGFENCE_DATA is not set: it names the folder of the real data sets")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"RINGFENCE_DATA holds no {name}")
    return folder


@contextmanager
def neo4j_server(**options: str) -> Iterator[Server]:
    """A running Neo4j server; skips the test where it can't be had here."""
    server = Server(**options)  # type: ignore[arg-type]
    try:
        server.start()
    except Unavailable as missing:
        server.stop()
        pytest.skip(f"no Neo4j server: {missing}")
    try:
        yield server
    finally:
        server.stop()
