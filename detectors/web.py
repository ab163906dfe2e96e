"""The web: accounts and everything they share, one bipartite graph in star form. Keys with equal members are merged; of
three accounts and more what they share and what they did together are two facts and stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from detectors.contract import EARLY, OWN, Detector, Evidence, Family, Small
from detectors.numerics import Rows, group, logit
from graph.snapshot import Bools, Floats, Ints, Longs

FAMILIES: Final = 3
"""Families of link detectors: place, instrument, conduct."""
SIZES: Final = np.array([3, 4, 6, 10, 20, 50, 200, 1000])
"""Edges of the size classes in which the share of abusive keys is learned."""
APART: Final = 3
"""Accounts from which on what they share and what they did together are two facts. Of two, a couple, each says of the
other the same by both."""
BEARS: Final = 30
"""Accounts up to which a place or an instrument can bear out what others wrote: what a larger one says is capped below
what that takes (`fusion.OTHERWISE`)."""
ALIKE: Final = np.array([0.0, -1.0, 1.0])
"""Nats by which a key is likelier abusive: its accounts' claims not known, those of strangers, those of accomplices."""


@dataclass(frozen=True)
class Web:
    """All shared keys of all link detectors, keys with equal members merged into one (see `_distinct`).

    Rows (m,) sorted by key, then buyer: `key`, `buyer`, and `owned`, how far the key was the account's own before
    others came to it, and `part`, nats that what it did was part of what they did (see `Evidence`), the least and the
    most of the keys that were merged. Keys (k,): `detector`, index into the
    link detectors; `family`; `size`, accounts that share it; `weight`, how much of what it says counts; `pairs`,
    whether it says of two accounts alone that they are a ring; `written`, whether others can write it; `met`, whether
    each claim is an occasion to come upon it; `klass`, within which shares of guilt are learned; `prior`, stated log
    odds that it is abusive; `base`, those of its kind whatever the size. `alias` gives the kept key of every key before
    merging, detector after detector. `seat` (m,) numbers each row's buyer and family; `n` accounts."""

    key: Ints
    buyer: Ints
    owned: Small
    part: Floats
    detector: Ints
    family: Ints
    size: Longs
    weight: Floats
    pairs: Bools
    written: Bools
    met: Bools
    klass: Longs
    prior: Floats
    alias: Longs
    base: Floats
    seat: Longs
    n: int

    def theirs(self, own: Floats, rows: Longs) -> Bools:
        """(r,) true where a key says nothing against the account of these `rows` (r,) by itself: it was the account's
        own before others came to it, or before most of them, where what the account did alone, `own` (n,) nats, speaks
        for it. A key that others can't write, as a device, must have been its own and its conduct speak for it."""
        least = np.where(self.written[self.key[rows]], EARLY, OWN)
        clear = (self.owned[rows] >= least) & (own[self.buyer[rows]] <= 0.0)
        theirs: Bools = clear | (self.written[self.key[rows]] & (self.owned[rows] == OWN))
        return theirs

    @cached_property
    def early(self) -> Longs:
        """Rows of accounts that had the key before others or most others came to it."""
        return np.flatnonzero(self.owned > 0)

    @cached_property
    def doing(self) -> Longs:
        """Rows of those accounts and keys that nobody else can write, as devices."""
        had = np.zeros(self.n, bool)
        had[self.buyer[self.early]] = True
        return np.flatnonzero(had[self.buyer] & ~self.written[self.key])

    @cached_property
    def apart(self) -> tuple[Longs, Longs]:
        """Pairs (p,), (p,) of rows of one account: on a key of conduct, and on another that none of its others has."""
        rows = np.flatnonzero(self.family[self.key] == Family.CONDUCT.value)
        other, place = self.rows_of_account.of_all(self.buyer[rows])
        row = rows[place]
        pairs = group(self.key[row], self.key[other])
        # of a key with itself all accounts are the same, and those are two or more
        alone = pairs.count[pairs.of] == 1
        return row[alone], other[alone]

    @cached_property
    def explained(self) -> Bools:
        """(n,) accounts on a key of conduct, of which another key that none of its others has may tell why."""
        explained = np.zeros(self.n, bool)
        explained[self.buyer[self.apart[0]]] = True
        return explained

    @property
    def keys(self) -> int:
        """Number of keys."""
        return len(self.size)

    @cached_property
    def rows_of_key(self) -> Rows:
        """The rows of each key."""
        return Rows.of(self.key, self.keys)

    @cached_property
    def rows_of_account(self) -> Rows:
        """The rows of each account."""
        return Rows.of(self.buyer, self.n)

    def copies(self, rows: Sequence[Longs]) -> tuple[Web, Longs, Longs]:
        """The web of several markets that share nothing, of each of which these `rows` of this web are looked at; the
        account (a,) and the key (k,) of this web that each of its accounts and keys is a copy of. Both are numbered
        market after market."""
        row = np.concatenate(rows)
        market = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        accounts, buyer = np.unique(market * self.n + self.buyer[row], return_inverse=True)
        keys, key = np.unique(market * self.keys + self.key[row], return_inverse=True)
        account, kept = accounts % self.n, keys % self.keys
        of_keys = ("detector", "family", "size", "weight", "pairs", "written", "met", "klass", "prior", "base")
        copies = replace(
            self,
            key=key.astype(np.int32),
            buyer=buyer.astype(np.int32),
            owned=self.owned[row],
            part=self.part[row],
            alias=np.empty(0, np.int64),
            seat=buyer * FAMILIES + self.family[self.key[row]],
            n=len(account),
            **{name: getattr(self, name)[kept] for name in of_keys},
        )
        return copies, account, kept

    @cached_property
    def conduct(self) -> Part:
        """The keys of conduct, and those that bear out what was written onto their accounts (see `fusion`)."""
        joint = self.family == Family.CONDUCT.value
        chosen = joint.copy()
        chosen[self.key[self._framed[self.buyer] & ~self.written[self.key]]] = True
        return Part.of(self, chosen & (joint | (self.size <= BEARS)))

    @cached_property
    def heard_first(self) -> Longs:
        """Rows of the part `conduct` whose account must hear the key before it tells others of what it did: those on
        keys of conduct, and of the accounts onto which something was written."""
        part = self.conduct
        return np.flatnonzero((part.family[part.key] == Family.CONDUCT.value) | self._framed[part.buyer])

    @cached_property
    def _framed(self) -> Bools:
        """(n,) accounts that had a key of conduct before others came to it."""
        framed = np.zeros(self.n, bool)
        framed[self.buyer[(self.owned > 0) & (self.family[self.key] == Family.CONDUCT.value)]] = True
        return framed

    @cached_property
    def others(self) -> Part:
        """The keys of places and instruments."""
        return Part.of(self, self.family != Family.CONDUCT.value)


