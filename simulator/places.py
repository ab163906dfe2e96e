"""Invented places: estates, dormitories, offices and parcel stations in real cities, down to the room."""

from dataclasses import dataclass

import numpy as np

from simulator.draws import Ints, pick
from simulator.words import (
    CITIES,
    ESTATE_KINDS,
    FIRST,
    OFFICE_KINDS,
    SCHOOL_KINDS,
    SECOND,
    STATIONS,
)

HOME, DORM, OFFICE, STATION = range(4)
_SUFFIXES = (ESTATE_KINDS, SCHOOL_KINDS, OFFICE_KINDS)


@dataclass(frozen=True)
class Sites:
    """Estates, schools and office parks: one entry each."""

    kind: Ints
    city: Ints
    district: Ints
    road: Ints
    """Which pair of syllables names the road."""
    road_kind: Ints
    number: Ints
    name: Ints
    suffix: Ints
    buildings: Ints
    units: Ints
    """Entrances a building; 0 where buildings aren't divided."""


@dataclass(frozen=True)
class Places:
    """Doors that parcels go to: one entry each; a place number means this door for the whole simulation."""

    site: Ints
    kind: Ints
    building: Ints
    unit: Ints
    room: Ints


def found_sites(rng: np.random.Generator, kinds: Ints, cities: Ints) -> Sites:
    """Invent one site for each entry of `kinds`; no two sites of a city share a name, sites of two cities may."""
    size = len(kinds)
    pairs = len(FIRST) * len(SECOND)
    suffixes = np.array([len(_SUFFIXES[k]) for k in range(3)])[kinds]
    name = np.empty(size, dtype=np.int64)
    suffix = np.empty(size, dtype=np.int64)
    # Popular syllables come up in every city: the square bends the draw towards the first names.
    for city in range(len(CITIES)):
        rows = np.flatnonzero(cities == city)
        if not len(rows):
            continue
        capacity = pairs * len(ESTATE_KINDS)
        order = np.argsort(rng.random(capacity) * (1.0 + np.arange(capacity) % pairs / pairs * 2.0), kind="stable")
        if len(rows) > capacity:
            raise ValueError(f"{len(rows)} estates in one city are more than there are names ({capacity})")
        chosen = order[: len(rows)]
        name[rows] = chosen % pairs
        suffix[rows] = chosen // pairs
    return Sites(
        kind=kinds,
        city=cities,
        district=np.floor(rng.random(size) * np.array([len(c[4]) for c in CITIES])[cities]).astype(np.int64),
        road=rng.integers(0, pairs, size),
        road_kind=pick(rng, np.array([0.7, 0.18, 0.12]), size),
        number=rng.integers(1, 1200, size),
        name=name,
        suffix=suffix % suffixes,
        buildings=rng.integers(3, 31, size),
        units=np.where(rng.random(size) < 0.2, 0, rng.integers(2, 5, size)),
    )


def found_homes(rng: np.random.Generator, sites: Sites, site: Ints) -> Places:
    """One door in each given estate; building, entrance and room at random."""
    size = len(site)
    units = sites.units[site]
    floors = 3 + (rng.random(size) * 25).astype(np.int64)
    return Places(
        site=site,
        kind=np.full(size, HOME),
        building=1 + (rng.random(size) * sites.buildings[site]).astype(np.int64),
        unit=np.where(units > 0, 1 + (rng.random(size) * units).astype(np.int64), 0),
        room=floors * 100 + rng.integers(1, 5, size),
    )


def found_rooms(rng: np.random.Generator, kind: int, site: Ints, building: Ints, room: Ints) -> Places:
    """Dormitory rooms, offices or stations at given sites; stations carry the number of their brand as room."""
    size = len(site)
    if kind == STATION:
        room = rng.integers(0, len(STATIONS), size)
    return Places(site, np.full(size, kind), building, np.zeros(size, dtype=np.int64), room)


def join_places(parts: list[Places]) -> Places:
    """All doors in one table, parts one after another."""
    return Places(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("site", "kind", "building", "unit", "room"))
    )
