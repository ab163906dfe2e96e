"""Every sentence exists in English and in Chinese, and says the same numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from detectors.pipeline import detect
from detectors.registry import ALL, LINKS
from detectors.settings import DetectionSettings
from detectors.words import chinese, english
from detectors.words.fact import fact, read_fact
from integrity.words import say
from tests.detectors.simulated import simulated

NUMBERS: dict[str, Any] = {"accounts": 13, "claims": 17, "expected": 2.34, "keys": 3, "orders": 19}
SAMPLES: dict[str, dict[str, Any]] = {
    "link": NUMBERS,
    "links": NUMBERS,
    "activity_unlike": {"orders": 2},
    "claim_excess": NUMBERS,
    "refund_only": NUMBERS | {"only": 11},
    "weights_even": {},
    "weights_off": {"ratios": [0.31, 0.02]},
    "complaints_none": {},
    "complaints": {"pending": 2, "upheld": 3, "dismissed": 4},
    "bursts_spread": {},
    "bursts_crowded": {},
    "repeated_stores": {"claims": 5, "stores": 2, "expected": 3.4},
    "comeback_decided": {},
    "comeback_linked": {},
    "parcel": {"claims": 5},
    "surge": {"claims": 2, "store": "s7", "item": "sku9", "people": 25.0, "due": 1.5},
    "hub_benign": {"accounts": 33},
    "link_benign": NUMBERS,
    "link_own": NUMBERS,
    "ring_claims": NUMBERS,
    "ring_links": NUMBERS,
    "ring_conduct": NUMBERS,
    "ring_chance": {"share": 0.0123},
    "hub": NUMBERS | {"kind": "door", "verdict": "benign"},
}
KINDS = {"link", "links", "hub_benign", "link_benign", "link_own", "ring_links"}
CHINESE = re.compile("[一-鿿]")


def test_both_languages_have_the_same_sentences_nouns_and_titles() -> None:
    assert set(english.SAYS) == set(chinese.SAYS) == set(SAMPLES)
    assert set(english.NOUNS) == set(chinese.NOUNS) == {detector.name for detector in LINKS}
    assert set(english.TITLES) == set(chinese.TITLES)
    assert {detector.name: detector.title for detector in ALL} == english.TITLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_fact_says_its_numbers_in_each_language(name: str) -> None:
    kinds = [d.name for d in LINKS] if name in KINDS else [d.name for d in ALL] if name == "ring_conduct" else [None]
    for kind in kinds:
        stated = fact(name, **(SAMPLES[name] | ({"kind": kind} if kind else {})))
        assert read_fact(stated.stored()) == stated
        one, other = stated.text("en"), stated.text("zh")
        assert not CHINESE.search(one)
        assert CHINESE.search(other)
        assert not re.search(r"[a-z]{3,}", other.replace("s7", "").replace("sku9", "")), other
        assert set(re.findall(r"\d+(?:\.\d+)?", one)) == set(re.findall(r"\d+(?:\.\d+)?", other)), (one, other)


def test_a_run_keeps_the_facts_of_all_its_sentences() -> None:
    found = detect(simulated(800, 12), DetectionSettings(null_draws=6))
    told = 0
    pairs = [(found.accounts, "reasons", "reason_facts"), (found.accounts, "against", "against_facts")]
    for table, texts, facts in [*pairs, (found.rings, "reasons", "reason_facts")]:
        for row in table.to_pylist():
            assert say([], row[facts], "en") == []
            assert [read_fact(one).text() for one in row[facts]] == row[texts]
            told += len(row[texts])
    for table in (found.evidence, found.hubs):
        assert [read_fact(row["fact"]).text() for row in table.to_pylist()] == table["text"].to_pylist()
    assert told > 50
    assert found.evidence.num_rows > 50


def test_sentences_of_a_run_without_facts_stay_english() -> None:
    assert say(["a door"], None, "zh") == ["a door"]
    assert say(["x"], [fact("weights_even").stored()], "zh") == [chinese.SAYS["weights_even"]({})]


@pytest.mark.parametrize("name", ["link", "links"])
def test_a_picture_of_goods_of_different_trades_is_told_in_each_language(name: str) -> None:
    told = fact(name, kind="shared_picture", **NUMBERS)
    apart = fact(name, kind="shared_picture", apart=True, **NUMBERS)
    assert "different trades" in apart.text()
    assert "不同类目" in apart.text("zh")
    assert "trades" not in told.text()
    assert "类目" not in told.text("zh")
