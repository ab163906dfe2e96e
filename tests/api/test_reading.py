"""What an investigator reads: accounts, rings, evidence down to the source records, identifiers, paths, runs."""

from __future__ import annotations

import pytest

from graph.store import Store
from integrity.instants import to_iso
from tests.api import market
from tests.api.conftest import Asked, Serve


def test_an_account_shows_finding_decision_and_limits(api: Asked) -> None:
    found = api.data(
        """{ account(id: "b-01") { id status risk claims orderCount expectedClaims reasons against statusReasons runId
        expiresAt lift registeredAt ring { id } claimed { amount currency }
        limits { ordersPerDay ordersPer30Days amountPerDay { amount currency } amountPer30Days { amount }
        quantityPerItem storeIds } } }"""
    )["account"]
    assert found["status"] == "PLATFORM_LIMITED"
    assert found["risk"] == pytest.approx(0.95)
    assert found["ring"] == {"id": market.RING}
    assert found["limits"]["amountPerDay"] == {"amount": "200.00", "currency": "CNY"}
    assert found["limits"]["ordersPer30Days"] == 4
    assert found["registeredAt"] == to_iso(market.NOW - 100 * market.DAY)
    # r-0 names no amount, so its order's stands: o-000 cost 10.00
    assert found["claimed"] == [{"amount": "10.00", "currency": "CNY"}]
    assert found["reasons"] == ["acts with others"]
    assert found["statusReasons"] == ["status"]


def test_a_clear_account_has_no_limits(api: Asked) -> None:
    found = api.data('{ account(id: "c-00") { status limits { ordersPerDay } expiresAt } }')["account"]
    assert found == {"status": "CLEAR", "limits": None, "expiresAt": None}


def test_an_id_with_quotes_and_emoji_is_an_id_like_any_other(api: Asked) -> None:
    found = api.data("query ($id: ID!) { account(id: $id) { id status } }", id=market.WEIRD)["account"]
    assert found == {"id": market.WEIRD, "status": "CLEAR"}


def test_an_account_that_nobody_knows_is_null(api: Asked) -> None:
    assert api.data('{ account(id: "nobody") { id } }') == {"account": None}


def test_an_account_that_only_a_later_load_knows_is_there_without_a_judgement(store: Store, serve: Serve) -> None:
    market.fill(store, more_orders=[market.order(500, "newcomer")])
    market.put_run(store, "run-1")
    found = serve().data('{ account(id: "newcomer") { id status risk runId orders { totalCount } } }')["account"]
    assert found == {"id": "newcomer", "status": None, "risk": None, "runId": None, "orders": {"totalCount": 1}}


def test_evidence_opens_down_to_its_source_records(api: Asked) -> None:
    edges = api.data(
        """{ account(id: "b-01") { evidence { totalCount edges { node { kind nats text ring { id }
        identifier { kind masked } account { id }
        source { __typename ... on Order { id store { id category } buyer { id } }
          ... on Refund { id amount { amount } order { id } complaints { edges { node { type outcome } } } }
          ... on Complaint { id refundId } ... on PastDecision { id decision } } } } } } }"""
    )["account"]["evidence"]["edges"]
    nodes = {edge["node"]["kind"]: edge["node"] for edge in edges}
    assert [edge["node"]["nats"] for edge in edges] == [3.0, 1.0, 0.0, -1.0]
    assert nodes["shared_door"]["identifier"] == {"kind": "DOOR", "masked": "杭州市幸***"}
    assert nodes["shared_door"]["source"] == {
        "__typename": "Order",
        "id": "o-000",
        "store": {"id": "s-1", "category": "apparel"},
        "buyer": {"id": "b-01"},
    }
    refund = nodes["swapped_return"]["source"]
    assert refund["amount"] == {"amount": "10.00"}
    assert refund["complaints"]["edges"] == [{"node": {"type": "FAKE_EVIDENCE", "outcome": "UPHELD"}}]
    assert nodes["complaints"]["source"]["refundId"] == "r-0"
    assert nodes["comeback"]["source"] == {"__typename": "PastDecision", "id": "p-1", "decision": "limited"}


def test_a_ring_shows_members_stores_and_evidence(api: Asked) -> None:
    ring = api.data(
        """query ($id: ID!) { ring(id: $id) { confidence memberCount amount { amount currency } reasons runId
        members { totalCount edges { node { role probability account { id status } } } }
        stores { edges { node { id category rings { totalCount } } } }
        evidence(first: 2) { totalCount pageInfo { hasNextPage } edges { node { text } } } } }""",
        id=market.RING,
    )["ring"]
    assert ring["amount"] == {"amount": "2400.00", "currency": "CNY"}
    assert [edge["node"]["account"]["id"] for edge in ring["members"]["edges"]] == [*market.ACTORS, "b-09"]
    assert ring["members"]["edges"][-1]["node"]["role"] == "BYSTANDER"
    assert ring["stores"]["edges"] == [{"node": {"id": "s-1", "category": "apparel", "rings": {"totalCount": 2}}}]
    assert ring["evidence"]["totalCount"] == 6
    assert ring["evidence"]["pageInfo"] == {"hasNextPage": True}


