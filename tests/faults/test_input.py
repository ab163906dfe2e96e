"""Bad files are refused whole, bad rows land in the quarantine, and what was stored before is unharmed, as the
commands show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.faults.support import ORDER, Desk, busiest, csv_of, gang, put

GOOD = csv_of([ORDER, {**ORDER, "order_id": "given-2"}])


def _parquet(folder: Path, cut: int) -> None:
    folder.mkdir()
    path = folder / "orders.parquet"
    pl.DataFrame([{**ORDER, "order_id": f"given-{n}"} for n in range(500)]).write_parquet(path)
    path.write_bytes(path.read_bytes()[:cut])


REFUSED: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "empty folder": (lambda folder: folder.mkdir(), ("holds no table", "looked for", "orders")),
    "no folder": (lambda _: None, ("no such folder",)),
    "empty file": (lambda folder: put(folder, orders=b""), ("orders.csv", "is empty", "correct it")),
    "wrong header": (
        lambda folder: put(folder, orders=GOOD.replace(b"placed_at", b"time")),
        ("orders.csv", "lacks 'placed_at'", "correct it"),
    ),
    "UTF-16": (
        lambda folder: put(folder, orders=GOOD.decode().encode("utf-16")),
        ("orders.csv", "UTF-16", "correct it"),
    ),
    "no UTF-8": (
        lambda folder: put(folder, orders=GOOD + "given-3,é,s,2024-12-01T12:00:00Z,1\n".encode("latin-1")),
        ("orders.csv, line 4", "not UTF-8", "correct it"),
    ),
    "NUL bytes": (
        lambda folder: put(folder, orders=GOOD.replace(b"given-2", b"given\0")),
        ("orders.csv, line 3", "NUL bytes", "correct it"),
    ),
    "truncated Parquet": (lambda folder: _parquet(folder, -9), ("orders.parquet", "truncated", "correct it")),
    "Parquet cut in half": (lambda folder: _parquet(folder, 400), ("orders.parquet", "truncated", "correct it")),
    "a good file beside a bad one": (
        lambda folder: put(folder, orders=GOOD, refunds=b"refund_id\nx\n"),
        ("refunds.csv", "lacks 'order_id'", "correct it"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_what_it_says_is_refused_whole_and_harms_nothing(desk: Desk, tmp_path: Path, what: str) -> None:
    make, parts = REFUSED[what]
    before = desk.seen()
    folder = tmp_path / "given"
    make(folder)
    ran = desk("load", folder)
    assert ran.code == 3
    assert ran.out == ""
    assert all(part in ran.told for part in parts), ran.told
    assert "given-buyer" not in ran.err
    assert desk.seen() == before
    assert desk("quarantine", "list", "--json").json == []


@pytest.mark.parametrize("what", ["empty folder", "empty file", "NUL bytes", "truncated Parquet"])
def test_a_first_load_that_is_refused_leaves_a_store_that_takes_the_next(
    empty_desk: Desk, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "given"
    REFUSED[what][0](folder)
    assert empty_desk("load", folder).code == 3
    assert empty_desk("detect").code == 3 if empty_desk.store.exists() else 6
    assert empty_desk.done("load", put(tmp_path / "good", orders=GOOD), "--json").json["load"] == 1


def test_a_header_alone_loads_no_rows(desk: Desk, tmp_path: Path) -> None:
    before = desk.seen()
    told = desk.done("load", put(tmp_path / "given", orders=GOOD.split(b"\n")[0]), "--json").json
    assert told["tables"]["orders"]["read"] == 0
    assert {**desk.seen(), "head": None} == {**before, "head": None}


def test_a_byte_order_mark_and_windows_line_ends_load(desk: Desk, tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n")
    told = desk.done("load", put(tmp_path / "given", orders=marked), "--json").json
    assert told["tables"]["orders"]["new"] == 2
    given = [row for row in desk.rows()["orders"].to_pylist() if row["order_id"].startswith("given")]
    assert [(row["order_id"], row["amount"], row["sku"]) for row in given] == [
        ("given-1", 1250, None),
        ("given-2", 1250, None),
    ]


BROKEN: dict[str, tuple[dict[str, str], str, str]] = {
    "a field of 10 MB": ({"address": "路" * 3_500_000}, "address", "is over 65536 bytes"),
    "1970": ({"placed_at": "1970-01-01T00:00:00Z"}, "placed_at", "lies before 1990"),
    "2100": ({"placed_at": "2100-01-01T00:00:00Z"}, "placed_at", "lies after the moment of loading"),
    "a negative amount": ({"amount": "-0.01"}, "amount", "is negative"),
    "an amount that is no number": ({"amount": "NaN"}, "amount", "is no decimal number"),
    "an infinite amount": ({"amount": "Infinity"}, "amount", "is no decimal number"),
    "an absurd amount": ({"amount": "9" * 40}, "amount", "has more than 12 digits"),
    "an amount of 13 digits": ({"amount": "1000000000000"}, "amount", "has more than 12 digits"),
    "a currency that is none": ({"currency": "ZZZ"}, "currency", "is no ISO 4217 currency"),
    "a yen with decimals": ({"currency": "JPY", "amount": "10.50"}, "amount", "has more decimals than its currency"),
    "an id with a line break": ({"order_id": "given\n1"}, "order_id", "holds a control character"),
    "a buyer's id with a tab": ({"buyer_id": "given\tbuyer"}, "buyer_id", "holds a control character"),
    "an id of 257 bytes": ({"buyer_id": "b" * 257}, "buyer_id", "is longer than 256 bytes"),
    "no buyer": ({"buyer_id": ""}, "buyer_id", "is required and empty"),
}


def test_each_broken_row_is_quarantined_under_its_rule_and_moves_nothing(desk: Desk, tmp_path: Path) -> None:
    before = desk.seen()
    rows = [{"currency": "", "address": "", **ORDER, "order_id": f"given-{n}", **BROKEN[what][0]}
            for n, what in enumerate(BROKEN)]  # fmt: skip
    told = desk.done("load", put(tmp_path / "given", orders=rows), "--json").json
    counts = told["tables"]["orders"]
    assert (counts["read"], counts["quarantined"], counts["new"]) == (len(rows), len(rows), 0)
    entries = desk("quarantine", "list", "--json").json
    assert [(entry["column"], entry["rule"]) for entry in entries] == [
        (column, rule) for _, column, rule in BROKEN.values()
    ]
    assert {entry["file"] for entry in entries} == {"orders.csv"}
    assert all(len(entry["value"]) < 300 for entry in entries)
    assert desk.rows() == {name: before[name] for name in desk.rows()}
    # the clock, the accounts and every finding are as if the rows had never been there
    desk.done("detect")
    assert desk.exports() == {name: before[name] for name in desk.exports()}


def test_rows_of_one_id_that_differ_are_all_quarantined_and_the_earlier_row_stays(desk: Desk, tmp_path: Path) -> None:
    desk.done("load", put(tmp_path / "one", orders=[ORDER]))
    before = desk.seen()
    rows = [{**ORDER, "amount": "99.00"}, {**ORDER, "amount": "98.00"}, {**ORDER, "order_id": "given-2"}]
    told = desk.done("load", put(tmp_path / "two", orders=rows), "--json").json
    assert (told["tables"]["orders"]["quarantined"], told["tables"]["orders"]["new"]) == (2, 1)
    entries = desk("quarantine", "list", "--json").json
    assert [(entry["line"], entry["column"], entry["value"]) for entry in entries] == [
        (2, "order_id", "given-1"),
        (3, "order_id", "given-1"),
    ]
    (row,) = [row for row in desk.rows()["orders"].to_pylist() if row["order_id"] == "given-1"]
    assert row["amount"] == 1250
    assert desk.exports() == {name: before[name] for name in desk.exports()}


def test_amounts_of_different_currencies_are_never_added(desk: Desk, market: Path, tmp_path: Path) -> None:
    tables = gang([f"gang-{n}" for n in range(6)], busiest(market), mark="mixed")
    for number, order in enumerate(tables["orders"]):
        order |= [{"currency": "JPY", "amount": "500"}, {"currency": "KWD", "amount": "1.234"}, {}, {}][number % 4]
    desk.done("load", put(tmp_path / "given", **tables))
    stored = [row for row in desk.rows()["orders"].to_pylist() if row["order_id"].startswith("mixed")]
    assert {(row["currency"], row["amount"]) for row in stored} == {("JPY", 500), ("KWD", 1234), ("CNY", 8800)}
    desk.done("detect")
    file = tmp_path / "rings.jsonl"
    desk.done("export", "rings", file)
    (ring,) = [row for row in pl.read_ndjson(file).to_dicts() if "gang-0" in row["members"]]
    assert ring["members"] == [f"gang-{n}" for n in range(6)]
    # 18 claims of 88.00 yuan, 9 of 500 yen, 9 of 1.234 dinars: the sum is of one of them
    assert (ring["amount"], ring["currency"]) == ("1584.00", "CNY")
