"""`python -m benchmarks.server`: what a load, a run and the checkout's counters cost on a real Neo4j server.

The server is this machine's own (`scripts.neo4j_server`) and shares its cores. Commands are processes of their own, as
in `benchmarks.speed`, whose floor stands beside them; look-ups and counters are timed in this process. `--bulk` times
the offline first load instead, into a server that was never started, until its constraints and indexes are there.
`--by-hand` puts a script's ways of loading, reading and publishing (`benchmarks.by_hand`) beside ours, on a server of
its own before it. `--repeats N` loads N times more, each time into the database emptied of every node, constraint and
index, and reads and publishes as often: a server that was just started spends a third of a load on compiling itself,
one that runs does not. Medians of the repeats stand beside the first.
Where others use the machine too, the processor seconds of server and client say more than the clock.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import by_hand, reservations
from benchmarks.speed import KEY, SIMULATE, floor_of, run
from graph.leases import held
from graph.open import open_store
from graph.reader import take_snapshot
from graph.store import Store
from scripts.neo4j_server import Server

HEAP = "2g"
MEMORY = {"server.memory.pagecache.size": "1g"}
LOOK_UPS = 500


def _spent(server: Server) -> float:
    """Processor seconds that the server has used, as Linux counts them."""
    counted = Path(f"/proc/{server.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(counted[11]) + int(counted[12])) / os.sysconf("SC_CLK_TCK")


def _children() -> float:
    """Processor seconds that processes which this one started, and theirs, had used when they ended."""
    used = os.times()
    return used.children_user + used.children_system


def _emptied(server: Server) -> None:
    """Take everything out of the database: nodes, relationships, constraints and indexes."""
    with server.driver() as driver, driver.session(database="neo4j") as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 20000 ROWS").consume()
        for kind in ("CONSTRAINT", "INDEX"):
            for name in session.run(f"SHOW {kind} YIELD name WHERE name STARTS WITH 'ringfence_'").value():
                session.run(f"DROP {kind} {name}").consume()


def _look_ups(store: Store, ids: list[str]) -> list[float]:
    taken = []
    for id_ in ids:
        start = time.perf_counter()
        store.find("orders", "order_id", [id_], columns=("order_id", "buyer_id"))
        taken.append((time.perf_counter() - start) * 1e6)
    return taken


def _switches(store: Store, run_id: str) -> float:
    """Milliseconds of publishing a run whose graph is drawn, the median of nine."""
    taken = []
    with held(store, "run", "benchmark") as lease:
        for _ in range(9):
            start = time.perf_counter()
            store.publish(lease, run_id, at=1)
            taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def _publication(store: Store, run_id: str, name: str) -> None:
    """Write the decisions of a run once more, as those of a run `name`, draw and publish it."""
    decisions = store.run_rows(run_id, "run_decisions")
    (known,) = (one for one in store.runs() if one.run_id == run_id)
    with held(store, "run", "benchmark") as lease:
        store.begin_run(lease, replace(known, run_id=name))
        store.write_run(lease, name, "run_decisions", decisions)
        store.finish_run(lease, name, state="complete", at=1)
        store.publish(lease, name, at=1)


def _bulk(ringfence: str, folder: str, env: dict[str, str]) -> dict[str, tuple[float, ...]]:
    """Seconds of the offline first load, whole and by part: the server is started when the command asks for it. Behind
    those of the whole, processor seconds of the server, and of the command with the import that it runs."""
    server = Server(heap=HEAP, settings=MEMORY)
    words = [
        ringfence,
        "load",
        folder,
        "--bulk",
        "--neo4j-home",
        str(server.home),
        "--wait",
        "600",
        "--store",
        server.url,
    ]
    parts: dict[str, tuple[float, ...]] = {}
    try:
        server.set_password()
        before = _children()
        start = time.perf_counter()
        with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith(("imported", "constraints")):
                    found = re.findall(r"[(,] ?([a-z ]*?) ?([0-9.]+) s", line)
                    parts |= {name or "constraints and indexes": (float(seconds),) for name, seconds in found}
                if line.startswith("start the server now"):
                    asked = time.perf_counter()
                    server.start()
                    parts["server start"] = (time.perf_counter() - asked,)
        whole = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{words[:4]} ended with {process.returncode}")
        spent = (whole, _spent(server), _children() - before)
    finally:
        server.stop()
    return {"bulk load, server start included": spent, **{f"of it: {name}": took for name, took in parts.items()}}


def _drawn(server: Server) -> str:
    """How many nodes and relationships stand in the database."""
    with server.driver() as driver:
        counts = [
            driver.execute_query(query, database_="neo4j").records[0][0]
            for query in ("MATCH (n) RETURN count(n)", "MATCH ()-[r]->() RETURN count(r)")
        ]
    return " + ".join(f"{count:,}" for count in counts)


def _by_hand(folder: Path) -> Iterator[tuple[str, str, float, float, float]]:
    """Each step by hand: what stands in the database then, seconds, and processor seconds of the server and of this
    process."""
    with Server(heap=HEAP, settings=MEMORY) as server, server.driver() as driver:
        steps: dict[str, Callable[[], int]] = {
            "load": lambda: by_hand.load(driver, folder),
            "snapshot": lambda: by_hand.read(driver),
            "write and publish decisions": lambda: by_hand.publish(driver),
        }
        for name, step in steps.items():
            before, start, own = _spent(server), time.perf_counter(), time.process_time()
            step()
            took = time.perf_counter() - start, _spent(server) - before, time.process_time() - own
            yield name, _drawn(server), *took


def _reservations() -> None:
    """The table of reservations alone, on an empty server."""
    table = Table(title="Reservations on Neo4j")
    for column in ("work", "measured"):
        table.add_column(column)
    with Server(heap=HEAP, settings=MEMORY) as server:
        store = open_store(server.url)
        for work, measured in reservations.rows(store):
            table.add_row(work, measured)
        store.close()
    Console(width=160).print(table)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", action="store_true", help="time reservations only")
    parser.add_argument("--bulk", action="store_true", help="time the offline first load instead")
    parser.add_argument("--no-reservations", action="store_true", help="leave reservations out")
    parser.add_argument("--by-hand", action="store_true", help="time what one would write by hand as well")
    parser.add_argument("--repeats", type=int, default=0, help="load, read and publish so many times more")
    parser.add_argument("--buyers", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.reservations:
        _reservations()
        return
    env = {**os.environ, "RINGFENCE_KEY": KEY}
    folder = run([sys.executable, "-c", SIMULATE, str(args.buyers), str(args.seed)], env)[1].strip().splitlines()[-1]
    ringfence = str(Path(sys.executable).with_name("ringfence"))
    with (Path(folder) / "orders.csv").open("rb") as file:
        orders = sum(1 for _ in file) - 1
    table = Table(title=f"On Neo4j: {args.buyers:,} accounts, {orders:,} orders")
    for column in ("work", "measured", "x floor", "orders/s", "cpu s: server", "client", "x floor's"):
        table.add_column(column, justify="right")

    def row(work: str, seconds: float, *cpu: float) -> None:
        spent = [f"{one:.1f}" for one in cpu] + [f"{sum(cpu) / floor_cpu:.0f}"] * bool(cpu)
        table.add_row(work, f"{seconds:.2f} s", f"{seconds / floor:.0f}", f"{orders / seconds:,.0f}", *spent)

    floor, floor_cpu = floor_of(folder, env)
    table.add_row("floor", f"{floor:.3f} s", "", "", "", f"{floor_cpu:.2f}")
    if args.bulk:
        for work, (seconds, *cpu) in _bulk(ringfence, folder, env).items():
            row(work, seconds, *cpu)
        Console(width=120).print(table)
        return
    if args.by_hand:
        for work, drawn, seconds, *cpu in _by_hand(Path(folder)):
            row(f"by hand: {work}", seconds, *cpu)
            table.add_row("  nodes + relationships then", drawn)
    with Server(heap=HEAP, settings=MEMORY) as server:
        env["RINGFENCE_STORE"] = server.url

        def timed(work: Callable[[], object]) -> tuple[float, ...]:
            before, start, own = _spent(server), time.perf_counter(), time.process_time()
            work()
            return time.perf_counter() - start, _spent(server) - before, time.process_time() - own

        def command(*words: str) -> tuple[float, ...]:
            before = _spent(server)
            took = run([ringfence, *words], env)[0]
            return took.wall, _spent(server) - before, took.cpu

        def often(work: str, first: tuple[float, ...], again: Callable[[int], tuple[float, ...]]) -> None:
            row(work, *first)
            repeats = [again(number) for number in range(args.repeats)]
            if repeats:
                row(f"  median of {args.repeats} more", *map(statistics.median, zip(*repeats, strict=True)))
                table.add_row("  each", ", ".join(f"{seconds:.1f}" for seconds, *_ in repeats))

        def load_again(_number: int) -> tuple[float, ...]:
            _emptied(server)
            return command("load", folder)

        often("load", command("load", folder), load_again)
        table.add_row("  nodes + relationships then", _drawn(server))
        row("load again", *command("load", folder))
        store = open_store(server.url)
        reading = partial(take_snapshot, store)
        often("snapshot", timed(reading), lambda _: timed(reading))
        row("detect, decide, write, publish", *command("detect"))
        head = store.head().run
        assert head is not None
        publishing = partial(_publication, store, head)
        often(
            "write, draw and publish decisions",
            timed(partial(publishing, "benchmark")),
            lambda number: timed(partial(publishing, f"benchmark {number}")),
        )
        table.add_row("switch to a run that is drawn", f"{_switches(store, head):.0f} ms", "", "")
        ids = take_snapshot(store).orders.ids
        taken = sorted(_look_ups(store, ids[:: max(1, orders // LOOK_UPS)].tolist()))
        table.add_row(
            "look-up of an order",
            f"p50 {taken[len(taken) // 2]:,.0f} µs, p99 {taken[-len(taken) // 100]:,.0f} µs",
            "",
            "",
        )
        for work, measured in () if args.no_reservations else reservations.rows(store):
            table.add_row(f"reservations, {work}", measured, "", "")
        store.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
