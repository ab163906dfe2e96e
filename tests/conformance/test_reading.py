"""Reading: order, paging, odd ids, large tables, and a state that holds still while it is read."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from graph.columns import arrow_schema
from graph.schema import BY_NAME
from tests.conformance.support import Backend, ids, key, leased, load, order, scan, table

ODD = [
    "'; DROP TABLE orders; --",
    '"quoted"',
    "a,b;c\td",
    "`MATCH (n) DETACH DELETE n`",
    "}) RETURN 1 //",
    "%_*?[a-z]",
    "\\",
    "emoji 🧨👩‍👩‍👧",
    "汉字",
    "\u00e9",
    "e\u0301",
    "\uffff",
    "\U00010000",
    " leading",
    "trailing ",
    "",
    "x" * 256,
    "same prefix and eight more bytes A",
    "same prefix and eight more bytes B",
    "null\0inside",
    "null",
    "0",
    "00",
    "1e3",
]


def test_odd_ids_come_back_whole_and_in_code_point_order(store):
    load(store, orders=[order(odd, odd, sku=odd) for odd in ODD])
    assert ids(store) == sorted(ODD)
    for odd in ODD:
        for column in ("order_id", "buyer_id"):
            (row,) = store.find("orders", column, [odd]).to_pylist()
            assert (row["order_id"], row["buyer_id"], row["sku"]) == (odd, odd, odd)
    load(store, orders=[order(odd, amount=7) for odd in ODD])
    assert {row["amount"] for row in scan(store)} == {7}
    assert len(ids(store)) == len(ODD)


def test_rows_come_sorted_whatever_order_and_batches_they_came_in(store):
    names = [f"o{n}" for n in range(5_000)]
    random.Random(4).shuffle(names)
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        for at in range(0, 5_000, 700):
            store.write(lease, number, "orders", table("orders", [order(name) for name in names[at : at + 700]]))
        store.finish_load(lease, number, report="", at=2)
    assert ids(store) == sorted(names)
    batches = list(store.scan("orders", ["amount", "order_id"], batch=999))
    assert max(batch.num_rows for batch in batches) <= 999
    assert batches[0].schema.names == ["amount", "order_id"]
    assert [name for batch in batches for name in batch.column("order_id").to_pylist()] == sorted(names)


def test_a_big_batch_goes_in_and_out(store, backend: Backend):
    # nine transactions and three pages of a server, which is slower; two batches of a file
    count = 45_000 if backend.name == "neo4j" else 120_000
    numbers = pa.array(range(count), pa.int64())
    batch = pa.table(
        {
            "order_id": pa.array([f"o{n:07}" for n in reversed(range(count))]),
            "buyer_id": pa.array([f"b{n % 9_000}" for n in range(count)]),
            "store_id": pa.array(["s1"] * count),
            "placed_at": numbers,
            "amount": numbers,
            "currency": pa.array(["CNY"] * count),
            "quantity": pa.array([1] * count, pa.int64()),
            "device": pa.array([key(n % 70_000) for n in range(count)], pa.binary(16)),
            "digest": numbers,
        }
    )
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "orders", batch)
        assert store.current("orders", batch.column("order_id").to_pylist(), load=number).num_rows == count
        store.finish_load(lease, number, report="", at=2)
    read = pa.Table.from_batches(list(store.scan("orders", ["order_id", "amount", "device"])))
    assert read.equals(batch.select(["order_id", "amount", "device"]).sort_by("order_id").cast(read.schema))
    assert store.find("orders", "buyer_id", ["b17"], columns=["order_id"]).num_rows == len(range(17, count, 9_000))


def test_a_scan_keeps_to_the_state_in_which_it_began(store):
    load(store, orders=[order(f"o{n:04}") for n in range(3_000)])
    batches = store.scan("orders", ["order_id", "amount"], batch=100)
    first = next(batches)
    load(store, orders=[order("o2999", amount=1), order("p")])
    rest = pa.Table.from_batches([first, *batches])
    assert rest.num_rows == 3_000
    assert set(rest.column("amount").to_pylist()) == {100}
    assert len(ids(store)) == 3_001


def test_a_scan_reads_only_ids_that_begin_as_asked(store):
    load(store, orders=[order(f"{first}{n:04}") for first in ("a", "b", "ba", "c", "é") for n in range(700)])
    load(store, orders=[order("b0001", amount=1), order("b", amount=2), order("zz")])
    for begins in (["b0"], ["é", "a"], ["c0699", "c069800"], ["ba", "b0"], ["q"], ["b"]):
        found = scan(store, begins=begins)
        assert found == [row for row in scan(store) if row["order_id"].startswith(tuple(begins))], begins
        assert [row["order_id"] for row in scan(store, known_by=1, begins=begins)] == [
            name for name in ids(store, known_by=1) if name.startswith(tuple(begins))
        ]


def test_keys_of_a_row_come_out_each_in_its_place(store):
    names = ("device", "ip", "payment", "phone", "recipient", "address")
    values = (None, key(0), key(1), b"\xff" * 16)
    dice = random.Random(6)
    rows = [order(f"o{n:03}", **{name: dice.choice(values) for name in names}) for n in range(300)]
    load(store, orders=rows)
    asked = ("phone", "order_id", *(name for name in names if name != "phone"))
    for columns in (asked, ("device", "ip"), ("ip",)):
        read = pa.Table.from_batches(list(store.scan("orders", columns)))
        assert read.to_pylist() == [{name: row[name] for name in columns} for row in rows]


def test_a_line_is_known_by_its_order_and_its_item(store):
    lines = [
        {"item_id": f"o{n}\x1f{sku}", "order_id": f"o{n}", "sku": sku, "quantity": n, "digest": n}
        for n in range(1, 9)
        for sku in ("x", "ü y", "-")
    ]
    load(store, order_items=lines)
    read = scan(store, "order_items")
    assert read == sorted(({"amount": None} | line for line in read), key=lambda row: row["item_id"])
    assert {(row["item_id"], row["order_id"], row["sku"], row["quantity"]) for row in read} == {
        (row["item_id"], row["order_id"], row["sku"], row["quantity"]) for row in lines
    }
    two = pa.Table.from_batches(list(store.scan("order_items", ("quantity", "sku", "order_id"))))
    assert two.to_pylist() == [{name: row[name] for name in ("quantity", "sku", "order_id")} for row in read]
    assert ids(store, "order_items", begins=["o3\x1f"]) == ["o3\x1f-", "o3\x1fx", "o3\x1fü y"]
    wrong = ({"item_id": "o1 x"}, {"item_id": "o1\x1fy"}, {"item_id": "o1\x1fx\x1f", "sku": "x\x1f"}, {"sku": None})
    for given in wrong:
        with pytest.raises(ValueError, match="order_id and sku"):
            load(store, order_items=[lines[0] | given])


def test_a_scan_can_be_left_unfinished(store):
    load(store, orders=[order(f"o{n:04}") for n in range(3_000)])
    batches = store.scan("orders", ["order_id"], batch=10)
    next(batches)
    batches.close()
    assert load(store, orders=[order("p")]) == 2


def test_find_pages_by_id_without_gaps_or_repeats(store):
    load(
        store,
        orders=[order(f"o{n:03}", "hub", device=key(1)) for n in range(250)],
        stores=[{"store_id": "s1", "digest": 1}],
    )
    load(store, orders=[order(f"o{n:03}", "hub", device=key(1), amount=3) for n in range(0, 250, 7)])
    seen: list[str] = []
    while True:
        page = store.find("orders", "device", [key(1)], columns=["order_id"], after=seen[-1] if seen else "", limit=37)
        seen += page.column("order_id").to_pylist()
        if page.num_rows < 37:
            break
    assert seen == [f"o{n:03}" for n in range(250)]


def test_find_takes_many_values_and_gives_declared_columns(store):
    load(store, orders=[order(f"o{n}", f"b{n}") for n in range(9)])
    found = store.find("orders", "buyer_id", ["b7", "b2", "nobody", "b2"])
    assert found.schema.equals(arrow_schema(BY_NAME["orders"]))
    assert found.column("order_id").to_pylist() == ["o2", "o7"]
    assert store.find("orders", "order_id", ["o8", "o1"], columns=["buyer_id"]).to_pylist() == [
        {"buyer_id": "b1"},
        {"buyer_id": "b8"},
    ]


def test_find_follows_a_row_to_its_new_value_and_off_its_old_one(store):
    load(store, orders=[order("o1", "old")])
    load(store, orders=[order("o1", "new")])
    assert store.find("orders", "buyer_id", ["old"]).num_rows == 0
    assert store.find("orders", "buyer_id", ["new"]).num_rows == 1
    assert store.find("orders", "buyer_id", ["old"], known_by=1).num_rows == 1


def test_find_by_a_column_that_is_not_indexed_is_refused(store):
    with pytest.raises(ValueError, match="sku"):
        store.find("orders", "sku", ["x"])


def test_absent_values_are_not_found_as_values(store):
    load(store, orders=[order("o1", device=None), order("o2", device=bytes(16))])
    assert store.find("orders", "device", [bytes(16)], columns=["order_id"]).column("order_id").to_pylist() == ["o2"]
