"""What all tests share: one Neo4j server for the whole run, and under RINGFENCE_REQUIRE=all a skip is a failure, so
that CI notices a missing part."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from scripts.neo4j_server import Server
from tests.require import shared_neo4j

_RUN = pytest.StashKey[Path]()
# how long an example takes is the machine's matter, not the code's
settings.register_profile("ringfence", deadline=None)
settings.load_profile("ringfence")


@dataclass(frozen=True)
class Neo4j:
    """A running server: `url` is what `--store` takes; `uri`, `user` and `password` are what a driver takes."""

    url: str
    uri: str
    user: str
    password: str


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("RINGFENCE_REQUIRE") == "all":
        report.outcome = "failed"
        report.longrepr = f"skipped under RINGFENCE_REQUIRE=all: {report.longrepr[2] if report.longrepr else ''}"


def pytest_configure(config: pytest.Config) -> None:
    """The process that the run belongs to makes the folder in which the run's server, where one is needed, lives."""
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = Path(tempfile.mkdtemp(prefix="ringfence-tests-"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a server is needed for comes first: it takes longest, and at the end no worker waits for another."""
    items.sort(key=lambda item: "neo4j" not in item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where that is, and with whom the server ends."""
    node.workerinput["run_folder"] = str(node.config.stash[_RUN])
    node.workerinput["run_owner"] = os.getpid()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server, when all workers have ended."""
    folder = config.stash.get(_RUN, None)
    if folder is not None:
        if (folder / "neo4j").is_dir():
            Server(folder / "neo4j").stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def neo4j_server(request: pytest.FixtureRequest) -> Neo4j:
    """A real Neo4j, one for the whole run and all its workers, or the one that RINGFENCE_TEST_NEO4J names as a store
    URL; skips where there is none to be had. Tests keep apart by namespace."""
    named = os.environ.get("RINGFENCE_TEST_NEO4J", "")
    if named:
        scheme, _, rest = named.partition("://")
        login, _, place = rest.rpartition("@")
        user, _, password = login.partition(":")
        return Neo4j(named, f"{scheme}://{place.partition('/')[0]}", user, password)
    given = getattr(request.config, "workerinput", None)
    folder = Path(given["run_folder"]) if given else request.config.stash[_RUN]
    owner = given["run_owner"] if given else os.getpid()
    (folder / "neo4j").mkdir(exist_ok=True)
    server = shared_neo4j(folder / "neo4j", owner)
    return Neo4j(server.url, f"bolt://127.0.0.1:{server.port}", "neo4j", server.password)


@pytest.fixture(scope="session")
def neo4j_url(neo4j_server: Neo4j) -> str:
    """The store URL of the run's Neo4j server."""
    return neo4j_server.url
