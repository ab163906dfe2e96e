"""Marks: what each order shows of who placed it: device, network, phone, payment, door and name.

All orders, honest or not, draw them through the functions of this file.
"""

from dataclasses import dataclass

import numpy as np

from simulator.crews import Plan, habit_table
from simulator.draws import DAY, Ints, Pools, chance, ints, scatter
from simulator.knobs import Knobs
from simulator.orders import Orders
from simulator.people import RESETS, People, World
from simulator.words import CITIES

_CAFES, _OFFICES, _DORMS, _NATS = 0xF80000, 0xF00000, 0xF40000, 0xFC0000
_OCTETS = (36, 39, 42, 58, 60, 61, 101, 106, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124)
_KIOSKS = 10**12
"""Devices from this number on belong to nobody: a net café's public computers."""


@dataclass
class Marks:
    """What an order shows of who placed it: numbers that stand for identifiers (one entry an order)."""

    device: Ints
    ip: Ints
    """An IPv4 address as a number; negative stands for an IPv6 address."""
    phone: Ints
    payment: Ints
    """-1 where the platform saw none."""
    place: Ints
    name: Ints


def _devices(slot: Ints, at: Ints, reset_at: Ints) -> Ints:
    return ints(slot * (RESETS + 1) + (reset_at[slot] <= at[:, None]).sum(axis=1))


def _ips(rng: np.random.Generator, people: People, world: World, buyer: Ints, at: Ints, host: Ints) -> Ints:
    """The address seen: home lease, carrier, office or dormitory, café. `host` overrides whose home it is (-1: own)."""
    size = len(buyer)
    home = np.where(host >= 0, host, buyer)
    city = people.city[home]
    roll = rng.random(size)
    edge = np.cumsum(people.network[buyer], axis=1)
    source = (roll[:, None] >= edge).sum(axis=1)
    source = np.where(host >= 0, 0, source)
    # Who has no office stays on the mobile network; a student's home is the dormitory's Wi-Fi.
    source = np.where((source == 2) & (people.office[buyer] < 0), 1, source)
    lease = people.lease[home]
    epoch = np.where(lease > 0, at // (np.maximum(lease, 1) * DAY), 0)
    pool = 20 * np.maximum(50, np.bincount(people.city, minlength=len(CITIES)))[city]
    drawn = (scatter(people.household[home] * 4096 + epoch, 11) % pool.astype(np.uint64)).astype(np.int64)
    # Spread each city's pool over its block, whole /24 networks at a time.
    drawn = ((drawn >> 8) * 40503 % 0xE000 << 8) | (drawn & 0xFF)
    dorm = people.dorm[home]
    drawn = np.where(dorm >= 0, _DORMS + dorm * 2 + rng.integers(0, 2, size), drawn)
    mobile = _NATS + people.carrier[buyer] * 1024 + (rng.random(size) * world.nat_ips[city]).astype(np.int64)
    office = _OFFICES + people.office[buyer]
    cafe = _CAFES + (rng.random(size) * world.cafes[city]).astype(np.int64)
    low = np.choose(source, [drawn, mobile, office, cafe])
    ip = np.array(_OCTETS[: len(CITIES)])[city] * 0x1000000 + low
    unique = (source == 1) & ~people.nat[buyer]
    return np.where(unique, -1 - (buyer * 1024 + at // (9 * DAY) % 1024), ip)


def mark(rng: np.random.Generator, knobs: Knobs, people: People, world: World, plan: Plan, orders: Orders) -> Marks:
    """Give every order its identifiers: the buyer's own, a housemate's, a friend's, or what a crew shares."""
    buyer, at, size = orders.buyer, orders.placed, len(orders)
    roll = rng.random(size)
    # The first device is used most.
    slot = people.first_slot[buyer] + np.minimum(
        (people.slots[buyer] * roll**1.8).astype(np.int64), people.slots[buyer] - 1
    )
    slot = np.where((people.family_slot[buyer] >= 0) & chance(rng, 0.15, size), people.family_slot[buyer], slot)
    slot = np.where((at >= people.found_at[buyer]) & chance(rng, 0.7, size), people.found_slot[buyer], slot)
    lender = rng.integers(0, len(people.household), size)
    slot = np.where(chance(rng, knobs.borrowed, size), people.first_slot[lender], slot)

    place = np.where(at >= people.moved_at[buyer], people.new_home[buyer], people.home[buyer])
    roll = rng.random(size)
    edge = people.station_share[buyer]
    place = np.where(roll < edge, people.station[buyer], place)
    elsewhere = (roll >= edge) & (roll < edge + people.other_share[buyer] * (1.0 - edge))
    place = np.where(elsewhere, people.other[buyer], place)
    phone = np.where(chance(rng, 0.85, size), people.phone[buyer], people.second_phone[buyer])
    payment = np.where(chance(rng, 0.7, size), people.payment[buyer], people.second_payment[buyer])
    name = np.where(chance(rng, 0.05, size), people.name[people.head[buyer]], people.name[buyer])
    friend = rng.integers(0, len(people.household), size)
    payment = np.where(chance(rng, knobs.favours, size), people.payment[friend], payment)
    present = chance(rng, knobs.favours, size)
    place = np.where(present, people.home[friend], place)
    phone = np.where(present, people.phone[friend], phone)
    name = np.where(present, people.name[friend], name)
    host = np.full(size, -1)

    if plan.crews:
        # Members fall back on the shared things now and then for orders of their own, too.
        crew = plan.crew_of[buyer]
        rows = np.flatnonzero(crew >= 0)
        crew = crew[rows]
        always = np.array([c.always for c in plan.crews])[crew]
        force = np.where(always | (orders.crew[rows] >= 0), 1.0, 0.05)
        habits = habit_table(plan.crews)[crew] * force[:, None]
        shared = rng.random((len(rows), 5)) < habits
        for column, target, pool in (
            (0, slot, [c.slots for c in plan.crews]),
            (1, place, [c.places for c in plan.crews]),
            (2, phone, [c.phones for c in plan.crews]),
            (3, payment, [c.payments for c in plan.crews]),
            (4, host, [np.array([c.host]) for c in plan.crews]),
        ):
            used = shared[:, column]
            target[rows[used]] = Pools.of(pool).draw(rng, crew[used])
    device = _devices(slot, at, plan.reset_at)
    if knobs.kiosks:
        device = _at_kiosks(rng, knobs, people, orders, device)
    return Marks(
        device=device,
        ip=_ips(rng, people, world, buyer, at, host),
        phone=phone,
        payment=np.where(chance(rng, 0.06, size), -1, payment),
        place=place,
        name=name,
    )


def _at_kiosks(rng: np.random.Generator, knobs: Knobs, people: People, orders: Orders, device: Ints) -> Ints:
    """Devices of all orders, half of those of a net café's guests on one of its city's public computers instead."""
    guest = chance(rng, knobs.kiosks, len(people.household))
    guests = np.bincount(people.city[guest], minlength=int(people.city.max()) + 1)
    count = np.maximum(1, np.round(guests / knobs.buyers_per_kiosk)).astype(np.int64)
    # A guest keeps to one café, and takes one of four computers there.
    cafe = (rng.random(len(guest)) * count[people.city]).astype(np.int64)
    seat = rng.integers(0, 4, len(orders))
    public = _KIOSKS + (people.city[orders.buyer] * 100_000 + cafe[orders.buyer]) * 4 + seat
    return np.where(guest[orders.buyer] & chance(rng, 0.5, len(orders)), public, device)
