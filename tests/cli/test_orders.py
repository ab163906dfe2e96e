"""Reserving, confirming and releasing by command, as the order service does over GraphQL."""

from __future__ import annotations

import pytest

from graph.store import Store
from integrity.instants import to_iso
from integrity.runs import run_detection
from tests.cli.conftest import Command
from tests.integrity.hand import NOW, load_market, market_findings, policy

LATER = to_iso(NOW + 30 * 86_400_000_000)
BAD_INPUT = 3


@pytest.fixture
def shop(ringfence: Command, store: Store) -> Command:
    """A store with a published run; `actor` is limited on the platform."""
    load_market(store)
    made = market_findings()
    run_detection(
        store, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda _snapshot, _settings: made
    )
    return ringfence


def reserve(shop: Command, order: str, *more: object, buyer: str = "actor", amount: str = "10.00") -> object:
    words = ("--buyer", buyer, "--store-id", "s1", "--amount", amount, "--now", LATER, "--json")
    ran = shop("reserve", order, *words, *more)
    assert ran.code == 0, ran.err
    return ran.json["state"], ran.json["changed"]


def test_the_way_of_an_order(shop: Command) -> None:
    assert reserve(shop, "o1") == ("HELD", True)
    assert reserve(shop, "o1") == ("HELD", False)
    assert reserve(shop, "o2") == ("REFUSED", False)
    assert reserve(shop, "o3", buyer="shopper") == ("FREE", False)
    assert shop("release", "o1", "--now", LATER).out == "o1: RELEASED\n"
    assert reserve(shop, "o2") == ("HELD", True)
    assert shop("confirm", "o2", "--amount", "10.00", "--now", LATER, "--json").json["state"] == "CONFIRMED"
    refused = shop("reserve", "o4", "--buyer", "actor", "--store-id", "s1", "--amount", "1", "--now", LATER)
    assert refused.out == "o4: REFUSED ORDER_LIMIT ORDERS_PER_DAY ACCOUNT\n"


def test_another_amount_and_amounts_that_are_none_are_told_in_one_line(shop: Command) -> None:
    reserve(shop, "o1")
    other = shop("confirm", "o1", "--amount", "11.00", "--now", LATER)
    assert other.code == BAD_INPUT
    assert "order o1 is reserved with another amount; release that reservation first" in other.err
    for words, told in (
        (("--amount", "much"), "'much' is no amount of CNY"),
        (("--amount", "1.234"), "is no amount of CNY"),
        (("--amount", "-1"), "an amount is 0 to"),
        (("--amount", "1", "--currency", "XXX"), "XXX is no ISO 4217 currency"),
        (("--amount", "1", "--quantity", "0"), "a quantity is 1 or more"),
    ):
        ran = shop("reserve", "o9", "--buyer", "actor", "--store-id", "s1", *words)
        assert (ran.code, told in ran.err, ran.err.count("\n")) == (BAD_INPUT, True, 1), ran.err
