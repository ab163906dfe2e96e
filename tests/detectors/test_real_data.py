"""Detection over a real export without orders and refunds says what evidence it lacked, and accuses nobody."""

from __future__ import annotations

from pathlib import Path

from detectors.pipeline import detect
from graph.open import open_store
from graph.reader import take_snapshot
from loaders.keying import Keyer
from loaders.load import load_folder
from tests.require import require_data

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = 1_893_456_000_000_000


def test_p2p_detection_names_the_evidence_that_was_absent(tmp_path: Path) -> None:
    folder = require_data("p2p")
    store = open_store(f"sqlite:///{tmp_path / 'p2p.db'}")
    load_folder(
        store, Keyer("a key of this test, thirty-two bytes"), folder, mapping=EXAMPLES / "p2p/mapping.toml", now=NOW
    )
    snapshot = take_snapshot(store)
    store.close()
    found = detect(snapshot)
    assert {"orders", "refunds", "complaints"} <= set(found.stats["absent"])
    assert found.accounts.num_rows == len(snapshot.buyers.ids) >= 33_732
    assert found.rings.num_rows == 0
    # devices and cards are shared all the same, and seen
    assert found.hubs.num_rows > 0
    assert max(found.accounts.column("risk").to_pylist()) < 0.5
