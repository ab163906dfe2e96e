"""`make bench-quality`, or `python -m benchmarks.quality`: what detection finds, and whom it wrongs, on markets that
nobody tuned on. Options choose the part; each part keeps its results below .bench/quality, and --publish writes its
tables into docs/quality.md."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from benchmarks.quality import parts
from benchmarks.quality.explain import explain
from benchmarks.quality.markets import market_of, named
from benchmarks.quality.mixtures import BY_NAME, REPORT, TUNING
from benchmarks.quality.report import LEVELS


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    part = options.add_mutually_exclusive_group()
    part.add_argument("--many", type=int, metavar="N", help="pool N small markets: false discovery and calibration")
    part.add_argument("--peers", action="store_true", help="the peers on the same markets, with the same scorer")
    part.add_argument("--unseen", action="store_true", help="rings of kinds that no detector was written for")
    part.add_argument("--ablation", action="store_true", help="each detector alone and left out")
    part.add_argument("--weights", action="store_true", help="what each detector's word is worth, on tuning seeds")
    part.add_argument("--ceiling", action="store_true", help="what could be reached if told the truth of other markets")
    part.add_argument("--real", action="store_true", help="real data: RINGFENCE_DATA names the folder")
    part.add_argument("--explain", type=int, nargs="+", metavar="SEED", help="row by row what went wrong, tuning seeds")
    options.add_argument("--buyers", type=int, help="accounts a market (default 60,000; 6,000 with --many)")
    options.add_argument("--seeds", type=int, nargs="+", help="default: the report's, see benchmarks.quality.mixtures")
    options.add_argument("--tuning", action="store_true", help="take tuning seeds instead of the report's")
    options.add_argument("--mixture", choices=list(BY_NAME), help="default: each seed's own")
    options.add_argument(
        "--abuse", choices=list(LEVELS), help="share of abusers; default: the mixture's, mixed for --many"
    )
    options.add_argument("--publish", action="store_true", help="write the tables into docs/quality.md")
    return options


def main(given: Sequence[str] | None = None) -> None:
    """Run the chosen part."""
    args = parser().parse_args(given)
    # scikit-learn's threads spin against whatever else runs: one is ten times faster than two on busy cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    console = Console(width=200)
    say = partial(console.print, highlight=False)
    mixture = named(args.mixture) if args.mixture else None
    if args.tuning and args.publish:
        raise SystemExit("tuning seeds are not published")
    if args.explain:
        for seed in args.explain:
            if seed not in TUNING:
                raise SystemExit(
                    f"seed {seed} is no tuning seed ({TUNING.start} to {TUNING.stop - 1}): it would be spoilt"
                )
            console.print(explain(market_of(args.buyers or 6_000, seed, mixture)), markup=False, highlight=False)
        return
    first = TUNING.start if args.tuning else REPORT.start
    asked = parts.Asked(
        buyers=args.buyers,
        seeds=args.seeds or (range(first, first + 12) if args.tuning else None),
        tuning=args.tuning,
        mixture=mixture,
        abuse=args.abuse,
        publish=args.publish,
    )
    if args.many:
        parts.many(asked, args.many, say)
    elif args.peers:
        parts.peers(asked, say)
    elif args.unseen:
        parts.unseen(asked, say)
    elif args.ablation:
        parts.ablation(asked, say)
    elif args.weights:
        parts.weights(asked, say)
    elif args.ceiling:
        parts.ceiling(asked, say)
    elif args.real:
        parts.real(asked, say)
    else:
        parts.markets(asked, say)


if __name__ == "__main__":
    main()
