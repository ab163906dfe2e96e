"""Policies over GraphQL: shown, checked, compared, put in force and back; and decisions replayed."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.tokens import make_token
from graph.store import Store
from integrity.acts import Book
from integrity.instants import DAY
from integrity.policy import parse_policy
from integrity.replay import Replayed
from integrity.runs import run_detection
from tests.api.conftest import TOKEN_KEY, Asked, Serve
from tests.integrity import hand
from tests.integrity.hand import NOW, POLICY_TEXT

MILD = POLICY_TEXT.replace('"t1"', '"mild"') + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.99\n"
TIGHT = POLICY_TEXT.replace('"t1"', '"tight"').replace("0.6", "0.25")
TWO = POLICY_TEXT.replace('"t1"', '"two"') + "[people]\ntwo_for_policies = true\n"
SENIOR = "senior_investigator"
PUBLISH = """mutation($text: String!, $force: Boolean! = false, $reason: String! = "a test") {
  publishPolicy(text: $text, reason: $reason, force: $force) { waits runId
    policy { version by proposedBy reason forced broke rolledBack limited accounts inForce } } }"""
ROLL_BACK = """mutation($version: String) { rollbackPolicy(version: $version, reason: "back") { waits runId
    policy { version rolledBack } } }"""


@pytest.fixture
def api(store: Store, serve: Serve) -> Asked:
    """The API over the small market with a published run that the tests' policy decided."""
    hand.load_market(store)
    made = hand.market_findings()
    run_detection(store, policy=hand.policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda _s, _d: made)
    return serve(follow=True)


