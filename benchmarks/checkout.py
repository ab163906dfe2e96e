"""`make bench-checkout`: purchaseLimit over HTTP on one core, by a client of its own on another.

The server is uvicorn (uvloop, httptools) pinned to one core; the client is this module, raw asyncio sockets with
keep-alive pinned to another core. Capacity is measured closed-loop (every connection asks again when answered);
latency open-loop: requests leave by a fixed timetable at half of 1,500 requests/s, and a latency counts from when the
request was due, so that a server that falls behind is not excused. With `--busy` loads and detections of the same
market run beside it, without pinning, as they would on the same host.

Most buyers asked about are not limited, some are, some have never been seen and come with identifiers. The same mixture
is then reserved (`reservePurchase`, every order another), and last by limited accounts alone, where every request needs
the store.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast
from urllib.request import urlopen

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.market import market
from graph.open import open_store

KEY = "benchmarks use a key of their own, and it guards nothing"
TARGET = 1_500
WARM_UP = 2_000
_BUSY_SECONDS = 300
_RESERVED_A_SECOND = 6_000
"""Reservations made ready for each second, so that hardly one is sent twice."""
CLIENT = f"asyncio raw sockets on uvloop, {Path(__file__).name}"
QUERY = """query Q($b: ID!, $s: ID!, $q: Int!, $a: Decimal!, $c: Currency!, $o: ID!, $i: PurchaseIdentifiers) {
  purchaseLimit(buyerId: $b, storeId: $s, quantity: $q, amount: $a, currency: $c, orderId: $o, identifiers: $i) {
    verdict reason scope status remainingOrders remainingAmount { amount currency } maxQuantity binding expiresAt runId
    stale countedUntil
  }
}"""

RESERVE = """mutation R($o: PurchaseOrder!) {
  reservePurchase(order: $o) { state changed expiresAt limit { verdict reason remainingOrders binding bindingOf } }
}"""


@dataclass(frozen=True)
class Load:
    """What one measurement saw: answers a second, latencies in milliseconds in rising order, failures, and the
    server's processor time an answer in microseconds, which other work on the host changes least."""

    rate: float
    latencies: list[float]
    failed: int
    processor: float

    def percentile(self, share: float) -> float:
        """The latency below which `share` of the answers stay, in milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def serve(url: str, port: int, core: int, as_of: int, ready: Connection) -> None:
    """The server's process: one core, the clock set to a minute after the run's as_of and going on from there."""
    os.sched_setaffinity(0, {core})
    import uvicorn

    from api.app import create_app
    from cli.serving import TURN, IdentifierKeyer
    from integrity.policy import default_policy
    from loaders.keying import Keyer

    shift = as_of + 60_000_000 - time.time_ns() // 1_000
    store = open_store(url)
    app = create_app(
        store,
        token_key=KEY,
        keyer=IdentifierKeyer(Keyer(KEY)),
        policy=default_policy(),
        now=lambda: time.time_ns() // 1_000 + shift,
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, loop="uvloop")
    server = uvicorn.Server(config)
    sys.setswitchinterval(TURN)

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        ready.send(server.started)
        while not ready.poll():
            await asyncio.sleep(0.1)
        server.should_exit = True
        await serving

    uvloop.run(run())
    store.close()


@dataclass(frozen=True)
class Server:
    """The server's process and port."""

    pid: int
    port: int

    def processor_seconds(self) -> float:
        """Processor time of the process so far."""
        numbers = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


class Caller(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[bytes] | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's derives from no class of asyncio

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: an answer is whole when its Content-Length has come."""
        self._data += data
        head, _, body = self._data.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"content-length: ")
        if length and len(body) >= int(length.partition(b"\r\n")[0]) and self.answer is not None:
            self._data = b""
            self.answer.set_result(head[9:12] + body)

    async def ask(self, request: bytes) -> bool:
        """Send a request and wait for its answer; whether it was a good one."""
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        answer = await self.answer
        return answer.startswith(b"200") and b'"errors"' not in answer


async def connect(port: int, count: int) -> list[Caller]:
    """So many open connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Caller, "127.0.0.1", port))[1] for _ in range(count)]


async def closed_loop(server: Server, requests: Sequence[bytes], seconds: float, connections: int) -> Load:
    """As many requests as the server takes."""
    callers = await connect(server.port, connections)
    latencies: list[float] = []
    failed = turn = 0
    start, processor = time.perf_counter(), server.processor_seconds()

    async def work(caller: Caller) -> None:
        nonlocal failed, turn
        while time.perf_counter() - start < seconds:
            turn += 1
            asked = time.perf_counter()
            failed += not await caller.ask(requests[turn % len(requests)])
            latencies.append((time.perf_counter() - asked) * 1_000)

    await asyncio.gather(*map(work, callers))
    rate = len(latencies) / (time.perf_counter() - start)
    close(callers)
    used = (server.processor_seconds() - processor) / len(latencies) * 1e6
    return Load(rate, sorted(latencies), failed, used)


