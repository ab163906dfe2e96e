"""Leiden communities of the graph of accounts, and for each community a Poisson test of its claims.

Accounts are joined by each device, phone, payment instrument and door of at most twenty accounts, with weight
1 / (accounts − 1); constant Potts model, resolution 0.05. An account scores by the surprise of its claims or of its
community's, whichever is less.
Source: Traag, Waltman & van Eck (2019), doi:10.1038/s41598-019-41695-z.
"""

from __future__ import annotations

import random
from typing import Final

import igraph
import numpy as np

from benchmarks.metrics import Floats, Longs, Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import STRONG, Shared, claims_of, ranked, shared, surprise

HUB: Final = 20
RESOLUTION: Final = 0.05
SEED: Final = 1


def run(case: Case) -> Outcome:
    """Communities of two accounts or more, by how surprising their claims are."""
    claims = claims_of(case.snapshot)
    n = len(claims.orders)
    one, two, weight = project(shared(case.snapshot, STRONG).at_most(HUB))
    net = igraph.Graph(n=n, edges=np.column_stack([one, two]).tolist())
    igraph.set_random_number_generator(random.Random(SEED))
    try:
        found = net.community_leiden(
            objective_function="CPM", resolution=RESOLUTION, weights=weight.tolist(), n_iterations=10
        )
    finally:
        igraph.set_random_number_generator(random)
    label = np.array(found.membership, dtype=np.int64)
    return ranked(case.truth, surprise(claims, label), label)


def project(pairs: Shared) -> tuple[Longs, Longs, Floats]:
    """Pairs of accounts with a key in common, and their weight; only for keys of few accounts."""
    order = np.lexsort((pairs.account, pairs.key))
    account, key = pairs.account[order], pairs.key[order]
    degree = np.bincount(key, minlength=pairs.keys)
    lefts, rights, weights = [], [], []
    for step in range(1, int(degree.max(initial=1))):
        same = np.flatnonzero(key[step:] == key[:-step])
        lefts.append(account[same])
        rights.append(account[same + step])
        weights.append(1.0 / (degree[key[same]] - 1.0))
    if not lefts:
        none = np.empty(0, np.int64)
        return none, none, np.empty(0)
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(weights)
