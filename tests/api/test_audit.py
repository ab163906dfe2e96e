"""Each look-up of a person leaves an audit line, before the answer, by pseudonym, whoever looked."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from api.settings import ApiSettings
from api.state import State, wall_clock
from graph.errors import StoreProblem
from graph.store import Store
from integrity.policy import default_policy
from tests.api import market
from tests.api.conftest import Asked


def lines(store: Store) -> list[dict[str, Any]]:
    rows = store.notes("audit", limit=10_000).to_pylist()
    return [{"at": row["at"], **json.loads(row["body"])} for row in rows]


def seen(store: Store) -> set[tuple[str, str]]:
    return {(line["kind"], line["what"]) for line in lines(store)}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{ account(id: "b-01") { status } }', {("account", "b-01")}),
        ('{ account(id: "nobody") { status } }', {("account", "nobody")}),
        ('{ order(id: "o-000") { id } }', {("order", "o-000"), ("account", "b-01")}),
        ('{ order(id: "none") { id } }', {("order", "none")}),
        ('{ refund(id: "r-0") { id } }', {("refund", "r-0")}),
        ('{ path(a: "b-01", b: "c-00") { exhaustive } }', {("account", "b-01"), ("account", "c-00")}),
        ("{ accounts(first: 2) { edges { node { id } } } }", {("account", "b-01"), ("account", "b-02")}),
        (
            '{ ring(id: "ring-0b") { members { edges { node { role } } } } }',
            {("account", "c-00"), ("account", "c-01")},
        ),
        ("{ evidence(first: 1) { edges { node { text } } } }", {("account", "b-01")}),
        ('{ purchaseLimit(buyerId: "b-01", storeId: "s-1") { verdict } }', {("account", "b-01")}),
        ("{ runs { totalCount } rings { edges { node { id } } } }", set()),
    ],
)
def test_an_investigators_look_up_is_on_record_when_the_answer_comes(
    api: Asked, store: Store, query: str, expected: set[tuple[str, str]]
) -> None:
    api.data(query)
    assert seen(store) == expected
    for line in lines(store):
        assert (line["at"], line["who"], line["role"]) == (market.NOW, "test investigator", "investigator")
        assert line["token"]


def test_an_identifier_is_on_record_by_pseudonym_and_its_users_by_id(api: Asked, store: Store) -> None:
    value = "13800138000"
    api.data(
        "query ($v: String!) { identifier(kind: PHONE, value: $v) { users { edges { node { orders } } } } }", v=value
    )
    phone = ("identifier", f"phone:{market.PHONE.hex()}")
    assert seen(store) == {phone, ("account", "b-02"), ("account", "b-03"), ("account", "b-09")}
    assert value not in json.dumps(lines(store))


def test_asking_for_an_identifier_that_nobody_used_is_a_look_up_too(api: Asked, store: Store) -> None:
    api.data('{ identifier(kind: PHONE, value: "13900000000") { id } }')
    assert len(seen(store)) == 1


def test_the_same_person_seen_twice_in_one_answer_is_one_line(api: Asked, store: Store) -> None:
    api.data(
        '{ a: account(id: "b-01") { id } b: account(id: "b-01") { id orders { edges { node { buyer { id } } } } } }'
    )
    assert [line["what"] for line in lines(store) if line["kind"] == "account"] == ["b-01"]


def test_where_the_line_cannot_be_written_the_answer_is_withheld(
    api: Asked, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Store, journal: str, rows: object) -> None:
        raise StoreProblem("the disk is full", where="/secret/path", do="make room")

    monkeypatch.setattr(type(store), "note", full)
    response = api.post({"query": '{ account(id: "b-01") { status } }'}, token=api.token("investigator"))
    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"]["code"] == "AUDIT_UNAVAILABLE"
    assert "data" not in response.json()
    assert "/secret/path" not in response.text
    # a shop goes on selling, and runs are nobody's secret
    assert api.data('{ purchaseLimit(buyerId: "b-01", storeId: "s-1") { verdict } }', role="order_service")
    assert api.data("{ runs { totalCount } }")


def counted(store: Store) -> dict[str, int]:
    totals: dict[str, int] = {}
    for line in lines(store):
        assert line["role"] == "order_service"
        for buyer, times in line["what"].items():
            totals[buyer] = totals.get(buyer, 0) + times
    return totals


def test_the_order_services_look_ups_are_gathered_and_written_soon(api: Asked, store: Store) -> None:
    for buyer in ("b-01", "b-01", "stranger", "c-00"):
        api.data(
            'query ($b: ID!) { purchaseLimit(buyerId: $b, storeId: "s-1") { verdict } }', role="order_service", b=buyer
        )
    deadline = time.monotonic() + 2
    while counted(store) != {"b-01": 2, "stranger": 1, "c-00": 1} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert counted(store) == {"b-01": 2, "stranger": 1, "c-00": 1}


def test_gathered_look_ups_survive_a_failing_journal_and_are_written_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.settings import ApiSettings
    from api.state import State
    from api.tokens import Role, Token

    state = State(store, default_policy(), now=lambda: market.NOW, clock=lambda: market.NOW, settings=ApiSettings())
    token = Token("shop", Role.ORDER_SERVICE, "j", market.NOW, None)
    state.audit.count(token, "b-01")
    with monkeypatch.context() as broken:
        broken.setattr(type(store), "note", _fails)
        state.audit.flush()
    state.audit.count(token, "b-01")
    state.stop()
    assert counted(store) == {"b-01": 2}


def _fails(self: Store, journal: str, rows: object) -> None:
    raise StoreProblem("locked")


def test_a_seal_on_old_data_stands_at_the_instant_that_is_answered_for(store: Store) -> None:
    """One at the wall clock's would have every act after it, and with these the next run, lie years after the data."""
    store.note("audit", [{"at": 1, "id": "line", "body": "{}"}])
    state = State(store, default_policy(), now=lambda: market.NOW, clock=wall_clock, settings=ApiSettings())
    state.stop()
    (act,) = state.affairs.book.acts
    assert (act.kind, act.at) == ("audit.sealed", market.NOW)
