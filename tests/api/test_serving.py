"""The server around the queries: publication under readers, health, starting runs, the page, the committed schema."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLNamedType, GraphQLObjectType

import api as api_room
from api import graphiql_assets
from api.graphiql_assets import Npm
from api.reference import graphql_markdown, roles_markdown
from api.schema import core_schema, sdl
from graph.errors import BadInput, StoreProblem
from graph.store import Store
from integrity.checkout_bounds import COUNTED
from integrity.instants import DAY
from tests.api import market
from tests.api.conftest import Asked, Serve


def test_readers_see_one_run_or_the_other_and_never_a_mixture(store: Store, serve: Serve) -> None:
    market.fill(store)
    market.put_run(store, "run-0", mark=" run-0")
    api = serve()
    query = """{ run { id } accounts(first: 25) { edges { node { runId reasons against statusReasons
      ring { runId reasons } } } }
      ring(id: "ring-0a") { runId reasons
      members { edges { node { account { runId against } } } } }
      purchaseLimit(buyerId: "c-00", storeId: "s-1") { runId } }"""
    stop, seen, mixed = threading.Event(), set(), []

    def read() -> None:
        token = api.token("investigator")
        while not stop.is_set():
            answer = api.post({"query": query}, token=token).json()
            text = str(answer)
            runs = {run for run in (f"run-{n}" for n in range(6)) if run in text}
            seen.update(runs)
            if "errors" in answer or len(runs) != 1:
                mixed.append(answer)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 6):
        market.put_run(store, f"run-{number}", mark=f" run-{number}", started_at=market.NOW - 60_000_000 + number)
        time.sleep(0.15)
    stop.set()
    for reader in readers:
        reader.join()
    assert not mixed, mixed[0]
    assert len(seen) >= 3


def test_a_published_run_is_noticed_within_a_second_and_so_is_a_rollback(api: Asked, store: Store) -> None:
    def notice(run: str) -> None:
        deadline = time.monotonic() + 1.0
        while api.data("{ run { id } }") != {"run": {"id": run}}:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    market.put_run(store, "run-2", started_at=market.NOW - 1_000)
    notice("run-2")
    lease = store.acquire("run", "test")
    store.publish(lease, "run-1", at=market.NOW)
    store.release(lease)
    notice("run-1")


def test_health_needs_no_token_and_tells_no_secret(api: Asked) -> None:
    response = api.client.get("/healthz")
    assert response.status_code == 200
    body = response.json()
    assert (body["ok"], body["store"]) == (True, "reachable")
    # the run was finished a second after it was started, a 25th of a day ago
    assert body["last_good_run_age_seconds"] == pytest.approx(DAY / 25 / 1e6 - 1)
    assert set(body) == {"ok", "store", "last_good_run_age_seconds", "book_of_acts", "version", "checkout"}
    assert body["checkout"] == dict.fromkeys(COUNTED, 0)


def test_health_before_any_run(serve: Serve) -> None:
    assert serve().client.get("/healthz").json()["last_good_run_age_seconds"] is None


def test_health_says_when_the_store_cannot_be_reached_and_checkout_goes_on(
    api: Asked, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Store) -> Any:
        raise StoreProblem("gone", where="sqlite:////secret")

    monkeypatch.setattr(type(store), "head", gone)
    deadline = time.monotonic() + 2
    while api.client.get("/healthz").status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    response = api.client.get("/healthz")
    assert (response.status_code, response.json()["ok"]) == (503, False)
    assert "secret" not in response.text
    answer = api.data('{ purchaseLimit(buyerId: "c-00", storeId: "s-1") { reason } }', role="order_service")
    assert answer["purchaseLimit"]["reason"] == "NOT_LIMITED"


START = "mutation ($at: Instant) { startRun(asOf: $at) { __typename ... on RunStarted { reference } } }"


def test_the_scheduler_starts_a_run(api: Asked) -> None:
    assert api.data(START, role="scheduler") == {"startRun": {"__typename": "RunStarted", "reference": "work 1"}}
    api.data(START, role="scheduler", at="2024-12-31T08:00:00+08:00")
    assert api.started == [None, market.NOW - 16 * 3_600_000_000]


def test_a_run_under_way_here_or_elsewhere_is_not_started_again(store: Store, serve: Serve) -> None:
    busy = serve(start_run=lambda **_: None)
    assert busy.data(START, role="scheduler")["startRun"] == {"__typename": "RunAlreadyRunning"}
    api = serve()
    lease = store.acquire("run", "somebody else")
    assert api.data(START, role="scheduler")["startRun"] == {"__typename": "RunAlreadyRunning"}
    assert api.started == []
    store.release(lease)
    assert api.data(START, role="scheduler")["startRun"]["__typename"] == "RunStarted"


def test_the_page_opens_without_a_token_and_says_how_to_get_its_assets(api: Asked) -> None:
    response = api.client.get("/graphql")
    assert response.status_code == 200
    assert "python -m api.graphiql_assets" in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert api.client.get("/graphiql/graphiql.min.js").status_code == 404


def assets(folder: Path) -> None:
    for name in graphiql_assets.FILES:
        (folder / name).write_text(f"/* {name} */", encoding="utf-8")
    (folder / graphiql_assets.MARK).write_text(graphiql_assets._versions(), encoding="utf-8")


def test_the_page_loads_its_assets_from_here_and_from_nowhere_else(serve: Serve, tmp_path: Path) -> None:
    assets(tmp_path)
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    api = serve(settings={"graphiql_assets": tmp_path})
    page = api.client.get("/graphql").text
    assert "http" not in page.replace("http-equiv", "")
    for part in ("graphiql.min.js", "react.production.min.js", "react-dom.production.min.js", "graphiql.min.css"):
        assert f"/graphiql/{part}" in page
        assert api.client.get(f"/graphiql/{part}").text == f"/* {part} */"
    assert "Authorization" in api.client.get("/graphiql/start.js").text
    for path in ("secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "versions.txt"):
        assert api.client.get(f"/graphiql/{path}").status_code == 404


def test_assets_that_are_not_the_pinned_ones_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    fake = tmp_path / "npm"
    fake.write_text('#!/bin/sh\nfor last; do :; done\necho not a package > "$last/x.tgz"\n', encoding="utf-8")
    fake.chmod(0o755)
    with pytest.raises(BadInput, match="SHA-512"):
        graphiql_assets.fetch(tmp_path / "assets", npm=Npm((str(fake),), os.environ))
    assert not (tmp_path / "assets").exists()


def test_a_failing_npm_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be fetched"):
        graphiql_assets.fetch(tmp_path / "assets", npm=Npm(("false",), os.environ))


def test_there_are_no_other_pages(api: Asked) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/graphql/", "/metrics"):
        assert api.client.get(path, follow_redirects=False).status_code in (404, 307)
    assert api.client.get("/", follow_redirects=False).headers["location"] == "/graphql"


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    committed = Path(api_room.__file__).with_name("schema.graphql").read_text(encoding="utf-8")
    assert committed == sdl(), "write it anew: python -m api.schema > api/schema.graphql"


def described() -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    types: list[GraphQLNamedType] = [one for one in core_schema().type_map.values() if not one.name.startswith("__")]
    for one in types:
        if one.name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        found.append((one.name, one.description))
        if isinstance(one, GraphQLEnumType):
            found += [(f"{one.name}.{name}", value.description) for name, value in one.values.items()]
        if isinstance(one, GraphQLObjectType | GraphQLInputObjectType):
            found += [(f"{one.name}.{name}", field.description) for name, field in one.fields.items()]
        if isinstance(one, GraphQLObjectType):
            found += [
                (f"{one.name}.{name}({argument})", value.description)
                for name, field in one.fields.items()
                for argument, value in field.args.items()
            ]
    return found


def test_every_type_field_argument_and_value_has_a_description() -> None:
    assert len(described()) > 300
    assert [name for name, description in described() if not description] == []


def test_every_list_of_objects_is_a_connection_but_for_short_ones_of_known_length() -> None:
    lists = {
        f"{one.name}.{name}"
        for one in core_schema().type_map.values()
        if isinstance(one, GraphQLObjectType) and not one.name.startswith("__")
        for name, field in one.fields.items()
        if "[" in str(field.type) and str(field.type).strip("[]!") in core_schema().type_map
        if isinstance(core_schema().type_map[str(field.type).strip("[]!")], GraphQLObjectType)
    }
    lists = {name for name in lists if not name.endswith("Connection.edges")}
    # one per currency, per status, per question asked or item of one, at most six steps, at most 500 filings, a
    # verdict a person,
    # a row a month and type, as many acts as asked for, whom one appeal healed, one a remedy, at most a
    # thousand orders asked about, one a table of a run, one a field of a policy, one a kind of outcome, verdict or band
    # of risk, and one a run that a backtest was asked for
    assert lists == {
        "Account.claimed",
        "Run.statuses",
        "Query.purchaseLimits",
        "PurchaseLimit.items",
        "Path.steps",
        "Mutation.fileComplaints",
        "WeighedComplaint.verdicts",
        "Query.complaintCounts",
        "Query.myComplaintCounts",
        "Query.acts",
        "Appeal.healed",
        "Account.remedies",
        "ClaimAssessment.remedies",
        "MyClaim.remedies",
        "Query.returnRisk",
        "DecisionReplay.tables",
        "PolicyDifference.changes",
        "OrderGroup.amounts",
        "OrderTally.amounts",
        "PolicyBacktest.judgements",
        "PolicyCost.byOutcome",
        "PolicyCost.byRisk",
        "PolicyCost.byVerdict",
        "RiskShare.amounts",
        "ShadowReport.onlyLiveLimits",
        "ShadowReport.onlyShadowLimits",
    }


def test_the_reference_page_tells_of_every_field_role_limit_and_error() -> None:
    page = graphql_markdown() + roles_markdown()
    for name, _ in described():
        assert f"`{name.partition('.')[2].partition('(')[0] or name}`" in page or f"### {name}" in page, name
    for word in ("max_cost", "AUDIT_UNAVAILABLE", "purchaseLimit"):
        assert word in page
