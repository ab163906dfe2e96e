"""Chinese addresses: place, estate or street, building, unit and room, in whatever order and with whatever words.

Method: the head is read by the gazetteer; the rest is scanned once for numbers with the word that follows them (幢,
单元, 室,
弄 …); what lies between the numbers is the name of a road or an estate. Numbers fill the parts by their word, and
by their rank where they stand in a chain (3-2-501).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from loaders.normalise.gazetteer import NOWHERE, Place, gazetteer
from loaders.normalise.numerals import to_digits
from loaders.normalise.parts import Address, assemble
from loaders.normalise.remarks import drop_remarks

# What the word after a number says of it: B building, U unit, F floor, R room, H house number, L lane, S road section,
# Z phase or section of an estate, T part of a road's name, V part of a village's name, X measures that say nothing.
_WORD_TABLE = """
B 号住宅楼 号教学楼 号公寓楼 号宿舍楼 号宿舍 号公寓 号楼栋 号楼座 号楼 号栋 号幢 号座 #楼 #栋 #幢 #座 幢楼 栋楼 栋号
B 幢 栋 座 # 舍 宿舍楼 宿舍 公寓楼 斋
U 单元楼 单元门 单元 号门 门洞 门 梯
F 层楼 字楼 层 楼 /F
R 号室 号房间 号房 室 房间 房 户 寝室 寝 号铺位 号铺 号商铺 商铺 号门面 门面 号店面 铺 号档口 档口 档
H 号院 号大院 号
L 弄 巷
S 段
Z 期 区 组团 村民小组 村民组 小组 组 生产队 队 社 排
T 号大街 号路 大街 街 路 号线 大道
V 村
X 公里 米 分钟 点 年 月 日 斤 件 个 元
"""
_WORDS = {word: line[0] for line in _WORD_TABLE.strip().splitlines() for word in line[2:].split()}
_ALTERNATIVES = "|".join(re.escape(word) for word in sorted(_WORDS, key=lambda word: (-len(word), word)))
_TOKEN = re.compile(
    r"第?((?:[A-Z甲乙丙丁附]?\d{1,5}[A-Z]?(?![A-Z])|[A-Z]{1,2}(?=[-座栋幢楼区单室房户号#门])"
    r"|(?<=[楼层F])[A-Z](?=$|,))(?:-(?:[A-Z]?\d{1,5}[A-Z]?|[A-Z](?![A-Z])))*"
    r"|[甲乙丙丁东西南北中](?=单元|户|座(?!标)|栋|幢|号楼|楼(?=[\dA-Z,-]|$)))"
    rf"(?:-?({_ALTERNATIVES})(?![上下]|盘|牌))?-?"
)
_ROAD_END = re.compile(r"(?:路|街|大道|道|巷|胡同|条|线|段|公路|弄|东里|西里|里|坊)[东西南北中]?$")
_ROAD_AFTER_ESTATE = re.compile(
    r"(.*(?:花园|小区|公寓|[苑府湾庭城]|[^公校]园|新村|家园|广场|大厦|中心|公馆|宿舍|别墅|山庄"
    r"|,))(?![东西南北中][路街巷])([^,]{1,5}(?:路|街|大道|巷|胡同))$"
)
_ROAD_BEFORE_ESTATE = re.compile(
    r"(?:[^,]{1,6}?(?:大街|大道|(?<!铁)(?<!公)(?<!马)路|(?<!步行)街|胡同),?)(?!口|道|办|桥|局"
    r"|坊)(?=[^,]{2})(?!(?:小区|社区|花园|公寓|宿舍|广场|市场|商场|新村|家园|大厦|中学|小学|大院|派出所|车站|中心"
    r"|商业|商店)(?:$|,))"
)
_CROSSING = re.compile(
    r"[^,]*?(?:交叉路?口|交汇处?|交界处?|交口|路口|路与[^,]{2,6}路口?)(?:(?:向|往)?[东西南北]{1,2}(?:侧|角|面"
    r"|行)?(?:约?\d+米)?(?:路[东西南北])?)?"
)
_TOWN = re.compile(
    r",?([一-龥]{1,6}?(?:街道办事处|街道办|街道|(?<=..)(?<![小古])镇(?![东西南北中]{0,2}[路街大]|[江宁海上])"
    r"|(?<=..)乡(?![路村])))(?=.{2})"
)
_COMMUNITY = re.compile(r",?[一-龥]{2,5}?社区(?:居委会)?,?(?=[一-龥]{2})(?!(?:公寓|花园|广场|中心|医院|服务|商业|街))")
_GENERIC_TAIL = re.compile(r"(?<=..)(?:住宅小区|小区|社区|住宅区|生活区|生活小区)$")
_DORM_TAIL = re.compile(
    r"(?<=大学|学院|校区|学校|中学|公司|园区|本部|分校)(?:学生|员工|职工)?(?:宿舍区?|公寓区?|宿舍楼|公寓楼|寝室"
    r"|生活区)$"
)
_SECTION = re.compile(r"^(.{2,}?)[-,]?([东西南北中]|[A-Z]|[东西南北]{2})区$")
_SECTION_APART = re.compile(r",(?=(?:[东西南北中]{1,2}|[A-Z])区$)")
_VILLAGE = re.compile(r"(?:村|屯|寨|庄|屋|湾|塘|岗|寮|嘎查|村委会|村民委员会)$")
_VILLA = re.compile(r"(?:别墅|山庄|墅|独院|庄园)$")
_COMPANY = re.compile(r"[一-龥]{2,12}?(?:有限责任公司|有限公司|股份公司|分公司)")
_PUNCTUATION = " ,./-#+*&@!?:'~^=_%$()|号"
_LETTER = re.compile(r"[一-龥]")
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


@dataclass(slots=True)
class _Reading:
    """What the scan has found so far."""

    before: list[str] = field(default_factory=list)  # names before any building, unit or room
    after: list[str] = field(default_factory=list)
    street: str = ""
    houses: list[str] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    building: str = ""
    unit: str = ""
    floor: str = ""
    room: str = ""
    houses_first: bool = False
    lettered_floor: bool = False  # 25F: a floor, or flat F on floor 25

    def name(self, text: str) -> None:
        text = text.strip(_PUNCTUATION)
        if text:
            if self.houses and self.before and not self.inside_building:
                # 四牌楼2号东南大学: the number belongs to what stood before it, which is where the named thing is
                self.street = self.street or f"{self.before.pop()}{self.houses.pop()}号"
            (self.after if self.inside_building else self.before).append(text)

    @property
    def inside_building(self) -> bool:
        """Whether a building, a unit or a room is known."""
        return bool(self.building or self.unit or self.room)

    @property
    def inside(self) -> bool:
        """Whether a building, a unit or a floor is known, so that a bare number can only be a room."""
        return bool(self.building or self.unit or self.floor or self.houses or self.zones)


def _plain(number: str) -> str:
    """A number without leading zeros (03 is 3, A03 is A3)."""
    if number[0] == "0":
        return number.lstrip("0") or "0"
    if len(number) > 2 and number[1] == "0" and number[0].isalpha():
        return number[0] + (number[1:].lstrip("0") or "0")
    return number


def _join(chain: list[str]) -> str:
    """A building's name from a chain: A-3 and A3 are one, 3-1 stays."""
    text = chain[0]
    for part in chain[1:]:
        text += part if text[-1].isalpha() != part[0].isalpha() else "-" + part
    return text


