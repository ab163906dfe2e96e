"""Parts that some tests need and a checkout may lack: the test skips and says why (a failure in CI, see conftest)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.neo4j_jars import alone
from scripts.neo4j_server import Server, Unavailable

KEPT_PLANS: Final = {"dbms.cypher.min_replan_interval": "1d"}
"""Setting of a server whose database fills up while it is tested: a plan is made once. Each statement of ours names its
index, so that a plan made over an empty database is the one that is made later."""

QUICK: Final = ("-XX:TieredStopAtLevel=1",)
"""Java's quick compiler alone: a server starts in half the time and works at half the speed, but two cores that tests
share with it are not kept busy by its own compiling."""


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
def neo4j_server(
    home: Path | None = None, *, settings: Mapping[str, str] | None = None, **more: Any
) -> Iterator[Server]:
    """A running Neo4j server of the test's own; skips the test where it can't be had here."""
    server = Server(home, settings=settings, jvm=QUICK, **more)
    require_running(server)
    try:
        yield server
    finally:
        server.stop()


def shared_neo4j(folder: Path, owner: int) -> Server:
    """The server of the whole test run: whoever needs it first starts it, and it ends with the process `owner`."""
    server = Server(folder, owner=owner, settings=KEPT_PLANS, jvm=QUICK)
    with alone(f"tests-{owner}"):
        if server.pid is None:
            require_running(server)
    # another process may have started it between our looking and the lock: read again what it is reached by
    return Server(folder, owner=owner)


def require_running(server: Server) -> None:
    """Start the server; skips the test where it can't be had here."""
    try:
        server.start()
    except Unavailable as missing:
        server.stop()
        pytest.skip(f"no Neo4j server: {missing}")