@dataclass(frozen=True)
class Part:
    """Some `keys` (p,) of a web with all their `rows` (q,), both ascending. `key` (q,) numbers the keys from 0, `buyer`
    (q,) are the rows' accounts; `family` and `size` (p,) are as in `Web`."""

    keys: Longs
    rows: Longs
    key: Longs
    buyer: Ints
    family: Ints
    size: Floats

    @staticmethod
    def of(web: Web, chosen: Bools) -> Part:
        """The part of the `chosen` (k,) keys."""
        keys = np.flatnonzero(chosen)
        rows, key = web.rows_of_key.of_all(keys)
        return Part(keys, rows, key, web.buyer[rows], web.family[keys], web.size[keys].astype(np.float64))


def weave(detectors: Sequence[Detector], found: Sequence[Evidence], n: int, grade: Ints) -> Web:
    """Join the keys of all link evidence into one web, keys with equal members merged (see `_distinct`).

    `grade` (k,) says of each key how its accounts claim: as `STRANGERS`, as `ACCOMPLICES`, or 0 where not known."""
    sizes = [len(item.keys.size) for item in found]
    first_key = np.cumsum([0, *sizes])
    total = int(first_key[-1])
    linked = [np.flatnonzero(item.key >= 0) for item in found]
    key = np.concatenate([item.key[rows] + start for item, rows, start in zip(found, linked, first_key, strict=False)])
    buyer = np.concatenate([item.buyer[rows] for item, rows in zip(found, linked, strict=True)])
    owned = np.concatenate([item.owned[rows] for item, rows in zip(found, linked, strict=True)])
    part = np.concatenate([item.part[rows] for item, rows in zip(found, linked, strict=True)])
    nats = np.concatenate([item.nats[rows] for item, rows in zip(found, linked, strict=True)])
    kind = np.repeat(np.arange(len(found), dtype=np.int32), sizes)
    size = np.concatenate([item.keys.size for item in found])
    household = np.concatenate([item.keys.explained for item in found])
    rare = np.zeros(total)
    np.maximum.at(rare, key, nats)
    family = np.array([detector.family.value for detector in detectors], np.int32)[kind]
    base = np.array([logit(detector.prior) for detector in detectors])[kind]
    top = np.array([logit(detector.ceiling) for detector in detectors])[kind]
    prior = np.minimum(base + np.where(household, 0.0, rare), top) + ALIKE[grade]
    keep, twin = _distinct(key, buyer, size, prior, family)
    number = np.cumsum(keep) - 1
    merged = group(number[twin[key]], buyer)
    least = np.full(merged.n, OWN, np.int8)
    np.minimum.at(least, merged.of, owned)
    told = np.flatnonzero(part)
    most = np.full(merged.n, -np.inf)
    np.maximum.at(most, merged.of[told], part[told])
    # groups come in order of key, then buyer
    key, buyer, owned = number[twin[key]][merged.first], buyer[merged.first], least
    size_class = np.searchsorted(SIZES, size, side="right")
    klass = ((kind * (len(SIZES) + 1) + size_class) * 2 + household) * len(ALIKE) + grade
    return Web(
        key=key.astype(np.int32),
        buyer=buyer.astype(np.int32),
        owned=owned,
        part=np.where(np.isfinite(most), most, 0.0),
        detector=kind[keep],
        family=family[keep],
        size=size[keep],
        weight=np.array([detector.weight for detector in detectors])[kind[keep]],
        pairs=np.array([detector.pairs for detector in detectors])[kind[keep]],
        written=np.array([detector.written for detector in detectors])[kind[keep]],
        met=np.array([detector.met for detector in detectors])[kind[keep]],
        klass=klass[keep],
        prior=prior[keep],
        base=base[keep],
        alias=number[twin],
        seat=buyer.astype(np.int64) * FAMILIES + family[keep][key],
        n=n,
    )


