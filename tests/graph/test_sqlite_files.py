"""The SQLite file when something is wrong with it: each trouble has a plain message and harms nothing stored."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from graph.errors import StoreProblem
from graph.hashing import hashes
from graph.schema import BY_NAME, SCHEMA_VERSION
from graph.sqlite import SqliteStore, blocks, forget, loads, postings
from graph.sqlite import connection as connection_module
from graph.sqlite.ddl import MIGRATIONS, Migration
from graph.texts import text_digest
from tests.conformance.support import ids, key, leased, load, order, scan, table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_a_missing_file_is_made_with_its_folder_for_the_owner_alone(tmp_path):
    path = tmp_path / "deep" / "er" / "store.db"
    store = SqliteStore(path)
    load(store, orders=[order("o1")])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


@pytest.mark.parametrize("how", [{"create": False}, {"readonly": True}])
def test_a_missing_file_is_not_made_where_it_must_be_there(path, how):
    with pytest.raises(StoreProblem, match="there is no store"):
        SqliteStore(path, **how)
    assert not path.exists()


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(StoreProblem, match="folder"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_text_file_is_no_store_and_stays_as_it_was(path, readonly):
    path.write_text("order_id,buyer_id\n" * 500)
    with pytest.raises(StoreProblem, match="not a store"):
        SqliteStore(path, readonly=readonly)
    assert path.read_text() == "order_id,buyer_id\n" * 500


def test_another_programs_database_is_refused_and_stays_as_it_was(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE meta(bookmarks)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreProblem, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_damaged_page_is_said_to_be_damage_and_never_read_as_data(path):
    store = SqliteStore(path)
    load(store, orders=[order(f"o{n:05}") for n in range(3_000)])
    store.close()
    whole = path.read_bytes()
    at = whole.index(b"o00500o00501")
    path.write_bytes(whole[:at] + b"o00999" + whole[at + 6 :])
    store = SqliteStore(path)
    with pytest.raises(StoreProblem, match="damaged"):
        ids(store)
    store.close()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreProblem, match="damaged"):
        ids(SqliteStore(path))


def test_a_store_of_a_newer_version_is_refused_and_stays_as_it_was(path):
    newer = (*MIGRATIONS, Migration(SCHEMA_VERSION + 1, lambda _: None))
    store = SqliteStore(path, migrations=newer)
    load(store, orders=[order("o1")])
    store.close()
    for readonly in (False, True):
        with pytest.raises(StoreProblem, match=f"schema version {SCHEMA_VERSION + 1}.*newer Ringfence"):
            SqliteStore(path, readonly=readonly)
    assert ids(SqliteStore(path, migrations=newer)) == ["o1"]


def test_an_older_store_is_brought_forward_once_and_keeps_its_rows(path):
    store = SqliteStore(path)
    load(store, orders=[order("o1")])
    store.close()
    steps: list[int] = []

    def step(to: int) -> Migration:
        def apply(connection: sqlite3.Connection) -> None:
            steps.append(to)
            connection.execute(f"CREATE TABLE added_{to}(x)")

        return Migration(to, apply)

    newer = (*MIGRATIONS, step(SCHEMA_VERSION + 1), step(SCHEMA_VERSION + 2))
    with pytest.raises(StoreProblem, match="older version"):
        SqliteStore(path, migrations=newer, readonly=True)
    for _ in range(2):
        store = SqliteStore(path, migrations=newer)
        assert store.meta()["schema_version"] == str(SCHEMA_VERSION + 2)
        assert ids(store) == ["o1"]
        store.close()
    assert steps == [SCHEMA_VERSION + 1, SCHEMA_VERSION + 2]


def test_what_people_wrote_before_version_4_comes_into_one_journal(path):
    store = SqliteStore(path, migrations=MIGRATIONS[:3])
    for journal, name in (("appeal_texts", "appeal-1"), ("case_notes", "some digest"), ("audit", "a")):
        store.note(journal, [{"at": 5, "id": name, "body": json.dumps({"salt": "s", "text": f"words in {journal}"})}])
    store.close()
    store = SqliteStore(path)
    assert store.meta()["schema_version"] == str(SCHEMA_VERSION)
    found = {row["id"]: row for row in store.notes("texts").to_pylist()}
    assert sorted(found) == sorted(text_digest("s", f"words in {one}") for one in ("appeal_texts", "case_notes"))
    assert {row["at"] for row in found.values()} == {5}
    assert [store.notes(one).num_rows for one in ("appeal_texts", "case_notes", "audit")] == [0, 0, 1]


def test_no_byte_of_an_erased_note_stays_in_the_files(path):
    store = SqliteStore(path)
    store.note("texts", [{"at": 1, "id": str(n), "body": f"said {n} " * 2_000} for n in range(30)])
    store.note("acts", [{"at": 1, "id": "7", "body": "told of it " * 900}])
    assert b"said 7" in b"".join(one.read_bytes() for one in path.parent.glob("store.db*"))
    store.erase_notes("texts", ["7"])
    store.reword_notes("acts", {"7": "short"})
    store.scrub()
    held = b"".join(one.read_bytes() for one in path.parent.glob("store.db*"))
    assert b"said 7 " not in held
    assert b"told of it" not in held
    assert b"said 8 " in held


def test_a_migration_that_fails_leaves_the_store_at_its_version(path):
    load(SqliteStore(path), orders=[order("o1")])

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half_done(x)")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        SqliteStore(path, migrations=(*MIGRATIONS, Migration(SCHEMA_VERSION + 1, fails)))
    store = SqliteStore(path)
    assert store.meta()["schema_version"] == str(SCHEMA_VERSION)
    assert sqlite3.connect(path).execute("SELECT * FROM sqlite_master WHERE name = 'half_done'").fetchone() is None
    assert ids(store) == ["o1"]


def test_blocks_written_before_a_column_was_declared_read_it_as_null(path):
    store = SqliteStore(path)
    orders = BY_NAME["orders"]
    older = replace(orders, columns=tuple(column for column in orders.columns if column.name != "sku"))
    connection = sqlite3.connect(path, isolation_level=None)
    rows = table("orders", [order("o1", sku="x", amount=5)]).drop_columns(["sku"])
    blocks.append(connection, "default", older, rows, 0)
    connection.close()
    assert [(row["order_id"], row["sku"], row["amount"]) for row in scan(store)] == [("o1", None, 5)]


def test_a_full_disk_stops_the_load_and_harms_nothing_before_it(path):
    store = SqliteStore(path)
    load(store, orders=[order("o1", amount=1)])
    store.close()
    small = SqliteStore(path, max_bytes=path.stat().st_size + 200_000)
    lease = small.acquire("load", "me")
    number = small.begin_load(lease, source="x", at=1)

    def write_on() -> None:
        for at in range(100):
            rows = [order(f"o{at:03}{n:04}", device=key(n)) for n in range(1_000)]
            small.write(lease, number, "orders", table("orders", rows))

    with pytest.raises(StoreProblem, match="disk is full"):
        write_on()
    assert [(row["order_id"], row["amount"]) for row in scan(small)] == [("o1", 1)]
    small.release(lease)
    small.close()
    store = SqliteStore(path)
    load(store, orders=[order("o1", amount=2)])
    assert [row["amount"] for row in scan(store)] == [2]
    assert store.loads()[1].state == "swept"


def as_nobody(what: Callable[[], object]) -> str:
    """What the call says in a process without the superuser's rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            answer = repr(what())
        except Exception as error:  # noqa: BLE001  # told to the parent
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_read_only_file_is_read_and_not_written(shared):
    path = shared / "store.db"
    store = SqliteStore(path)
    load(store, orders=[order("o1")])
    store.close()
    path.chmod(0o444)
    shared.chmod(0o555)
    assert as_nobody(lambda: ids(SqliteStore(path, readonly=True))) == "['o1']"
    refused = as_nobody(lambda: SqliteStore(path))
    assert refused.startswith("StoreProblem")
    assert "can't be written" in refused


