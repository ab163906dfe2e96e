"""Put an adversary's rings into a market's export: rows copied from honest people's, so nothing else gives them away.

Each claim is a copy of somebody's refund-only claim and its order: store, item, price, delivery, delay, reason and
number of pictures are theirs; account, day and identifiers are the ring's. Camouflage copies orders without a claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from benchmarks.evasion.tactics import Spent, Tactic
from simulator.words import CITIES, FIRST, GIVEN, SECOND, SURNAMES

KNOWN: Final = timedelta(days=100)
"""Age of what a ring can know of a person that it frames; it begins later."""
ISO: Final = "%Y-%m-%dT%H:%M:%S%z"
TIMES: Final = {"orders": ("placed_at", "signed_at"), "refunds": ("requested_at", "outcome_at")}
Tables = dict[str, pl.DataFrame]


@dataclass
class Templates:
    """Honest rows to copy: refund-only `claims` with their orders, `returns`, orders that nobody claimed (`plain`); and
    who may be framed: buyer, a writing of its door with name and number, a parcel that it sent back, all of which the
    platform has known for `KNOWN`: a ring can only write what it has seen."""

    claims: list[tuple[dict[str, Any], dict[str, Any]]]
    returns: list[tuple[dict[str, Any], dict[str, Any]]]
    plain: list[dict[str, Any]]
    victims: list[dict[str, Any]]


@dataclass
class Planted:
    """What was added. `rings` hold account ids, `framed` the innocent."""

    rings: list[list[str]] = field(default_factory=list)
    framed: list[str] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"buyers": [], "orders": [], "refunds": []})


def templates(tables: Mapping[str, pl.DataFrame], guilty: set[str], rng: np.random.Generator) -> Templates:
    """Rows of people who are no abusers; victims have two claims or more, one of them a return with a parcel."""
    orders = tables["orders"].filter(~pl.col("buyer_id").is_in(guilty) & (pl.col("currency") == "CNY"))
    claims = tables["refunds"].filter(pl.col("initiated_by") == "buyer")
    both = claims.join(orders.select("order_id", "buyer_id"), on="order_id")
    by_id = {
        row["order_id"]: row for row in orders.filter(pl.col("order_id").is_in(both["order_id"].implode())).to_dicts()
    }
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {"refund_only": [], "return_refund": []}
    for row in both.drop("buyer_id").to_dicts():
        found[row["kind"]].append((by_id[row["order_id"]], row))
    line = _text(time_of(tables["orders"].select(pl.col("placed_at").max()).item()) - KNOWN)
    old = both.filter(pl.col("requested_at") < line).group_by("buyer_id", maintain_order=True)
    sent = old.agg(pl.col("return_tracking_no").drop_nulls().first()).drop_nulls()
    often = both.group_by("buyer_id").len().filter(pl.col("len") >= 2).join(sent, on="buyer_id")
    before = orders.filter(pl.col("placed_at") < line).sort("placed_at", "order_id")
    door = before.group_by("buyer_id").agg(pl.col("address", "recipient", "phone").last())
    victims = often.join(door, on="buyer_id").sort("buyer_id").to_dicts()
    victims = [victims[at] for at in rng.permutation(len(victims)).tolist()]
    plain = orders.filter(~pl.col("order_id").is_in(claims["order_id"].implode())).to_dicts()
    return Templates(found["refund_only"], found["return_refund"], plain, victims)


def add_ring(rng: np.random.Generator, tactic: Tactic, stock: Templates, end: datetime, planted: Planted) -> None:
    """Plan one ring and append its rows. `end` is the instant at which the export was made."""
    ring = _Ring(rng, tactic, stock, end, planted)
    for member in ring.members:
        ring.sign_up(member)
        for _ in range(tactic.claims):
            ring.claim(member)
        for _ in range(int(rng.poisson(tactic.camouflage * tactic.claims))):
            ring.buy(member)
    ring.settle()


class _Ring:
    """A ring at work: its plan, and what it has used so far."""

    def __init__(
        self, rng: np.random.Generator, tactic: Tactic, stock: Templates, end: datetime, planted: Planted
    ) -> None:
        self.rng, self.tactic, self.stock, self.end, self.planted = rng, tactic, stock, end, planted
        number = len(planted.rings)
        self.members = [f"adv{number:03d}x{rng.integers(2**40):010x}" for _ in range(tactic.accounts)]
        common = _identity(rng)
        self.marks = {member: _mix(rng, tactic, _identity(rng), common) for member in self.members}
        self.picture = f"{rng.integers(2**63):016x}" if tactic.same_picture else None
        self.begin = end - timedelta(days=tactic.days + 5)
        self.days = [self._any_day() for _ in range(tactic.sessions)]
        self.pool = stock.claims
        if tactic.stores:
            stores = {stock.claims[int(rng.integers(len(stock.claims)))][0]["store_id"] for _ in range(tactic.stores)}
            self.pool = [pair for pair in stock.claims if pair[0]["store_id"] in stores]
        self.victim = stock.victims[number] if tactic.frame_door or tactic.frame_parcel else None
        self.returns = tactic.frame_parcel
        self.used: dict[str, set[str]] = {name: set() for name in ("phone", "device_id", "address", "payment_id")}
        self.spent = Spent(accounts=tactic.accounts)

    def sign_up(self, member: str) -> None:
        opened = self.begin - timedelta(days=float(self.rng.uniform(1, 300)))
        self.planted.rows["buyers"].append({"buyer_id": member, "registered_at": _text(opened)})

    def claim(self, member: str) -> None:
        """Copy somebody's claim: refund-only, or a return where parcels are used to frame."""
        back = self.returns > 0
        source = self.stock.returns if back else self.pool
        order, claim = source[int(self.rng.integers(len(source)))]
        row = self._order(order, member, min(self._day(), self.end - timedelta(days=4)), self.tactic.frame_door)
        filed = _follow(claim, order, row, self.end)
        filed |= {"refund_id": f"{row['order_id']}r", "order_id": row["order_id"]}
        filed["evidence"] = _pictures(self.rng, filed["evidence"], self.picture)
        if back and self.victim is not None:
            filed["return_tracking_no"] = self.victim["return_tracking_no"]
            self.returns -= 1
        elif filed["return_tracking_no"] is not None:
            filed["return_tracking_no"] = f"SF{self.rng.integers(10**12):012d}"
        self.planted.rows["refunds"].append(filed)
        self.spent += Spent(claims=1, refunded=float(filed["amount"]))

    def buy(self, member: str) -> None:
        """An honest order as camouflage."""
        order = self.stock.plain[int(self.rng.integers(len(self.stock.plain)))]
        self._order(order, member, self._any_day(), 0.0)
        self.spent += Spent(honest_orders=1, honest_yuan=float(order["amount"]))

    def settle(self) -> None:
        """Hand over what was planted."""
        used = {name: len(values) for name, values in self.used.items()}
        self.spent += Spent(0, used["phone"], used["device_id"], used["address"], used["payment_id"])
        self.planted.rings.append(self.members)
        if self.victim is not None:
            self.planted.framed.append(self.victim["buyer_id"])
        self.planted.spent += self.spent

    def _any_day(self) -> datetime:
        return self.begin + timedelta(days=float(self.rng.uniform(0, self.tactic.days - 1)))

    def _day(self) -> datetime:
        if not self.days:
            return self._any_day()
        return self.days[int(self.rng.integers(len(self.days)))] + timedelta(days=float(self.rng.normal(0, 1.2)))

    def _order(self, order: dict[str, Any], member: str, at: datetime, framing: float) -> dict[str, Any]:
        row = _moved(order, "orders", "placed_at", at)
        row |= {"order_id": f"{member}o{len(self.planted.rows['orders'])}", "buyer_id": member, **self.marks[member]}
        if self.victim is not None and self.rng.random() < framing:
            row |= {name: self.victim[name] for name in ("address", "recipient", "phone")}
        for name, values in self.used.items():
            values.add(row[name])
        self.planted.rows["orders"].append(row)
        return row


