"""Ablation: what each detector adds, measured by silencing it, and what it says when all others are silent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import mean

from benchmarks.metrics import Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.ours import ringfence
from benchmarks.quality.results import Method, Result
from benchmarks.quality.tables import Sheet, number
from detectors.contract import Context, Evidence, nothing
from detectors.registry import ALL

ROOMS = ("detectors", "integrity", "benchmarks/quality/ours.py", "benchmarks/quality/ablation.py")
FULL = "all"


@contextmanager
def silenced(names: frozenset[str]) -> Iterator[None]:
    """Detectors of these names find nothing while this lasts; the rest of detection does not know."""
    before = {detector.name: detector.run for detector in ALL}

    def silent(_: Context, name: str) -> Evidence:
        return nothing(name)

    try:
        for detector in ALL:
            if detector.name in names:
                object.__setattr__(detector, "run", partial(silent, name=detector.name))
        yield
    finally:
        for detector in ALL:
            object.__setattr__(detector, "run", before[detector.name])


def methods() -> list[Method]:
    """All detectors, each left out, and each alone."""

    def run(case: Case, out: frozenset[str]) -> Outcome:
        with silenced(out):
            return ringfence(case.snapshot, all_rings=False)

    names = [detector.name for detector in ALL]
    every = frozenset(names)
    cases = {FULL: frozenset[str]()}
    cases |= {f"without {name}": frozenset([name]) for name in names}
    cases |= {f"only {name}": every - {name} for name in names}
    return [Method(label, partial(run, out=out), ROOMS) for label, out in cases.items()]


def ablation_sheet(results: Sequence[Result]) -> Sheet:
    """One row a detector: changes against all detectors when it is left out, means over the markets; and it alone."""

    def average(method: str, attribute: str) -> float:
        return mean(float(getattr(result.score, attribute)) for result in results if result.method == method)

    shown = (
        ("average_precision", 4),
        ("limit_precision", 4),
        ("limit_recall", 4),
        ("honest_per_10k", 2),
        ("found_share", 4),
    )
    rows = [["all", *(number(average(FULL, attribute), digits) for attribute, digits in shown), ""]]
    for detector in ALL:
        left = f"without {detector.name}"
        changes = [f"{average(left, attribute) - average(FULL, attribute):+.{digits}f}" for attribute, digits in shown]
        rows.append([detector.name, *changes, number(average(f"only {detector.name}", "average_precision"))])
    count = len({result.market.seed for result in results})
    columns = ("left out", "AP", "limits: precision", "recall", "honest /10k", "rings found", "AP alone")
    return Sheet(f"Ablation: change when a detector is left out, mean of {count} markets", columns, rows)
