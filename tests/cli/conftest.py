"""How the command line is tested: through its own entry, with the environment of a fresh machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from cli.main import run
from cli.settings import SETTINGS
from graph.open import open_store
from graph.store import Store

KEY = "a key of the tests, long enough for it"


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with nothing in it and no setting but the key and the store."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("RINGFENCE_KEY", KEY)
    monkeypatch.setenv("RINGFENCE_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    structlog.reset_defaults()


@pytest.fixture
def ringfence(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line and tells its exit code and what it printed."""

    def command(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return command


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """The store that the commands use."""
    opened = open_store(f"sqlite:///{home / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def export(home: Path) -> Path:
    """A platform's export with two shops, and a small group with one device that claims everything."""
    folder = home / "export"
    folder.mkdir()
    orders, refunds = [], []
    for buyer in range(160):
        for n in range(4):
            order = f"o{buyer:02}-{n}"
            device = "farm-device-1" if buyer < 4 else f"device-{buyer}"
            placed_at = f"2024-11-{1 + (buyer + 5 * n) % 28:02}T1{n}:00:00Z"
            orders.append(f"{order},b{buyer:02},s{n % 2},{placed_at},2{buyer:02}.50,{device}")
            if buyer < 4 or (buyer == 9 and n == 0):
                refunds.append(f"r{buyer:02}-{n},{order},2024-12-0{1 + n}T09:0{buyer % 10}:00Z,refund_only")
    (folder / "orders.csv").write_text(
        "\n".join(["order_id,buyer_id,store_id,placed_at,amount,device_id", *orders]) + "\n"
    )
    (folder / "refunds.csv").write_text("\n".join(["refund_id,order_id,requested_at,kind", *refunds]) + "\n")
    return folder
