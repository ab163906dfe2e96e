"""A store sees its own records: every nested path that its token reaches is walked, on the schema and by asking."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
    is_required_argument,
)

from api.access import FIELD_ROLES
from api.schema import core_schema
from api.tokens import Role
from graph.store import Store
from tests.api import market
from tests.api.conftest import Asked, Serve
from tests.api.market import DAY, NOW

NARROW = {
    "MyStore",
    "MyClaim",
    "MyComplaint",
    "MyRemedy",
    "MyRates",
    "MyExcludedClaim",
    "Rates",
    "FiledComplaint",
    "FilingResult",
    "ComplaintCount",
    "ReturnRisk",
    "Money",
    "PageInfo",
    "StoreEntitlementList",
    "NextStoreBand",
}
"""Object types that a store may reach, lists of them apart. Whoever adds one looks at each of its fields first."""
OTHERS = re.compile(
    r"buyer|account|member|ring(?!t)|identifier|device|phone|address|recipient|evidence|store_?id", re.IGNORECASE
)

TELLS_NOTHING = {"Query.myComplaintCounts", "Query.myComplaints"}
"""Answers that name no store and no order: numbers, and what this store filed here, which is nothing yet."""
ARGUMENTS = {"Query.myClaim": '(id: "r-two")', "Query.returnRisk": '(orderIds: ["o-900", "o-000"])'}
"""Arguments of a store's root fields that need some."""


def own_fields() -> dict[str, GraphQLField]:
    """Every root field of the role STORE that reads."""
    types = core_schema().type_map
    return {
        name: types["Query"].fields[name.partition(".")[2]]  # type: ignore[attr-defined]
        for name, roles in sorted(FIELD_ROLES.items())
        if Role.STORE in roles and name.startswith("Query.") and "__" not in name
    }


def reached() -> dict[str, GraphQLObjectType]:
    """Object types on any path from a root field of the role STORE, mutations included."""
    types = core_schema().type_map
    pending = [
        get_named_type(types[kind].fields[field].type)  # type: ignore[attr-defined]
        for name, roles in FIELD_ROLES.items()
        if Role.STORE in roles and "__" not in name
        for kind, field in [name.split(".")]
    ]
    found: dict[str, GraphQLObjectType] = {}
    while pending:
        one = pending.pop()
        assert not isinstance(one, GraphQLUnionType), f"{one} may lead anywhere"
        if isinstance(one, GraphQLObjectType) and one.name not in found:
            found[one.name] = one
            pending += [get_named_type(field.type) for field in one.fields.values()]
    return found


def test_no_path_of_a_store_leads_out_of_its_narrow_types() -> None:
    names = set(reached())
    assert {re.sub("(Connection|Edge)$", "", name) for name in names} == NARROW
    told = {f"{name}.{field}" for name, one in reached().items() for field in one.fields if OTHERS.search(field)}
    assert told == set()


def whole(one: Any) -> str:
    """A selection of every field of a type, to the end of every path."""
    named = get_named_type(one)
    if isinstance(named, GraphQLScalarType | GraphQLEnumType):
        return ""
    assert isinstance(named, GraphQLObjectType)
    parts = []
    for name, field in named.fields.items():
        assert not any(is_required_argument(argument) for argument in field.args.values()), f"{named}.{name}"
        assert not any(isinstance(get_named_type(a.type), GraphQLInputObjectType) for a in field.args.values())
        page = "(first: 5)" if "first" in field.args else ""
        parts.append(f"{name}{page}{whole(field.type)}")
    return " { " + " ".join(parts) + " }"


@pytest.fixture
def two_stores(store: Store, serve: Serve) -> Asked:
    """b-01 of the ring claims at s-1 and at s-2, and both stores complained."""
    market.fill(
        store,
        more_orders=[market.order(900, "b-01", store_id="s-2"), market.order(901, "b-02", store_id="s-2")],
        refunds=[
            {
                "refund_id": "r-two",
                "order_id": "o-900",
                "requested_at": NOW - 2 * DAY,
                "kind": "return_refund",
                "initiated_by": "buyer",
                "outcome": "approved",
                "amount": None,
            }
        ],
        complaints=[
            {
                "complaint_id": "c-two",
                "refund_id": "r-two",
                "filed_at": NOW - DAY,
                "type": "false_return",
                "outcome": "pending",
            }
        ],
    )
    market.put_run(store, "run-1")
    return serve(settings={"max_cost": 10**6, "max_depth": 30, "max_selections": 5_000})


def asked_as(api: Asked, store_id: str, query: str) -> dict[str, Any]:
    response = api.post({"query": query}, token=api.token("store", store_id=store_id))
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("field", sorted(own_fields()))
def test_whatever_a_store_asks_no_other_stores_or_buyers_record_is_answered(two_stores: Asked, field: str) -> None:
    query = "{ " + field.partition(".")[2] + ARGUMENTS.get(field, "") + whole(own_fields()[field].type) + " }"
    answer = asked_as(two_stores, "s-2", query)
    assert "errors" not in answer
    text = json.dumps(answer, ensure_ascii=False)
    assert "s-2" in text or "o-900" in text or field in TELLS_NOTHING
    foreign = [*market.BUYERS, market.RING, "s-1", *(row["order_id"] for row in market.orders()), "r-0", "r-1", "r-2"]
    foreign += ["run-1", "c-1", "138****", "****ring", "door:", market.DOOR.hex(), market.PHONE.hex()]
    assert [one for one in foreign if f'"{one}' in text] == []


def test_another_stores_claim_looks_like_one_that_is_not_there(two_stores: Asked) -> None:
    query = '{ myClaim(id: "%s") { id } }'
    assert asked_as(two_stores, "s-1", query % "r-0") == {"data": {"myClaim": {"id": "r-0"}}}
    assert asked_as(two_stores, "s-2", query % "r-0") == asked_as(two_stores, "s-2", query % "none")


def test_a_store_pages_through_its_claims_latest_first_and_leaves_an_audit_line(
    two_stores: Asked, store: Store
) -> None:
    query = "{ myStore { claims(first: 2%s) { totalCount pageInfo { endCursor } edges { node { id } } } } }"
    first = asked_as(two_stores, "s-1", query % "")["data"]["myStore"]["claims"]
    assert first["totalCount"] == 3
    cursor = first["pageInfo"]["endCursor"]
    more = asked_as(two_stores, "s-1", query % f', after: "{cursor}"')["data"]["myStore"]["claims"]
    ids = [edge["node"]["id"] for page in (first, more) for edge in page["edges"]]
    assert sorted(ids) == ["r-0", "r-1", "r-2"]
    told = asked_as(two_stores, "s-2", query % f', after: "{cursor}"')
    assert told["errors"][0]["extensions"]["code"] == "BAD_CURSOR"
    lines = [json.loads(row["body"]) for row in store.notes("audit", limit=100).to_pylist()]
    assert {(line["role"], line["kind"], line["what"]) for line in lines} >= {("store", "refund", "r-0")}


def test_a_store_that_nobody_heard_of_has_no_claims(two_stores: Asked) -> None:
    answer = asked_as(two_stores, "s-none", "{ myStore { id category claims { totalCount } } }")
    assert answer == {"data": {"myStore": {"id": "s-none", "category": None, "claims": {"totalCount": 0}}}}
