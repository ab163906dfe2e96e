"""Fusion: from star evidence to a probability for every account and every shared key.

Places are latent. A key (a device, a door, a group in lockstep) is benign or abusive; the people of a benign key are
independent draws of the market, of an abusive one a share θ acts (θ has a small grid, so a dormitory in which a ring
lives is not abusive as a whole). Messages run on the bipartite graph of accounts and keys, never on pairs: a key hears
what each account did and, leaving that account out, tells it what the others' conduct means for it.

Seven rules keep one fact from counting several times and a bridge from pulling people in:

- guilt by association is not passed on: an account tells its keys what it did, alone or with others (shared pictures,
  parcels, lockstep), never what it is merely linked to, so suspicion does not run through households and their hubs;
- what an account did is hardly news to a key of joint conduct where another of its keys tells it already, one that it
  shares with none of the first key's other accounts: who acts with a ring files a picture that anybody can find, too;
- keys with the same members are one key (`web`);
- of those who claimed together each hears what its own part in it (`Web.part`) leaves of what the key says to all;
- of the keys of one family only the one that says most to an account counts for it;
- what others write onto a person says nothing of that person: a door, number, parcel or picture that an account had to
  itself before others came speaks against it only where a device, a payment or the like does, too; and a device that
  was its own for months before others came to use it says nothing of an account whose own conduct speaks for it;
- places and instruments together lift an account to `link_ceiling` at most: the rest must be its own conduct.

How often keys of each kind and size are abusive is learned from the market around the detectors' priors and the
rarity of the sharing, as is the share of abusive accounts.
Source: belief propagation and explaining away, Pearl (1988); guilt by association on bipartite graphs with a learned
prior as in FraudEagle, Akoglu et al. (2013), and SpEagle, Rayana & Akoglu (2015), doi:10.1145/2783258.2783370.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.contract import Family
from detectors.numerics import group, logit, probable, tally
from detectors.settings import DetectionSettings
from detectors.web import BEARS, FAMILIES, Part, Web
from graph.snapshot import Bools, Floats, Longs

ACTING: Final = np.array([[0.9, 0.5, 0.2], [0.9, 0.5, 0.2], [0.95, 0.9, 0.6]])
"""Grid of the share of an abusive key's accounts that act, by family. Who shares a place with a ring may be anybody;
who files a ring's picture or parcel mostly belongs to it."""
KEYS_BELIEVED: Final = 15.0
"""Keys' worth of belief that a kind's prior has in each size class."""
HUB: Final = 20
"""From this many accounts on a place or an instrument, as a kiosk's device, is a hub, whatever its people do, and so is
a picture most of whose people did nothing else …"""
HUB_NATS: Final = 1.5
"""… and says at most this much to each of them, in inverse proportion to its size beyond that."""
OTHERWISE: Final = HUB_NATS * HUB / BEARS
"""Nats that a key which others can't write must say before keys that were an account's own say anything against it."""
SCARCE: Final = (-3.0, 1.0)
"""Bounds of the nats by which the estimated share of abusers moves all keys."""
ALONE: Final = 0.3
"""Share of abusive accounts that are thought to claim with nobody, before the market has been looked at …"""
ALONE_BELIEVED: Final = 30.0
"""… and how many abusive accounts' worth of belief that has."""
AMONG: Final = 1.5
"""Other accounts that act on one instrument from which on an account is among them …"""
AMONG_LEAST: Final = -2.0
"""… and claiming with nobody says this much for it at most: of people who share devices to act not all claim together,
and what it shares may lift it to `link_ceiling` at most anyway."""
TOGETHER: Final = 0.3
"""Nats of shared conduct from which an account claims with others."""
MOST_FACTOR: Final = 3.0
"""A class's learned share differs from the stated one at most by this factor: what is learned rests on beliefs."""
EXPLAINED: Final = 0.2
"""Greatest probability of acting that other keys explain: what these say rests in part on what the account itself did,
which this key hears as well."""
ACTS: Final = 0.5
"""Risk from which an account counts as acting, and guilt from which a key joins."""
WEIGHED: Final = 4.0
"""Nats of each message that the weight of its key's detector is for."""
SLACK: Final = 1e-6
"""Nats by which sums may be off for the order in which they were added."""
MOST_PRIOR: Final = 0.5
"""No key is more likely abusive than not before its accounts have been looked at."""