def _publish(api: Asked, text: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.data(PUBLISH, role=SENIOR, text=text, **more)["publishPolicy"]
    return found


def test_a_senior_investigator_puts_a_policy_in_force_and_readers_see_its_run_at_once(api: Asked) -> None:
    before = api.data("{ run { id policy } }")["run"]
    made = _publish(api, MILD)
    policy = made["policy"]
    assert (policy["version"], policy["by"], policy["inForce"]) == ("mild", f"test {SENIOR}", True)
    assert (policy["limited"], policy["accounts"]) == (0, 4)
    now = api.data('{ run { id policy } policy { version text document } account(id: "actor") { status } }')
    assert now["run"] == {"id": made["runId"], "policy": "mild"}
    assert before["id"] != made["runId"]
    assert (now["policy"]["version"], now["policy"]["text"]) == ("mild", MILD)
    assert json.loads(now["policy"]["document"])["statuses"]["platform_limited_risk"] == 0.99
    assert now["account"]["status"] == "WATCH"
    acts = api.data("{ acts { kind by role body } }")["acts"]
    assert [(act["kind"], act["role"]) for act in acts] == [("policy.published", SENIOR)]
    assert json.loads(acts[0]["body"])["reason"] == "a test"


def test_one_that_limits_too_many_is_refused_until_forced_with_a_reason(api: Asked) -> None:
    assert api.code(PUBLISH, role=SENIOR, text=TIGHT) == "RUN_HELD"
    assert api.code(PUBLISH, role=SENIOR, text=TIGHT, force=True, reason=" ") == "BAD_INPUT"
    forced = _publish(api, TIGHT, force=True)["policy"]
    assert forced["forced"]
    assert "would limit" in forced["broke"][0]
    told = api.data("{ policies { edges { node { broke(language: ZH) } } } }")["policies"]["edges"][0]["node"]["broke"]
    assert told[0].startswith("将限购")


def test_policies_are_listed_and_gone_back_to(api: Asked) -> None:
    for text in (POLICY_TEXT + "[rates]\nwindow_days = 20\n", MILD):
        _publish(api, text)
    back = api.data(ROLL_BACK, role=SENIOR)["rollbackPolicy"]
    assert back["policy"] == {"version": "t1", "rolledBack": True}
    listed = api.data("{ policies(first: 2) { totalCount edges { node { version inForce } } } }")["policies"]
    assert listed["totalCount"] == 3
    assert [edge["node"] for edge in listed["edges"]] == [
        {"version": "t1", "inForce": True},
        {"version": "mild", "inForce": False},
    ]
    assert api.data('{ policy(version: "mild") { text } }')["policy"]["text"] == MILD
    assert api.code(ROLL_BACK, role=SENIOR, version="nothing") == "NOT_FOUND"
    assert api.code('{ policy(version: "nothing") { text } }') == "NOT_FOUND"
    assert api.code(PUBLISH, role=SENIOR, text=POLICY_TEXT.replace("0.6", "0.5")) == "BAD_INPUT", "t1 is another one"


def test_two_people_are_needed_where_the_policy_in_force_says_so(api: Asked) -> None:
    _publish(api, TWO)
    seen = api.data("{ run { id } }")
    for _ in range(2):
        first = _publish(api, MILD)
        assert (first["waits"], first["runId"], first["policy"]["inForce"]) == (True, None, False)
    assert api.data("{ run { id } }") == seen
    waiting = api.data("{ proposedPolicies { edges { node { version by } } } }")["proposedPolicies"]["edges"]
    assert waiting == [{"node": {"version": "mild", "by": f"test {SENIOR}"}}]
    token = api.token(SENIOR)
    other = api.post({"query": PUBLISH, "variables": {"text": MILD}}, token=token)
    assert other.json()["data"]["publishPolicy"]["waits"], "the same person with another token is the same person"
    second = make_token(TOKEN_KEY, SENIOR, subject="ben", now=api.clock[0], ttl=60)
    done = api.post({"query": PUBLISH, "variables": {"text": MILD}}, token=second).json()["data"]["publishPolicy"]
    assert (done["waits"], done["policy"]["by"], done["policy"]["proposedBy"]) == (False, "ben", f"test {SENIOR}")
    assert api.data("{ proposedPolicies { totalCount } }")["proposedPolicies"]["totalCount"] == 0


@pytest.mark.parametrize("role", ["investigator", "auditor", "scheduler", "order_service", "store"])
def test_nobody_else_puts_a_policy_in_force(api: Asked, role: str) -> None:
    assert api.code(PUBLISH, role=role, text=MILD) == "FORBIDDEN"
    assert api.code(ROLL_BACK, role=role) == "FORBIDDEN"


def test_a_policy_is_checked_and_compared_before_it_is_published(api: Asked) -> None:
    check = "query($text: String!) { checkPolicy(text: $text) { version digest doubts } }"
    good = api.data(check, text=POLICY_TEXT)["checkPolicy"]
    assert (good["version"], good["digest"]) == ("t1", parse_policy(POLICY_TEXT, where="test").digest)
    answer = api.ask(check, text=POLICY_TEXT + "[statuses]\nwatch_riks = 0.5\n")
    assert "field statuses.watch_riks: there is no such field" in answer["errors"][0]["message"]
    assert answer["errors"][0]["extensions"]["code"] == "BAD_INPUT"
    assert (
        "limits.platform.orders_per_day"
        in api.ask(check, text=POLICY_TEXT.replace("orders_per_day = 1", "orders_per_day = -1"))["errors"][0]["message"]
    )
    diff = """query($before: String, $after: String!) { diffPolicies(before: $before, after: $after) {
      before after newDetection changes { field before after words effect } } }"""
    found = api.data(diff, before=POLICY_TEXT, after=MILD)["diffPolicies"]
    assert (found["before"], found["after"], found["newDetection"]) == ("t1", "mild", False)
    said = "query($after: String!) { diffPolicies(after: $after) { changes { words(language: ZH) } } }"
    assert "风险达到该值的账户在全平台限购：0.99，原为 0.9。" in {
        one["words"] for one in api.data(said, after=MILD)["diffPolicies"]["changes"]
    }
    odd = POLICY_TEXT.replace("orders_per_day = 1", "orders_per_day = 9")
    doubts = api.data("query($text: String!) { checkPolicy(text: $text) { doubts(language: ZH) } }", text=odd)
    assert any("单日订单数 9" in one for one in doubts["checkPolicy"]["doubts"])
    changes = {one["field"]: one["effect"] for one in found["changes"]}
    assert changes == {"statuses.platform_limited_risk": "MILDER", "statuses.store_limited_risk": "MILDER"}
    against = api.data(diff, after=MILD)["diffPolicies"]
    assert against["before"] == "t1", "the one that answers rest on"


def test_a_decision_replays_and_one_that_was_tampered_with_shows(store: Store, serve: Serve) -> None:
    hand.load_market(store)
    run = run_detection(store, policy=hand.policy(), now=lambda: NOW, holder="test", as_of=NOW).run
    api = serve(follow=True)
    ask = """query($account: ID, $run: ID) { replayDecision(accountId: $account, runId: $run) {
      runId accountId same recorded again tables { name same } } }"""
    whole = api.data(ask)["replayDecision"]
    assert (whole["runId"], whole["accountId"], whole["same"]) == (run.run_id, None, True)
    assert {one["name"] for one in whole["tables"]} >= {"run_decisions", "run_accounts"}
    assert all(one["same"] for one in whole["tables"])
    one = api.data(ask, account="actor", run=run.run_id)["replayDecision"]
    assert one["same"]
    assert one["recorded"] == one["again"] != whole["recorded"]
    assert api.code(ask, account="nobody") == "NOT_FOUND"
    assert api.code(ask, run="run-none") == "NOT_FOUND"
    assert api.code(ask, role="scheduler") == "FORBIDDEN"
    seen = [json.loads(row["body"]) for row in store.notes("audit").to_pylist()]
    assert {"kind": "account", "what": "actor", "via": ["Query.replayDecision"]}.items() <= seen[0].items()


def test_on_old_data_the_act_stands_at_the_instant_that_is_answered_for(store: Store, serve: Serve) -> None:
    hand.load_market(store)
    made = hand.market_findings()
    run_detection(store, policy=hand.policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda _s, _d: made)
    api = serve(follow=True, now=lambda: NOW - DAY)
    api.data(PUBLISH, role=SENIOR, text=MILD)
    api.data(ROLL_BACK, role=SENIOR)
    book = Book(store)
    book.refresh()
    assert {act.at for act in book.acts if act.kind == "policy.published"} == {NOW - DAY}
    assert min(run.started_at for run in store.runs()[1:]) == api.clock[0], "runs are made by the clock"


def test_a_second_replay_at_the_same_time_is_asked_to_wait(api: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    began, over = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Replayed:
        began.set()
        assert over.wait(30)
        return Replayed("run-x", "1", None, True, "a", "a", {}, None)

    monkeypatch.setattr("api.domains.replay.replay", slow)
    ask = "{ replayDecision { same } }"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(api.data, ask)
        assert began.wait(30)
        assert api.code(ask) == "STORE_UNAVAILABLE"
        over.set()
        assert first.result(30)["replayDecision"] == {"same": True}
    assert api.data(ask)["replayDecision"] == {"same": True}, "and the next one is answered again"
