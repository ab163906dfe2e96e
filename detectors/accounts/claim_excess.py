"""Claim excess: more claims than the same baskets bring, judged against how much honest people differ.

An honest account with expected claims E files Poisson(E·λ) of them; λ, how fussy its person is, follows a law that is
estimated from the market itself without a shape (nonparametric maximum likelihood on a grid), probable abusers of the
former round left out. The market's own heavy tail is thereby in the honest law: excess alone can never say more than
the share of such people allows. An abusive account files claims on a share φ of its orders besides, at least one; φ
has a
wide prior that probable abusers update. Sources: Laird (1978), doi:10.1080/01621459.1978.10480103; Robbins (1956).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import BUYERS, REFUNDS, Context, Detector, Evidence, Family, evidence, nothing
from detectors.frozen import Measures
from detectors.numerics import group, log_mean_exp, log_poisson, mixture_weights, tally
from graph.snapshot import Floats

LAMBDAS: Final = np.geomspace(0.03, 40.0, 24)
"""Grid of honest propensities, in multiples of the expectation."""
PHIS: Final = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7])
"""Grid of the share of orders that an abusive account claims besides."""

UNCLAIMED: Final = 0.05
"""Share of abusive accounts that are thought not to have claimed yet."""


def run(ctx: Context) -> Evidence:
    """One row each claim of an account that has any, one row on the account where it has none."""
    nats, _ = ctx.once(weigh_counts)
    claims, n = ctx.claims, ctx.n
    if not ctx.measures.knows("claim_excess.people", len(claims.row) > 0):
        return nothing(DETECTOR.name)
    active = np.flatnonzero(np.bincount(ctx.snapshot.orders.buyer, minlength=n) > 0)
    per_claim = np.bincount(claims.buyer, minlength=n)
    without = active[per_claim[active] == 0].astype(np.int32)
    return evidence(
        DETECTOR.name,
        buyer=np.concatenate([claims.buyer, without]),
        nats=np.concatenate([(nats / np.maximum(per_claim, 1))[claims.buyer], nats[without]]),
        table=np.concatenate([np.full(len(claims.row), REFUNDS), np.full(len(without), BUYERS)]).astype(np.int8),
        row=np.concatenate([claims.row, without]),
    )


def weigh_counts(ctx: Context) -> tuple[Floats, Floats]:
    """(n,) log-likelihood ratio of each account's count of claims; (n,) the part of it that being met in a claim takes
    away.

    Accounts that meet in a claim (a picture, a parcel, an hour) have all claimed, and honest ones are met there in
    proportion to their claims: the law of their counts is size-biased. Among them only what goes beyond that tells the
    abusive from the honest. Source: Patil & Rao (1978), doi:10.2307/2530008."""
    orders, n = ctx.snapshot.orders, ctx.n
    nats, given = np.zeros(n), np.zeros(n)
    if not ctx.measures.knows("claim_excess.people", len(orders.ids) > 0 and len(ctx.claims.row) > 0):
        return nats, given
    made = np.bincount(orders.buyer, minlength=n)
    claimed = tally(orders.buyer, ctx.claims.claimed, n)
    active = np.flatnonzero(made > 0)
    nats[active], given[active] = ratios(
        claimed[active],
        ctx.due[active],
        made[active].astype(float),
        ctx.honest[active],
        ctx.suspicion[active],
        ctx.measures,
    )
    return nats, given


def ratios(
    claimed: Floats, expected: Floats, made: Floats, honesty: Floats, suspicion: Floats, measures: Measures
) -> tuple[Floats, Floats]:
    """(n,) log-likelihood ratio of each account's `claimed` of `made` orders, given `expected` claims; and (n,) what
    being met in a claim takes away from it. The laws of honest and of abusive people are `measures` of the market."""
    # accounts alike in all three count once: expectations are told apart to 5 %, orders to 10 %
    fine = np.rint(np.log(np.maximum(expected, 1e-6)) / 0.05)
    coarse = np.rint(np.log(made) / 0.1)
    alike = group(claimed.astype(np.int64), (fine - fine.min(initial=0)).astype(np.int64), coarse.astype(np.int64))
    y = claimed[alike.first]
    mean = np.exp(fine[alike.first] * 0.05)
    orders = np.exp(coarse[alike.first] * 0.1)
    honest = log_poisson(y[:, None], mean[:, None] * LAMBDAS)
    start = np.exp(-0.5 * np.log(LAMBDAS) ** 2)
    people = measures.of(
        "claim_excess.people",
        lambda: mixture_weights(honest, alike.total(honesty), 5.0 * start / start.sum(), steps=40),
    )
    # the abusive law: honest people's propensity, with claims on a share of the orders on top
    abusive = np.empty((len(y), len(PHIS)))
    for column, phi in enumerate(PHIS):
        abusive[:, column] = log_mean_exp(
            log_poisson(y[:, None], mean[:, None] * LAMBDAS + phi * orders[:, None]), people
        )
    shares = measures.of(
        "claim_excess.shares",
        lambda: mixture_weights(abusive, alike.total(suspicion), np.full(len(PHIS), 4.0), steps=15),
    )
    never_abusive = log_mean_exp(
        np.stack([log_mean_exp(-mean[:, None] * LAMBDAS - phi * orders[:, None], people) for phi in PHIS], axis=1),
        shares,
    )
    never = log_mean_exp(-mean[:, None] * LAMBDAS, people)
    # an abusive account has claimed, by what the word means; a remainder is left for claims that are yet to come
    some_abusive = np.log(-np.expm1(np.minimum(never_abusive, -1e-9)))
    law = log_mean_exp(abusive, shares) - some_abusive + np.log1p(-UNCLAIMED)
    law = np.where(y > 0, law, np.log(UNCLAIMED))
    nats = law - log_mean_exp(honest, people)
    # honest people meet in claims in proportion to how many they make
    usual = mean * float(LAMBDAS @ people)
    met = np.log1p(-UNCLAIMED) + np.log(np.maximum(y, 1.0)) - np.log(np.maximum(usual, -np.expm1(never)))
    return nats[alike.of], met[alike.of]


DETECTOR = Detector(
    name="claim_excess",
    title="more claims than the baskets predict",
    source="Nonparametric empirical Bayes: Laird 1978, doi:10.1080/01621459.1978.10480103; Robbins 1956",
    doc=(
        "Compares the number of claimed orders with what honest people claim who bought the same categories, stores "
        "and "
        "items in the same season, given how much honest people differ. Claims within a surge count as expected."
    ),
    family=Family.ACCOUNT,
    run=run,
)
