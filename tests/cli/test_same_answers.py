"""The commands and GraphQL do and answer the same on one simulated market, each way on a copy of one store; and what
cannot be is refused by command, each with its reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from api.tokens import make_token
from cli.asking import snake
from graph.open import open_store
from integrity.instants import DAY, from_iso, to_iso
from integrity.policy import default_policy, default_text
from simulator.market import simulate
from tests.cli.people_story import AUDIT_KEY, SignedDesk, story
from tests.cli.same_questions import AT, questions
from tests.cli.same_trials import REPORT, TRIAL, of_command, of_graphql, report_of_command, report_of_graphql
from tests.faults.support import TOKEN_KEY, Desk

HOUR = DAY // 24
ONLY = "abnormal_refund_only"


@dataclass
class Served:
    """A desk's store behind the API: asked as a person, at an instant."""

    client: TestClient
    clock: list[int]

    def __call__(self, query: str, *, by: str = "ada", role: str = "investigator", at: int = AT, **more: Any) -> Any:
        self.clock[0] = at
        token = make_token(TOKEN_KEY, role, subject=by, now=at, ttl=60)
        headers = {"authorization": f"Bearer {token}"}
        answer = self.client.post("/graphql", json={"query": query, "variables": more}, headers=headers).json()
        assert "errors" not in answer, answer
        return snake(answer["data"])


@contextmanager
def served(desk: Desk) -> Iterator[Served]:
    store, clock = open_store(desk.url), [AT]
    app = create_app(
        store,
        token_key=TOKEN_KEY,
        keyer=None,
        policy=default_policy(),
        follow=True,
        now=lambda: clock[0],
        clock=lambda: clock[0],
        audit_key=AUDIT_KEY,
        settings=ApiSettings(poll_seconds=0.02, graphiql_assets=Path("/nonexistent")),
    )
    try:
        with TestClient(app) as client:
            yield Served(client, clock)
    finally:
        store.close()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A simulated market, loaded and detected by commands, by a published policy that lets many be limited at once."""
    folder = tmp_path_factory.mktemp("market")
    desk = SignedDesk(folder)
    export = simulate(folder / "export", buyers=300, seed=3, abuse="high").folder
    text = default_text().replace("max_limited_share = 0.03", "max_limited_share = 1.0")
    text = text.replace("immediate_store_risk = 1.0", "immediate_store_risk = 0.0")
    text = text.replace("immediate_platform_risk = 1.0", "immediate_platform_risk = 0.9")
    (folder / "ours.toml").write_text(text.replace('version = "2025.1"', 'version = "ours"'))
    desk.done("load", export)
    desk.done("policy", "publish", folder / "ours.toml", "--by", "ada")
    desk.done("detect")
    return desk


@dataclass(frozen=True)
class Names:
    """What the acts are about: claims that can be reported, accounts held against, a limited one, its store, and
    the store of the first claim."""

    claims: list[str]
    accounts: list[str]
    limited: str
    store: str
    sold_by: str


def names(desk: Desk) -> Names:
    rows = desk.rows()
    refunds = pl.DataFrame(rows["refunds"].to_pylist())
    orders = pl.DataFrame(rows["orders"].to_pylist()).select("order_id", "store_id", "buyer_id")
    reported = {row["refund_id"] for row in rows["complaints"].to_pylist()}
    claims = refunds.filter(
        (pl.col("kind") == "refund_only")
        & (pl.col("initiated_by") == "buyer")
        & (pl.col("outcome") != "withdrawn")
        & ~pl.col("refund_id").is_in(list(reported))
    ).sort("refund_id")
    found = desk.done("look", "accounts", "--first", 100, "--json").json["items"]
    limited = next(one["id"] for one in found if one["status"] in ("PLATFORM_LIMITED", "STORE_LIMITED"))
    told = desk.done("remedies", limited, "--json").json
    shops = told["limits"]["store_ids"] or orders.filter(pl.col("buyer_id") == limited)["store_id"].to_list()
    held = [one["id"] for one in found if one["status"] != "CLEAR"]
    sold_by = claims.join(orders, on="order_id", how="inner").sort("refund_id")["store_id"][0]
    return Names(claims["refund_id"].to_list()[:3], held, limited, shops[0], sold_by)


def by_command(desk: Desk, about: Names) -> list[Any]:
    """People's acts by command; what the order service was told, and who was healed."""
    told: list[Any] = []

    def do(*words: object, hour: int) -> Any:
        return desk.done(*words, "--now", to_iso(AT + hour * HOUR), "--json").json

    for claim in about.claims:
        filed = do("complaint", "file", claim, ONLY, "--note", "empty", "--by", "ada", "--key", claim, hour=1)
    outcome = "dismissed" if filed["proposal"] == "upheld" else "upheld"
    do("complaint", "decide", filed["complaint_id"], outcome, "--reason", "seen", "--by", "ada", hour=2)
    made = do("judge", "make", "account", about.accounts[-1], "honest", "--reason", "rang", "--by", "ada", hour=3)
    do("judge", "withdraw", made["judgement_id"], "--reason", "a mistake", "--by", "ada", hour=4)
    top = desk.done("case", "queue", "--json").json[0]
    case = do("case", "open", top["target"], top["id"], "--by", "ada", hour=5)["case_id"]
    do("case", "assign", case, "ada", "--by", "ada", hour=5)
    do("case", "note", case, "looked at", "--by", "ada", hour=6)
    do("case", "decide", case, "inconclusive", "--reason", "not sure", "--by", "ada", hour=7)
    do("case", "close", case, "--reason", "done", "--by", "ada", hour=8)
    buying = ("--buyer", about.limited, "--store-id", about.store, "--amount", "1.00", "--sku", "sku-x")
    told.append([do("reserve", "n1", *buying, hour=1000), do("confirm", "n1", hour=1000)])
    (desk.folder / "letter.txt").write_text("not me")
    opened = do("appeal", "open", about.limited, desk.folder / "letter.txt", "--by", "ada", hour=9)
    wrong = f"account {about.limited} honest"
    done = do("appeal", "uphold", opened["appeal_id"], "--wrong", wrong, "--reason", "so", "--by", "ada", hour=10)
    told.append(sorted((one["buyer_id"], one["before"], one["after"]) for one in done["healed"]))
    return told


