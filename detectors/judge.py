"""Judge: how sure is it that a candidate ring is real?

Each candidate gets a score: the log-likelihood ratio that its accounts' own conduct is that of a group in which most
act, against independent honest people, and the log odds that a key such as the one it shares is abusive before its
accounts were looked at. The null model keeps every key with its size and every account with its activity, category and,
where it is on a key that claims made, whether it ever claimed, and draws its conduct anew from honest accounts of the
same stratum, in proportion to their claims where each was an occasion to come upon the key; fusion and grouping run on
the drawn market as on the true one. What honest markets bring forth by chance gives the local false discovery rate at
each score; confidence is its complement, held non-decreasing in the score.

The keys of a real ring, with claims made at one hour or one picture filed, would not be there in an honest market:
what chance brings forth among its people counts only as far as they may be honest, by a first pass in which all counts.
Two accounts alone are held against two: chance brings forth many more of them.
Sources: Efron (2004), doi:10.1198/016214504000000089 (local false discovery rate, empirical null, two groups);
Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; configuration-keeping null, Milo et al. (2002),
doi:10.1126/science.298.5594.824.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import numpy as np

from detectors.communities import Candidates, acting, formed
from detectors.contract import Context, Family
from detectors.curve import Law, learned, measured
from detectors.fusion import Beliefs, combine, propagate, unheard
from detectors.numerics import Groups, group, tally
from detectors.settings import DetectionSettings
from detectors.web import Web
from graph.side import side_by_side
from graph.snapshot import Bools, Floats, Longs

SHARES: Final = (0.9, 0.5, 0.2)
"""Grid of the share of a ring's accounts that act."""
LEAST_ODDS: Final = -8.0
"""Prior log odds of a candidate whose accounts share no key by halves."""
NAMES: Final = ("rings", "pairs")
"""What the laws of rings and of pairs are called among a run's frozen values."""
ENOUGH: Final = 10.0
"""Honest people that a stratum must hold for the null model to draw from it."""


def scores(web: Web, candidates: Candidates, own: Floats, abusers: float, learned: Floats) -> Floats:
    """(rings,) nats for each candidate of accounts that did `own` (n,): conduct, the greatest over the grid of acting
    shares, and prior log odds; `learned` (k,) nats are added to those of keys."""
    member = candidates.ring >= 0
    ratio = np.exp(np.clip(own[member], -15, 15))
    scale = np.log(abusers * ratio + 1 - abusers)
    each = [
        tally(candidates.ring[member], np.log(share * ratio + 1 - share) - scale, candidates.rings) for share in SHARES
    ]
    best: Floats = np.max(each, axis=0)
    return best + _odds(web, candidates, learned)


def _odds(web: Web, candidates: Candidates, learned: Floats) -> Floats:
    """(rings,) prior log odds of the guiltiest key that half of the candidate's accounts share."""
    ring = candidates.ring[web.buyer[candidates.rows]]
    shared = group(ring, web.key[candidates.rows])
    ring, key = ring[shared.first], web.key[candidates.rows][shared.first]
    half = 2 * shared.count >= candidates.size[ring]
    best = np.full(candidates.rings, LEAST_ODDS)
    np.maximum.at(best, ring[half], np.minimum((web.prior + learned)[key[half]], 0.0))
    return best


def confidence(
    ctx: Context, web: Web, beliefs: Beliefs, candidates: Candidates, settings: DetectionSettings
) -> tuple[Floats, Floats]:
    """(rings,) confidence of each candidate and its score."""
    observed = scores(web, candidates, beliefs.conduct.own, beliefs.abusers, beliefs.learned)
    measured_here = ctx.measures.given is None and candidates.rings > 0
    drawn = chance(ctx, web, beliefs, settings) if measured_here else Chance.none()

    def law_of(weight: Floats, two: bool) -> Law:
        alike = drawn.pair == two
        return learned(observed[candidates.pair == two], drawn.score[alike], weight[alike], settings.null_draws)

    def sure(law: Callable[[bool], Law]) -> Floats:
        found = np.empty(candidates.rings)
        for two in (False, True):
            mine = candidates.pair == two
            found[mine] = 1.0 - law(two).rate(observed[mine])
        return found

    weight = np.ones(len(drawn.score))
    if measured_here:
        # what chance brings forth counts as far as it came up among honest people
        weight = 1.0 - drawn.mean(np.append(sure(lambda two: law_of(weight, two)), 0.0)[candidates.ring])
    return sure(lambda two: measured(NAMES[two], ctx.measures, lambda: law_of(weight, two))), observed


@dataclass(frozen=True)
class Chance:
    """The candidates that honest markets bring forth: `score` (c,) of each and whether it is a `pair` (c,). Their
    accounts: `candidate` (a,) that each is in and the `account` (a,) of the true market in whose place it stands."""

    score: Floats
    pair: Bools
    candidate: Longs
    account: Longs

    @staticmethod
    def none() -> Chance:
        """No candidate at all."""
        nobody = np.empty(0, np.int64)
        return Chance(np.empty(0), np.empty(0, bool), nobody, nobody)

    def mean(self, of: Floats) -> Floats:
        """(c,) the mean over each candidate's accounts of what `of` (n,) says of those in whose place they stand."""
        size = np.bincount(self.candidate, minlength=len(self.score))
        return tally(self.candidate, of[self.account], len(self.score)) / size


