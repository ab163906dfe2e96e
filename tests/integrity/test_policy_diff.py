"""Two policies compared in words."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from integrity.policy import Policy, parse_policy
from integrity.policy_diff import PolicyChange, diff_policies
from integrity.policy_names import FIELDS
from tests.integrity.hand import POLICY_TEXT
from tests.integrity.test_stages import STAGED


def changes(before: str, after: str) -> tuple[PolicyChange, ...]:
    return diff_policies(parse_policy(before, where="a"), parse_policy(after, where="b")).changes


def only(before: str, after: str) -> PolicyChange:
    (found,) = changes(before, after)
    return found


def fields_of(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names of all fields of a policy."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields_of(kind, f"{above}{name}.")
        else:
            yield above + name


def test_equal_policies_differ_in_nothing() -> None:
    assert changes(POLICY_TEXT, "# a comment\n" + POLICY_TEXT) == ()


def test_a_limit_is_told_as_what_an_account_may_do() -> None:
    found = only(POLICY_TEXT, POLICY_TEXT.replace("orders_per_30_days = 3", "orders_per_30_days = 4"))
    assert found.words == "Accounts limited on the platform may place 4 orders in 30 days instead of 3."
    assert (found.field, found.effect) == ("limits.platform.orders_per_30_days", "milder")


def test_a_limit_that_falls_away_is_milder_and_one_that_comes_is_stricter() -> None:
    without = POLICY_TEXT.replace("quantity_per_item = 2\n", "")
    gone, come = only(POLICY_TEXT, without), only(without, POLICY_TEXT)
    assert gone.words == "Accounts limited on the platform may order any number of pieces of one item instead of 2."
    assert come.words.endswith("2 pieces of one item instead of any number of pieces.")
    assert (gone.effect, come.effect) == ("milder", "stricter")


def test_an_amount_names_its_currency() -> None:
    found = only(POLICY_TEXT, POLICY_TEXT.replace('"100.00"', '"80.00"'))
    assert found.words == "Accounts limited on the platform may spend 80.00 CNY in 24 hours instead of 100.00."
    assert found.effect == "stricter"


def test_allowances_are_told_by_whose_they_are_and_where() -> None:
    doors = '[[checkout.allowances]]\nof = "door"\norders_per_day = 1\n'
    rings = '[[checkout.allowances]]\nof = "ring"\nwithin = "item"\nunits_per_30_days = 2\n'
    before = POLICY_TEXT + doors + rings
    door = only(before, before.replace('"door"\norders_per_day = 1', '"door"\norders_per_day = 3'))
    assert door.words == "Limited accounts behind one door together may place 3 orders in 24 hours instead of 1."
    assert (door.field, door.effect) == ("checkout.allowances.door platform.orders_per_day", "milder")
    ring = only(before.replace("units_per_30_days = 2", "units_per_30_days = 5"), before)
    assert ring.words == "Limited accounts of one ring together of one item may buy 2 pieces in 30 days instead of 5."
    assert ring.effect == "stricter"
    assert changes(before, POLICY_TEXT + rings + doors) == (), "their order means nothing"
    new = changes(POLICY_TEXT, POLICY_TEXT + '[[checkout.allowances]]\nof = "account"\norders_per_day = 2\n')
    assert [change.words for change in new] == [
        "A limited account, besides its own limits, may place 2 orders in 24 hours instead of any number of orders."
    ]


def test_a_currency_that_only_one_policy_has_is_told() -> None:
    more = POLICY_TEXT.replace(
        "[limits.platform.amounts]\n", '[limits.platform.amounts]\nJPY = { amount_per_day = "900" }\n'
    )
    found = only(POLICY_TEXT, more)
    assert found.words == "Accounts limited on the platform may spend 900 JPY in 24 hours instead of any."
    assert found.effect == "stricter"


def test_other_fields_are_told_by_what_they_mean() -> None:
    found = only(POLICY_TEXT, POLICY_TEXT + "[statuses]\nwatch_risk = 0.5\n")
    assert found.words == "Accounts of at least this risk (a probability) are watched: 0.5 instead of 0.3."
    assert found.effect == "milder"
    longer = only(POLICY_TEXT, POLICY_TEXT.replace("[limits]\n", "[limits]\nexpire_after_days = 120\n"))
    assert longer.effect == "stricter"
    assert changes(POLICY_TEXT, POLICY_TEXT.replace('"t1"', '"t2"')) == (), "versions are named, not told as a change"


def test_stages_say_who_gains_and_who_loses() -> None:
    other = STAGED.replace('["file_complaints", "no_refund_only"]', '["file_complaints", "manual_review"]')
    found = only(POLICY_TEXT + STAGED, POLICY_TEXT + other)
    assert found.words == "Stores of a score of 4.8 and above: gains manual_review; loses no_refund_only."
    moved = changes(POLICY_TEXT + STAGED, POLICY_TEXT + STAGED.replace("2025-09-01", "2025-10-01"))
    assert [change.words.partition(": ")[2].partition(";")[0] for change in moved] == [
        "is no longer a stage",
        "is a new stage",
    ]


def test_settings_of_detection_say_that_only_a_new_run_shows_them() -> None:
    found = diff_policies(
        parse_policy(POLICY_TEXT, where="a"), parse_policy(POLICY_TEXT + "[detection]\nseed = 9\n", where="b")
    )
    assert found.new_detection
    assert [change.field for change in found.changes] == ["detection.seed"]
    assert not diff_policies(*[parse_policy(POLICY_TEXT, where="a")] * 2).new_detection


def test_every_field_has_a_name_in_chinese_and_a_change_says_its_values_in_both_languages() -> None:
    own = {"version", "stages.bands", "checkout.allowances"}  # told by sentences of their own, or not at all
    scopes = ("limits.platform.", "limits.store.", "limits.new_account.")
    assert {name for name in fields_of(Policy) if not name.startswith(scopes)} - own == set(FIELDS)
    text = POLICY_TEXT + "[statuses]\nwatch_risk = 0.21\n"
    for change in diff_policies(parse_policy(POLICY_TEXT, where="test"), parse_policy(text, where="test")).changes:
        assert change.told("zh") == "风险达到该值的账户列入观察：0.21，原为 0.3。"
    milder = POLICY_TEXT.replace("orders_per_30_days = 3", "orders_per_30_days = 4")
    (found,) = diff_policies(parse_policy(POLICY_TEXT, where="test"), parse_policy(milder, where="test")).changes
    assert found.told("zh") == "全平台限购的账户：30 天内的订单数最多 4，原为最多 3。"