def test_a_read_only_folder_gets_no_store(shared):
    shared.chmod(0o555)
    refused = as_nobody(lambda: SqliteStore(shared / "store.db"))
    assert refused.startswith("StoreProblem")
    assert "can't be made" in refused
    assert "writable folder" in refused


def test_many_who_open_a_new_file_at_once_all_get_the_same_store(path):
    opened: list[SqliteStore] = []
    gate = threading.Barrier(12)

    def opener() -> None:
        gate.wait()
        opened.append(SqliteStore(path))

    threads = [threading.Thread(target=opener) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 12
    load(opened[0], orders=[order("o1")])
    assert all(ids(store) == ["o1"] for store in opened)


def test_the_bytes_of_what_was_forgotten_are_gone_from_the_files(path):
    store = SqliteStore(path)
    secret, shared_key = bytes(range(100, 116)), bytes(range(200, 216))
    claim = {"refund_id": "r1", "order_id": "o1", "requested_at": 1, "kind": "refund_only", "initiated_by": "buyer"}
    claim |= {"outcome": "pending", "pictures": ["fedcba9876543210"], "digest": 4}
    for amount in (1, 2):
        load(
            store,
            orders=[
                order("o1", "gone", device=secret, ip=shared_key, amount=amount),
                order("o2", "stays", ip=shared_key),
            ],
            refunds=[claim],
            uses=[{"use_id": "u1", "buyer_id": "gone", "kind": "phone", "key": secret, "used_at": 1, "digest": 1}],
            identifiers=[{"id": f"device:{secret.hex()}", "kind": "device", "key": secret, "masked": "pixel-…-93"}],
        )
    traces = [secret, secret.hex().encode(), b"fedcba9876543210", b"pixel-", b"u1"]

    def everything() -> bytes:
        return b"".join(file.read_bytes() for file in path.parent.iterdir())

    assert all(trace in everything() for trace in traces)
    with leased(store) as lease:
        store.forget(lease, "gone")
    assert not [trace for trace in traces if trace in everything()]
    assert shared_key in everything()


def test_a_reader_that_holds_the_old_state_keeps_it_and_forgetting_says_so(path, monkeypatch):
    monkeypatch.setattr(connection_module, "BUSY_SECONDS", 0.2)
    store, secret = SqliteStore(path), bytes(range(100, 116))
    load(store, orders=[order(f"o{n:04}", "gone", device=secret) for n in range(2_000)])
    batches = store.scan("orders", ["device"], batch=100)
    first = next(batches)
    with leased(store) as lease:
        with pytest.raises(StoreProblem, match="still lies in the log"):
            store.forget(lease, "gone")
        assert {row["device"] for row in scan(store)} == {None}
        held_state = [
            *first.column("device").to_pylist(),
            *(v for b in batches for v in b.column("device").to_pylist()),
        ]
        assert held_state == [secret] * 2_000
        store.forget(lease, "gone")
    assert not any(secret in file.read_bytes() for file in path.parent.iterdir())


def test_what_was_forgotten_leaves_no_trace_in_the_postings(path):
    store = SqliteStore(path)
    load(
        store,
        orders=[order(f"o{n}", f"b{n % 2}", device=key(n)) for n in range(3_000)],
        uses=[{"use_id": "u", "buyer_id": "b1", "kind": "device", "key": key(1), "used_at": 1, "digest": 1}],
    )
    with leased(store) as lease:
        store.forget(lease, "b1")
    connection = sqlite3.connect(path)

    def rows_of(name: str, column: str, value: object, type_: pa.DataType) -> int:
        return len(postings.lookup(connection, "default", name, column, hashes(pa.array([value], type_))))

    assert rows_of("orders", "device", key(2), pa.binary(16)) == 1
    assert rows_of("orders", "device", key(1), pa.binary(16)) == 0
    assert rows_of("orders", "buyer_id", "b1", pa.string()) == 1_500
    assert rows_of("uses", "key", key(1), pa.binary(16)) == 0
    assert rows_of("uses", "buyer_id", "b1", pa.string()) == 0
    assert rows_of("uses", "use_id", "u", pa.string()) == 0


def test_look_ups_stay_in_few_pieces_as_loads_add_up(path):
    store = SqliteStore(path)
    for number in range(80):
        load(store, orders=[order(f"o{number:03}", "b1", device=key(1))])
    pieces = (
        sqlite3.connect(path)
        .execute("SELECT count(*) FROM segments WHERE name = 'orders' AND col = 'device'")
        .fetchone()[0]
    )
    assert pieces <= 16
    assert store.find("orders", "device", [key(1)]).num_rows == 80


def test_a_store_can_be_used_from_threads_that_come_and_go(path):
    store = SqliteStore(path)
    load(store, orders=[order("o1")])
    seen: list[list[str]] = []
    for _ in range(30):
        thread = threading.Thread(target=lambda: seen.append(ids(store)))
        thread.start()
        thread.join()
    assert seen == [["o1"]] * 30


def test_readers_go_on_and_writers_wait_while_another_connection_writes(path):
    store = SqliteStore(path)
    load(store, orders=[order("o1")])
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM orders")
    took: list[bool] = []
    writer = threading.Thread(target=lambda: took.append(store.take("k", "w", 1, 1, "o1", now=0, expires_at=9).granted))
    writer.start()
    assert ids(store) == ["o1"]
    assert store.head().load == 1
    writer.join(timeout=0.3)
    assert took == []
    other.execute("ROLLBACK")
    writer.join()
    assert took == [True]
    assert ids(store) == ["o1"]


def test_values_whose_hashes_collide_are_still_told_apart(path, monkeypatch):
    for module in (loads, forget):
        monkeypatch.setattr(module, "hashes", lambda values: np.zeros(len(values), np.int64))
    store = SqliteStore(path)
    load(store, orders=[order(f"o{n:03}", f"b{n % 7}", device=key(n)) for n in range(2_000)])
    second = load(store, orders=[order("o001", "b1", device=key(5), amount=3)])
    assert len(ids(store)) == 2_000
    assert store.find("orders", "order_id", ["o001"]).column("amount").to_pylist() == [3]
    assert store.find("orders", "device", [key(5)]).column("order_id").to_pylist() == ["o001", "o005"]
    assert store.find("orders", "buyer_id", ["b3"]).num_rows == len(range(3, 2_000, 7))
    assert store.current("orders", ["o001", "none"], load=second).num_rows == 1
    with leased(store) as lease:
        assert store.forget(lease, "b3")["orders"] == len(range(3, 2_000, 7))
    assert store.find("orders", "device", [key(3)]).num_rows == 0
    assert store.find("orders", "device", [key(4)]).num_rows == 1


def test_a_load_counts_as_finished_though_tidying_up_after_it_fails(path, monkeypatch):
    store = SqliteStore(path)
    for number in range(7):
        load(store, orders=[order(f"o{number}")])
    monkeypatch.setattr(postings, "merge", lambda *_: raise_full())
    load(store, orders=[order("o7")])
    monkeypatch.undo()
    assert store.head().load == 8
    assert load(store, orders=[order("o8")]) == 9
    assert len(ids(store)) == 9


def raise_full() -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def test_a_write_that_an_interrupt_left_open_is_undone_by_the_next(path):
    """An interrupt may come at the very door of a transaction's end, which then never runs."""
    store = SqliteStore(path)
    left = store._connections.write().__enter__()
    left.execute("INSERT INTO meta(namespace, key, value) VALUES('default', 'left', 'open')")
    load(store, orders=[order("o1")])
    assert "left" not in store.meta()
    assert ids(store) == ["o1"]
    store.close()
    again = SqliteStore(path)
    assert "left" not in again.meta()
    again.close()


def test_a_passing_store_finds_rows_by_their_id_alone_and_is_read_whole(tmp_path):
    rows = [order(f"o{n:04}", f"b{n % 7}") for n in range(900)]
    kept, passing = (
        SqliteStore(tmp_path / f"{name}.sqlite", passing=name == "passing") for name in ("kept", "passing")
    )
    for store in (kept, passing):
        load(store, orders=rows)
    assert scan(passing) == scan(kept)
    by_id = [one.find("orders", "order_id", ["o0003", "o0899", "no"]).to_pylist() for one in (kept, passing)]
    assert by_id[0] == by_id[1]
    assert len(by_id[0]) == 2
    assert kept.find("orders", "buyer_id", ["b1"]).num_rows == 129
    with pytest.raises(ValueError, match="buyer_id"):
        passing.find("orders", "buyer_id", ["b1"])
    for store in (kept, passing):
        store.close()