async def open_loop(server: Server, requests: Sequence[bytes], seconds: float, rate: float, connections: int) -> Load:
    """Requests by a timetable of `rate` a second, whatever the answers take."""
    callers = await connect(server.port, connections)
    free: asyncio.Queue[Caller] = asyncio.Queue()
    for caller in callers:
        free.put_nowait(caller)
    latencies: list[float] = []
    failed = 0

    async def one(request: bytes, due: float) -> None:
        nonlocal failed
        caller = await free.get()
        failed += not await caller.ask(request)
        latencies.append((time.perf_counter() - due) * 1_000)
        free.put_nowait(caller)

    start, processor = time.perf_counter(), server.processor_seconds()
    tasks = []
    for number in range(int(seconds * rate)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)  # to the millisecond; what it oversleeps counts as latency
        tasks.append(asyncio.create_task(one(requests[number % len(requests)], due)))
    await asyncio.gather(*tasks)
    took = time.perf_counter() - start
    close(callers)
    used = (server.processor_seconds() - processor) / len(latencies) * 1e6
    return Load(len(latencies) / took, sorted(latencies), failed, used)


def close(callers: Sequence[Caller]) -> None:
    """Close the connections."""
    for caller in callers:
        if caller.transport is not None:
            caller.transport.close()


def raw_requests(
    url: str, token: str, count: int, *, reserve: bool = False, limited_only: bool = False
) -> tuple[list[bytes], str]:
    """Whole HTTP requests about buyers of the published run, in a fixed mixture or by limited accounts only, that ask
    or reserve; and the mixture in words."""
    store = open_store(url, create=False)
    run = store.head().run
    if run is None:
        raise SystemExit(f"{url} has no published run")
    decisions = store.run_rows(run, "run_decisions", columns=("buyer_id", "status"))
    limited: list[str] = []
    clear: list[str] = []
    for buyer, status in zip(decisions["buyer_id"].to_pylist(), decisions["status"].to_pylist(), strict=True):
        (limited if "LIMITED" in str(status) else clear).append(str(buyer))
    shops = store.run_rows(run, "run_rings", columns=("ring_id", "stores"))["stores"].to_pylist()
    store.close()
    stores = sorted({shop for found in shops for shop in found or ()}) or ["s"]
    draw = random.Random(7)
    requests = []
    for number in range(count):
        identifiers = None
        if limited and (limited_only or number % 20 == 0):
            buyer = draw.choice(limited)
        elif number % 20 == 1:
            buyer = f"never seen {number}"
            identifiers = {
                "device": f"device {number}",
                "phone": f"1380013{number % 10_000:04}",
                "address": f"浙江省杭州市西湖区文三路{number % 300 + 1}号3幢2单元501室",
            }
        else:
            buyer = draw.choice(clear)
        variables = {
            "b": buyer,
            "s": draw.choice(stores),
            "q": 1,
            "a": f"{draw.randrange(5, 500)}.00",
            "c": "CNY",
            "o": f"order {number}",
            "i": identifiers,
        }
        query = QUERY
        if reserve:
            named = zip(("buyerId", "storeId", "quantity", "amount", "currency", "orderId"), "bsqaco", strict=True)
            order = {name: variables[letter] for name, letter in named}
            query = RESERVE
            variables = {"o": {**order, "orderId": f"{limited_only} {number}", "identifiers": identifiers}}
        body = orjson.dumps({"query": query, "variables": variables})
        head = (
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests, "5 % limited accounts, 5 % never seen with three identifiers, 90 % others"


def prepared(buyers: int, folder: Path) -> str:
    """The URL of a store with a simulated market of so many buyers, loaded, detected and published."""
    url = f"sqlite:///{folder / 'store.db'}"
    source = market(buyers, 1, "default").folder
    ringfence(["load", str(source)], url)
    ringfence(["detect"], url)
    return url


def ringfence(arguments: Sequence[str], url: str) -> None:
    """One command to its end, on that store. Raises where it fails."""
    done = subprocess.run(_command(arguments), env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ringfence {arguments[0]} failed: {done.stderr.strip()[-2000:]}")


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-c", "from cli.main import main; main()", *arguments]


def _environment(url: str) -> dict[str, str]:
    return {**os.environ, "RINGFENCE_KEY": KEY, "RINGFENCE_STORE": url}


class Busy:
    """Loads and detections, one after the other, beside the measurement."""

    def __init__(self, url: str, buyers: int) -> None:
        self._source, self._environment = str(market(buyers, 2, "default").folder), _environment(url)
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work)
        self.done: list[str] = []
        """Commands that came to their end."""
        self._thread.start()

    def _work(self) -> None:
        cores = set(range(os.cpu_count() or 1))  # this process is pinned; the commands are not to be
        while not self._ended.is_set():
            for arguments in (["load", self._source], ["detect"]):
                self._process = subprocess.Popen(
                    _command(arguments), env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                os.sched_setaffinity(self._process.pid, cores)
                if self._process.wait() == 0:
                    self.done.append(arguments[0])
                if self._ended.is_set():
                    return

    def stop(self) -> None:
        """End it and the command under way; what that wrote stays invisible."""
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=60)


def as_of(url: str) -> int:
    """The instant up to which the published run looked."""
    store = open_store(url, create=False)
    head = store.head().run
    found = next(run.as_of for run in store.runs() if run.run_id == head)
    store.close()
    return found


def measure(url: str, seconds: float, *, cores: tuple[int, int], busy: int) -> tuple[list[tuple[str, Load]], str]:
    """Start the server, measure capacity and latency, stop it."""
    from api.tokens import Role, make_token

    at = as_of(url)
    token = make_token(KEY, Role.ORDER_SERVICE, subject="bench", now=time.time_ns() // 1_000, ttl=86_400)
    requests, mixture = raw_requests(url, token, 5_000)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours, theirs = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")
    server = spawn.Process(target=serve, args=(url, port, cores[0], at, theirs))
    server.start()
    try:
        if not ours.recv():
            raise SystemExit("the server did not start")
        os.sched_setaffinity(0, {cores[1]})
        running = Server(server.pid or 0, port)
        found = uvloop.run(_rounds(running, requests, seconds))
        for limited_only, whose in ((False, "the mixture"), (True, "limited accounts only")):
            count = int(seconds * _RESERVED_A_SECOND)
            orders, _ = raw_requests(url, token, count, reserve=True, limited_only=limited_only)
            load = uvloop.run(closed_loop(running, orders, seconds, 64))
            found.append((f"reserve, {whose}, 64 connections", load))
        with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            counts = orjson.loads(answer.read())["checkout"]
        mixture += f"; counted by the server: { {name: count for name, count in counts.items() if count} }"
        if busy:
            beside = Busy(url, busy)
            try:
                found.append(("open loop, busy", _beside(beside, Server(server.pid or 0, port), requests, seconds)))
            finally:
                beside.stop()
    finally:
        ours.send(True)
        server.join(timeout=30)
    return found, mixture


def _beside(beside: Busy, server: Server, requests: Sequence[bytes], seconds: float) -> Load:
    """Half load until a load and a detection have come to their end beside it; all rounds as one measurement."""
    rounds: list[Load] = []
    until = time.perf_counter() + _BUSY_SECONDS
    while not rounds or not {"load", "detect"} <= set(beside.done):
        if time.perf_counter() > until:
            raise SystemExit(f"no load and detection ended within {_BUSY_SECONDS} s: {beside.done}")
        rounds.append(uvloop.run(open_loop(server, requests, seconds, TARGET / 2, 64)))
    return Load(
        statistics.mean(load.rate for load in rounds),
        sorted(latency for load in rounds for latency in load.latencies),
        sum(load.failed for load in rounds),
        statistics.mean(load.processor for load in rounds),
    )


async def _rounds(server: Server, requests: Sequence[bytes], seconds: float) -> list[tuple[str, Load]]:
    await closed_loop(server, requests, WARM_UP / TARGET, 8)
    capacity = [await closed_loop(server, requests, seconds, 16) for _ in range(3)]
    middle = statistics.median_low([load.rate for load in capacity])
    closed = next(load for load in capacity if load.rate == middle)
    return [
        ("closed loop, 16 connections", closed),
        ("open loop", await open_loop(server, requests, seconds, TARGET / 2, 64)),
        ("open loop", await open_loop(server, requests, seconds, closed.rate / 2, 64)),
    ]


def main() -> None:
    """Measure and print the table; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="", help="URL of a store with a published run, made with the bench key")
    parser.add_argument("--buyers", type=int, default=60_000, help="size of the market where no store is given")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--busy", action="store_true", help="also measure while loads and detections run")
    options = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[-1])
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or prepared(options.buyers, Path(folder))
        found, mixture = measure(url, options.seconds, cores=cores, busy=options.buyers if options.busy else 0)
    table = Table(title=f"purchaseLimit over HTTP, server on core {cores[0]}, client on core {cores[1]}")
    for column in ("load", "requests/s", "p50 ms", "p99 ms", "max ms", "failed", "server µs"):
        table.add_column(column, justify="left" if column == "load" else "right")
    for name, load in found:
        cells = (load.percentile(0.5), load.percentile(0.99), load.latencies[-1])
        table.add_row(
            name, f"{load.rate:,.0f}", *(f"{cell:.2f}" for cell in cells), str(load.failed), f"{load.processor:.0f}"
        )
    console = Console()
    console.print(table)
    console.print(f"client: {CLIENT}; requests: {mixture}")
    misses = [
        f"{found[0][1].rate:,.0f} requests/s, wanted {TARGET:,}" if found[0][1].rate < TARGET else "",
        "p99 above 5 ms at half load" if found[1][1].percentile(0.99) > 5 else "",
        "p99 above 15 ms beside a load and a detection" if options.busy and found[-1][1].percentile(0.99) > 15 else "",
        "some requests failed" if any(load.failed for _, load in found) else "",
    ]
    if any(misses):
        raise SystemExit("; ".join(filter(None, misses)))


if __name__ == "__main__":
    main()
