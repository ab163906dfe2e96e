"""Planted rings in a real background: the customers, baskets, times, prices and cancellations of `online_retail`.

The export is one retailer's, without identifiers. Each order goes to the department (the item number's first two
digits) that most of its value came from, which stands for a store. Devices, doors, networks, phones and cards are drawn
for all customers alike: households, a few crowded doors, networks of a hundred. Rings are customers of the data with
their real orders, to which come orders copied from other customers at random and claimed by plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.metrics import Longs
from simulator.draws import stream

DAY: Final = 86_400
SHARE: Final = 0.015
"""Planted abusers as a share of all customers."""
KINDS: Final = ("device", "door", "picture", "lockstep")
SHARED: Final = 0.75
"""How often a planted order shows what its ring shares."""
NOT_GOODS: Final = ("D", "M", "BANK CHARGES", "CRUK", "AMAZONFEE", "S", "B", "POST", "DOT")


def background(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Orders (order, customer, at, amount, quantity, store) and their first cancellation (order, at, amount)."""
    lines = (
        pl.read_parquet(path)
        .filter(pl.col("customerid").is_not_null() & (pl.col("unitprice") > 0) & ~pl.col("stockcode").is_in(NOT_GOODS))
        .with_columns(
            pl.col("customerid").cast(pl.Int64).alias("customer"),
            pl.col("invoicedate").dt.epoch("s").alias("at"),
            (pl.col("quantity").abs() * pl.col("unitprice")).alias("value"),
            pl.col("stockcode").str.slice(0, 2).alias("store"),
        )
    )
    bought = lines.filter(~pl.col("invoiceno").str.starts_with("C"))
    store = (
        bought.group_by("invoiceno", "store")
        .agg(pl.col("value").sum())
        .sort("invoiceno", "value", "store")
        .group_by("invoiceno", maintain_order=True)
        .agg(pl.col("store").last())
    )
    orders = (
        bought.group_by("invoiceno")
        .agg(pl.col("customer").min(), pl.col("at").min(), pl.col("value").sum(), pl.col("quantity").sum())
        .join(store, on="invoiceno")
        .sort("at", "invoiceno")
        .rename({"invoiceno": "order", "value": "amount"})
    )
    purchases = bought.select("customer", "stockcode", "at", pl.col("invoiceno").alias("order")).sort("at")
    back = (
        lines.filter(pl.col("invoiceno").str.starts_with("C"))
        .select("customer", "stockcode", "at", "value")
        .sort("at")
        .join_asof(purchases, on="at", by=["customer", "stockcode"], strategy="backward", check_sortedness=False)
        .drop_nulls("order")
        .group_by("order")
        .agg(pl.col("at").min(), pl.col("value").sum())
        .join(orders.select("order", "amount"), on="order")
        .with_columns(pl.min_horizontal("value", "amount").alias("amount"))
        .sort("at", "order")
    )
    return orders, back.select("order", "at", "amount")