def _leading_digits(text: str) -> int:
    count = 0
    while count < len(text) and text[count].isdigit():
        count += 1
    return count


def _set_building(reading: _Reading, name: str) -> None:
    if not reading.building:
        reading.building = name
    elif reading.building != name:
        reading.building += "." + name


_LETTERED_ROOM = 4  # C704 and longer: a building's letter and a room; B12 is a shop


def _set_room(reading: _Reading, chain: list[str]) -> None:
    """Fill building, unit and room from a chain whose last member is a room."""
    if len(chain) > 1:
        last, previous = chain[-1], chain[-2]
        if _leading_digits(previous) >= 3 and (last.isalpha() or len(last) <= 2):
            # 501-A and 501-1 are rooms behind one door number
            chain = [*chain[:-2], previous + last if last.isalpha() else f"{previous}-{last}"]
    if len(chain) > 3 and chain[-1].startswith(chain[-2]):
        del chain[-2]
    if len(chain) > 3:
        reading.zones.append(chain[0])
        chain = chain[-3:]
    room = chain[-1]
    rest = chain[:-1]
    if len(rest) == 2:
        if reading.building:
            if not reading.unit:
                reading.unit = rest[0]
        else:
            reading.building, reading.unit = rest
    elif len(rest) == 1:
        if reading.unit:
            if not room.startswith(rest[0]) or len(room) < 3:
                room = f"{rest[0]}-{room}"  # 2单元5-1: flat 1 on floor 5
        elif reading.building or reading.houses:
            if not reading.floor:
                reading.unit = rest[0]
        else:
            reading.building = rest[0]
    elif len(room) >= _LETTERED_ROOM and room[0].isalpha() and room[1:].isdigit():
        # A1203: room 1203 of building A
        if not reading.building:
            reading.building, room = room[0], room[1:]
        else:
            if reading.building != room[0]:
                reading.building += "." + room[0]
            room = room[1:]
    if not reading.room:
        reading.room = room
    elif reading.room != room and not reading.room.endswith(room):
        reading.room = f"{reading.room}-{room}"


