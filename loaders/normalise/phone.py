"""Telephone numbers to one canonical form: E.164, with an extension where there is one.

A virtual (privacy) number with its extension, `17012345678转1234`, is another line than the bare number: platforms
lend the number to thousands of buyers at once and the extension alone says whose it is. So the extension belongs to
the canonical form, and the
bare number stays a key of its own, which shows itself as a hub. The same is true of a switchboard.
"""

from __future__ import annotations

import re
import unicodedata

import phonenumbers

_MOBILE = re.compile(
    r"\s*(?:\(?(?:\+|00)?86\)?[\s-]*)?(1[3-9]\d)[\s-]?(\d{4})[\s-]?(\d{4})"
    r"(?:\s*(?:转接?|轉接?|分机号?|分機號?|[-,;#*xX]|[eE][xX][tT]\.?)\s*[:.]?\s*(\d{1,8})\s*#?)?[\s.,;]*"
)
_LABEL = re.compile(r"^\W*(?:电话|電話|手机号?码?|手機|联系方式|TEL|PHONE|MOBILE)\W*", re.IGNORECASE)
_EXTENSION = re.compile(r"\s*(?:转接?|轉接?|分机号?|分機號?)\s*[:.]?\s*(?=\d)")
_SEPARATED = re.compile(r"[/、;|]|\s或\s?")
_FEWEST_DIGITS = 5
_MOST_DIGITS = 20


def canonical_phone(text: str, region: str = "CN") -> str | None:
    """`+8613812345678`, or with an extension `+8617012345678x1234`; None where the text is no number or is masked.

    `region` is the country of numbers without a country code. Of several numbers in one field the first counts. A
    number that the
    numbering plan doesn't know is kept as its digits if there are five or more.
    """
    mobile = _MOBILE.fullmatch(text)
    if mobile is not None and region == "CN" and text.isascii():
        first, second, third, extension = mobile.groups()
        return f"+86{first}{second}{third}x{extension}" if extension else f"+86{first}{second}{third}"
    folded = _fold(text)
    if "*" in folded and not re.search(r"\d{7}", folded):
        return None
    folded = _LABEL.sub("", folded)
    mobile = _MOBILE.fullmatch(folded)
    if mobile is None:
        folded = _SEPARATED.split(folded)[0].strip()
        mobile = _MOBILE.fullmatch(folded)
    if mobile is not None and region == "CN":
        first, second, third, extension = mobile.groups()
        return f"+86{first}{second}{third}x{extension}" if extension else f"+86{first}{second}{third}"
    return _by_plan(folded, region)


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    # digits of other scripts to ASCII, invisible characters out, every dash a plain one
    return "".join(
        str(unicodedata.digit(char))
        if char.isdigit()
        else "-"
        if unicodedata.category(char) == "Pd"
        else ""
        if unicodedata.category(char) in {"Cf", "Cc", "Cs"}
        else char
        for char in folded[:200]
    ).strip()


def _by_plan(folded: str, region: str) -> str | None:
    prepared = _EXTENSION.sub(" ext. ", folded)
    prepared = re.sub(r"^00(?=[1-9])", "+", prepared)
    try:
        number = phonenumbers.parse(prepared, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_valid_number(number):
        plain = f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
        return f"{plain}x{number.extension}" if number.extension else plain
    digits = "".join(re.findall(r"[0-9]", prepared))
    if not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS:
        return None
    kept = f"+{digits}" if prepared.startswith("+") else digits  # another country's number is not ours with its code
    # what only its marks kept from being a number of the plan is read once more without them
    return kept if kept == folded else canonical_phone(kept, region)
