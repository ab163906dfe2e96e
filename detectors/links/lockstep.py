"""Lockstep: accounts that claim at the same stores within the same hours, several times.

For each store the claims are laid out in time and each is compared with the next ones within the window, at most
`lockstep_crowd` of them, so a festival hour never costs all its pairs. A meeting of two accounts is worth the log of
how much likelier the gap is between accomplices than between strangers at that store's own rate of claims around that
day: an hour shared at a small store says much, one at a big store on a festival day nothing. Meetings on one day at
one store count once. Pairs that met `lockstep_times` or oftener, and more than all pairs of the market would by
chance, are joined into groups; the groups are the keys.
Sources: CopyCatch, Beutel et al. (2013), doi:10.1145/2488388.2488400; SynchroTrap, Cao et al. (2014),
doi:10.1145/2660267.2660269.
"""

from __future__ import annotations

import numpy as np

from detectors.contract import REFUNDS, Context, Detector, Evidence, Family, Keys, evidence, nothing
from detectors.links.sharing import one_home
from detectors.numerics import by_columns, components, group, tally
from graph.snapshot import Floats, Ints, Longs

MINUTE = 60_000_000
DAY = 1440 * MINUTE
LEAST = 3.0
"""Nats that a pair's meetings must add up to: at busy stores many meet often by chance."""
AROUND = 7 * DAY
"""Half the stretch from which a store's own rate of claims is read."""


def run(ctx: Context) -> Evidence:
    """One row each account of each group in lockstep, at its first claim made together."""
    claims = ctx.claims
    if len(claims.row) < 2:
        return nothing(DETECTOR.name)
    placed = ctx.snapshot.orders.at[claims.order]
    met = [meetings(ctx, at) for at in (claims.at, placed)]
    left, right, nats = (np.concatenate(column) for column in zip(*met, strict=True))
    if not len(left):
        return nothing(DETECTOR.name)
    a, b = claims.buyer[left], claims.buyer[right]
    low, high = np.minimum(a, b), np.maximum(a, b)
    day = placed[left] // DAY
    # meetings of one pair at one store over orders of one day are one, whether ordered or claimed together
    once = group(low, high, claims.store[left], day - day.min())
    best = np.full(once.n, -np.inf)
    np.maximum.at(best, once.of, nats)
    low, high = low[once.first], high[once.first]
    pairs = group(low, high)
    total = tally(pairs.of, best, pairs.n)
    strong = np.flatnonzero((pairs.count >= ctx.settings.lockstep_times) & (total >= LEAST))
    if not len(strong):
        return nothing(DETECTOR.name)
    one, two = low[pairs.first[strong]], high[pairs.first[strong]]
    return _groups(ctx, one, two, total[strong], _first_claims(ctx, left, right, pairs, once, strong))


def meetings(ctx: Context, when: Longs) -> tuple[Longs, Longs, Floats]:
    """Pairs of claims of different accounts at one store within the window by the instants `when` (claims,), and the
    nats of each meeting."""
    claims, settings = ctx.claims, ctx.settings
    rank = by_columns(claims.store, when - when.min())  # rows are in order already
    store, at, buyer = claims.store[rank], when[rank], claims.buyer[rank]
    base = int(at.min()) // MINUTE * MINUTE
    width = int(at.max()) - base + 2 * AROUND + 1
    line = store.astype(np.int64) * (width // MINUTE + 1) + (at - base) // MINUTE
    reach = AROUND // MINUTE
    hours = settings.lockstep_minutes
    around = np.searchsorted(line, line + reach, side="right") - np.searchsorted(line, line - reach, side="left")
    # the store's rate is read outside the window: those who meet must not make their meeting ordinary
    around -= np.searchsorted(line, line + hours, side="right") - np.searchsorted(line, line - hours, side="left")
    window = settings.lockstep_minutes * MINUTE
    lefts, rights = [], []
    for step in range(1, settings.lockstep_crowd + 1):
        gap = at[step:] - at[:-step]
        near = (store[step:] == store[:-step]) & (gap <= window)
        if not near.any():
            break
        close = np.flatnonzero(near & (buyer[step:] != buyer[:-step]))
        lefts.append(close)
        rights.append(close + step)
    if not lefts:
        none = np.empty(0, np.int64)
        return none, none, np.empty(0)
    left, right = np.concatenate(lefts), np.concatenate(rights)
    # strangers: uniform at the store's rate around that day; accomplices: uniform within the window
    per_minute = (np.maximum(around[left], around[right]) + 1.0) / (2.0 * (reach - hours))
    nats = -np.log(np.minimum(per_minute * 2.0 * settings.lockstep_minutes, 1.0))
    return rank[left], rank[right], nats


def _first_claims(
    ctx: Context, left: Longs, right: Longs, pairs: object, once: object, strong: Longs
) -> tuple[Ints, Longs]:
    """(buyers,) first claim that each account made in a strong pair, -1 none; and how many such claims."""
    from detectors.numerics import Groups

    assert isinstance(pairs, Groups)
    assert isinstance(once, Groups)
    claims = ctx.claims
    mark = np.zeros(pairs.n, bool)
    mark[strong] = True
    inside = mark[pairs.of][once.of]
    together = np.unique(np.concatenate([left[inside], right[inside]]))
    order = np.lexsort((claims.row[together], claims.at[together]))[::-1]
    first = np.full(ctx.n, -1, np.int32)
    first[claims.buyer[together[order]]] = claims.row[together[order]]
    return first, np.bincount(claims.buyer[together], minlength=ctx.n)


def _groups(ctx: Context, one: Ints, two: Ints, total: Floats, source: tuple[Ints, Longs]) -> Evidence:
    n = ctx.n
    label = components(np.concatenate([one, two]), np.tile(np.arange(len(one)), 2), n)  # each pair is a key
    who = np.unique(np.concatenate([one, two])).astype(np.int32)
    _, key = np.unique(label[who], return_inverse=True)
    keys = int(key.max()) + 1
    size = np.bincount(key, minlength=keys)
    # what each account's strongest partner says, no more than the group's pairs average
    best = np.zeros(n)
    np.maximum.at(best, one, total)
    np.maximum.at(best, two, total)
    first, count = source
    return evidence(
        DETECTOR.name,
        key=key.astype(np.int32),
        buyer=who,
        nats=best[who],
        table=REFUNDS,
        row=first[who],
        count=count[who],
        keys=Keys(np.full(keys, "", object), size, one_home(ctx, key, who, keys)),
    )


DETECTOR = Detector(
    name="lockstep",
    title="claims at the same stores in the same hours",
    source="CopyCatch 2013, doi:10.1145/2488388.2488400; SynchroTrap 2014, doi:10.1145/2660267.2660269",
    doc=(
        "Accounts that claimed at the same store within hours of each other, on several days or at several stores, "
        "beyond what the stores' own traffic brings together by chance."
    ),
    family=Family.CONDUCT,
    run=run,
    prior=0.02,
    ceiling=0.5,
    weight=1.8,
    met=True,
)
