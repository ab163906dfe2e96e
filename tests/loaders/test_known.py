"""Files loaded before are not read again, and nothing else is different for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from graph.errors import BadInput
from graph.leases import held
from graph.open import open_store
from graph.store import Store
from loaders import known
from loaders import load as loading
from loaders.keying import Keyer
from loaders.load import LEASE, load_folder
from loaders.report import LoadReport

NOW = 1_900_000_000_000_000
ORDERS = "order_id,buyer_id,store_id,placed_at,amount,phone\n"
FIRST = ORDERS + "o1,b1,s1,2026-01-02T00:00:00Z,10.00,13800000001\no2,b2,s1,2026-01-03T00:00:00Z,5.00,13800000002\n"
REFUNDS = "refund_id,order_id,requested_at,kind,amount\nr1,o1,2026-01-05T00:00:00Z,refund_only,3.00\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "orders.csv").write_text(FIRST)
    (folder / "refunds.csv").write_text(REFUNDS)
    return folder


def load(store: Store, folder: Path, **more: bool) -> LoadReport:
    return load_folder(store, Keyer("k" * 32), folder, now=NOW, **more)  # type: ignore[arg-type]  # reread alone


def amounts(store: Store) -> dict[str, int]:
    return {
        row["order_id"]: row["amount"]
        for batch in store.scan("orders", ("order_id", "amount"))
        for row in batch.to_pylist()
    }


def test_the_same_files_again_are_not_read(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(store, folder)
    assert not first.same
    monkeypatch.setattr(loading.Intake, "batches", lambda *_: pytest.fail("read again"))
    again = load(store, folder)
    assert again.same == {"orders.csv": 1, "refunds.csv": 1}
    assert again.tables["orders"].read == again.tables["orders"].unchanged == 2
    assert all(count.adds_up for count in again.tables.values())
    third = load(store, folder)
    assert third.same == {"orders.csv": 2, "refunds.csv": 2}, "and so on"
    assert "orders.csv: the same as in load 2, not read again" in third.lines()


def test_reread_reads_all_and_says_the_same(store: Store, folder: Path) -> None:
    load(store, folder)
    again = load(store, folder, reread=True)
    assert not again.same
    assert again.tables["orders"].unchanged == 2


def test_a_file_is_read_where_another_changed_its_table_since(store: Store, folder: Path) -> None:
    load(store, folder)
    (folder / "orders.csv").write_text(FIRST.replace("10.00", "11.00"))
    changed = load(store, folder)
    assert "orders.csv" not in changed.same
    (folder / "orders.csv").write_text(FIRST)
    back = load(store, folder)
    assert "orders.csv" not in back.same
    assert amounts(store) == {"o1": 1000, "o2": 500}, "the later load wins"


def test_a_refund_is_read_again_where_orders_changed(store: Store, folder: Path) -> None:
    load(store, folder)
    (folder / "orders.csv").write_text(FIRST.replace("10.00", "11.00"))
    load(store, folder)
    assert "refunds.csv" not in load(store, folder / ".").same or store.head().load == 3
    third = load(store, folder)
    assert third.same == {"orders.csv": 3, "refunds.csv": 3}


def test_rows_in_quarantine_are_tried_again(store: Store, folder: Path) -> None:
    (folder / "orders.csv").write_text(FIRST + "o3,b3,s1,2026-01-03T00:00:00Z,wrong,\n")
    assert load(store, folder).quarantined == 1
    again = load(store, folder)
    assert "orders.csv" not in again.same
    assert again.quarantined == 1


def test_a_refund_that_waits_for_its_order_is_tried_again(store: Store, folder: Path) -> None:
    (folder / "refunds.csv").write_text(REFUNDS + "r2,o9,2026-01-05T00:00:00Z,refund_only,3.00\n")
    load(store, folder)
    again = load(store, folder)
    assert set(again.same) == {"orders.csv"}
    assert again.waiting == 1


def test_a_claim_with_picture_files_is_read_again(store: Store, folder: Path) -> None:
    (folder / "evidence").mkdir()
    Image.new("RGB", (40, 40), "white").save(folder / "evidence" / "p.png")
    head, row = REFUNDS.splitlines()
    (folder / "refunds.csv").write_text(f"{head},evidence\n{row},p.png\n")
    assert load(store, folder).quarantined == 0
    assert set(load(store, folder).same) == {"orders.csv"}


def test_a_file_that_changes_while_it_is_loaded_is_not_known(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = loading.Writer.settle

    def late(self: loading.Writer) -> int:
        (folder / "orders.csv").write_text(FIRST.replace("10.00", "12.00"))
        return finish(self)

    with monkeypatch.context() as patched:
        patched.setattr(loading.Writer, "settle", late)
        load(store, folder)
    again = load(store, folder)
    assert not again.same
    assert amounts(store)["o1"] == 1200


def test_who_was_forgotten_is_not_brought_back(store: Store, folder: Path) -> None:
    (folder / "uses.csv").write_text("buyer_id,kind,value,used_at\nb1,phone,13800000001,2026-01-02T00:00:00Z\n")
    load(store, folder)
    with held(store, LEASE, "test") as lease:
        store.forget(lease, "b1")
    phones = store.find("orders", "order_id", ["o1", "o2"], columns=("phone",)).column("phone").to_pylist()
    assert phones.count(None) == 1
    assert set(load(store, folder).same) == {"orders.csv", "refunds.csv", "uses.csv"}
    assert store.find("orders", "order_id", ["o1", "o2"], columns=("phone",)).column("phone").to_pylist() == phones
    assert not sum(batch.num_rows for batch in store.scan("uses", ("use_id",)))


def test_other_code_or_another_mapping_reads_anew(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(store, folder)
    with monkeypatch.context() as patched:
        patched.setattr(known, "_code", lambda: "another version")
        assert not load(store, folder).same
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[tables.orders]\nfile = "orders.csv"\n')
    mapped = load_folder(store, Keyer("k" * 32), folder, now=NOW, mapping=mapping)
    assert not mapped.same
    assert set(load_folder(store, Keyer("k" * 32), folder, now=NOW, mapping=mapping).same) == set(mapped.files)


def test_a_known_file_does_not_hide_that_another_is_refused(store: Store, folder: Path) -> None:
    load(store, folder)
    (folder / "refunds.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"refunds\.csv"):
        load(store, folder)
    assert store.head().load == 1