@dataclass(frozen=True)
class Conduct:
    """What is known of each account by itself, in nats (n,): `own`, what it did; `claimant`, the part of that which is
    no news among accounts met by their claims; `activity`, what the number of its orders says, at most 0: it is no
    sign that the account acted."""

    own: Floats
    claimant: Floats
    activity: Floats

    def of(self, who: Longs) -> Conduct:
        """That of other accounts, `who` (n,), in the place of each."""
        return Conduct(self.own[who], self.claimant[who], self.activity[who])


@dataclass(frozen=True)
class Beliefs:
    """`risk` (n,) probability of abuse; `conduct` of the accounts; `message` (m,)
    nats that each membership says to its account; `guilt` (k,) probability that a key is abusive; `abusers`, the share
    of abusive accounts that was used, `next_abusers` the one found; `alone`, the nats that were added to accounts which
    claim with nobody, `next_alone` those found; `scarce` and `learned` (k,) nats that were added
    to the keys' stated log odds, `next_learned` (k,)
    what the next round is to add."""

    risk: Floats
    conduct: Conduct
    message: Floats
    guilt: Floats
    abusers: float
    next_abusers: float
    alone: float
    next_alone: float
    scarce: float
    learned: Floats
    next_learned: Floats


@dataclass(frozen=True)
class Start:
    """What a round takes from the former one: the share of `abusers`, the nats that claiming `alone` says, and (k,)
    nats by which the keys' classes were `learned` to be guiltier than stated."""

    abusers: float
    alone: float
    learned: Floats


def believe(web: Web, conduct: Conduct, settings: DetectionSettings, start: Start) -> Beliefs:
    """Run belief propagation over the web, given each account's `conduct`; `start` holds the shares of abusive accounts
    and keys that the former round found."""
    abusers, alone, learned = start.abusers, start.alone, start.learned
    scarce = _scarcity(abusers, settings)
    usual = unheard(web, abusers, scarce)
    message, _ = propagate(web, conduct, abusers, scarce, learned, usual, only=web.explained)
    anyway = elsewhere(web, message, abusers)
    message, guilt = propagate(web, conduct, abusers, scarce, learned, usual, anyway=anyway)
    risk = combine(web, conduct, message, abusers, alone, settings)
    share = _share(risk, settings)
    return Beliefs(
        risk=risk,
        conduct=conduct,
        message=message,
        guilt=guilt,
        abusers=abusers,
        next_abusers=share,
        alone=alone,
        next_alone=_alone(web, message, risk),
        scarce=scarce,
        learned=learned,
        next_learned=_learn(web, guilt, scarce),
    )


def sharpened(risk: Floats) -> Floats:
    """(n,) suspicion: zero up to one half, then rising to one. Only accounts that are rather abusive than not are left
    out of what the market teaches; else every claimant would lose a little of its innocence in each round."""
    sharp: Floats = np.clip(2.0 * risk - 1.0, 0.0, 1.0)
    return sharp


def _share(risk: Floats, settings: DetectionSettings) -> float:
    """Share of abusive accounts: the suspicious ones, shrunk to the prior."""
    believed = settings.prior_weight
    share = (believed * settings.prior_abusers + float(sharpened(risk).sum())) / (believed + len(risk))
    return min(share, settings.max_abusers)


