"""Queries and requests that mean harm are refused with a typed error, cheaply, and never with a stack trace."""

from __future__ import annotations

import time
from typing import Any

import pytest

from graph.store import Store
from tests.api import market
from tests.api.conftest import Asked, Serve


def nested(levels: int) -> str:
    return (
        "{ "
        + 'account(id: "b-01") { ring { members { edges { node { account { ring { members { edges { node { ' * (levels)
        + "role"
        + " } } } } } } } } } }" * levels
        + " }"
    )


def fragments_that_double(levels: int) -> str:
    last = f"fragment F{levels} on Account {{ id }}"
    chain = [f"fragment F{n} on Account {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return '{ account(id: "b-01") { ...F0 } } ' + " ".join([*chain, last])


def aliases(count: int, field: str = "__typename") -> str:
    return "{ " + " ".join(f"a{number}: {field}" for number in range(count)) + " }"


HOSTILE = {
    "deep nesting": nested(2),
    "very deep nesting": "{ a" * 400 + "}" * 400,
    "nesting beyond the interpreter's stack": "{ a" * 900 + "}" * 900,
    "nested list values": "{ account(id: " + "[" * 900 + "]" * 900 + ") { id } }",
    "alias bomb": aliases(100),
    "alias bomb of look-ups": aliases(16, 'account(id: "b-01") { id }'),
    "many root fields by fragments": "{ ...A ...B } fragment A on Query { "
    + " ".join(f'a{n}: ring(id: "{n}") {{ id }}' for n in range(8))
    + " } fragment B on Query { "
    + " ".join(f'b{n}: ring(id: "{n}") {{ id }}' for n in range(8))
    + " }",
    "fragments that double": fragments_that_double(30),
    "duplicate fields": '{ account(id: "b-01") { ' + "id " * 700 + "} }",
    "too many tokens": "{ " + "__typename " * 2_500 + "}",
    "too long": "{ __typename } #" + "x" * 20_000,
    "pages of pages": "{ accounts(first: 100) { edges { node { evidence(first: 100) { edges { node { id } } } } } } }",
    "pages of pages by variables": (
        "query ($n: Int = 100) { accounts(first: $n) { edges { node { "
        "orders(first: $n) { edges { node { id } } } } } } }"
    ),
    "huge page": "{ accounts(first: 1000000) { edges { node { id } } } }",
    "many comparisons": aliases(10, 'runDiff(a: "run-1", b: "run-1") { a }'),
    "many paths": aliases(10, 'path(a: "b-01", b: "c-00") { exhaustive }'),
    "introspection by aliases": aliases(5, "__schema { types { name } }"),
    "many definitions": " ".join(f"query Q{n} {{ __typename }}" for n in range(100)),
}
BROKEN = {
    "fragment cycle": '{ account(id: "b-01") { ...A } } fragment A on Account { ...B } fragment B on Account { ...A }',
    "fragment that spreads itself": "{ ...A } fragment A on Query { ...A }",
    "introspection in circles": "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
    "no query": "",
    "nothing but a comment": "# hello",
    "not GraphQL": "SELECT * FROM accounts",
    "unknown field": "{ passwords }",
    "unknown fragment": "{ ...Nope }",
    "fragment only": "fragment A on Account { id }",
    "subscription": "subscription { runs }",
    "wrong argument": "{ account(id: 5.5) { id } }",
    "missing argument": "{ account { id } }",
    "unknown directive": "{ __typename @nope }",
    "NUL": "{ __typename\x00 }",
    "lone surrogate": '{ account(id: "\\uD800") { id } }',
    "conflicting fields": '{ account(id: "b-01") { id: risk id } }',
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_query_beyond_the_limits_is_refused_at_once(api: Asked, name: str) -> None:
    start = time.perf_counter()
    answer = api.ask(HOSTILE[name])
    assert time.perf_counter() - start < 2.0
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TOO_EXPENSIVE"]
    assert answer.get("data") is None


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_query_that_makes_no_sense_is_a_bad_query(api: Asked, name: str) -> None:
    answer = api.ask(BROKEN[name])
    assert {error["extensions"]["code"] for error in answer["errors"]} <= {"BAD_QUERY", "BAD_INPUT"}
    assert not answer.get("data")


def test_a_large_and_honest_query_is_answered(api: Asked) -> None:
    edges = api.data(
        """{ accounts(first: 50) { edges { node { id status risk reasons ring { id confidence }
        evidence(first: 3) { edges { node { kind text } } } limits { ordersPerDay amountPerDay { amount } } } } } }"""
    )["accounts"]["edges"]
    assert len(edges) == len(market.BUYERS)


def test_graphiql_gets_its_introspection(api: Asked) -> None:
    from graphql import build_client_schema, get_introspection_query, print_schema

    for query in (get_introspection_query(), get_introspection_query(descriptions=True, specified_by_url=True)):
        schema = build_client_schema(api.data(query))  # type: ignore[arg-type]  # plain JSON stands for its TypedDict
        assert "type Account" in print_schema(schema)


def test_many_small_questions_are_cheap_to_refuse(api: Asked) -> None:
    token = api.token("investigator")
    start = time.perf_counter()
    for number in range(20):
        query = fragments_that_double(25).replace("b-01", str(number))
        assert api.post({"query": query}, token=token).status_code == 400
    assert time.perf_counter() - start < 3.0


REQUESTS: dict[str, tuple[dict[str, Any], int]] = {
    "not JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    "not an object": ({"json": "query"}, 400),
    "an array": ({"json": [{"query": "{ __typename }"}]}, 400),
    "no query": ({"json": {"variables": {}}}, 400),
    "query is a number": ({"json": {"query": 5}}, 400),
    "variables are a list": ({"json": {"query": "{ __typename }", "variables": []}}, 400),
    "operation name is a number": ({"json": {"query": "{ __typename }", "operationName": 5}}, 400),
    "unknown operation": ({"json": {"query": "{ __typename }", "operationName": "X"}}, 400),
    "operation not named": ({"json": {"query": "query A { __typename } query B { __typename }"}}, 400),
    "a form": ({"data": {"query": "{ __typename }"}}, 415),
    "plain text": ({"content": b'{"query": "{ __typename }"}', "headers": {"content-type": "text/plain"}}, 415),
    "no content type": ({"content": b'{"query": "{ __typename }"}'}, 415),
    "huge body": ({"json": {"query": "{ __typename }", "variables": {"x": "y" * 300_000}}}, 413),
    "invalid UTF-8": ({"content": b'{"query": "\xff"}', "headers": {"content-type": "application/json"}}, 400),
    "deep JSON": ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400),
}


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_request_that_is_no_graphql_request_is_refused_with_json(api: Asked, name: str) -> None:
    arguments, status = REQUESTS[name]
    headers = {**arguments.get("headers", {}), "authorization": f"Bearer {api.token('investigator')}"}
    response = api.client.post("/graphql", **{**arguments, "headers": headers})
    assert response.status_code == status
    assert response.json()["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "TOO_EXPENSIVE", "BAD_QUERY")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(api: Asked, method: str) -> None:
    response = api.client.request(method, "/graphql", headers={"authorization": f"Bearer {api.token('scheduler')}"})
    assert response.status_code == 405
    assert api.client.request(method, "/graphql").status_code == 401


def test_variables_deeper_than_any_input_are_refused_without_harm(api: Asked) -> None:
    value: Any = "x"
    for _ in range(200):
        value = {"a": value}
    answer = api.ask(
        'query ($i: PurchaseIdentifiers) { purchaseLimit(buyerId: "b", storeId: "s", identifiers: $i) { verdict } }',
        i=value,
    )
    assert "errors" in answer


def test_a_defect_is_logged_under_the_id_that_the_client_is_told(
    store: Store, serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.view import View

    market.fill(store)
    market.put_run(store, "run-1")
    api = serve()

    def broken(self: View, ids: object) -> object:
        raise ZeroDivisionError("secret 13800138000")

    monkeypatch.setattr(View, "judged", broken)
    answer = api.ask('{ account(id: "b-01") { id } run { id } }')
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert answer["data"] == {"account": None, "run": {"id": "run-1"}}
    correlation = error["message"].rpartition(" ")[2]
    logged = "".join(capsys.readouterr())  # standard error where a command set logging up in this process before
    assert correlation in logged
    assert "ZeroDivisionError" in logged
    assert "13800138000" not in logged + str(answer)


def test_the_cache_of_documents_is_bounded(api: Asked, serve: Serve) -> None:
    small = serve(settings={"cached_documents": 3})
    for number in range(10):
        assert small.data(f"{{ a{number}: __typename }}") == {f"a{number}": "Query"}
    again = [small.data("{ __typename }") for _ in range(3)]
    assert again == [{"__typename": "Query"}] * 3
