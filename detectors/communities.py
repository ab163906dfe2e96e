"""Communities: from probabilities to candidate rings.

Accounts that act (risk of one half or more) are joined where they share a guilty key; keys that only one of them has
carry nothing. A bridge alone joins nobody: an account takes part with conduct of its own, or with two kinds of
evidence; a single key does not make one of two groups that hold together without it, be it by one larger key each; and
a picture, parcel or hour that mostly others met at joins nobody, nor does a hub: people come to those by chance.
Connected components come first; inside large ones Leiden cuts along thin places, but not between accounts most
of which acted together, on the bipartite graph of accounts and keys in canonical order with a fixed seed. Linked
accounts that do not act become bystanders.
Source: Leiden, Traag, Waltman & van Eck (2019), doi:10.1038/s41598-019-41695-z.
"""

from __future__ import annotations

import random
import sys
import threading
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any, Final

import numpy as np

from detectors.contract import Family
from detectors.fusion import ACTS, HUB, Beliefs
from detectors.numerics import components, group, tally
from detectors.settings import DetectionSettings
from detectors.web import Web
from graph.snapshot import Bools, Floats, Ints, Longs

_DRAWING: Final = threading.Lock()
OWN: Final = 1.0
"""Nats of its own conduct with which an account needs no second kind of link."""
MOST: Final = 0.5
"""Share of the accounts of a conduct key or a hub that must act before it joins them."""
CORES: Final = (4, 3)
"""Acting accounts from which on a key alone makes a group of them, the larger ones first."""


@dataclass(frozen=True)
class Candidates:
    """`ring` (n,) candidate that each account acts in, -1 none; `rings` their number; `rows` (r,) rows of the web that
    hold them together; `pair` (rings,) true for two accounts whose keys are of no kind that says so of two alone: they
    may be a couple, or have met by chance."""

    ring: Ints
    rings: int
    rows: Longs
    pair: Bools

    @property
    def size(self) -> Longs:
        """(rings,) acting accounts of each."""
        counts: Longs = np.bincount(self.ring[self.ring >= 0], minlength=self.rings)
        return counts


def gather(web: Web, own: Floats, risk: Floats, guilt: Floats, settings: DetectionSettings) -> Candidates:
    """Candidate rings of acting accounts, numbered by their first account."""
    return formed(web, own, acting(web, risk, guilt), settings)


def acting(web: Web, risk: Floats, guilt: Floats) -> Longs:
    """The rows that may join: those of guilty keys, `guilt` (k,), and of accounts that act, `risk` (n,); ascending."""
    rows = web.rows_of_key.of_all(np.flatnonzero(guilt >= ACTS))[0]
    return rows[risk[web.buyer[rows]] >= ACTS]


def formed(web: Web, own: Floats, rows: Longs, settings: DetectionSettings) -> Candidates:
    """The candidate rings that these `rows` (r,) of the web join, given what accounts did alone, `own` (n,) nats."""
    nobody = Candidates(np.full(web.n, -1, np.int32), 0, np.empty(0, np.int64), np.empty(0, bool))
    rows = _held(web, own, _mostly_theirs(web, rows))
    for core in (web.n + 1, *CORES):
        rows = _parted(web, rows, core)
    if not len(rows):
        return nobody
    accounts, buyer = np.unique(web.buyer[rows], return_inverse=True)
    sides = _cut(web, rows, components(buyer, web.key[rows], len(accounts))[buyer], settings)
    kept = _joined(web, rows, sides)
    rows, sides = rows[kept], sides[kept]
    ring = np.full(web.n, -1, np.int32)
    order = np.argsort(web.buyer[rows], kind="stable")
    seen, first = np.unique(sides[order], return_index=True)
    number = np.full(int(sides.max(initial=-1)) + 1, -1, np.int32)
    number[seen[np.argsort(first)]] = np.arange(len(seen), dtype=np.int32)
    ring[web.buyer[rows]] = number[sides]
    found = Candidates(ring, len(seen), rows, np.empty(0, bool))
    alone = tally(ring[web.buyer[rows]], web.pairs[web.key[rows]], found.rings) < 2
    return replace(found, pair=(found.size == 2) & alone)


def _mostly_theirs(web: Web, rows: Longs) -> Longs:
    """Rows without those of conduct keys and of hubs most of whose accounts do not act."""
    enough = np.bincount(web.key[rows], minlength=web.keys) >= MOST * web.size
    anybodys = (web.family == Family.CONDUCT.value) | (web.size >= HUB)
    joins: Bools = enough | ~anybodys
    return rows[joins[web.key[rows]]]