def _identity(rng: np.random.Generator) -> dict[str, str]:
    province, city, _, _, districts, _ = CITIES[int(rng.integers(len(CITIES)))]
    estate, road = (
        FIRST[int(rng.integers(len(FIRST)))][0] + SECOND[int(rng.integers(len(SECOND)))][0] for _ in range(2)
    )
    region = (province if province != city else "") + city + districts[int(rng.integers(len(districts)))][0]
    door = f"{rng.integers(1, 30)}幢{rng.integers(1, 5)}单元{rng.integers(2, 28)}0{rng.integers(1, 5)}室"
    return {
        "device_id": f"d{rng.integers(2**60):015x}",
        "ip": f"36.{rng.integers(16, 200)}.{rng.integers(256)}.{rng.integers(1, 255)}",
        "payment_id": f"p{rng.integers(2**60):015x}",
        "phone": f"13{rng.integers(10**9):09d}",
        "recipient": SURNAMES[int(rng.integers(len(SURNAMES)))] + GIVEN[int(rng.integers(len(GIVEN)))],
        "address": f"{region}{road}路{rng.integers(1, 900)}号{estate}花园{door}",
    }


def _mix(rng: np.random.Generator, tactic: Tactic, own: dict[str, str], common: dict[str, str]) -> dict[str, str]:
    """An account's identifiers: number and name are always its own, the rest its own or the ring's."""
    chosen = dict(own)
    for name, share in (
        ("device_id", tactic.own_device), ("address", tactic.own_address), ("payment_id", tactic.own_card),
        ("ip", tactic.own_network),
    ):  # fmt: skip
        if rng.random() >= share:
            chosen[name] = common[name]
    return chosen


def time_of(text: str) -> datetime:
    """The instant that a table of the contract writes as text, in UTC."""
    return datetime.strptime(text, ISO).astimezone(UTC)


def _text(at: datetime) -> str:
    local = at + timedelta(hours=8)
    return f"{local:%Y-%m-%dT%H:%M:%S}+08:00"


def _moved(row: dict[str, Any], table: str, anchor: str, at: datetime) -> dict[str, Any]:
    """The row with all its times moved so that `anchor` keeps its hour and falls on the day of `at`."""
    moved = dict(row)
    shift = timedelta(days=round((at - time_of(row[anchor])).total_seconds() / 86_400))
    for name in TIMES[table]:
        if row[name] is not None:
            moved[name] = _text(time_of(row[name]) + shift)
    return moved


def _follow(claim: dict[str, Any], order: dict[str, Any], row: dict[str, Any], end: datetime) -> dict[str, Any]:
    """The claim as long after the copied order as it was after the original, never after `end`."""
    shift = time_of(row["placed_at"]) - time_of(order["placed_at"])
    moved = dict(claim)
    for name in TIMES["refunds"]:
        if claim[name] is not None:
            moved[name] = _text(min(time_of(claim[name]) + shift, end))
    return moved


def _pictures(rng: np.random.Generator, filed: str | None, same: str | None) -> str | None:
    if filed is None:
        return None
    return same or ";".join(f"{rng.integers(2**63):016x}" for _ in filed.split(";"))
