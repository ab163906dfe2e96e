"""Rows that break the contract are quarantined one by one, and every row read is accounted for."""

from __future__ import annotations

import pytest

from tests.loaders.support import ORDER, REFUND, Market, orders

BROKEN_ORDERS = [
    ("order_id", "", "is required and empty"),
    ("buyer_id", "", "is required and empty"),
    ("order_id", "x" * 257, "is longer than 256 bytes"),
    ("order_id", "a\tb", "holds a control character"),
    ("order_id", "a\nb", "holds a control character"),
    ("store_id", "a\x85b", "holds a control character"),
    ("placed_at", "1970-01-01T00:00:00Z", "lies before 1990"),
    ("placed_at", "2100-01-01T00:00:00Z", "lies after the moment of loading"),
    ("placed_at", "2024-05-01T12:00:00", "has no offset from UTC, and no mapping gives its time zone"),
    ("placed_at", "2024-02-30T12:00:00Z", "is no ISO 8601 time"),
    ("placed_at", "yesterday", "is no ISO 8601 time"),
    ("signed_at", "2100-01-01T00:00:00Z", "lies after the moment of loading"),
    ("amount", "-1.00", "is negative"),
    ("amount", "NaN", "is no decimal number"),
    ("amount", "inf", "is no decimal number"),
    ("amount", "1e3", "is no decimal number"),
    ("amount", "1,000.00", "is no decimal number"),
    ("amount", "1234567890123", "has more than 12 digits"),
    ("amount", "12.345", "has more decimals than its currency"),
    ("currency", "ABC", "is no ISO 4217 currency"),
    ("quantity", "0", "is no positive integer"),
    ("quantity", "-2", "is no positive integer"),
    ("quantity", "1.5", "is no positive integer"),
    ("sku", "s" * 70_000, "is over 65536 bytes"),
    ("address", "路" * 40_000, "is over 65536 bytes"),
]


@pytest.mark.parametrize(("column", "value", "rule"), BROKEN_ORDERS)
def test_a_broken_order_is_quarantined_and_the_others_load(market: Market, column: str, value: str, rule: str) -> None:
    market.put("orders.csv", orders({}, {column: value}, {}))
    report = market.load()
    assert market.ids("orders") == ["o1", "o3"]
    (entry,) = market.quarantine()
    assert entry[0] == "orders.csv"
    assert entry[2] == column
    assert entry[4] == rule
    assert entry[3] == ("***" if column == "address" else value[:80])
    count = report.tables["orders"]
    assert (count.read, count.new, count.quarantined) == (3, 2, 1)
    assert count.adds_up


BROKEN_REFUNDS = [
    ("kind", "refund", "is none of refund_only, return_refund"),
    ("initiated_by", "nobody", "is none of buyer, seller, platform"),
    ("freight_covered", "maybe", "is neither true nor false"),
    ("shipped_weight_g", "-1", "is no weight from 0 to 1e+09"),
    ("return_weight_g", "NaN", "is no weight from 0 to 1e+09"),
    ("outcome", "won", "is none of approved, rejected, withdrawn, pending"),
    ("evidence", "00ff", "is neither 16 hex digits nor a picture below evidence/"),
    ("evidence", "../secret.png", "leads outside evidence/"),
    ("evidence", "/etc/hostname", "leads outside evidence/"),
]


@pytest.mark.parametrize(("column", "value", "rule"), BROKEN_REFUNDS)
def test_a_broken_refund_is_quarantined(market: Market, column: str, value: str, rule: str) -> None:
    market.put("orders.csv", orders({}))
    market.put("refunds.csv", [REFUND, {**REFUND, "refund_id": "r2", column: value}])
    report = market.load()
    assert market.ids("refunds") == ["r1"]
    assert [(entry[2], entry[4]) for entry in market.quarantine()] == [(column, rule)]
    assert report.tables["refunds"].adds_up


def test_each_broken_column_of_a_row_has_its_entry_and_the_row_counts_once(market: Market) -> None:
    market.put("orders.csv", orders({}, {"amount": "-1", "quantity": "none", "placed_at": ""}))
    report = market.load()
    assert {entry[2] for entry in market.quarantine()} == {"amount", "quantity", "placed_at"}
    assert report.tables["orders"].quarantined == 1
    assert report.tables["orders"].adds_up


def test_entries_give_the_line_even_after_quoted_line_breaks_and_blank_lines(market: Market) -> None:
    head = "order_id,buyer_id,store_id,placed_at,amount,address\n"
    good = 'o1,b1,s1,2024-05-01T12:00:00Z,1.00,"two\nlines"\n\n'
    bad = "o2,b1,s1,2024-05-01T12:00:00Z,-5,x\n"
    market.put("orders.csv", head + good + bad)
    market.load()
    assert [(entry[1], entry[2]) for entry in market.quarantine()] == [(5, "amount")]


def test_one_order_dated_2100_does_not_move_the_clock(market: Market) -> None:
    market.put("orders.csv", orders({}, {"placed_at": "2100-01-01T00:00:00Z"}))
    market.load()
    assert [row["placed_at"] for row in market.rows("orders", "placed_at")] == [1_714_536_000_000_000]


