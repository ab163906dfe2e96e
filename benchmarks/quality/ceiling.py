"""`python -m benchmarks.quality --ceiling`: what could be reached by whoever is told the truth of other markets.

Gradient boosting learns from all of the truth of twelve tuning markets, one of each mixture, and judges those of the
report: by our own findings (every detector's nats, what links said, whom they join, rings and risk), by the peers'
columns, and by both. No platform has such labels: right, complete, and of the same kinds of abuse. So it is no peer but
a ceiling: what lies between it and us is in the data for somebody who need not guess, what lies above it is not.

Whom the default policy does not limit is told apart by what the data hold of it (`HELD`), with whom of these each
ranking reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.metrics import Bools, Floats, Longs, Truth, average_precision, true_rings
from benchmarks.quality.markets import Case, Market, case_of
from benchmarks.quality.ours import outcome_of
from benchmarks.quality.peers.features import linked
from benchmarks.quality.tables import Sheet, number
from detectors.frozen import Measures
from detectors.fusion import HUB
from detectors.numerics import group, tally
from detectors.pipeline import Found, find, tell
from detectors.registry import LINKS
from detectors.web import FAMILIES
from integrity.heard import heard
from integrity.policy import default_policy

TAUGHT: Final = range(301, 313)
"""Tuning seeds whose truth is told."""
WAYS: Final = ("our findings", "peers' columns", "both")
HONEST: Final = 1.0
"""Honest accounts per 10,000 that a line for limits may cost, see the targets."""
HELD: Final = (
    "no accomplice",
    "shares nothing with its ring but what 20 and more share",
    "claims no more than others do",
    "shares only with members who claim no more than others do",
    "one claim",
    "more than that",
)
"""What the data hold of an abuser; the first that is so."""


@dataclass(frozen=True)
class Known:
    """What is known of the accounts of one market: `columns` (n, c) by way of judging; our `risk` (n,) and who is
    `limited` (n,) by the default policy; the `truth`; and what the data hold of each abuser, `held` (n,) of `HELD`."""

    columns: dict[str, Floats]
    risk: Floats
    limited: Bools
    truth: Truth
    held: Longs


@dataclass(frozen=True)
class Judged:
    """One market as each ranking has it, by name: `scores` (n,), and the accounts `above` (n,) its line."""

    known: Known
    scores: dict[str, Floats]
    above: dict[str, Bools]


def known(case: Case) -> Known:
    """Of one market, by a detection of what a run hears."""
    policy = default_policy()
    found = find(heard(case.snapshot), policy.detection, Measures())
    limited = outcome_of(case.snapshot, tell(found), policy, None).limited
    ours, theirs = findings(found), linked(case.snapshot)[0]
    columns = dict(zip(WAYS, (ours, theirs, np.column_stack([ours, theirs])), strict=True))
    narrow: dict[str, Floats] = {way: one.astype(np.float32) for way, one in columns.items()}
    return Known(narrow, found.risk, limited, case.truth, held(found, case.truth))


def held(found: Found, truth: Truth) -> Longs:
    """(n,) what the data hold of each account, were it an abuser: the first of `HELD` that is so."""
    web, claims = found.web, np.bincount(found.ctx.claims.buyer, minlength=found.ctx.n)
    more = found.beliefs.conduct.own > 0
    # rows of keys smaller than a hub, told apart by the true ring that their accounts are in
    rows = np.flatnonzero((truth.ring[web.buyer] >= 0) & (web.size[web.key] < HUB))
    who = web.buyer[rows]
    together = group(web.key[rows], truth.ring[who])
    louder = tally(together.of, more[who].astype(float), together.n)[together.of] - more[who]
    shares, shares_more = np.zeros(web.n, bool), np.zeros(web.n, bool)
    shares[who[together.count[together.of] > 1]] = True
    shares_more[who[louder > 0]] = True
    so = (truth.ring < 0, ~shares, ~more, ~shares_more, claims < 2)
    return np.select(so, range(len(so)), len(so))


def findings(found: Found) -> Floats:
    """(n, columns) all that detection says of an account: risk before and after rings were judged, in log odds; nats of
    conduct, by detector and added up; of links the loudest word by family and detector, the guiltiest key, and of each
    detector the keys and the risk of others on them; and the ring it is in."""
    web, beliefs, n = found.web, found.beliefs, found.ctx.n
    columns = [_log_odds(found.risk), _log_odds(beliefs.risk)]
    columns += [beliefs.conduct.own, beliefs.conduct.claimant, beliefs.conduct.activity]
    columns += [item.account_nats(n) for item in found.accounts]
    rows = np.arange(len(web.key))

    def most(chosen: Any, values: Floats) -> Floats:
        best = np.zeros(n)
        np.maximum.at(best, web.buyer[chosen], values[chosen])
        return best

    columns += [most(rows[web.family[web.key] == one], beliefs.message) for one in range(FAMILIES)]
    columns.append(most(rows, beliefs.guilt[web.key]))
    others = tally(web.key, beliefs.risk[web.buyer], web.keys)[web.key] - beliefs.risk[web.buyer]
    mean = others / np.maximum(web.size[web.key] - 1.0, 1.0)
    for detector in range(len(LINKS)):
        mine = rows[web.detector[web.key] == detector]
        columns += [most(mine, values) for values in (beliefs.message, others, mean)]
        columns.append(np.bincount(web.buyer[mine], minlength=n).astype(float))
    ring = np.zeros((n, 3))
    for one in found.rings:
        ring[one.members] = one.confidence, len(one.members), found.risk[one.members].mean()
    return np.column_stack([*columns, ring])


def ceiling_sheets(taught: Sequence[Market], judged: Sequence[Market]) -> dict[str, Sheet]:
    """The ceilings as tables: of rankings, and of each kind of abuse."""
    told = [known(case_of(market)) for market in taught]
    abuser = np.concatenate([one.truth.abuser for one in told])
    models = {way: _learner().fit(np.concatenate([one.columns[way] for one in told]), abuser) for way in WAYS}
    del told
    seen: list[Judged] = []
    for market in judged:
        one = known(case_of(market))
        scores = {"ringfence": one.risk}
        scores |= {f"told of others: {way}": models[way].decision_function(one.columns[way]) for way in WAYS}
        chosen = {name: above(one.truth.abuser, score) for name, score in scores.items()}
        # their columns are not needed any more
        seen.append(Judged(replace(one, columns={}), scores, chosen))
    limited = _worst_and_median([reached(one.known.truth, one.known.limited) for one in seen])
    rows = [["limited by the default policy", "", "", "", *limited]]
    for name in seen[0].scores:
        truths = [(one.known.truth, one.scores[name]) for one in seen]
        precision = [average_precision(truth.abuser, score) for truth, score in truths]
        lone = [_lone(truth, score) for truth, score in truths]
        shares = _worst_and_median([reached(one.known.truth, one.above[name]) for one in seen])
        rows.append([name, *map(number, (min(precision), median(precision), median(lone))), *shares])
    each = (f"{what}, {which}" for what in ("reached", "rings", "pairs") for which in ("worst", "median"))
    columns = ("ranked by", "AP, worst", "AP, median", "AP lone, median", *each)
    return {
        "ceiling": Sheet(f"What could be reached, {len(seen)} markets", columns, rows),
        "ceiling_kinds": _kinds(seen),
        "ceiling_missed": _missed(seen),
    }


def reached(truth: Truth, chosen: Bools) -> tuple[float, float, float]:
    """Of the true abusers, rings and pairs the share that is reached: an account that is `chosen` (n,), a ring of which
    half of the accounts are, a pair of which both."""
    rings = true_rings(truth)
    size = np.array([len(ring) for ring in rings])
    hit = np.array([sum(bool(chosen[at]) for at in ring) for ring in rings])
    pairs = (hit * (hit - 1)).sum() / (size * (size - 1)).sum()
    return float(chosen[truth.abuser].mean()), float((2 * hit >= size).mean()), float(pairs)


def _worst_and_median(shares: Sequence[tuple[float, ...]]) -> list[str]:
    return [number(of(column)) for column in zip(*shares, strict=True) for of in (min, median)]


def above(abuser: Bools, score: Floats) -> Bools:
    """(n,) the accounts that score highest, down to where `HONEST` per 10,000 of the honest are among them."""
    order = np.argsort(-score, kind="stable")
    wrong = np.cumsum(~abuser[order])
    chosen = np.zeros(len(abuser), np.bool_)
    chosen[order[wrong <= HONEST * np.count_nonzero(~abuser) / 10_000]] = True
    return chosen


def _kinds(seen: Sequence[Judged]) -> Sheet:
    kinds = _of_abusers(seen, lambda one: one.known.truth.kind)
    flags = [_of_abusers(seen, lambda one: one.known.limited)]
    flags += _above(seen)
    rows = [
        [kind, f"{np.count_nonzero(kinds == kind):,}", *(number(float(flag[kinds == kind].mean())) for flag in flags)]
        for kind in sorted(set(kinds.tolist()))
    ]
    return Sheet("What could be reached, by kind", ("kind", "accounts", "limited", *seen[0].above), rows)


def _missed(seen: Sequence[Judged]) -> Sheet:
    """Abusers by what the data hold of them: how many are limited, and of those who are not whom each ranking
    reaches."""
    held = _of_abusers(seen, lambda one: one.known.held)
    limited = _of_abusers(seen, lambda one: one.known.limited)
    hit = _above(seen)
    rows = []
    for at, what in enumerate(HELD):
        mine = held == at
        missed = mine & ~limited
        counts = (mine, mine & limited, missed, *(missed & flag for flag in hit))
        rows.append([what, *(f"{np.count_nonzero(flag):,}" for flag in counts)])
    reaches = (f"reached: {name}" for name in seen[0].above)
    columns = ("what the data hold of an abuser", "abusers", "limited", "missed", *reaches)
    return Sheet("Whom the default policy misses", columns, rows)


def _above(seen: Sequence[Judged]) -> list[Any]:
    """(a,) for each ranking, whom of the abusers of all markets it reaches."""
    by_name = [[one.above[name][one.known.truth.abuser] for one in seen] for name in seen[0].above]
    return [np.concatenate(flags) for flags in by_name]


def _of_abusers(seen: Sequence[Judged], column: Callable[[Judged], Any]) -> Any:
    """(a,) what a `column` says of the abusers of all markets."""
    return np.concatenate([column(one)[one.known.truth.abuser] for one in seen])


def _learner() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=250, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=5.0, random_state=1
    )


def _lone(truth: Truth, score: Floats) -> float:
    among = (truth.kind == "lone") | ~truth.abuser
    return average_precision(truth.abuser[among], score[among])


def _log_odds(risk: Floats) -> Floats:
    sure: Floats = np.clip(risk, 1e-12, 1.0 - 1e-12)
    return np.log(sure) - np.log1p(-sure)
