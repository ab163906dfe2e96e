"""One account with very many orders, one device with very many accounts: loading and detecting end, in bounded memory,
and sharing alone limits nobody. The small sizes run in every test run, the large ones by `make soak`."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from tests.faults.support import Desk, busiest, put

BUSY = "the buyer of very many orders"


def crowd(market: Path, folder: Path, *, orders: int, buyers: int) -> Path:
    """A folder with one buyer of `orders` orders and one device of `buyers` buyers, who claim
    as rarely as others do."""
    stores, draw = busiest(market), random.Random(7)
    rows = [(f"busy-{n:06}", BUSY, f"device-of-busy-{n % 3}") for n in range(orders)]
    for n in range(buyers):
        rows += [(f"crowd-{n:06}-{turn}", f"crowd-{n:06}", "the device of the crowd") for turn in (0, 1)]
    frame = pl.DataFrame(rows, schema=["order_id", "buyer_id", "device_id"], orient="row").with_columns(
        store_id=pl.Series(draw.choices(stores, k=len(rows))),
        minute=pl.Series([draw.randrange(300 * 24 * 60) for _ in rows]),
        amount=pl.Series([f"{draw.randrange(1000, 30000) / 100:.2f}" for _ in rows]),
        claims=pl.Series([draw.random() < 0.02 for _ in rows]),
    )
    start = pl.lit("2024-01-15").str.to_datetime(time_unit="us")
    placed = frame.with_columns(at=start + pl.duration(minutes="minute"))
    refunds = placed.filter("claims").select(
        refund_id=pl.format("claim-{}", "order_id"),
        order_id="order_id",
        requested_at=(pl.col("at") + pl.duration(days=4)).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind=pl.lit("return_refund"),
    )
    given = placed.select(
        "order_id",
        "buyer_id",
        "store_id",
        "amount",
        "device_id",
        placed_at=pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    return put(folder, orders=given.write_csv().encode(), refunds=refunds.write_csv().encode())


def judged(desk: Desk, file: Path) -> pl.DataFrame:
    """The account export, with which accounts are of the crowd."""
    desk.done("export", "accounts", file)
    return pl.read_parquet(file).with_columns(crowd=pl.col("buyer_id").str.starts_with("crowd-"))


def check_judged(accounts: pl.DataFrame, before: pl.DataFrame, buyers: int) -> None:
    """Nobody is limited for sharing or for buying much, and who was limited for good reason still is."""
    crowd_ = accounts.filter("crowd")
    assert crowd_.height == buyers
    assert crowd_.filter(pl.col("status").str.ends_with("LIMITED")).height == 0
    assert crowd_["ring_id"].null_count() == buyers
    busy = accounts.filter(buyer_id=BUSY).row(0, named=True)
    assert (busy["status"], busy["ring_id"]) == ("CLEAR", None)
    limited = set(before.filter(pl.col("status").str.ends_with("LIMITED"))["buyer_id"])
    still = set(accounts.filter(pl.col("status").str.ends_with("LIMITED"))["buyer_id"])
    assert limited
    assert len(limited & still) * 2 >= len(limited)


def test_a_buyer_of_5000_orders_and_a_device_of_3000_buyers_limit_nobody(
    desk: Desk, market: Path, tmp_path: Path
) -> None:
    before = judged(desk, tmp_path / "before.parquet")
    folder = crowd(market, tmp_path / "given", orders=5_000, buyers=3_000)
    assert desk.done("load", folder, "--json").json["tables"]["orders"]["new"] == 11_000
    assert desk.done("detect", "--json").json["state"] == "published"
    check_judged(judged(desk, tmp_path / "after.parquet"), before, 3_000)


@dataclass(frozen=True)
class Measured:
    """A command as a process: exit code, seconds, and the most memory it or a process of its own held, in MiB."""

    code: int
    seconds: float
    mib: float
    said: str


def measured(desk: Desk, *words: object, log: Path) -> Measured:
    """Run a command as a process of its own and measure it."""
    began = time.monotonic()
    process = desk.start(*words, said=log)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(process.returncode, time.monotonic() - began, usage.ru_maxrss / 1024, log.read_text("utf-8"))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_buyer_of_200000_orders_and_a_device_of_100000_buyers_end_in_bounded_memory(
    desk: Desk, market: Path, tmp_path: Path
) -> None:
    before = judged(desk, tmp_path / "before.parquet")
    folder = crowd(market, tmp_path / "given", orders=200_000, buyers=100_000)
    load = measured(desk, "load", folder, log=tmp_path / "load.log")
    detect = measured(desk, "detect", log=tmp_path / "detect.log")
    for what, one, most in (("load", load, 1024), ("detect", detect, 2048)):
        print(f"{what}: {one.seconds:.1f} s, {one.mib:,.0f} MiB")  # noqa: T201  asked for by `pytest -s`
        assert one.code == 0, one.said
        assert one.mib <= most
    check_judged(judged(desk, tmp_path / "after.parquet"), before, 100_000)