def _alone(web: Web, message: Floats, risk: Floats) -> float:
    """Nats that claiming with nobody says: how much rarer it is among suspicious accounts than among honest ones. Most
    abuse is done in company, and whoever merely claims a lot has none."""
    apart = _loudest(web, message)[:, Family.CONDUCT.value] < TOGETHER
    suspects = sharpened(risk)
    abusive = (float(suspects[apart].sum()) + ALONE_BELIEVED * ALONE) / (float(suspects.sum()) + ALONE_BELIEVED)
    honest = (float((1.0 - suspects)[apart].sum()) + 1.0) / (float((1.0 - suspects).sum()) + 1.0)
    return min(float(np.log(abusive) - np.log(honest)), 0.0)


def _scarcity(abusers: float, settings: DetectionSettings) -> float:
    """Nats by which every key is likelier abusive than stated: in a market of few abusers few keys are theirs."""
    return float(np.clip(np.log(abusers / settings.prior_abusers), *SCARCE))


def _learn(web: Web, guilt: Floats, scarce: float) -> Floats:
    """(k,) nats by which the market's keys of each class are guiltier than stated, shrunk to none."""
    if not web.keys:
        return web.prior
    classes = int(web.klass.max()) + 1
    count = np.bincount(web.klass, minlength=classes)
    stated = probable(web.prior + scarce)
    mean = tally(web.klass, stated, classes) / np.maximum(count, 1)
    got = tally(web.klass, sharpened(guilt), classes)
    learned = (got + KEYS_BELIEVED * mean) / (count + KEYS_BELIEVED)
    factor = np.clip(learned / np.maximum(mean, 1e-12), 1.0 / MOST_FACTOR, MOST_FACTOR)
    nats: Floats = np.log(factor)[web.klass]
    return nats


def propagate(
    web: Web,
    conduct: Conduct,
    abusers: float,
    scarce: float,
    learned: Floats,
    usual: Floats,
    *,
    anyway: Floats | None = None,
    only: Bools | None = None,
    only_guilty: bool = False,
) -> tuple[Floats, Floats]:
    """Messages (m,) from keys to accounts in nats beyond the `usual` (m,) ones and by the weight of their detector,
    and the guilt (k,) of each key; `scarce` nats are added to the stated log odds of all keys, `learned` (k,) to each.
    `anyway` (m,) is the probability that each row's account acts whatever the key is, `abusers` where it is not given.

    With `only` (n,) messages are right for these accounts, and may be left out (zero) for others. With `only_guilty`
    they are right for accounts on a key that is guilty (`ACTS`), and left out (zero) for all others; the guilt of keys
    that are not guilty may be left out."""
    m = len(web.key)
    message = np.zeros(m)
    guilt = np.zeros(web.keys)
    if not m:
        return message, guilt
    hub = (web.size >= HUB) & (web.family != Family.CONDUCT.value)
    log_prior = np.minimum(web.prior + scarce + learned, logit(MOST_PRIOR))

    # Conduct first, with what bears it out, then what hears of it; nothing is passed on further. How active its
    # accounts are is no news to any key: busy people are in more places and are met more often. Conduct keys join
    # accounts by their claims, heavy claimants before others: what is that of claimants is no news to them.
    first = web.conduct
    together = first.family[first.key] == Family.CONDUCT.value
    alone = np.where(together, (conduct.own - conduct.claimant)[first.buyer], conduct.own[first.buyer])
    heard = _Heard.of(alone, abusers if anyway is None else anyway[first.rows])
    hub[first.keys] |= _crowds(first, heard)
    most = np.where(hub, HUB_NATS * HUB / np.maximum(web.size, HUB), np.inf)

    def beyond(rows: Longs, said: Floats) -> Floats:
        return np.minimum(said - usual[rows], most[web.key[rows]])

    sums = _sums(first, heard, log_prior)
    guilt[first.keys] = sums.guilt
    at = web.heard_first
    rows = first.rows[at]
    message[rows] = beyond(rows, _reply(first, sums, heard.at(at), abusers, at, web.part[rows]))
    joint = first.rows[together]
    shared = _loudest(web, _borne_out(web, conduct.own, message), joint)[:, Family.CONDUCT.value]
    # what an account tells keys of conduct does not hang on what it hears: their answer stands
    message[first.rows[~together]] = 0.0
    told = conduct.own + shared
    second = web.others
    at = np.arange(len(second.rows)) if only is None else np.flatnonzero(only[second.buyer])
    if only_guilty:
        suspect = Part.of(web, _may_be_guilty(second, told, abusers, log_prior))
        guilt[suspect.keys] = _sums(suspect, _Heard.of(told[suspect.buyer], abusers), log_prior).guilt
        near = np.zeros(web.n, bool)
        near[web.buyer[web.rows_of_key.of_all(np.flatnonzero(guilt >= ACTS))[0]]] = True
        message[joint] = np.where(near[web.buyer[joint]], message[joint], 0.0)
        theirs = np.zeros(web.keys, bool)
        theirs[web.key[web.rows_of_account.of_all(np.flatnonzero(near))[0]]] = True
        second = Part.of(web, theirs & (web.family != Family.CONDUCT.value))
        at = np.flatnonzero(near[second.buyer])
    heard = _Heard.of(told[second.buyer], abusers)
    sums = _sums(second, heard, log_prior)
    guilt[second.keys] = sums.guilt
    rows = second.rows[at]
    message[rows] = beyond(rows, _reply(second, sums, heard.at(at), abusers, at, web.part[rows]))
    return _weighed(web, _borne_out(web, conduct.own, message)), guilt


