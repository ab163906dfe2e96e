"""What a policy allows and hardly means is told, and nothing else is."""

from __future__ import annotations

from integrity.policy import default_policy, parse_policy
from integrity.policy_check import doubts
from integrity.words import texts_of
from tests.integrity.hand import POLICY_TEXT
from tests.integrity.test_stages import STAGED

SANE = POLICY_TEXT.replace("0.6", "0.1")


def told(text: str) -> list[str]:
    return texts_of(doubts(parse_policy(text, where="test")))


def only(text: str) -> str:
    (sentence,) = told(text)
    return sentence


def test_nothing_is_in_doubt_about_the_default_policy() -> None:
    assert doubts(default_policy()) == []
    assert told(SANE) == []


def test_limits_of_a_day_that_can_never_be_reached() -> None:
    assert "limits.platform: the orders of a day (9)" in only(
        SANE.replace("orders_per_day = 1\norders_per_30_days = 3", "orders_per_day = 9\norders_per_30_days = 3")
    )
    assert "limits.platform.amounts.CNY" in only(SANE.replace('"250.00"', '"90.00"'))


def test_a_currency_that_is_limited_in_one_place_only() -> None:
    found = told(SANE.replace("[limits.store.amounts]\n", '[limits.store.amounts]\nJPY = { amount_per_day = "1" }\n'))
    assert found == [
        "limits.platform has no amounts in JPY: there only order counts hold",
        "limits.new_account has no amounts in JPY: there only order counts hold",
    ]


def test_a_better_store_that_has_less_or_waits_longer() -> None:
    assert only(SANE + STAGED) == "stages: stores from 4.8 lack store_limit, which stores from 4.5 have"
    later = STAGED.replace("at_least = 4.8\n", "at_least = 4.8\nsince = 2025-12-01\n").replace(
        '"store_limit"', '"no_refund_only"'
    )
    assert only(SANE + later) == "stages: stores from 4.8 begin later (2025-12-01) than stores from 4.5"


def test_thresholds_and_guards_without_effect() -> None:
    assert "alone_limited_risk (0.4)" in only(SANE + "[statuses]\nalone_limited_risk = 0.4\n")
    assert "limit 60% of all accounts" in only(POLICY_TEXT)
