"""From numbers to the contract's tables: opaque ids, written addresses and phones, ISO times, decimal amounts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from simulator.claims import KEEP_REASONS, RETURN_REASONS, Claims
from simulator.crews import Plan
from simulator.draws import Bools, Ints, chance, opaque, pick, scatter
from simulator.knobs import CATEGORIES, Knobs
from simulator.marks import Marks
from simulator.orders import Goods, Orders
from simulator.people import NEVER, People, World
from simulator.shops import Shops
from simulator.verdicts import TYPES, Complaints, Verdicts
from simulator.words import NOTES, REMARKS
from simulator.writings import draw_styles, write_addresses, write_names, write_phones

Format = Literal["csv", "parquet", "jsonl"]
_COVER = pl.Series(["all", "selected", "none"])
_ZONE = "+08:00"


@dataclass(frozen=True)
class Draft:
    """Everything that was simulated, before it becomes text."""

    people: People
    world: World
    shops: Shops
    plan: Plan
    orders: Orders
    goods: Goods
    marks: Marks
    claims: Claims
    complaints: Complaints
    verdicts: Verdicts
    abusers: Bools
    start: int
    end: int


def times(seconds: Ints) -> pl.Series:
    """ISO 8601 with the offset of China; NEVER becomes null."""
    plain = pl.Series(np.where(seconds == NEVER, 0, seconds)).cast(pl.Int64)
    text = pl.from_epoch(plain + 8 * 3600, time_unit="s")
    written = text.dt.strftime("%Y-%m-%dT%H:%M:%S" + _ZONE)
    return _blank(written, seconds == NEVER)


def amounts(minor: Ints) -> pl.Series:
    """Decimal text with two decimals."""
    value = pl.Series("minor", minor)
    frame = value.to_frame().select(
        pl.concat_str(pl.col("minor") // 100, pl.lit("."), (pl.col("minor") % 100).cast(pl.String).str.zfill(2))
    )
    return frame.to_series()


def _blank(series: pl.Series, where: Bools) -> pl.Series:
    frame = pl.DataFrame({"x": series, "gone": pl.Series(where)})
    return frame.select(pl.when(~pl.col("gone")).then(pl.col("x"))).to_series()


def _named(names: tuple[str, ...], index: Ints) -> pl.Series:
    """The name for each index; -1 becomes null."""
    return _blank(pl.Series(names).gather(np.maximum(index, 0)), index < 0)


def _tokens(rng: np.random.Generator, numbers: Ints, digits: int) -> pl.Series:
    """One opaque string for each number, the same wherever the number comes up; negative becomes null."""
    values, back = np.unique(numbers, return_inverse=True)
    return _blank(pl.Series(opaque(rng, len(values), digits)).gather(back), numbers < 0)


def _ipv6(network: int, host: int) -> str:
    groups = [0x240E, *(network >> shift & 0xFFFF for shift in (0, 16, 32))]
    groups += [host >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
    return ":".join(f"{g:x}" for g in groups)


def _ip_texts(ip: Ints) -> pl.Series:
    values, back = np.unique(ip, return_inverse=True)
    # An IPv6 customer keeps the network half; the other half changes with the device's privacy address.
    network = scatter((-1 - values) // 1024, 41)
    host = scatter(values, 43)
    texts = [
        f"{v >> 24}.{v >> 16 & 255}.{v >> 8 & 255}.{v & 255}" if v >= 0 else _ipv6(p, h)
        for v, p, h in zip(values.tolist(), network.tolist(), host.tolist(), strict=True)
    ]
    return pl.Series(texts).gather(back)


def _address_texts(rng: np.random.Generator, knobs: Knobs, draft: Draft) -> pl.Series:
    """Each buyer keeps one to four writings of an address and sometimes adds a word to the courier."""
    people, world = draft.people, draft.world
    buyer, place = draft.orders.buyer, draft.marks.place
    doors = int(place.max(initial=0)) + 1
    book, back = np.unique(buyer * doors + place, return_inverse=True)
    entries = 1 + pick(rng, np.array([0.58, 0.26, 0.11, 0.05]), len(book))
    entry = (entries[back] * rng.random(len(buyer)) ** 1.7).astype(np.int64)
    used, row = np.unique(back * 4 + entry, return_inverse=True)
    owner = book[used // 4]
    style = draw_styles(rng, len(used), knobs.address_noise, people.latin[owner // doors].astype(np.float64))
    texts = pl.Series(write_addresses(world.sites, world.places, owner % doors, style)).gather(row)
    remark = np.where(
        chance(rng, 0.05 * knobs.address_noise, len(buyer)), rng.integers(0, len(REMARKS), len(buyer)), -1
    )
    remark = np.where(people.latin[buyer], -1, remark)
    frame = pl.DataFrame({"text": texts, "remark": _named(REMARKS, remark)})
    return frame.select(pl.concat_str(pl.col("text"), pl.col("remark").fill_null(""))).to_series()


def _pairwise(values: Ints, style: Ints, styles: int) -> tuple[Ints, Ints, Ints]:
    pair, back = np.unique(values * styles + style, return_inverse=True)
    return pair // styles, pair % styles, back


def _phone_texts(rng: np.random.Generator, people: People, buyer: Ints, phone: Ints) -> pl.Series:
    style = np.where(chance(rng, 0.92, len(buyer)), people.phone_style[buyer], rng.integers(0, 6, len(buyer)))
    values, styles, back = _pairwise(phone, style, 6)
    return pl.Series(write_phones(values, styles)).gather(back)


def _name_texts(rng: np.random.Generator, people: People, buyer: Ints, name: Ints) -> pl.Series:
    style = np.where(chance(rng, 0.96, len(buyer)), people.name_style[buyer], rng.integers(0, 3, len(buyer)))
    values, styles, back = _pairwise(name, style, 4)
    return pl.Series(write_names(values, styles)).gather(back)


def _parcel_texts(rng: np.random.Generator, parcel: Ints) -> pl.Series:
    values, back = np.unique(parcel, return_inverse=True)
    carrier = pl.Series(["SF", "YT", "JT", "78", "JDV"]).gather(
        pick(rng, np.array([0.3, 0.3, 0.2, 0.1, 0.1]), len(values))
    )
    digits = pl.Series(
        rng.choice(10**12, len(values), replace=False, shuffle=True)
        if len(values) < 1000
        else _distinct(rng, len(values))
    )
    frame = pl.DataFrame({"c": carrier, "d": digits.cast(pl.String).str.zfill(12)})
    texts = frame.select(pl.concat_str("c", "d")).to_series()
    return _blank(texts.gather(back), parcel < 0)


def _distinct(rng: np.random.Generator, size: int) -> Ints:
    found = np.unique(rng.integers(0, 10**12, size + size // 100 + 100))
    return rng.permutation(found)[:size]


def _picture_texts(claims: Claims) -> pl.Series:
    """Up to four 16-digit hashes with `;` between; null where nothing was filed."""
    raw = claims.pictures.astype(">u8").tobytes().hex().encode()
    hexes = np.frombuffer(raw, dtype="S16").reshape(-1, 4)
    columns = [
        _blank(pl.Series(hexes[:, c].astype(np.str_)), claims.picture_count <= c).alias(str(c)) for c in range(4)
    ]
    joined = (
        pl.DataFrame(columns).select(pl.concat_str("0", "1", "2", "3", separator=";", ignore_nulls=True)).to_series()
    )
    return _blank(joined, claims.picture_count == 0)


def lay_out(rng: np.random.Generator, knobs: Knobs, draft: Draft) -> dict[str, pl.DataFrame]:
    """All tables of the contract and `truth`, rows by time or shuffled, never by what made them."""
    people, shops, orders, goods, marks, claims = (
        draft.people, draft.shops, draft.orders, draft.goods, draft.marks, draft.claims,
    )  # fmt: skip
    n, size = len(people.household), len(orders)
    buyer_id = pl.Series(opaque(rng, n))
    store_id = pl.Series(opaque(rng, len(shops.category), 10))
    order_id = pl.Series(opaque(rng, size, 14))
    sku = pl.Series(opaque(rng, len(shops.item_price), 10))
    currency = pl.Series(["CNY", "HKD"]).gather(shops.foreign.astype(np.int64))

    tables: dict[str, pl.DataFrame] = {}
    mixed = rng.permutation(n)
    tables["buyers"] = pl.DataFrame({"buyer_id": buyer_id, "registered_at": times(people.registered)})[mixed]
    tables["stores"] = pl.DataFrame(
        {
            "store_id": store_id,
            "category": pl.Series([c.name for c in CATEGORIES]).gather(shops.category),
            "experience_score": pl.Series(np.round(shops.score, 2)),
            "opened_at": times(shops.opened).str.slice(0, 10),
            "freight_cover": _COVER.gather(shops.cover),
        }
    )[rng.permutation(len(store_id))]
    device_text, used = _devices_and_uses(rng, draft, buyer_id)
    tables["orders"] = pl.DataFrame(
        {
            "order_id": order_id,
            "buyer_id": buyer_id.gather(orders.buyer),
            "store_id": store_id.gather(orders.store),
            "placed_at": times(orders.placed),
            "amount": amounts(goods.amount),
            "currency": currency.gather(orders.store),
            "quantity": pl.Series(goods.quantity + goods.second_quantity),
            "sku": sku.gather(goods.item),
            "signed_at": times(goods.signed),
            "device_id": device_text,
            "ip": _ip_texts(marks.ip),
            "payment_id": _tokens(rng, marks.payment, 18),
            "phone": _phone_texts(rng, people, orders.buyer, marks.phone),
            "recipient": _name_texts(rng, people, orders.buyer, marks.name),
            "address": _address_texts(rng, knobs, draft),
        }
    )
    if knobs.order_items:
        tables["order_items"] = _lines(order_id, sku, goods)
    tables["uses"] = used

    refund_id = pl.Series(opaque(rng, len(claims.order), 12))
    by_buyer = pl.DataFrame(
        {
            "refund_id": refund_id,
            "order_id": order_id.gather(claims.order),
            "requested_at": times(claims.requested),
            "kind": pl.Series(["return_refund", "refund_only"]).gather(claims.keeps.astype(np.int64)),
            "reason": pl.Series(RETURN_REASONS + KEEP_REASONS).gather(
                claims.reason + np.where(claims.keeps, len(RETURN_REASONS), 0)
            ),
            "amount": amounts(claims.amount),
            "initiated_by": pl.Series(["buyer"]).gather(np.zeros(len(claims.order), dtype=np.int64)),
            "note": _named(NOTES, claims.note),
            "freight_covered": _blank(pl.Series(claims.covered), claims.keeps),
            "evidence": _picture_texts(claims),
            "return_tracking_no": _parcel_texts(rng, claims.parcel),
            "shipped_weight_g": _blank(pl.Series(claims.shipped), claims.shipped < 0),
            "return_weight_g": _blank(pl.Series(claims.returned), claims.returned < 0),
            "outcome": pl.Series(["approved", "rejected", "withdrawn", "pending"]).gather(claims.outcome),
            "outcome_at": times(np.where(claims.settled > draft.end, claims.requested, claims.settled)),
        }
    )
    by_seller = _cancellations(rng, draft, order_id)
    tables["refunds"] = pl.concat([by_buyer, by_seller], how="diagonal_relaxed").sort("requested_at", "refund_id")

    reports, decided = draft.complaints, draft.verdicts
    count = len(reports.claim)
    tables["complaints"] = pl.DataFrame(
        {
            "complaint_id": pl.Series(opaque(rng, count, 12)),
            "refund_id": refund_id.gather(reports.claim),
            "filed_at": times(reports.filed),
            "type": pl.Series(TYPES).gather(reports.type),
            "outcome": pl.Series(["upheld", "dismissed", "pending"]).gather(reports.outcome),
            "outcome_at": times(np.where(reports.settled > draft.end, reports.filed, reports.settled)),
        }
    ).sort("filed_at", "complaint_id")
    tables["decisions"] = pl.DataFrame(
        {
            "buyer_id": buyer_id.gather(decided.buyer),
            "decided_at": times(decided.at),
            "decision": pl.Series(decided.decision, dtype=pl.String),
            "scope": pl.Series(["platform", "store"]).gather((decided.store >= 0).astype(np.int64)),
            "store_id": _blank(store_id.gather(np.maximum(decided.store, 0)), decided.store < 0),
        }
    ).sort("decided_at", "buyer_id")
    tables["truth"] = _truth(rng, draft, buyer_id)
    for table, column in knobs.left_out:
        if table not in tables or column not in ("*", *tables[table].columns):
            raise ValueError(f"Knobs.left_out names {table}.{column}, which the simulator doesn't write")
        if column == "*":
            del tables[table]
        else:
            tables[table] = tables[table].drop(column)
    return tables


def _devices_and_uses(rng: np.random.Generator, draft: Draft, buyer_id: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
    """Device strings of the orders, and the table of log-ins: some orders are preceded by one from the same place."""
    people, orders, marks = draft.people, draft.orders, draft.marks
    devices = _tokens(rng, marks.device, 16)
    rows = np.flatnonzero(chance(rng, 0.12, len(orders)))
    earlier = orders.placed[rows] - rng.integers(60, 6 * 3600, len(rows))
    at = np.minimum(
        np.maximum(earlier, np.minimum(people.registered[orders.buyer[rows]] + 1, orders.placed[rows])), draft.end
    )
    who = buyer_id.gather(orders.buyer[rows])
    seen = times(at)
    parts = [
        pl.DataFrame(
            {
                "buyer_id": who,
                "kind": pl.Series([kind]).gather(np.zeros(len(rows), dtype=np.int64)),
                "value": value,
                "used_at": seen,
            }
        )
        for kind, value in (("device", devices.gather(rows)), ("ip", _ip_texts(marks.ip[rows])))
    ]
    return devices, pl.concat(parts).sort("used_at", "buyer_id", "kind", "value")


def _lines(order_id: pl.Series, sku: pl.Series, goods: Goods) -> pl.DataFrame:
    second = np.flatnonzero(goods.second_quantity > 0)
    row = np.concatenate([np.arange(len(order_id)), second])
    item = np.concatenate([goods.item, goods.second_item[second]])
    quantity = np.concatenate([goods.quantity, goods.second_quantity[second]])
    amount = np.concatenate([goods.amount - goods.second_amount, goods.second_amount[second]])
    by_order = np.argsort(row, kind="stable")
    return pl.DataFrame(
        {
            "order_id": order_id.gather(row[by_order]),
            "sku": sku.gather(item[by_order]),
            "quantity": pl.Series(quantity[by_order]),
            "amount": amounts(amount[by_order]),
        }
    )


def _cancellations(rng: np.random.Generator, draft: Draft, order_id: pl.Series) -> pl.DataFrame:
    """What sellers (and now and then the platform) called off themselves: out of stock, or a wrong price."""
    orders, goods = draft.orders, draft.goods
    rows = np.flatnonzero(goods.cancelled)
    at = orders.placed[rows] + 600 + (rng.gamma(1.2, 9000.0, len(rows))).astype(np.int64)
    rows, at = rows[at <= draft.end], at[at <= draft.end]
    zero = np.zeros(len(rows), dtype=np.int64)
    return pl.DataFrame(
        {
            "refund_id": pl.Series(opaque(rng, len(rows), 12)),
            "order_id": order_id.gather(rows),
            "requested_at": times(at),
            "kind": pl.Series(["refund_only"]).gather(zero),
            "reason": pl.Series(["out_of_stock", "price_error"]).gather(
                (orders.price_factor[rows] < 0.5).astype(np.int64)
            ),
            "amount": amounts(goods.amount[rows]),
            "initiated_by": pl.Series(["seller", "platform"]).gather(chance(rng, 0.05, len(rows)).astype(np.int64)),
            "outcome": pl.Series(["approved"]).gather(zero),
            "outcome_at": times(at),
        }
    )


def _truth(rng: np.random.Generator, draft: Draft, buyer_id: pl.Series) -> pl.DataFrame:
    """One row a buyer. Rings have opaque ids; lone abusers and innocent people have none."""
    plan, guilty = draft.plan, draft.abusers
    ring_ids = opaque(rng, len(plan.crews) + 1, 10)
    ring = [
        str(ring_ids[c]) if bad and plan.crews[c].kind != "lone" else ""
        for c, bad in zip(plan.crew_of.tolist(), guilty.tolist(), strict=True)
    ]
    return pl.DataFrame(
        {"buyer_id": buyer_id, "abuser": pl.Series(guilty.astype(np.int64)), "kind": plan.kind, "ring_id": ring}
    ).sort("buyer_id")


def write_table(frame: pl.DataFrame, folder: Path, name: str, file_format: Format) -> Path:
    """One file for a table."""
    path = folder / f"{name}.{file_format}"
    if file_format == "csv":
        frame.write_csv(path)
    elif file_format == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_ndjson(path)
    return path