def _weighed(web: Web, message: Floats) -> Floats:
    """(m,) messages, of which the first `WEIGHED` nats count by the weight of their detector, and what is beyond in
    full: the weight is for what is half known, and a key that is surely guilty leaves nothing of that."""
    loud = np.flatnonzero(message > 0.0)
    weighed = message.copy()
    weighed[loud] += (web.weight[web.key[loud]] - 1.0) * np.minimum(message[loud], WEIGHED)
    return weighed


def elsewhere(web: Web, message: Floats, abusers: float) -> Floats:
    """(m,) probability that each row's account acts for what other keys say to it, `message` (m,): the loudest of those
    that none of the accounts on this key shares with it, if this is a key of conduct; `abusers` to `EXPLAINED`."""
    loudest = np.zeros(len(web.key))
    row, other = web.apart
    np.maximum.at(loudest, row, message[other])
    return np.minimum(probable(logit(abusers) + loudest), max(EXPLAINED, abusers))


def _may_be_guilty(part: Part, told: Floats, abusers: float, log_prior: Floats) -> Bools:
    """(k,) true for keys of the part but those that are not guilty (`ACTS`), whatever share of their accounts acts: how
    likely what any two and more of them told, `told` (n,), is where these act is at most how likely it is where all
    did who told of it."""
    said = told[part.buyer]
    who = np.flatnonzero(said > 0.0)
    most = tally(part.key[who], said[who], len(part.keys)) - part.size * np.log1p(-abusers)
    may = np.zeros(len(log_prior), bool)
    may[part.keys] = log_prior[part.keys] + most >= logit(ACTS) - SLACK
    return may


def _crowds(part: Part, heard: _Heard) -> Bools:
    """(p,) true for keys of conduct with `HUB` accounts and more, most of which would rather idle than act were the key
    abusive: the picture from a shop's page that a ring files too."""
    acting = ACTING[Family.CONDUCT.value].min()
    odds = heard.ratio * acting / (1.0 - acting)
    share = tally(part.key, odds / (1.0 + odds), len(part.keys)) / part.size
    crowds: Bools = (part.family == Family.CONDUCT.value) & (part.size >= HUB) & (share < ACTS)
    return crowds


def _borne_out(web: Web, own: Floats, message: Floats) -> Floats:
    """(m,) messages, where a key that was the account's before others came to it (`Web.theirs`) says nothing against it
    unless another does that nobody else can write, as a device: anybody can write a stranger's door, number or
    parcel."""
    early = web.early[message[web.early] > 0.0]
    doing = web.doing[message[web.doing] >= OTHERWISE]
    other = np.zeros(web.n, bool)
    other[web.buyer[doing[~web.theirs(own, doing)]]] = True
    alone = early[web.theirs(own, early) & ~other[web.buyer[early]]]
    borne = message.copy()
    borne[alone] = 0.0
    return borne


