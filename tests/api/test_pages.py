"""Lists: real cursors that stay right, page limits, filters, and orders by risk and money."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ApiError
from api.pages import Direction, decode_cursor, encode_cursor, page_of
from graph.store import Store
from tests.api import market
from tests.api.conftest import Asked

ACCOUNTS = """query ($filter: AccountFilter, $sort: AccountSort, $first: Int!, $after: String) {
  accounts(filter: $filter, sort: $sort, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor node { id risk } } } }"""

keyed = st.lists(st.tuples(st.text(max_size=4), st.integers(-3, 3)), unique_by=lambda pair: pair[0], max_size=30)


def walk(api: Asked, size: int, **variables: object) -> list[str]:
    """Ids of the whole list, a page at a time."""
    found: list[str] = []
    after = None
    while True:
        page = api.data(ACCOUNTS, first=size, after=after, **variables)["accounts"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            assert len(found) == page["totalCount"]
            return found
        after = page["pageInfo"]["endCursor"]


def test_pages_of_any_size_together_are_the_whole_list(api: Asked) -> None:
    whole = walk(api, 100)
    assert len(whole) == len(market.BUYERS)
    for size in (1, 7, 25):
        assert walk(api, size) == whole


def test_accounts_come_riskiest_first_unless_asked_otherwise(api: Asked) -> None:
    assert walk(api, 100)[:3] == list(market.ACTORS)
    assert walk(api, 4, sort={"by": "RISK", "direction": "ASC"}) == sorted(
        market.BUYERS, key=lambda buyer: (buyer in market.ACTORS, market.BUYERS.index(buyer) * _sign(buyer))
    )
    assert walk(api, 4, sort={"by": "ID", "direction": "ASC"}) == sorted(market.BUYERS)


def _sign(buyer: str) -> int:
    return -1 if buyer in market.ACTORS else 1


def test_accounts_are_sorted_by_money_of_one_currency(api: Asked) -> None:
    # b-01 claimed its order's 10.00, b-02 and b-03 claimed 7.00 each; ties are in order of id
    assert walk(api, 2, sort={"by": "CLAIMED"})[:3] == ["b-01", "b-02", "b-03"]
    assert walk(api, 5, sort={"by": "CLAIMED", "currency": "JPY"}) == sorted(market.BUYERS)


def test_accounts_are_filtered_by_every_condition_given(api: Asked) -> None:
    def ids(**wanted: object) -> list[str]:
        return walk(api, 3, filter=wanted)

    assert ids(status=["PLATFORM_LIMITED", "STORE_LIMITED"]) == ["b-01", "b-02", "b-03"]
    assert ids(status=["STORE_LIMITED"]) == ["b-03"]
    assert ids(riskAtLeast=0.94) == ["b-01", "b-02"]
    assert set(ids(riskAtMost=0.5)) == set(market.BUYERS) - set(market.ACTORS)
    assert ids(inRing=True, riskAtMost=0.935) == ["b-03"]
    assert ids(ringId=market.RING) == ["b-01", "b-02", "b-03"]
    assert ids(claimsAtLeast=1) == ["b-01", "b-02", "b-03"]
    assert ids(claimedAtLeast="8.00") == ["b-01"]
    assert ids(claimedAtLeast="1", claimedCurrency="JPY") == []
    assert ids(status=[]) == []


def test_rings_are_sorted_by_risk_money_size_and_time_and_filtered(api: Asked) -> None:
    query = """query ($f: RingFilter, $s: RingSort) { rings(filter: $f, sort: $s) { edges { node { id } } } }"""

    def ids(sort: object = None, **wanted: object) -> list[str]:
        return [edge["node"]["id"] for edge in api.data(query, f=wanted, s=sort)["rings"]["edges"]]

    assert ids() == ["ring-0a", "ring-0b"]
    assert ids({"by": "CONFIDENCE", "direction": "ASC"}) == ["ring-0b", "ring-0a"]
    assert ids({"by": "AMOUNT", "currency": "CNY"}) == ["ring-0a", "ring-0b"]
    assert ids({"by": "AMOUNT", "currency": "JPY"}) == ["ring-0b", "ring-0a"]
    assert ids({"by": "MEMBERS"}) == ["ring-0a", "ring-0b"]
    assert ids({"by": "LAST_AT"}) == ["ring-0a", "ring-0b"]
    assert ids(storeId="s-2") == ["ring-0b"]
    assert ids(buyerId="b-02") == ["ring-0a"]
    assert ids(currency="JPY", amountAtLeast="990000") == ["ring-0b"]
    assert ids(confidenceAtLeast=0.9) == ["ring-0a"]


def test_a_cursor_of_another_list_or_order_or_none_at_all_is_refused(api: Asked) -> None:
    cursor = api.data(ACCOUNTS, first=1)["accounts"]["edges"][0]["cursor"]
    assert api.code(ACCOUNTS, first=1, after=cursor, sort={"by": "CLAIMS"}) == "BAD_CURSOR"
    assert api.code(ACCOUNTS, first=1, after=cursor, sort={"direction": "ASC"}) == "BAD_CURSOR"
    assert api.code("query ($c: String) { rings(after: $c) { totalCount } }", c=cursor) == "BAD_CURSOR"
    for nonsense in ("", "x", "!!!!", "bnVsbA", cursor + "A", cursor[:-3]):
        assert api.code(ACCOUNTS, first=1, after=nonsense) == "BAD_CURSOR"


def test_a_page_may_not_be_larger_than_the_limit_nor_negative(api: Asked) -> None:
    assert api.code(ACCOUNTS, first=101) == "TOO_EXPENSIVE"
    assert api.code(ACCOUNTS, first=-1) == "BAD_INPUT"
    assert api.data(ACCOUNTS, first=0)["accounts"]["edges"] == []


def test_paging_goes_on_where_it_was_when_a_new_run_is_published(api: Asked, store: Store) -> None:
    page = api.data(ACCOUNTS, first=2)["accounts"]
    market.put_run(store, "run-2", started_at=market.NOW - 1_000_000, parent="run-1")
    for _ in range(200):
        if api.data("{ run { id } }")["run"]["id"] == "run-2":
            break
    rest = api.data(ACCOUNTS, first=100, after=page["pageInfo"]["endCursor"])["accounts"]
    assert {edge["node"]["id"] for edge in rest["edges"]} == set(market.BUYERS) - {"b-01", "b-02"}


def test_orders_of_an_account_are_paged_by_time_and_money(api: Asked) -> None:
    query = """query ($s: OrderSort, $after: String) { account(id: "b-01") {
      orders(first: 2, sort: $s, after: $after) { totalCount pageInfo { endCursor } edges { node { id } } } } }"""
    first = api.data(query, s={"by": "AMOUNT"})["account"]["orders"]
    assert [edge["node"]["id"] for edge in first["edges"]] == ["o-003", "o-002"]
    rest = api.data(query, s={"by": "AMOUNT"}, after=first["pageInfo"]["endCursor"])["account"]["orders"]
    assert [edge["node"]["id"] for edge in rest["edges"]] == ["o-001", "o-000"]
    latest = api.data(query)["account"]["orders"]
    assert [edge["node"]["id"] for edge in latest["edges"]] == ["o-000", "o-001"]


@given(keyed, st.integers(1, 5), st.sampled_from(Direction))
def test_pages_agree_with_sorting_the_whole_list(items: list[tuple[str, int]], size: int, direction: Direction) -> None:
    items.sort()
    ids, keys = [id_ for id_, _ in items], np.array([key for _, key in items], dtype=np.int64)
    sign = -1 if direction is Direction.DESC else 1
    expected = [id_ for id_, _ in sorted(items, key=lambda pair: (sign * pair[1], pair[0]))]
    found: list[str] = []
    after = None
    while True:
        page = page_of("t", ids, first=size, after=after, limit=100, keys=keys, direction=direction)
        found += [ids[row] for row in page.rows]
        if not page.after:
            break
        after = page.cursors[-1]
    assert found == expected


@given(keyed, keyed)
def test_a_cursor_finds_its_place_in_a_list_that_has_changed(
    before: list[tuple[str, int]], later: list[tuple[str, int]]
) -> None:
    before.sort()
    later.sort()
    ids, keys = [id_ for id_, _ in later], np.array([key for _, key in later], dtype=np.int64)
    for id_, key in before:
        page = page_of("t", ids, first=100, after=encode_cursor("t:ASC", key, id_), limit=100, keys=keys)
        assert [later[row] for row in page.rows] == sorted(
            (pair for pair in later if (pair[1], pair[0]) > (key, id_)), key=lambda pair: (pair[1], pair[0])
        )


@given(st.text(max_size=60))
def test_no_text_at_all_makes_a_cursor_fail_otherwise_than_as_a_bad_cursor(text: str) -> None:
    try:
        key, id_ = decode_cursor("t", text)
    except ApiError:
        with pytest.raises(ApiError, match="cursor"):
            decode_cursor("t", text)
    else:
        assert decode_cursor("t", encode_cursor("t", key, id_)) == (key, id_)


def test_cursors_carry_floats_exactly() -> None:
    key = 0.1 + 0.2
    assert decode_cursor("t", encode_cursor("t", key, "é\u2028")) == (key, "é\u2028")
    assert pytest.approx(key) == 0.3
