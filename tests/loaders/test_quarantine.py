"""Retrying the quarantine: rows that hold now are taken up, the others keep their entries, nothing newer is undone."""

from __future__ import annotations

import pytest

from graph.errors import BadInput, NotFound
from loaders.quarantine import entries, retry
from tests.loaders.support import NOW, ORDER, Market, csv_text, orders

DAY = 86_400_000_000


def test_a_row_put_right_in_place_is_taken_up_and_its_entry_dropped(market: Market) -> None:
    market.put("orders.csv", orders({}, {"amount": "x"}, {"amount": "-1"}))
    market.load()
    market.put("orders.csv", orders({"amount": "777"}, {"amount": "5"}, {"amount": "-1"}))
    (done,) = retry(market.store, market.keyer, now=NOW)
    assert (done.load, done.entries) == (1, 2)
    count = done.report.tables["orders"]
    assert (count.read, count.new, count.quarantined) == (2, 1, 1)
    # the first order was no business of the retry
    assert [(row["order_id"], row["amount"]) for row in market.rows("orders", "order_id", "amount")] == [
        ("o1", 1250),
        ("o2", 500),
    ]
    assert [(entry["load"], entry["line"]) for entry in entries(market.store)] == [(2, 4)]


def test_a_row_of_the_future_is_taken_up_when_its_time_has_come(market: Market) -> None:
    market.put("orders.csv", orders({}, {"placed_at": "2025-01-02T00:00:00Z"}))
    market.load()
    assert market.ids("orders") == ["o1"]
    retry(market.store, market.keyer, now=NOW + 2 * DAY)
    assert market.ids("orders") == ["o1", "o2"]
    assert market.quarantine() == []
    assert retry(market.store, market.keyer, now=NOW) == []


def test_a_retry_does_not_undo_what_came_since(market: Market) -> None:
    market.put("orders.csv", orders({"placed_at": "2025-01-02T00:00:00Z"}))
    market.put("stores.csv", "store_id\ns1\n")
    market.load()
    old = market.folder / "orders.csv"
    old.rename(market.folder / "aside")
    market.put("orders.csv", orders({"amount": "99"}))
    market.load()
    (market.folder / "aside").rename(old)
    (done,) = retry(market.store, market.keyer, now=NOW + 2 * DAY)
    assert done.report.tables["orders"].unchanged == 1
    assert done.report.tables["orders"].adds_up
    assert [row["amount"] for row in market.rows("orders", "amount")] == [9900]


def test_rows_in_conflict_stay_in_conflict_until_one_is_put_right(market: Market) -> None:
    market.put("orders.csv", [{**ORDER, "amount": "1"}, {**ORDER, "amount": "2"}])
    market.load()
    retry(market.store, market.keyer, now=NOW)
    assert market.ids("orders") == []
    assert len(market.quarantine()) == 2
    market.put("orders.csv", [{**ORDER, "amount": "1"}, {**ORDER, "order_id": "o2", "amount": "2"}])
    retry(market.store, market.keyer, now=NOW)
    assert market.ids("orders") == ["o1", "o2"]
    assert market.quarantine() == []


def test_a_source_that_is_gone_is_said_and_the_entries_stay(market: Market) -> None:
    market.put("orders/1.csv", orders({"amount": "x"}))
    market.put("orders/2.csv", orders({}))
    market.load()
    (market.folder / "orders" / "1.csv").unlink()
    with pytest.raises(BadInput, match=r"orders/1\.csv is no longer there"):
        retry(market.store, market.keyer, now=NOW)
    assert len(market.quarantine()) == 1


def test_one_load_can_be_retried_alone_and_an_unknown_one_is_an_error(market: Market) -> None:
    market.put("orders.csv", orders({"amount": "x"}))
    market.load()
    market.load()
    market.put("orders.csv", orders({}))
    assert [done.load for done in retry(market.store, market.keyer, now=NOW, load=2)] == [2]
    assert [entry["load"] for entry in entries(market.store)] == [1]
    with pytest.raises(NotFound, match="no finished load 9"):
        retry(market.store, market.keyer, now=NOW, load=9)


def test_rows_of_a_select_are_retried_through_their_mapping(market: Market) -> None:
    mapping = market.put(
        "mapping.toml",
        """
        [sources.raw]
        file = "export.csv"
        [tables.orders]
        select = "SELECT id AS order_id, buyer_id, store_id, placed_at, amount FROM raw ORDER BY id"
        """,
    )
    rows = [{**row, "id": row.pop("order_id")} for row in orders({}, {"amount": "x"})]
    market.put("export.csv", csv_text(rows))
    market.load(mapping=mapping)
    assert [entry[:3] for entry in market.quarantine()] == [("SELECT of orders", 2, "amount")]
    rows[1]["amount"] = "3"
    market.put("export.csv", csv_text(rows))
    retry(market.store, market.keyer, now=NOW)
    assert market.ids("orders") == ["o1", "o2"]
    assert market.quarantine() == []
