"""How people write down addresses, names and phone numbers: the same door in many hands.

Styles are drawn for a person and an address, never for a kind of person: what somebody writes says nothing of honesty.
"""

import numpy as np

from simulator.draws import Floats, Ints, ints, pick
from simulator.places import DORM, HOME, OFFICE, Places, Sites
from simulator.words import (
    CITIES,
    ESTATE_KINDS,
    FIRST,
    FULL_WIDTH,
    GIVEN,
    GIVEN_LATIN,
    OFFICE_KINDS,
    ROAD_KINDS,
    SCHOOL_KINDS,
    SECOND,
    STATIONS,
    SURNAMES,
    SURNAMES_LATIN,
    TRADITIONAL,
)

_SUFFIXES = (ESTATE_KINDS, SCHOOL_KINDS, OFFICE_KINDS)
_DIGITS = "零一二三四五六七八九"
# Chance of each way to write the region, the door and the order of parts; the first of each is the common one.
_REGION = np.array([0.46, 0.16, 0.20, 0.10, 0.04, 0.04])
_DOOR = np.array([0.30, 0.16, 0.09, 0.14, 0.14, 0.05, 0.08, 0.04])
_ORDER = np.array([0.80, 0.08, 0.07, 0.05])
_LATIN_DOOR = 4


def numeral(value: int) -> str:
    """A number from 1 to 99 in Chinese: 12 is 十二."""
    tens, ones = divmod(value, 10)
    head = "" if tens == 0 else "十" if tens == 1 else _DIGITS[tens] + "十"
    return head + (_DIGITS[ones] if ones else "")


def spelled(value: int) -> str:
    """A room number digit by digit in Chinese: 501 is 五零一."""
    return "".join(_DIGITS[int(d)] for d in str(value))


def draw_styles(rng: np.random.Generator, size: int, noise: float, latin: Floats) -> Ints:
    """One style number for each writing; `latin` says where Latin letters are used."""

    def bent(weights: Floats) -> Ints:
        shaped = weights.copy()
        shaped[1:] *= noise
        return pick(rng, shaped, size)

    region, door, order = bent(_REGION), bent(_DOOR), bent(_ORDER)
    road = rng.integers(0, 5, size)
    gap = pick(rng, np.array([0.7, 0.22 * noise, 0.08 * noise]), size)
    traditional = rng.random(size) < 0.06 * noise
    wide = rng.random(size) < 0.07 * noise
    code = region + 6 * (door + 8 * (order + 4 * (road + 5 * (gap + 3 * (traditional + 2 * wide)))))
    return ints(np.where(latin > 0, -1 - code % _LATIN_DOOR, code))


def _door(style: int, building: int, unit: int, room: int) -> str:
    if unit == 0:
        return (
            f"{building}幢{room}室",
            f"{building}-{room}",
            f"{building}#{room}",
            f"{building}号楼{room}",
            f"{building}栋{room}室",
            f"{numeral(building)}幢{spelled(room)}室",
            f"{building}号楼{room}室",
            f"{building}幢 {room}",
        )[style]
    return (
        f"{building}幢{unit}单元{room}室",
        f"{building}-{unit}-{room}",
        f"{building}#{unit}单元{room}",
        f"{building}号楼{unit}单元{room}",
        f"{building}栋{unit}单元{room}室",
        f"{numeral(building)}幢{numeral(unit)}单元{spelled(room)}室",
        f"{building}号楼{unit}单元{room}室",
        f"{building}幢 {unit}单元 {room}",
    )[style]


def _region(style: int, province: str, city: str, district: str) -> str:
    short = province.removesuffix("省").removesuffix("市")
    if province == city:
        return (
            city + district,
            short + district,
            city + city + district,
            f"{city} {district}",
            district,
            city + district,
        )[style]
    return (
        province + city + district,
        short + city + district,
        city + district,
        f"{province} {city} {district}",
        district,
        short + city.removesuffix("市") + district,
    )[style]


