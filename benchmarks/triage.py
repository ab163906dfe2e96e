"""How well complaints are decided at once, on markets that nobody tuned on.

`python -m benchmarks.triage` takes markets of 60,000 buyers (report seeds, each its own mixture), withholds the
complaints of the last 90 days, loads and detects without them, then files them and compares what triage says at once
with the simulator's truth: whether the claim complained of was abusive. The rule beside it upholds every complaint of
a refund-only claim and dismisses the others. `--fit` prints the weights that a logistic regression finds on tuning
seeds.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.stats import beta

from benchmarks.quality.markets import KEY, market_of
from detectors.pipeline import detect
from graph.open import open_store
from graph.snapshot import Floats
from integrity.instants import DAY, from_iso
from integrity.policy import default_policy
from integrity.runs import run_detection
from integrity.triage import FEATURES, Case, Proposal, Reported, cases, ground, weigh
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.draws import stream
from simulator.market import LAST_DAY, draw
from simulator.tables import lay_out, write_table

ROOT = Path(".bench") / "triage"
WITHHELD_DAYS = 90
TUNING, REPORT = tuple(range(101, 109)), tuple(range(1, 13))


@dataclass(frozen=True)
class Judged:
    """A withheld complaint: what triage saw, what it said, whether the claim was abusive, and how many hours a person
    took (None: not decided by the end)."""

    case: Case
    said: Proposal
    probability: float
    abusive: bool
    hours: float | None
    sample: bool


def judged(buyers: int, seed: int) -> Iterator[Judged]:
    """Triage of the withheld complaints of one market."""
    knobs = market_of(buyers, seed).knobs
    draft, chosen = draw(buyers, seed, "default", LAST_DAY, knobs)
    tables = lay_out(stream(seed, "tables"), chosen, draft)
    del tables["truth"]
    order_ids = tables["orders"]["order_id"]
    claims = draft.claims
    abusive = {
        (order, at): bool(bad)
        for order, at, bad in zip(
            order_ids.gather(claims.order), claims.requested.tolist(), claims.abusive.tolist(), strict=True
        )
    }
    reports = tables["complaints"].with_columns(at=pl.col("filed_at").map_elements(_micro, return_dtype=pl.Int64))
    since = (draft.end + 1) * 1_000_000 - WITHHELD_DAYS * DAY
    tables["complaints"] = reports.filter(pl.col("at") < since).drop("at")
    withheld = reports.filter(pl.col("at") >= since)
    home = ROOT / f"{buyers}-{seed}"
    shutil.rmtree(home, ignore_errors=True)
    (home / "export").mkdir(parents=True)
    for name, frame in tables.items():
        write_table(frame, home / "export", name, "csv")
    store = open_store(f"sqlite:///{home / 'store.db'}")
    try:
        clock = (draft.end + 1) * 1_000_000
        load_folder(store, Keyer(KEY), home / "export", now=clock)
        run_detection(store, policy=default_policy(), now=lambda: clock, holder="benchmark", detect=detect)
        told = {row["refund_id"]: row for row in tables["refunds"].to_dicts()}
        reported = [
            Reported(row["complaint_id"], row["refund_id"], row["type"], row["at"]) for row in withheld.to_dicts()
        ]
        base = ground(store, store.head(), filed=reported)
        rules = default_policy().complaints
        for case, row in zip(cases(base, reported), withheld.to_dicts(), strict=True):
            refund = told[case.reported.refund_id]
            said = weigh(case, rules, run_id=base.run_id)
            decided = row["outcome"] != "pending"
            yield Judged(
                case,
                said.proposal,
                said.probability,
                abusive[refund["order_id"], _micro(refund["requested_at"]) // 1_000_000],
                (_micro(row["outcome_at"]) - row["at"]) / DAY * 24 if decided else None,
                said.sample,
            )
    finally:
        store.close()
        shutil.rmtree(home, ignore_errors=True)


def fit(all_: Sequence[Judged]) -> Floats:
    """Weights of a logistic regression of the truth on the features, with a ridge of one nat on all but the first."""
    x = np.array([one.case.features for one in all_])
    y = np.array([one.abusive for one in all_], float)
    ridge = np.ones(x.shape[1])
    ridge[0] = 0.0

    def loss(w: Floats) -> float:
        z = x @ w
        return float(np.logaddexp(0.0, z).sum() - y @ z + 0.5 * (ridge * w * w).sum())

    def slope(w: Floats) -> Floats:
        return np.asarray(x.T @ (1.0 / (1.0 + np.exp(-(x @ w))) - y) + ridge * w)

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=slope, method="L-BFGS-B").x)


def table(all_: Sequence[Judged]) -> str:
    """Markdown: by type, what share was decided at once and how wrong, beside the rule."""
    lines = [
        "| type | complaints | of abusive claims | decided at once | wrong of these | upper bound (95 %) "
        "| upheld: wrong of | dismissed: wrong of | median hours to a verdict (person alone) | rule: wrong |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    kinds = sorted({one.case.reported.type for one in all_})
    for kind in (*kinds, "all"):
        part = [one for one in all_ if kind in ("all", one.case.reported.type)]
        up = [one for one in part if one.said is Proposal.UPHELD]
        down = [one for one in part if one.said is Proposal.DISMISSED]
        wrong_up, wrong_down = sum(not one.abusive for one in up), sum(one.abusive for one in down)
        at_once, wrong = len(up) + len(down), wrong_up + wrong_down
        upper = float(beta.ppf(0.95, wrong + 1, at_once - wrong)) if at_once > wrong else 1.0
        rule = sum(one.case.refund_only != one.abusive for one in part)
        mixed = [0.0 if one.said is not Proposal.NEEDS_A_PERSON else one.hours for one in part]
        alone = [one.hours for one in part if one.hours is not None]
        lines.append(
            f"| {kind} | {len(part)} | {_share(sum(one.abusive for one in part), len(part))} "
            f"| {_share(at_once, len(part))} | {_share(wrong, at_once)} | {upper:.2%} | {wrong_up} of {len(up)} "
            f"| {wrong_down} of {len(down)} | {_median(mixed):.1f} ({_median(alone):.1f}) | {_share(rule, len(part))} |"
        )
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def _median(hours: Sequence[float | None]) -> float:
    known = [one for one in hours if one is not None]
    return float(np.median(known)) if known else float("nan")


def _micro(text: str) -> int:
    return from_iso(text, where="market")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buyers", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, nargs="*")
    parser.add_argument("--fit", action="store_true", help="print weights fitted on tuning seeds")
    arguments = parser.parse_args()
    seeds = arguments.seeds or (TUNING if arguments.fit else REPORT)
    all_: list[Judged] = []
    for seed in seeds:
        mine = list(judged(arguments.buyers, seed))
        print(
            f"\nmarket {seed}: {market_of(arguments.buyers, seed).label}\n{table(mine)}" if not arguments.fit else seed
        )
        all_ += mine
    if arguments.fit:
        for name, weight in zip(FEATURES, fit(all_), strict=True):
            print(f"{name:12} {weight:+.3f}")
    print(f"\nall {len(seeds)} markets\n{table(all_)}")


if __name__ == "__main__":
    main()
