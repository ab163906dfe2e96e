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


def test_an_unknown_claim_a_bad_instant_and_an_empty_store_are_told(ringfence: Command, store: Store) -> None:
    assert ringfence("assess", "r-0").code == 8
    market.fill(store)
    missing = ringfence("assess", "r-none")
    assert missing.code == 8
    assert "no claim 'r-none'" in missing.err
    assert ringfence("assess", "r-0", "--now", "soon").code == 3
    assert ringfence("assess", "r-0", "--json").json["run_id"] is None
