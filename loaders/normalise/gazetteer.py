"""Provinces, cities and counties of China: recognised at the head of an address, in Chinese and in pinyin.

A *place* is what tells two estates of one name apart. It is the prefecture-level city, or the county (县, 市, 旗) where
one is named: 昆山市 and 常熟市 both have a 人民路, although both belong to 苏州. Urban districts (区) are recognised
and dropped,
since writers leave them out; only Taiwan's, where every district has its own 中山路, count as places.
Source: the table `divisions.tsv` beside this file names its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

# Short names that are everyday words too: without 市 they count only after their province.
_WORD_LIST = """
中山 白山 黄山 大同 朝阳 文山 红河 海东 海西 海北 海南 黄南 黔南 山南 保山 白银 大理 兴安 新乡 云林 中卫 松原 鸡西
安康 安顺
广元 巴中 长治 和田 阿里 吉安 泰安 六安 广安 延安 东方 河源 阳江 平凉 北海 玉林 玉树 玉溪 通化 庆阳 金昌 清远 来宾 日照
德州 滨州 昌吉 甘南 湘西 林芝 百色 固原 三明 龙岩 文昌 普洱 昭通
"""
_WORDS = frozenset(_WORD_LIST.split())

# A short name followed by one of these is part of another name: 南京西路, 北京大学, 河北区, 杭州湾.
_PART_OF_NAME = re.compile(
    r"(?!五一|八一|六一|七一)[东西南北中]{0,2}[一二三四五六七八九十\d]?(?:环?[路街道巷弄]|大[道街厦]|胡同|公路"
    r"|高速|站(?![前东西南北])|[区港桥门镇乡村]|湾(?!仔))|大学(?![路街城])"
    r"|(?:花园|小区|公寓|广场|饭店|酒店|宾馆|商城|新村|新城|公园|医院|学院|人家|印象|家园|会馆|国际|银行|公馆"
    r"|时代|之|大院|火车站|机场|师范|理工|工业大|科技大|中学|小学)"
    r"(?![东西南北中]?[路街]|大[道街])"
)
_SUFFIX_OF_NAME = re.compile(r"[路街道巷弄湾港区]|大[道街厦学]|师范|理工|花园|大学")
_TOWN_FOLLOWS = re.compile(r"(?:经济|技术|高新|产业)*(?:开发区|高新区|经开区)|[一-龥]{2,4}?(?:镇|街道)")
_ZONE = re.compile(
    r"[一-龥]{0,6}?(?:高新技术产业开发区|高新技术开发区|经济技术开发区|经济开发区|高新区|经开区|工业园区"
    r"|新技术开发区|开发区|管理区|示范区)(?=.{2})"
)
_OTHER_DISTRICT = re.compile(
    r"[一-龥]{2,3}?(?:新区|(?<![小社园片校厂库景院住东西南北中业务假税贸技活属一二三四五六七八九十])区"
    r"|(?<!州)县)(?=[一-龥,]{2})"
)
_HALF_DISTRICTS = frozenset({"南区", "北区", "中区"})
_STEM = 2  # districts with longer names are not abbreviated in this way
_NAMED_DISTRICT = re.compile(r"(..)新?区")
_AFTER_MARKET = frozenset("场民政")  # 义乌市场路, 杭州市民中心
_FILLER = frozenset(" ,.:/-")


class Place(NamedTuple):
    """What an address says of where it is; empty strings where it says nothing."""

    province: str = ""
    city: str = ""
    county: str = ""

    @property
    def key(self) -> str:
        """The canonical name of the place, empty where neither city nor county is known."""
        return self.city + self.county


NOWHERE = Place()


class Division(NamedTuple):
    """One province, city or county; `short` marks a name without its suffix."""

    level: int  # 1 province, 2 city, 3 county
    place: Place  # its county only where the county is a place of its own
    short: bool

    @property
    def province(self) -> str:
        """The province it lies in (or is)."""
        return self.place.province

    @property
    def city(self) -> str:
        """The city it lies in (or is); empty for a province."""
        return self.place.city

    @property
    def county(self) -> str:
        """The county, where it is a place of its own."""
        return self.place.county


def _can_lose_stem(name: str) -> bool:
    return len(name) >= _STEM + 3 and _PART_OF_NAME.match(name, _STEM) is None


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Look-up tables: by the first two characters (Chinese) and by the whole name (pinyin, upper case, no spaces)."""

    heads: dict[str, tuple[tuple[str, tuple[Division, ...]], ...]] = field(repr=False)
    districts: dict[str, frozenset[str]] = field(repr=False)  # city -> its districts' names without 区
    stems: frozenset[str] = field(repr=False)  # of all cities
    pinyin: dict[str, tuple[Division, ...]] = field(repr=False)

    def strip(self, text: str, start: int, place: Place) -> tuple[Place, int]:
        """Read divisions from `start` on: the place as far as known, and where the rest of the address begins."""
        position, size, heads = start, len(text), self.heads
        for _ in range(8):
            while position < size and text[position] in _FILLER:
                position += 1
            head = text[position : position + 2]
            if head == "中国":
                position += 2
                continue
            found = None
            if head in heads:
                found = self._longest(text, position, place, heads[head])
            if found is None and place.city:
                found = _district(text, position, place)
            if found is None:
                break
            place, position = found
        return place, position

    def without_city(self, name: str, city: str) -> str:
        """`杭州电子科技大学` of 杭州 without the city it repeats, as at the head of an address."""
        size = len(city)
        if not size or len(name) < size + 2 or not name.startswith(city) or _PART_OF_NAME.match(name, size):
            return name
        return name[size:]

    def without_district(self, name: str, city: str, text: str) -> str:
        """`西湖文三路` of 杭州 without the district before it, written without its 区; short remainders stay.

        `text` is the whole address: where it names a district in full, only that one is taken off the name, so that
        滨江区滨江金色家园 and
        滨江金色家园 meet and 西湖区滨江金色家园 keeps its name.
        """
        stem = name[:_STEM]
        stems = self.districts.get(city)
        if stems is None or stem not in stems or not _can_lose_stem(name):
            return name
        named = {found for found in _NAMED_DISTRICT.findall(text) if found in stems}
        return name if named and stem not in named else name[_STEM:]

    def begins_with_district(self, name: str) -> bool:
        """Whether some city has a district that `without_district` would take off this name."""
        return name[:_STEM] in self.stems and _can_lose_stem(name)

    def _longest(
        self, text: str, at: int, place: Place, names: tuple[tuple[str, tuple[Division, ...]], ...]
    ) -> tuple[Place, int] | None:
        """The place as the longest of `names` at `at` makes it, and where that name ends."""
        for name, divisions in names:
            if not text.startswith(name, at):
                continue
            end = at + len(name)
            if name[-1] == "市":
                if text[end : end + 1] in _AFTER_MARKET:
                    continue
                if text[end : end + 2] in _HALF_DISTRICTS:
                    continue  # 青岛市南区 is 青岛 and 市南区
            if len(divisions) == 1:
                division = divisions[0]
                if not division.short and place is NOWHERE:
                    return division.place, end
                alone = _merge(place, division, name, text[end : end + 12])
                if alone is None or _is_part(division, place, text, end):
                    continue
                return alone, end
            fits = [
                (division, merged)
                for division in divisions
                if (merged := _merge(place, division, name, text[end : end + 12])) is not None
                and not _is_part(division, place, text, end)
            ]
            if not fits:
                continue
            if fits[0][0].level == 3 and not place.city and len({merged for _, merged in fits}) > 1:
                return place, end  # several cities have a district of this name: it says nothing
            return fits[0][1], end
        return None