def write_addresses(sites: Sites, places: Places, place: Ints, style: Ints) -> list[str]:
    """The text of each (place, style); the same pair always gives the same text."""
    names = [a + b for a, _ in FIRST for b, _ in SECOND]
    latin_names = [a + b for _, a in FIRST for _, b in SECOND]
    columns = (
        sites.kind, sites.city, sites.district, sites.road, sites.road_kind, sites.number, sites.name, sites.suffix,
    )  # fmt: skip
    site = places.site[place]
    rows = zip(
        *(column[site].tolist() for column in columns),
        places.kind[place].tolist(),
        places.building[place].tolist(),
        places.unit[place].tolist(),
        places.room[place].tolist(),
        style.tolist(),
        strict=True,
    )
    texts = []
    for (
        site_kind,
        city_no,
        district_no,
        road,
        road_kind,
        number,
        name,
        suffix,
        kind,
        building,
        unit,
        room,
        code,
    ) in rows:
        province, city, province_latin, city_latin, districts, _ = CITIES[city_no]
        district, district_latin = districts[district_no]
        if code < 0:
            estate = f"{latin_names[name]} {_SUFFIXES[site_kind][suffix][1]}"
            street = f"No. {number} {latin_names[road]} {ROAD_KINDS[road_kind][1]}"
            region = f"{district_latin} District, {city_latin}"
            if province != city:
                region += f", {province_latin}"
            texts.append(_latin(-1 - code, kind, building, unit, room, estate, street, region))
            continue
        code, region_style = divmod(code, 6)
        code, door_style = divmod(code, 8)
        code, order = divmod(code, 4)
        code, road_style = divmod(code, 5)
        code, gap_style = divmod(code, 3)
        wide, traditional = divmod(code, 2)
        gap = ("", " ", "，")[gap_style]
        region = _region(region_style, province, city, district)
        estate = names[name] + _SUFFIXES[site_kind][suffix][0]
        street = f"{names[road]}{ROAD_KINDS[road_kind][0]}{number}号"
        if kind == HOME:
            door = _door(door_style, building, unit, room)
        elif kind == DORM:
            door = (f"{building}号宿舍楼{room}室", f"{building}号宿舍楼{room}", f"{building}舍{room}")[door_style % 3]
        elif kind == OFFICE:
            door = (f"{building}号楼{room}室", f"{building}号楼{room}")[door_style % 2]
        else:
            door = STATIONS[room]
        # Three in five writings name the road; where it is left out the estate has to do.
        if road_style >= 3:
            text = gap.join((region, estate, door))
        elif order == 1:
            text = gap.join((region, estate, f"({street})", door))
        elif order == 2:
            text = f"{estate}{door} {region}{street}"
        elif order == 3:
            text = f"{street}{estate}{door},{region}"
        else:
            text = gap.join((region, street, estate, door))
        if traditional:
            text = text.translate(TRADITIONAL)
        if wide:
            text = text.translate(FULL_WIDTH)
        texts.append(text)
    return texts


def _latin(style: int, kind: int, building: int, unit: int, room: int, estate: str, street: str, region: str) -> str:
    if kind not in (HOME, DORM, OFFICE):
        return f"Parcel Station, {estate}, {street}, {region}"
    middle = f"Unit {unit}, " if unit else ""
    plain = "-".join(str(x) for x in (building, unit, room) if x)
    return (
        f"Room {room}, {middle}Building {building}, {estate}, {street}, {region}",
        f"Rm {room}, {middle}Bldg {building}, {estate}, {street}, {region}",
        f"{plain} {estate}, {street}, {region}",
        f"{estate}, Building {building}, {middle}Room {room}, {street}, {region}",
    )[style]


def write_names(name: Ints, style: Ints) -> list[str]:
    """Recipients: full name, surname with a title, or Latin letters (styles 0, 1 to 2, 3)."""
    texts = []
    for code, how in zip(name.tolist(), style.tolist(), strict=True):
        rest, surname = divmod(code, len(SURNAMES))
        second, first = divmod(rest, len(GIVEN))
        if how == 1 or how == 2:
            texts.append(SURNAMES[surname] + ("先生" if how == 1 else "女士"))
        elif how == 3:
            given = GIVEN_LATIN[first] + (GIVEN_LATIN[second - 1] if second else "")
            texts.append(f"{given.capitalize()} {SURNAMES_LATIN[surname]}")
        else:
            texts.append(SURNAMES[surname] + GIVEN[first] + (GIVEN[second - 1] if second else ""))
    return texts


def write_phones(phone: Ints, style: Ints) -> list[str]:
    """Mobile numbers (11 digits) bare, with country code, in groups, or with an extension."""
    texts = []
    for value, how in zip(phone.tolist(), style.tolist(), strict=True):
        digits = str(value)
        texts.append(
            (
                digits,
                f"+86 {digits}",
                f"{digits[:3]} {digits[3:7]} {digits[7:]}",
                f"{digits[:3]}-{digits[3:7]}-{digits[7:]}",
                f"86{digits}",
                f"{digits}-{1000 + value % 8999}",
            )[how]
        )
    return texts
