"""The parts of the bench, one function each: run, keep, print, and on request publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quality import unknown
from benchmarks.quality.ablation import ablation_sheet, methods
from benchmarks.quality.markets import ROOT, Market, case_of
from benchmarks.quality.mixtures import POOLED, REPORT, TUNING, Mixture
from benchmarks.quality.ours import ringfence
from benchmarks.quality.page import publish
from benchmarks.quality.plots import ranking_plot, reliability_plot
from benchmarks.quality.report import LEVELS, OURS, line, markets_of, pool_of, report
from benchmarks.quality.results import Judge, Method, Result, made_by, store
from benchmarks.quality.scores import pooled, score
from benchmarks.quality.tables import (
    Sheet,
    chance_sheet,
    discovery_sheet,
    kind_sheet,
    market_sheet,
    peer_sheet,
    quiet_sheet,
    reach_sheet,
    reliability_sheet,
    target_sheet,
    total_sheet,
)

Say = Callable[[Any], None]
BESIDE = ("hub-capped components", "leiden", "synchrotrap", "empirical bayes", "boosting, half the truth")
"""Peers that are run on real data, too."""
QUIET = 4
"""Report seeds, after those of the mixtures, whose market is without abuse."""


@dataclass(frozen=True)
class Asked:
    """What the command line chose; None leaves it to the part."""

    buyers: int | None
    seeds: Sequence[int] | None
    tuning: bool
    mixture: Mixture | None
    abuse: str | None
    publish: bool


def markets(asked: Asked, say: Say) -> None:
    """Whole markets: twelve seeds with abuse, one of each mixture, and four without."""
    buyers, judge = asked.buyers or 60_000, Judge()
    seeds = asked.seeds or REPORT[:12]
    share = None if asked.abuse is None else LEVELS[asked.abuse][0]
    loud = report(judge, markets_of(buyers, seeds, asked.mixture, share), [OURS], say)
    quiet = (
        []
        if asked.seeds
        else report(judge, markets_of(buyers, REPORT[12 : 12 + QUIET], asked.mixture, 0.0), [OURS], say)
    )
    total = pooled([result.score for result in loud])
    sheets = {
        "targets": target_sheet([result.score for result in loud]),
        "chance": chance_sheet([result.score for result in loud]),
        "markets": market_sheet(rows([*loud, *quiet]), f"Markets of {buyers:,} accounts"),
        "kinds": kind_sheet(total),
        "reliability": reliability_sheet(total),
    }
    plots = _plots("markets", total, {"ringfence": [result.score.average_precision for result in loud]})
    _finish("markets", [*loud, *quiet], sheets, asked, say, plots)


def many(asked: Asked, count: int, say: Say) -> None:
    """Many small markets added up, where one market alone is noise."""
    buyers, level = asked.buyers or 6_000, asked.abuse or "mixed"
    first = (TUNING if asked.tuning else POOLED).start
    got = report(Judge(), pool_of(count, first, buyers, level, asked.mixture), [OURS], say)
    total = pooled([result.score for result in got])
    quiet = [result.score for result in got if not result.score.abusers]
    sheets = {
        "pool": target_sheet([total]),
        "pool_chance": chance_sheet([total]),
        "discovery": discovery_sheet(total),
        "pool_reliability": reliability_sheet(total),
    }
    if quiet:
        sheets["quiet"] = quiet_sheet(quiet, buyers)
    plots = _plots("pool", total, {"ringfence": [total.average_precision]})
    _finish("pool", got, sheets, asked, say, plots)


def peers(asked: Asked, say: Say) -> None:
    """The peers beside Ringfence: same markets, same scorer."""
    # what they need comes with the extra `bench` only
    from benchmarks.quality.elsewhere import run as elsewhere
    from benchmarks.quality.peers.registry import PEERS, ROOMS

    share = None if asked.abuse is None else LEVELS[asked.abuse][0]
    wanted = markets_of(asked.buyers or 60_000, asked.seeds or REPORT[:12], asked.mixture, share)
    most = Method("boosting, six other markets' truth", elsewhere, (*ROOMS, "benchmarks/quality/elsewhere.py"))
    got = report(Judge(), wanted, [OURS, *PEERS, most], say)
    by_method: dict[str, list[Result]] = {}
    for result in got:
        by_method.setdefault(result.method, []).append(result)
    total = pooled([result.score for result in by_method[OURS.name]])
    curves = {name: [result.score.average_precision for result in found] for name, found in by_method.items()}
    sheets = {
        "peers": peer_sheet(by_method),
        "reach": reach_sheet(by_method, [OURS.name, PEERS[-1].name, most.name]),
        "_by_market": market_sheet(rows(got), "Methods by market"),
    }
    plots = _plots("peers", total, curves)
    _finish("peers", got, sheets, asked, say, {"peers-ranking": plots["peers-ranking"]})


def unseen(asked: Asked, say: Say, count: int = 6) -> None:
    """Rings of unknown kinds. There are no tuning seeds for them: whoever tunes on them has seen them."""
    judge, seen, results = Judge(), [], []
    for market in unknown.markets(count, asked.buyers or 60_000):
        case = judge.case(market)
        outcome = ringfence(case.snapshot, all_rings=False)
        seen += unknown.look(case, outcome)
        results.append(Result(market, OURS.name, score(case.truth, outcome), 0.0, False))
        say(line(results[-1]))
    _finish("unseen", results, {"unseen": unknown.unseen_sheet(seen, count)}, asked, say, {})


def ablation(asked: Asked, say: Say) -> None:
    """Each detector left out and alone, on the first three report seeds."""
    wanted = markets_of(asked.buyers or 60_000, asked.seeds or REPORT[:3], asked.mixture, None)
    got = report(Judge(), wanted, methods(), say)
    _finish("ablation", got, {"ablation": ablation_sheet(got)}, asked, say, {})


def weights(asked: Asked, say: Say) -> None:
    """What each detector's word is worth beside the others', on tuning markets of two sizes."""
    # scikit-learn comes with the extra `bench` only
    from benchmarks.quality.weights import weights_sheet

    if not set(asked.seeds or ()) <= set(TUNING):
        raise SystemExit(f"weights are fitted on tuning seeds alone: {TUNING.start} to {TUNING.stop - 1}")
    large = markets_of(asked.buyers or 60_000, asked.seeds or TUNING[:6], asked.mixture, None)
    small = [] if asked.buyers else markets_of(6_000, TUNING[:24], asked.mixture, None)
    say(weights_sheet([case_of(market) for market in (*large, *small)]).rich())


def ceiling(asked: Asked, say: Say) -> None:
    """What more could be reached in the report's markets by whoever is told the truth of others."""
    # scikit-learn comes with the extra `bench` only
    from benchmarks.quality.ceiling import TAUGHT, ceiling_sheets

    buyers = asked.buyers or 60_000
    judged = markets_of(buyers, asked.seeds or REPORT[:12], asked.mixture, None)
    sheets = ceiling_sheets(markets_of(buyers, TAUGHT, None, None), judged)
    for sheet in sheets.values():
        say(sheet.rich())
    if asked.publish:
        shown = {name: sheet.markdown() for name, sheet in sheets.items()}
        shown["ceiling_kinds"] += f"\n{about(judged)} Told of seeds {TAUGHT[0]} to {TAUGHT[-1]}.\n"
        publish(shown, {})


