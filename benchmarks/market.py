"""Simulated markets for the benchmarks: made once per (size, seed, abuse) and simulator source, kept under .bench."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

import simulator
from simulator.market import simulate

Abuse = Literal["none", "low", "default", "high"]
ROOT = Path(".bench")


@dataclass(frozen=True)
class Market:
    """A folder by the file contract, and who is who in it."""

    folder: Path
    truth: Path

    def abusers(self) -> frozenset[str]:
        """Ids of accounts with an abusive claim."""
        return frozenset(self._truth().filter(pl.col("abuser") == "1")["buyer_id"])

    def rings(self) -> dict[str, str]:
        """Every buyer's ring id, empty outside rings."""
        truth = self._truth().with_columns(pl.col("ring_id").fill_null(""))
        return dict(zip(truth["buyer_id"], truth["ring_id"], strict=True))

    def kinds(self) -> dict[str, str]:
        """Every buyer's planted kind, empty for ordinary people."""
        truth = self._truth().with_columns(pl.col("kind").fill_null(""))
        return dict(zip(truth["buyer_id"], truth["kind"], strict=True))

    def _truth(self) -> pl.DataFrame:
        return pl.read_csv(self.truth, infer_schema=False)


def market(buyers: int, seed: int, abuse: Abuse) -> Market:
    """The market of these arguments, simulated where it is not there yet."""
    home = ROOT / f"market-{buyers}-{seed}-{abuse}-{_source()}"
    result = Market(home / "export", home / "truth.csv")
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        simulate(result.folder, buyers=buyers, seed=seed, abuse=abuse)
        (home / "done").touch()
    return result


def _source() -> str:
    hasher = hashlib.sha256()
    for path in sorted(Path(simulator.__file__).parent.rglob("*.py")):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:10]