def _joined(web: Web, rows: Longs, label: Longs) -> Bools:
    """(r,) true for rows of groups of two accounts or more: a cut may leave one alone."""
    groups = int(label.max(initial=-1)) + 1
    members = group(label, web.buyer[rows].astype(np.int64))
    enough: Bools = (np.bincount(label[members.first], minlength=groups) >= 2)[label]
    return enough


def _held(web: Web, own: Floats, rows: Longs) -> Longs:
    """Rows left when leaf keys are pruned and accounts that hang on one kind of link without conduct of their own."""
    for _ in range(3):
        shared = np.bincount(web.key[rows], minlength=web.keys) >= 2
        rows = rows[shared[web.key[rows]]]
        kinds = group(web.buyer[rows].astype(np.int64), web.detector[web.key[rows]].astype(np.int64))
        several = np.bincount(web.buyer[rows][kinds.first], minlength=web.n) >= 2
        # what others brought to an account's own door, number or parcel joins it to nobody
        went = np.bincount(web.buyer[rows[~web.theirs(own, rows)]], minlength=web.n) > 0
        stays = went & (several | (own >= OWN))
        rows = rows[stays[web.buyer[rows]]]
    shared = np.bincount(web.key[rows], minlength=web.keys) >= 2
    return rows[shared[web.key[rows]]]


def _parted(web: Web, rows: Longs, core: int) -> Longs:
    """Rows without those by which a single key holds groups together that hold together without such keys, or by keys
    of `core` accounts and more, which part nobody.

    A key stays with the group of most of its accounts, and leaves each other group of which it has one account only:
    one thing in common makes no ring of two, and two rings of a market come to have one in common, by a place or by
    chance."""
    if not len(rows):
        return rows
    accounts, buyer = np.unique(web.buyer[rows], return_inverse=True)
    keys, key = np.unique(web.key[rows], return_inverse=True)
    n = len(accounts)
    net = _igraph().Graph(n=n + len(keys), edges=np.stack([buyer, n + key], axis=1).tolist())
    bridge = np.zeros(n + len(keys), bool)
    bridge[net.articulation_points()] = True
    solid = ~bridge[n + key] | (np.bincount(key) >= core)[key]
    group_of = components(buyer[solid], key[solid], n)
    people = np.bincount(group_of)
    least = np.where(web.family[web.key[rows]] == Family.CONDUCT.value, 3, 2)
    at = np.flatnonzero(~solid & (people[group_of[buyer]] >= least))
    met = group(key[at], group_of[buyer[at]])
    bridges, side = key[at[met.first]], group_of[buyer[at[met.first]]]
    # of each bridge the group with most of its accounts comes last, of equals the larger one, then the first
    rank = np.lexsort((-side, people[side], met.count, bridges))
    stays = np.full(len(keys), -1, np.int64)
    stays[bridges[rank]] = rank
    leaves = (met.count == 1) & (stays[bridges] != np.arange(met.n))
    return np.delete(rows, at[leaves[met.of]])


def _cut(web: Web, rows: Longs, label: Longs, settings: DetectionSettings) -> Longs:
    """Labels of rows after large components are cut by Leiden; a row whose key fell to another side goes with its
    account's side only where another row holds it."""
    members = group(label, web.buyer[rows].astype(np.int64))
    size = np.bincount(label[members.first], minlength=int(label.max()) + 1)
    result = label.copy()
    fresh = int(label.max()) + 1
    for component in np.flatnonzero(size > settings.leiden_accounts).tolist():
        inside = np.flatnonzero(label == component)
        buyers, b = np.unique(web.buyer[rows[inside]], return_inverse=True)
        keys, k = np.unique(web.key[rows[inside]], return_inverse=True)
        net = _igraph().Graph(n=len(buyers) + len(keys), edges=np.stack([b, len(buyers) + k], axis=1).tolist())
        weight = 1.0 / np.sqrt(np.maximum(web.size[keys][k], 2))
        side = np.array(_leiden(net, weight.tolist(), settings))
        result[inside] = fresh + side[b]
        fresh += int(side.max()) + 1
    return _whole(web, rows, np.unique(result, return_inverse=True)[1])


