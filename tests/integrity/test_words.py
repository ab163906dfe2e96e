"""Every sentence of integrity exists in English and in Chinese, and says the same values."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest

from detectors.words import english
from detectors.words.fact import fact, read_fact
from integrity import explain_text
from integrity.judgements import Said, Target
from integrity.return_risk import Care, RiskReason
from integrity.sentences import NAMES, SENTENCES
from integrity.triage import FEATURES
from integrity.words import reasons_of, say, text_of
from loaders.contract import CONTRACTS

CHINESE = re.compile("[一-鿿]")
NUMBERS = {
    **{"risk": 0.914, "bound": 0.875, "probability": 0.4321, "low": 0.02, "high": 0.97, "share": 0.31, "score": 4.85},
    **{"claims": 17, "needed": 3, "days": 90, "stores": 4, "upheld": 11, "decided": 13, "filed": 23, "accounts": 29},
    **{"confidence": 0.987, "limited": 31, "most": 0.03, "fall": 0.27, "now": 37, "then": 41, "before": 0.43},
    **{"factor": 1.7, "expected": 0.47, "found": 0.53, "orders": 59, "above": 4.9, "below": 4.1},
}
TEXTS = {
    **{"until": "2025-03-31T12:00:00Z", "at": "2025-04-01T08:30:00Z", "judgement": "J-77", "ring": "R-5", "by": "X-1"},
    **{"buyer": "B-2", "refund": "F-3", "store": "S-4", "complaint": "C-6", "id": "I-8", "case": "K-9", "run": "U-10"},
    **{"amount": "12.50", "currency": "CNY", "policy": "P-11", "reason": "Q-12", "to": "T-13", "assigned": "A-14"},
    **{"what": "W-15", "type": "T-16", "types": "T-17", "currencies": "C-18", "since": "2025-06-01"},
}
"""Values in capitals and digits, so that no small letter in a Chinese sentence is one of theirs."""


def placeholders(template: str) -> set[tuple[str, str]]:
    return {(name, spec or "") for _, name, spec, _ in string.Formatter().parse(template) if name is not None}


def sample(code: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, spec in placeholders(SENTENCES[code][0]):
        given[name] = next(iter(NAMES[spec])) if spec in NAMES else (NUMBERS | TEXTS)[name]
    return given


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_says_the_same_values_in_both_languages(code: str) -> None:
    one, other = SENTENCES[code]
    assert placeholders(one) == placeholders(other)
    stated = fact(code, **sample(code))
    assert read_fact(stated.stored()) == stated
    english_text, chinese = text_of(stated, "en"), text_of(stated, "zh")
    assert not CHINESE.search(english_text)
    assert CHINESE.search(chinese)
    assert not re.search("[a-z]", chinese.replace("nat", "")), chinese
    numbers = [set(re.findall(r"\d+(?:\.\d+)?", text)) for text in (english_text, chinese)]
    assert numbers[0] == numbers[1]
    for name, value in stated.values.items():
        if name in TEXTS and isinstance(value, str) and value == TEXTS[name]:
            assert value in english_text
            assert value in chinese


def test_no_code_means_two_sentences() -> None:
    assert not set(SENTENCES) & set(english.SAYS)


def test_every_value_that_the_records_or_people_can_give_has_a_name() -> None:
    choices = {(table.name, one.name): set(one.choices) for table in CONTRACTS for one in table.fields}
    assert set(NAMES["said"]) >= {one.value for one in Said}
    assert set(NAMES["target"]) == {one.value for one in Target}
    assert set(NAMES["claim"]) == choices["refunds", "kind"]
    assert set(NAMES["party"]) == choices["refunds", "initiated_by"]
    assert set(NAMES["outcome"]) == choices["refunds", "outcome"]
    assert set(NAMES["report"]) == choices["complaints", "type"]
    assert set(NAMES["verdict"]) == choices["complaints", "outcome"]
    assert set(NAMES["past"]) == choices["decisions", "decision"]
    for kind, names in NAMES.items():
        for value, (one, other) in names.items():
            assert not CHINESE.search(one)
            assert CHINESE.search(other), (kind, value)


def test_what_is_named_by_code_is_said() -> None:
    assert {f"return_{one.value}" for one in RiskReason} <= set(SENTENCES)
    assert {f"care_{one.value}" for one in Care} <= set(SENTENCES)
    assert {f"triage_{name}" for name in FEATURES if name != "certain"} <= set(SENTENCES)
    assert set(explain_text._WORDS["en"]) == set(explain_text._WORDS["zh"])


def test_a_decision_of_an_earlier_version_stays_english() -> None:
    assert say(["warned first"], None, "zh") == ["warned first"]
    known = reasons_of(fact("decided_calm", days=90), ["a door"], None)
    assert known == {"reasons": ["no new claim for 90 days", "a door"], "reason_facts": None}
    told = reasons_of(fact("decided_calm", days=90), ["x"], [fact("complaints_none").stored()])
    assert say(told["reasons"] or [], told["reason_facts"], "zh") == [
        "90 天内没有新的售后申请",
        "没有商家投诉过其售后申请",
    ]
