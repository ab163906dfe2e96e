"""Which run readers see is chosen over GraphQL, and whoever starts or chooses one stands in the book of acts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph.store import Store
from integrity.instants import to_iso
from integrity.policy import Policy
from integrity.runs import run_detection
from tests.api.conftest import Serve
from tests.integrity import hand
from tests.integrity.hand import NOW

SENIOR = "senior_investigator"
PUBLISH = 'mutation($id: ID!) { publishRun(id: $id, reason: "looked at") { id state current heldReason } }'
BACK = 'mutation($id: ID) { rollbackRun(id: $id, reason: "a bad load") { id current } }'


def _detected(store: Store, policy: Policy, at: int, found: Any) -> str:
    return run_detection(
        store, policy=policy, now=lambda: at, holder="test", as_of=NOW, detect=lambda _s, _d: found
    ).run.run_id


@pytest.fixture
def runs(store: Store) -> list[str]:
    """The small market with one run published and a later one held, by id."""
    hand.load_market(store)
    first = _detected(store, hand.policy(), NOW, hand.findings([]))
    strict = hand.policy(publication={"max_limited_share": 0.25})
    return [first, _detected(store, strict, NOW + 1, hand.market_findings())]


def test_a_held_run_is_published_and_gone_back_from_and_both_are_acts(runs: list[str], serve: Serve) -> None:
    api, (first, held) = serve(follow=True), runs
    assert api.data("{ run { id } }")["run"]["id"] == first
    waiting = api.data("query($id: ID!) { run(id: $id) { heldReason zh: heldReason(language: ZH) } }", id=held)["run"]
    assert waiting == {
        "heldReason": "would limit 2 of 4 accounts (50.00%), the policy allows 25.00%",
        "zh": "将限购 2 个账户，共 4 个（50.00%），策略允许 25.00%",
    }
    made = api.data(PUBLISH, role=SENIOR, id=held)["publishRun"]
    assert (made["id"], made["state"], made["current"]) == (held, "PUBLISHED", True)
    assert api.data('{ run { id } account(id: "actor") { status } }') == {
        "run": {"id": held},
        "account": {"status": "PLATFORM_LIMITED"},
    }
    assert api.data(BACK, role=SENIOR)["rollbackRun"] == {"id": first, "current": True}
    assert api.data('{ account(id: "actor") { status } }')["account"]["status"] == "CLEAR"
    assert api.data(BACK, role=SENIOR, id=held)["rollbackRun"]["id"] == held
    acts = api.data("{ acts { kind subject by body } }")["acts"]
    told = [(act["kind"], act["subject"], act["by"], json.loads(act["body"])["reason"]) for act in acts]
    assert sorted(told) == sorted(
        [
            ("run.published", held, f"test {SENIOR}", "looked at"),
            ("run.rolled_back", first, f"test {SENIOR}", "a bad load"),
            ("run.rolled_back", held, f"test {SENIOR}", "a bad load"),
        ]
    )


def test_a_run_that_is_not_there_or_never_was_published_is_refused_and_is_no_act(runs: list[str], serve: Serve) -> None:
    api = serve(follow=True)
    assert api.code(PUBLISH, role=SENIOR, id="run-none") == "NOT_FOUND"
    assert api.code(BACK, role=SENIOR, id=runs[1]) == "BAD_INPUT"
    assert api.code(BACK, role=SENIOR) == "BAD_INPUT", "there is none before the first"
    assert api.data("{ acts { kind } }")["acts"] == []
    assert api.data("{ run { id } }")["run"]["id"] == runs[0]


@pytest.mark.parametrize("role", ["investigator", "auditor", "scheduler", "order_service", "store"])
def test_nobody_but_a_senior_investigator_chooses_a_run(runs: list[str], serve: Serve, role: str) -> None:
    api = serve(follow=True)
    assert api.code(PUBLISH, role=role, id=runs[1]) == "FORBIDDEN"
    assert api.code(BACK, role=role) == "FORBIDDEN"


def test_who_started_a_run_and_who_decided_anew_stand_in_the_book(store: Store, serve: Serve) -> None:
    hand.load_market(store)
    run_detection(store, policy=hand.policy(), now=lambda: NOW, holder="test", as_of=NOW)
    api = serve(follow=True)
    start = 'mutation { startRun(asOf: "2024-12-31T12:00:00Z") { __typename } }'
    assert api.data(start, role="scheduler")["startRun"] == {"__typename": "RunStarted"}
    anew = api.data("mutation { decideAnew }")["decideAnew"]
    acts = api.data("{ acts { kind subject role body } }")["acts"]
    assert sorted((act["kind"], act["subject"], act["role"]) for act in acts) == [
        ("run.decided_anew", anew, "investigator"),
        ("run.started", "work 1", "scheduler"),
    ]
    asked = {"as_of": to_iso(NOW), "known_by": None, "every": None}
    assert any(json.loads(act["body"]) == asked for act in acts)
