"""What the tests of bad input and faults share: a user's desk with a store, commands run here or as real processes, and
all that readers see of a store, to compare before and after."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import Request, urlopen

import polars as pl
import pyarrow as pa
import structlog

from cli.main import run
from cli.settings import SETTINGS
from graph.columns import arrow_schema
from graph.open import open_store
from graph.schema import BY_NAME, SOURCE_TABLES
from graph.store import Store

ROOT = Path(__file__).parents[2]
KEY = "a key of the tests, long enough for it"
TOKEN_KEY = "a token key of the tests, long enough"
EXPORTS = ("accounts", "rings", "evidence")
MISPLACED = "Traceback"
"""What no output of any command may hold."""

_PR_CAPBSET_DROP = 24
_RIGHTS_OVER_FILES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def told(self) -> str:
        """The one line of the error. Fails where there is another number of them."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("ringfence: ")]
        assert self.err.rstrip().endswith(line), self.err
        return line


@dataclass(frozen=True)
class Desk:
    """A user's desk: a folder with a store in it, and the settings of the commands."""

    folder: Path
    key: str = KEY

    @property
    def store(self) -> Path:
        return self.folder / "store.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.store}"

    @property
    def settings(self) -> dict[str, str]:
        return {
            "RINGFENCE_KEY": self.key,
            "RINGFENCE_TOKEN_KEY": TOKEN_KEY,
            "RINGFENCE_STORE": self.url,
            "HOME": str(self.folder),
        }

    def __call__(self, *words: object) -> Ran:
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        ours = {name: value for name, value in os.environ.items() if name not in {one.name for one in SETTINGS}}
        with (
            mock.patch.dict(os.environ, {**ours, **self.settings}, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = run([str(word) for word in words])
            finally:
                structlog.reset_defaults()
        assert MISPLACED not in out.getvalue() + err.getvalue()
        return Ran(code, out.getvalue(), err.getvalue())

    def done(self, *words: object) -> Ran:
        """Run a command that must succeed."""
        ran = self(*words)
        assert ran.code == 0, (words, ran.err)
        return ran

    def start(
        self, *words: object, prepare: Callable[[], object] | None = None, said: Path | None = None
    ) -> subprocess.Popen[str]:
        """Begin a command as a process of its own, in a session of its own. What it says goes to the file `said`, or
        into pipes."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        with said.open("w", encoding="utf-8") if said else contextlib.nullcontext(subprocess.PIPE) as to:
            return subprocess.Popen(
                [sys.executable, "-c", "from cli.main import main; main()", *map(str, words)],
                env={**ours, **self.settings, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=to,
                stderr=to,
                text=True,
                start_new_session=True,
                preexec_fn=prepare,  # noqa: PLW1509  two system calls, no lock
            )

    def process(self, *words: object, prepare: Callable[[], object] | None = None) -> Ran:
        """Run a command as a process of its own to its end."""
        return ended(self.start(*words, prepare=prepare))

    def exports(self, run_id: str | None = None) -> dict[str, bytes]:
        """The three exports of a run, as bytes."""
        files = {what: self.folder / f"seen-{what}.csv" for what in EXPORTS}
        for what, file in files.items():
            self.done("export", what, file, *(() if run_id is None else ("--run", run_id)))
        return {what: file.read_bytes() for what, file in files.items()}

    def opened(self) -> Store:
        """Its store, which must be there; the caller closes it."""
        return open_store(self.url, create=False)

    def seen(self) -> dict[str, Any]:
        """All that readers see: what is published, the three exports, and every visible row of every table."""
        store = self.opened()
        try:
            head = store.head()
            seen: dict[str, Any] = {"head": (head.load, head.run), **rows_of(store)}
        finally:
            store.close()
        return seen | self.exports() if head.run is not None else seen

    def rows(self) -> dict[str, Any]:
        """Every visible row of every table."""
        store = self.opened()
        try:
            return rows_of(store)
        finally:
            store.close()

    def copy(self, folder: Path) -> Desk:
        """The same desk in another folder, with a copy of the store."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in self.folder.glob("store.db*"):
            shutil.copy(part, folder / part.name)
        return replace(self, folder=folder)

    def holds(self, lease: str) -> bool:
        """Whether somebody holds that lease now."""
        return self._any("SELECT 1 FROM leases WHERE name = ? AND holder IS NOT NULL", lease)

    def writes_run(self) -> bool:
        """Whether a run has been begun that is not whole yet."""
        return self._any("SELECT 1 FROM runs WHERE state = ?", "building")

    def _any(self, query: str, value: str) -> bool:
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, (value,)).fetchone() is not None

    def let_leases_end(self) -> None:
        """Let the time pass after which the leases of a dead process end."""
        with contextlib.closing(sqlite3.connect(self.store)) as connection, connection:
            connection.execute("UPDATE leases SET expires_at = 1 WHERE holder IS NOT NULL")


def rows_of(store: Store) -> dict[str, pa.Table]:
    """Every visible row of every table of the platform's, and the identifiers."""
    names = [*(table.name for table in SOURCE_TABLES), "identifiers"]
    return {
        name: pa.Table.from_batches(store.scan(name, BY_NAME[name].names), arrow_schema(BY_NAME[name])).combine_chunks()
        for name in names
    }


def ended(process: subprocess.Popen[str], timeout: float = 240) -> Ran:
    """What a process did, once it has ended; one that doesn't end in time is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert MISPLACED not in out + err, err
    return Ran(process.returncode, out, err)


def until(process: subprocess.Popen[str], said: str) -> bool:
    """Wait until the process says a line that begins so on standard error; False where it ends before."""
    assert process.stderr is not None
    return any(line.startswith(said) for line in process.stderr)


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, and all that the process started with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def without_rights_over_files() -> None:
    """In a child before it begins: even the superuser is bound by file permissions from here on."""
    libc = ctypes.CDLL(None, use_errno=True)
    for right in _RIGHTS_OVER_FILES:
        if os.geteuid() == 0 and libc.prctl(_PR_CAPBSET_DROP, right, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the superuser's rights can't be laid down")


@contextlib.contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[bool]:
    """A file system of its own at `folder` for the body where this machine lets one be mounted; tells whether."""
    options = f"size={kib}k,mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=True)


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.001)


# -- rows to give ------------------------------------------------------------------------------------------------

ORDER = {
    "order_id": "given-1",
    "buyer_id": "given-buyer",
    "store_id": "given-store",
    "placed_at": "2024-12-01T12:00:00Z",
    "amount": "12.50",
}


def csv_of(rows: Sequence[Mapping[str, str]]) -> bytes:
    """CSV of rows of text, header included."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([{name: row.get(name) for name in names} for row in rows]).write_csv().encode()


def put(folder: Path, **tables: bytes | Sequence[Mapping[str, str]]) -> Path:
    """A folder of CSV files, one for each keyword, of bytes or of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else csv_of(content))
    return folder


def busiest(market: Path, most: int = 8) -> list[str]:
    """The stores of the market with the most orders."""
    counted = pl.read_csv(market / "orders.csv", infer_schema=False).group_by("store_id").len()
    return counted.sort("len", "store_id", descending=[True, False])["store_id"].head(most).to_list()


def gang(buyers: Sequence[str], stores: Sequence[str], *, mark: str, **more: str) -> dict[str, list[dict[str, str]]]:
    """Accounts that share a device, a door and a phone and claim refunds of everything at the same stores."""
    orders, refunds = [], []
    for at, buyer in enumerate(buyers):
        for turn in range(6):
            month, day = 5 + turn, 2 + (at * 4 + turn * 3) % 24
            order = {
                "order_id": f"{mark}-o{at}-{turn}",
                "buyer_id": buyer,
                "store_id": stores[(turn + at) % len(stores)],
                "placed_at": f"2024-{month:02}-{day:02}T{9 + at % 9:02}:10:00Z",
                "amount": "88.00",
                "device_id": f"{mark}-device",
                "phone": "13912345678",
                "address": "浙江省杭州市西湖区文三路478号翠苑小区3幢2单元501室",
                **more,
            }
            orders.append(order)
            refunds.append(
                {
                    "refund_id": f"{mark}-r{at}-{turn}",
                    "order_id": order["order_id"],
                    "requested_at": f"2024-{month:02}-{day + 4:02}T20:{at % 60:02}:00Z",
                    "kind": "refund_only",
                }
            )
    return {"orders": orders, "refunds": refunds}


# -- a server ------------------------------------------------------------------------------------------------------


class Server:
    """`ringfence serve` as a process of its own, and questions to it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.process = desk.start("serve", "--port", 0)
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        assert self.said.startswith("serving "), self.said + self.process.stderr.read()
        self.base = self.said.strip().rpartition(" at ")[2].removesuffix("/graphql")
        self._token = desk.done("token", "--role", "investigator", "--subject", "test").out.strip()

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The answer's data. Fails unless the answer is 200 and without errors."""
        request = Request(
            f"{self.base}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as response:
            assert response.status == 200
            answer = json.loads(response.read())
        assert not answer.get("errors"), answer
        data: dict[str, Any] = answer["data"]
        return data

    def health(self) -> dict[str, Any]:
        """What `/healthz` says. Fails unless it is 200."""
        with urlopen(f"{self.base}/healthz", timeout=60) as response:
            assert response.status == 200
            told: dict[str, Any] = json.loads(response.read())
            return told

    def end(self) -> Ran:
        """Stop it; what it said from beginning to end."""
        self.process.terminate()
        ran = ended(self.process, timeout=60)
        return replace(ran, err=self.said + ran.err)


@contextlib.contextmanager
def serving(desk: Desk) -> Iterator[Server]:
    """A server for the body."""
    server = Server(desk)
    try:
        yield server
    finally:
        kill(server.process)