def chance(ctx: Context, web: Web, beliefs: Beliefs, settings: DetectionSettings) -> Chance:
    """What `settings.null_draws` honest markets bring forth. Nothing that an account did is explained by its other keys
    there (see `fusion.elsewhere`): nobody acts with others. The markets' candidates are gathered all at once, on the
    few rows of the web that join anybody."""
    urns = urns_of(ctx, web, beliefs)
    usual = unheard(web, beliefs.abusers, beliefs.scarce)

    def drawn(number: int) -> tuple[Longs, Floats]:
        conduct = beliefs.conduct.of(draw(settings.seed, number, urns))
        message, guilt = propagate(
            web, conduct, beliefs.abusers, beliefs.scarce, beliefs.learned, usual, only_guilty=True
        )
        risk = combine(web, conduct, message, beliefs.abusers, beliefs.alone, settings)
        rows = acting(web, risk, guilt)
        return rows, conduct.own[web.buyer[rows]]

    draws = [partial(drawn, number) for number in range(settings.null_draws)]
    rows, did = zip(*side_by_side(draws, ctx.n * settings.null_draws), strict=True)
    copies, account, key = web.copies(rows)
    own = np.empty(copies.n)
    own[copies.buyer] = np.concatenate(did)
    found = formed(copies, own, np.arange(len(copies.key)), settings)
    inside = np.flatnonzero(found.ring >= 0)
    return Chance(
        scores(copies, found, own, beliefs.abusers, beliefs.learned[key]),
        found.pair,
        found.ring[inside].astype(np.int64),
        account[inside],
    )


@dataclass(frozen=True)
class Urns:
    """Accounts in `order` of stratum, once for every level of strata, with cumulated `honest` mass; for each account
    (n,) the mass `before` the stratum that it is drawn from and the `mass` in it."""

    order: Longs
    honest: Floats
    before: Floats
    mass: Floats

    @property
    def _scale(self) -> float:
        return len(self.honest) / float(self.honest[-1])

    @cached_property
    def _guide(self) -> Longs:
        """For each of equal stretches of mass the first account that ends in it or behind it."""
        stretch = (self.honest * self._scale).astype(np.int64)
        return np.searchsorted(stretch, np.arange(len(self.honest) + 2))

    def found(self, point: Floats) -> Longs:
        """(p,) the first account whose cumulated mass is at least `point` (p,): `np.searchsorted` by a guide table,
        Chen & Asau (1974), doi:10.1080/05695557408974949, which looks about twice instead of log n times."""
        end = np.append(self.honest, np.inf)
        at = self._guide[np.minimum((point * self._scale).astype(np.int64), len(self.honest) + 1)]
        short = np.flatnonzero(end[at] < point)
        while len(short):
            at[short] += 1
            short = short[end[at[short]] < point[short]]
        return at


def urns_of(ctx: Context, web: Web, beliefs: Beliefs) -> Urns:
    """Accounts by strata of orders made × main category, weighted by honesty; of those on a key that claims made, they
    and the people drawn in their place have claimed (links that join claimants, as pictures and parcels do, would be
    tried with people who never claimed).

    Who filed a picture that others filed, too, was the likelier to do so the more it claimed; so it is with parcels and
    hours. In such accounts' place people are drawn in proportion to their claims (size-biased sampling, Cox 1969).

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
    claims = np.bincount(ctx.claims.buyer, minlength=ctx.n)
    claimed = (claims > 0).astype(np.int64)
    activity = np.rint(2 * np.log2(1 + made)).astype(np.int64)
    met, told = np.zeros(ctx.n, bool), np.zeros(ctx.n, bool)
    met[web.buyer[web.met[web.key]]] = True
    # a key of conduct that is no likelier than any of its kind brought nobody here
    together = (web.family == Family.CONDUCT.value) & (web.prior > web.base)
    told[web.buyer[together[web.key]]] = True
    trust = 1.0 - beliefs.risk + 1e-9
    levels = ((activity, main), (activity,), ())
    everyone = [_Stratum.of(trust, *level, np.zeros_like(claimed)) for level in levels]
    claimants = [_Stratum.of(trust, *level, claimed) for level in levels]
    rows, weights = [], []
    before, mass = np.zeros(ctx.n), np.zeros(ctx.n)
    start = 0.0
    for open_, likely, strata in (
        (~met & ~told, trust, everyone),
        (~met & told, trust, claimants),
        (met, trust * np.maximum(claims, 1), claimants),
    ):
        for stratum in strata:
            if not open_.any():
                break
            of, count = stratum.groups.of, stratum.groups.count
            weight = likely[stratum.order]
            ends = np.cumsum(weight)[np.cumsum(count) - 1]
            begin = np.append(0.0, ends[:-1])
            before[open_] = start + begin[of[open_]]
            mass[open_] = (ends - begin)[of[open_]]
            open_ = open_ & stratum.few[of]
            rows.append(stratum.order)
            weights.append(weight)
            start += float(ends[-1])
    return Urns(np.concatenate(rows), np.cumsum(np.concatenate(weights)), before, mass)


@dataclass(frozen=True)
class _Stratum:
    """Accounts in `groups`, in `order` of these, with `few` (g,) true where a group holds few honest people."""

    groups: Groups
    order: Longs
    few: Bools

    @staticmethod
    def of(trust: Floats, *columns: Longs) -> _Stratum:
        """By the values of `columns`; `trust` (n,) is how honest each account is."""
        groups = group(*columns)
        return _Stratum(groups, np.argsort(groups.of, kind="stable"), tally(groups.of, trust, groups.n) < ENOUGH)


def draw(seed: int, number: int, urns: Urns) -> Longs:
    """(n,) for each account an honest account of its stratum, with replacement. Draw after draw the generator goes on
    where the one before left it, so that draws are the same however many are made at a time."""
    n = len(urns.before)
    generator = np.random.Generator(np.random.PCG64(seed).advance(number * n))
    point = urns.before + generator.random(n) * urns.mass
    return urns.order[np.minimum(urns.found(point), len(urns.order) - 1)]
