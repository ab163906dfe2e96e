"""The policy document: what holds, what is refused and how, and what makes two documents the same."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from graph.currencies import EXPONENTS
from graph.errors import BadInput
from graph.open import open_store
from graph.store import RunRecord
from integrity.money import exponent, to_minor, to_text
from integrity.policy import Policy, default_policy, default_text, load_policy, parse_policy, policy_markdown
from integrity.policy_journal import policy_of
from tests.integrity.hand import POLICY_TEXT


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        parse_policy(text, where="mine.toml")
    return str(caught.value)


def test_the_default_policy_holds_and_names_its_version() -> None:
    assert default_policy().version in default_text()


def test_the_default_text_states_every_default_that_the_model_has() -> None:
    bare = default_text().partition("[statuses]")[0] + "[limits]" + default_text().partition("[limits]")[2]
    without_optional = bare.partition("[new_accounts]")[0]
    made, shipped = parse_policy(without_optional, where="test"), default_policy()
    # what is a matter of money is stated by the text alone
    stated = {name: getattr(shipped.checkout, name) for name in ("unreachable_amounts", "allowances")}
    assert (made.checkout.unreachable_amounts, made.checkout.allowances) == ({}, ())
    checkout = made.checkout.model_copy(update=stated)
    assert made.model_copy(update={"checkout": checkout}).digest == shipped.digest


def test_comments_order_and_spelling_of_amounts_do_not_change_the_digest() -> None:
    one = parse_policy(POLICY_TEXT, where="a")
    two = parse_policy(
        "# mine\n" + POLICY_TEXT.replace('amount_per_30_days = "200"', "amount_per_30_days = 200"), where="b"
    )
    assert one.digest == two.digest


def test_any_changed_value_changes_the_digest() -> None:
    assert (
        parse_policy(POLICY_TEXT.replace("0.6", "0.5"), where="a").digest != parse_policy(POLICY_TEXT, where="a").digest
    )


def test_an_unknown_field_is_refused_by_name() -> None:
    told = refusal(POLICY_TEXT + "\n[statuses]\nwatch_riks = 0.3\n")
    assert "mine.toml, field statuses.watch_riks" in told
    assert "no such field" in told


def test_a_value_of_the_wrong_kind_is_refused_with_field_and_value() -> None:
    told = refusal(POLICY_TEXT.replace("quantity_per_item = 2", "quantity_per_item = -2"))
    assert "limits.platform.quantity_per_item" in told
    assert "-2" in told


def test_thresholds_that_fall_are_refused() -> None:
    assert "must not fall" in refusal(POLICY_TEXT + "\n[statuses]\nwatch_risk = 0.8\nstore_limited_risk = 0.5\n")


def test_a_binary_fraction_is_no_amount() -> None:
    assert "decimal text" in refusal(POLICY_TEXT.replace('"100.00"', "100.5"))


def test_an_amount_with_more_decimals_than_its_currency_is_refused() -> None:
    assert "decimals of JPY" in refusal(
        POLICY_TEXT.replace('CNY = { amount_per_day = "50.00" }', 'JPY = { amount_per_day = "5.5" }')
    )


def test_a_missing_section_is_named() -> None:
    told = refusal('version = "a"\n')
    assert "field limits" in told
    assert "is missing" in told


def test_text_that_is_no_toml_is_refused_with_the_place() -> None:
    assert "line 1" in refusal("version = \n")


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.toml"):
        load_policy(tmp_path / "gone.toml")


def test_detection_settings_pass_through_and_are_checked() -> None:
    assert parse_policy(POLICY_TEXT + "\n[detection]\nseed = 11\n", where="a").detection.seed == 11
    assert "detection.sed" in refusal(POLICY_TEXT + "\n[detection]\nsed = 11\n")


def test_every_field_is_documented_on_the_reference_page() -> None:
    page = policy_markdown()
    pending: list[type] = [Policy]
    while pending:
        for name, field in pending.pop().model_fields.items():  # type: ignore[attr-defined]
            assert field.description, name
            assert f"`{name}`" in page
            if isinstance(field.annotation, type) and issubclass(field.annotation, Policy.__bases__[0]):
                pending.append(field.annotation)


@pytest.mark.parametrize(("amount", "currency", "minor"), [("1.23", "CNY", 123), ("5", "JPY", 5), ("0.001", "KWD", 1)])
def test_money_keeps_the_decimals_of_its_currency(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor
    assert Decimal(to_text(minor, currency)) == Decimal(amount)
    assert to_text(-minor, currency) == "-" + to_text(minor, currency)


def test_decimals_of_currencies_agree_with_what_loading_used() -> None:
    assert {code: exponent(code) for code in EXPONENTS} == EXPONENTS


def test_a_run_whose_policy_this_version_no_longer_understands_is_served_by_the_policy_in_force(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    policy = default_policy()
    body = json.dumps({**json.loads(policy.canonical), "a_field_of_another_version": 1})
    store.note(
        "policies", [{"at": 1, "id": "known", "body": policy.canonical}, {"at": 1, "id": "strange", "body": body}]
    )
    run = RunRecord("run-1", "complete", 1, 1, "", "known", "0", "", None, 1, 1, None, "", "{}")
    assert policy_of(store, run) == policy
    assert policy_of(store, replace(run, policy_digest="strange")) is None
    assert policy_of(store, replace(run, policy_digest="never noted")) is None
    store.close()
