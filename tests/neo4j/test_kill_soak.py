"""kill -9 of the server and of its client at any moment of a load, a detection, a publication or of reserving: nothing
that was acknowledged is lost, no run is half seen, and the same command again ends where an undisturbed one would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.neo4j_server import Server
from tests.neo4j.killing import Scene, drawn, drawn_graph, try_moment
from tests.neo4j.support import ServerDesk, as_set_up, wipe

SAMPLE = [("client", "load", 0.5), ("server", "load", 1.0), ("server", "reserve", 0.3), ("client", "publish", 0.02)]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def drawn_whole(harmed: Server, market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How much is drawn in a namespace to which nothing happened."""
    desk = ServerDesk(tmp_path_factory.mktemp("drawn"), at=as_set_up(harmed).url, namespace="undisturbed")
    desk.done("load", market)
    desk.done("detect")
    return drawn_graph(harmed, "undisturbed")


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
