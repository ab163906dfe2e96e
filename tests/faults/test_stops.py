"""Commands that must stop: a full disk, a store that can't be written or is too new, Ctrl-C. Each stops with its exit
code and one line, and what was stored before is unharmed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from graph.leases import held
from graph.open import open_store
from graph.schema import SCHEMA_VERSION
from tests.faults.support import (
    Desk,
    Ran,
    busiest,
    ended,
    gang,
    put,
    small_disk,
    until,
    wait_for,
    without_rights_over_files,
)

# -- a full disk ---------------------------------------------------------------------------------------------------


class Full:
    """A desk whose disk has little room left: a small file system where one can be mounted here, else a limit on the
    size of the files that its processes may write."""

    def __init__(self, desk: Desk, *, mounted: bool, room_kib: int) -> None:
        self.desk, self._mounted, self._room_kib = desk, mounted, room_kib

    def run(self, *words: object) -> Ran:
        """A command as a process with too little room."""
        if self._mounted:
            return self.desk.process(*words)
        most = self._room_kib * 1024
        return self.desk.process(*words, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))

    def make_room(self) -> None:
        """Give the file system room."""
        if self._mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", str(self.desk.folder)], check=True)


@contextlib.contextmanager
def full(origin: Desk, folder: Path, room_kib: int, *, mount: bool) -> Iterator[Full]:
    """A copy of `origin` with that much room left on its disk."""
    folder.mkdir()
    size_kib = sum(part.stat().st_size for part in origin.folder.glob("store.db*")) // 1024
    with small_disk(folder, size_kib + room_kib) if mount else contextlib.nullcontext(False) as mounted:
        yield Full(origin.copy(folder), mounted=mounted, room_kib=room_kib)


@pytest.mark.parametrize("mount", [True, False], ids=["small file system", "file size limit"])
def test_a_disk_that_fills_up_stops_the_load_and_harms_nothing(
    published: Desk, second_market: Path, undisturbed: Desk, tmp_path: Path, mount: bool
) -> None:
    with full(published, tmp_path / "disk", 1024, mount=mount) as small:
        ran = small.run("load", second_market)
        assert ran.code == 6
        assert "store.db" in ran.told
        assert "disk is full" in ran.told or "check the disk" in ran.told
        small.make_room()
        small.desk.let_leases_end()
        assert small.desk.seen() == published.seen()
        small.desk.done("load", second_market)
        assert small.desk.rows() == undisturbed.rows()


def test_a_disk_that_fills_up_stops_detection_and_readers_keep_the_published_run(
    loaded_twice: Desk, undisturbed: Desk, tmp_path: Path
) -> None:
    with full(loaded_twice, tmp_path / "disk", 150, mount=True) as small:
        ran = small.run("detect")
        assert ran.code == 6
        assert "store.db" in ran.told
        small.make_room()
        small.desk.let_leases_end()
        assert small.desk.seen() == loaded_twice.seen()
        small.desk.done("detect")
        assert small.desk.exports() == undisturbed.exports()


def test_an_export_to_a_full_disk_leaves_the_file_as_it_was(published: Desk, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 16) as mounted:
        file = disk / "accounts.csv"
        file.write_text("an earlier export\n")
        most = 16 * 1024
        limit = None if mounted else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        ran = published.process("export", "accounts", file, prepare=limit)
        assert ran.code == 6
        assert "accounts.csv" in ran.told
        assert file.read_text() == "an earlier export\n"
        assert [path.name for path in disk.iterdir()] == ["accounts.csv"]


def test_an_answer_to_a_full_disk_is_told_in_one_line(published: Desk) -> None:
    ran = published.process("runs", "--json", prepare=lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 1))
    assert ran.code == 1
    assert ran.err == (
        "ringfence: the disk that the output goes to is full; free some space and run the command again\n"
    )


# -- a store that can't be written, or is too new -----------------------------------------------------------------


def test_a_read_only_store_refuses_what_writes_and_answers_what_reads(desk: Desk, tmp_path: Path, market: Path) -> None:
    before = desk.seen()
    rings = tmp_path / "rings.csv"
    desk.store.chmod(0o444)
    desk.folder.chmod(0o555)
    try:
        for words in (("load", market), ("detect",)):
            ran = desk.process(*words, prepare=without_rights_over_files)
            assert ran.code == 6, words
            assert "can't be written" in ran.told
            assert "make the file and its folder writable" in ran.told
        assert desk.process("export", "rings", rings, prepare=without_rights_over_files).code == 0
    finally:
        desk.folder.chmod(0o755)
        desk.store.chmod(0o600)
    assert rings.read_bytes() == before["rings"]
    assert desk.seen() == before


def test_a_store_of_a_newer_version_refuses_every_command_and_stays_as_it_was(desk: Desk, market: Path) -> None:
    before = desk.seen()
    _set_version(desk, SCHEMA_VERSION + 1)
    held = desk.store.read_bytes()
    words = (("load", market), ("detect",), ("status",), ("export", "rings", desk.folder / "r.csv"), ("runs",))
    for one in words:
        ran = desk(*one)
        assert ran.code == 6, one
        assert "newer Ringfence" in ran.told
        assert "store.db" in ran.told
    assert desk.store.read_bytes() == held
    _set_version(desk, SCHEMA_VERSION)
    assert desk.seen() == before


def _set_version(desk: Desk, version: int) -> None:
    with contextlib.closing(sqlite3.connect(desk.store)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(version),))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# -- Ctrl-C --------------------------------------------------------------------------------------------------------


def _interrupt(process: subprocess.Popen[str]) -> Ran:
    """Ctrl-C as a terminal gives it: to the process and all that it started in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    return ended(process, timeout=60)


