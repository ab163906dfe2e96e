"""`ringfence assess`: one claim, what applies to it, what each side is told."""

from __future__ import annotations

from graph.store import Store
from integrity.instants import to_iso
from tests.api import market
from tests.cli.conftest import Command

NOW = to_iso(market.NOW)


def test_a_claim_is_assessed_with_the_words_for_both_sides(ringfence: Command, store: Store) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    told = ringfence("assess", "r-0", "--now", NOW, "--json").json
    assert (told["run_id"], told["store_id"], told["buyer_id"]) == ("run-1", "s-1", "b-01")
    assert [one["remedy"] for one in told["remedies"]] == ["platform_limit", "exclude_from_store_rates"]
    assert all(one["store_entitled"] for one in told["remedies"])
    text = ringfence("assess", "r-0", "--now", NOW).out
    assert "exclude_from_store_rates (claim): complaint_upheld" in text
    assert "Your report was examined and upheld." in text
    late = ringfence("assess", "r-0", "--now", "2030-01-01", "--json").json
    assert [one["remedy"] for one in late["remedies"]] == ["exclude_from_store_rates"]


def test_an_assessed_claim_replays_and_another_answer_has_a_code_of_its_own(ringfence: Command, store: Store) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    told = ringfence("assess", "r-0", "--now", NOW, "--json").json
    assert f"ringfence replay --claim {told['reference']}" in ringfence("assess", "r-0", "--now", NOW).out
    again = ringfence("replay", "--claim", told["reference"], "--json")
    assert (again.code, again.json["same"], again.json["assessment"]["remedies"]) == (0, True, told["remedies"])
    changed = ringfence("replay", "--claim", told["reference"].replace("r-0", "r-2"))
    assert changed.code == 9
    assert "the same ground gives another assessment" in changed.err
    assert ringfence("replay", "--claim", "r-0").code == 3


def test_an_unknown_claim_a_bad_instant_and_an_empty_store_are_told(ringfence: Command, store: Store) -> None:
    assert ringfence("assess", "r-0").code == 8
    market.fill(store)
    missing = ringfence("assess", "r-none")
    assert missing.code == 8
    assert "no claim 'r-none'" in missing.err
    assert ringfence("assess", "r-0", "--now", "soon").code == 3
    assert ringfence("assess", "r-0", "--json").json["run_id"] is None


def test_a_stores_rates_are_printed_with_what_was_left_out(ringfence: Command, store: Store) -> None:
    market.fill(store)
    market.put_run(store, "run-1")
    told = ringfence("rates", "s-1", "--until", NOW, "--days", 60, "--json").json
    assert {one["refund_id"]: one["reason"] for one in told["left_out"]} == {
        "r-0": "complaint_upheld",
        "r-1": "account_limited",
    }
    assert told["raw"]["orders"] == told["without_abuse"]["orders"] + 2
    text = ringfence("rates", "s-1", "--until", NOW, "--days", 60).out
    assert "for the store hold those without proven abuse" in text
    assert "complaint_upheld" in text
    assert "its score does not let abuse be left out" in ringfence("rates", "s-2", "--until", NOW).out


def test_rates_of_an_unknown_store_or_a_window_without_sense_are_refused(ringfence: Command, store: Store) -> None:
    market.fill(store)
    assert ringfence("rates", "s-none").code == 8
    assert ringfence("rates", "s-1", "--days", 0).code == 3
    assert ringfence("rates", "s-1", "--until", "then").code == 3
