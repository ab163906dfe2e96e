"""A run over its own snapshot with its own frozen values is that run; with those of another market it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.frozen import GENERATION, NOW, Frozen, Measures, frozen_table, pack, read_frozen
from detectors.pipeline import Findings, detect
from detectors.settings import DetectionSettings
from graph.errors import BadInput
from graph.snapshot import Snapshot
from tests.detectors.market import snapshot as tiny
from tests.detectors.simulated import simulated
from tests.detectors.test_pipeline import market

QUICK = DetectionSettings(null_draws=6)
TABLES = ("accounts", "rings", "lineage", "members", "evidence", "hubs")


def same(one: Findings, other: Findings) -> bool:
    return one.stats == other.stats and all(getattr(one, name).equals(getattr(other, name)) for name in TABLES)


def stored(findings: Findings) -> Frozen:
    """The frozen values as they come back from a store."""
    assert findings.frozen is not None
    frozen = read_frozen(frozen_table(findings.frozen))
    assert frozen is not None
    return frozen


@pytest.mark.parametrize(("buyers", "seed"), [(300, 3), (900, 4), (2000, 5)])
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_run_with_its_own_values_is_itself_to_the_byte(buyers: int, seed: int, rounds: int) -> None:
    settings = QUICK.model_copy(update={"rounds": rounds})
    first = detect(simulated(buyers, seed), settings)
    assert same(detect(simulated(buyers, seed), settings, frozen=stored(first)), first)


@pytest.mark.parametrize("told", [{}, {"accounts": {"a": {"orders": 1}}}, {"crowd": 40}, market()])
def test_so_is_one_over_next_to_nothing(told: dict[str, object]) -> None:
    first = detect(tiny(told), QUICK)
    assert same(detect(tiny(told), QUICK, frozen=stored(first)), first)


def test_frozen_values_stand_for_the_market_and_are_not_measured_anew() -> None:
    first = detect(tiny(market()), QUICK)
    frozen = stored(first)
    altered = Frozen({**frozen.values, "abusers": np.array([0.04])})
    again = detect(tiny(market()), QUICK, frozen=altered)
    assert again.stats["abusers_estimated"] == 0.04
    assert not again.accounts["risk"].equals(first.accounts["risk"])


def test_values_of_another_market_or_instant_are_refused() -> None:
    frozen = stored(detect(tiny(market()), QUICK))
    with pytest.raises(BadInput, match="another snapshot"):
        detect(tiny({"crowd": 40}), QUICK, frozen=frozen)
    later: Snapshot = replace(tiny(market()), as_of=tiny(market()).as_of + 1)
    with pytest.raises(BadInput, match="another snapshot"):
        detect(later, QUICK, frozen=frozen)


def test_a_stratum_that_the_values_do_not_know_is_refused() -> None:
    keys = pack(np.array([1, 4]), np.array([2, 3]))
    measured = Measures()
    measured.by("item", "rate", keys, lambda: np.array([0.1, 0.2]))
    given = Measures(Frozen(measured.taken))
    assert given.by("item", "rate", keys[1:], lambda: np.empty(0)).tolist() == [0.2]
    with pytest.raises(BadInput, match="every item"):
        given.by("item", "rate", pack(np.array([4]), np.array([4])), lambda: np.empty(0))


def test_large_values_are_kept_in_parts_and_come_back_alike() -> None:
    value = np.arange(20_000, dtype=np.float64).reshape(-1, 2) / 7
    table = frozen_table(
        Frozen({"a": value, "b": np.array([3, 4]), "empty": np.empty((0, 6)), GENERATION: np.array([NOW])})
    )
    assert table.num_rows == 7
    back = read_frozen(table)
    assert back is not None
    assert all(np.array_equal(back.values[name], one) for name, one in (("a", value), ("b", [3, 4])))
    assert back.values["empty"].shape == (0, 6)


def test_values_of_another_generation_are_not_read() -> None:
    for other in ({}, {GENERATION: np.array([NOW - 1])}):
        assert read_frozen(frozen_table(Frozen({"a": np.ones(2), **other}))) is None
