"""Chinese numerals in addresses: 三幢二单元五零一 and 五百零一 become digits where they count something."""

from __future__ import annotations

import re

_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {
    "两": 2,
    "陆": 6,
    "柒": 7,
    "捌": 8,
    "玖": 9,
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_NUMERAL = "零一二三四五六七八九两十百千"

# A numeral counts something before one of these words, at the end of the address, before or after a dash, or right
# after such a word.
_COUNTED = re.compile(
    rf"第?([{_NUMERAL}]+)(?=号(?!线)|幢|栋|座|楼|单元|室|房|户|层|门(?![峡源海头])|梯|弄|巷|组|村民|小组|段|期|区"
    rf"|排|舍|斋|宿舍|公寓\d|寝|村|队|社(?!区)|#|-|附|[A-Z]座|大街\d)"
    rf"|(?<=[-幢栋座楼元号层#室])([{_NUMERAL}]+)(?![一-龥])"
    rf"|([{_NUMERAL}]{{3,}})$"
)


def numeral(text: str) -> int:
    """The number a Chinese numeral stands for: 十二 12, 五百零一 501, 一千二 1200; digit by digit where it has no
    unit (五零一 501).

    Raises ValueError for text that is no numeral.
    """
    if not text or any(char not in _DIGITS and char not in _UNITS for char in text):
        raise ValueError(f"{text!r} is not a Chinese numeral")
    if not any(char in _UNITS for char in text):
        return int("".join(str(_DIGITS[char]) for char in text))
    total, current, last_unit = 0, 0, 1
    zero = False
    for char in text:
        if char in _DIGITS:
            current = current * 10 + _DIGITS[char]
            zero = zero or char == "零"
            continue
        last_unit = _UNITS[char]
        total += (current or 1) * last_unit
        current, zero = 0, False
    if current and last_unit > 10 and not zero:
        current *= last_unit // 10  # 一百二 is 120, 一百零二 is 102
    return total + current


def _digits(match: re.Match[str]) -> str:
    text = match.group(1) or match.group(2) or match.group(3)
    return str(numeral(text))


_ANY = re.compile(f"[{_NUMERAL}]")


def to_digits(text: str) -> str:
    """An address with its counted Chinese numerals as digits; street and estate names keep theirs (文三路, 三里屯)."""
    if _ANY.search(text) is None:
        return text
    return _COUNTED.sub(_digits, text)
