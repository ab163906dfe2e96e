"""Age and bursts: claims crowded into a short time beyond what the orders' own timing predicts, and young accounts.

For each claim the window of the following 30 days is looked at: claims in it against the claims that the account's
orders in it predict, scaled to the account's own total, so that this is independent of claim excess. The account's
most surprising window (a scan statistic) gives a score, put into bins; what each bin says is learned from the market
around a zero default and may only rise. Age is learned the same way from bins of the days between an account's first
sight and its first claim; it starts from zero too: newcomers are not guilty.
Source: Kulldorff (1997), doi:10.1080/03610929708831995 (scan statistic); bins as in
`detectors.numerics.learned_by_class`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import pdtrc

from detectors.contract import REFUNDS, Claims, Context, Detector, Evidence, Family, evidence, nothing
from detectors.numerics import ascending, by_columns, learned_by_class
from graph.snapshot import NEVER, Floats, Ints, Longs, Snapshot

DAY: Final = 86_400_000_000
WINDOW: Final = 30 * DAY
SCORES: Final = np.array([0.5, 1.5, 3.0, 5.0, 8.0])
"""Edges of the burst score's bins, in nats of surprise."""
AGES: Final = np.array([7, 30, 90, 240])
"""Edges of the age bins, in days from first sight to first claim."""
COUNTS: Final = np.array([2, 3, 5, 8])
"""Edges of the classes of claims made, within each of which scores and ages are compared."""
STRENGTH: Final = 30.0
PARTS: Final = float(2**32)
"""Parts of an expected claim in which sums over time are counted."""


def run(ctx: Context) -> Evidence:
    """One row each account with claims, at the claim that begins its most crowded window."""
    claims, n = ctx.claims, ctx.n
    if not ctx.measures.knows("bursts.scores", len(claims.row) > 0):
        return nothing(DETECTOR.name)
    if not len(claims.row):
        return nothing(DETECTOR.name)
    windows = ctx.always(_Windows.of)
    rank = windows.rank
    buyer = claims.buyer[rank]
    score = _surprise(ctx, windows)
    new = np.append(True, buyer[1:] != buyer[:-1])
    first = np.flatnonzero(new)
    # the most surprising window of each account, the first where two tie
    best = np.maximum.reduceat(score, first)
    equal = np.flatnonzero(score == best[np.cumsum(new) - 1])
    top = equal[np.append(True, buyer[equal][1:] != buyer[equal][:-1])]
    who = buyer[top]
    crowd = np.searchsorted(SCORES, score[top], side="right").astype(np.int32)
    seen = ctx.claims.first_seen[who]
    days = np.where(seen == NEVER, AGES[-1] * DAY, claims.at[rank[first]] - seen) // DAY
    age = np.searchsorted(AGES, days, side="right").astype(np.int32)
    suspicion = ctx.suspicion[who]
    # many claims crowd more easily than few: each class of counts has a law of its own
    classes = np.searchsorted(COUNTS, np.bincount(claims.buyer, minlength=n)[who], side="right")

    def laws(bins: Ints, edges: int, rising: bool) -> Floats:
        return learned_by_class(classes, len(COUNTS) + 1, bins, edges + 1, suspicion, strength=STRENGTH, rising=rising)

    scores = ctx.measures.of("bursts.scores", lambda: laws(crowd, len(SCORES), True))
    ages = ctx.measures.of("bursts.ages", lambda: laws(age, len(AGES), False))
    nats = scores[classes, crowd] + ages[classes, age]
    return evidence(DETECTOR.name, buyer=who, nats=nats, table=REFUNDS, row=claims.row[rank[top]])


@dataclass(frozen=True)
class _Windows:
    """The claims in order of buyer and time, `rank` (c,), and the window that each of them begins. `inside` (c,) claims
    in it; `total` (c,) claims of its account. The orders in order of buyer and time, `by_time` (orders,), and which of
    them may bring claims into the window: from `begin` (c,) up to `end` (c,)."""

    rank: Longs
    inside: Longs
    total: Longs
    by_time: Longs
    begin: Longs
    end: Longs

    @staticmethod
    def of(snapshot: Snapshot, claims: Claims) -> _Windows:
        """The windows of a snapshot's claims, of which there must be some."""
        orders = snapshot.orders
        rank = by_columns(claims.buyer, claims.at - claims.at.min())  # rows are in order already
        # time is laid out buyer after buyer, so that one search serves all accounts
        hour = 3_600_000_000
        base = min(int(orders.at.min()), int(claims.at.min())) // hour * hour
        span = max(int(orders.at.max()), int(claims.at.max())) - base + 2 * WINDOW
        width = span // hour + 2

        def line(buyer: Ints, at: Longs) -> Longs:
            return buyer.astype(np.int64) * width + (at - base) // hour

        by_time, placed = ascending(line(orders.buyer, orders.at))
        made = line(claims.buyer[rank], claims.at[rank])
        reach = WINDOW // hour
        return _Windows(
            rank=rank,
            inside=np.searchsorted(made, made + reach, side="right") - np.arange(len(made)),
            total=np.bincount(claims.buyer)[claims.buyer[rank]],
            by_time=by_time,
            # claims follow their orders by days: those of the window and of the fortnight before it may bring them
            begin=np.searchsorted(placed, made - reach // 2),
            end=np.searchsorted(placed, made + reach, side="right"),
        )


def _surprise(ctx: Context, windows: _Windows) -> Floats:
    """(claims,) nats of surprise of the window that each claim in `windows.rank` begins, given its account's total."""
    buyer = ctx.claims.buyer[windows.rank]
    # in whole parts of a claim, so that a sum between two points is exact whatever was summed before it
    parts = np.rint(ctx.expectation.any[windows.by_time] * PARTS).astype(np.int64)
    mass = np.append(0, np.cumsum(parts))
    due = (mass[windows.end] - mass[windows.begin]) / PARTS
    mean = windows.total * np.clip(due / np.maximum(ctx.due[buyer], 1e-9), 0.02, 1.0)
    tail = pdtrc(np.maximum(windows.inside - 1, 0), mean)
    surprise: Floats = np.where(windows.inside > 1, -np.log(np.maximum(tail, 1e-12)), 0.0)
    return surprise


DETECTOR = Detector(
    name="bursts",
    title="claims crowded into a short time",
    source="Scan statistic: Kulldorff 1997, doi:10.1080/03610929708831995; weight learned from the market",
    doc=(
        "Looks for the 30 days in which an account's claims crowd beyond its own orders' timing, and at its age "
        "when it "
        "first claimed. Both say nothing until the market's probable abusers show that they differ in it."
    ),
    family=Family.ACCOUNT,
    run=run,
)
