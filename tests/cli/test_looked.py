"""What commands show of people stands in the audit journal, as it does over GraphQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph.errors import StoreProblem
from graph.store import Store
from integrity.policy import parse_policy
from integrity.runs import run_detection
from tests.cli.conftest import Command
from tests.integrity.hand import DAY, NOW, POLICY_TEXT, Account, load, load_market, market_findings, order, policy

MILD = POLICY_TEXT.replace('"t1"', '"mild"') + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.99\n"


@pytest.fixture
def ready(ringfence: Command, store: Store, home: Path) -> Command:
    """The small market with two runs and orders after them; `mild.toml` limits nobody."""
    load_market(store)
    for at, made in ((NOW - DAY, market_findings(lone=Account("lone"))), (NOW, market_findings())):
        told = {"now": lambda at=at: at, "detect": lambda *_, made=made: made}
        run_detection(store, policy=policy(), holder="test", as_of=at, **told)
    load(store, orders=[order("late", "actor", placed_at=NOW + DAY)])
    (home / "mild.toml").write_text(MILD)
    return ringfence


def lines(store: Store) -> list[tuple[str, str, str, str]]:
    told = [json.loads(row["body"]) for row in store.notes("audit", limit=10_000).to_pylist()]
    return sorted((line["who"], line["via"][0], line["kind"], line["what"]) for line in told)


@pytest.mark.parametrize(("how", "named"), [("try", True), ("simulate", True), ("backtest", False)])
def test_who_tried_which_policy_and_whom_it_named_is_on_record(
    ready: Command, store: Store, how: str, named: bool
) -> None:
    assert ready("policy", how, "mild.toml", "--by", "ada").code == 0
    via, digest = f"policy {how}", parse_policy(MILD, where="test").digest
    expected = [("ada", via, "policy", digest), ("ada", via, "policy trial", how)]
    if named:
        expected += [("ada", via, "account", buyer) for buyer in ("actor", "lone")]
    assert lines(store) == sorted(expected)
    assert ready("audit", "show", "--json").json == [], "nothing was done to anybody"


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("explain", "account", "actor"), {("account", "actor")}),
        (("explain", "ring", "ring-a"), {("account", "actor"), ("account", "mother")}),
        (("assess", "r-lone-1"), {("refund", "r-lone-1"), ("account", "lone")}),
        (("replay", "mother"), {("account", "mother")}),
        (("rates", "s1", "--until", "2024-12-31"), {("refund", "r-actor-1"), ("refund", "r-lone-1")}),
    ],
)
def test_whoever_is_looked_at_by_command_is_on_record(
    ready: Command, store: Store, words: tuple[str, ...], seen: set[tuple[str, str]]
) -> None:
    assert ready(*words).code in (0, 9), "made-up findings do not replay"
    assert {line[2:] for line in lines(store)} == seen


def test_a_claim_that_is_replayed_is_on_record(ready: Command, store: Store) -> None:
    reference = ready("assess", "r-lone-1", "--json").json["reference"]
    assert ready("replay", "--claim", reference).code == 0
    replayed = {line[2:] for line in lines(store) if line[1] == "replay --claim"}
    assert replayed == {("refund", "r-lone-1"), ("account", "lone")}


def test_accounts_that_two_runs_treat_otherwise_are_on_record(ready: Command, store: Store) -> None:
    first, second = (run.run_id for run in store.runs())
    differ = {one["buyer_id"] for one in ready("diff", first, second, "--json").json["accounts"]}
    assert "lone" in differ
    assert {what for _, _, kind, what in lines(store) if kind == "account"} == differ


def test_a_store_that_can_only_be_read_is_shown_and_that_it_is_not_on_record_is_said(
    ready: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise StoreProblem("it can only be read")

    monkeypatch.setattr("integrity.looked.note_looked", refused)
    ran = ready("explain", "account", "actor")
    assert (ran.code, "not noted in the audit journal" in ran.err) == (0, True)


def test_lists_of_complaints_judgements_appeals_and_cases_are_on_record(
    ready: Command, store: Store, home: Path
) -> None:
    (home / "letter.txt").write_text("not me")
    now = ("--now", "2025-01-01")
    filed = ready("complaint", "file", "r-actor-1", "abnormal_refund_only", "--store-id", "s1", *now)
    judged = ready("judge", "make", "account", "shopper", "honest", "--reason", "so", *now, "--json").json
    appealed = ready("appeal", "open", "lone", "letter.txt", *now)
    case = ready("case", "open", "ring", "ring-a", *now, "--json").json["case_id"]
    assert (filed.code, appealed.code) == (0, 0)
    of_case = {("case", case), ("account", "actor"), ("account", "mother")}
    for words, seen in (
        (("complaint", "list"), {("refund", "r-actor-1"), ("account", "actor")}),
        (("judge", "list"), {("judgement", judged["judgement_id"])}),
        (("appeal", "list"), {("account", "lone")}),
        (("case", "queue"), {("account", "lone")}),
        (("case", "list"), of_case),
        (("case", "brief", case), of_case),
        (("case", "notes", case), {("case", case)}),
        (("export", "accounts", "accounts.csv"), {("export", f"accounts of {store.head().run}")}),
    ):
        assert ready(*words).code == 0
        assert {line[2:] for line in lines(store) if line[1] == " ".join(words[:2]).removesuffix(" accounts")} == seen
