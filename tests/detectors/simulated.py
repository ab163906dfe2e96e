"""Snapshots of simulated markets, each made once a test run."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import Snapshot
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import Abuse, simulate

NOW = 1_893_456_000_000_000
KEY = "k" * 40


@cache
def simulated(buyers: int, seed: int, abuse: Abuse = "high") -> Snapshot:
    """The snapshot of a simulated market."""
    with tempfile.TemporaryDirectory() as home:
        simulate(Path(home) / "export", buyers=buyers, seed=seed, abuse=abuse)
        store = open_store(f"sqlite:///{Path(home) / 'store.db'}")
        try:
            load_folder(store, Keyer(KEY), Path(home) / "export", now=NOW)
            return take_snapshot(store)
        finally:
            store.close()