def test_ctrl_c_stops_a_load_at_once_and_the_next_command_works(desk: Desk, tmp_path: Path) -> None:
    before = desk.seen()
    # enough rows that identifiers are read by processes of their own
    uses = pl.DataFrame({"number": range(400_000)}).select(
        buyer_id=pl.format("given-{}", pl.col("number") % 20_000),
        kind=pl.lit("device"),
        value=pl.format("device of the test {}", "number"),
        used_at=pl.lit("2024-12-01T00:00:00Z"),
    )
    folder = put(tmp_path / "given", uses=uses.write_csv().encode())
    process = desk.start("load", folder)
    wait_for(lambda: desk.holds("load") or process.poll() is not None)
    time.sleep(0.1)
    ran = _interrupt(process)
    assert ran.code == 130
    assert ran.told == "ringfence: interrupted; nothing unfinished is visible"
    assert ran.out == ""
    assert desk.seen() == before
    assert desk.done("load", folder, "--json").json["tables"]["uses"]["new"] == 400_000


@pytest.mark.parametrize("writing", [False, True], ids=["while detecting", "while the run is written"])
def test_ctrl_c_stops_detection_at_once_and_the_next_command_works(
    loaded_twice: Desk, undisturbed: Desk, tmp_path: Path, writing: bool
) -> None:
    desk = loaded_twice.copy(tmp_path / "desk")
    process = desk.start("detect")
    if writing:
        wait_for(lambda: desk.writes_run() or process.poll() is not None)
    else:
        assert until(process, "detecting")
    ran = _interrupt(process)
    # once it is being written, the run may be whole and published, and the command over, before the interrupt arrives
    over = writing and desk.exports() == undisturbed.exports()
    if over:
        assert ran.code in (0, 130, -signal.SIGINT)
    else:
        assert ran.code == 130
        assert ran.told == "ringfence: interrupted; nothing unfinished is visible"
        assert ran.out == ""
    assert over or desk.exports() == loaded_twice.exports()
    assert desk.rows() == loaded_twice.rows()
    desk.done("detect")
    assert desk.exports() == undisturbed.exports()


def test_ctrl_c_while_a_command_waits_for_another_leaves_the_other_alone(
    desk: Desk, tmp_path: Path, market: Path
) -> None:
    store = open_store(desk.url)
    with held(store, "load", "somebody else"):
        process = desk.start("load", market, "--wait", 60)
        assert until(process, "waiting: ")
        ran = _interrupt(process)
        assert desk.holds("load")
    store.close()
    assert ran.code == 130
    assert desk.done("load", put(tmp_path / "given", **gang(["g1"], busiest(market), mark="g"))).code == 0
