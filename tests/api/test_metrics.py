"""`/metrics` and `/readyz`: what is counted, who may read it, and when a server is ready."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from api.access import FIELD_ROLES
from api.metrics import kind_of
from graph.errors import KeyProblem, StoreProblem
from graph.store import Store
from tests.api import market
from tests.api.conftest import Asked, Serve

TOKEN = "a token for whoever scrapes"
LIMIT = 'query ($buyer: ID!) { purchaseLimit(buyerId: $buyer, storeId: "s-1", amount: "1.00") { verdict reason } }'


@pytest.fixture
def api(store: Store, serve: Serve) -> Asked:
    market.fill(store)
    market.put_run(store, "run-1")
    return serve(metrics_token=TOKEN)


def scrape(api: Asked) -> dict[tuple[str, ...], float]:
    """Samples by name and label values in order of label."""
    response = api.client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_metrics_are_for_whoever_has_the_token(api: Asked) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
        assert api.client.get("/metrics", headers=headers).status_code == 401
    role = {"authorization": f"Bearer {api.token('investigator')}"}
    assert api.client.get("/metrics", headers=role).status_code == 401
    assert scrape(api)


def test_without_a_token_there_are_no_metrics(serve: Serve) -> None:
    assert serve().client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


def test_a_short_token_is_refused(serve: Serve) -> None:
    with pytest.raises(KeyProblem, match="RINGFENCE_METRICS_TOKEN"):
        serve(metrics_token="short")


def test_requests_are_counted_by_kind_and_outcome_with_their_time(api: Asked) -> None:
    api.data("{ run { id } }")
    api.data('{ account(id: "b-01") { id } }')
    api.code('{ account(id: "b-01") { id } }', role="scheduler")
    api.ask("{ nonsense }")
    api.post({"query": "{ run { id } }"}, token=None)
    api.data("{ __typename }")
    api.data(LIMIT, role="order_service", buyer="c-00")
    found = scrape(api)
    assert found["ringfence_requests_total", "run", "ok"] == 1
    assert found["ringfence_requests_total", "read", "ok"] == 1
    assert found["ringfence_requests_total", "read", "refused"] == 1
    assert found["ringfence_requests_total", "introspection", "ok"] == 1
    assert found["ringfence_requests_total", "checkout", "ok"] == 1
    assert sum(value for key, value in found.items() if key[:2] == ("ringfence_requests_total", "none")) == 2
    assert found["ringfence_request_seconds_count", "checkout"] == 1
    assert 0 < found["ringfence_request_seconds_sum", "checkout"] < 10
    buckets = [value for key, value in found.items() if key[0] == "ringfence_request_seconds_bucket" and "read" in key]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 2


def test_limits_asked_and_denied_are_counted_and_no_buyer_is_named(api: Asked) -> None:
    for buyer in ("c-00", "c-01", "b-01", "b-01"):
        api.data(LIMIT, role="order_service", buyer=buyer)
    found = scrape(api)
    asked = {key[1:]: value for key, value in found.items() if key[0] == "ringfence_purchase_limits_total"}
    assert asked.pop(("NOT_LIMITED", "ALLOW")) == 2
    assert sum(asked.values()) == 2, "the ring's member is limited"
    response = api.client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert not [buyer for buyer in market.BUYERS if buyer in response.text]


def test_the_store_the_run_and_what_is_held_are_told(api: Asked, store: Store) -> None:
    before = scrape(api)
    assert before["ringfence_ready",] == 1
    assert before["ringfence_store_reachable",] == 1
    assert [key[2] for key in before if key[0] == "ringfence_published_run"] == ["run-1"]
    assert before["ringfence_accounts",] == len(market.BUYERS)
    assert before["ringfence_runs", "held"] == 0
    assert before["ringfence_loads", "finished"] == 1
    age = before["ringfence_run_age_seconds",]
    api.clock[0] += 60_000_000
    deadline = time.monotonic() + 2
    assert scrape(api)["ringfence_run_age_seconds",] == pytest.approx(age + 60)
    lease = store.acquire("run", "test")
    record = replace(store.runs()[0], run_id="run-held", state="building")
    store.begin_run(lease, record)
    store.finish_run(lease, "run-held", state="held", held_reason="would limit too many", at=market.NOW)
    store.release(lease)
    while scrape(api)["ringfence_runs", "held"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_servers_in_one_process_count_apart(api: Asked, serve: Serve) -> None:
    other = serve(metrics_token=TOKEN)
    api.data("{ run { id } }")
    assert scrape(api)["ringfence_requests_total", "run", "ok"] == 1
    assert ("ringfence_requests_total", "run", "ok") not in scrape(other)


def test_a_server_is_ready_once_it_has_looked_at_the_store_and_stays_so(
    store: Store, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.fill(store)
    head = type(store).head

    def gone(self: Store) -> Any:
        raise StoreProblem("gone")

    monkeypatch.setattr(type(store), "head", gone)
    api = serve(metrics_token=TOKEN)
    response = api.client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False})
    assert scrape(api)["ringfence_ready",] == 0
    monkeypatch.setattr(type(store), "head", head)
    deadline = time.monotonic() + 5
    while api.client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    monkeypatch.setattr(type(store), "head", gone)
    while scrape(api)["ringfence_store_reachable",]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # checkout goes on from memory: the health check tells of the store, readiness stays
    assert api.client.get("/readyz").status_code == 200
    assert api.client.get("/healthz").status_code == 503


def test_a_run_that_is_taken_up_is_logged_with_its_id(api: Asked, store: Store) -> None:
    with capture_logs() as lines:
        market.put_run(store, "run-2", started_at=market.NOW - 1_000)
        deadline = time.monotonic() + 2
        while api.data("{ run { id } }")["run"]["id"] != "run-2":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    (line,) = [line for line in lines if line["event"] == "run taken up"]
    assert (line["run"], line["before"]) == ("run-2", "run-1")


def test_every_root_field_has_a_kind() -> None:
    kinds = {field: kind_of(frozenset({field})) for field in FIELD_ROLES}
    assert set(kinds.values()) == {"checkout", "read", "people", "run", "introspection"}
    assert {field for field, kind in kinds.items() if kind == "checkout"} == {
        "Query.purchaseLimit",
        "Query.purchaseLimits",
        "Mutation.reservePurchase",
        "Mutation.confirmPurchase",
        "Mutation.releasePurchase",
    }
    assert kind_of(frozenset({"Query.account", "Query.purchaseLimit"})) == "checkout"
    assert kind_of(frozenset({"Query.account", "Query.__typename"})) == "read"
