"""Addresses in Latin letters: pinyin and English writings of Chinese doors, Hong Kong and Singapore style, and
western ones.

Method: words that announce a number (ROOM, BLDG, FLAT, 12/F, #05-01 …) are taken out first; of the pieces that remain
between commas one is a street with its number, one or more name the place, and the first of the others is the estate.
Names are not translated: 锦绣花园 and Jinxiu Garden are two estates.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from loaders.normalise.gazetteer import Division, gazetteer
from loaders.normalise.parts import Address, assemble

_VALUE = r"[A-Z]?\d{1,5}[A-Z]?(?:-[A-Z]?\d{1,4}[A-Z]?)*|[A-Z]{1,2}\d{0,4}"
_ANNOUNCED = re.compile(
    r"(?<![A-Z0-9])(?:"
    r"(?P<room>ROOM|RM|FLAT|FLT|APARTMENT|APPT|APT|SUITE|STE|SHOP|OFFICE|UNIT|DOOR|HOUSE NO)"
    r"|(?P<building>BUILDING|BUILD|BLDG|BLD|BLOCK|BLK|TOWER|TWR|DORMITORY|DORM|ZHUANG|DONG(?= ?\d))"
    r"|(?P<floor>FLOOR|FLR|FL|LEVEL|LVL|STOREY)"
    r"|(?P<phase>PHASE|ZONE|SECTION|AREA)"
    rf")[ .:#]*(?:(?:NO|NUMBER)[ .:]*)?(?P<value>(?:{_VALUE})(?![A-Z0-9]))"
    r"|(?<![A-Z0-9])(?P<storey>\d{1,3})(?:ST|ND|RD|TH)?[ ]?(?:/F|FLOOR|FLR|FL|F)(?:LOOR)?(?![A-Z0-9])"
    r"|#[ ]?(?P<pair>(?:B?\d{1,3}-)?\d{1,5}[A-Z]?)(?![0-9])"
    r"|(?<![A-Z0-9])(?P<block>[A-Z]?\d{1,4}[A-Z]?)(?:#[ ]?(?:BUILDING|BLDG|LOU)?|(?:ST|ND|RD|TH) (?:BUILDING"
    r"|BLDG)|[ ]?(?:HAO LOU|ZHUANG|DONG|LOU)|[ ]?(?:BUILDING|BLDG)(?= *(?:,|$)))(?![A-Z])"
    r"|(?<![A-Z0-9])(?P<stair>\d{1,2})[ ]?(?:DANYUAN|DAN YUAN)(?![A-Z])"
    r"|(?<![A-Z0-9])(?P<chamber>\d{2,5}[A-Z]?)[ ]?(?:SHI|ROOM)(?= *(?:,|$| \d))"
)
_CHAIN = re.compile(r"(?<![A-Z0-9-])(\d{1,3}|[A-Z])-(?:(\d{1,2})-)?(\d{3,5}[A-Z]?)(?![A-Z0-9-])")
_STREET_WORDS = {
    "ROAD": "ROAD", "RD": "ROAD", "LU": "ROAD", "STREET": "STREET", "STR": "STREET", "ST": "STREET", "JIE": "STREET",
    "DAJIE": "STREET", "AVENUE": "AVENUE", "AVE": "AVENUE", "AV": "AVENUE", "DADAO": "AVENUE", "BOULEVARD": "BOULEVARD",
    "BLVD": "BOULEVARD", "LANE": "LANE", "LN": "LANE", "XIANG": "LANE", "NONG": "LANE", "LONG": "LANE", "DRIVE":
    "DRIVE",
    "DR": "DRIVE", "WAY": "WAY", "CLOSE": "CLOSE", "CL": "CLOSE", "CRESCENT": "CRESCENT", "CRES": "CRESCENT",
    "PLACE": "PLACE",
    "PL": "PLACE", "TERRACE": "TERRACE", "TER": "TERRACE", "HIGHWAY": "HIGHWAY", "HWY": "HIGHWAY", "ALLEY": "ALLEY",
    "HUTONG": "HUTONG", "SQUARE": "SQUARE", "SQ": "SQUARE", "PATH": "PATH", "ROW": "ROW", "GROVE": "GROVE",
    "PARKWAY": "PARKWAY",
    "PKWY": "PARKWAY", "JALAN": "JALAN", "LORONG": "LORONG", "RUE": "RUE", "EXPRESSWAY": "EXPRESSWAY",
}  # fmt: skip
_ABBREVIATIONS = {
    "GDN": "GARDEN", "GDNS": "GARDEN", "GARDENS": "GARDEN", "HUAYUAN": "GARDEN", "CT": "COURT", "MANSIONS":
    "MANSION", "MAN": "MANSION",
    "CTR": "CENTRE", "CENTER": "CENTRE", "PLZ": "PLAZA", "APTS": "APARTMENTS", "EST": "ESTATE", "HSE": "HOUSE",
    "N": "NORTH", "S": "SOUTH", "E": "EAST", "W": "WEST", "MT": "MOUNT", "RESIDENTIAL": "", "COMMUNITY": "",
    "XIAOQU": "",
    "COMPOUND": "", "THE": "",
}  # fmt: skip
_PINYIN_SIDES = {"DONG": "EAST", "XI": "WEST", "NAN": "SOUTH", "BEI": "NORTH", "ZHONG": "MIDDLE", "CENTRAL": "CENTRAL"}
_SIDES = frozenset({"NORTH", "SOUTH", "EAST", "WEST", "CENTRAL", "MIDDLE"})
_ESTATE_WORD = re.compile(
    r"\b(?:GARDEN|COURT|MANSION|PLAZA|VILLAS?|ESTATE|TOWERS?|CENTRE|RESIDENCES?|APARTMENTS|BUILDING|HOUSE|PARK"
    r"|CITY GARDEN|HEIGHTS|TERRACE|CONDO|MINIUM|CAMPUS|UNIVERSITY|VILLAGE|CUN|YUAN|GONGYU|DASHA|XINCUN|JIAYUAN)\b"
)
_COUNTRY = re.compile(
    r"^(?:P ?R ?(?:OF )?CHINA|PRC|CHINA|MAINLAND CHINA|UK|U K|UNITED KINGDOM|ENGLAND|USA|U S A|UNITED STATES|ROC"
    r"|R O C|TAIWAN R O C)$"
)
_DISTRICT = re.compile(r"\b(?:DISTRICT|DIST|QU|SUBDISTRICT|SUB DISTRICT|JIEDAO|TOWN|TOWNSHIP|ZHEN|NEW AREA|XINQU)$")
_CITY_SUFFIX = re.compile(r"(?: CITY| SHI| MUNICIPALITY| PROVINCE| PROV| SHENG| COUNTY| XIAN| SAR)+$")
_POSTCODE = re.compile(
    r"(?<![A-Z0-9-])(?:[A-Z]{1,2}\d[A-Z0-9]? \d[A-Z]{2}|\d{5}(?:-\d{4})|\d{6})(?![A-Z0-9-])"
    r"|(?<=[A-Z]) \d{5}(?= *(?:,|$))"
)
_TELEPHONE = re.compile(
    r"(?:(?:TEL|PHONE|MOBILE|MOB|CELL)[ .:]*)?(?<![A-Z0-9])(?:\+?\d{1,3}[- ]?)?(?:1[3-9]\d(?:[- ]?\d{4}){2}"
    r"|\(?0\d{2,3}\)?[- ]\d{7,8}|\+\d[\d -]{7,14}\d)(?!\d)"
)
_BRACKET = re.compile(r"\(([^()]*)\)?")
_REMARK = re.compile(
    r"(?:^|(?<=[,!.]))\s*(?:PLEASE|PLS|CALL|LEAVE|RING|KNOCK|DELIVER|DO NOT|DON'T|DONT|THANKS|THANK YOU|ATTN|C/O"
    r"|PUT|DROP|BEWARE|NO CALLS|CONTACT|AFTER \d|BEFORE \d|WEEKDAYS|HANDLE)\b[^,]*"
)
_LANE = re.compile(r"(?:(?:NO ?)?(\d{1,4})[, ]+)?(?<![A-Z])(?:LANE|NONG|LONG) ?(\d{1,5})[, ]+(?=[A-Z])")
_STATE_POSTCODE = re.compile(r"( (?!RD|ST|LU|AVE|LN|DR|NO)[A-Z]{2,3}) \d{4}$")
_FLAT_OF_NUMBER = re.compile(r"\s*(\d{1,4})/(?=\d{1,5}[A-Z]? [A-Z]{2})")
_HONG_KONG = {"HK": "香港", "H K": "香港", "HONGKONG": "香港", "KOWLOON": "香港", "KLN": "香港", "NEW TERRITORIES":
"香港", "NT": "香港", "N T": "香港", "MACAO": "澳门"}  # fmt: skip
_NUMBER = r"(?:NO ?)?(\d{1,5}[A-Z]?(?:[-/]\d{1,5}[A-Z]?)?)"
_WORD = "|".join(sorted(_STREET_WORDS, key=lambda word: (-len(word), word)))
_SIDE_WORD = r"(?: (?:NORTH|SOUTH|EAST|WEST|CENTRAL|MIDDLE|N|S|E|W)(?= |$))?"
_NUMBER_STREET = re.compile(rf"^{_NUMBER},? ((?:[A-Z0-9'&]+ ){{0,5}}?[A-Z0-9'&]+ (?:{_WORD})(?![A-Z]){_SIDE_WORD})")
_STREET_NUMBER = re.compile(
    rf"^((?:[A-Z'&]+ ){{1,5}}(?:{_WORD})(?![A-Z]){_SIDE_WORD}) ?(?:NO ?)?(\d{{1,5}}[A-Z]?(?:-\d+)?)(?![A-Z0-9])"
)
_STREET_ONLY = re.compile(rf"^((?:[A-Z'&]+ ){{1,5}}(?:{_WORD})(?![A-Z]){_SIDE_WORD})$")
_NOT_WORDS = re.compile(r"[^A-Z0-9'&/\-]+")


@dataclass(slots=True)
class _Reading:
    building: str = ""
    unit: str = ""
    floor: str = ""
    room: str = ""
    section: str = ""
    rooms: list[tuple[str, str]] = field(default_factory=list)  # (announcing word, value)


def _plain(value: str) -> str:
    """A number without leading zeros, letters first or last as written (A03 is A3)."""
    head = value[:1] if value[:1].isalpha() else ""
    tail = value[len(head) :]
    stripped = tail.lstrip("0")
    return head + (stripped if stripped[:1].isdigit() else ("0" + stripped if tail[:1] == "0" else stripped))


def _floor_room(floor: str, room: str) -> str:
    """Room 01 on floor 5 is 501; flat A on floor 12 is 12A; a room that names its floor stays."""
    if room.isalpha():
        return floor + room
    if room.isdigit() and len(room.lstrip("0")) <= 2:
        return floor + room.lstrip("0").zfill(2)
    return _plain(room)


def _announce(reading: _Reading, match: re.Match[str]) -> None:
    value = match["value"]
    if match["room"]:
        reading.rooms.append((match["room"], value))
    elif match["building"]:
        name = _plain(value).replace("-", "") if value[0].isalpha() else _plain(value)
        reading.building = name if not reading.building else f"{reading.building}.{name}"
    elif match["floor"]:
        reading.floor = reading.floor or _plain(value)
    elif match["phase"]:
        reading.section = reading.section or _plain(value)
    elif match["storey"]:
        reading.floor = reading.floor or _plain(match["storey"])
    elif match["pair"]:
        reading.rooms.append(("#", match["pair"]))
    elif match["block"]:
        reading.building = reading.building or _plain(match["block"])
    elif match["stair"]:
        reading.unit = reading.unit or _plain(match["stair"])
    elif match["chamber"]:
        reading.rooms.append(("ROOM", match["chamber"]))


def _settle_rooms(reading: _Reading) -> None:
    """Which of the announced values is the staircase (unit) and which the room."""
    rooms = reading.rooms
    if len(rooms) > 1:
        units = [item for item in rooms if item[0] == "UNIT"]
        if units and not reading.unit:
            reading.unit = _plain(units[0][1])
            rooms = [item for item in rooms if item is not units[0]]
    if not rooms:
        return
    value = rooms[-1][1] if rooms[-1][0] != "#" else rooms[0][1]
    parts = value.split("-")
    if len(parts) == 3:
        reading.building, reading.unit, value = reading.building or _plain(parts[0]), _plain(parts[1]), parts[2]
    elif len(parts) == 2 and len(parts[0]) <= 2 and len(parts[1]) <= 3 and parts[0].isdigit() and not reading.floor:
        reading.floor, value = _plain(parts[0]), parts[1]
        if len(value) == 3 and value[0] != "0" and value.startswith(reading.floor):
            reading.floor = ""
    elif len(parts) == 2 and len(parts[1]) >= 3:
        reading.building, value = reading.building or _plain(parts[0]), parts[1]
    elif len(parts) == 2 and len(parts[0]) >= 3:
        value = parts[0] + ("" if parts[1].isalpha() else "-") + parts[1]
    if len(value) >= 4 and value[0].isalpha() and value[1:].isdigit() and reading.building in {"", value[0]}:
        reading.building, value = value[0], value[1:]
    room = _floor_room(reading.floor, value) if reading.floor else _plain(value)
    if len(room) > 2 and room[0].isalpha() and room[1:].isdigit() and len(room) <= 3:
        room = room[1:] + room[0]  # flat A12 and 12A are one
    reading.room = room


def _words(text: str) -> list[str]:
    return [word for word in _NOT_WORDS.sub(" ", text.replace("-", " ")).split() if word]


def _street_name(text: str) -> str:
    words = _words(text)
    for index, word in enumerate(words):
        if word in _STREET_WORDS and index and (word != "ST" or index >= len(words) - 2):
            words[index] = _STREET_WORDS[word]
            if index >= 2 and words[index - 1] in _PINYIN_SIDES:
                words[index - 1] = _PINYIN_SIDES[words[index - 1]]
        elif word in {"N", "S", "E", "W"}:
            words[index] = _ABBREVIATIONS[word]
    for index in range(1, len(words) - 1):
        # Wensan West Road and Wensan Road West are one
        if words[index] in _STREET_WORDS.values() and words[index + 1] in _SIDES and words[index + 1] != "CENTRAL":
            words[index], words[index + 1] = words[index + 1], words[index]
    return "".join(words).replace("'", "")


def _estate_name(text: str) -> str:
    words = [_ABBREVIATIONS.get(word, word) for word in _words(text)]
    joined = "".join(words).replace("'", "")
    return joined or "".join(_words(text))


def _find_place(pieces: list[str]) -> tuple[str, list[str], bool]:
    """The place named by the pieces, the pieces that name none, and whether the place is in the gazetteer."""
    book = gazetteer().pinyin
    province, county = "", ""
    cities: list[Division] = []
    fixed = ""
    kept: list[str] = []
    for piece in reversed(pieces):
        rest = piece
        while rest:
            if _COUNTRY.match(rest):
                rest = ""
                break
            words = rest.split(" ")
            taken = 0
            for size in (3, 2, 1):
                if size > len(words):
                    continue
                tail = " ".join(words[-size:])
                bare = _CITY_SUFFIX.sub("", tail)
                if bare in _HONG_KONG:
                    fixed, taken = fixed or _HONG_KONG[bare], size
                    break
                found = book.get(bare.replace(" ", "").replace("'", ""))
                if found is None or (size == len(words) - 1 and words[0].isdigit()):
                    continue
                whole = size == len(words)
                if found[0].level == 3 and not (whole and (tail != bare or cities or province)):
                    continue
                if found[0].level == 1:
                    province = province or found[0].province
                if any(division.level == 2 for division in found):
                    cities = cities or [division for division in found if division.level == 2]
                elif found[0].level == 3:
                    county = county or _county(found, province, cities)
                taken = size
                break
            if not taken:
                break
            rest = " ".join(words[:-taken])
        if rest:
            kept.append(rest)
    kept.reverse()
    if fixed:
        return fixed, kept, True
    fitting = [division for division in cities if not province or division.province == province]
    names = sorted({division.city for division in fitting or cities})
    if len(names) == 1:
        return names[0] + county[len(names[0]) :] if county.startswith(names[0]) else names[0], kept, True
    return county, kept, bool(cities or county)


def _county(found: tuple[Division, ...], province: str, cities: list[Division]) -> str:
    names = {
        division.city + division.county
        for division in found
        if (not province or division.province == province)
        and (not cities or any(division.city == city.city for city in cities))
    }
    return names.pop() if len(names) == 1 else ""


def _find_street(pieces: list[str]) -> tuple[str, int, list[str]]:
    """The street with its number, the index of its piece (-1: none), and the pieces with the street cut out."""
    for pattern in (_NUMBER_STREET, _STREET_NUMBER, _STREET_ONLY):
        for index, piece in enumerate(pieces):
            match = pattern.match(piece)
            if match is None:
                continue
            if pattern is _NUMBER_STREET:
                street = _street_name(match[2]) + " " + match[1]
            elif pattern is _STREET_NUMBER:
                street = _street_name(match[1]) + " " + match[2]
            else:
                street = _street_name(match[1])
            rest = piece[match.end() :].strip(" -")
            return street, index, [*pieces[:index], *([rest] if rest else []), *pieces[index + 1 :]]
    return "", -1, pieces


def parse_latin(text: str) -> Address:
    """Read a folded address without Chinese characters. Never raises; time linear in the text."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    text = _TELEPHONE.sub(",", text)
    text = _REMARK.sub(",", text)
    if "(" in text:
        text = _BRACKET.sub(lambda found: f",{found[1]}," if re.search(r"\d", found[1]) else ",", text)
    text = re.sub(r"\bNO[.:]? *(?=\d)", "NO ", text.replace(")", " "))
    reading = _Reading()

    def announced(match: re.Match[str]) -> str:
        _announce(reading, match)
        return ","

    def laned(match: re.Match[str]) -> str:
        # No. 18, Lane 500, Zhangyang Road: house 18 of the lane, which counts as the street's number
        if match[1]:
            reading.building = _plain(match[1])
        return f",{match[2]}L "

    text = _LANE.sub(laned, text)
    text = _ANNOUNCED.sub(announced, text)

    def chained(match: re.Match[str]) -> str:
        reading.building = reading.building or _plain(match[1])
        reading.unit = reading.unit or _plain(match[2] or "")
        reading.rooms.append(("ROOM", match[3]))
        return ","

    if not reading.rooms:
        text = _CHAIN.sub(chained, text, count=1)
    text = _STATE_POSTCODE.sub(r"\1", _POSTCODE.sub("", text))
    slash = _FLAT_OF_NUMBER.match(text) if not reading.rooms else None
    if slash is not None:
        reading.rooms.append(("FLAT", slash[1]))
        text = text[slash.end() :]
    pieces = [" ".join(_NOT_WORDS.sub(" ", piece).split()) for piece in re.split(r"[,.:!?](?!\d)|,", text)]
    pieces = [piece.strip("- /") for piece in pieces if piece.strip("- /")]
    city, pieces, known = _find_place(pieces)
    pieces = [piece for piece in pieces if not _DISTRICT.search(piece) and not _COUNTRY.match(piece)]
    numbers = [piece for piece in pieces if piece.isdigit() or re.fullmatch(r"\d+[A-Z]|[A-Z]\d+", piece)]
    street, at, pieces = _find_street(pieces)
    if not street and numbers and (following := pieces.index(numbers[0]) + 1) < len(pieces):
        # "388, Wensan Road": a number on its own before its street
        joined = [*pieces[: following - 1], f"{pieces[following - 1]} {pieces[following]}", *pieces[following + 1 :]]
        street, at, joined = _find_street(joined)
        if street:
            pieces, numbers = joined, numbers[1:]
    if numbers and not reading.rooms:
        reading.rooms.append(("ROOM", numbers[0]))
    _settle_rooms(reading)
    names = [(index, piece) for index, piece in enumerate(pieces) if re.search(r"[A-Z]{2}", piece)]
    estate = ""
    before = [piece for index, piece in names if at < 0 or index < at]
    after = [piece for index, piece in names if at >= 0 and index >= at]
    marked = [piece for _, piece in names if _ESTATE_WORD.search(_spelled(piece))]
    kind = "estate"
    if marked:
        estate = marked[0]
    elif before and (known or at >= 0 or len(before) > 1 or not after):
        estate = before[0]
    if not known:
        others = [piece for _, piece in names if piece is not estate]
        if others and (at < 0 or others[-1] in after):
            city = _town(others)
            kind = "western"
    name = _estate_name(estate) if estate else ""
    house_is_door = False
    if not name and street:
        name, kind = street, kind if kind == "western" else "street"
        house_is_door = kind == "western" and not reading.rooms and not reading.building and street[-1:].isdigit()
    building = reading.building
    if house_is_door:
        building = street.rpartition(" ")[2]
    return assemble(
        city, name, building, reading.unit, reading.room, kind, section=reading.section, building_is_door=house_is_door
    )


def _spelled(piece: str) -> str:
    return " ".join(_ABBREVIATIONS.get(word, word) for word in piece.split(" "))


def _town(pieces: list[str]) -> str:
    """A town the gazetteer doesn't know: the last piece, with its state where that stands apart (SPRINGFIELD IL)."""
    last = pieces[-1]
    if len(last) == 2 and len(pieces) > 1:
        return f"{pieces[-2]} {last}"
    return last
