"""Names of recipients: writings that are one name, and names that must stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.normalise.recipient import canonical_recipient


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("张伟", "张伟"),
        ("張偉", "张伟"),
        (" 张 伟 ", "张伟"),
        ("张伟先生", "张伟"),
        ("张伟 女士", "张伟"),
        ("张伟（家）", "张伟"),
        ("收件人：张伟", "张伟"),
        ("张伟[1234]", "张伟"),
        ("张伟收", "张伟"),
        ("王先生", "王"),
        ("张**", "张*"),
        ("张*", "张*"),
        ("欧阳小姐", "欧阳"),
        ("Mr. John  Smith", "JOHN SMITH"),
        ("john smith", "JOHN SMITH"),
        ("ＪＯＨＮ　ＳＭＩＴＨ", "JOHN SMITH"),
        ("José Díaz", "JOSE DIAZ"),
        ("O'Brien, Ms", "OBRIEN"),
    ],
)
def test_writings_of_one_name_are_one(text: str, expected: str) -> None:
    assert canonical_recipient(text) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("张伟", "张玮"),
        ("张伟", "张*"),
        ("张伟", "张"),
        ("张三", "张三丰"),
        ("John Smith", "Joan Smith"),
        ("李收", "李"),
    ],
)
def test_different_names_stay_apart(first: str, second: str) -> None:
    assert canonical_recipient(first) != canonical_recipient(second)


@pytest.mark.parametrize("text", ["", "  ", "**", "()", "-"])
def test_text_without_letters_is_no_name(text: str) -> None:
    assert canonical_recipient(text) is None


NAME_WORDS = [
    "张",
    "伟",
    "先生",
    "收",
    "(",
    ")",
    "[12]",
    "*",
    "Mr.",
    "MISS",
    "",
    "john",
    "é",
    "'",
    "X",
    "O",
    "收件人:",
    "０",
]
NAME_LIKE = st.lists(st.sampled_from(NAME_WORDS), max_size=7).map(" ".join)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=30), NAME_LIKE))
def test_the_canonical_form_of_any_text_is_its_own_canonical_form(text: str) -> None:
    canonical = canonical_recipient(text)
    assert canonical is None or canonical_recipient(canonical) == canonical