def _whole(web: Web, rows: Longs, side: Longs) -> Longs:
    """Labels of rows, where sides are one again if half of the accounts of each share a conduct key: what they did
    together is no thin place, however few other things they share."""
    sides = int(side.max(initial=-1)) + 1
    members = group(side, web.buyer[rows])
    shared = group(side, web.key[rows])
    of, key = side[shared.first], web.key[rows][shared.first]
    half = 2 * shared.count >= np.bincount(side[members.first], minlength=sides)[of]
    chosen = half & (shared.count >= 2) & (web.family[key] == Family.CONDUCT.value)
    return components(of[chosen], key[chosen], sides)[side]


def _leiden(net: Any, weight: list[float], settings: DetectionSettings) -> list[int]:
    # igraph draws from one generator for the whole process: ours for the call, then its own default again
    with _DRAWING:
        _igraph().set_random_number_generator(random.Random(settings.seed))
        try:
            found: list[int] = net.community_leiden(
                objective_function="modularity",
                weights=weight,
                resolution=settings.leiden_resolution,
                n_iterations=10,
            ).membership
        finally:
            _igraph().set_random_number_generator(random)
    return found


@cache
def _igraph() -> ModuleType:
    """igraph, without matplotlib where that was not there yet: igraph would read it in for drawing, which takes longer
    than all the cutting here."""
    hidden = "matplotlib" not in sys.modules
    if hidden:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]  # what Python takes for a module that is not there
    try:
        import igraph
    finally:
        if hidden:
            del sys.modules["matplotlib"]
    found: ModuleType = igraph
    return found


def joined(web: Web, candidates: Candidates, beliefs: Beliefs, settings: DetectionSettings) -> Candidates:
    """The candidates with those acting accounts added that stand beside them and claim together with others: one kind
    of link holds no account in a ring, but a claim made with its people does. Their rows are not added to `rows`."""
    rows, near = _beside(web, candidates, beliefs, settings)
    together = np.zeros(web.n)
    conduct = web.family[web.key] == Family.CONDUCT.value
    np.maximum.at(together, web.buyer[conduct], beliefs.message[conduct])
    acts = (beliefs.risk >= ACTS) & (together >= OWN)
    chosen = acts[web.buyer[rows]]
    ring = candidates.ring.copy()
    ring[web.buyer[rows[chosen]]] = near[chosen]
    return replace(candidates, ring=ring)


def bystanders(web: Web, candidates: Candidates, beliefs: Beliefs, settings: DetectionSettings) -> tuple[Longs, Ints]:
    """Accounts linked to a candidate by a guilty key smaller than a hub without acting: rows of the web, and the
    candidate that most of the key's actors are in. Never more than half as many as the candidate has actors, those
    to whom their link says most first."""
    rows, near = _beside(web, candidates, beliefs, settings)
    rows = rows[np.lexsort((web.buyer[rows], -beliefs.message[rows], near))]
    near = np.sort(near, kind="stable")
    place = np.arange(len(rows)) - np.searchsorted(near, near, side="left")
    kept = 2 * (place + 1) <= candidates.size[near]
    return rows[kept], near[kept]


def _beside(web: Web, candidates: Candidates, beliefs: Beliefs, settings: DetectionSettings) -> tuple[Longs, Ints]:
    """For each account in no candidate that shares a close guilty key with one, the row that says most to it, and the
    candidate that most of the key's actors are in."""
    acting = candidates.ring[web.buyer]
    in_ring = np.flatnonzero(acting >= 0)
    if not len(in_ring):
        return np.empty(0, np.int64), np.empty(0, np.int32)
    pairs = group(web.key[in_ring].astype(np.int64), acting[in_ring].astype(np.int64))
    key, ring = web.key[in_ring][pairs.first], acting[in_ring][pairs.first]
    rank = np.lexsort((-ring, pairs.count))
    most = np.full(web.keys, -1, np.int32)
    most[key[rank]] = ring[rank]
    crowd = np.zeros(web.keys, np.int64)
    np.maximum.at(crowd, key, pairs.count)
    close = (beliefs.guilt >= ACTS) & (web.size < settings.hub_buyers) & (most >= 0) & (2 * crowd >= web.size)
    rows = np.flatnonzero(close[web.key] & (acting < 0))
    rows = rows[~web.theirs(beliefs.conduct.own, rows)]
    rows = rows[np.lexsort((rows, -beliefs.message[rows], web.buyer[rows]))]
    _, at = np.unique(web.buyer[rows], return_index=True)
    rows = rows[at]
    return rows, most[web.key[rows]]