def _district(text: str, at: int, place: Place) -> tuple[Place, int] | None:
    """A district or zone of a known city that the table lacks says nothing: the place, and where its name ends."""
    if text.find("区", at, at + 22) >= 0 or text.find("县", at, at + 4) >= 0:
        other = _ZONE.match(text, at) or _OTHER_DISTRICT.match(text, at)
        if other is not None:
            return place, other.end()
    return None


def _is_part(division: Division, place: Place, text: str, end: int) -> bool:
    """Whether a short name that ends at `end` is only the beginning of another name."""
    if not division.short:
        return False
    if division.level == 2 and place.province and not place.city:
        return _SUFFIX_OF_NAME.match(text, end) is not None  # 新疆乌鲁木齐西北路: the province vouches for the city
    return _PART_OF_NAME.match(text, end) is not None


def _merge(place: Place, division: Division, name: str, after: str = "") -> Place | None:
    """The place made narrower by a division, or None where the two don't fit together."""
    level, found, short = division
    if place.province and place.province != found.province:
        return None
    if level == 1:
        return place if place.province else found
    if place.city and place.city != found.city:
        return None
    if level == 2:
        if place.city:
            return place
        return None if short and not place.province and name in _WORDS else found
    if short and not place.province and not (after and _TOWN_FOLLOWS.match(after)):
        return None
    if place.county:
        return place if not found.county or place.county == found.county else None
    return found


