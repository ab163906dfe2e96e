"""Return risk: what is learned, what a level needs, and what a store is told."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from graph.errors import BadInput
from graph.store import Store
from integrity.instants import DAY
from integrity.policy import default_policy, default_text, parse_policy
from integrity.return_risk import (
    Care,
    Level,
    OrderRisk,
    ReturnModel,
    RiskReason,
    learn,
    order_risks,
    read_model,
    ripe_before,
)
from tests.integrity.hand import NOW, load, order, refund

POLICY = default_policy()
STORES = {"s": {"store_id": "s", "category": "apparel", "freight_cover": "all"}}


def model(**changed: Any) -> ReturnModel:
    made: dict[str, Any] = {
        "category": {"apparel": (0.1, 0.3)},
        "store": {},
        "item": {},
        "market": (0.05, 0.3),
        "abusive": 0.6,
        "strength": 2.0,
        "accounts": {"calm": (0.01, 1, 1.0)},
    }
    return ReturnModel(**(made | changed))


def risk(chosen: ReturnModel, *, buyer: str = "calm", sku: str | None = None, stores: Any = STORES) -> OrderRisk:
    row = {"order_id": "o", "buyer_id": buyer, "store_id": "s", "sku": sku}
    return order_risks(chosen, [row], stores, POLICY)[0]


def test_an_account_that_nobody_judged_is_expected_to_do_what_the_category_does() -> None:
    found = risk(model(), buyer="new")
    assert (found.probability, found.base, found.level) == (0.1, 0.1, Level.LOW)
    assert found.reasons == (RiskReason.NEW_ACCOUNT,)
    assert found.reduced_by == ()
    assert risk(model(), buyer="new", stores={}).probability == 0.05


def test_an_accounts_own_claims_count_against_those_expected_of_it_and_shrink_with_few() -> None:
    def p(claims: int, expected: float) -> float:
        return risk(model(accounts={"b": (0.0, claims, expected)}), buyer="b").probability

    assert p(1, 1.0) == pytest.approx(0.1)
    assert p(0, 0.1) > p(0, 1.0) > p(0, 10.0)
    assert p(1, 0.1) < p(3, 0.1) < p(30, 10.0 / 3) <= 0.95


def test_with_its_risk_an_account_is_held_against_what_abusive_accounts_bring() -> None:
    for share in (0.0, 0.5, 1.0):
        found = risk(model(accounts={"b": (share, 1, 1.0)}), buyer="b")
        assert found.probability == pytest.approx((1 - share) * 0.1 + share * 0.6)


def test_levels_are_held_against_the_category_and_high_needs_a_probable_claim_too() -> None:
    def level(category: float, factor: float) -> Level:
        chosen = model(category={"apparel": (category, 0.3)}, item={("s", "sku"): factor})
        return risk(chosen, buyer="new", sku="sku").level

    assert [level(0.1, factor) for factor in (1.49, 1.51, 2.99, 3.01)] == [
        Level.LOW,
        Level.MEDIUM,
        Level.MEDIUM,
        Level.HIGH,
    ]
    assert level(0.3, 1.0) is Level.LOW  # a shop for clothes is not warned of everything
    assert level(0.02, 5.0) is Level.MEDIUM  # five times next to nothing is not much


def test_reasons_are_told_strongest_first_and_the_buyers_part_is_the_platforms_check() -> None:
    chosen = model(
        store={"s": 1.5}, item={("s", "sku"): 2.0}, accounts={"b": (0.0, 8, 0.5)}, category={"apparel": (0.05, 0.3)}
    )
    assert risk(chosen, buyer="b", sku="sku").reasons == (RiskReason.PLATFORM_CHECK, RiskReason.ITEM, RiskReason.STORE)
    assert risk(chosen, buyer="new", sku="sku").reasons == (RiskReason.ITEM, RiskReason.STORE, RiskReason.NEW_ACCOUNT)


@pytest.mark.parametrize(
    ("only", "cover", "expected"),
    [
        (0.5, "all", (Care.PHOTO_AT_PACKING, Care.SIGNATURE, Care.WEIGHING_AT_PACKING, Care.FREIGHT_COVER_OFF)),
        (0.5, "none", (Care.PHOTO_AT_PACKING, Care.SIGNATURE, Care.WEIGHING_AT_PACKING)),
        (0.5, None, (Care.PHOTO_AT_PACKING, Care.SIGNATURE, Care.WEIGHING_AT_PACKING)),
        (0.9, "all", (Care.PHOTO_AT_PACKING, Care.SIGNATURE)),
        (0.1, "selected", (Care.WEIGHING_AT_PACKING, Care.FREIGHT_COVER_OFF)),
    ],
)
def test_what_helps_depends_on_what_comes_back_in_the_category(
    only: float, cover: str | None, expected: tuple[Care, ...]
) -> None:
    chosen = model(category={"apparel": (0.1, only)}, item={("s", "sku"): 4.0})
    found = risk(chosen, sku="sku", stores={"s": {"category": "apparel", "freight_cover": cover}})
    assert found.level is Level.HIGH
    assert found.reduced_by == expected


def frames() -> dict[str, pl.DataFrame]:
    """Four stores of two categories: `bad` is claimed of often, the others hardly; `rogue` claims everything."""
    orders, claims = [], []
    for number in range(1200):
        store = ("good", "bad", "third", "fresh")[number % 4]
        buyer = f"b{number % 150}"
        order_id = f"o{(number * 7) % 1200:04}"
        orders.append((order_id, buyer, store, f"sku{number % 3}", NOW - (31 + number % 60) * DAY))
        if (store == "bad" and number % 8 == 1) or number % 40 == 0:
            claims.append((order_id, number % 3 == 0))
    for number in range(40):
        orders.append((f"r{number:03}", "rogue", "good", "sku0", NOW - 40 * DAY))
        claims.append((f"r{number:03}", True))
    accounts = [(f"b{number}", 0.02, 1, 1.0) for number in range(150)] + [("rogue", 0.99, 40, 2.0)]
    stores = [("good", "apparel"), ("bad", "apparel"), ("third", "apparel"), ("fresh", "fresh_food")]
    return {
        "orders": pl.DataFrame(orders, schema=["order_id", "buyer_id", "store_id", "sku", "placed_at"], orient="row"),
        "claims": pl.DataFrame(claims, schema=["order_id", "only"], orient="row"),
        "stores": pl.DataFrame(stores, schema=["store_id", "category"], orient="row"),
        "accounts": pl.DataFrame(accounts, schema=["buyer_id", "risk", "claims", "expected_claims"], orient="row"),
    }


def test_a_store_whose_orders_come_back_is_known_and_abusers_do_not_teach_what_is_honest() -> None:
    found = learn(**frames(), before=NOW)
    assert found.store["bad"] > 2.0 > 1.0 > found.store["third"]
    assert found.store["good"] < 1.2  # forty claims of one abuser are not the store's
    assert found.abusive > 0.7
    assert found.category["apparel"][0] > found.category["fresh_food"][0]


def test_the_same_is_learned_whatever_the_order_of_rows() -> None:
    given = frames()
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in given.items()}
    assert learn(**given, before=NOW) == learn(**shuffled, before=NOW)


def test_orders_that_are_not_ripe_teach_nothing() -> None:
    given = frames()
    unripe = given["orders"].with_columns(placed_at=pl.lit(NOW - DAY, pl.Int64), order_id="n" + pl.col("order_id"))
    more = {**given, "orders": pl.concat([given["orders"], unripe])}
    before = ripe_before(NOW, POLICY)
    assert before == NOW - 30 * DAY
    assert learn(**more, before=before) == learn(**given, before=before)


def test_a_store_without_orders_or_a_run_still_answers(store: Store) -> None:
    empty = read_model(store, None, POLICY, known_by=store.head().load)
    assert 0 < risk(empty, buyer="new").probability < 0.2
    load(store, orders=[order("o1", "b", placed_at=NOW - 60 * DAY)], refunds=[refund("r1", "o1")])
    taught = read_model(store, None, POLICY, known_by=store.head().load)
    assert taught.accounts == {}


def test_a_policy_whose_levels_fall_is_refused() -> None:
    with pytest.raises(BadInput, match="medium_lift must not be above high_lift"):
        parse_policy(default_text().replace("medium_lift = 1.5", "medium_lift = 3.5"), where="test")