def by_graphql(desk: Desk, about: Names) -> list[Any]:
    """The same acts over GraphQL."""
    told: list[Any] = []
    with served(desk) as ask:
        for claim in about.claims:
            filed = ask(
                """mutation($claim: ID!, $key: String!) {
                   fileComplaint(refundId: $claim, type: ABNORMAL_REFUND_ONLY, note: "empty", key: $key) { id } }""",
                claim=claim,
                key=claim,
                at=AT + HOUR,
            )["file_complaint"]["id"]
        weighed = ask("{ complaints { edges { node { proposal filed { id } } } } }")["complaints"]["edges"]
        proposal = next(one["node"]["proposal"] for one in weighed if one["node"]["filed"]["id"] == filed)
        outcome = "DISMISSED" if proposal == "UPHELD" else "UPHELD"
        ask(
            """mutation($id: ID!, $outcome: ComplaintOutcome!) {
               decideComplaint(id: $id, outcome: $outcome, reason: "seen") { at } }""",
            id=filed,
            outcome=outcome,
            at=AT + 2 * HOUR,
        )
        judge = """mutation($about: JudgementInput!) { judge(judgement: $about, reason: "rang") { id } }"""
        about_ = {"target": "ACCOUNT", "id": about.accounts[-1], "said": "HONEST"}
        made = ask(judge, about=about_, at=AT + 3 * HOUR)["judge"]["id"]
        back = 'mutation($id: ID!) { withdrawJudgement(id: $id, reason: "a mistake") { state } }'
        ask(back, id=made, at=AT + 4 * HOUR)
        top = ask("{ caseQueue(first: 1) { edges { node { target targetId } } } }")["case_queue"]["edges"][0]["node"]
        opening = "mutation($target: CaseTarget!, $id: ID!) { openCase(target: $target, targetId: $id) { id } }"
        case = ask(opening, target=top["target"], id=top["target_id"], at=AT + 5 * HOUR)["open_case"]["id"]
        for hour, step in (
            (5, 'assignCase(id: $id, to: "ada")'),
            (6, 'noteCase(id: $id, text: "looked at")'),
            (7, 'decideCase(id: $id, decision: INCONCLUSIVE, reason: "not sure")'),
            (8, 'closeCase(id: $id, reason: "done")'),
        ):
            ask(f"mutation($id: ID!) {{ {step} {{ id }} }}", id=case, at=AT + hour * HOUR)
        buying = {"orderId": "n1", "buyerId": about.limited, "storeId": about.store, "amount": "1.00", "sku": "sku-x"}
        state = "orderId state changed expiresAt limit { verdict reason binding bindingOf }"
        held = ask(
            f"mutation($order: PurchaseOrder!) {{ reservePurchase(order: $order) {{ {state} }} }}",
            role="order_service",
            order=buying,
            at=AT + 1000 * HOUR,
        )["reserve_purchase"]
        confirmed = ask(
            f'mutation {{ confirmPurchase(orderId: "n1") {{ {state} }} }}', role="order_service", at=AT + 1000 * HOUR
        )["confirm_purchase"]
        nothing = dict.fromkeys(("verdict", "reason", "binding", "binding_of"))
        told.append([{**one, **(one["limit"] or nothing)} for one in (held, confirmed)])
        for one in told[0]:
            del one["limit"]
        opened = ask(
            'mutation($buyer: ID!) { openAppeal(buyerId: $buyer, text: "not me") { id } }',
            buyer=about.limited,
            at=AT + 9 * HOUR,
        )["open_appeal"]["id"]
        done = ask(
            """mutation($id: ID!, $wrong: [JudgementInput!]!) { upholdAppeal(id: $id, wrong: $wrong, reason: "so") {
               healed { buyerId before after } } }""",
            id=opened,
            wrong=[{"target": "ACCOUNT", "id": about.limited, "said": "HONEST"}],
            at=AT + 10 * HOUR,
        )["uphold_appeal"]["healed"]
        told.append(sorted((one["buyer_id"], one["before"], one["after"]) for one in done))
    return told


