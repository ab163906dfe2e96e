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


@pytest.fixture(scope="session")
def second_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of another market, to be loaded on top; nothing may be changed in it."""
    return simulate(tmp_path_factory.mktemp("second") / "export", buyers=BUYERS, seed=SEED + 1).folder


@pytest.fixture(scope="session")
def loaded_twice(published: Desk, second_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The published desk after a load of the second market; it is copied, never changed."""
    desk = published.copy(tmp_path_factory.mktemp("loaded-twice"))
    desk.done("load", second_market)
    return desk


@pytest.fixture(scope="session")
def undisturbed(loaded_twice: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk on which nothing ever went wrong: both markets loaded and detected; it is never changed."""
    desk = loaded_twice.copy(tmp_path_factory.mktemp("undisturbed"))
    desk.done("detect")
    return desk
