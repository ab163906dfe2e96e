"""Commands that ask the API in their own process: look-ups, remedies, return risk, purchase limits, any query."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph.store import Store
from integrity.checkout_orders import OrderMemory
from integrity.instants import to_iso
from tests.api import market
from tests.cli.conftest import Command

NOW = to_iso(market.NOW)


@pytest.fixture
def shop(ringfence: Command, store: Store, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The hand-made market of the API's tests, with a published run, under its key."""
    monkeypatch.setenv("RINGFENCE_KEY", "k" * 40)
    market.fill(store)
    market.put_run(store, "run-1")
    return ringfence


def test_an_account_is_shown_with_its_remedies_and_the_words_for_both_sides(shop: Command) -> None:
    told = shop("remedies", "b-01", "--now", NOW, "--json").json
    assert (told["status"], told["run_id"], told["limits"]["orders_per_30_days"]) == ("PLATFORM_LIMITED", "run-1", 4)
    assert told["remedies"][0]["kind"] == "PLATFORM_LIMIT"
    assert told["remedies"][0]["buyer"]["zh"]
    text = shop("remedies", "b-01", "--now", NOW).out
    assert told["remedies"][0]["lift"]["en"] in text
    assert "warned" not in shop("remedies", "b-09", "--now", NOW).out, "it only stands by a ring"
    unknown = shop("remedies", "nobody")
    assert (unknown.code, "no account 'nobody'" in unknown.err) == (8, True)


def test_return_risk_of_orders_named_or_from_a_file_in_the_order_asked(shop: Command, home: Path) -> None:
    told = shop("return-risk", "o-010", "o-none", "o-000", "o-010", "--json").json
    assert [one["order_id"] for one in told] == ["o-010", "o-none", "o-000"]
    assert [one["level"] is None for one in told] == [False, True, False]
    (home / "ids.txt").write_text("\n".join(f"o-{n:03}" for n in range(1100)) + "\n")
    many = shop("return-risk", "--file", "ids.txt", "--json").json
    assert len(many) == 1100, "more than one batch of the API"
    assert sum(one["level"] is not None for one in many) == 12 + 1 + 1 + 20
    assert "o-none  not known" in shop("return-risk", "o-none").out
    assert shop("return-risk").code == 3
    assert shop("return-risk", "--file", "gone.txt").code == 3
    assert shop("return-risk", "\x00").code == 3


def test_what_a_buyer_may_buy_is_told_as_at_checkout(shop: Command) -> None:
    told = shop("purchase-limit", "b-01", "--store-id", "s-1", "--amount", "10.00", "--now", NOW, "--json").json
    assert (told["buyer_id"], told["status"], told["run_id"]) == ("b-01", "PLATFORM_LIMITED", "run-1")
    assert told["verdict"] in ("DENY", "ALLOW_UP_TO")
    free = shop("purchase-limit", "c-00", "--store-id", "s-1", "--now", NOW)
    assert free.out.startswith("c-00: ALLOW (")
    new = ("purchase-limit", "stranger", "--store-id", "s-1", "--now", NOW, "--json")
    assert shop(*new, "--device", market.RAW_DEVICE).json["reason"] != shop(*new).json["reason"]
    assert shop("purchase-limit", "b-01", "--store-id", "s-1", "--amount", "much").code == 3
    assert shop("purchase-limit", "b-01", "--store-id", "s-1", "--quantity", "0").code == 3


def test_what_a_buyer_may_buy_of_a_basket_is_told_item_by_item_and_in_all(shop: Command, home: Path) -> None:
    (home / "basket.jsonl").write_text('{"sku": "a", "quantity": 9}\n\n{"sku": "b", "amount": "1.00"}\n')
    ask = ("purchase-limit", "b-01", "--store-id", "s-1", "--now", NOW, "--basket")
    told = shop(*ask, "basket.jsonl", "--json").json
    assert [one["verdict"] for one in told["items"]] == ["DENY", "DENY"]
    free = shop("purchase-limit", "c-00", *ask[2:], "basket.jsonl", "--json").json
    assert [free["verdict"], *(one["verdict"] for one in free["items"])] == ["ALLOW"] * 3
    lines = shop(*ask, "basket.jsonl").out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["b-01", "  item 1", "  item 2"]
    for text, says in (("{", "is no JSON"), ('{"item": "a"}', "is no item"), ("", "names no item")):
        (home / "bad.jsonl").write_text(text)
        bad = shop(*ask, "bad.jsonl")
        assert (bad.code, says in bad.err) == (3, True), bad.err
    assert shop(*ask, "gone.jsonl").code == 3


