"""Who heals when a link or record is taken out of a run: the same as a whole run without it decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors.names import known_rings
from detectors.pipeline import detect
from graph.changes import Removals, without
from graph.errors import BadInput
from graph.open import open_store
from graph.store import Store
from integrity.decide import decide
from integrity.healing import Reopened, reopen
from integrity.policy import Policy, default_policy
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate
from tests.integrity.hand import NOW, market_findings, policy

LATER = 1_893_456_000_000_000
LIMITED = ("STORE_LIMITED", "PLATFORM_LIMITED")


def quick() -> Policy:
    chosen = default_policy()
    return chosen.model_copy(update={"detection": chosen.detection.model_copy(update={"null_draws": 8})})


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a simulated market and a published run over it."""
    home: Path = tmp_path_factory.mktemp("healing")
    simulate(home / "export", buyers=900, seed=21, abuse="high")
    store = open_store(f"sqlite:///{home / 'store.db'}")
    load_folder(store, Keyer("k" * 40), home / "export", now=LATER)
    run_detection(store, policy=quick(), now=lambda: LATER, holder="test")
    yield store
    store.close()


@pytest.fixture(scope="module")
def opened(simulated: Store) -> Reopened:
    return reopen(simulated)


def test_the_run_reopened_is_the_run(simulated: Store, opened: Reopened) -> None:
    rows = simulated.run_rows(opened.run.run_id, "run_accounts").to_pylist()
    assert [round(risk, 6) for risk in opened.base.found.risk.tolist()] == [row["risk"] for row in rows]
    rings = simulated.run_rows(opened.run.run_id, "run_rings")["ring_id"].to_pylist()
    assert [ring.ring_id for ring in opened.base.found.rings] == rings
    assert opened.ask(Removals()).accounts == ()


def test_who_heals_stands_as_a_whole_run_without_it_decides(simulated: Store, opened: Reopened) -> None:
    run = opened.run.run_id
    before = {row["buyer_id"]: row["status"] for row in simulated.run_rows(run, "run_decisions").to_pylist()}
    former = known_rings(*(simulated.run_rows(run, f"run_{name}") for name in ("rings", "lineage")))
    evidence = simulated.run_rows(run, "run_evidence").to_pylist()
    evidence.sort(key=lambda row: (-row["nats"], row["evidence_id"]))
    asked = 0
    for row in evidence[:: max(len(evidence) // 12, 1)]:
        record = (row["source_table"], row["source_id"])
        records = frozenset({record}) if record[0] == "refunds" else frozenset()
        links = frozenset({(row["buyer_id"], row["identifier"])}) if row["identifier"] else frozenset()
        removals = Removals(links=links, records=records)
        if not removals:
            continue
        snapshot = without(opened.base.snapshot, removals)
        whole = detect(snapshot, opened.policy.detection, frozen=opened.base.frozen, former=former)
        after = {one["buyer_id"]: one["status"] for one in decide(snapshot, whole, opened.policy).to_pylist()}
        risk = {one["buyer_id"]: one["risk"] for one in whole.accounts.to_pylist()}
        told = opened.ask(removals).by_buyer
        assert {b: s for b, s in after.items() if s != before[b]} == {
            b: one.status_after for b, one in told.items() if one.status_after != one.status_before
        }
        assert all(one.risk_after == risk[buyer] for buyer, one in told.items())
        asked += 1
    assert asked >= 6


def test_whoever_is_limited_for_claims_that_are_all_struck_out_is_limited_no_longer(opened: Reopened) -> None:
    snapshot, risk = opened.base.snapshot, opened.base.found.risk
    worst = int(risk.argmax())
    mine = snapshot.refunds.ids[snapshot.refunds.buyer == worst]
    told = opened.ask(Removals(records=frozenset(("refunds", str(id_)) for id_ in mine))).by_buyer
    one = told[str(snapshot.buyers.ids[worst])]
    assert one.status_before in LIMITED
    assert one.status_after not in LIMITED
    assert one.risk_after < one.risk_before


def test_a_run_that_kept_no_measures_is_refused_in_one_line(market: Store) -> None:
    run_detection(
        market, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda *_: market_findings()
    )
    with pytest.raises(BadInput, match="measures of the market"):
        reopen(market)
