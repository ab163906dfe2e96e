"""A complaint that was filed here counts as soon as somebody decided it, before any load or run: on both stores, and
through GraphQL and the commands."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from graph.open import open_store
from graph.store import Store
from integrity.instants import to_iso
from tests.api import market
from tests.api.conftest import Asked, Serve, serve  # noqa: F401  serve is a fixture

ASSESS = """{ assessClaim(refundId: "r-2") { remedies { reason } reference }
  store(id: "s-1") { rates(days: 60) { excluded { edges { node { refundId reason } } } } } }"""
DECIDE = (
    'mutation ($i: ID!, $o: ComplaintOutcome!) { decideComplaint(id: $i, outcome: $o, reason: "seen") { outcome } }'
)
NAMESPACE = f"complaints-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["sqlite", "neo4j"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    found: str = request.getfixturevalue("neo4j_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, namespace=NAMESPACE)
    yield opened
    opened.close()


def by_api(api: Asked) -> tuple[list[str], list[str]]:
    """Reasons of the claim's remedies, and the claims that its store's rates leave out for an upheld complaint."""
    found = api.data(ASSESS)
    left_out = [edge["node"] for edge in found["store"]["rates"]["excluded"]["edges"]]
    return (
        [one["reason"].lower() for one in found["assessClaim"]["remedies"]],
        sorted(one["refundId"] for one in left_out if one["reason"] == "COMPLAINT_UPHELD"),
    )


def by_command(url: str, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    def told(*words: str) -> Any:
        capsys.readouterr()
        assert run([*words, "--json", "--store", url, "--namespace", NAMESPACE]) == 0
        return json.loads(capsys.readouterr().out)

    now = to_iso(market.NOW + 1)
    assessed, rates = told("assess", "r-2", "--now", now), told("rates", "s-1", "--until", now, "--days", "60")
    return (
        [one["reason"] for one in assessed["remedies"]],
        sorted(one["refund_id"] for one in rates["left_out"] if one["reason"] == "complaint_upheld"),
    )


def test_a_decided_complaint_counts_at_once(
    store: Store,
    serve: Serve,  # noqa: F811  the fixture
    url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    api, head = serve(), store.head()

    def both() -> tuple[list[str], list[str]]:
        told = by_api(api)
        assert by_command(url, capsys) == told
        return told

    assert both() == ([], ["r-0"])
    file = 'mutation { fileComplaint(refundId: "r-2", type: FAKE_EVIDENCE) { id outcome } }'
    filed = api.post({"query": file}, token=api.token("store")).json()["data"]["fileComplaint"]
    assert filed["outcome"] == "PENDING"
    reasons, left_out = both()
    assert left_out == ["r-0"]
    pending = api.data(ASSESS)["assessClaim"]["reference"]
    api.data(DECIDE, i=filed["id"], o="UPHELD")
    reasons, left_out = both()
    assert "complaint_upheld" in reasons
    assert left_out == ["r-0", "r-2"]
    mine = api.post({"query": '{ myClaim(id: "r-2") { remedies { reason } } }'}, token=api.token("store")).json()
    assert "COMPLAINT_UPHELD" in [one["reason"] for one in mine["data"]["myClaim"]["remedies"]]
    api.data(DECIDE, role="senior_investigator", i=filed["id"], o="DISMISSED")
    assert both() == ([], ["r-0"])
    assert store.head() == head
    replay = "query ($r: String!) { replayClaim(reference: $r) { same } }"
    assert api.data(replay, r=pending)["replayClaim"]["same"]
