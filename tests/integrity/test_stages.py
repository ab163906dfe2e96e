"""Stages by store score: who is entitled to what, since when, and which bands are refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import BadInput
from integrity.instants import DAY, from_iso
from integrity.policy import Policy, default_policy, parse_policy
from integrity.policy_stages import ENTITLEMENTS
from integrity.stages import NextBand, entitlements
from integrity.words import text_of
from tests.integrity.hand import NOW, POLICY_TEXT

JUNE = from_iso("2025-06-01", where="test")
SEPTEMBER = from_iso("2025-09-01", where="test")
STAGED = """
[stages]
unknown_score = ["manual_review"]
[[stages.bands]]
at_least = 4.8
entitlements = ["file_complaints", "no_refund_only"]
[[stages.bands]]
at_least = 4.5
since = 2025-06-01
entitlements = ["file_complaints"]
[[stages.bands]]
at_least = 4.5
since = 2025-09-01
entitlements = ["file_complaints", "store_limit"]
[[stages.bands]]
at_least = 0
entitlements = []
"""


def staged(text: str = STAGED) -> Policy:
    return parse_policy(POLICY_TEXT + text, where="mine.toml")


def refusal(bands: str) -> str:
    with pytest.raises(BadInput) as caught:
        staged("[stages]\n" + bands)
    return str(caught.value)


def band(at_least: float, *more: str) -> str:
    return "\n".join(["[[stages.bands]]", f"at_least = {at_least}", 'entitlements = ["manual_review"]', *more, ""])


def test_the_highest_band_comes_first_and_is_open_from_the_beginning() -> None:
    found = entitlements(staged(), 4.8, NOW)
    assert (found.at_least, found.entitlements) == (4.8, ("file_complaints", "no_refund_only"))
    assert (found.since, found.until, found.next_band) == (None, None, None)


def test_a_band_gives_nothing_before_its_first_day_and_says_when_it_begins() -> None:
    before = entitlements(staged(), 4.7, JUNE - 1)
    assert (before.entitlements, before.since, before.until) == ((), None, JUNE)
    assert "begins 2025-06-01" in text_of(before.why)
    first = entitlements(staged(), 4.7, JUNE)
    assert (first.entitlements, first.since, first.until) == (("file_complaints",), JUNE, SEPTEMBER)
    later = entitlements(staged(), 4.5, SEPTEMBER)
    assert (later.entitlements, later.since, later.until) == (("file_complaints", "store_limit"), SEPTEMBER, None)


def test_a_last_stage_that_has_ended_gives_nothing() -> None:
    ends = STAGED.replace("since = 2025-09-01", "since = 2025-09-01\nuntil = 2025-10-01")
    found = entitlements(staged(ends), 4.6, from_iso("2025-10-01", where="test"))
    assert (found.entitlements, found.until) == ((), None)
    assert "ended" in text_of(found.why)


def test_a_store_sees_what_the_next_band_would_give_it_and_from_when() -> None:
    assert entitlements(staged(), 4.7, JUNE).next_band == NextBand(4.8, None, ("no_refund_only",))
    assert entitlements(staged(), 3.0, JUNE - DAY).next_band == NextBand(4.5, JUNE, ("file_complaints",))


@pytest.mark.parametrize("score", [None, math.nan])
def test_an_unknown_score_has_a_stated_answer(score: float | None) -> None:
    found = entitlements(staged(), score, NOW)
    assert (found.score, found.at_least, found.entitlements) == (None, None, ("manual_review",))
    assert "no score" in text_of(found.why)


@given(st.floats(0, 5), st.floats(0, 5))
def test_with_the_default_policy_a_better_store_never_has_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    policy = default_policy()
    less, more = entitlements(policy, low, NOW).entitlements, entitlements(policy, high, NOW).entitlements
    assert set(less) <= set(more) <= set(ENTITLEMENTS)
    assert set(entitlements(policy, 4.8, NOW).entitlements) == set(ENTITLEMENTS)


def test_bands_that_overlap_are_refused() -> None:
    assert "bands overlap: at_least 4.5 stands below 4" in refusal(band(4.0) + band(4.5) + band(0))
    assert "overlap" in refusal(band(4.5) + band(4.5) + band(0))
    twice = band(4.5, "until = 2025-07-01") + band(4.5, "since = 2025-06-01") + band(0)
    told = refusal(twice)
    assert "mine.toml, field stages" in told
    assert "one ends 2025-07-01, the next begins 2025-06-01" in told


def test_bands_that_leave_a_gap_are_refused() -> None:
    assert "scores below 4 have none" in refusal(band(4.8) + band(4.0))
    assert "there is no band" in refusal("bands = []")
    hole = band(4.5, "until = 2025-05-01") + band(4.5, "since = 2025-06-01") + band(0)
    assert "leave a gap: one ends 2025-05-01" in refusal(hole)


def test_what_is_no_band_is_refused_by_field_and_value() -> None:
    assert "stages.bands.0.at_least" in refusal(band(5.1) + band(0))
    assert "stages.bands.0.entitlements.0" in refusal(band(0).replace("manual_review", "free_beer"))
    assert "named twice" in refusal(band(0).replace('["manual_review"]', '["manual_review", "manual_review"]'))
    assert "must come after" in refusal(band(0, "since = 2025-06-01", "until = 2025-06-01"))
    assert "stages.bands.0.since" in refusal(band(0, "since = 2025-06-01T10:00:00Z"))


def test_stages_count_for_the_digest_and_survive_the_journals_form() -> None:
    assert staged().digest != staged(STAGED.replace("2025-09-01", "2025-10-01")).digest
    assert Policy.model_validate_json(staged().canonical) == staged()
    import json

    assert Policy.model_validate(json.loads(staged().canonical)) == staged()
