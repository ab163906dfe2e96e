"""Generated queries against the schema, and generated texts against the endpoint: never a defect, never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    ArgumentNode,
    IntValueNode,
    NullValueNode,
    ObjectFieldNode,
    StringValueNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema
from starlette.testclient import TestClient

from api.app import create_app
from api.schema import sdl
from api.settings import ApiSettings
from api.tokens import make_token
from graph.open import open_store
from integrity.policy import default_policy
from tests.api import market

TOKEN_KEY = "t" * 40
IDS = ["b-01", "b-02", "o-000", "r-0", "s-1", "ring-0a", "run-1", "nobody", market.WEIRD]
# Limits off, so that what would be refused is executed and can fail.
OPEN = ApiSettings(
    max_depth=50,
    max_cost=10**12,
    max_selections=10**6,
    max_aliases=10**4,
    max_root_fields=10**4,
    max_query_bytes=10**6,
    max_tokens=10**5,
    max_body_bytes=10**7,
)
_bounded = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    store = open_store(f"sqlite:///{folder / 'market.db'}")
    market.fill(store)
    market.put_run(store, "run-1")
    app = create_app(
        store,
        token_key=TOKEN_KEY,
        keyer=market.IDENTIFIERS,
        policy=default_policy(),
        start_run=lambda **_: "work",
        now=lambda: market.NOW,
        clock=lambda: market.NOW,
        settings=OPEN,
    )
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened
    store.close()


def codes(client: TestClient, body: object, role: str = "investigator") -> set[str]:
    token = make_token(TOKEN_KEY, role, subject="fuzz", now=market.NOW, ttl=60)
    response = client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
    assert response.status_code < 500, response.text
    answer = response.json()
    assert "Traceback" not in response.text
    assert set(answer) <= {"data", "errors"}
    return {error["extensions"]["code"] for error in answer.get("errors", ())}


def text(values: st.SearchStrategy[str]) -> st.SearchStrategy[StringValueNode]:
    return values.map(lambda value: StringValueNode(value=value))


queries = from_schema(
    sdl(),
    custom_scalars={
        "Instant": text(st.sampled_from(["2024-12-31T00:00:00Z", "2024-12-31", "x"])),
        "Decimal": text(st.sampled_from(["1.00", "0", "-1", "1.2345"])),
        "Currency": text(st.sampled_from(["CNY", "JPY", "XXX", "cny"])),  # XXX: ISO 4217 for no currency
    },
    allow_x00=False,
    codec="utf-8",
)


class Aim(Visitor):
    """Turns random ids into ones that exist and pages into small ones, so that what is generated reaches the data."""

    def __init__(self, turn: int) -> None:
        super().__init__()
        self.turn = turn

    def leave_argument(self, node: ArgumentNode, *_: object) -> ArgumentNode | None:
        return self._aimed(node)

    def leave_object_field(self, node: ObjectFieldNode, *_: object) -> ObjectFieldNode | None:
        return self._aimed(node)

    def _aimed(self, node: Any) -> Any:
        name = node.name.value
        if name in ("id", "a", "b", "buyerId", "storeId", "ringId", "orderId") and not isinstance(
            node.value, NullValueNode
        ):
            self.turn += 1
            return type(node)(name=node.name, value=StringValueNode(value=IDS[self.turn % len(IDS)]))
        if name == "first":
            return type(node)(name=node.name, value=IntValueNode(value=str(self.turn % 7)))
        if name == "after":
            return type(node)(name=node.name, value=NullValueNode())
        return None


@_bounded
@given(query=queries, turn=st.integers(0, 100))
def test_no_generated_query_brings_out_a_defect(client: TestClient, query: str, turn: int) -> None:
    aimed = print_ast(visit(parse(query), Aim(turn)))
    role = "scheduler" if "startRun" in query else "investigator"
    for one in (query, aimed):
        assert "INTERNAL" not in codes(client, {"query": one}, role), one


@_bounded
@given(st.text(max_size=200))
def test_no_text_as_a_query_brings_out_a_defect(client: TestClient, query: str) -> None:
    assert codes(client, {"query": query}) <= {"BAD_QUERY", "BAD_REQUEST", "TOO_EXPENSIVE"}


@_bounded
@given(st.text(max_size=300), st.sampled_from(["DEVICE", "PHONE", "ADDRESS", "IP", "RECIPIENT", "PAYMENT", "PARCEL"]))
def test_no_raw_value_brings_out_a_defect(client: TestClient, value: str, kind: str) -> None:
    query = "query ($k: RawKind!, $v: String!) { identifier(kind: $k, value: $v) { id users { totalCount } } }"
    assert codes(client, {"query": query, "variables": {"k": kind, "v": value}}) <= {"BAD_INPUT"}


@_bounded
@given(st.text(max_size=300))
def test_no_id_brings_out_a_defect(client: TestClient, id_: str) -> None:
    query = """query ($i: ID!) { account(id: $i) { id } order(id: $i) { id } refund(id: $i) { id } store(id: $i) { id }
      ring(id: $i) { id } run(id: $i) { id } purchaseLimit(buyerId: $i, storeId: $i, orderId: $i) { verdict } }"""
    assert codes(client, {"query": query, "variables": {"i": id_}}) <= {"BAD_INPUT", "BAD_QUERY"}
