"""What all tests share: under RINGFENCE_REQUIRE=all a skip is a failure, so that CI notices a missing part."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.require import neo4j_server


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("RINGFENCE_REQUIRE") == "all":
        report.outcome = "failed"
        report.longrepr = f"skipped under RINGFENCE_REQUIRE=all: {report.longrepr[2] if report.longrepr else ''}"


@pytest.fixture(scope="session")
def neo4j_url() -> Iterator[str]:
    """A real Neo4j server, one for the whole of a session (or named by RINGFENCE_TEST_NEO4J); skips where there is
    none to be had."""
    named = os.environ.get("RINGFENCE_TEST_NEO4J", "")
    if named:
        yield named
        return
    with neo4j_server() as server:
        yield server.url
