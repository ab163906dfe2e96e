"""Loads: invisible until finished, swept when they fail, idempotent, and fair to rows that contradict each other."""

from __future__ import annotations

import pyarrow as pa
import pytest

from graph.columns import CURRENT, QUARANTINE
from graph.errors import StoreProblem
from tests.conformance.support import ids, key, leased, load, order, scan, table


def test_rows_are_invisible_until_the_load_is_finished(store):
    with leased(store) as lease:
        number = store.begin_load(lease, source="a folder", at=7)
        store.write(lease, number, "orders", table("orders", [order("o1", device=key(1))]))
        store.write(lease, number, "identifiers", table("identifiers", [identifier(1)]))
        assert ids(store) == []
        assert store.find("orders", "order_id", ["o1"]).num_rows == 0
        assert store.find("orders", "device", [key(1)]).num_rows == 0
        assert ids(store, "identifiers") == []
        assert store.head().load == 0
        store.finish_load(lease, number, report='{"a": 1}', at=9)
    assert ids(store) == ["o1"]
    assert len(ids(store, "identifiers")) == 1
    assert store.head().load == number
    (record,) = store.loads()
    assert (record.load, record.state, record.started_at, record.finished_at) == (number, "finished", 7, 9)
    assert (record.source, record.report) == ("a folder", '{"a": 1}')


def identifier(number: int, **more):
    return {"id": f"device:{key(number).hex()}", "kind": "device", "key": key(number), "masked": "x…", **more}


def test_an_unfinished_load_is_swept_by_the_next_and_its_number_never_used_again(store):
    load(store, orders=[order("o1")])
    with leased(store) as lease:
        dead = store.begin_load(lease, source="x", at=1)
        store.write(lease, dead, "orders", table("orders", [order("o1", amount=9), order("o2")]), conflicts=["o3"])
        store.write(lease, dead, "identifiers", table("identifiers", [identifier(1)]))
        store.quarantine(lease, dead, rejected("f.csv", 3))
    with leased(store) as lease:
        number = store.begin_load(lease, source="y", at=2)
        assert number > dead
        assert store.current("orders", ["o2", "o3"], load=number).num_rows == 0
        store.finish_load(lease, number, report="", at=3)
    assert [(row["order_id"], row["amount"]) for row in scan(store)] == [("o1", 100)]
    assert ids(store, "identifiers") == []
    assert store.quarantined().num_rows == 0
    assert [record.state for record in store.loads()] == ["finished", "swept", "finished"]


def rejected(file: str, *lines: int) -> pa.Table:
    rows = [
        {"table": "orders", "file": file, "line": n, "column": "amount", "value": "-1", "rule": "r", "action": "a"}
        for n in lines
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE)


def test_a_swept_or_finished_load_takes_no_more_rows(store):
    with leased(store) as lease:
        first = store.begin_load(lease, source="x", at=1)
        second = store.begin_load(lease, source="x", at=1)
        with pytest.raises(StoreProblem, match="swept"):
            store.write(lease, first, "orders", table("orders", [order("o1")]))
        store.finish_load(lease, second, report="", at=2)
        with pytest.raises(StoreProblem, match="finished"):
            store.write(lease, second, "orders", table("orders", [order("o1")]))
        with pytest.raises(StoreProblem, match="finished"):
            store.finish_load(lease, second, report="", at=2)
    assert ids(store) == []


def test_a_later_load_replaces_a_row_and_the_earlier_state_stays_readable(store):
    first = load(store, orders=[order("o1", amount=100), order("o2")])
    second = load(store, orders=[order("o1", amount=200), order("o3")])
    third = load(store, orders=[order("o1", amount=300)])
    amounts = {k: [(r["order_id"], r["amount"]) for r in scan(store, known_by=k)] for k in range(5)}
    assert amounts[0] == []
    assert amounts[first] == [("o1", 100), ("o2", 100)]
    assert amounts[second] == [("o1", 200), ("o2", 100), ("o3", 100)]
    assert amounts[third] == [("o1", 300), ("o2", 100), ("o3", 100)]
    assert amounts[4] == amounts[third], "a load that isn't there yet reads as the last"
    found = store.find("orders", "buyer_id", ["b1"], columns=["amount"], known_by=second)
    assert found.column("amount").to_pylist() == [200, 100, 100]


def test_unfinished_rows_stay_invisible_to_every_known_by(store):
    load(store, orders=[order("o1")])
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "orders", table("orders", [order("o1", amount=9), order("o2")]))
        for known_by in (None, 1, number, number + 1):
            assert [r["amount"] for r in scan(store, known_by=known_by)] == [100]


def test_writing_the_same_batch_again_changes_nothing(store):
    batch = table("orders", [order("o1"), order("o2")])
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        for _ in range(3):
            store.write(lease, number, "orders", batch, conflicts=["o2"])
        store.finish_load(lease, number, report="", at=2)
    assert ids(store) == ["o1"]
    assert store.describe()["rows"]["orders"] == 1


def test_a_row_written_twice_by_one_load_stands_as_written_last(store):
    load(store, orders=[order("o1", amount=1)])
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "orders", table("orders", [order("o1", amount=2), order("o1", amount=3)]))
        store.write(lease, number, "orders", table("orders", [order("o1", amount=4)]))
        (own,) = own_rows(store.current("orders", ["o1"], load=number), number)
        assert own["digest"] == order("o1", amount=4)["digest"]
        store.finish_load(lease, number, report="", at=2)
    assert [row["amount"] for row in scan(store)] == [4]
    assert [row["amount"] for row in scan(store, known_by=1)] == [1]


def own_rows(current: pa.Table, load_number: int) -> list[dict]:
    return [row for row in current.to_pylist() if row["since"] == load_number]


