"""After-sales claims, honest and abusive, drawn through the same functions.

Whether somebody claims is decided by habit, trade, store and bad luck for honest orders and by the plan for abusive
ones. What a claim then looks like (lag, reason, number of pictures, weights known or not) does not ask which it was.
A ring differs only in what it does: which picture it files, whose parcel it names, what it puts in the box.
"""

from dataclasses import dataclass

import numpy as np

from simulator.crews import Plan
from simulator.draws import DAY, Bools, Floats, Ints, Words, chance, floats, ints, pick, scatter
from simulator.knobs import CATEGORIES, Knobs
from simulator.orders import Goods, Orders
from simulator.people import NEVER, People
from simulator.shops import Events, Shops, in_bad_batch

KEEP_REASONS = (
    "quality", "damaged", "missing_part", "not_as_described", "not_received", "late_delivery", "wrong_item",
)  # fmt: skip
RETURN_REASONS = ("no_longer_wanted", "size", "quality", "not_as_described", "wrong_item", "damaged")
_KEEP = np.array([0.30, 0.22, 0.16, 0.14, 0.10, 0.03, 0.05])
_KEEP_FRESH = np.array([0.48, 0.27, 0.12, 0.08, 0.02, 0.01, 0.02])
_RETURN = np.array([0.38, 0.26, 0.12, 0.13, 0.06, 0.05])
_KEEP_PICTURES = np.array([0.75, 0.85, 0.65, 0.60, 0.03, 0.02, 0.75])
_RETURN_PICTURES = np.array([0.04, 0.08, 0.60, 0.55, 0.65, 0.75])
_GOODS = 180
"""One of the goods of a category that several stores sell, under item numbers of their own, for so many claims …"""
_FOUND = 400
"""… and one picture that anybody can find for so many: in every market some people file the same one."""
APPROVED, REJECTED, WITHDRAWN, PENDING = range(4)
FRESH = [c.name for c in CATEGORIES].index("fresh_food")


@dataclass
class Claims:
    """One entry a claim by a buyer. `order` is the row of the order."""

    order: Ints
    requested: Ints
    keeps: Bools
    """Refund only: the goods stay with the buyer."""
    reason: Ints
    amount: Ints
    abusive: Bools
    covered: Bools
    note: Ints
    """-1 for none."""
    pictures: Words
    """(claims, 4)."""
    picture_count: Ints
    parcel: Ints
    """-1 for none."""
    shipped: Ints
    """Grams, -1 where unknown; so is `returned`."""
    returned: Ints
    tampered: Bools
    """An empty or a swapped box went back."""
    outcome: Ints
    settled: Ints


