"""Judge: how sure is it that a candidate ring is real?

Each candidate gets a score: the log-likelihood ratio that its accounts' own conduct is that of a group in which most
act, against independent honest people. The null model keeps every key with its size and every account with its
activity, category and whether it ever claimed, and draws its conduct anew from honest accounts of the same stratum;
fusion and grouping run on
the drawn market as on the true one. The candidates that honest markets bring forth by chance give the local false
discovery rate at each score; confidence is its complement, held non-decreasing in the score.
Sources: Efron (2004), doi:10.1198/016214504000000089 (local false discovery rate, empirical null); Benjamini &
Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; configuration-keeping null, Milo et al. (2002),
doi:10.1126/science.298.5594.824.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.communities import Candidates, gather
from detectors.contract import Context
from detectors.curve import measured_rate
from detectors.fusion import Beliefs, combine, propagate, unheard
from detectors.numerics import group, tally
from detectors.settings import DetectionSettings
from detectors.web import Web
from graph.snapshot import Floats, Longs

SHARES: Final = (0.9, 0.5, 0.2)
"""Grid of the share of a ring's accounts that act."""
AT_ONCE: Final = 2
"""Drawn markets that are worked on at a time."""
ENOUGH: Final = 10.0
"""Honest people that a stratum must hold for the null model to draw from it."""


def scores(candidates: Candidates, own: Floats, abusers: float) -> Floats:
    """(rings,) nats for each candidate: the greatest over the grid of acting shares."""
    member = candidates.ring >= 0
    ratio = np.exp(np.clip(own[member], -15, 15))
    scale = np.log(abusers * ratio + 1 - abusers)
    each = [
        tally(candidates.ring[member], np.log(acting * ratio + 1 - acting) - scale, candidates.rings)
        for acting in SHARES
    ]
    best: Floats = np.max(each, axis=0)
    return best


def confidence(
    ctx: Context, web: Web, beliefs: Beliefs, candidates: Candidates, settings: DetectionSettings
) -> tuple[Floats, Floats]:
    """(rings,) confidence of each candidate and its score."""
    observed = scores(candidates, beliefs.own, beliefs.abusers)
    measured = ctx.measures.given is None and candidates.rings > 0
    chance = _chance(ctx, web, beliefs, settings) if measured else np.empty(0)
    return 1.0 - measured_rate(observed, ctx.measures, observed, chance, settings.null_draws), observed


def _chance(ctx: Context, web: Web, beliefs: Beliefs, settings: DetectionSettings) -> Floats:
    """Scores, rising, of the candidates that `settings.null_draws` honest markets bring forth."""
    urns = _urns(ctx, beliefs)
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    draws = [_draw(generator, urns) for _ in range(settings.null_draws)]
    usual = unheard(web, beliefs.abusers, beliefs.scarce)

    def heard(drawn: Longs) -> tuple[Floats, Floats]:
        own, claimant = beliefs.own[drawn], beliefs.claimant[drawn]
        return propagate(web, own, claimant, beliefs.abusers, beliefs.scarce, beliefs.learned, usual)

    chance = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for drawn, (message, guilt) in zip(draws, threads.map(heard, draws), strict=True):
            own = beliefs.own[drawn]
            risk = combine(web, own, message, beliefs.abusers, beliefs.alone, settings)
            chance.append(scores(gather(web, own, risk, guilt, settings), own, beliefs.abusers))
    return np.sort(np.concatenate(chance))


@dataclass(frozen=True)
class _Urns:
    """Accounts in `order` of stratum, once for every level of strata, with cumulated `honest` mass; for each account
    (n,) the mass `before` the stratum that it is drawn from and the `mass` in it."""

    order: Longs
    honest: Floats
    before: Floats
    mass: Floats


def _urns(ctx: Context, beliefs: Beliefs) -> _Urns:
    """Strata of orders made × main category × having claimed at all (or links that join claimants, as pictures and
    parcels do, would be tried with people who never claimed), weighted by honesty.

    An account whose stratum holds few honest people is drawn from the wider one without the category, then from that
    without the orders: or a ring that is alone in its stratum would be its own null model."""
    orders = ctx.snapshot.orders
    made = np.bincount(orders.buyer, minlength=ctx.n)
    main = np.zeros(ctx.n, np.int64)
    if len(orders.ids):
        pairs = group(orders.buyer, ctx.claims.category + 1)
        buyer, category = orders.buyer[pairs.first], (ctx.claims.category + 1)[pairs.first]
        rank = np.lexsort((-category, pairs.count))
        main[buyer[rank]] = category[rank]
    claimed = (np.bincount(ctx.claims.buyer, minlength=ctx.n) > 0).astype(np.int64)
    activity = np.rint(2 * np.log2(1 + made)).astype(np.int64)
    trust = 1.0 - beliefs.risk
    rows, weights = [], []
    before, mass = np.zeros(ctx.n), np.zeros(ctx.n)
    open_ = np.ones(ctx.n, bool)
    start = 0.0
    for stratum in (group(activity, main, claimed), group(activity, claimed), group(claimed)):
        order = np.argsort(stratum.of, kind="stable")
        weight = trust[order] + 1e-9
        ends = np.cumsum(weight)[np.cumsum(stratum.count) - 1]
        begin = np.append(0.0, ends[:-1])
        before[open_] = start + begin[stratum.of[open_]]
        mass[open_] = (ends - begin)[stratum.of[open_]]
        open_ = open_ & (mass < ENOUGH)
        rows.append(order)
        weights.append(weight)
        start += float(ends[-1])
        if not open_.any():
            break
    return _Urns(np.concatenate(rows), np.cumsum(np.concatenate(weights)), before, mass)


def _draw(generator: np.random.Generator, urns: _Urns) -> Longs:
    """(n,) for each account an honest account of its stratum, with replacement."""
    point = urns.before + generator.random(len(urns.before)) * urns.mass
    return urns.order[np.minimum(np.searchsorted(urns.honest, point), len(urns.order) - 1)]
