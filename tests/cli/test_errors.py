"""Every error is one line that names its cause, and an exit code of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import structlog

import cli.main
from cli.log import configure_log
from cli.reference import EXIT_CODES
from graph.store import Store
from tests.cli.conftest import Command


def test_a_missing_key_is_named_and_nothing_is_made(
    ringfence: Command, export: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGFENCE_KEY")
    ran = ringfence("load", export)
    assert ran.code == 5
    assert "RINGFENCE_KEY" in ran.err
    assert not (home / "store.db").exists()


def test_a_short_key_is_refused(ringfence: Command, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_KEY", "short")
    assert ringfence("load", export).code == 5


def test_another_key_than_the_stores_is_refused(
    ringfence: Command, export: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    assert ringfence("load", export).code == 0
    monkeypatch.setenv("RINGFENCE_KEY", "another key that is long enough too")
    assert ringfence("load", export).code == 5
    assert store.head().load == 1


def test_an_empty_folder_is_refused_with_what_was_looked_for(ringfence: Command, home: Path) -> None:
    (home / "empty").mkdir()
    ran = ringfence("load", home / "empty")
    assert ran.code == 3
    assert "orders" in ran.err


def test_a_store_that_is_not_there_is_not_made_by_looking(ringfence: Command, home: Path) -> None:
    for words in (("runs",), ("status",), ("detect",), ("export", "accounts", "a.csv"), ("explain", "account", "x")):
        ran = ringfence(*words)
        assert ran.code == 6, words
        assert "store.db" in ran.err
    assert not (home / "store.db").exists()


def test_a_store_of_another_kind_is_refused_without_its_password(ringfence: Command) -> None:
    ran = ringfence("status", "--store", "neo4j://me:hunter2@host/db")
    assert ran.code == 6
    assert "hunter2" not in ran.out + ran.err


def test_what_does_not_exist_is_not_found(ringfence: Command, export: Path) -> None:
    ringfence("load", export)
    for words in (("explain", "account", "x"), ("explain", "ring", "x"), ("publish", "run-x"), ("diff", "a", "b")):
        ran = ringfence(*words)
        assert ran.code == 8, words
        assert len(ran.err.strip().splitlines()) == 1
    assert ringfence("rollback").code == 8


def test_a_lease_that_another_holds_has_its_own_exit_code(ringfence: Command, export: Path, store: Store) -> None:
    ringfence("load", export)
    lease = store.acquire("run", "another process")
    ran = ringfence("detect")
    store.release(lease)
    assert ran.code == 4
    assert "another process" in ran.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("detect", "--as-of", "yesterday"), "--as-of"),
        (("detect", "--as-of", "2024-12-01T10:00:00"), "no offset"),
        (("detect", "--every", "often"), "--every"),
        (("detect", "--every", "1h", "--as-of", "2024-12-01"), "--every"),
        (("detect", "--policy", "gone.toml"), "gone.toml"),
        (("policy", "check", "gone.toml"), "gone.toml"),
        (("export", "accounts", "a.xlsx"), ".xlsx"),
        (("export", "rings", "a.csv", "--ring", "r"), "--ring"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(ringfence: Command, export: Path, words: Any, part: str) -> None:
    ringfence("load", export)
    ran = ringfence(*words)
    assert ran.code == 3
    assert part in ran.err


def test_a_wrong_command_line_is_exit_code_2(ringfence: Command) -> None:
    assert ringfence("detekt").code == 2
    assert ringfence("load").code == 2
    assert ringfence("detect", "--nonsense").code == 2
    assert ringfence("--help").code == 0
    assert ringfence("--version").out.startswith("ringfence ")


def test_a_form_of_log_that_does_not_exist_is_refused(ringfence: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_LOG", "morse")
    ran = ringfence("runs")
    assert ran.code == 3
    assert "RINGFENCE_LOG" in ran.err


def test_a_defect_is_told_in_one_line(ringfence: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("oops")

    monkeypatch.setattr("cli.runs.opened", broken)
    ran = ringfence("runs")
    assert ran.code == 70
    assert "unexpected KeyError" in ran.err
    assert "Traceback" not in ran.err


def test_an_interrupt_is_exit_code_130(ringfence: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.runs.opened", interrupted)
    assert ringfence("runs").code == 130


def test_every_exit_code_means_one_thing() -> None:
    codes = [code for code, _ in EXIT_CODES]
    assert sorted(codes) == codes
    assert len(set(codes)) == len(codes)
    assert all(meaning for _, meaning in EXIT_CODES)


def started(*words: str) -> subprocess.Popen[str]:
    """A command of its own that Ctrl-C stops, also where these tests run in the background of a shell, which lets all
    that it starts ignore it."""
    return subprocess.Popen(
        [sys.executable, "-c", "from cli.main import main; main()", *words],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  one system call, no lock
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_lets_go_of_what_it_holds(
    ringfence: Command, export: Path, store: Store, number: int, code: int
) -> None:
    ringfence("load", export)
    lease = store.acquire("run", "another process", ttl=60)
    process = started("detect", "--wait", "60")
    try:
        assert process.stderr is not None
        assert "another process" in process.stderr.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
    store.release(lease)
    assert process.returncode == code
    assert "interrupted" in err
    assert ringfence("detect").code == 0


@pytest.mark.parametrize(("stopped", "code"), [(KeyboardInterrupt, 130), (cli.main._Terminated, 143)])
def test_a_command_that_is_stopped_before_it_began_says_nothing(
    ringfence: Command, monkeypatch: pytest.MonkeyPatch, stopped: type[BaseException], code: int
) -> None:
    def stop(_: str) -> None:
        raise stopped

    monkeypatch.setattr("cli.main.application", stop)
    ran = ringfence("detect")
    assert (ran.code, ran.out, ran.err) == (code, "", "")


@pytest.mark.parametrize("form", ["lines", "json"])
def test_a_traceback_shows_nothing_that_variables_held(
    home: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    def fail(told: str) -> None:
        raise ValueError(len(told))

    configure_log({"RINGFENCE_LOG": form})
    letter = " ".join(["that", "was", "not", "me"])
    try:
        fail(letter)
    except ValueError:
        structlog.get_logger("test").exception("refresh failed")
    said = capsys.readouterr().err
    assert "ValueError: 15" in said
    assert letter not in said


def test_a_schedule_ends_cleanly_on_sigterm(ringfence: Command, export: Path, store: Store) -> None:
    assert ringfence("load", export).code == 0
    process = started("detect", "--every", "1h")
    try:
        deadline = time.monotonic() + 60
        while store.head().run is None and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert store.head().run is not None
    assert '"event": "stopped"' in err


def test_a_folder_that_holds_something_is_not_simulated_into(ringfence: Command, home: Path) -> None:
    (home / "taken").mkdir()
    (home / "taken" / "note.txt").write_text("mine")
    ran = ringfence("simulate", home / "taken", "--buyers", "50")
    assert ran.code == 3
    assert "taken" in ran.err
    assert (home / "taken" / "note.txt").read_text() == "mine"