def _take(reading: _Reading, chain: list[str], code: str, word: str) -> None:
    """Put a number (or chain) with its word's code where it belongs."""
    if code == "B":
        _set_building(reading, _join(chain))
    elif code == "U":
        if len(chain) > 1:
            _set_building(reading, _join(chain[:-1]))
        if not reading.unit:
            reading.unit = chain[-1]
    elif code == "F":
        if len(chain) > 1:
            _set_building(reading, _join(chain[:-1]))
        if not reading.floor:
            reading.floor = chain[-1]
        else:
            reading.floor += "." + chain[-1]
    elif code == "Z":
        reading.zones.append(_join(chain) + ("组" if word in _GROUPS else word))
    elif code == "H":
        if len(chain) > 1 and reading.building:
            _set_room(reading, chain)
        else:
            reading.houses.append(_join(chain))
            reading.houses_first = not reading.building
    elif code == "R":
        _set_room(reading, chain)
    elif code == "N":
        number = chain[0]
        if len(chain) == 1 and number[-1] == "F" and number[:-1].isdigit() and len(number) <= 3:
            reading.floor = reading.floor or number[:-1]
            reading.lettered_floor = True
        elif len(chain) == 2 and chain[0][-1] == "F" and chain[0][:-1].isdigit():
            reading.floor = chain[0][:-1]
            _set_room(reading, chain[1:])
        elif (
            len(chain) > 1 or reading.inside or _leading_digits(number) >= 3 or len(number) >= 4 or number[-1].isalpha()
        ):
            _set_room(reading, chain)
        elif not reading.building:
            reading.building = number


_GROUPS = frozenset({"村民小组", "村民组", "小组", "组", "生产队", "队", "社"})


def _split_road(pending: str) -> tuple[str, str]:
    """`锦绣花园文三路` -> (`锦绣花园`, `文三路`)."""
    split = _ROAD_AFTER_ESTATE.match(pending)
    if split is not None:
        return split.group(1), split.group(2)
    before, _, road = pending.rpartition(",")
    return before, road


def _scan(body: str) -> _Reading:
    reading = _Reading()
    pending = ""
    lane = False
    end = 0
    for match in _TOKEN.finditer(body):
        begin = match.start()
        if begin > end:
            pending += body[end:begin]
        end = match.end()
        number, word = match.group(1), match.group(2)
        code = "N" if word is None else _WORDS[word]
        if code in "TV":
            pending += number + (word or "")
            continue
        if code == "X":
            continue
        pending = pending.strip(_PUNCTUATION) if pending else ""
        chain = [_plain(part) for part in number.split("-")] if "-" in number else [_plain(number)]
        if pending and not reading.street:
            if code == "S" or (code == "L" and (not lane or pending[-1] in "弄巷")):
                pending += chain[0] + (word or "")
                lane = lane or code == "L"
                continue
            if lane and pending[-1] in "弄巷":
                before, reading.street = _split_road(pending)
                reading.name(before)
                pending = ""
            elif code in "HN" and _ROAD_END.search(pending) is not None:
                before, road = _split_road(pending)
                reading.name(before)
                pending = ""
                if code == "N" and len(chain) > 2:
                    reading.street = f"{road}{chain[0]}号"
                    _take(reading, chain[1:], code, "")
                else:
                    reading.street = f"{road}{'-'.join(chain)}号"
                continue
        if code == "H" and chain[0][0] == "附" and reading.street:
            reading.street += chain[0]
            continue
        if code == "H" and not pending and not reading.before and not reading.street and _LETTER.match(body, end):
            pending = chain[0] + (word or "")  # 九号公馆: the number is part of a name
            continue
        if pending == "之" and reading.street and not reading.inside:
            reading.street += "之" + chain[0]
            pending = ""
            if len(chain) > 1:
                _take(reading, chain[1:], code, word or "")
            continue
        if pending:
            reading.name(pending)
            pending = ""
        _take(reading, chain, code, word or "")
    pending = (pending + body[end:]).strip(_PUNCTUATION)
    if pending:
        if lane and not reading.street and pending[-1] in "弄巷":
            reading.street = pending
        else:
            reading.name(pending)
    return reading


