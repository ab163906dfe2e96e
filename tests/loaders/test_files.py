"""Files: three formats give the same rows, and a file that is not what it says is refused whole, before anything."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from graph.errors import BadInput
from graph.open import open_store
from loaders import csvfile, pseudonyms, readers
from loaders import load as loading
from tests.loaders.support import ORDER, REFUND, Market, csv_text, orders

GOOD = csv_text(orders({}, {}))

REFUSED: list[tuple[str, bytes, str]] = [
    ("empty", b"", "is empty"),
    ("only a BOM", b"\xef\xbb\xbf", "is empty"),
    ("UTF-16", GOOD.encode("utf-16"), "is UTF-16"),
    ("UTF-16 without a BOM", GOOD.encode("utf-16-le"), "holds NUL bytes"),
    ("NUL bytes", GOOD.replace("b1", "b\0").encode(), "line 2: the file holds NUL bytes"),
    ("Latin-1", GOOD.replace("s1", "sé").encode("latin-1"), "line 2: the file is not UTF-8"),
    ("wrong header", GOOD.replace("placed_at", "time").encode(), "lacks 'placed_at'"),
    ("no header", GOOD.split("\n", 1)[1].encode(), "lacks 'order_id'"),
    ("a column twice", GOOD.replace("store_id", "buyer_id", 1).encode(), "names a column twice: buyer_id"),
    ("a column without a name", GOOD.replace("amount", "amount,", 1).encode(), "has a column without a name"),
    ("semicolons", GOOD.replace(",", ";").encode(), "lacks 'order_id'"),
    ("too many columns", (GOOD + "a,b,c,d,e,f\n").encode(), "line 4: the file has 6 columns where the header has 5"),
    ("too few columns", (GOOD + "a,b\n").encode(), "line 4: the file has 2 columns where the header has 5"),
    ("an open quote", (GOOD + '"o9,b,s\n').encode(), "opens a quote that is never closed"),
    ("a stray quote", (GOOD + 'o"9,b1,s1,x,1\no10,b1,s1,x,1\n').encode(), "quote"),
]


@pytest.mark.parametrize(("what", "content", "said"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_csv_that_is_not_what_it_says_is_refused_whole(market: Market, what: str, content: bytes, said: str) -> None:
    market.put("orders/1.csv", orders({"order_id": "kept"}))
    market.load()
    before = market.everything()
    market.put("orders/2.csv", content)
    with pytest.raises(BadInput) as refused:
        market.load()
    assert "orders/2.csv" in str(refused.value)
    assert said in str(refused.value)
    assert "b1" not in str(refused.value)
    assert refused.value.exit_code != 0
    assert market.everything() == before
    assert market.quarantine() == []
    assert [load.state for load in market.store.loads()] == ["finished"]


def test_every_refused_file_is_named_and_no_other_file_loads(market: Market) -> None:
    market.put("orders.csv", orders({}))
    market.put("stores.csv", b"")
    market.put("refunds.jsonl", "not json\n")
    with pytest.raises(BadInput) as refused:
        market.load()
    assert len(str(refused.value).splitlines()) == 2
    assert "stores.csv" in str(refused.value)
    assert "refunds.jsonl, line 1" in str(refused.value)
    assert market.store.loads() == []


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -9])
def test_a_truncated_parquet_file_is_refused(market: Market, cut: int) -> None:
    path = market.folder / "orders.parquet"
    pl.DataFrame(orders(*({} for _ in range(500)))).write_parquet(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match=r"orders\.parquet"):
        market.load()
    assert market.store.loads() == []


def test_a_parquet_file_damaged_inside_is_refused(market: Market) -> None:
    path = market.folder / "orders.parquet"
    pl.DataFrame(orders(*({"address": f"somewhere {n}"} for n in range(5000)))).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[200:2200] = b"\xff" * 2000
    path.write_bytes(bytes(content))
    with pytest.raises(BadInput, match="damaged"):
        market.load()
    assert market.store.loads() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1, 2]", "no JSON object"),
        ('{"order_id": ', "not JSON"),
        ('{"order_id": {"a": 1}}', "holds a list or an object in 'order_id'"),
        ('{"order_id": "\\ud800"}', "not JSON"),
    ],
)
def test_json_lines_that_are_none_are_refused_with_their_line(market: Market, line: str, said: str) -> None:
    market.put("orders.jsonl", json.dumps(ORDER) + "\n\n" + line + "\n")
    with pytest.raises(BadInput, match=r"orders\.jsonl, line 3") as refused:
        market.load()
    assert said in str(refused.value)


def test_a_gzip_file_that_is_cut_is_refused(market: Market) -> None:
    whole = gzip.compress(csv_text(orders(*({"sku": f"{n * 7919}"} for n in range(2000)))).encode())
    market.put("orders.csv.gz", whole[:-100])
    with pytest.raises(BadInput, match="no whole gzip file"):
        market.load()
    market.put("orders.csv.gz", b"plain text")
    with pytest.raises(BadInput, match="no whole gzip file"):
        market.load()


def test_a_folder_without_tables_says_what_was_looked_for(market: Market) -> None:
    market.put("notes.txt", "hello")
    with pytest.raises(BadInput, match=r"holds no table.*NAME\.ext.*orders"):
        market.load()
    market.folder = market.folder / "nowhere"
    with pytest.raises(BadInput, match="no such folder"):
        market.load()


def test_a_first_load_needs_orders_or_uses(market: Market) -> None:
    market.put("stores.csv", "store_id\ns1\n")
    with pytest.raises(BadInput, match="needs `orders` or `uses`"):
        market.load()
    market.put("orders.csv", orders({}))
    market.load()
    (market.folder / "orders.csv").unlink()
    assert market.load().tables["stores"].unchanged == 1


def test_a_header_alone_is_no_rows(market: Market) -> None:
    market.put("orders.csv", ",".join(ORDER))
    report = market.load()
    assert report.tables["orders"].read == 0
    assert report.quarantined == 0


def test_a_byte_order_mark_and_windows_line_ends_are_fine(market: Market) -> None:
    market.put("orders.csv", b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    market.load()
    assert market.ids("orders") == ["o1", "o2"]


def test_unknown_columns_are_kept_out_and_named_once_and_absent_tables_too(market: Market) -> None:
    market.put("orders.csv", orders({"shoe_size": "43", "mood": "good"}, {"shoe_size": "40"}))
    market.put("readme.txt", "hello")
    report = market.load()
    assert report.unknown == {"orders.csv": ["shoe_size", "mood"]}
    assert "orders.csv: columns kept out: shoe_size, mood" in report.lines()
    assert "refunds" in report.absent
    assert report.ignored == ["readme.txt"]


def _same_rows() -> list[dict[str, str]]:
    changes = [
        {
            "order_id": f"o{n:03}",
            "buyer_id": f"b{n % 40}",
            "quantity": "2",
            "sku": f"k,{n}",
            "address": f"杭州市西湖区文三路{n % 9 + 1}号翠苑小区{n % 3 + 1}幢2单元501室",
            "phone": f"1380000{n % 50:04}",
            "ip": f"10.0.{n % 5}.{n % 50}",
        }
        for n in range(300)
    ]
    return orders(*changes)


def test_the_same_data_in_other_orders_files_formats_and_batches_shows_the_same(market: Market, tmp_path: Path) -> None:
    rows = _same_rows()
    shapes: dict[str, dict[str, bytes]] = {
        "one csv": {"orders.csv": csv_text(rows).encode()},
        "reversed, columns too": {
            "orders.csv": csv_text(rows[::-1], list(reversed(dict.fromkeys(k for r in rows for k in r)))).encode()
        },
        "many files": {f"orders/{n}.csv": csv_text(rows[n::3]).encode() for n in range(3)},
        "json lines": {"orders.jsonl": "\n".join(json.dumps(row) for row in rows).encode()},
        "gzip": {"orders.csv.gz": gzip.compress(csv_text(rows).encode())},
        "gzip json": {"orders.jsonl.gz": gzip.compress("\n".join(json.dumps(row) for row in rows).encode())},
    }
    frame = pl.DataFrame(rows).with_columns(
        pl.col("placed_at").str.to_datetime("%+", time_zone="UTC"),
        pl.col("amount").cast(pl.Decimal(12, 2)),
        pl.col("quantity").cast(pl.Int32),
        pl.col("buyer_id").cast(pl.Categorical),
    )
    path = tmp_path / "typed.parquet"
    frame.write_parquet(path, row_group_size=77)
    shapes["typed parquet"] = {"orders.parquet": path.read_bytes()}
    frame.with_columns(pl.col("amount").cast(pl.Float64), pl.col("quantity").cast(pl.Float64)).write_parquet(path)
    shapes["floating parquet"] = {"orders.parquet": path.read_bytes()}
    seen = []
    for number, files in enumerate(shapes.values()):
        from graph.open import open_store

        with_store = Market(
            open_store(f"sqlite:///{tmp_path / f'{number}.db'}"), market.keyer, tmp_path / f"in{number}"
        )
        for name, content in files.items():
            with_store.put(name, content)
        report = with_store.load(batch_rows=64 + number)
        assert report.tables["orders"].new == 300
        seen.append(with_store.everything())
        with_store.store.close()
    assert all(shown == seen[0] for shown in seen[1:])
    assert len(seen[0]["orders"]) == 300


def test_pictures_are_hashed_on_load_or_taken_as_given(market: Market) -> None:
    (market.folder / "evidence" / "deep").mkdir(parents=True)
    picture = Image.frombytes("L", (8, 8), bytes(n * n * 37 % 251 for n in range(64))).resize((200, 200))
    picture.save(market.folder / "evidence" / "a.png")
    picture.resize((120, 120)).convert("RGB").save(market.folder / "evidence" / "deep" / "b.jpg", quality=80)
    (market.folder / "evidence" / "c.png").write_bytes(b"no picture")
    market.put("orders.csv", orders({}))
    given = ["a.png", "deep/b.jpg", "00000000000000FF; 0000000000000001;00000000000000ff", "a.png;0123456789abcdef"]
    rows = [{**REFUND, "refund_id": f"r{n}", "evidence": text} for n, text in enumerate([*given, "c.png", ""])]
    market.put("refunds.csv", rows)
    market.load()
    stored = {row["refund_id"]: row["pictures"] for row in market.rows("refunds", "refund_id", "pictures")}
    (first,), (second,) = stored["r0"], stored["r1"]
    assert (int(first, 16) ^ int(second, 16)).bit_count() <= 6
    assert stored["r2"] == ["0000000000000001", "00000000000000ff"]
    assert stored["r3"] == sorted([first, "0123456789abcdef"])
    assert stored["r5"] is None
    assert [entry[1:] for entry in market.quarantine()] == [(6, "evidence", "c.png", "is no picture that can be read")]


def test_a_record_longer_than_a_block_and_a_line_break_at_its_edge_read_right(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {f"o{n}": "x" * (n * 37 % 400) + '"\n\n' + str(n) for n in range(60)}
    rows = orders(*({"order_id": name, "note_to_self": text} for name, text in expected.items()))
    text = csv_text(rows).encode()
    lines = []
    for size in (64, 100, 257, 1 << 20):
        monkeypatch.setattr(csvfile, "BLOCK_BYTES", size)
        path = market.put("orders.csv", text)
        with path.open("rb") as stream:
            frame = pl.concat(csvfile.frames(stream, lambda what, line: AssertionError((what, line)), list))
        assert dict(zip(frame["order_id"], frame["note_to_self"], strict=True)) == expected
        lines.append(frame["line"].to_list())
    assert lines[0] == [2 + 3 * n for n in range(60)]
    assert all(other == lines[0] for other in lines)


def test_a_column_that_is_kept_out_may_hold_anything(market: Market) -> None:
    rows = [{**row, "nested": {"a": [1, 2]}} for row in orders({})]
    pl.DataFrame(rows).write_parquet(market.folder / "orders.parquet")
    market.load()
    (market.folder / "orders.parquet").unlink()
    market.put("orders.jsonl", json.dumps(rows[0]))
    report = market.load()
    assert report.tables["orders"].unchanged == 1
    assert report.unknown == {"orders.jsonl": ["nested"]}


_FIELD = st.text(st.sampled_from('ab"\n,\r é路'), max_size=6)


@given(st.lists(st.tuples(_FIELD, _FIELD), max_size=12), st.sampled_from([16, 40, 1 << 20]), st.booleans())
def test_any_csv_that_pythons_writer_writes_reads_back_with_its_lines(
    rows: list[tuple[str, str]], size: int, windows: bool
) -> None:
    out = io.StringIO(newline="")
    # a carriage return belongs between quotes, which Python's writer leaves out where it sees no need
    quoting = csv.QUOTE_ALL if any("\r" in text for row in rows for text in row) else csv.QUOTE_MINIMAL
    writer = csv.writer(out, lineterminator="\r\n" if windows else "\n", quoting=quoting)
    writer.writerow(["a", "b"])
    lines = []
    for row in rows:
        lines.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfile, "BLOCK_BYTES", size)
        stream = io.BytesIO(out.getvalue().encode())
        frame = pl.concat(csvfile.frames(stream, lambda what, line: AssertionError((what, line)), list))
    assert frame.select("a", "b").rows() == [tuple(text or None for text in row) for row in rows]
    assert frame["line"].to_list() == lines


def test_what_is_remembered_between_batches_changes_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    market.put("orders.csv", _same_rows() + orders({"order_id": "bare"}))
    market.load()
    monkeypatch.setattr(pseudonyms, "REMEMBERED", 10)
    forgetful = Market(open_store(f"sqlite:///{tmp_path / 'other.db'}"), market.keyer, market.folder)
    forgetful.load(batch_rows=7)
    assert forgetful.everything() == market.everything()
    forgetful.store.close()


def test_reading_in_child_processes_changes_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    market.put("orders.csv", _same_rows())
    market.load()
    monkeypatch.setattr(loading, "HELPED_FROM", 1)
    monkeypatch.setattr(loading.os, "cpu_count", lambda: 3)
    helped = Market(open_store(f"sqlite:///{tmp_path / 'other.db'}"), market.keyer, market.folder)
    helped.load(batch_rows=50)
    assert helped.everything() == market.everything()
    helped.store.close()


def test_a_reader_that_dies_is_replaced_by_reading_here() -> None:
    reading = readers.Readers(1)
    try:
        (child,) = reading._children
        child.kill()
        child.wait()
        texts = [f"138 0000 {n:04}" for n in range(10)]
        assert readers.gathered(reading.ask("phone", texts)) == readers.read("phone", texts)
    finally:
        reading.close()


def test_a_reader_is_given_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_KEY", "a secret of more than thirty-two bytes")
    reading = readers.Readers(1)
    try:
        (child,) = reading._children
        environ = Path(f"/proc/{child.pid}/environ")
        if environ.exists():
            readers.gathered(reading.ask("phone", ["13800001234"]))
            assert b"RINGFENCE_KEY" not in environ.read_bytes()
    finally:
        reading.close()
