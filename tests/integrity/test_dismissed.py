"""A complaint that was not upheld is held against nobody, and a dismissed one leaves no lasting mark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.pipeline import Findings, detect
from graph.changes import Removals, without
from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import OUTCOMES, Snapshot
from graph.store import Store
from integrity.decide import decide
from integrity.heard import heard
from integrity.instants import DAY
from integrity.policy import default_policy
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate
from tests.integrity.hand import NOW, load, market_findings, policy

POLICY = default_policy()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    home: Path = tmp_path_factory.mktemp("market")
    simulate(home / "export", buyers=600, seed=5)
    store = open_store(f"sqlite:///{home / 'store.db'}")
    try:
        load_folder(store, Keyer("k" * 40), home / "export", now=2_000_000_000_000_000)
        return take_snapshot(store)
    finally:
        store.close()


def found(snapshot: Snapshot) -> tuple[Findings, list[str]]:
    findings = detect(heard(snapshot), POLICY.detection)
    return findings, decide(snapshot, findings, POLICY)["status"].to_pylist()


def with_complaint(snapshot: Snapshot, refund: int, outcome: str) -> Snapshot:
    """A complaint of that claim put where its id belongs: the last one."""
    known = snapshot.complaints
    added = replace(
        known,
        ids=np.append(known.ids, np.array(["zz-new"], dtype=object)),
        refund=np.append(known.refund, np.int32(refund)),
        at=np.append(known.at, np.int64(snapshot.refunds.at[refund] + 1)),
        type=np.append(known.type, np.int32(0)),
        outcome=np.append(known.outcome, np.int32(OUTCOMES.index(outcome))),
    )
    return replace(snapshot, complaints=added)


@pytest.fixture(scope="module")
def suspects(snapshot: Snapshot) -> list[int]:
    """Claims that nobody complained of, by the riskiest accounts below the limits and by one of no risk."""
    findings, status = found(snapshot)
    risk = findings.accounts["risk"].to_numpy()
    free = np.isin(status, ["CLEAR", "WATCH"])
    unreported = ~np.isin(np.arange(len(snapshot.refunds.ids)), snapshot.complaints.refund)
    quiet = np.flatnonzero(snapshot.refunds.by_buyer & unreported)
    quiet = quiet[free[snapshot.refunds.buyer[quiet]]]
    by_risk = quiet[np.argsort(risk[snapshot.refunds.buyer[quiet]], kind="stable")]
    return [int(by_risk[-1]), int(by_risk[len(by_risk) // 2])]


@pytest.mark.parametrize("outcome", ["dismissed", "pending"])
def test_a_complaint_that_is_not_upheld_changes_nobodys_risk_or_decision(
    snapshot: Snapshot, suspects: list[int], outcome: str
) -> None:
    never, status = found(snapshot)
    for refund in suspects:
        findings, again = found(with_complaint(snapshot, refund, outcome))
        assert again == status
        assert findings.accounts.equals(never.accounts)
        assert findings.rings.equals(never.rings)


def test_struck_from_the_records_it_never_was(snapshot: Snapshot, suspects: list[int]) -> None:
    struck = Removals(records=frozenset({("complaints", "zz-new")}))
    for refund in suspects:
        assert without(with_complaint(snapshot, refund, "dismissed"), struck).digest == snapshot.digest


def test_one_that_is_upheld_is_heard(snapshot: Snapshot, suspects: list[int]) -> None:
    never, _ = found(snapshot)
    refund = suspects[0]
    buyer = snapshot.refunds.buyer[refund]
    risk = found(with_complaint(snapshot, refund, "upheld"))[0].accounts["risk"].to_numpy()
    assert risk[buyer] > never.accounts["risk"].to_numpy()[buyer]


def test_a_run_hears_upheld_complaints_only(market: Store) -> None:
    complaints = [
        {
            "complaint_id": f"c-{outcome}",
            "refund_id": "r-lone-1",
            "filed_at": NOW - DAY,
            "type": "fake_evidence",
            "outcome": outcome,
            "outcome_at": NOW - DAY // 2,
        }
        for outcome in ("upheld", "dismissed", "pending")
    ]
    load(market, complaints=complaints)
    seen: list[str] = []

    def detect_nothing(snapshot: Snapshot, _settings: object) -> object:
        seen.extend(snapshot.complaints.ids.tolist())
        return market_findings()

    run_detection(market, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=detect_nothing)  # type: ignore[arg-type]  # hand-made findings
    assert seen == ["c-upheld"]
