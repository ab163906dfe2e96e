"""The report: Ringfence, and on request its peers, on whole markets of many mixtures; and many small ones pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from benchmarks.quality.markets import Market, market_of
from benchmarks.quality.mixtures import MIXTURES, Mixture
from benchmarks.quality.ours import ringfence
from benchmarks.quality.results import Judge, Method, Result

OURS: Final = Method(
    "ringfence",
    lambda case: ringfence(case.snapshot),
    ("detectors", "integrity", "benchmarks/quality/ours.py"),
)
LEVELS: Final = {"none": (0.0,), "low": (0.001,), "default": (0.008,), "mixed": (0.0, 0.001, 0.008)}
"""Shares of abusive accounts, dealt out in turn over the markets of a pool."""

Said = Callable[[str], None]


def report(judge: Judge, markets: Iterable[Market], methods: Sequence[Method], say: Said) -> list[Result]:
    """Every method on every market."""
    results = []
    for market in markets:
        for method in methods:
            got = judge.result(market, method)
            results.append(got)
            say(line(got))
    return results


def markets_of(buyers: int, seeds: Iterable[int], mixture: Mixture | None, abusers: float | None) -> list[Market]:
    """The markets of some seeds, each with its own mixture unless one is named."""
    return [market_of(buyers, seed, mixture, abusers) for seed in seeds]


def pool_of(count: int, first: int, buyers: int, level: str, mixture: Mixture | None) -> list[Market]:
    """`count` markets from seed `first` on; shares of abusers by `LEVELS`, mixtures in turn for each share."""
    shares = LEVELS[level]
    return [
        market_of(buyers, first + at, mixture or MIXTURES[at // len(shares) % len(MIXTURES)], shares[at % len(shares)])
        for at in range(count)
    ]


def line(result: Result) -> str:
    """One result in one line, for whoever waits."""
    score = result.score
    kept = " (kept)" if result.cached else ""
    return (
        f"seed {result.market.seed}, {result.market.label}, {result.method}: AP {score.average_precision:.3f}, limits "
        f"{score.limit_precision:.3f} / {score.limit_recall:.3f}, honest {score.honest_per_10k:.1f} per 10,000, rings "
        f"{score.rings_found}/{score.rings}, published {score.published} ({score.published_true}), pairs "
        f"{score.pair_precision:.3f} / {score.pair_recall:.3f}, {result.seconds:.1f} s{kept}"
    )