def plant(orders: pl.DataFrame, back: pl.DataFrame, seed: int, home: Path) -> None:
    """Write a folder by the file contract, `home`/export, with rings planted from `seed`, and `home`/truth.csv."""
    rng = stream(seed, "retail")
    customers = orders["customer"].unique().sort()
    n = len(customers)
    number = dict(zip(customers.to_list(), range(n), strict=True))
    ring = _rings(rng, n)
    more = _planted(rng, orders, ring)
    every = pl.concat(
        [orders.with_columns(pl.col("customer").replace_strict(number), pl.lit(-1).alias("ring")), more],
        how="vertical_relaxed",
    )
    marks = _marks(rng, n, every["customer"].to_numpy(), every["ring"].to_numpy())
    table = every.select(
        pl.col("order").alias("order_id"),
        ("c" + pl.col("customer").cast(pl.String)).alias("buyer_id"),
        ("d" + pl.col("store")).alias("store_id"),
        pl.from_epoch("at", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00").alias("placed_at"),
        _money("amount"),
        pl.lit("GBP").alias("currency"),
        pl.col("quantity").cast(pl.Int64).clip(1, 10**6),
    ).with_columns(*(pl.Series(name, values) for name, values in marks.items()))
    claims = _claims(rng, back, more)
    (home / "export").mkdir()
    table.write_parquet(home / "export" / "orders.parquet")
    claims.write_parquet(home / "export" / "refunds.parquet")
    pl.DataFrame(
        {
            "buyer_id": [f"c{at}" for at in range(n)],
            "abuser": (ring >= 0).astype(int),
            "kind": [KINDS[one % len(KINDS)] if one >= 0 else "honest" for one in ring.tolist()],
            "ring_id": [str(one) if one >= 0 else "" for one in ring.tolist()],
        }
    ).write_csv(home / "truth.csv")


def _rings(rng: np.random.Generator, n: int) -> Longs:
    """(n,) ring of each customer, -1 for nearly all."""
    ring, chosen, at, number = np.full(n, -1, np.int64), rng.permutation(n), 0, 0
    while at < SHARE * n:
        size = 3 + int(rng.gamma(1.3, 3.0))
        ring[chosen[at : at + size]] = number
        at, number = at + size, number + 1
    return ring


def _planted(rng: np.random.Generator, orders: pl.DataFrame, ring: Longs) -> pl.DataFrame:
    """Orders that rings place to claim: copies of real ones, at days that the ring agreed on."""
    low, high = orders.select(low=pl.col("at").min(), high=pl.col("at").max()).row(0)
    stores = orders["store"]
    rows: list[tuple[str, int, int, float, float, str, int]] = []
    real = orders.select("amount", "quantity", "at").rows()
    for number in range(int(ring.max()) + 1):
        length = int(rng.integers(40, 150)) * DAY
        since = int(rng.integers(low, high - length - 20 * DAY))
        days = since + rng.integers(0, length, int(rng.integers(3, 8)))
        own = stores.sample(int(rng.integers(2, 6)), seed=int(rng.integers(2**31))).to_list()
        session_store = [own[int(rng.integers(len(own)))] for _ in days]
        for member in np.flatnonzero(ring == number).tolist():
            for _ in range(2 + int(rng.poisson(2.5))):
                day = int(rng.integers(len(days)))
                tight = KINDS[number % len(KINDS)] == "lockstep"
                amount, quantity, at = real[int(rng.integers(len(real)))]
                hour = int(days[day]) % DAY if tight else at % DAY
                spread = int(rng.integers(0, 9_000)) if tight else int(rng.normal(0, 1.2)) * DAY
                placed = int(days[day]) // DAY * DAY + hour + spread
                store = session_store[day] if tight else own[int(rng.integers(len(own)))]
                rows.append((f"p{len(rows)}", member, placed, amount, quantity, store, number))
    names = ("order", "customer", "at", "amount", "quantity", "store", "ring")
    return pl.DataFrame(rows, schema=list(names), orient="row").select(*orders.columns, "ring")


def _marks(rng: np.random.Generator, n: int, customer: Longs, ring: Longs) -> dict[str, list[str | None]]:
    """Identifiers of all orders: everybody's own, households', crowds'; and on planted orders the ring's."""
    house = np.arange(n)
    second = rng.permutation(n)[: n // 5]
    house[second] = rng.integers(0, n, len(second))
    crowd = rng.random(n) < 0.05
    door = np.where(crowd, n + rng.integers(0, 5, n), house)
    network = np.where(rng.random(n) < 0.4, n + rng.integers(0, max(1, n // 250), n), house)
    phone = np.where(rng.random(n) < 0.15, house, np.arange(n))
    card = np.where(rng.random(n) < 0.25, house, np.arange(n))
    device = 2 * np.where(rng.random(n) < 0.1, house, np.arange(n))
    kind = np.where(ring >= 0, ring % len(KINDS), -1)
    uses = rng.random(len(customer)) < SHARED
    devices = device[customer] + (rng.random(len(customer)) < 0.3)
    devices = np.where(uses & (kind == KINDS.index("device")), 10 * n + ring, devices)
    doors = np.where(uses & (kind == KINDS.index("door")), n + 10 + ring, door[customer])
    faint = (ring >= 0) & (rng.random(len(customer)) < 0.12)
    cards = np.where(faint, 10 * n + ring, card[customer])
    return {
        "device_id": [f"dev{value}" for value in devices.tolist()],
        "phone": [f"+4477{value:08d}" for value in phone[customer].tolist()],
        "payment_id": [f"card{value}" for value in cards.tolist()],
        "address": [_door(value) for value in doors.tolist()],
        "ip": [f"36.{v // 65536 % 256}.{v // 256 % 256}.{v % 256}" for v in network[customer].tolist()],
    }


def _door(value: int) -> str:
    """One of 28,800 doors of an estate."""
    value, building = divmod(value, 60)
    value, unit = divmod(value, 4)
    value, side = divmod(value, 4)
    return f"浙江省杭州市西湖区文三路8号翠湖花园{building + 1}幢{unit + 1}单元{value + 1}0{side + 1}室"


def _claims(rng: np.random.Generator, back: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Real cancellations and planted claims, with pictures drawn alike but for rings that recycle theirs."""
    planted = more.with_columns(pl.col("at") + pl.Series(rng.integers(DAY, 9 * DAY, more.height)))
    planted = planted.filter(pl.Series(rng.random(more.height) < 0.85))
    both = pl.concat(
        [back.with_columns(pl.lit(-1).alias("ring")), planted.select("order", "at", "amount", "ring")],
        how="vertical_relaxed",
    )
    size = both.height
    hashes = rng.integers(0, 2**64, size, dtype=np.uint64)
    ring = both["ring"].to_numpy()
    again = (ring >= 0) & (ring % len(KINDS) == KINDS.index("picture")) & (rng.random(size) < SHARED)
    common = rng.integers(0, 2**64, (int(ring.max()) + 1, 2), dtype=np.uint64)
    hashes[again] = common[ring[again], rng.integers(0, 2, int(again.sum()))]
    filed = rng.random(size) < 0.5
    return both.select(
        pl.Series("refund_id", [f"r{at}" for at in range(size)]),
        pl.col("order").alias("order_id"),
        pl.from_epoch("at", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00").alias("requested_at"),
        pl.Series("kind", np.where(rng.random(size) < 0.5, "refund_only", "return_refund")),
        _money("amount"),
        pl.Series(
            "evidence",
            [f"{value:016x}" if there else None for value, there in zip(hashes.tolist(), filed, strict=True)],
        ),
        pl.lit("approved").alias("outcome"),
    )


def _money(name: str) -> pl.Expr:
    minor = (pl.col(name).abs() * 100).round().cast(pl.Int64).clip(1, None)
    return pl.concat_str(minor // 100, pl.lit("."), (minor % 100).cast(pl.String).str.zfill(2)).alias(name)
