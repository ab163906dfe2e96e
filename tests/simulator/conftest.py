"""Simulated markets for the tests of the simulator, each made once."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from simulator.market import Summary, draw, simulate
from simulator.tables import Draft


@dataclass(frozen=True)
class Market:
    """A written market, read back as text."""

    summary: Summary
    truth: pl.DataFrame

    def table(self, name: str) -> pl.DataFrame:
        """One table, all columns as strings."""
        return pl.read_csv(self.summary.folder / f"{name}.csv", infer_schema_length=0)


def make(root: Path, buyers: int, seed: int) -> Market:
    """Simulate below `root` and read the truth."""
    summary = simulate(root / "market", buyers=buyers, seed=seed)
    return Market(summary, pl.read_csv(summary.truth_path, infer_schema_length=0))


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """The default mixture at twenty thousand buyers."""
    return make(tmp_path_factory.mktemp("default"), 20_000, 7)


@pytest.fixture(scope="session", params=[1, 2, 3])
def hard_market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Market:
    """Three markets of 8,000 buyers."""
    return make(tmp_path_factory.mktemp("hard"), 8_000, request.param)


@pytest.fixture(scope="session")
def abused() -> Draft:
    """A market with much abuse, before it is written: here one sees which claim was abusive."""
    return draw(20_000, 5, "high", date(2024, 12, 31), None)[0]
