"""Mapping files: an export of another shape loads without code, and a mapping that doesn't hold says where."""

from __future__ import annotations

import pytest

from graph.errors import BadInput
from loaders.mapping import read_mapping
from tests.loaders.support import Market

SIGNUPS = (
    "user_id,device_id,ip_address,purchase_time,cents,age\nu1,device-000001,10.0.0.1,2024-03-10 01:30:00,1250,30\n"
)


def test_columns_constants_zone_and_unit_make_orders_of_a_foreign_table(market: Market) -> None:
    market.put("signups.csv", SIGNUPS)
    mapping = market.put(
        "mapping.toml",
        """
        [tables.orders]
        file = "sign*.csv"
        columns.order_id = "user_id"
        columns.buyer_id = "user_id"
        columns.ip = "ip_address"
        columns.placed_at = "purchase_time"
        columns.amount = "cents"
        constants = { store_id = "shop", currency = "USD", quantity = 2 }
        timezone = "America/New_York"
        amount_unit = "minor"
        """,
    )
    report = market.load(mapping=mapping)
    (order,) = market.rows("orders")
    assert (order["order_id"], order["buyer_id"], order["store_id"], order["quantity"]) == ("u1", "u1", "shop", 2)
    assert (order["amount"], order["currency"]) == (1250, "USD")
    assert order["placed_at"] == 1_710_052_200_000_000
    assert order["device"] is not None
    assert report.unknown == {"signups.csv": ["age"]}


@pytest.mark.parametrize(
    ("written", "micros"),
    [("2024-11-03 01:30:00", 1_730_611_800_000_000), ("2024-03-10 02:30:00", None)],
    ids=["the earlier of two", "a time that never was"],
)
def test_times_when_the_clock_is_set(market: Market, written: str, micros: int | None) -> None:
    market.put("signups.csv", SIGNUPS.replace("2024-03-10 01:30:00", written))
    mapping = market.put(
        "mapping.toml",
        """
        [tables.uses]
        file = "signups.csv"
        columns = { buyer_id = "user_id", value = "device_id", used_at = "purchase_time" }
        constants = { kind = "device" }
        timezone = "America/New_York"
        """,
    )
    market.load(mapping=mapping)
    assert [row["used_at"] for row in market.rows("uses", "used_at")] == ([micros] if micros else [])
    assert [entry[4] for entry in market.quarantine()] == ([] if micros else ["is no ISO 8601 time"])


def test_a_time_format_of_the_exports_own(market: Market) -> None:
    market.put("signups.csv", SIGNUPS.replace("2024-03-10 01:30:00", "10.03.2024 01h30"))
    mapping = market.put(
        "mapping.toml",
        """
        [tables.uses]
        file = "signups.csv"
        columns = { buyer_id = "user_id", value = "device_id", used_at = "purchase_time" }
        constants = { kind = "device" }
        timezone = "UTC"
        time_format = "%d.%m.%Y %Hh%M"
        """,
    )
    market.load(mapping=mapping)
    assert market.rows("uses", "used_at") == [{"used_at": 1_710_034_200_000_000}]


def test_rows_left_out_by_rule_are_counted_under_the_first_rule_that_holds(market: Market) -> None:
    body = "".join(f"o{n},b1,s1,2024-05-01T12:00:00Z,{n},{'test' if n % 2 else ''}\n" for n in range(10))
    market.put("export.csv", "order_id,buyer_id,store_id,placed_at,amount,flag\n" + body)
    mapping = market.put(
        "mapping.toml",
        """
        [tables.orders]
        file = "export.csv"
        leave_out = [
          { reason = "test order", where = "flag = 'test'" },
          { reason = "small change", where = "CAST(amount AS INTEGER) < 4" },
        ]
        """,
    )
    report = market.load(mapping=mapping)
    assert report.left_out == {"orders": {"test order": 5, "small change": 2}}
    count = report.tables["orders"]
    assert (count.read, count.left_out, count.new) == (10, 7, 3)
    assert count.adds_up
    assert "orders: left out 5: test order" in report.lines()
    assert market.ids("orders") == ["o4", "o6", "o8"]