def test_orders_claims_stores_identifiers_and_paths_are_looked_up(shop: Command) -> None:
    order = shop("look", "order", "o-000", "--json").json
    assert (order["buyer_id"], order["items"]["items"][0]["sku"]) == ("b-01", "sku-1")
    assert [one["id"] for one in order["refunds"]["items"]] == ["r-0"]
    claim = shop("look", "refund", "r-0", "--json").json
    assert [one["outcome"] for one in claim["complaints"]["items"]] == ["UPHELD"]
    assert "REJECT_CLAIM" in shop("look", "store", "s-1", "--json").json["entitlements"]["granted"]
    found = shop("look", "identifier", "phone", market.RAW_PHONE, "--first", "1", "--json").json
    assert (found["masked"], found["users"]["total"], len(found["users"]["items"])) == ("138****8000", 3, 1)
    more = ("--first", "5", "--after", found["users"]["next"], "--json")
    assert len(shop("look", "identifier", "phone", market.RAW_PHONE, *more).json["users"]["items"]) == 2
    steps = shop("look", "path", "b-01", "b-02", "--json").json
    assert (steps["ring_id"], len(steps["steps"])) == (market.RING, 1)
    for words in (("order", "o-none"), ("refund", "r-none"), ("path", "b-01", "nobody"), ("identifier", "phone", "1")):
        missing = shop("look", *words)
        assert missing.code in (3, 8), missing.err
        assert missing.err.count("\n") == 1
    assert "o-000" in shop("look", "refund", "r-0").out


def test_accounts_rings_and_evidence_are_listed_a_page_at_a_time(shop: Command) -> None:
    told = shop("look", "accounts", "--status", "PLATFORM_LIMITED", "--json").json
    assert [one["id"] for one in told["items"]] == ["b-01", "b-02"]
    first = shop("look", "accounts", "--first", "2", "--json").json
    assert shop("look", "accounts", "--first", "2", "--after", first["next"], "--json").json["items"] != first["items"]
    assert "2 of 25; more with --after" in shop("look", "accounts", "--first", "2").out
    assert [one["id"] for one in shop("look", "rings", "--account", "b-01", "--json").json["items"]] == [market.RING]
    assert shop("look", "evidence", "--account", "b-03", "--json").json["items"][0]["kind"] == "burst"
    assert shop("look", "rings", "--after", "nonsense").code == 3


def test_a_query_waits_for_no_orders_that_only_a_till_would_ask_for(
    shop: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "q.graphql").write_text('{ account(id: "b-01") { status } }')
    monkeypatch.setattr(OrderMemory, "read", lambda *_: pytest.fail("read ahead"))
    assert shop("query", "q.graphql").json["data"]["account"]["status"] == "PLATFORM_LIMITED"


def test_any_query_is_answered_in_the_role_named_and_the_look_up_is_recorded(
    shop: Command, home: Path, store: Store
) -> None:
    (home / "q.graphql").write_text("query($id: ID!) { account(id: $id) { status } }")
    asked = ("query", "q.graphql", "--variables", '{"id": "b-01"}')
    assert json.loads(shop(*asked, "--by", "ada").out) == {"data": {"account": {"status": "PLATFORM_LIMITED"}}}
    lines = [json.loads(row["body"]) for row in store.notes("audit").to_pylist()]
    assert {"who": "ada", "role": "investigator", "kind": "account", "what": "b-01"}.items() <= lines[-1].items()
    assert shop(*asked, "--role", "scheduler").code == 10
    (home / "own.graphql").write_text("{ myStore { id } }")
    assert shop("query", "own.graphql", "--role", "store", "--store-id", "s-1").json["data"]["myStore"]["id"] == "s-1"
    assert shop("query", "own.graphql", "--role", "store").code == 3
    (home / "bad.graphql").write_text('{ path(a: "b-01", b: "nobody") { ringId } }')
    failed = shop("query", "bad.graphql")
    assert (failed.code, failed.json["errors"][0]["extensions"]["code"]) == (1, "NOT_FOUND")
    assert shop("query", "bad.graphql", "--variables", "[1]").code == 3
    (home / "bad.graphql").write_text("{ nothing }")
    assert shop("query", "bad.graphql").code == 3