def test_evidence_is_found_by_account_ring_kind_and_weight(api: Asked) -> None:
    query = "query ($f: EvidenceFilter) { evidence(filter: $f) { edges { node { id } } } }"

    def ids(**wanted: object) -> list[str]:
        return [edge["node"]["id"] for edge in api.data(query, f=wanted)["evidence"]["edges"]]

    assert ids() == [f"e-{number}" for number in range(6)]
    assert ids(kind="shared_door") == ["e-0", "e-1"]
    assert ids(kind="shared_door", buyerId="b-02") == ["e-1"]
    assert ids(ringId="none") == []
    assert ids(natsAtLeast=1.5) == ["e-0", "e-1"]


def test_an_identifier_is_found_by_its_raw_value_however_it_is_written(api: Asked) -> None:
    query = """query ($kind: RawKind!, $value: String!) { identifier(kind: $kind, value: $value) {
      kind masked hub { verdict } within { kind within { kind } }
      users { totalCount edges { node { account { id status } orders firstAt lastAt } } } } }"""
    door = api.data(query, kind="ADDRESS", value="杭州幸福小区3-2-501")["identifier"]
    assert (door["kind"], door["within"]) == ("DOOR", {"kind": "BUILDING", "within": {"kind": "ESTATE"}})
    users = [edge["node"]["account"]["id"] for edge in door["users"]["edges"]]
    assert users == ["b-01", "b-02", "b-03", "b-09"]
    phone = api.data(query, kind="PHONE", value="+86 138-0013-8000")["identifier"]
    by_id = {edge["node"]["account"]["id"]: edge["node"] for edge in phone["users"]["edges"]}
    assert set(by_id) == {"b-02", "b-03", "b-09"}
    assert by_id["b-09"]["orders"] == 0  # it was used outside orders only
    assert api.data(query, kind="PHONE", value="13900000000")["identifier"] is None


def test_a_building_has_the_users_of_its_doors(api: Asked) -> None:
    building = api.data(
        """query ($value: String!) { identifier(kind: ADDRESS, value: $value) { kind users { totalCount } } }""",
        value="杭州市西湖区文三路幸福小区3幢",
    )["identifier"]
    assert building == {"kind": "BUILDING", "users": {"totalCount": 4}}


def test_a_hub_says_what_the_run_made_of_it(api: Asked) -> None:
    edges = api.data('{ account(id: "c-03") { identifiers { edges { node { kind hub { verdict buyers text } } } } } }')[
        "account"
    ]["identifiers"]["edges"]
    assert edges == [{"node": {"kind": "IP", "hub": {"verdict": "BENIGN", "buyers": 60, "text": "a café"}}}]


def test_a_path_explains_by_the_rarest_shared_identifier(api: Asked) -> None:
    query = """query ($a: ID!, $b: ID!) { path(a: $a, b: $b) { exhaustive ring { id }
      steps { fromId toId sharedBy hub identifier { kind } source { id } target { id } } } }"""
    direct = api.data(query, a="b-01", b="b-02")["path"]
    assert direct["ring"] == {"id": market.RING}
    assert [(step["identifier"]["kind"], step["sharedBy"]) for step in direct["steps"]] == [("DEVICE", 2)]
    # both were in the café, and that is all: named, and named a hub
    cafe = api.data(query, a="c-00", b="c-05")["path"]
    assert [(step["identifier"]["kind"], step["hub"]) for step in cafe["steps"]] == [("IP", True)]
    apart = api.data(query, a="b-01", b="c-05")["path"]
    assert apart == {"exhaustive": True, "ring": None, "steps": []}
    assert api.code(query, a="b-01", b="nobody") == "NOT_FOUND"


