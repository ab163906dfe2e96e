"""One address, written in any of its many ways, to canonical strings of its door, its building and its estate or
street."""

from __future__ import annotations

import re

from loaders.normalise.chinese import parse_chinese
from loaders.normalise.latin import parse_latin
from loaders.normalise.parts import EMPTY, Address
from loaders.normalise.text import fold_address

__all__ = ["Address", "parse_address"]

# Longer text is no address a courier could use; it is kept whole instead of being searched.
LONGEST = 400
_CHINESE = re.compile("[㐀-鿿]")


def parse_address(text: str) -> Address:
    """Read an address, Chinese or Latin, into its levels.

    The result depends on the text alone. Never raises: what can't be read has `kind` "unparsed" and its whole folded
    text as its door, so that equal writings still meet; text without letters and digits has `kind` "empty".
    """
    folded = fold_address(text[: 4 * LONGEST]).strip()
    if not folded:
        return EMPTY
    if len(folded) <= LONGEST:
        address = parse_chinese(folded) if _CHINESE.search(folded) is not None else parse_latin(folded)
        if address.estate is not None or address.city is not None:
            return address
    squeezed = "".join(filter(str.isalnum, folded))
    if not squeezed:
        return EMPTY
    whole = f"||{squeezed}"
    return Address(None, whole, None, None, whole, None, None, "unparsed")
