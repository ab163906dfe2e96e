"""`make bench-speed`: time and memory of load and detect as ratios to a floor measured in the same run.

The floor is polars reading the same CSV files with every column as text. Each measurement is a process of its own,
so that seconds hold start-up and everything else a user waits for, and peak memory is that of the command alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.market import ROOT

KEY = "benchmarks use a key of their own, and it guards nothing"
FLOOR = """
import sys, time, pathlib, polars as pl
def read():
    start, spent = time.perf_counter(), time.process_time()
    for path in sorted(pathlib.Path(sys.argv[1]).glob('*.csv')):
        pl.read_csv(path, infer_schema=False)
    return time.perf_counter() - start, time.process_time() - spent
read()
print(*(sorted(column)[3] for column in zip(*(read() for _ in range(7)))))
"""
SIMULATE = """
import sys
from benchmarks.market import market
print(market(int(sys.argv[1]), int(sys.argv[2]), 'default').folder)
"""


@dataclass(frozen=True)
class Timing:
    """Wall seconds, processor seconds and peak resident memory (MiB) of one finished process."""

    wall: float
    cpu: float
    peak_mib: float


def run(command: list[str], env: dict[str, str]) -> tuple[Timing, str]:
    """Run a command to its end; its own accounting and its output. Raises where it fails."""
    start = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    wall = time.perf_counter() - start
    return Timing(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), output


def floor_of(folder: str, env: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of processors that the floor takes for these files, medians of seven."""
    wall, cpu = map(float, run([sys.executable, "-c", FLOOR, folder], env)[1].split())
    return wall, cpu


def measure(buyers: int, seed: int, repeats: int) -> dict[str, object]:
    """One market: the floor, the medians of a first load, a repeated load and a detection."""
    env = {**os.environ, "RINGFENCE_KEY": KEY}
    folder = run([sys.executable, "-c", SIMULATE, str(buyers), str(seed)], env)[1].strip().splitlines()[-1]
    floors: list[float] = []
    timings: dict[str, list[Timing]] = {"load": [], "load again": [], "detect": []}
    ringfence = str(Path(sys.executable).with_name("ringfence"))
    for _ in range(repeats):
        floors.append(floor_of(folder, env)[0])
        for old in Path(folder).parent.glob("speed.sqlite*"):
            old.unlink()
        store = ["--store", f"sqlite:///{Path(folder).parent / 'speed.sqlite'}"]
        timings["load"].append(run([ringfence, "load", folder, *store], env)[0])
        timings["load again"].append(run([ringfence, "load", folder, *store], env)[0])
        timings["detect"].append(run([ringfence, "detect", *store], env)[0])
    with (Path(folder) / "orders.csv").open("rb") as file:
        orders = sum(1 for _ in file) - 1
    return {
        "buyers": buyers,
        "orders": orders,
        "floor": statistics.median(floors),
        "floors": floors,
        **{
            name: {
                "wall": statistics.median(one.wall for one in many),
                "cpu": statistics.median(one.cpu for one in many),
                "peak_mib": max(one.peak_mib for one in many),
            }
            for name, many in timings.items()
        },
    }


def main() -> None:
    """Print the table and store it as .bench/speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, nargs="*", default=[60_000, 120_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    results = [measure(buyers, args.seed, args.repeats) for buyers in args.buyers]
    table = Table(title="Speed: medians; x floor = wall time over polars reading the same CSV files as text")
    for column in ("buyers", "orders", "work", "wall s", "cpu s", "x floor", "x half the market", "peak MiB"):
        table.add_column(column, justify="right")
    before: dict[str, object] = {}
    for result in results:
        floor = result["floor"]
        assert isinstance(floor, float)
        shape = (f"{result['buyers']:,}", f"{result['orders']:,}")
        table.add_row(*shape, "floor", f"{floor:.3f}", "", "1.0", "", "")
        for name in ("load", "load again", "detect"):
            one, half = result[name], before.get(name)
            assert isinstance(one, dict)
            growth = f"{one['wall'] / half['wall']:.2f}" if isinstance(half, dict) else ""
            times = f"{one['wall'] / floor:.1f}"
            table.add_row(
                *shape, name, f"{one['wall']:.2f}", f"{one['cpu']:.2f}", times, growth, f"{one['peak_mib']:.0f}"
            )
        before = result
    Console(width=120).print(table)
    ROOT.mkdir(exist_ok=True)
    (ROOT / "speed.json").write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    main()