def test_selects_over_sources_build_on_each_other(market: Market) -> None:
    market.put(
        "lines.csv", "inv,cust,price,at\n1,a,1.5,2024-05-01\n1,a,2.5,2024-05-01\n2,b,9,2024-05-02\n3,,1,2024-05-03\n"
    )
    mapping = market.put(
        "mapping.toml",
        '''
        [sources.lines]
        file = "lines.csv"
        leave_out = [{ reason = "nobody's line", where = "cust IS NULL" }]
        [sources.totals]
        select = "SELECT inv, cust, SUM(CAST(price AS DOUBLE)) AS total, MIN(at) AS at FROM lines GROUP BY inv, cust"
        [tables.orders]
        select = """SELECT inv AS order_id, cust AS buyer_id, total AS amount, at AS placed_at, 1 AS extra
          FROM totals ORDER BY inv"""
        constants = { store_id = "s" }
        timezone = "UTC"
        ''',
    )
    report = market.load(mapping=mapping)
    assert [(row["order_id"], row["amount"]) for row in market.rows("orders", "order_id", "amount")] == [
        ("1", 400),
        ("2", 900),
    ]
    assert report.sources["lines"] == {"read": 4, "left_out": {"nobody's line": 1}, "kept": 3}
    assert report.unknown == {"SELECT of orders": ["extra"]}
    assert report.ignored == ["mapping.toml"]


BAD = [
    ("nonsense", "is no TOML"),
    ("[tables.order]\nfile = 'a.csv'", "tables.order: no such table"),
    ("[tables.orders]\nfile = 'a.csv'\ncolumns = { order = 'x' }", "tables.orders.columns.order: no such column"),
    ("[tables.orders]\nfile = 'a.csv'\nfiel = 'b.csv'", "tables.orders.fiel: Extra inputs"),
    ("[tables.orders]\ncolumns = {}", "tables.orders: needs either `file` or `select`"),
    ("[tables.orders]\nfile = 'a.csv'\ntimezone = 'Mars/Base'", "tables.orders.timezone: 'Mars/Base' is no IANA"),
    ("[tables.orders]\nfile = 'a.csv'\namount_unit = 'cents'", "tables.orders.amount_unit"),
    ("[tables.orders]\nselect = 'SELECT 1'", "names no `[sources]`"),
    ("[tables.orders]\nfile = 'a.csv'\nleave_out = [{ reason = 'no', where = 'x' }]", "leave_out.0.reason"),
    (
        "[tables.orders]\nfile = 'a.csv'\ncolumns = { sku = 'x' }\nconstants = { sku = 'y' }",
        "'sku' stands in `columns` and in `constants`",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_mapping_that_does_not_hold_says_where(market: Market, text: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_mapping(market.put("mapping.toml", text))
    assert said in str(refused.value)
    assert "mapping.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ("file = 'none.csv'", "no file is named 'none.csv'"),
        ("file = '../x.csv'", "leads outside the folder"),
        ("file = 'readme.md'", "is of no known format"),
        ("file = 'signups.csv'\ncolumns = { buyer_id = 'client' }", "lacks 'order_id', 'client' (for buyer_id)"),
        ("select = 'SELECT nothing FROM signups'", "tables.orders.select: the SQL does not hold"),
        ("select = 'SELEC 1'", "tables.orders.select: the SQL does not hold"),
        ("select = 'SELECT user_id AS order_id FROM signups'", "lacks 'buyer_id', 'store_id', 'placed_at', 'amount'"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_before_anything(market: Market, orders: str, said: str) -> None:
    market.put("signups.csv", SIGNUPS)
    market.put("readme.md", "hello")
    mapping = market.put("mapping.toml", f"[sources.signups]\nfile = 'signups.csv'\n[tables.orders]\n{orders}\n")
    with pytest.raises(BadInput) as refused:
        market.load(mapping=mapping)
    assert said in str(refused.value)
    assert market.store.loads() == []


def test_sql_that_fails_on_a_value_does_not_repeat_the_value(market: Market) -> None:
    market.put("signups.csv", SIGNUPS)
    mapping = market.put(
        "mapping.toml",
        '''
        [sources.signups]
        file = "signups.csv"
        [tables.orders]
        constants = { amount = "1", store_id = "s" }
        select = """SELECT CAST(ip_address AS INTEGER) AS order_id, user_id AS buyer_id, purchase_time AS placed_at
          FROM signups"""
        ''',
    )
    with pytest.raises(BadInput, match=r"tables\.orders\.select") as refused:
        market.load(mapping=mapping)
    assert "10.0.0.1" not in str(refused.value)
    assert market.everything()["orders"] == []