def state(desk: Desk) -> dict[str, Any]:
    """All that people's acts left in a store, without what is salted anew for each text."""
    lists = {
        " ".join(words): desk.done(*words, "--json").json
        for words in (("complaint", "list"), ("complaint", "counts"), ("judge", "list"), ("appeal", "list"))
    }
    acts = [
        {name: act[name] for name in ("n", "at", "by", "role", "kind", "subject")}
        for act in desk.done("audit", "show", "--json").json
        if act["kind"] != "audit.sealed"
    ]
    for one in lists["appeal list"]:
        del one["text_digest"]
    cases = [{k: v for k, v in one.items() if k != "notes"} for one in desk.done("case", "list", "--json").json]
    run = next(one for one in desk.done("runs", "--json").json if one["current"])
    return lists | {"acts": acts, "cases": cases, "run": run["run_id"], "exports": desk.exports()}


def test_people_act_the_same_by_command_and_over_graphql(market: Desk, tmp_path: Path) -> None:
    about = names(market)
    one, other = market.copy(tmp_path / "one"), market.copy(tmp_path / "other")
    assert by_command(one, about) == by_graphql(other, about)
    mine, theirs = state(one), state(other)
    for name in mine:
        assert mine[name] == theirs[name], name
    assert len(mine["acts"]) == 16
    with served(one) as ask:
        for words, query, of_command, of_graphql in questions(one, about.limited, about.claims[0], about.sold_by):
            told, data = one.done(*words, "--json").json, ask(query)
            assert of_command(told) == of_graphql(data), words


def test_policies_are_tried_and_shadowed_and_runs_chosen_the_same_by_command_and_over_graphql(
    market: Desk, tmp_path: Path
) -> None:
    desk = market.copy(tmp_path / "one")
    file, text = desk.folder / "milder.toml", (market.folder / "ours.toml").read_text()
    text = text.replace('version = "ours"', 'version = "milder"').replace("platform_risk = 0.9", "platform_risk = 0.99")
    file.write_text(text)
    until = to_iso(from_iso(desk.done("runs", "--json").json[-1]["as_of"], where="runs") - 30 * DAY)
    early = desk.done("detect", "--as-of", until, "--json").json["run"]["run_id"]
    desk.done("policy", "shadow", file, "--by", "ada")
    late = desk.done("detect", "--json").json["run"]["run_id"]
    with served(desk) as ask:
        for name, words, run in (
            ("tryPolicy", ("try", file), ""),
            ("simulatePolicy", ("simulate", file, "--run", early), f', runId: "{early}"'),
            ("backtestPolicy", ("backtest", file), ""),
        ):
            told = desk.done("policy", *words, "--json").json
            begin = f"mutation($text: String!) {{ {name}(text: $text{run}) {{ id }} }}"
            id_ = next(iter(ask(begin, role="senior_investigator", text=text).values()))["id"]
            while (found := ask(TRIAL, id=id_)["policy_trial"])["state"] == "RUNNING":
                time.sleep(0.05)
            assert of_graphql(found) == of_command(name, told), name
        told = desk.done("policy", "shadow", "--report", "--json").json
        assert [run["run_id"] for run in told["runs"]] == [late]
        assert report_of_graphql(ask(REPORT)["shadow_report"]) == report_of_command(told)
        back = 'mutation($id: ID!) { rollbackRun(id: $id, reason: "so") { id } }'
        ask(back, id=early, role="senior_investigator")
    desk.done("rollback", late, "--reason", "so", "--by", "ada")
    acts = [act for act in desk.done("audit", "show", "--json").json if act["kind"] == "run.rolled_back"]
    assert [(act["kind"], act["subject"], act["by"], act["body"]["before"], act["body"]["reason"]) for act in acts] == [
        ("run.rolled_back", early, "ada", late, "so"),
        ("run.rolled_back", late, "ada", early, "so"),
    ]
    assert next(one["run_id"] for one in desk.done("runs", "--json").json if one["current"]) == late


def test_people_act_by_command_and_what_cannot_be_is_refused_with_its_reason(tmp_path: Path) -> None:
    assert len(story(SignedDesk(tmp_path))) > 70
