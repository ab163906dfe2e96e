"""What the tests of faults share: a small market, what readers see of it where nothing goes wrong, and a server of
their own that may be harmed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.neo4j_jars import Unavailable
from scripts.neo4j_server import Server, prepare
from simulator.market import simulate
from tests.faults.support import Desk
from tests.neo4j.support import HARMED, ServerDesk, as_set_up, wipe
from tests.require import neo4j_server

BUYERS, SEED = 80, 3
_NAMES = itertools.count()


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small market with claims in it; nothing may be changed in it."""
    return simulate(tmp_path_factory.mktemp("market") / "export", buyers=BUYERS, seed=SEED, abuse="high").folder


@pytest.fixture(scope="session")
def undisturbed(market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What readers see where nothing ever went wrong: in the embedded store."""
    desk = Desk(tmp_path_factory.mktemp("undisturbed"))
    desk.done("load", market)
    desk.done("detect")
    return desk.seen()


@pytest.fixture(scope="session")
def harmed() -> Iterator[Server]:
    """A server that may be harmed, apart from the one that all tests share; one for each process of the test run."""
    try:
        prepare()
    except Unavailable as missing:
        pytest.skip(f"no Neo4j server: {missing}")
    with neo4j_server(settings=HARMED) as started:
        yield started


@pytest.fixture
def server(harmed: Server) -> Server:
    """The server that may be harmed, running and as it was set up."""
    return as_set_up(harmed)


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> ServerDesk:
    """A desk with an empty namespace on the server that may be harmed."""
    wipe(server, "default")
    return ServerDesk(tmp_path, at=server.url)


@pytest.fixture
def apart(neo4j_url: str, tmp_path: Path) -> ServerDesk:
    """A desk with a namespace of its own on the server that all tests share: for those that harm the way alone."""
    return ServerDesk(tmp_path, at=neo4j_url, namespace=f"apart {os.getpid()} {next(_NAMES)}")
