"""Addresses: levels, accuracy on generated and hand-written pairs, and what must hold for any text."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.address_writings import generate
from benchmarks.addresses import PRECISION_TARGET, RECALL_TARGET, Score, measure, score
from loaders.normalise.address import LONGEST, parse_address
from loaders.normalise.numerals import numeral, to_digits

CASES = Path(__file__).with_name("addresses.csv")
# Text that looks like addresses reaches further into the reader than random text does.
PIECES = """
浙江省 杭州市 杭州 西湖区 文三路 388号 锦绣花园 3幢 2单元 501室 三 五零一 - # , ( ) （放门口） 13812345678
Rm 501 Bldg 3/F Hangzhou 村 组 号 弄 之 楼 F A 座 请 街道 镇 交叉口 ０１ 臺 [ | ～
"""
ADDRESS_LIKE = st.lists(st.sampled_from([*PIECES.split(), " "]), max_size=14).map("".join)


@pytest.mark.parametrize(
    ("text", "door", "building", "estate"),
    [
        (
            "浙江省杭州市西湖区文三路388号锦绣花园3幢2单元501室",
            "杭州|锦绣花园|3|2|501",
            "杭州|锦绣花园|3",
            "杭州|锦绣花园",
        ),
        ("锦绣花园3-2-501", "|锦绣花园|3|2|501", "|锦绣花园|3", "|锦绣花园"),
        ("杭州市文三路388号501室", "杭州|文三路388号|||501", None, "杭州|文三路388号"),
        ("杭州市锦绣花园3幢", None, "杭州|锦绣花园|3", "杭州|锦绣花园"),
        ("杭州市锦绣花园", None, None, "杭州|锦绣花园"),
        ("杭州市", None, None, None),
        (
            "昆山市花桥镇新民村三组12号",
            "苏州昆山|花桥镇新民村|3组.12||",
            "苏州昆山|花桥镇新民村|3组.12",
            "苏州昆山|花桥镇新民村",
        ),
        (
            "Rm 501, Bldg 3, Jinxiu Garden, Hangzhou",
            "杭州|JINXIUGARDEN|3||501",
            "杭州|JINXIUGARDEN|3",
            "杭州|JINXIUGARDEN",
        ),
    ],
)
def test_an_address_is_read_into_its_levels(
    text: str, door: str | None, building: str | None, estate: str | None
) -> None:
    address = parse_address(text)
    assert (address.door, address.building, address.estate) == (door, building, estate)


def test_bare_twins_are_the_same_strings_without_the_city() -> None:
    with_city, without = parse_address("杭州市锦绣花园3幢2单元501"), parse_address("锦绣花园3幢2单元501")
    assert with_city.city == "杭州"
    assert without.city is None
    assert (without.door, without.building, without.estate) == (
        with_city.bare_door,
        with_city.bare_building,
        with_city.bare_estate,
    )
    assert with_city.door != without.door


def test_a_name_that_may_begin_with_a_district_is_not_joined_by_its_bare_key() -> None:
    assert parse_address("江南凤凰名苑3幢501").bare_estate != parse_address("南京江南凤凰名苑3幢501").bare_estate


def test_generated_writings_meet_the_published_accuracy() -> None:
    writings = generate(places=1500, seed=20)
    found = score(writings, measure([writing.text for writing in writings]))
    assert found.joined > 10_000
    assert found.precision >= PRECISION_TARGET
    assert found.recall >= RECALL_TARGET


def test_hand_written_pairs_meet_the_published_accuracy() -> None:
    with CASES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 300
    joined = wrong = missed = 0
    for row in rows:
        first, second = parse_address(row["text_a"]), parse_address(row["text_b"])
        together = first.door is not None and first.door == second.door
        joined += together and row["same"] == "1"
        wrong += together and row["same"] == "0"
        missed += not together and row["same"] == "1"
    found = Score(joined, wrong, missed)
    assert found.precision >= PRECISION_TARGET
    assert found.recall >= RECALL_TARGET


def test_the_score_counts_a_wrong_join_a_missed_pair_and_an_ambiguous_stray() -> None:
    from benchmarks.address_writings import Writing

    writings = [
        Writing("a", 0, 0, "estate", False),
        Writing("b", 0, 0, "estate", False),
        Writing("c", 1, 0, "estate", False),
        Writing("d", 1, 0, "estate", False),
        Writing("e", 0, 0, "estate", True),
    ]
    assert score(writings, [b"1", b"1", b"2", b"2", b"3"]) == Score(2, 0, 0)
    assert score(writings, [b"1", b"1", b"1", b"2", b"3"]) == Score(1, 2, 1)
    assert score(writings, [b"1", b"1", b"2", b"2", b"1"]) == Score(2, 2, 0)
    assert score(writings, [None, None, b"2", b"2", None]) == Score(1, 0, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("十二", 12),
        ("二十", 20),
        ("五零一", 501),
        ("五百零一", 501),
        ("一百二", 120),
        ("一千二百零三", 1203),
    ],
)
def test_chinese_numerals_are_read(text: str, value: int) -> None:
    assert numeral(text) == value


def test_only_counting_numerals_become_digits() -> None:
    assert to_digits("文三路三里亭三幢二单元五零一") == "文三路三里亭3幢2单元501"


def test_text_that_is_no_numeral_is_refused() -> None:
    with pytest.raises(ValueError, match="not a Chinese numeral"):
        numeral("花")


def test_text_too_long_for_an_address_is_kept_whole() -> None:
    text = "锦绣花园" * LONGEST
    assert parse_address(text).kind == "unparsed"
    assert parse_address(text).door == parse_address(text).door is not None
    assert parse_address(text).estate is None


@pytest.mark.parametrize("text", ["", " ", "，。", "（）", "\u200b"])
def test_text_without_content_is_no_address(text: str) -> None:
    address = parse_address(text)
    assert address.level is None
    assert address.kind == "empty"


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), ADDRESS_LIKE))
def test_any_text_is_read_without_error_into_nested_levels(text: str) -> None:
    address = parse_address(text)
    if address.kind == "unparsed":
        return
    for finer, coarser in ((address.building, address.estate), (address.door, address.estate)):
        if finer is not None:
            assert coarser is not None
            assert finer.startswith(coarser + "|")
    for level in ("door", "building", "estate"):
        value, bare = getattr(address, level), getattr(address, "bare_" + level)
        assert (value is None) == (bare is None)
        if value is not None:
            assert value == (address.city or "") + bare


@settings(max_examples=100, deadline=None)
@given(ADDRESS_LIKE)
def test_width_and_outer_space_do_not_matter(text: str) -> None:
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)
    assert parse_address(f"  {wide} ") == parse_address(text)
