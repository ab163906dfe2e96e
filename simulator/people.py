"""The buyers: households, doors, devices, networks, phones, names, habits. Nobody's honesty is decided here."""

from dataclasses import dataclass

import numpy as np

from simulator.draws import DAY, Bools, Floats, Ints, chance, floats, pick, ranks_within
from simulator.knobs import CATEGORIES, Knobs
from simulator.places import (
    DORM,
    HOME,
    OFFICE,
    STATION,
    Places,
    Sites,
    found_homes,
    found_rooms,
    found_sites,
    join_places,
)
from simulator.words import CITIES, GIVEN, SURNAMES

ALONE, FAMILY, FLATSHARE, ROOM = range(4)
NEVER = np.iinfo(np.int64).max
RESETS = 3


@dataclass
class People:
    """One entry a buyer, unless said otherwise; households and device slots have numbers of their own.

    A slot is a piece of hardware; each reset gives it a new fingerprint, so that slot `s` shows up as device
    `s * (RESETS + 1)` at first and one more after each reset.
    """

    household: Ints
    head: Ints
    """First buyer of the buyer's household."""
    bond: Ints
    """ALONE, FAMILY, FLATSHARE or ROOM."""
    city: Ints
    home: Ints
    """Place number."""
    new_home: Ints
    moved_at: Ints
    """NEVER for most."""
    station: Ints
    station_share: Floats
    other: Ints
    """An office or a parents' home, -1 for none."""
    other_share: Floats
    office: Ints
    """Number of the office whose network the buyer uses, -1 for none."""
    dorm: Ints
    carrier: Ints
    nat: Bools
    network: Floats
    """(buyers, 3): chance of an order from home, from the mobile network, from the office; the rest is a café's."""
    lease: Ints
    """Days a household keeps an IP, 0 for ever."""
    first_slot: Ints
    slots: Ints
    family_slot: Ints
    """The household's tablet, -1 for none."""
    found_slot: Ints
    """A second-hand phone, -1 for none."""
    found_at: Ints
    reset_at: Ints
    """(slots, RESETS): sorted, NEVER where there is no such reset."""
    phone: Ints
    second_phone: Ints
    payment: Ints
    second_payment: Ints
    name: Ints
    name_style: Ints
    phone_style: Ints
    latin: Bools
    registered: Ints
    closed_at: Ints
    rate: Floats
    """Orders a year."""
    primary: Ints
    """Favourite trade."""
    propensity: Floats
    """Multiple of the common claim rate."""
    keeps: Floats
    """Multiple of the odds that a claim keeps the goods."""


@dataclass(frozen=True)
class World:
    """Where people are: sites, doors, and how many hubs of each kind every city has."""

    sites: Sites
    places: Places
    nat_ips: Ints
    """Public IPs of one carrier in each city."""
    cafes: Ints
    """Cafés in each city."""


def _households(rng: np.random.Generator, knobs: Knobs, n: int) -> tuple[Ints, Ints]:
    """Household of each buyer and its bond; the last `dorms` share live four to a room."""
    students = round(n * knobs.dorms)
    sizes = np.asarray(knobs.household_sizes)
    drawn = 1 + pick(rng, sizes, n)
    drawn = drawn[: int(np.searchsorted(np.cumsum(drawn), n - students)) + 1]
    settled = np.repeat(np.arange(len(drawn)), drawn)[: n - students]
    rooms = len(drawn) + rng.permutation(students) // 4
    household = np.concatenate([settled, rooms])
    size = np.bincount(household)
    bond = np.where(size == 1, ALONE, np.where(chance(rng, knobs.flatshares, len(size)), FLATSHARE, FAMILY))
    bond[len(drawn) :] = ROOM
    return household.astype(np.int64), bond.astype(np.int64)


