"""Repeated stores: claims that keep to few stores beyond what the account's own orders explain.

Whoever found a store that pays goes back to it. An account's claims are compared with as many drawn from its own orders
in proportion to what these were expected to bring: how many of them would come back to a store that had been claimed
at already, and how many did. A loyal customer's claims are at one store because the orders are. What the difference
says is learned from the market, within classes of claims made, around a zero default, and may only rise.
Source: expected number of empty boxes, Feller (1968), An Introduction to Probability Theory I, section IV.2; bins as in
`detectors.numerics.learned_by_class`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.accounts.bursts import COUNTS, STRENGTH
from detectors.contract import REFUNDS, Claims, Context, Detector, Evidence, Family, evidence, nothing
from detectors.numerics import Groups, group, learned_by_class, tally
from graph.snapshot import Floats, Longs, Snapshot

BEYOND: Final = np.array([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
"""Edges of the bins of claims at a store claimed at before, less as many as expected."""


def run(ctx: Context) -> Evidence:
    """One row each account with several claims, at one at the store where it claims most."""
    claims, n = ctx.claims, ctx.n
    if not ctx.measures.knows("repeated_stores.beyond", len(claims.row) > 0):
        return nothing(DETECTOR.name)
    count = np.bincount(claims.buyer, minlength=n)
    who = np.flatnonzero(count > 1).astype(np.int32)
    bins = np.searchsorted(BEYOND, ctx.once(repeats_beyond)[who], side="right").astype(np.int32)
    # many claims come back more easily than few: each class of counts has a law of its own
    classes = np.searchsorted(COUNTS, count[who], side="right")

    def laws() -> Floats:
        return learned_by_class(
            classes, len(COUNTS) + 1, bins, len(BEYOND) + 1, ctx.suspicion[who], strength=STRENGTH, rising=True
        )

    learned = ctx.measures.of("repeated_stores.beyond", laws)
    row = claims.row[ctx.always(_where)[who]]
    return evidence(DETECTOR.name, buyer=who, nats=learned[classes, bins], table=REFUNDS, row=row)


def repeats_beyond(ctx: Context) -> Floats:
    """(n,) claims at a store claimed at before, beyond as many as the account's own orders would bring."""
    orders, claims, n = ctx.snapshot.orders, ctx.claims, ctx.n
    count = np.bincount(claims.buyer, minlength=n)
    theirs = ctx.always(_shops)
    buyer = orders.buyer[theirs.first]
    share = theirs.total(ctx.expectation.any) / np.maximum(ctx.due[buyer], 1e-9)
    stores = tally(buyer, 1.0 - (1.0 - np.minimum(share, 1.0)) ** count[buyer], n)
    used = group(claims.buyer, claims.store)
    beyond: Floats = stores - np.bincount(claims.buyer[used.first], minlength=n)
    return beyond


def _shops(snapshot: Snapshot, _claims: Claims) -> Groups:
    """The orders by buyer and store."""
    return group(snapshot.orders.buyer, snapshot.orders.store)


def _where(snapshot: Snapshot, claims: Claims) -> Longs:
    """(n,) row in `claims` of a claim at the store where each account claims most; 0 where it never did."""
    used = group(claims.buyer, claims.store)
    # the store of most claims last, of these the one whose claims come first
    rank = np.lexsort((-used.first, used.count, claims.buyer[used.first]))
    rows = np.zeros(len(snapshot.buyers.ids), np.int64)
    rows[claims.buyer[used.first[rank]]] = used.first[rank]
    return rows


DETECTOR = Detector(
    name="repeated_stores",
    title="claims that keep to few stores",
    source="Expected empty boxes: Feller 1968, IV.2; weight learned from the market",
    doc=(
        "Counts how often an account claims at a store where it had claimed before, beyond what as many claims drawn "
        "from its own orders would bring. It says nothing until the market's probable abusers show that they differ in "
        "it."
    ),
    family=Family.ACCOUNT,
    run=run,
)
