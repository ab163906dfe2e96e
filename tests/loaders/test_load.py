"""A whole load: idempotent, invisible until it is done, told about, and bound to the key."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graph.errors import BadInput, LeaseHeld, RingfenceError, StoreProblem
from graph.open import open_store
from graph.sqlite import SqliteStore
from loaders.keying import Keyer
from loaders.progress import Lines
from loaders.report import LoadReport
from tests.loaders.support import KEY, NOW, ORDER, REFUND, Market, csv_text, orders


def test_loading_twice_changes_nothing(market: Market) -> None:
    market.put("orders.csv", orders({"phone": "13800001234"}, {"address": "杭州市翠苑小区3幢2单元501室"}))
    market.put("refunds.csv", [{**REFUND, "note": "broken", "amount": "3.20", "return_tracking_no": "SF1234567890"}])
    first = market.load()
    seen = market.everything()
    second = market.load()
    assert first.tables["orders"].new == 2
    assert (second.tables["orders"].unchanged, second.tables["refunds"].unchanged) == (2, 1)
    assert (second.tables["orders"].new, second.tables["orders"].changed) == (0, 0)
    assert market.everything() == seen


def test_a_later_load_wins_and_counts_as_changed(market: Market) -> None:
    market.put("orders.csv", orders({}, {}))
    market.load()
    market.put("orders.csv", orders({"amount": "99"}, {}))
    count = market.load().tables["orders"]
    assert (count.new, count.changed, count.unchanged) == (0, 1, 1)
    assert [row["amount"] for row in market.rows("orders", "amount")] == [9900, 1250]


def test_rows_of_one_id_that_differ_in_one_load_are_all_quarantined(market: Market) -> None:
    market.put("orders/1.csv", orders({}, {"amount": "1"}))
    market.put("orders/2.csv", [{**ORDER, "order_id": "o2", "amount": "2"}, {**ORDER, "order_id": "o3"}])
    report = market.load(batch_rows=1)
    assert market.ids("orders") == ["o1", "o3"]
    assert [(entry[0], entry[1], entry[2], entry[3]) for entry in market.quarantine()] == [
        ("orders/1.csv", 3, "order_id", "o2"),
        ("orders/2.csv", 2, "order_id", "o2"),
    ]
    count = report.tables["orders"]
    assert (count.read, count.new, count.quarantined) == (4, 2, 2)
    assert count.adds_up


def test_a_conflict_leaves_what_was_stored_before_unharmed(market: Market) -> None:
    market.put("orders.csv", orders({}, {}))
    market.load()
    before = market.everything()
    market.put("orders.csv", [{**ORDER, "amount": "1"}, {**ORDER, "amount": "2"}])
    market.load()
    assert market.everything() == before


def test_equal_rows_twice_in_a_load_are_one(market: Market) -> None:
    market.put("orders.csv", orders({}, {"order_id": "o1"}))
    count = market.load().tables["orders"]
    assert (count.read, count.new, count.unchanged) == (2, 1, 1)


@pytest.mark.parametrize("turned", [False, True])
def test_with_updated_at_the_newest_row_wins_in_whatever_order(market: Market, turned: bool) -> None:
    days = ["2024-06-01T00:00:00Z", "2024-06-03T00:00:00Z", "2024-06-02T00:00:00Z"]
    rows = [{**ORDER, "amount": f"{n}", "updated_at": day} for n, day in enumerate(days, 1)]
    for row in rows[::-1] if turned else rows:
        market.put("orders.csv", [row])
        assert market.load().tables["orders"].adds_up
    assert [row["amount"] for row in market.rows("orders", "amount")] == [200]


def test_reports_add_up_and_read_back(market: Market) -> None:
    market.put("orders.csv", orders({}, {"amount": "x"}, {"order_id": "o1", "amount": "7"}))
    report = market.load()
    assert all(count.adds_up for count in report.tables.values())
    assert LoadReport.from_json(report.to_json()) == report
    (record,) = market.store.loads()
    assert json.loads(record.report)["tables"]["orders"]["read"] == 3
    assert any(line.split() == ["orders", "3", "0", "0", "0", "0", "3"] for line in report.lines())


def test_a_refund_without_its_order_waits_and_is_taken_up(market: Market) -> None:
    market.put("orders.csv", orders({}))
    market.put("refunds.csv", [REFUND, {**REFUND, "refund_id": "r2", "order_id": "later", "amount": "5.00"}])
    assert market.load().waiting == 1
    assert market.ids("refunds") == ["r1", "r2"]
    market.put("orders.csv", orders({"order_id": "later"}))
    assert market.load().waiting == 0


def test_a_waiting_amount_takes_the_decimals_of_the_order_that_arrives(market: Market) -> None:
    market.put("orders.csv", orders({}))
    late = {**REFUND, "amount": "500"}
    market.put(
        "refunds.csv", [{**late, "refund_id": "yen", "order_id": "y"}, {**late, "refund_id": "dinar", "order_id": "d"}]
    )
    market.load()
    (market.folder / "refunds.csv").rename(market.folder / "kept")
    market.put(
        "orders.csv",
        orders({"order_id": "y", "currency": "JPY", "amount": "900"}, {"order_id": "d", "currency": "KWD"}),
    )
    assert market.load().rescaled == 2
    amounts = {"yen": 500, "dinar": 500_000}
    assert {row["refund_id"]: row["amount"] for row in market.rows("refunds", "refund_id", "amount")} == amounts
    (market.folder / "kept").rename(market.folder / "refunds.csv")
    again = market.load()
    assert again.tables["refunds"].unchanged == 2
    assert {row["refund_id"]: row["amount"] for row in market.rows("refunds", "refund_id", "amount")} == amounts


def test_refund_and_line_amounts_are_in_their_orders_currency(market: Market) -> None:
    market.put("orders.csv", orders({"currency": "JPY", "amount": "900"}, {"currency": "KWD"}, {}))
    market.put("refunds.csv", [{**REFUND, "refund_id": f"r{n}", "order_id": f"o{n}", "amount": "7"} for n in (1, 2, 3)])
    market.put(
        "order_items.csv", [{"order_id": f"o{n}", "sku": "k", "quantity": "1", "amount": "7"} for n in (1, 2, 3)]
    )
    market.load()
    assert [row["amount"] for row in market.rows("refunds", "amount")] == [7, 7000, 700]
    assert [row["amount"] for row in market.rows("order_items", "amount")] == [7, 7000, 700]
    (market.folder / "orders.csv").unlink()
    assert market.load().tables["refunds"].unchanged == 3


def test_an_order_of_a_store_that_no_file_named_is_kept(market: Market) -> None:
    market.put("orders.csv", orders({"store_id": "nobody's"}))
    market.load()
    assert market.rows("orders", "store_id") == [{"store_id": "nobody's"}]


def test_another_key_is_refused_before_anything_is_written(market: Market) -> None:
    market.put("orders.csv", orders({}))
    market.load()
    before = market.everything()
    market.put("orders.csv", orders({}, {}))
    market.keyer = Keyer(KEY + "?")
    with pytest.raises(RingfenceError, match="key"):
        market.load()
    assert market.everything() == before
    assert len(market.store.loads()) == 1


def test_a_second_load_at_once_says_who_holds_the_lease(market: Market) -> None:
    market.put("orders.csv", orders({}))
    lease = market.store.acquire("load", "somebody else")
    with pytest.raises(LeaseHeld, match="somebody else"):
        market.load()
    market.store.release(lease)
    assert market.load().tables["orders"].new == 1


class _Stop:
    """Raises after some rows of a phase, as Ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.left, self.name = after, ""

    def phase(self, name: str, total: int | None) -> None:
        self.name = name

    def advance(self, rows: int) -> None:
        if self.name.startswith("orders"):
            self.left -= rows
            if self.left < 0:
                raise KeyboardInterrupt

    def close(self) -> None:
        pass


