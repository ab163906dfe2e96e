"""Telephone numbers: writings that are one line, and lines that must stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.normalise.phone import canonical_phone


@pytest.mark.parametrize(
    "text",
    [
        "13812345678",
        "+8613812345678",
        "+86 138 1234 5678",
        "86-138-1234-5678",
        "0086 13812345678",
        "(+86)13812345678",
        "138-1234-5678",
        "138 1234 5678",
        "１３８１２３４５６７８",
        "电话：13812345678",
        "手机 138 1234 5678",
        " 13812345678 ",
        "13812345678/13987654321",
        "138\u20111234\u20115678",
        "\u200b13812345678",
    ],
)
def test_writings_of_one_mobile_number_are_one(text: str) -> None:
    assert canonical_phone(text) == "+8613812345678"


@pytest.mark.parametrize(
    "text",
    [
        "17012345678转1234",
        "17012345678-1234",
        "17012345678,1234",
        "170 1234 5678 转 1234",
        "17012345678轉1234",
        "+86 17012345678 ext. 1234",
    ],
)
def test_a_virtual_number_is_one_line_with_its_extension(text: str) -> None:
    assert canonical_phone(text) == "+8617012345678x1234"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("13812345678", "13812345687"),
        ("17012345678转1234", "17012345678"),
        ("17012345678转1234", "17012345678转1243"),
        ("0571-88886666", "0571-88886667"),
        ("0571-88886666", "021-88886666"),
        ("+1 415 555 2671", "+44 20 7946 0958"),
        ("13812345678", "+1 381 234 5678"),
    ],
)
def test_different_lines_stay_apart(first: str, second: str) -> None:
    assert canonical_phone(first) != canonical_phone(second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0571-88886666", "+8657188886666"),
        ("(0571)88886666转801", "+8657188886666x801"),
        ("+852 2345 6789", "+85223456789"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("95588", "95588"),
    ],
)
def test_other_numbers_follow_the_numbering_plan(text: str, expected: str) -> None:
    assert canonical_phone(text) == expected


@pytest.mark.parametrize("text", ["", "无", "138****5678", "-", "12"])
def test_what_is_no_number_has_no_canonical_form(text: str) -> None:
    assert canonical_phone(text) is None


@settings(deadline=None)
@given(st.one_of(st.text(max_size=40), st.from_regex(r"\A(\+86|0086)?[ -]?1[3-9][0-9]{9}([-转,][0-9]{1,5})?\Z")))
def test_the_canonical_form_of_any_text_is_its_own_canonical_form(text: str) -> None:
    canonical = canonical_phone(text)
    assert canonical is None or canonical_phone(canonical) == canonical