def real(asked: Asked, say: Say) -> None:
    """Real data: planted rings in a retailer's background, and a payment platform's labels."""
    from benchmarks.quality.peers.registry import PEERS
    from benchmarks.quality.real import SEEDS, TUNING, p2p_sheet, retail_cases

    results = []
    for case in retail_cases(asked.seeds or (TUNING if asked.tuning else SEEDS)):
        for method in (OURS, *(peer for peer in PEERS if peer.name in BESIDE)):
            start = time.perf_counter()
            outcome = method.run(case)
            seconds = time.perf_counter() - start
            results.append(Result(case.market, method.name, score(case.truth, outcome), seconds, False))
            say(line(results[-1]))
    by_method = {name: [r for r in results if r.method == name] for name in dict.fromkeys(r.method for r in results)}
    sheets = {"retail": peer_sheet(by_method), "retail_total": total_sheet(by_method), "p2p": p2p_sheet()}
    _finish("real", results, sheets, asked, say, {})


def rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as the rows that tables are made from."""
    return [
        {
            "seed": result.market.seed,
            "label": result.market.label,
            "method": result.method,
            "seconds": result.seconds,
            "score": result.score,
        }
        for result in results
    ]


def _plots(part: str, total: Any, by_method: Mapping[str, list[float]]) -> dict[str, Path]:
    folder = ROOT / "plots"
    title = f"{total.markets} markets, {total.abusers:,} abusive accounts of {total.abusers + total.honest:,}"
    reliability_plot(total, folder / f"{part}-reliability", title)
    ranking_plot(total, by_method, folder / f"{part}-ranking", title)
    return {f"{part}-{name}": folder / f"{part}-{name}.svg" for name in ("reliability", "ranking")}


def _finish(
    part: str,
    results: Sequence[Result],
    sheets: Mapping[str, Sheet],
    asked: Asked,
    say: Say,
    plots: Mapping[str, Path],
) -> None:
    name = f"{part}-tuning" if asked.tuning else part
    store(name, results)
    for sheet in sheets.values():
        say(sheet.rich())
    say(f"results: {ROOT / 'results' / f'{name}.json'}; plots: {ROOT / 'plots'}")
    if asked.publish:
        shown = {key: sheet.markdown() for key, sheet in sheets.items() if not key.startswith("_")}
        first = next(iter(shown))
        shown[first] += f"\n{facts(results)}\n"
        publish(shown, plots)


def facts(results: Sequence[Result]) -> str:
    """What the numbers rest on: sizes, seeds, version and machine."""
    return about([result.market for result in results])


def about(markets: Sequence[Market]) -> str:
    """The same, of markets."""
    made = made_by()
    sizes = sorted({market.buyers for market in markets})
    seeds = sorted({market.seed for market in markets})
    machine = made["machine"]
    return (
        f"{' and '.join(f'{size:,}' for size in sizes[:2])} accounts a market, seeds {seeds[0]} to {seeds[-1]} "
        f"({len(seeds)} of them); version {made['version']}, source {made['source']}; {machine['processor']}, "
        f"{machine['cores']} cores, Python {machine['python']}."
    )
