"""kill -9 of the server and of its client at any moment of a load, a detection, a publication or of reserving: nothing
that was acknowledged is lost, no run is half seen, and the same command again ends where an undisturbed one would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import neo4j
import pytest

from scripts.neo4j_server import Server
from tests.conftest import Neo4j
from tests.neo4j.killing import Scene, drawn, drawn_graph, try_moment
from tests.neo4j.support import ServerDesk, wipe

SAMPLE = [
    ("server", "load", 1.0),
    ("server", "reserve", 0.3),
    ("client", "publish", 0.02),
    # that of a client whose load is killed stands in tests/conformance/test_processes.py
    pytest.param("client", "load", 0.5, marks=pytest.mark.soak),
]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def drawn_whole(neo4j_server: Neo4j, market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How much is drawn in a namespace to which nothing happens, on the server that all tests share."""
    namespace = f"undisturbed {os.getpid()}"
    desk = ServerDesk(tmp_path_factory.mktemp("drawn"), at=neo4j_server.url, namespace=namespace)
    desk.done("load", market)
    desk.done("detect")
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password)) as driver:
        return drawn_graph(driver, namespace)


@pytest.fixture
def scene(
    desk: ServerDesk, server: Server, market: Path, undisturbed: dict[str, Any], drawn_whole: dict[str, int]
) -> Scene:
    return Scene(desk, server, market, undisturbed, drawn_whole)


@pytest.mark.parametrize(("who", "command", "delay"), SAMPLE)
def test_killed_at_a_moment_nothing_acknowledged_is_lost(who: str, command: str, delay: float, scene: Scene) -> None:
    try_moment(who, command, delay, scene)


@pytest.mark.soak
@pytest.mark.timeout(10_800)
def test_killed_at_fifty_moments_nothing_acknowledged_is_lost(scene: Scene) -> None:
    working = []
    for who, command, delay in drawn(50):
        wipe(scene.server, "default")
        working.append(try_moment(who, command, delay, scene))
    assert sum(working) >= 20, "most kills came too late to try anything"
