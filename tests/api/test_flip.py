"""What would flip a decision and what was weighed, asked over GraphQL; sentences in both languages."""

from __future__ import annotations

from pathlib import Path

from graph.store import Store
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate
from tests.api import market
from tests.api.conftest import Serve
from tests.integrity.test_healing import LATER, quick


def test_a_limited_account_says_what_would_flip_it_and_a_clear_one_what_was_weighed(
    store: Store, serve: Serve, tmp_path: Path
) -> None:
    simulate(tmp_path / "export", buyers=600, seed=23, abuse="high")
    load_folder(store, Keyer("k" * 40), tmp_path / "export", now=LATER)
    run_detection(store, policy=quick(), now=lambda: LATER, holder="test")
    api = serve()
    worst = api.data("{ accounts(first: 1) { edges { node { id status risk reasons } } } }")["accounts"]["edges"][0][
        "node"
    ]
    assert worst["status"].endswith("LIMITED")
    asked = """query ($id: ID!) { account(id: $id) { reasons(language: ZH) evidence(first: 3) { edges { node {
        text(language: ZH) } } } ring { reasons(language: ZH) } flip { flips riskAfter statusAfter others evidence {
        edges { node { kind nats text sourceTable sourceId account { id } } } } }
        weighed(language: ZH) { reasons against } } }"""
    told = api.data(asked, id=worst["id"])["account"]
    assert told["flip"]["flips"]
    assert told["flip"]["riskAfter"] < worst["risk"]
    assert not told["flip"]["statusAfter"].endswith("LIMITED")
    pieces = [edge["node"] for edge in told["flip"]["evidence"]["edges"]]
    assert {piece["account"]["id"] for piece in pieces} == {worst["id"]}
    assert [piece["nats"] for piece in pieces] == sorted((piece["nats"] for piece in pieces), reverse=True)
    assert len(told["reasons"]) == len(worst["reasons"])
    assert any("售后" in edge["node"]["text"] for edge in told["evidence"]["edges"])
    clear = api.data("{ accounts(filter: {status: [CLEAR], claimsAtLeast: 2}, first: 1) { edges { node { id } } } }")
    buyer = clear["accounts"]["edges"][0]["node"]["id"]
    other = api.data(asked, id=buyer)["account"]
    assert other["flip"]["evidence"]["edges"] == []
    assert other["weighed"]["reasons"] or other["weighed"]["against"]


def test_a_run_that_kept_no_measures_says_so(store: Store, serve: Serve) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    api = serve()
    assert api.code('{ account(id: "b-01") { flip { flips } } }') == "BAD_INPUT"