def _resolve_numbers(reading: _Reading, place: Place) -> None:
    """Settle house numbers, floors and rooms once all are seen."""
    if reading.floor and not reading.building and not reading.houses:
        digits = _leading_digits(reading.room)
        named = bool(reading.before) or not reading.street
        if reading.unit or reading.zones or (named and digits >= 3 and not reading.room.startswith(reading.floor)):
            # 3楼2单元501 and 3楼501: the 楼 is a building, not a floor
            reading.building, reading.floor = reading.floor, ""
    for house in reading.houses:
        if not reading.building:
            reading.building = house
        elif not reading.room and (not reading.houses_first or (house != reading.building and len(reading.houses) > 1)):
            reading.room = house
        elif house != reading.building and reading.houses_first and reading.building not in reading.houses:
            reading.zones.append(house)
    if reading.floor:
        room = reading.room
        if not room:
            if reading.lettered_floor or place.province in _FLOOR_IS_DOOR:
                reading.room = f"{reading.floor}F"
        elif room.isalpha() and len(room) <= 2:
            reading.room = reading.floor + room
        elif place.province == "台湾" and _leading_digits(room) == len(room) <= 2:
            reading.room = f"{reading.floor}F-{room}"
        elif room.isdigit() and len(room) <= 2:
            reading.room = reading.floor + room.zfill(2)


_FLOOR_IS_DOOR = frozenset({"台湾", "香港", "澳门"})


def _clean_name(name: str) -> tuple[str, str]:
    """A name without what says nothing, and the section of the estate it names (东区), if any."""
    section = ""
    if "公司" in name:
        name = _COMPANY.sub("", name) or name
    if name[-1] in _TAIL_ENDS:
        found = _SECTION.match(name)
        if found is not None:
            name, section = found.group(1), found.group(2) + "区"
        name = _DORM_TAIL.sub("", _GENERIC_TAIL.sub("", name))
    return name.replace(",", "").replace(" ", ""), section


_TAIL_ENDS = frozenset("区舍寓楼室")


def _choose_name(reading: _Reading) -> tuple[str, str, str]:
    """The estate's name, its section, and the road named without a number, of all the names seen."""
    road = ""
    for names in (reading.before, reading.after):
        for name in reversed(names):
            text = _CROSSING.sub("", name) if "口" in name or "交" in name else name
            if _HAS_ROAD.search(text) is not None:
                text = _ROAD_BEFORE_ESTATE.sub("", text, count=1)
            text = text.strip(_PUNCTUATION)
            if not text:
                continue
            if "," in text:
                text = _SECTION_APART.sub("", text)
                text = max(text.split(","), key=len)
            if _ROAD_END.search(text) is not None and len(text) <= 8 and (reading.street or len(names) > 1):
                road = road or text
                continue
            if names is reading.after and (reading.street and not _STRONG.search(text)):
                continue
            clean, section = _clean_name(text)
            if clean:
                return clean, section, road
    return "", "", road


_HAS_ROAD = re.compile(r"[路街道同]")
_STRONG = re.compile(r"(?:花园|小区|公寓|[苑府湾庭城园村]|广场|大厦|中心|别墅|山庄|大楼|校区|大学|学院)$")


def _strip_place(body: str) -> tuple[Place, str]:
    """The place, and the address without it. Divisions may stand in several pieces, and in reverse order at the end."""
    book = gazetteer()
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
    place, rest = _strip_place(body)
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
    reading = _scan(rest)
    _resolve_numbers(reading, place)
    name, section, road = _choose_name(reading)
    if section:
        reading.zones.append(section)
    grouped = any(zone.endswith("组") for zone in reading.zones)
    village = grouped or (_VILLAGE.search(name) is not None and bool(reading.houses) and not reading.room)
    if not name:
        name = reading.street or road
        kind = "street"
        if not reading.street and not road and town:
            name = town
    else:
        name = gazetteer().without_city(name, place.city)
        kind = "estate"
    book = gazetteer()
    loose = False
    if place.key:
        name = book.without_district(name, place.key, body)
    else:
        loose = book.begins_with_district(name)
    if village and name:
        kind = "village"
        name = _VILLAGE_OFFICE.sub("村", name)
        if town.endswith(("镇", "乡")):
            name = town + name
    whole_house = not reading.room and bool(reading.houses) and (village or _VILLA.search(name) is not None)
    return assemble(
        place.key,
        name,
        reading.building,
        reading.unit,
        reading.room,
        kind,
        section=".".join(sorted(dict.fromkeys(reading.zones))),
        building_is_door=whole_house,
        loose=loose,
    )


_VILLAGE_OFFICE = re.compile(r"村(?:村委会|村民委员会|委会|民委员会)$")