def settle(rng: np.random.Generator, knobs: Knobs, n: int, start: int, end: int) -> tuple[People, World]:
    """Draw `n` buyers and the places they live in."""
    household, bond = _households(rng, knobs, n)
    houses = len(bond)
    weights = np.array([c[5] for c in CITIES])
    cities = len(CITIES)
    dorms = max(1, round(n * knobs.dorms / knobs.buyers_per_dorm))
    offices = max(1, n // 120)
    estates = max(cities, n // 60)
    site_city = np.concatenate([np.arange(cities), pick(rng, weights, estates - cities + dorms + offices)])
    kinds = np.repeat([HOME, DORM, OFFICE], [estates, dorms, offices])
    sites = found_sites(rng, kinds, site_city)

    # Estates differ in how many customers they have; a house moves within its city.
    estate_weight = rng.gamma(0.8, 1.0, estates) + 0.05
    estate = pick(rng, estate_weight, houses)
    room = bond == ROOM
    dorm_of = np.where(room, (np.cumsum(room) - 1) * dorms // max(1, int(room.sum())), -1)
    homes = found_homes(rng, sites, estate)
    in_dorm = found_rooms(
        rng,
        DORM,
        estates + np.maximum(dorm_of, 0),
        1 + rng.integers(0, 2, houses),
        (1 + np.arange(houses) // 24 % 18) * 100 + 1 + np.arange(houses) % 24,
    )
    where = np.flatnonzero(room)
    for name in ("site", "kind", "building", "unit", "room"):
        getattr(homes, name)[where] = getattr(in_dorm, name)[where]
    house_city = site_city[homes.site]
    by_city = [np.flatnonzero(site_city[:estates] == c) for c in range(cities)]
    moves = np.flatnonzero(chance(rng, knobs.moves, houses) & ~room)
    moved_to = np.array([rng.choice(by_city[house_city[h]]) for h in moves], dtype=np.int64)
    new_homes = found_homes(rng, sites, moved_to)
    office_site = np.arange(estates + dorms, estates + dorms + offices)
    office_doors = found_rooms(
        rng, OFFICE, office_site, rng.integers(1, 6, offices), rng.integers(2, 30, offices) * 100 + 1
    )
    users = np.bincount(house_city[household], minlength=cities)
    station_count = np.maximum(1, np.round(users * knobs.stations / knobs.buyers_per_station)).astype(np.int64)
    station_city = np.repeat(np.arange(cities), station_count)
    station_site = np.array([rng.choice(by_city[c]) for c in station_city], dtype=np.int64)
    none = np.zeros(len(station_site), dtype=np.int64)
    station_doors = found_rooms(rng, STATION, station_site, none, none)
    places = join_places([homes, new_homes, office_doors, station_doors])
    first_office = houses + len(moves)
    first_station = first_office + offices

    new_home = np.arange(houses)
    new_home[moves] = houses + np.arange(len(moves))
    moved_at = np.full(houses, NEVER)
    moved_at[moves] = rng.integers(start, end, len(moves))
    city = house_city[household]
    # A neighbourhood keeps to one station: estates of a city are dealt out among its stations.
    station_start = np.cumsum(station_count) - station_count
    station = first_station + station_start[city] + homes.site[household] % station_count[city]

    office_city = site_city[office_site]
    crowd = rng.gamma(0.5, 1.0, offices) + 0.02
    office = np.full(n, -1)
    workers = chance(rng, knobs.offices, n) & (bond[household] != ROOM)
    for c in range(cities):
        local = np.flatnonzero(office_city == c)
        rows = np.flatnonzero(workers & (city == c))
        if len(local):
            office[rows] = local[pick(rng, crowd[local], len(rows))]
    other = np.where(chance(rng, knobs.office_delivery, n) & (office >= 0), first_office + office, -1)
    away = chance(rng, np.where(bond[household] == ROOM, 0.3, knobs.parents), n) & (other < 0)
    other = np.where(away, rng.integers(0, houses, n), other)

    people = _equip(rng, knobs, household, bond, city, start, end)
    people.home = household.copy()
    people.new_home = new_home[household]
    people.moved_at = moved_at[household]
    people.station = station
    people.station_share = np.where(chance(rng, knobs.stations, n), rng.uniform(0.5, 1.0, n), 0.02)
    people.other = other
    people.other_share = np.where(other >= 0, rng.uniform(0.05, 0.4, n), 0.0)
    people.office = office
    people.dorm = dorm_of[household]
    nat_ips = np.maximum(1, np.round(users * knobs.nat / 3 / knobs.buyers_per_nat)).astype(np.int64)
    cafes = np.maximum(1, np.round(users / knobs.buyers_per_cafe)).astype(np.int64)
    return people, World(sites, places, nat_ips, cafes)


def _equip(
    rng: np.random.Generator, knobs: Knobs, household: Ints, bonds: Ints, city: Ints, start: int, end: int
) -> People:
    """Devices, numbers, names and habits of the buyers of each household."""
    n, houses = len(household), len(bonds)
    head = np.full(houses, n)
    np.minimum.at(head, household, np.arange(n))
    head = head[household]
    bond = bonds[household]
    family = bond == FAMILY
    rank = ranks_within(household)

    slots = 1 + pick(rng, np.array([0.52, 0.34, 0.14]), n)
    first_slot = np.cumsum(slots) - slots
    tablets = np.flatnonzero(chance(rng, np.array([0.0, 0.4, 0.1, 0.0])[bonds], houses))
    tablet_of = np.full(houses, -1)
    tablet_of[tablets] = slots.sum() + np.arange(len(tablets))
    total = int(slots.sum()) + len(tablets)
    reset_at = draw_resets(rng, total, knobs.device_resets, start, end)
    sales = np.flatnonzero(chance(rng, knobs.second_hand, n))
    found_slot, found_at = np.full(n, -1), np.full(n, NEVER)
    new_owner = rng.integers(0, n, len(sales))
    when = rng.integers(start, end, len(sales))
    found_slot[new_owner] = first_slot[sales]
    found_at[new_owner] = when

    phone = new_phones(rng, n)
    lent = family & (rank > 0) & chance(rng, 0.22, n)
    phone = np.where(lent, phone[head], phone)
    second_phone = np.where(chance(rng, 0.06, n), new_phones(rng, n), phone)
    reused = np.flatnonzero(chance(rng, knobs.recycled_phones, n))
    second_phone[reused] = phone[rng.integers(0, n, len(reused))]
    payment = np.arange(n)
    payment = np.where(family & (rank > 0) & chance(rng, 0.28, n), payment[head], payment)
    second_payment = np.where(chance(rng, 0.25, n), n + np.arange(n), payment)

    surname_weight = floats((3.0 + np.arange(len(SURNAMES))) ** -0.9)
    given_weight = floats((6.0 + np.arange(len(GIVEN))) ** -0.6)
    surname = pick(rng, surname_weight, n)
    surname = np.where(family & chance(rng, 0.5, n), surname[head], surname)
    second = np.where(chance(rng, 0.2, n), 0, 1 + pick(rng, given_weight, n))
    name = surname + len(SURNAMES) * (pick(rng, given_weight, n) + len(GIVEN) * second)
    latin_house = chance(rng, knobs.latin, houses)
    latin = latin_house[household]
    name_style = np.where(latin, 3, pick(rng, np.array([0.9, 0.05, 0.05]), n))

    # Most accounts are older than the year.
    old = chance(rng, 0.6, n)
    registered = np.where(
        old, start - (rng.random(n) ** 1.5 * 6 * 365 * DAY).astype(np.int64), rng.integers(start, end - 6 * DAY, n)
    )
    fussy = chance(rng, knobs.fussy, n)
    fresh = chance(rng, knobs.fresh_lovers, n)
    primary = pick(rng, np.array([c.share for c in CATEGORIES]), n)
    primary = np.where(fresh, [c.name for c in CATEGORIES].index("fresh_food"), primary)
    propensity = rng.gamma(knobs.claim_shape, 1.0 / knobs.claim_shape, n)
    propensity = np.where(fussy, knobs.fussy_factor * rng.uniform(0.6, 1.4, n), propensity)
    propensity = np.where(fresh, knobs.fresh_factor * rng.uniform(0.6, 1.4, n), propensity)
    rate = np.exp(rng.normal(-0.5 * knobs.orders_sigma**2, knobs.orders_sigma, n)) * knobs.orders_per_buyer
    # Mobile first for some, home Wi-Fi first for others.
    network = rng.dirichlet((2.4, 1.5, 0.5, 0.12), n)[:, :3]
    zeros = np.zeros(n, dtype=np.int64)
    return People(
        household=household,
        head=head,
        bond=bond,
        city=city,
        home=zeros,
        new_home=zeros,
        moved_at=zeros,
        station=zeros,
        station_share=np.zeros(n),
        other=zeros,
        other_share=np.zeros(n),
        office=zeros,
        dorm=zeros,
        carrier=pick(rng, np.array([0.55, 0.25, 0.20]), n),
        nat=chance(rng, knobs.nat, n),
        network=network,
        lease=np.where(chance(rng, 0.5, houses), 0, rng.integers(20, 150, houses))[household],
        first_slot=first_slot,
        slots=slots,
        family_slot=tablet_of[household],
        found_slot=found_slot,
        found_at=found_at,
        reset_at=reset_at,
        phone=phone,
        second_phone=second_phone,
        payment=payment,
        second_payment=second_payment,
        name=name,
        name_style=name_style,
        phone_style=pick(rng, np.array([0.80, 0.06, 0.04, 0.03, 0.03, 0.04]), n),
        latin=latin,
        registered=registered,
        closed_at=np.full(n, NEVER),
        rate=rate * np.where(fresh, 1.3, 1.0),
        primary=primary,
        propensity=propensity,
        keeps=np.exp(rng.normal(0.0, 1.4, n)),
    )


def draw_resets(rng: np.random.Generator, size: int, yearly: float, start: int, end: int) -> Ints:
    """When each of `size` slots gets a new fingerprint: (size, RESETS), sorted, NEVER where it doesn't."""
    count = np.minimum(rng.poisson(yearly, size), RESETS)
    when = rng.integers(start, end, (size, RESETS))
    when[np.arange(RESETS)[None, :] >= count[:, None]] = NEVER
    return np.sort(when, axis=1)


def new_phones(rng: np.random.Generator, size: int) -> Ints:
    """Eleven-digit mobile numbers; a clash is as unlikely as it is among carriers."""
    prefix = np.array(
        [130, 131, 135, 136, 137, 138, 139, 150, 151, 152, 155, 158, 159, 176, 177, 180, 186, 187, 188, 189]
    )
    return prefix[rng.integers(0, len(prefix), size)] * 100_000_000 + rng.integers(0, 100_000_000, size)