def test_orders_and_refunds_open_from_either_end(api: Asked) -> None:
    found = api.data(
        """{ order(id: "o-000") { amount { amount } placedAt buyer { id }
        items { edges { node { sku amount { amount } } } }
        identifiers { edges { node { kind } } } refunds { edges { node { id kind outcome } } } }
        refund(id: "r-1") { reason pictures amount { amount currency } order { id buyer { id } } }
        store(id: "s-2") { id category } }"""
    )
    assert found["order"]["items"]["edges"] == [{"node": {"sku": "sku-1", "amount": {"amount": "5.00"}}}]
    assert {edge["node"]["kind"] for edge in found["order"]["identifiers"]["edges"]} == {"DEVICE", "DOOR"}
    assert found["order"]["refunds"]["edges"] == [{"node": {"id": "r-0", "kind": "REFUND_ONLY", "outcome": "APPROVED"}}]
    assert found["refund"]["amount"] == {"amount": "7.00", "currency": "CNY"}
    assert found["refund"]["order"] == {"id": "o-010", "buyer": {"id": "b-02"}}
    assert found["store"] == {"id": "s-2", "category": None}
    assert api.data('{ order(id: "x") { id } refund(id: "x") { id } store(id: "x") { id } ring(id: "x") { id } }') == {
        "order": None,
        "refund": None,
        "store": None,
        "ring": None,
    }


def test_runs_are_listed_compared_and_told_apart(store: Store, serve: Serve) -> None:
    market.fill(store)
    market.put_run(store, "run-1", started_at=market.NOW - 9_000_000)
    market.put_run(store, "run-2", started_at=market.NOW - 6_000_000, risk_shift=-0.3, parent="run-1")
    market.put_run(store, "run-3", started_at=market.NOW - 3_000_000, held_reason="too many")
    api = serve()
    runs = api.data("{ runs { edges { node { id state current heldReason parentId accountCount } } } }")["runs"][
        "edges"
    ]
    assert [edge["node"]["id"] for edge in runs] == ["run-3", "run-2", "run-1"]
    assert [edge["node"]["state"] for edge in runs] == ["HELD", "PUBLISHED", "PUBLISHED"]
    assert [edge["node"]["current"] for edge in runs] == [False, True, False]
    assert runs[0]["node"]["heldReason"] == "too many"
    diff = api.data(
        """{ runDiff(a: "run-1", b: "run-2") { a b accounts { edges { node { accountId riskBefore riskAfter } } }
        ringsAppeared { totalCount } ringsDisappeared { totalCount } ringsChanged { totalCount }
        ringsSplit { edges { node { ring other } } } ringsMerged { totalCount } } }"""
    )["runDiff"]
    assert diff["ringsSplit"]["edges"] == []
    assert [edge["node"]["accountId"] for edge in diff["accounts"]["edges"]] == list(market.ACTORS)
    assert diff["accounts"]["edges"][0]["node"]["riskAfter"] == pytest.approx(0.65)
    assert api.code('{ runDiff(a: "run-1", b: "nope") { a } }') == "NOT_FOUND"
    assert api.data("{ run { id } }") == {"run": {"id": "run-2"}}
    assert api.data('{ run(id: "nope") { id } }') == {"run": None}


def test_a_ring_says_where_it_comes_from(api: Asked) -> None:
    asked = "{ rings { edges { node { id lineage { state splitsFrom merges } } } } }"
    told = {edge["node"]["id"]: edge["node"]["lineage"] for edge in api.data(asked)["rings"]["edges"]}
    assert told == {
        market.RING: {"state": "SPLITS", "splitsFrom": "ring-old", "merges": []},
        "ring-0b": {"state": "CONTINUES", "splitsFrom": None, "merges": ["ring-gone"]},
    }


def test_without_a_run_lists_say_so_and_accounts_are_there(store: Store, serve: Serve) -> None:
    market.fill(store)
    api = serve()
    assert api.code("{ accounts { totalCount } }") == "NO_RUN"
    assert api.code("{ rings { totalCount } }") == "NO_RUN"
    assert api.data('{ account(id: "b-01") { status } }') == {"account": {"status": None}}
    assert api.data("{ run { id } runs { totalCount } }") == {"run": None, "runs": {"totalCount": 0}}


def test_an_empty_store_answers_too(serve: Serve) -> None:
    api = serve()
    assert api.data('{ account(id: "b-01") { id } runs { totalCount } }') == {
        "account": None,
        "runs": {"totalCount": 0},
    }


def test_a_page_of_accounts_reads_the_store_once_for_each_relation(api: Asked, store: Store) -> None:
    calls: list[str] = []
    original = type(store).find

    def counted(self: Store, table: str, column: str, *args: object, **more: object) -> object:
        calls.append(f"{table}.{column}")
        return original(self, table, column, *args, **more)  # type: ignore[arg-type]  # passed on as given

    type(store).find = counted  # type: ignore[method-assign]  # put back below
    try:
        api.data(
            """{ accounts(first: 25) { edges { node { id registeredAt orders(first: 2) { edges { node {
            store { id } items { totalCount } refunds { totalCount } buyer { id } } } } } } } }"""
        )
    finally:
        type(store).find = original  # type: ignore[method-assign]  # as it was
    assert sorted(calls) == sorted(set(calls))
    assert len(calls) <= 6
