"""Fixtures of the tests of bad input and faults: a small simulated market, and a store with a published run of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.market import simulate
from tests.faults.support import Desk

BUYERS = 600
SEED = 3


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a market of 600 buyers with a ring in it; nothing may be changed in it."""
    return simulate(tmp_path_factory.mktemp("market") / "export", buyers=BUYERS, seed=SEED).folder


@pytest.fixture(scope="session")
def published(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk whose store holds the market and a published run; it is copied, never changed."""
    desk = Desk(tmp_path_factory.mktemp("published"))
    desk.done("load", market)
    desk.done("detect")
    return desk


@pytest.fixture
def desk(published: Desk, tmp_path: Path) -> Desk:
    """A desk of the test's own, whose store holds the market and a published run."""
    return published.copy(tmp_path / "desk")


@pytest.fixture
def empty_desk(tmp_path: Path) -> Desk:
    """A desk of the test's own, without a store."""
    folder = tmp_path / "empty-desk"
    folder.mkdir()
    return Desk(folder)