def _distinct(key: Longs, buyer: Ints, size: Longs, prior: Floats, family: Ints) -> tuple[Bools, Longs]:
    """(k,) true for keys to keep: of the keys with equal members the one whose prior is highest (conduct before
    instrument before place where priors tie); and (k,) the key kept in its stead.

    A place or an instrument of `APART` accounts and more is kept beside the key of what they did together."""
    n = len(size)
    if not n:
        return np.zeros(0, bool), np.zeros(0, np.int64)
    # two independent sums of scrambled buyer numbers tell member sets apart
    scrambled = [_scramble(buyer.astype(np.uint64) + np.uint64(salt)) for salt in (1, 1 << 40)]
    alike = np.zeros((3, n), np.uint64)
    for total, value in zip(alike[:2], scrambled, strict=True):
        np.add.at(total, key, value)
    alike[2] = (family == Family.CONDUCT.value) & (size >= APART)
    rank = np.lexsort((np.arange(n), -family, -prior, alike[2], alike[1], alike[0]))
    new = np.ones(n, bool)
    new[1:] = (alike[:, rank[1:]] != alike[:, rank[:-1]]).any(axis=0)
    keep = np.zeros(n, bool)
    keep[rank[new]] = True
    twin = np.empty(n, np.int64)
    twin[rank] = rank[new][np.cumsum(new) - 1]
    return keep, twin


def _scramble(value: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """SplitMix64's finaliser (Steele et al. 2014, doi:10.1145/2714064.2660195)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
