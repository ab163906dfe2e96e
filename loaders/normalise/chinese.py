"""Chinese addresses: place, estate or street, building, unit and room, in whatever order and with whatever words.

Method: the head is read by the gazetteer; the rest is scanned once for numbers and the names between them (`reading`),
of which one is the estate's (`names`).
"""

from __future__ import annotations

import re

from loaders.normalise.gazetteer import NOWHERE, Gazetteer, Place, gazetteer
from loaders.normalise.names import choose_name
from loaders.normalise.numerals import to_digits
from loaders.normalise.parts import Address, assemble
from loaders.normalise.reading import resolve_numbers, scan
from loaders.normalise.remarks import drop_remarks

_TOWN = re.compile(
    r",?([一-龥]{1,6}?(?:街道办事处|街道办|街道|(?<=..)(?<![小古])镇(?![东西南北中]{0,2}[路街大]|[江宁海上])"
    r"|(?<=..)乡(?![路村])))(?=.{2})"
)
_COMMUNITY = re.compile(r",?[一-龥]{2,5}?社区(?:居委会)?,?(?=[一-龥]{2})(?!(?:公寓|花园|广场|中心|医院|服务|商业|街))")
_VILLAGE = re.compile(r"(?:村|屯|寨|庄|屋|湾|塘|岗|寮|嘎查|村委会|村民委员会)$")
_VILLAGE_OFFICE = re.compile(r"村(?:村委会|村民委员会|委会|民委员会)$")
_VILLA = re.compile(r"(?:别墅|山庄|墅|独院|庄园)$")
_LATIN_RUN = re.compile(r"[A-Z][A-Z]")
_LATIN_WORDS = (
    (re.compile(r"(?<![A-Z])(?:BUILDING|BLDG|BLOCK|BLK|TOWER)[. ]*(?:NO[. ]*)?([A-Z]?\d+|[A-Z](?![A-Z]))"), r",\1栋"),
    (
        re.compile(r"(?<![A-Z])(?:ROOM|RM|FLAT|APT|APARTMENT|SUITE)[. ]*(?:NO[. ]*)?([A-Z]?\d+[A-Z]?|[A-Z](?![A-Z]))"),
        r",\1室",
    ),
    (re.compile(r"(?<![A-Z])UNIT[. ]*(?:NO[. ]*)?(\d{1,2}|[A-Z](?![A-Z]))(?!\d)"), r",\1单元"),
    (re.compile(r"(?<![A-Z])UNIT[. ]*(\d+[A-Z]?)"), r",\1室"),
    (re.compile(r"(?<!\d)(\d{1,2})\s*(?:/F|FLOOR|(?:ST|ND|RD|TH) ?(?:FLOOR|/F|FL))"), r",\1层"),
    (re.compile(r"(?<![A-Z])NO[. ]*(?=\d)"), ""),
    (re.compile(r"(?<![A-Z])PHASE[. ]*(\d+|[IV]+)"), r",\1期"),
)
_DIGIT_GAP = re.compile(r"(?<=[\dA-Z])\s+(?=\d)|(?<=[\dA-Z幢栋座#元楼号])\s*/\s*(?=\d)|(?<=\d)\s*[.·](?=\d)")
_BREAKS = re.compile(r"[\s,]+")
_FLOOR_OF = re.compile(r"(?<=[层楼F])之(?=\d)")


def _strip_place(book: Gazetteer, body: str) -> tuple[Place, str]:
    """The place, and the address without it. Divisions may stand in several pieces, and in reverse order at the end."""
    place, position = book.strip(body, 0, NOWHERE)
    rest = body[position:]
    if "," not in rest:
        return place, rest
    pieces = rest.split(",")
    if not place.city:
        for index in range(len(pieces) - 1, 0, -1):
            piece = pieces[index]
            if len(piece) < 2 or (not place.city and piece[0].isdigit()):
                continue
            narrowed, stop = book.strip(piece, 0, place)
            if stop == len(piece):
                place = narrowed
                pieces[index] = ""
            elif narrowed.city and not place.city and not piece[0].isdigit():
                place = narrowed
                pieces[index] = piece[stop:]
    kept: list[str] = []
    for piece in pieces:
        if len(piece) > 1 and (place.city or place.province):
            narrowed, stop = book.strip(piece, 0, place)
            if stop and (stop == len(piece) or narrowed.city):
                place, piece = narrowed, piece[stop:]
        if piece:
            kept.append(piece)
    return place, ",".join(kept)


def parse_chinese(text: str) -> Address:
    """Read a folded address that holds Chinese characters. Never raises; time linear in the text."""
    body = drop_remarks(text)
    if _LATIN_RUN.search(body) is not None:
        for pattern, replacement in _LATIN_WORDS:
            body = pattern.sub(replacement, body)
    if " " in body or "/" in body or "." in body:
        body = _DIGIT_GAP.sub("-", body)
        body = _BREAKS.sub(",", body)
    body = body.strip(",")
    book = gazetteer()
    place, rest = _strip_place(book, body)
    town = ""
    if "街道" in rest or "镇" in rest or "乡" in rest:
        found = _TOWN.match(rest)
        if found is not None:
            town, rest = found.group(1), rest[found.end() :]
            second = _TOWN.match(rest)
            if second is not None:
                rest = rest[second.end() :]
    if "社区" in rest:
        found = _COMMUNITY.match(rest)
        if found is not None:
            rest = rest[found.end() :]
    rest = to_digits(rest)
    if "之" in rest:
        rest = _FLOOR_OF.sub("-", rest)
    reading = scan(rest)
    resolve_numbers(reading, place)
    name, section, road = choose_name(reading)
    if section:
        reading.zones.append(section)
    zones = reading.zones
    grouped = bool(zones) and any(zone.endswith("组") for zone in zones)
    village = grouped or (_VILLAGE.search(name) is not None and bool(reading.houses) and not reading.room)
    if not name:
        name = reading.street or road
        kind = "street"
        if not reading.street and not road and town:
            name = town
    else:
        name = book.without_city(name, place.city)
        kind = "estate"
    loose = False
    key = place.key
    if key:
        name = book.without_district(name, key, body)
    else:
        loose = book.begins_with_district(name)
    if village and name:
        kind = "village"
        name = _VILLAGE_OFFICE.sub("村", name)
        if town.endswith(("镇", "乡")):
            name = town + name
    whole_house = not reading.room and bool(reading.houses) and (village or _VILLA.search(name) is not None)
    return assemble(
        key,
        name,
        reading.building,
        reading.unit,
        reading.room,
        kind,
        section=".".join(sorted(dict.fromkeys(zones))) if zones else "",
        building_is_door=whole_house,
        loose=loose,
    )