def test_an_interrupted_load_stays_invisible_and_the_next_one_starts_clean(market: Market) -> None:
    market.put("orders.csv", orders({}))
    market.load()
    before = market.everything()
    market.put("orders.csv", orders(*({"buyer_id": f"n{n}", "amount": "x" if n == 3 else "1"} for n in range(50))))
    with pytest.raises(KeyboardInterrupt):
        market.load(batch_rows=10, progress=_Stop(40))
    assert market.everything() == before
    assert market.quarantine() == []
    report = market.load()
    assert (report.tables["orders"].read, report.tables["orders"].quarantined) == (50, 1)
    assert len(market.ids("orders")) == 49
    assert [load.state for load in market.store.loads()] == ["finished", "swept", "finished"]


_CHILD = """
import sys
from pathlib import Path
from graph.open import open_store
from loaders.keying import Keyer
from loaders.load import load_folder
class Tell:
    def phase(self, name, total): self.name = name
    def advance(self, rows):
        if self.name == "orders.csv": print(rows, flush=True)
    def close(self): pass
url, key, folder, now = sys.argv[1:]
load_folder(open_store(url), Keyer(key), Path(folder), now=int(now), progress=Tell(), batch_rows=50)
"""


def test_a_killed_load_stays_invisible_and_the_next_one_takes_it_all(market: Market, tmp_path: Path) -> None:
    market.put("orders.csv", orders({"order_id": "first"}))
    market.load()
    before = market.everything()
    market.put("orders.csv", orders(*({"device_id": f"device number {n}"} for n in range(20_000))))
    command = [sys.executable, "-c", _CHILD, f"sqlite:///{tmp_path / 'store.db'}", KEY, str(market.folder), str(NOW)]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}) as child:
        assert child.stdout is not None
        for _ in range(20):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert market.everything() == before
    # the dead process's lease ends by itself; a store whose clock stands later takes it over
    later = SqliteStore(tmp_path / "store.db", url="sqlite:///store.db", clock=lambda: time.time() + 60)
    market.store.close()
    market.store = later
    assert market.load().tables["orders"].new == 20_000
    assert len(market.ids("orders")) == 20_001


