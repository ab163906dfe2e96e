"""Scores kept below .bench/quality: each by market, method and the source that made it; and the results of a run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.metrics import Outcome
from benchmarks.quality.markets import MADE_BY, ROOT, Case, Market, case_of, digest_of
from benchmarks.quality.scores import Score, from_json, score, to_json

SCORING: Final = ("benchmarks/metrics.py", "benchmarks/quality/scores.py")


@dataclass(frozen=True)
class Method:
    """Something that is judged: `run` sees the whole case, as some peers are given part of the truth; `rooms` is the
    source on which its score depends."""

    name: str
    run: Callable[[Case], Outcome]
    rooms: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """The score of one method on one market; `seconds` it took, `cached` where an earlier run's score was taken."""

    market: Market
    method: str
    score: Score
    seconds: float
    cached: bool


class Judge:
    """Runs methods on markets, each once as long as neither changes."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._case: Case | None = None

    def result(self, market: Market, method: Method) -> Result:
        """The kept result, or a fresh one."""
        source = digest_of((*method.rooms, *SCORING))
        path = ROOT / "scores" / f"{market.name}-{method.name.replace(' ', '_')}-{source}.json"
        if path.exists():
            kept = json.loads(path.read_text("utf-8"))
            return Result(market, method.name, from_json(kept["score"]), kept["seconds"], True)
        case = self.case(market)
        start = time.perf_counter()
        outcome = method.run(case)
        seconds = round(time.perf_counter() - start, 2)
        result = score(case.truth, outcome)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"score": to_json(result), "seconds": seconds}), "utf-8")
        part.rename(path)
        return Result(market, method.name, result, seconds, False)

    def case(self, market: Market) -> Case:
        """The market's snapshot and truth; the last one is kept at hand."""
        if self._case is None or self._case.market != market:
            self._case = case_of(market)
        return self._case


def made_by() -> dict[str, Any]:
    """Version, source and machine of this run."""
    return {
        "version": importlib.metadata.version("ringfence"),
        "source": digest_of(("detectors", "integrity", *MADE_BY, *SCORING)),
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
    }


def store(part: str, results: Sequence[Result]) -> None:
    """Write the results of one part of the bench as JSON, with version, source, seeds and machine."""
    folder = ROOT / "results"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "label": result.market.label,
            "buyers": result.market.buyers,
            "seed": result.market.seed,
            "method": result.method,
            "seconds": result.seconds,
            "score": to_json(result.score),
        }
        for result in results
    ]
    seeds = sorted({result.market.seed for result in results})
    whole = {"part": part, **made_by(), "seeds": seeds, "results": rows}
    (folder / f"{part}.json").write_text(json.dumps(whole), "utf-8")
