"""A policy in the shadow: it decides beside the live one, both are kept, and no reader comes upon it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

import integrity.shadow
from graph.errors import BadInput
from graph.store import Store
from integrity.acts import Actor
from integrity.instants import DAY
from integrity.policy import Policy
from integrity.runs import RunOutcome, run_detection
from integrity.shadow import shadow_of, shadow_report, start_shadow, stop_shadow
from tests.integrity.hand import NOW, POLICY_TEXT, Account, findings, load, market_findings, order, policy, refund

ANNA = Actor("anna", "operator")
MILD = POLICY_TEXT.replace('"t1"', '"mild"') + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.975\n"


def run(store: Store, *, at: int = NOW, chosen: Policy | None = None, **more: Any) -> RunOutcome:
    settings: dict[str, Any] = {"detect": lambda *_: market_findings()} | more
    return run_detection(store, policy=chosen or policy(), now=lambda: at, holder="test", as_of=NOW, **settings)


def shadow(store: Store, text: str = MILD, *, now: int = NOW) -> None:
    start_shadow(store, policy(text), by=ANNA, now=now)


def test_nothing_is_in_the_shadow_until_somebody_says_so(market: Store) -> None:
    run(market)
    assert shadow_of(market) is None
    assert market.notes("shadow").num_rows == 0
    with pytest.raises(BadInput, match="no policy was in the shadow"):
        shadow_report(market)


def test_both_decisions_are_kept_and_readers_see_the_live_one_alone(market: Store) -> None:
    shadow(market)
    first = run(market)
    second = run(market, at=NOW + 1)
    report = shadow_report(market)
    assert [one.run_id for one in report.runs] == [first.run.run_id, second.run.run_id]
    one = report.runs[0]
    assert (one.live, one.shadow, one.accounts, one.live_limited, one.shadow_limited) == ("t1", "mild", 4, 2, 1)
    assert one.differ == (("actor", "PLATFORM_LIMITED", "STORE_LIMITED"), ("lone", "STORE_LIMITED", "WATCH"))
    assert (one.only(shadow=False), one.only(shadow=True)) == (["lone"], [])
    # no run, no policy of a run and no decision that a reader could find tells of it
    assert [record.policy for record in market.runs()] == ["t1", "t1"]
    assert "mild" not in str([market.run_rows(record.run_id, "run_decisions").to_pylist() for record in market.runs()])
    assert "mild" not in str(market.runs())


def test_a_run_that_is_not_published_is_compared_too_and_one_that_is_repeated_once(market: Store) -> None:
    shadow(market)
    run(market, publish=False)
    run(market, publish=False, at=NOW + 1)
    assert len(shadow_report(market).runs) == 1


def test_later_verdicts_say_who_was_right_about_whom(market: Store) -> None:
    eager = POLICY_TEXT.replace('"t1"', '"eager"') + "[statuses]\nalone_limited_risk = 0.5\nstore_limited_risk = 0.5\n"
    load(
        market,
        orders=[order("x-1", "shopper"), order("y-1", "mother")],
        refunds=[refund("x", "x-1"), refund("y", "y-1")],
    )
    found = findings([Account("shopper", 0.7, 4), Account("mother", 0.7, 4), Account("lone", 0.97, 4)])
    shadow(market, eager)
    run(market, detect=lambda *_: found)
    assert dict(shadow_report(market).only_shadow) == {"none": 2}
    complaints = [
        {"complaint_id": f"c{n}", "refund_id": refund_id, "filed_at": at, "type": "false_return", "outcome": outcome}
        for n, (refund_id, outcome, at) in enumerate(
            [("x", "upheld", NOW + DAY), ("y", "dismissed", NOW + DAY), ("y", "upheld", NOW - DAY)]
        )
    ]
    load(market, complaints=complaints)
    report = shadow_report(market)
    # what was known before the run is no later verdict
    assert dict(report.only_shadow) == {"honest": 1, "abusive": 1}
    assert dict(report.only_live) == {}
    told = json.loads(json.dumps(report.to_json()))
    assert told["verdicts"]["only_shadow_limits"] == {"honest": 1, "abusive": 1}
    assert told["runs"][0]["only_shadow_limits"] == ["mother", "shopper"]


def test_a_shadow_is_replaced_stopped_and_still_reported_on(market: Store) -> None:
    shadow(market)
    run(market)
    with pytest.raises(BadInput, match="in the shadow already"):
        shadow(market)
    shadow(market, MILD.replace('"mild"', '"other"'), now=NOW + 1)
    run(market, at=NOW + 1)
    assert stop_shadow(market, by=ANNA, now=NOW + 2).version == "other"
    run(market, at=NOW + 2)
    assert len(shadow_report(market).runs) == 1
    assert shadow_report(market, digest=policy(MILD).digest[:8]).shadow.version == "mild"
    with pytest.raises(BadInput, match="no policy is in the shadow"):
        stop_shadow(market, by=ANNA, now=NOW + 3)


def test_other_settings_of_detection_are_detected_for_the_shadow_alone(market: Store) -> None:
    seen = []

    def detect(_snapshot: Any, settings: Any) -> Any:
        seen.append(settings.seed)
        return market_findings()

    shadow(market, MILD + "[detection]\nseed = 77\n")
    run(market, detect=detect)
    assert [seed == 77 for seed in seen] == [False, True]


def test_a_shadow_that_fails_leaves_the_run_as_it_is(market: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shadow(market)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(integrity.shadow, "_compare", broken)
    with capture_logs() as lines:
        outcome = run(market)
    assert market.head().run == outcome.run.run_id
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "the shadow policy failed; the run stands"
    ]


def test_many_accounts_that_differ_are_kept_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity.shadow, "_PART", 3)
    load(
        store,
        orders=[order(f"o{n}", f"b{n}") for n in range(10)],
        refunds=[refund(f"r{n}", f"o{n}") for n in range(10)],
    )
    found = findings([Account(f"b{n}", 0.97, 3) for n in range(10)])
    shadow(store, MILD.replace("0.96", "0.98"))
    run(store, chosen=policy(publication={"max_limited_share": 1.0}), detect=lambda *_: found)
    assert store.notes("shadow").num_rows == 4
    (one,) = shadow_report(store).runs
    assert one.differ == tuple((f"b{n}", "STORE_LIMITED", "WATCH") for n in range(10))