def _rows() -> list[tuple[str, Division]]:
    """Every (name, division) of the table; pinyin names carry a leading '@'."""
    text = resources.files("loaders.normalise").joinpath("divisions.tsv").read_text(encoding="utf-8")
    rows: list[tuple[str, Division]] = []
    province = ""
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        kind, name, short, pinyin, *rest = line.split("\t")
        if kind == "P":
            province = short
            if name.endswith("市") or "特别行政区" in name:
                continue  # its one city row says it all
            full, brief = Division(1, Place(province), False), Division(1, Place(province), True)
            rows += [(name, full), (short, brief), ("@" + pinyin, full)]
            if short + "省" != name:
                rows.append((short + "省", full))
            continue
        city = short
        if city:
            full, brief = Division(2, Place(province, city), False), Division(2, Place(province, city), True)
            rows += [(name, full), (city + "市", full), ("@" + pinyin, full)]
            rows += [(city + suffix, full) for suffix in ("特区", "特别行政区") if province in {"香港", "澳门"}]
            if city != name:
                rows.append((city, brief))
        for county in rest[0].split(" ") if rest and rest[0] else ():
            rows += _county_rows(county, province, city)
    return rows


def _county_rows(county: str, province: str, city: str) -> list[tuple[str, Division]]:
    name, _, pinyin = county.partition(":")
    stem = re.sub(r"(?:[一-龥]{2,3}族)*(?:自治县|自治旗|特区|县|市|旗|区|镇|乡)$", "", name)
    if len(stem) < 2:
        stem = name
    district = name.endswith("区") and (province != "台湾" or city in {"台北", "基隆", "新竹", "嘉义"})
    own = "" if district or province in {"香港", "澳门"} else stem
    rows = [(name, Division(3, Place(province, city, own), False))]
    if not name.endswith("区"):
        if stem != name:
            rows.append((stem, Division(3, Place(province, city, own), True)))
        if name[-1] == "县" and stem != name:
            rows.append((stem + "市", Division(3, Place(province, city, own), False)))
        if pinyin:
            rows.append(("@" + pinyin, Division(3, Place(province, city, own), False)))
    return rows


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """The look-up tables, built once from the division table beside this file (about 50 ms)."""
    names: dict[str, dict[Division, None]] = {}
    districts: dict[str, set[str]] = {}
    pinyin: dict[str, dict[Division, None]] = {}
    for name, division in _rows():
        if name.startswith("@"):
            pinyin.setdefault(name[1:].replace(" ", ""), {})[division] = None
        elif len(name) >= 2:
            if division.level == 3 and name[_STEM:] in {"区", "新区"}:
                districts.setdefault(division.city + division.county, set()).add(name[:_STEM])
            names.setdefault(name, {})[division] = None
    heads: dict[str, list[tuple[str, tuple[Division, ...]]]] = {}
    for name in sorted(names, key=lambda item: (-len(item), item)):
        divisions = sorted(names[name], key=lambda found: (found.level, found.short))
        heads.setdefault(name[:2], []).append((name, tuple(divisions)))
    return Gazetteer(
        heads={head: tuple(entries) for head, entries in heads.items()},
        districts={city: frozenset(stems) for city, stems in districts.items()},
        stems=frozenset(stem for stems in districts.values() for stem in stems),
        pinyin={name: tuple(sorted(found, key=lambda d: d.level)) for name, found in pinyin.items()},
    )