def test_a_ten_megabyte_field_breaks_its_row_only(market: Market) -> None:
    market.put("orders.csv", orders({}, {"recipient": "x" * 10_000_000}, {}))
    market.load()
    assert market.ids("orders") == ["o1", "o3"]
    assert [entry[2:] for entry in market.quarantine()] == [("recipient", "***", "is over 65536 bytes")]


def test_money_is_minor_units_of_its_currency(market: Market) -> None:
    amounts = {"CNY": "12.50", "JPY": "1200", "KWD": "1.234", "USD": "0.01"}
    rows = orders(*({"currency": currency, "amount": amount} for currency, amount in amounts.items()))
    market.put("orders.csv", rows)
    market.load()
    stored = {row["currency"]: row["amount"] for row in market.rows("orders", "currency", "amount")}
    assert stored == {"CNY": 1250, "JPY": 1200, "KWD": 1234, "USD": 1}
    assert market.quarantine() == []


def test_a_yen_amount_with_decimals_is_quarantined_but_zeros_are_no_decimals(market: Market) -> None:
    market.put("orders.csv", orders({"currency": "JPY", "amount": "1.50"}, {"currency": "JPY", "amount": "150.00"}))
    market.load()
    assert [(row["order_id"], row["amount"]) for row in market.rows("orders", "order_id", "amount")] == [("o2", 150)]


def test_defaults_stand_for_empty_fields(market: Market) -> None:
    market.put("orders.csv", orders({"currency": "", "quantity": ""}))
    market.put("refunds.csv", [REFUND])
    market.load()
    (order,) = market.rows("orders")
    (refund,) = market.rows("refunds")
    assert (order["currency"], order["quantity"], order["sku"]) == ("CNY", 1, None)
    assert (refund["initiated_by"], refund["outcome"], refund["amount"]) == ("buyer", "pending", None)


def test_strange_ids_stay_as_given(market: Market) -> None:
    strange = [
        "o'1",
        'o"2',
        "o,3",
        "🛒",
        "'); DROP TABLE orders; --",
        "}) DETACH DELETE n //",
        "=1+1",
        "a;b",
        " lead",
        "\u00e9",
        "e\u0301",
    ]
    market.put("orders.csv", [{**ORDER, "order_id": text, "buyer_id": text} for text in strange])
    market.load()
    assert market.ids("orders") == sorted(strange)
    assert {row["buyer_id"] for row in market.rows("orders", "buyer_id")} == set(strange)


def test_a_use_that_cannot_be_read_is_quarantined_and_an_unreadable_ip_of_an_order_is_absent(market: Market) -> None:
    market.put("orders.csv", orders({"ip": "unknown"}))
    use = {"buyer_id": "b1", "used_at": "2024-05-01T12:00:00Z"}
    market.put(
        "uses.csv",
        [{**use, "kind": "ip", "value": "unknown"}, {**use, "kind": "device", "value": "abcdef123456"}],
    )
    report = market.load()
    assert market.rows("orders", "ip") == [{"ip": None}]
    assert report.unreadable == {"orders.ip": 1}
    assert [row["kind"] for row in market.rows("uses", "kind")] == ["device"]
    assert [entry[2:] for entry in market.quarantine()] == [("value", "***", "cannot be read as ip")]


def test_a_store_decision_needs_its_store(market: Market) -> None:
    market.put("orders.csv", orders({}))
    decision = {"buyer_id": "b1", "decided_at": "2024-05-01T12:00:00Z", "decision": "limited"}
    store = {"scope": "store"}
    scopes = ({"scope": "platform"}, store, {**store, "store_id": "s1"})
    market.put("decisions.csv", [{**decision, **scope} for scope in scopes])
    market.load()
    assert len(market.rows("past_decisions")) == 2
    assert [entry[2] for entry in market.quarantine()] == ["store_id"]


def test_a_device_of_many_buyers_and_a_buyer_of_many_orders_load(market: Market) -> None:
    market.put("orders.csv", orders(*({"buyer_id": f"b{n % 700}", "device_id": "device-of-all"} for n in range(3000))))
    report = market.load(batch_rows=500)
    assert report.tables["orders"].new == 3000
    assert len({row["device"] for row in market.rows("orders", "device")}) == 1
    market.put("orders.csv", orders(*({"order_id": f"x{n}", "buyer_id": "b1"} for n in range(3000))))
    assert market.load().tables["orders"].new == 3000


@pytest.mark.soak
def test_a_buyer_with_200000_orders_and_a_device_with_100000_buyers_load(market: Market) -> None:
    market.put("orders.csv", orders(*({"device_id": f"device number {n}"} for n in range(200_000))))
    assert market.load().tables["orders"].new == 200_000
    use = {"kind": "device", "value": "device of all", "used_at": "2024-05-01T00:00:00Z"}
    market.put("uses.csv", [{"buyer_id": f"b{n}", **use} for n in range(100_000)])
    assert market.load().tables["uses"].new == 100_000
    assert len({row["key"] for row in market.rows("uses", "key")}) == 1
