"""Activity: how many orders an account placed, against how many those place that abuse refunds.

The other detectors of conduct ask what an account did given its orders, and say nothing of how many it placed. Yet who
abuses refunds in earnest has orders to claim on, while most accounts of a market ordered once or twice: a first order
that goes wrong is a bad start and no habit. What each class of counts says is learned from the market at hand, around a
zero default. It may clear an account and never accuses one: to order a lot is no sign of abuse, and the suspects of a
market are found among those who order a lot before others are.
Source: bins as in `detectors.numerics.learned_bins`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.contract import BUYERS, Context, Detector, Evidence, Family, evidence, nothing
from detectors.numerics import learned_bins
from graph.snapshot import Floats

ORDERS: Final = np.array([2, 3, 4, 6, 9, 13, 19, 28, 41, 61])
"""Edges of the classes of orders placed."""
STRENGTH: Final = 30.0


def run(ctx: Context) -> Evidence:
    """One row each account for which the number of its orders speaks, on the account itself."""
    if not ctx.measures.knows("activity.orders", len(ctx.snapshot.orders.ids) > 0):
        return nothing(DETECTOR.name)
    nats = weigh_activity(ctx)
    who = np.flatnonzero(nats).astype(np.int32)
    return evidence(DETECTOR.name, buyer=who, nats=nats[who], table=BUYERS, row=who)


def weigh_activity(ctx: Context) -> Floats:
    """(n,) log-likelihood ratio of the number of orders that each account placed, where it speaks for the account; else
    0."""
    made = np.bincount(ctx.snapshot.orders.buyer, minlength=ctx.n)
    active = np.flatnonzero(made)
    bins = np.searchsorted(ORDERS, made, side="right").astype(np.int32)

    def law() -> Floats:
        return learned_bins(
            bins[active], np.zeros(len(ORDERS) + 1), ctx.suspicion[active], strength=STRENGTH, rising=False
        )

    nats = np.zeros(ctx.n)
    if ctx.measures.knows("activity.orders", len(active) > 0):
        nats[active] = np.minimum(ctx.measures.of("activity.orders", law)[bins[active]], 0.0)
    return nats


def own_nats(accounts: Sequence[Evidence], n: int) -> Floats:
    """(n,) nats of what each of `n` accounts did by itself: all evidence on `accounts` but on how many orders they
    placed, which is no doing (see `fusion.Conduct`)."""
    did = (item.account_nats(n) for item in accounts if item.detector != DETECTOR.name)
    return np.asarray(sum(did, np.zeros(n)))


def placed_nats(accounts: Sequence[Evidence], n: int) -> Floats:
    """(n,) nats of how many orders each of `n` accounts placed: what `own_nats` leaves out."""
    said = (item.account_nats(n) for item in accounts if item.detector == DETECTOR.name)
    return np.asarray(sum(said, np.zeros(n)))


DETECTOR = Detector(
    name="activity",
    title="orders placed",
    source="Likelihood ratio of a count's class, learned from the market",
    doc=(
        "Compares how many orders an account placed with how many the market's probable abusers did. It may clear an "
        "account, never accuses one, and says nothing until they show that they differ in it."
    ),
    family=Family.ACCOUNT,
    run=run,
)
