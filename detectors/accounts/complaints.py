"""Complaints: what stores reported of an account's claims and what became of it, by how much the store can be relied
on.

Each claim has one of four fates: no complaint, pending, dismissed, upheld. Honest shares of the fates are those of the
store, shrunk to the market's; a store that complains of everybody has large shares, and its complaints say little. The
abusive shares multiply them by factors per fate, which start from weak defaults and are learned from probable abusers.
Source: Fellegi & Sunter (1969), doi:10.1080/01621459.1969.10501049, with shrinkage by store.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import COMPLAINTS, REFUNDS, Context, Detector, Evidence, Family, evidence, nothing
from detectors.numerics import tally
from graph.snapshot import OUTCOMES, Floats, Ints

FATES: Final = ("none", "pending", "dismissed", "upheld")
FACTORS: Final = np.array([1.0, 2.0, 1.0, 5.0])
"""Default factors: how much oftener an abusive claim meets each fate than an honest one."""
STRENGTH: Final = 20.0
"""Claims' worth of belief that the factors have, and that the market's shares have against a store's own."""


def run(ctx: Context) -> Evidence:
    """One row each complaint; one row each account with claims that nobody complained of."""
    complaints, claims, n = ctx.snapshot.complaints, ctx.claims, ctx.n
    if not ctx.measures.knows("complaints.factor", len(complaints.ids) > 0 and len(claims.row) > 0):
        return nothing(DETECTOR.name)
    place = np.full(len(ctx.snapshot.refunds.ids), -1, np.int64)
    place[claims.row] = np.arange(len(claims.row))
    fate, source = _fates(ctx, place)
    nats = _ratios(ctx, fate)
    total = tally(claims.buyer, nats, n)
    complained = np.flatnonzero(fate > 0)
    quiet = tally(claims.buyer[fate == 0], nats[fate == 0], n)
    who = np.flatnonzero(np.bincount(claims.buyer[fate == 0], minlength=n) > 0).astype(np.int32)
    first = np.full(n, -1, np.int64)
    first[claims.buyer[fate == 0][::-1]] = claims.row[fate == 0][::-1]
    assert np.isclose(total.sum(), nats.sum())
    return evidence(
        DETECTOR.name,
        buyer=np.concatenate([claims.buyer[complained], who]),
        nats=np.concatenate([nats[complained], quiet[who]]),
        table=np.concatenate([np.full(len(complained), COMPLAINTS), np.full(len(who), REFUNDS)]).astype(np.int8),
        row=np.concatenate([source[complained], first[who]]),
        count=np.concatenate([np.ones(len(complained)), np.bincount(claims.buyer[fate == 0], minlength=n)[who]]).astype(
            np.int64
        ),
    )


def _fates(ctx: Context, place: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Ints, Ints]:
    """Fate of each claim and the complaint behind it; the gravest where a claim met several."""
    complaints = ctx.snapshot.complaints
    grade = np.full(len(OUTCOMES), 1, np.int32)
    grade[OUTCOMES.index("dismissed")] = 2
    grade[OUTCOMES.index("upheld")] = 3
    fate = np.zeros(len(ctx.claims.row), np.int32)
    source = np.full(len(ctx.claims.row), -1, np.int32)
    # written in ascending order of gravity, so that the gravest stays
    rank = np.argsort(grade[complaints.outcome], kind="stable")
    rank = rank[place[complaints.refund[rank]] >= 0]
    at = place[complaints.refund[rank]]
    fate[at] = grade[complaints.outcome[rank]]
    source[at] = rank
    return fate, source


def _ratios(ctx: Context, fate: Ints) -> Floats:
    claims = ctx.claims
    honest, suspicion = ctx.honest[claims.buyer], ctx.suspicion[claims.buyer]
    d, stores = len(FATES), len(ctx.snapshot.stores.ids)

    def measured_market() -> Floats:
        market = tally(fate, honest, d) + 0.5
        return np.asarray(market / market.sum())

    def measured_shares() -> Floats:
        table = tally(claims.store * d + fate, honest, stores * d).reshape(stores, d)
        return np.asarray((table + STRENGTH * market) / (table.sum(axis=1, keepdims=True) + STRENGTH))

    def measured_factor() -> Floats:
        # learned in the market as a whole, around the defaults
        start = market * FACTORS
        learned = tally(fate, suspicion, d) + STRENGTH * start / start.sum()
        return np.asarray(learned / learned.sum() / market)

    market = ctx.measures.of("complaints.market", measured_market)
    shares = ctx.measures.of("complaints.shares", measured_shares)
    factor = ctx.measures.of("complaints.factor", measured_factor)
    abusive = shares * factor
    abusive /= abusive.sum(axis=1, keepdims=True)
    nats: Floats = np.log(abusive / shares)[claims.store, fate]
    return nats


DETECTOR = Detector(
    name="complaints",
    title="stores' complaints of its claims",
    source="Fellegi & Sunter 1969, doi:10.1080/01621459.1969.10501049, shrunk by store",
    doc=(
        "Complaints upheld speak for abuse, pending ones a little, dismissed ones hardly or against; each by how often "
        "the store complains at all, so that a store which complains of everybody accuses nobody."
    ),
    family=Family.ACCOUNT,
    run=run,
)
