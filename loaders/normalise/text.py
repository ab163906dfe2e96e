"""Folding of free text: width, script, case, dashes and invisible characters, before any normaliser looks at it."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib import resources

_DASHES = "‐‑‒–—―−﹘﹣－~〜∼～_"
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\n\r\v\f"
_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\x00"
)
_LOOKALIKES = {
    "臺": "台",
    "祇": "只",
    "邨": "村",
    "裏": "里",
    "濶": "阔",
    "峯": "峰",
    "舘": "馆",
    "舖": "铺",
    "〇": "零",
    "○": "零",
    "◯": "零",
    "壹": "一",
    "贰": "二",
    "貳": "二",
    "叁": "三",
    "叄": "三",
    "肆": "四",
    "伍": "五",
    "陆": "陆",
    "、": ",",
    "。": ",",
    "；": ",",
    ";": ",",
    "丶": ",",
    "【": "(",
    "】": ")",
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "「": "(",
    "」": ")",
    "『": "(",
    "』": ")",
    "〔": "(",
    "〕": ")",
    "《": "(",
    "》": ")",
    "<": "(",
    ">": ")",
    "·": "",
    "•": "",
    "・": "",
    "“": "",
    "”": "",
    '"': "",
    "‘": "'",
    "’": "'",
    "`": "'",
    "\\": "/",
    "|": ",",
}


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    """Traditional character -> simplified, one to one, from OpenCC's own table."""
    table: dict[int, str] = {}
    source = resources.files("opencc").joinpath("dictionary", "TSCharacters.txt")
    for line in source.read_text(encoding="utf-8").splitlines():
        traditional, _, simplified = line.partition("\t")
        if len(traditional) == 1 and simplified:
            table[ord(traditional)] = simplified.split(" ")[0]
    table[ord("乾")] = "乾"  # a name far more often than "dry"
    return table


@lru_cache(maxsize=1)
def _address_table() -> dict[int, str]:
    """The translation table of addresses: script, dashes, spaces, brackets and list marks."""
    table = dict(_simplified())
    table.update({ord(char): "-" for char in _DASHES})
    table.update({ord(char): " " for char in _SPACES})
    table.update({ord(char): "" for char in _INVISIBLE})
    table.update({ord(char): mapped for char, mapped in _LOOKALIKES.items()})
    return table


@lru_cache(maxsize=1)
def _name_table() -> dict[int, str]:
    """The translation table of names: script, spaces and invisible characters."""
    table = dict(_simplified())
    table.update({ord(char): " " for char in _SPACES})
    table.update({ord(char): "" for char in _INVISIBLE})
    return table


@lru_cache(maxsize=1)
def _address_marks() -> re.Pattern[str]:
    """Any character that the address table changes: most addresses have none, and looking is cheaper than
    translating."""
    common = "".join(re.escape(chr(code)) for code in sorted(_address_table()) if code <= 0xFFFF)
    return re.compile(f"[{common}\U00010000-\U0010ffff]")


def fold_address(text: str) -> str:
    """An address in one width, script and case, with plain dashes, commas and round brackets."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if _address_marks().search(text) is not None:
        text = text.translate(_address_table())
    return text.upper()


def fold_name(text: str) -> str:
    """A person's name in one width, script and case."""
    folded = unicodedata.normalize("NFKC", text).translate(_name_table())
    return unicodedata.normalize("NFKC", folded.upper())


def fold_plain(text: str) -> str:
    """An opaque value (device, payment instrument, parcel number): NFKC, no invisible characters, trimmed."""
    if text.isascii():
        return text.replace("\x00", "").strip()
    kept = unicodedata.normalize("NFKC", text).translate(dict.fromkeys(map(ord, _INVISIBLE)))
    return unicodedata.normalize("NFKC", kept).strip()
