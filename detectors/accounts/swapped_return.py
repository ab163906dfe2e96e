"""Swapped returns: what came back weighs differently from what went out, beyond how honest returns scatter.

The law of honest log weight ratios (returned over shipped) is read from the market as a smoothed histogram, probable
abusers weighing little and the account's own returns left out; honest partial returns and packaging are therefore in
it. A swapped return's ratio may be anything between an empty envelope and one and a half times the weight. An abusive
account swaps an unknown share of its returns, which has a wide prior. Source: two-component mixture with a
nonparametric null, Efron (2004), doi:10.1198/016214504000000089.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import REFUNDS, Context, Detector, Evidence, Family, evidence, nothing
from detectors.numerics import group, log_mean_exp, mixture_weights, tally
from graph.snapshot import Floats

EDGES: Final = np.concatenate([[-np.inf], np.linspace(-3.0, 0.45, 24), [np.inf]])
"""Bins of the log ratio; what lies outside falls into the outer two."""
SHARES: Final = np.array([0.0, 0.15, 0.4, 0.8])
"""Grid of the share of returns that an abusive account swaps."""
WIDE: Final = 40.0
"""Pseudo-returns spread evenly over the bins, so that a small market is not sure of what it has not seen."""


def run(ctx: Context) -> Evidence:
    """One row each weighed return."""
    refunds, n = ctx.snapshot.refunds, ctx.n
    shipped, returned = refunds.shipped_g[ctx.claims.row], refunds.returned_g[ctx.claims.row]
    weighed = np.flatnonzero((shipped > 0) & (returned >= 0) & ~ctx.claims.only)
    if not ctx.measures.knows("swapped_return.seen", len(weighed) > 0):
        return nothing(DETECTOR.name)
    buyer = ctx.claims.buyer[weighed]
    ratio = np.log(np.maximum(returned[weighed], 0.5) / shipped[weighed])
    bins = np.searchsorted(EDGES, ratio, side="right") - 1
    count = len(EDGES) - 1
    wide = np.full(count, 1.0 / count)
    trust = ctx.honest[buyer]
    seen = ctx.measures.of("swapped_return.seen", lambda: tally(bins, trust, count) + WIDE * wide)
    # the account's own returns are left out of what its returns are held against
    own = group(buyer, bins)
    alone = tally(own.of, trust, own.n)[own.of]
    honest = (seen[bins] - alone) / (seen.sum() - tally(buyer, trust, n)[buyer])
    swapped = np.log(wide[bins] / honest)
    columns = np.stack([np.log1p(share * np.expm1(swapped)) for share in SHARES], axis=1)
    per_account = np.stack([tally(buyer, column, n) for column in columns.T], axis=1)
    has = np.bincount(buyer, minlength=n) > 0
    prior = np.array([4.0, 2.0, 2.0, 1.0])
    shares = ctx.measures.of(
        "swapped_return.shares", lambda: mixture_weights(per_account[has], ctx.suspicion[has], prior, steps=15)
    )
    nats = np.zeros(n)
    nats[has] = log_mean_exp(per_account[has], shares)
    return evidence(
        DETECTOR.name,
        buyer=buyer,
        nats=nats[buyer] * _portions(buyer, swapped, n),
        table=REFUNDS,
        row=ctx.claims.row[weighed],
    )


def _portions(buyer: np.ndarray[tuple[int], np.dtype[np.int32]], weight: Floats, n: int) -> Floats:
    """(m,) part of the account's nats that each return carries: by its own surprise, adding up to one."""
    mass = np.exp(np.clip(weight, -20, 20))
    portion: Floats = mass / tally(buyer, mass, n)[buyer]
    return portion


DETECTOR = Detector(
    name="swapped_return",
    title="returns that weigh differently from what was shipped",
    source="Two-component mixture with the null read from the market: Efron 2004, doi:10.1198/016214504000000089",
    doc=(
        "Weighs each return's weight against what was shipped, by how honest returns scatter in this market. Partial "
        "returns are common and say little; what honest people hardly ever send back says much. Silent without weights."
    ),
    family=Family.ACCOUNT,
    run=run,
)
