"""The name of an estate, among all that stands between the numbers of a Chinese address."""

from __future__ import annotations

import re

from loaders.normalise.reading import PUNCTUATION, ROAD_END, Reading

_ROAD_BEFORE_ESTATE = re.compile(
    r"(?:[^,]{1,6}?(?:大街|大道|(?<!铁)(?<!公)(?<!马)路|(?<!步行)街|胡同),?)(?!口|道|办|桥|局"
    r"|坊)(?=[^,]{2})(?!(?:小区|社区|花园|公寓|宿舍|广场|市场|商场|新村|家园|大厦|中学|小学|大院|派出所|车站|中心"
    r"|商业|商店)(?:$|,))"
)
_CROSSING = re.compile(
    r"[^,]*?(?:交叉路?口|交汇处?|交界处?|交口|路口|路与[^,]{2,6}路口?)(?:(?:向|往)?[东西南北]{1,2}(?:侧|角|面"
    r"|行)?(?:约?\d+米)?(?:路[东西南北])?)?"
)
_GENERIC_TAIL = re.compile(r"(?<=..)(?:住宅小区|小区|社区|住宅区|生活区|生活小区)$")
_DORM_TAIL = re.compile(
    r"(?<=大学|学院|校区|学校|中学|公司|园区|本部|分校)(?:学生|员工|职工)?(?:宿舍区?|公寓区?|宿舍楼|公寓楼|寝室"
    r"|生活区)$"
)
_SECTION = re.compile(r"^(.{2,}?)[-,]?([东西南北中]|[A-Z]|[东西南北]{2})区$")
_SECTION_APART = re.compile(r",(?=(?:[东西南北中]{1,2}|[A-Z])区$)")
_COMPANY = re.compile(r"[一-龥]{2,12}?(?:有限责任公司|有限公司|股份公司|分公司)")
_HAS_ROAD = re.compile(r"[路街道同]")
_STRONG = re.compile(r"(?:花园|小区|公寓|[苑府湾庭城园村]|广场|大厦|中心|别墅|山庄|大楼|校区|大学|学院)$")


_TAIL_ENDS = frozenset("区舍寓楼室")


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


def choose_name(reading: Reading) -> tuple[str, str, str]:
    """The estate's name, its section, and the road named without a number, of all the names seen."""
    road = ""
    for names in (reading.before, reading.after):
        for name in reversed(names):
            text = _CROSSING.sub("", name) if "口" in name or "交" in name else name
            if _HAS_ROAD.search(text) is not None:
                text = _ROAD_BEFORE_ESTATE.sub("", text, count=1)
            text = text.strip(PUNCTUATION)
            if not text:
                continue
            if "," in text:
                text = _SECTION_APART.sub("", text)
                text = max(text.split(","), key=len)
            if ROAD_END.search(text) is not None and len(text) <= 8 and (reading.street or len(names) > 1):
                road = road or text
                continue
            if names is reading.after and (reading.street and not _STRONG.search(text)):
                continue
            clean, section = _clean_name(text)
            if clean:
                return clean, section, road
    return "", "", road