def unheard(web: Web, abusers: float, scarce: float) -> Floats:
    """(m,) what keys say to accounts of which nothing is known: no news."""
    if not len(web.key):
        return np.zeros(0)
    # keys of one kind and size say the same, and each says the same to all its accounts
    alike = group(np.unique(web.base, return_inverse=True)[1], web.family, web.size)
    chosen = np.zeros(web.keys, bool)
    chosen[alike.first] = True
    part = Part.of(web, chosen)
    heard = _Heard.of(np.zeros(len(part.rows)), abusers)
    sums = _sums(part, heard, np.minimum(web.base + scarce, logit(MOST_PRIOR)))
    row = np.flatnonzero(np.append(True, part.key[1:] != part.key[:-1]))
    said = _reply(part, sums, heard.at(row), abusers, row, np.zeros(len(row)))
    return said[np.searchsorted(part.keys, alike.first)][alike.of][web.key]


@dataclass(frozen=True)
class _Heard:
    """What is known of accounts (r,), as every share of acting needs it: `ratio`, the odds for having done it, and
    `scale`, log of how likely their conduct is whoever they are."""

    ratio: Floats
    scale: Floats

    @staticmethod
    def of(nats: Floats, abusers: float | Floats) -> _Heard:
        """From nats (r,), and how likely it is that each acts, whatever the key is."""
        ratio = np.exp(np.clip(nats, -15.0, 15.0))
        return _Heard(ratio, np.log(abusers * ratio + (1.0 - abusers)))

    def at(self, rows: Longs) -> _Heard:
        """Those in these rows."""
        return _Heard(self.ratio[rows], self.scale[rows])

    def any(self, acting: Floats) -> Floats:
        """(r,) nats that they say where each acts by the share `acting` (r,)."""
        nats: Floats = np.log(acting * self.ratio + (1.0 - acting)) - self.scale
        return nats


@dataclass(frozen=True)
class _Sums:
    """What keys heard: sums (p,) of their accounts' `ratio` and `scale`. For each share of `ACTING`: `acting` (p,), the
    share; `weight` (p,), log of its prior; `any` (p,), sum of what is said where any acts by it. And the keys' `guilt`
    (p,)."""

    ratio: Floats
    scale: Floats
    acting: tuple[Floats, ...]
    weight: tuple[Floats, ...]
    any: tuple[Floats, ...]
    guilt: Floats


def _sums(part: Part, heard: _Heard, log_prior: Floats) -> _Sums:
    """What the keys of a part `heard` (q,) from all their accounts, given their log odds (k,) before.

    An abusive key has at least two accounts that act, each other one with probability θ: one abuser among the people
    of a key proves nothing about the key."""
    count = len(part.keys)
    ratio, scale = tally(part.key, heard.ratio, count), tally(part.key, heard.scale, count)
    mass = np.zeros(count)
    columns: list[tuple[Floats, ...]] = []
    for grid in ACTING.T:
        of_key = grid[part.family]
        every = tally(part.key, heard.any(of_key[part.key]), count)
        fewer = part.size * np.log1p(-of_key) - scale + np.log1p(ratio * of_key / (1.0 - of_key))
        # the chance that fewer than two act is taken out of the prior, so that it stays what it says
        rest = (1.0 - of_key) ** (part.size - 2.0)
        two = 1.0 - rest * ((1.0 - of_key) ** 2 + part.size * of_key * (1.0 - of_key))
        weight = log_prior[part.keys] - np.log(ACTING.shape[1]) - np.log(two)
        mass += np.exp(np.clip(weight + every + _but(fewer - every), -60.0, 60.0))
        columns.append((of_key, weight, every))
    acting, weights, any_ = zip(*columns, strict=True)
    return _Sums(ratio, scale, acting, weights, any_, mass / (1.0 + mass))


