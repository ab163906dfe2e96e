"""Refund-only excess: of the claims made, more are "money back, keep the goods" than the same orders predict.

Given how many claims an account made, the number that are refund-only is beta-binomial among honest people: its mean
is the share that each claimed order predicts (category, season, store), its spread is estimated from the market by
moments. The abusive law shifts the mean's log odds upward by unknown amounts. Conditioning on the number of claims
makes this independent of claim excess. Source: Williams (1975), doi:10.2307/2529820 (beta-binomial overdispersion).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betaln, gammaln

from detectors.contract import REFUNDS, Context, Detector, Evidence, Family, evidence, nothing
from detectors.frozen import Measures
from detectors.numerics import log_mean_exp, mixture_weights, tally
from graph.snapshot import Floats

SHIFTS: Final = np.array([0.0, 1.0, 2.0, 3.5])
"""Grid of log odds by which an abusive account prefers refund-only."""


def run(ctx: Context) -> Evidence:
    """One row each refund-only claim, where they speak for abuse; one each claim otherwise."""
    claims, n = ctx.claims, ctx.n
    if not ctx.measures.knows("refund_only_excess.shares", len(claims.row) > 0):
        return nothing(DETECTOR.name)
    share = ctx.expectation.only / (ctx.expectation.only + ctx.expectation.back)
    total = np.bincount(claims.buyer, minlength=n)
    only = tally(claims.buyer, claims.only, n)
    mean = tally(claims.buyer, share[claims.order], n) / np.maximum(total, 1)
    who = np.flatnonzero(total > 0)
    nats = np.zeros(n)
    nats[who] = _ratios(
        only[who],
        total[who].astype(float),
        np.clip(mean[who], 0.01, 0.99),
        ctx.honest[who],
        ctx.suspicion[who],
        ctx.measures,
    )
    pointed = claims.only | (nats[claims.buyer] <= 0)
    shown = np.flatnonzero(pointed)
    rows = np.bincount(claims.buyer[shown], minlength=n)
    buyer = claims.buyer[shown]
    return evidence(DETECTOR.name, buyer=buyer, nats=nats[buyer] / rows[buyer], table=REFUNDS, row=claims.row[shown])


def _ratios(only: Floats, total: Floats, mean: Floats, honest: Floats, suspicion: Floats, measures: Measures) -> Floats:
    rho = measures.number("refund_only_excess.spread", lambda: _spread(only, total, mean, honest))
    strength = 1.0 / rho - 1.0
    odds = np.log(mean) - np.log1p(-mean)
    columns = np.stack([_beta_binomial(only, total, 1 / (1 + np.exp(-(odds + s))), strength) for s in SHIFTS], axis=1)
    shares = measures.of(
        "refund_only_excess.shares",
        lambda: mixture_weights(columns, suspicion, np.array([6.0, 3.0, 2.0, 1.0]), steps=15),
    )
    nats: Floats = log_mean_exp(columns, shares) - columns[:, 0]
    return nats


def _spread(only: Floats, total: Floats, mean: Floats, honest: Floats) -> float:
    """How much honest people of several claims differ: the beta-binomial's rho by moments."""
    several = total > 1
    # moments of the beta-binomial: Var = total·p·q·(1 + (total - 1)·rho)
    spread = mean * (1 - mean)
    got = np.sum((honest * ((only - total * mean) ** 2 - total * spread))[several])
    due = np.sum((honest * total * (total - 1) * spread)[several])
    return float(np.clip(got / due if due > 0 else 0.1, 0.01, 0.6))


def _beta_binomial(k: Floats, n: Floats, mean: Floats, strength: float) -> Floats:
    a, b = mean * strength, (1 - mean) * strength
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    log: Floats = choose + betaln(k + a, n - k + b) - betaln(a, b)
    return log


DETECTOR = Detector(
    name="refund_only_excess",
    title="more refund-only claims than the orders predict",
    source="Beta-binomial likelihood ratio given the number of claims: Williams 1975, doi:10.2307/2529820",
    doc=(
        "Of the claims an account made, compares the share of refund-only ones with what their categories, stores and "
        "season predict. Fresh food, where nobody sends anything back, predicts many."
    ),
    family=Family.ACCOUNT,
    run=run,
)
