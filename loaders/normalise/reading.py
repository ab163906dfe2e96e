"""One scan over a Chinese address: numbers with the word that follows them, and the names between them.

Numbers fill the parts of an address by their word (幢, 单元, 室, 弄 …), and by their rank where they stand in a
chain (3-2-501).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from loaders.normalise.gazetteer import Place

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
ROAD_END = re.compile(r"(?:路|街|大道|道|巷|胡同|条|线|段|公路|弄|东里|西里|里|坊)[东西南北中]?$")
_ROAD_AFTER_ESTATE = re.compile(
    r"(.*(?:花园|小区|公寓|[苑府湾庭城]|[^公校]园|新村|家园|广场|大厦|中心|公馆|宿舍|别墅|山庄"
    r"|,))(?![东西南北中][路街巷])([^,]{1,5}(?:路|街|大道|巷|胡同))$"
)
PUNCTUATION = " ,./-#+*&@!?:'~^=_%$()|号"
_LETTER = re.compile(r"[一-龥]")


@dataclass(slots=True)
class Reading:
    """What the scan of an address has found; empty text where it has found nothing."""

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
        """Take up a name that stood between two numbers."""
        text = text.strip(PUNCTUATION)
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


def _set_building(reading: Reading, name: str) -> None:
    if not reading.building:
        reading.building = name
    elif reading.building != name:
        reading.building += "." + name


_LETTERED_ROOM = 4  # C704 and longer: a building's letter and a room; B12 is a shop


def _set_room(reading: Reading, chain: list[str]) -> None:
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


def _take(reading: Reading, chain: list[str], code: str, word: str) -> None:
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


def scan(body: str) -> Reading:
    """Read an address without its place, town and remarks, its Chinese numerals already digits."""
    reading = Reading()
    pending = ""
    lane = False
    end = 0
    for match in _TOKEN.finditer(body):
        begin = match.start()
        if begin > end:
            pending += body[end:begin]
        end = match.end()
        number, word = match.group(1, 2)
        code = "N" if word is None else _WORDS[word]
        if code in "TV":
            pending += number + (word or "")
            continue
        if code == "X":
            continue
        pending = pending.strip(PUNCTUATION) if pending else ""
        chain = [_plain(number)] if "-" not in number else [_plain(part) for part in number.split("-")]
        if pending and not reading.street:
            if code == "S" or (code == "L" and (not lane or pending[-1] in "弄巷")):
                pending += chain[0] + (word or "")
                lane = lane or code == "L"
                continue
            if lane and pending[-1] in "弄巷":
                before, reading.street = _split_road(pending)
                reading.name(before)
                pending = ""
            elif code in "HN" and ROAD_END.search(pending) is not None:
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
        # what most addresses are made of needs no more than this
        if len(chain) == 1 and code == "B" and not reading.building:
            reading.building = chain[0]
        elif len(chain) == 1 and code == "U" and not reading.unit:
            reading.unit = chain[0]
        else:
            _take(reading, chain, code, word or "")
    pending = (pending + body[end:]).strip(PUNCTUATION)
    if pending:
        if lane and not reading.street and pending[-1] in "弄巷":
            reading.street = pending
        else:
            reading.name(pending)
    return reading


def resolve_numbers(reading: Reading, place: Place) -> None:
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