def who_claims(
    rng: np.random.Generator,
    knobs: Knobs,
    people: People,
    shops: Shops,
    events: Events,
    orders: Orders,
    goods: Goods,
) -> tuple[Bools, Bools]:
    """Which orders end in a claim, and which of these claims are abusive."""
    size = len(orders)
    trade = shops.category[orders.store]
    base = np.array([c.claim_rate for c in CATEGORIES])[trade] * knobs.claim_rate
    month = (np.datetime64("1970-01-01") + orders.placed // DAY).astype("datetime64[M]").astype(int) % 12
    peak = np.array([c.peak_month - 1 for c in CATEGORIES])[trade]
    height = np.array([c.peak for c in CATEGORIES])[trade]
    season = 1.0 + knobs.season * height * np.cos((month - peak) * (np.pi / 6.0))
    p = base * season * shops.trouble[orders.store] * people.propensity[orders.buyer]
    p = np.where(in_bad_batch(events, goods.item, orders.placed), np.maximum(p, 0.42), p)
    honest = chance(rng, np.minimum(p, 0.85), size) & ~orders.abusive
    abusive = orders.abusive & (orders.sure | chance(rng, knobs.abusive_claims, size))
    able = ~goods.cancelled
    return (honest | abusive) & able, abusive & able


def lags(rng: np.random.Generator, keeps: Bools, fresh: Bools) -> Floats:
    """Seconds from the signature to the request: log-normal, at most fifteen days, sooner where food spoils."""
    median = np.where(fresh, 0.35, np.where(keeps, 1.1, 2.3))
    days = np.minimum(median * np.exp(rng.normal(0.0, 0.85, len(keeps))), 15.0)
    return floats(days * DAY)


def file_claims(
    rng: np.random.Generator,
    knobs: Knobs,
    people: People,
    shops: Shops,
    plan: Plan,
    orders: Orders,
    goods: Goods,
    claiming: Bools,
    abusive: Bools,
    end: int,
) -> Claims:
    """Fill in all claims; those that would come after `end` are left out."""
    rows = np.flatnonzero(claiming)
    bad = abusive[rows]
    size = len(rows)
    buyer, crew = orders.buyer[rows], orders.crew[rows]
    trade = shops.category[orders.store[rows]]
    fresh = trade == FRESH
    common = np.array([c.refund_only for c in CATEGORIES])[trade]
    odds = common / (1.0 - common) * people.keeps[buyer]
    keep_share = odds / (1.0 + odds)
    if plan.crews:
        keep_share = np.where(bad, np.array([c.keeps for c in plan.crews])[crew], keep_share)
    keeps = chance(rng, keep_share, size)

    lag = lags(rng, keeps, fresh)
    # Whoever acts together asks within the hour: a session has one lag of each kind, and everybody a little jitter.
    session = orders.session[rows]
    joint = np.flatnonzero((session >= 0) & bad)
    if len(joint):
        key = session[joint] * 2 + keeps[joint]
        values, first = np.unique(key, return_index=True)
        shared = np.zeros(int(values[-1]) + 1)
        shared[values] = lag[joint[first]]
        lag[joint] = np.abs(shared[key] + rng.normal(0.0, 3600.0, len(joint)))
    signed = np.where(goods.signed[rows] == NEVER, end + DAY, goods.signed[rows])
    placed = orders.placed[rows]
    early = keeps & chance(rng, 0.06, size)
    asked = ints(np.where(early, placed + (rng.uniform(0.1, 0.95, size) * (signed - placed)), signed + lag))
    # An account's first abusive claim is part of what makes it abusive; it is never lost to the end of the year.
    asked = np.where(orders.sure[rows] & bad, np.minimum(asked, end - 60), asked)
    requested = ints(np.maximum(asked, placed + 60))
    inside = np.flatnonzero(requested <= end)
    rows, requested, signed = rows[inside], requested[inside], signed[inside]
    bad, keeps, fresh = bad[inside], keeps[inside], fresh[inside]
    buyer, crew, size = buyer[inside], crew[inside], len(inside)

    early = requested < signed
    reason = np.where(
        keeps,
        np.where(fresh, pick(rng, _KEEP_FRESH, size), pick(rng, _KEEP, size)),
        pick(rng, _RETURN, size),
    )
    reason = np.where(early & keeps, np.where(chance(rng, 0.7, size), 4, 5), reason)
    whole = goods.amount[rows]
    pieces = goods.quantity[rows] + goods.second_quantity[rows]
    partial = (pieces > 1) & chance(rng, knobs.partial_returns, size)
    partial |= fresh & chance(rng, 0.25, size)
    part = np.where(partial, rng.uniform(0.15, 0.8, size), 1.0)
    pictures, count = _pictures(rng, knobs, plan, keeps, reason, goods.item[rows], trade[inside], crew, bad)
    covers = shops.cover[orders.store[rows]]
    covered = ~keeps & chance(rng, np.array([1.0, 0.45, 0.0])[covers], size)
    tampered = bad & ~keeps
    shipped, returned = _weights(rng, knobs, goods.weight[rows], part, keeps, tampered)
    parcel = _parcels(rng, knobs, people, plan, buyer, crew, requested, keeps, bad)
    # One parcel named for two claims shows its one weight twice; an honest box with two things in it weighs both.
    boxes = np.bincount(parcel + 1, minlength=size + 1)[parcel + 1]
    both = np.flatnonzero((boxes > 1) & (parcel >= 0) & (returned >= 0))
    total = np.bincount(parcel[both], weights=np.where(tampered[both], 0, returned[both]), minlength=size)
    total += np.where(tampered & (parcel == np.arange(size)) & (returned >= 0), returned, 0)
    returned[both] = np.where(total[parcel[both]] > 0, total[parcel[both]], returned[both]).astype(np.int64)
    outcome = pick(rng, np.array([0.90, 0.05, 0.05]), size)
    settled = requested + (rng.gamma(1.3, 0.9, size) * DAY * np.where(keeps, 0.7, 4.0)).astype(np.int64) + 300
    return Claims(
        order=rows,
        requested=requested,
        keeps=keeps,
        reason=reason,
        amount=np.maximum(1, np.round(whole * part).astype(np.int64)),
        abusive=bad,
        covered=covered,
        note=np.where(chance(rng, 0.35, size), rng.integers(0, 14, size), -1),
        pictures=pictures,
        picture_count=count,
        parcel=parcel,
        shipped=shipped,
        returned=np.where(parcel >= 0, returned, -1),
        tampered=tampered,
        outcome=np.where(settled > end, PENDING, outcome),
        settled=settled,
    )


def _flip(rng: np.random.Generator, base: Words, low: int, high: int) -> Words:
    """Pictures taken again, scaled or cropped: `low` to `high` of 64 bits of the hash differ."""
    size = len(base)
    found = base.copy()
    count = rng.integers(low, high + 1, size)
    for step in range(high):
        bit = np.uint64(1) << rng.integers(0, 64, size).astype(np.uint64)
        found = np.where(step < count, found ^ bit, found)
    return found


def _pictures(
    rng: np.random.Generator,
    knobs: Knobs,
    plan: Plan,
    keeps: Bools,
    reason: Ints,
    item: Ints,
    trade: Ints,
    crew: Ints,
    bad: Bools,
) -> tuple[Words, Ints]:
    """Hashes of up to four pictures a claim: one's own, the shop's or the maker's picture of the item, one that anybody
    can find, a dark nothing, a ring's."""
    size = len(keeps)
    filed = np.where(keeps, np.take(_KEEP_PICTURES, reason), np.take(_RETURN_PICTURES, reason % len(_RETURN_PICTURES)))
    count = np.where(chance(rng, filed, size), np.minimum(1 + rng.poisson(0.7, size), 4), 0)
    first = rng.integers(0, 2**64, size, dtype=np.uint64)
    stock = chance(rng, knobs.stock_pictures, size)
    goods = 1 + size // _GOODS
    made = scatter(trade * goods + ints(scatter(item, 29) % np.uint64(goods)), 31)
    shown = np.where(chance(rng, knobs.common_goods, size), made, scatter(item, 23))
    first = np.where(stock, _flip(rng, shown, 0, 3), first)
    found = scatter(pick(rng, 1.0 / (3.0 + np.arange(1.0 + size // _FOUND)), size), 37)
    first = np.where(chance(rng, knobs.found_pictures, size), _flip(rng, found, 0, 5), first)
    # The hash of a picture of nothing is nearly all zeros or all ones, whoever takes it.
    blank = chance(rng, knobs.blank_pictures, size)
    nothing = np.where(chance(rng, 0.5, size), np.uint64(0), ~np.uint64(0))
    first = np.where(blank, _flip(rng, nothing, 0, 3), first)
    for number, member in enumerate(plan.crews):
        if len(member.pictures):
            mine = np.flatnonzero(bad & (crew == number))
            again = mine[chance(rng, min(0.97, 0.85 * knobs.trace), len(mine))]
            base = member.pictures[rng.integers(0, len(member.pictures), len(again))]
            first[again] = _flip(rng, base, 0, 5)
    filled = np.empty((size, 4), dtype=np.uint64)
    filled[:, 0] = first
    for column in range(1, 4):
        retake = chance(rng, 0.5, size)
        other = rng.integers(0, 2**64, size, dtype=np.uint64)
        filled[:, column] = np.where(retake, _flip(rng, first, 3, 9), other)
    return filled, count


def _weights(
    rng: np.random.Generator,
    knobs: Knobs,
    weight: Floats,
    part: Floats,
    keeps: Bools,
    tampered: Bools,
) -> tuple[Ints, Ints]:
    """Grams out and back, -1 where nobody weighed. Scales and packaging are off by a few per cent, some by far."""
    size = len(weight)
    box = rng.uniform(20, 160, size)
    shipped = weight * np.exp(rng.normal(0.0, 0.02, size)) + box
    back = weight * part * np.exp(rng.normal(0.0, 0.035, size)) + box * rng.uniform(0.5, 1.3, size)
    off = chance(rng, knobs.weight_errors, size)
    back = np.where(off, back * np.exp(rng.normal(-0.2, 0.9, size)), back)
    # Some boxes come back empty, others with something else in them, near enough in weight to get past a glance.
    empty = chance(rng, 0.15, size)
    swapped = (
        weight * np.where(chance(rng, 0.8, size), rng.uniform(0.25, 0.9, size), rng.uniform(1.15, 2.0, size)) + box
    )
    back = np.where(tampered, np.where(empty, box, swapped), back)
    shipped_known = chance(rng, np.where(keeps, 0.45, 0.85), size)
    return (
        np.where(shipped_known, np.maximum(1, shipped), -1).astype(np.int64),
        np.where(~keeps & chance(rng, 0.80, size), np.maximum(1, back), -1).astype(np.int64),
    )


def _parcels(
    rng: np.random.Generator,
    knobs: Knobs,
    people: People,
    plan: Plan,
    buyer: Ints,
    crew: Ints,
    requested: Ints,
    keeps: Bools,
    bad: Bools,
) -> Ints:
    """Parcel of each return: one a claim, but people put two things into one box, mistype, and rings pretend."""
    size = len(buyer)
    parcel = np.arange(size)
    rows = np.flatnonzero(~keeps)

    def merge(group: Ints, days: float, p: float) -> None:
        order = rows[np.lexsort((requested[rows], group[rows]))]
        before, after = order[:-1], order[1:]
        near = (group[before] == group[after]) & (requested[after] - requested[before] < days * DAY)
        for a, b in zip(before[near].tolist(), after[near].tolist(), strict=True):
            if rng.random() < p:
                parcel[b] = parcel[a]

    merge(people.household[buyer], 2.0, 0.4 * knobs.shared_parcels)
    merge(buyer, 3.0, knobs.shared_parcels)
    slips = rows[chance(rng, 0.001, len(rows))]
    if len(slips):
        parcel[slips] = parcel[rows[rng.integers(0, len(rows), len(slips))]]
    for number, member in enumerate(plan.crews):
        if member.parcels:
            mine = np.flatnonzero(bad & ~keeps & (crew == number))
            mine = mine[np.argsort(requested[mine], kind="stable")]
            # Runs of two to six claims name the same parcel.
            length = rng.integers(2, 7, len(mine) + 1)
            run = np.searchsorted(np.cumsum(length), np.arange(len(mine)), side="right")
            head = mine[np.unique(run, return_index=True)[1]] if len(mine) else mine
            reused = chance(rng, min(0.97, 0.9 * knobs.trace), len(mine))
            parcel[mine[reused]] = parcel[head[run[reused]]]
    sent = ~keeps & chance(rng, 0.94, size)
    return np.where(sent, parcel, -1)