def _reply(part: Part, sums: _Sums, heard: _Heard, abusers: float, at: Longs, joined: Floats) -> Floats:
    """(r,) what keys say to the accounts in the part's rows `at` (r,), leaving out what these told, `heard` (r,);
    `joined` (r,) nats that what the account did is part of what they did: the key's prior rests on that, so it speaks
    against an idle account and for an acting one no more."""
    key = part.key[at]
    acts, idles = np.zeros(len(at)), np.zeros(len(at))
    others = part.size[key] - 1.0
    scale, ratio = sums.scale[key] - heard.scale, np.maximum(sums.ratio[key] - heard.ratio, 0.0)
    for of_key, weight, every in zip(sums.acting, sums.weight, sums.any, strict=True):
        acting = of_key[key]
        said = every[key] - heard.any(acting)
        nobody = others * np.log1p(-of_key)[key] - scale - said
        single = np.log1p(ratio * (of_key / (1.0 - of_key))[key])
        here = weight[key] + said
        acts += np.exp(np.clip(here + _but(nobody), -60.0, 60.0)) * (acting / abusers)
        idles += np.exp(np.clip(here - joined + _but(nobody + single), -60.0, 60.0)) * ((1 - acting) / (1 - abusers))
    return np.log1p(acts) - np.log1p(idles)


def _but(log: Floats) -> Floats:
    """log(1 - exp(`log`)) for `log` that should not exceed zero."""
    remains: Floats = np.log(np.maximum(-np.expm1(np.minimum(log, 0.0)), 1e-300))
    return remains


def _loudest(web: Web, message: Floats, rows: Longs | None = None) -> Floats:
    """(n, families) the greatest message of each family to each account, at least 0; of these `rows`, or of all."""
    by_family = np.zeros(web.n * FAMILIES)
    loud = np.flatnonzero(message > 0.0) if rows is None else rows[message[rows] > 0.0]
    np.maximum.at(by_family, web.seat[loud], message[loud])
    return by_family.reshape(web.n, FAMILIES)


def _links(by_family: Floats, abusers: float, settings: DetectionSettings) -> Floats:
    """Nats from links: places and instruments together under the ceiling, conduct besides."""
    ceiling = max(logit(settings.link_ceiling) - logit(abusers), 0.0)
    shared = by_family[:, Family.PLACE.value] + by_family[:, Family.INSTRUMENT.value]
    links: Floats = np.minimum(shared, ceiling) + by_family[:, Family.CONDUCT.value]
    return links


def combine(
    web: Web, conduct: Conduct, message: Floats, abusers: float, alone: float, settings: DetectionSettings
) -> Floats:
    """(n,) probability of abuse of each account from its conduct, its keys' messages, and the `alone` nats of those who
    claim with nobody; less of these for who is among people that act (`_among`)."""
    by_family = _loudest(web, message)
    apart = by_family[:, Family.CONDUCT.value] < TOGETHER
    told = logit(abusers) + conduct.own + conduct.activity + _links(by_family, abusers, settings)
    risk = probable(told + np.where(apart, alone, 0.0))
    among = _among(web, message, risk, apart)
    risk[among] = probable(told[among] + max(alone, AMONG_LEAST))
    return risk


def _among(web: Web, message: Floats, risk: Floats, apart: Bools) -> Longs:
    """Accounts, of those that claim `apart` (n,), that share an instrument with `AMONG` others and more that act, and
    that says more than a hub may."""
    rows = np.flatnonzero(message > HUB_NATS)
    rows = rows[(web.family[web.key[rows]] == Family.INSTRUMENT.value) & apart[web.buyer[rows]]]
    keys, at = np.unique(web.key[rows], return_inverse=True)
    theirs, of = web.rows_of_key.of_all(keys)
    acting = tally(of, risk[web.buyer[theirs]], len(keys))
    among: Longs = web.buyer[rows[acting[at] - risk[web.buyer[rows]] >= AMONG]].astype(np.int64)
    return among