def test_progress_is_told_in_plain_lines(market: Market) -> None:
    market.put("orders.csv", orders({}, {}))
    out = io.StringIO()
    market.load(progress=Lines(out, every=0.0))
    text = out.getvalue()
    assert "check files" in text
    assert "orders.csv: 2 rows" in text
    assert "rows/s" in text


def test_a_mapping_that_is_not_there_is_bad_input(market: Market) -> None:
    market.put("orders.csv", csv_text(orders({})))
    with pytest.raises(BadInput, match="cannot be read"):
        market.load(mapping=market.folder / "none.toml")


def test_a_full_disk_stops_the_load_and_what_was_stored_stays(market: Market, tmp_path: Path) -> None:
    market.put("orders.csv", orders({}))
    market.load()
    before = market.everything()
    market.store.close()
    size = (tmp_path / "store.db").stat().st_size
    market.store = SqliteStore(tmp_path / "store.db", max_bytes=size + 100_000)
    market.put("orders.csv", orders(*({"device_id": f"device number {n}", "buyer_id": f"n{n}"} for n in range(20_000))))
    with pytest.raises(StoreProblem):
        market.load(batch_rows=1000)
    assert market.everything() == before
    market.store.close()
    market.store = SqliteStore(tmp_path / "store.db")
    assert market.load().tables["orders"].read == 20_000


def test_a_read_only_store_refuses_the_load(market: Market, tmp_path: Path) -> None:
    market.put("orders.csv", orders({}))
    market.load()
    before = market.everything()
    market.store.close()
    market.store = open_store(f"sqlite:///{tmp_path / 'store.db'}", readonly=True)
    market.put("orders.csv", orders({}, {}))
    with pytest.raises(StoreProblem):
        market.load()
    assert market.everything() == before
