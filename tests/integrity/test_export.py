"""Exports: columns, order, forms of values, sameness of bytes, and files that are whole or not there."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from graph.errors import BadInput, NotFound
from graph.open import open_store
from graph.store import Store
from integrity.export import export, joined
from integrity.ring_export import export_ring_graphs
from integrity.runs import run_detection
from tests.integrity.hand import NOW, Account, findings, load, load_market, market_findings, order, policy, refund

ACCOUNTS = (
    "buyer_id,status,risk,ring_id,confidence,limit_orders_30d,limit_amount_30d,currency,"
    "limit_store_ids,expires_at,reasons"
)
RINGS = "ring_id,members,stores,amount,currency,confidence,first_at,last_at,reasons"
EVIDENCE = "evidence_id,ring_id,buyer_id,kind,nats,source_table,source_id"


def detect(store: Store, found: Any = None, at: int = NOW) -> str:
    made = found if found is not None else market_findings()
    return run_detection(
        store, policy=policy(), now=lambda: at, holder="test", as_of=NOW, detect=lambda *_: made
    ).run.run_id


def written(store: Store, what: Any, ending: str, folder: Path, **more: Any) -> bytes:
    path = folder / f"{what}{ending}"
    export(store, what, path, **more)
    return path.read_bytes()


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


@pytest.mark.parametrize(("what", "columns"), [("accounts", ACCOUNTS), ("rings", RINGS), ("evidence", EVIDENCE)])
def test_columns_stand_in_the_promised_order(market: Store, tmp_path: Path, what: Any, columns: str) -> None:
    detect(market)
    header = written(market, what, ".csv", tmp_path).decode().splitlines()[0]
    assert header.split(",")[: columns.count(",") + 1] == columns.split(",")


def test_every_buyer_has_one_row_in_order_of_id(market: Store, tmp_path: Path) -> None:
    detect(market)
    told = rows(written(market, "accounts", ".csv", tmp_path))
    assert [row["buyer_id"] for row in told] == ["actor", "lone", "mother", "shopper"]


def test_values_in_csv_are_plain_and_empty_where_there_is_none(market: Store, tmp_path: Path) -> None:
    detect(market)
    told = {row["buyer_id"]: row for row in rows(written(market, "accounts", ".csv", tmp_path))}
    actor, lone, shopper = told["actor"], told["lone"], told["shopper"]
    assert (actor["risk"], actor["ring_id"], actor["confidence"]) == ("0.980000", "ring-a", "0.970000")
    assert (actor["limit_orders_30d"], actor["limit_amount_30d"], actor["currency"]) == ("3", "250.00", "CNY")
    assert actor["expires_at"] == "2025-03-31T12:00:00Z"
    assert actor["reasons"] == "filed 3 claims\\; 0.4 expected;risk 0.98 is at least 0.9;shares a device"
    assert (lone["limit_store_ids"], lone["ring_id"], lone["confidence"]) == ("s1", "", "")
    assert {name for name, value in shopper.items() if value} == {"buyer_id", "status", "risk"}


def test_rings_hold_sorted_lists_and_decimal_amounts(market: Store, tmp_path: Path) -> None:
    detect(market)
    (ring,) = rows(written(market, "rings", ".csv", tmp_path))
    assert (ring["members"], ring["stores"], ring["amount"]) == ("actor;mother", "s1;s2;s3", "1234.56")
    assert ring["reasons"] == "claim in the same hours;share one device"


def test_evidence_is_rounded_without_a_negative_zero(market: Store, tmp_path: Path) -> None:
    detect(market)
    told = rows(written(market, "evidence", ".csv", tmp_path))
    assert [(row["evidence_id"], row["nats"], row["ring_id"]) for row in told] == [
        ("e1", "3.250000", "ring-a"),
        ("e2", "0.000000", ""),
    ]


def test_json_lines_hold_true_lists_and_nulls(market: Store, tmp_path: Path) -> None:
    detect(market)
    lines = [json.loads(line) for line in written(market, "accounts", ".jsonl", tmp_path).splitlines()]
    assert lines[0]["reasons"] == ["filed 3 claims; 0.4 expected", "risk 0.98 is at least 0.9", "shares a device"]
    assert (lines[0]["limit_amount_30d"], lines[0]["expires_at"]) == ("250.00", "2025-03-31T12:00:00Z")
    assert (lines[3]["ring_id"], lines[3]["limit_store_ids"], lines[3]["expires_at"]) == (None, [], None)


def test_parquet_holds_lists_instants_and_nulls(market: Store, tmp_path: Path) -> None:
    detect(market)
    written(market, "accounts", ".parquet", tmp_path)
    told = pq.read_table(tmp_path / "accounts.parquet").to_pylist()
    assert told[1]["limit_store_ids"] == ["s1"]
    assert told[0]["expires_at"] == datetime(2025, 3, 31, 12, tzinfo=UTC)
    assert told[3]["ring_id"] is None


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_equal_data_gives_equal_bytes_whatever_the_clock_the_load_order_and_the_parent(
    tmp_path: Path, ending: str
) -> None:
    one, two = (open_store(f"sqlite:///{tmp_path / name}.db") for name in ("one", "two"))
    load_market(one)
    load(two, orders=[order("o-early", "actor")])  # comes first here, and is replaced by the same market below
    load_market(two)
    load(one, orders=[order("o-early", "actor")])
    detect(one)
    detect(two, at=NOW + 7)
    detect(two, at=NOW + 8)  # another parent
    for what in ("accounts", "rings", "evidence"):
        a, b = (written(store, what, ending, tmp_path) for store in (one, two))
        assert a == b
        assert b"run-" not in a
    one.close()
    two.close()


WILD = [
    'say "no"',
    "a,b",
    "semi;colon",
    "back\\slash",
    "🦊",
    "'; DROP TABLE orders; --",
    "}) DETACH DELETE n //",
    "=1+1",
]


def test_ids_of_any_kind_come_back_as_they_went_in(store: Store, tmp_path: Path) -> None:
    load(
        store,
        orders=[order(f"o{n}", buyer, store_id=WILD[2]) for n, buyer in enumerate(WILD)],
        refunds=[refund(f"r{n}", f"o{n}") for n in range(len(WILD))],
    )
    detect(store, findings([Account(buyer, 0.99, 5) for buyer in WILD[:2]]))
    told = rows(written(store, "accounts", ".csv", tmp_path))
    assert [row["buyer_id"] for row in told] == sorted(WILD)
    assert {row["limit_store_ids"] for row in told} == {"", "semi\\;colon"}


def test_joined_lists_can_be_taken_apart_again() -> None:
    for items in (WILD, ["\\", ";"], ["\\;"], ["a"]):
        parts, at = [""], iter(joined(items))
        for letter in at:
            if letter == "\\":
                parts[-1] += next(at)
            elif letter == ";":
                parts.append("")
            else:
                parts[-1] += letter
        assert parts == items


def test_rings_are_drawn_as_graphs_alone_or_together(market: Store, tmp_path: Path) -> None:
    import networkx

    detect(market)
    alone, together, linked = tmp_path / "one.graphml", tmp_path / "all.graphml", tmp_path / "all.json"
    for path, ring in ((alone, "ring-a"), (together, None), (linked, None)):
        assert export_ring_graphs(market, path, ring_id=ring) == 1
    drawn = networkx.read_graphml(alone)
    assert {"account:actor", "account:mother"} <= set(drawn)
    assert drawn.degree["account:actor"] == 1
    whole = networkx.node_link_graph(json.loads(linked.read_text()), edges="edges")
    assert set(whole) == set(networkx.read_graphml(together)) == set(drawn)
    before = linked.read_bytes()
    export_ring_graphs(market, linked)
    assert linked.read_bytes() == before
    with pytest.raises(NotFound, match="ring-x"):
        export_ring_graphs(market, alone, ring_id="ring-x")


def test_an_earlier_run_can_be_exported_by_its_id(market: Store, tmp_path: Path) -> None:
    first = detect(market)
    detect(market, findings([]), at=NOW + 1)
    assert rows(written(market, "rings", ".csv", tmp_path)) == []
    assert len(rows(written(market, "rings", ".csv", tmp_path, run_id=first))) == 1


def test_an_unknown_ending_and_a_missing_folder_are_refused(market: Store, tmp_path: Path) -> None:
    detect(market)
    with pytest.raises(BadInput, match=r"\.xlsx"):
        export(market, "accounts", tmp_path / "a.xlsx")
    with pytest.raises(BadInput, match="folder that exists"):
        export(market, "accounts", tmp_path / "nowhere" / "a.csv")


def test_without_a_run_nothing_is_written(market: Store, tmp_path: Path) -> None:
    target = tmp_path / "accounts.csv"
    target.write_text("before")
    with pytest.raises(NotFound):
        export(market, "accounts", target)
    assert target.read_text() == "before"


def test_a_write_that_fails_leaves_the_file_as_it_was(
    market: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graph.errors import StoreProblem

    detect(market)
    target = tmp_path / "out" / "accounts.csv"
    target.parent.mkdir()
    target.write_text("before")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("integrity.export.os.fsync", full)
    with pytest.raises(StoreProblem, match="No space left"):
        export(market, "accounts", target)
    assert target.read_text() == "before"
    assert [path.name for path in target.parent.iterdir()] == ["accounts.csv"]
