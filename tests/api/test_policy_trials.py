"""Policies tried over GraphQL before they are published, as jobs that are asked for; and policies in the shadow."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from graph.store import Store
from integrity.instants import DAY
from integrity.runs import run_detection
from integrity.trial import Trial
from tests.api.conftest import Asked, Serve
from tests.integrity import hand
from tests.integrity.hand import NOW, POLICY_TEXT

SENIOR = "senior_investigator"
MILD = POLICY_TEXT.replace('"t1"', '"mild"') + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.99\n"
CHANGES = "changes { totalCount edges { node { accountId before after } } }"
COST = "cost { denied cut accounts stopped { orders amounts { amount currency } } }"
ASK = f"""query($id: ID!) {{ policyTrial(id: $id) {{ id kind state version by startedAt finishedAt problem code
  tried {{ runId accounts limited share held {CHANGES} }}
  simulated {{ runId orders difference {{ before after changes {{ field }} }} now {{ limited {COST} }}
    then {{ limited {COST} }} {CHANGES} }}
  backtested {{ judgements {{ runId limited digest {COST} }} total {{ denied }} }} }} }}"""
TRY = "mutation($text: String!, $run: ID) { tryPolicy(text: $text, runId: $run) { id state } }"
SIMULATE = "mutation($text: String!) { simulatePolicy(text: $text) { id state } }"
BACKTEST = "mutation($text: String!, $runs: Int) { backtestPolicy(text: $text, runs: $runs) { id state } }"
SHADOW = "mutation($text: String!) { shadowPolicy(text: $text) { version by } }"


@pytest.fixture
def api(store: Store, serve: Serve) -> Asked:
    """The API over the small market with a published run that the tests' policy decided, and orders after it."""
    hand.load_market(store)
    _detect(store, NOW)
    hand.load(store, orders=[hand.order(f"late-{n}", "actor", placed_at=NOW + DAY // 2 + n) for n in range(3)])
    return serve(follow=True)


def _detect(store: Store, at: int) -> None:
    made = hand.market_findings()
    run_detection(store, policy=hand.policy(), now=lambda: at, holder="test", as_of=at, detect=lambda _s, _d: made)


def _ended(api: Asked, query: str, **variables: Any) -> dict[str, Any]:
    """Begin a trial and ask until it has ended, as an auditor may."""
    (begun,) = api.data(query, role=SENIOR, **variables).values()
    assert begun["state"] == "RUNNING"
    for _ in range(3000):
        found: dict[str, Any] = api.data(ASK, role="auditor", id=begun["id"])["policyTrial"]
        if found["state"] != "RUNNING":
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def test_a_policy_is_tried_on_a_runs_findings_and_whom_it_would_touch_is_listed(api: Asked, store: Store) -> None:
    found = _ended(api, TRY, text=MILD)
    assert (found["kind"], found["state"], found["version"], found["by"]) == ("TRY", "DONE", "mild", f"test {SENIOR}")
    assert (found["tried"]["limited"], found["tried"]["accounts"], found["tried"]["held"]) == (0, 4, False)
    moves = [edge["node"] for edge in found["tried"]["changes"]["edges"]]
    assert {"accountId": "actor", "before": "PLATFORM_LIMITED", "after": "WATCH"} in moves
    assert found["finishedAt"] is not None
    lines = [json.loads(row["body"]) for row in store.notes("audit").to_pylist()]
    assert {("policy trial", "Mutation.tryPolicy"), ("account", "Query.policyTrial")} <= {
        (line["kind"], line["via"][0]) for line in lines
    }
    assert api.data("{ acts { kind } }")["acts"] == [], "nothing was done to anybody"


def test_orders_after_a_run_are_put_through_both_policies(api: Asked) -> None:
    found = _ended(api, SIMULATE, text=MILD)["simulated"]
    assert (found["orders"], found["difference"]["before"], found["difference"]["after"]) == (3, "t1", "mild")
    assert {one["field"].partition(".")[0] for one in found["difference"]["changes"]} == {"statuses"}
    assert (found["now"]["limited"], found["then"]["limited"]) == (2, 0)
    assert found["now"]["cost"]["denied"] == 3, "it has had its orders of 30 days"
    assert found["now"]["cost"]["stopped"]["orders"] == 3
    assert found["now"]["cost"]["stopped"]["amounts"][0]["currency"] == "CNY"
    assert found["then"]["cost"]["denied"] == 0


def test_earlier_runs_are_decided_by_it_each_with_its_cost(api: Asked) -> None:
    found = _ended(api, BACKTEST, text=MILD, runs=1)["backtested"]
    assert [one["limited"] for one in found["judgements"]] == [0]
    assert found["total"] == {"denied": 0}
    assert api.code(BACKTEST, role=SENIOR, text=MILD, runs=0) == "BAD_INPUT"


def test_a_trial_without_an_answer_says_why(api: Asked) -> None:
    found = _ended(api, TRY, text=MILD, run="run-none")
    assert (found["state"], found["code"], found["tried"]) == ("FAILED", "NOT_FOUND", None)
    assert "no run 'run-none'" in found["problem"]
    assert api.code(TRY, role=SENIOR, text=MILD.replace("0.99", "-1")) == "BAD_INPUT", "this is told at once"
    assert api.code(ASK, id="trial-none") == "NOT_FOUND"


def test_a_second_trial_at_the_same_time_is_asked_to_wait(api: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def slow(*_: Any, **__: Any) -> Trial:
        assert over.wait(30)
        return Trial("run-x", 4, 0, 0.0, False, ())

    monkeypatch.setattr("api.domains.policy_trial.try_policy", slow)
    api.data(TRY, role=SENIOR, text=MILD)
    assert api.code(TRY, role=SENIOR, text=MILD) == "STORE_UNAVAILABLE"
    assert api.code("{ replayDecision { same } }") == "STORE_UNAVAILABLE"
    assert api.data("{ run { policy } }")["run"] == {"policy": "t1"}, "everything else is answered"
    over.set()
    for _ in range(500):
        if "errors" not in api.ask(BACKTEST, role=SENIOR, text=MILD):
            return
        time.sleep(0.02)
    raise AssertionError("the next one is not begun")


@pytest.mark.parametrize("role", ["investigator", "auditor", "scheduler", "order_service", "store"])
def test_nobody_but_a_senior_investigator_begins_one(api: Asked, role: str) -> None:
    for query in (TRY, SIMULATE, BACKTEST, SHADOW):
        assert api.code(query, role=role, text=MILD) == "FORBIDDEN"
    assert api.code("mutation { stopShadow { version } }", role=role) == "FORBIDDEN"


def test_a_policy_in_the_shadow_is_put_there_reported_on_and_ended(api: Asked, store: Store) -> None:
    report = """{ shadowReport { policy { version by } onlyLiveLimits { verdict accounts }
      runs { edges { node { live shadow liveLimited shadowLimited onlyLiveLimits
        differ { edges { node { accountId before after } } } } } } } }"""
    assert api.code(report) == "BAD_INPUT", "there is none"
    made = api.data(SHADOW, role=SENIOR, text=MILD)["shadowPolicy"]
    assert made == {"version": "mild", "by": f"test {SENIOR}"}
    assert api.code(SHADOW, role=SENIOR, text=MILD) == "BAD_INPUT", "it is there already"
    _detect(store, NOW + DAY)
    found = api.data(report, role="auditor")["shadowReport"]
    (run,) = [edge["node"] for edge in found["runs"]["edges"]]
    assert (run["live"], run["shadow"], run["liveLimited"], run["shadowLimited"]) == ("t1", "mild", 2, 0)
    assert len(run["differ"]["edges"]) == run["onlyLiveLimits"] == 2
    assert sum(one["accounts"] for one in found["onlyLiveLimits"]) == 2
    assert api.data("{ run { policy } }")["run"] == {"policy": "t1"}
    stop = "mutation { stopShadow { version } }"
    assert api.data(stop, role=SENIOR)["stopShadow"] == {"version": "mild"}
    assert api.code(stop, role=SENIOR) == "BAD_INPUT"
    acts = api.data("{ acts { kind by } }")["acts"]
    assert [act["kind"] for act in acts if act["by"] != "ringfence"] == ["policy.shadowed", "policy.unshadowed"]
