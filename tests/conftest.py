"""What all tests share: under RINGFENCE_REQUIRE=all a skip is a failure, so that CI notices a missing part."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("RINGFENCE_REQUIRE") == "all":
        report.outcome = "failed"
        report.longrepr = f"skipped under RINGFENCE_REQUIRE=all: {report.longrepr[2] if report.longrepr else ''}"