def test_ids_in_conflict_keep_what_they_were_before(store):
    load(store, orders=[order("o1", amount=1), order("o2", amount=1)])
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        rows = [order("o1", amount=2), order("o2", amount=2), order("o3", amount=2)]
        store.write(lease, number, "orders", table("orders", rows))
        store.write(lease, number, "orders", table("orders", []), conflicts=["o1", "o3"])
        store.write(lease, number, "orders", table("orders", [order("o3", amount=5)]))
        store.finish_load(lease, number, report="", at=2)
    assert [(r["order_id"], r["amount"]) for r in scan(store)] == [("o1", 1), ("o2", 2)]
    after = load(store, orders=[order("o1", amount=7), order("o3", amount=7)])
    assert [(r["order_id"], r["amount"]) for r in scan(store)] == [("o1", 7), ("o2", 2), ("o3", 7)]
    assert [(r["order_id"], r["amount"]) for r in scan(store, known_by=after - 1)] == [("o1", 1), ("o2", 2)]


def test_current_tells_the_visible_row_the_own_row_and_the_mark(store):
    load(store, orders=[order("o1", digest=11, updated_at=5, file=3, line=33), order("o2", digest=12)])
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "orders", table("orders", [order("o1", digest=21, line=44), order("o4", digest=24)]))
        store.write(lease, number, "orders", table("orders", []), conflicts=["o1", "o5"])
        known = store.current("orders", ["o5", "o4", "o3", "o2", "o1"], load=number)
    assert known.schema.equals(CURRENT)
    rows = sorted(tuple(row.values()) for row in known.to_pylist() if row["id"] != "o5")
    assert rows == [
        ("o1", 1, 11, 5, True, 3, 33),
        ("o1", number, 21, None, True, 0, 44),
        ("o2", 1, 12, None, False, 0, 1),
        ("o4", number, 24, None, False, 0, 1),
    ]
    (marked,) = [row for row in known.to_pylist() if row["id"] == "o5"]
    assert (marked["since"], marked["conflict"], marked["digest"]) == (number, True, None)


def test_identifiers_are_added_once_and_never_changed(store):
    first = load(store, identifiers=[identifier(1, masked="first"), identifier(2)])
    second = load(store, identifiers=[identifier(1, masked="second"), identifier(3), identifier(3)])
    rows = scan(store, "identifiers")
    assert [row["masked"] for row in rows] == ["first", "x…", "x…"]
    assert len(scan(store, "identifiers", known_by=first)) == 2
    assert len(scan(store, "identifiers", known_by=second)) == 3


def test_an_empty_batch_and_an_empty_load_are_fine(store):
    number = load(store, orders=[], identifiers=[])
    assert store.head().load == number
    assert ids(store) == []
    assert store.current("orders", [], load=number).num_rows == 0
    assert store.find("orders", "order_id", []).num_rows == 0


def test_every_column_type_comes_back_as_it_was_given(store):
    refund = {
        "refund_id": "r1",
        "order_id": "o1",
        "requested_at": -5,
        "kind": "refund_only",
        "reason": "",
        "amount": 2**62,
        "initiated_by": "buyer",
        "note": bytes(range(16)),
        "freight_covered": False,
        "pictures": ["00ff;", ""],
        "parcel": None,
        "shipped_weight_g": 0.1,
        "return_weight_g": None,
        "outcome": "pending",
        "outcome_at": None,
    }
    load(store, refunds=[{**refund, "digest": -(2**63)}, {**refund, "refund_id": "r2", "pictures": [], "digest": 1}])
    assert scan(store, "refunds") == [refund, {**refund, "refund_id": "r2", "pictures": []}]


def test_a_column_that_the_schema_lacks_is_refused(store):
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        wrong = table("orders", [order("o1")]).append_column("colour", pa.array(["red"]))
        with pytest.raises(ValueError, match="colour"):
            store.write(lease, number, "orders", wrong)


def test_quarantined_rows_are_seen_with_their_load_and_released_by_number(store):
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.quarantine(lease, number, rejected("a.csv", 5, 6, 7))
        assert store.quarantined().num_rows == 0, "the load isn't finished"
        store.finish_load(lease, number, report="", at=2)
        second = store.begin_load(lease, source="x", at=3)
        store.quarantine(lease, second, rejected("b.csv", 8))
        store.finish_load(lease, second, report="", at=4)
        entries = store.quarantined()
        assert entries.column_names == ["seq", "load", *QUARANTINE.names]
        assert entries.column("line").to_pylist() == [5, 6, 7, 8]
        assert store.quarantined(load=second).column("file").to_pylist() == ["b.csv"]
        seqs = entries.column("seq").to_pylist()
        assert seqs == sorted(seqs)
        assert store.quarantined(after=seqs[0], limit=2).column("line").to_pylist() == [6, 7]
        store.release_quarantine(lease, [seqs[1], 10**9])
    assert store.quarantined().column("line").to_pylist() == [5, 7, 8]


def test_many_small_loads_answer_as_one(store):
    for number in range(40):
        load(
            store,
            orders=[order(f"o{number:02}", f"b{number % 3}", device=key(number % 5)), order("same", amount=number)],
        )
    assert ids(store) == [*(f"o{number:02}" for number in range(40)), "same"]
    assert store.find("orders", "order_id", ["same"]).column("amount").to_pylist() == [39]
    assert store.find("orders", "device", [key(3)]).num_rows == 8
    for known_by in (1, 7, 8, 9, 31):
        assert store.find("orders", "order_id", ["same"], known_by=known_by).column("amount").to_pylist() == [
            known_by - 1
        ]
