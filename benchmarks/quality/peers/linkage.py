"""Record linkage with Splink: accounts that are the same person, by their identifiers; then each person's claim rate.

Accounts are compared where they share a device, phone, payment instrument or door of at most a hundred accounts;
agreement of each and of the most used recipient (with term frequencies) is weighed by expectation maximisation as in
Splink's tutorial, and pairs from 0.95 on are clustered. Source: Fellegi & Sunter (1969),
doi:10.1080/01621459.1969.10501049; Linacre et al. (2022), doi:10.23889/ijpds.v7i3.1794.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
import pyarrow as pa
import splink.comparison_library as compare
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from benchmarks.metrics import Longs, Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import STRONG, claims_of, ranked, shared, surprise
from graph.snapshot import Snapshot

HUB: Final = 100
MATCH: Final = 0.95
SEED: Final = 1


def run(case: Case) -> Outcome:
    """Clusters of accounts taken for one person, by the surprise of their claims."""
    label = cluster(records(case.snapshot))
    return ranked(case.truth, surprise(claims_of(case.snapshot), label), label)


def records(snapshot: Snapshot) -> pa.Table:
    """One row an account: lists of identifiers, and the recipient written most often."""
    n = len(snapshot.buyers.ids)
    columns: dict[str, Any] = {"unique_id": np.arange(n)}
    for kind in STRONG:
        pairs = shared(snapshot, (kind,)).at_most(HUB)
        values: list[list[int]] = [[] for _ in range(n)]
        for account, key in zip(pairs.account.tolist(), pairs.key.tolist(), strict=True):
            values[account].append(key)
        columns[kind] = [found or None for found in values]
        columns[f"{kind}_first"] = [str(found[0]) if found else None for found in values]
    used = snapshot.orders.used["recipient"].astype(np.int64)
    rows = np.flatnonzero(used >= 0)
    pair, count = np.unique(np.column_stack([snapshot.orders.buyer[rows], used[rows]]), axis=0, return_counts=True)
    best = np.full(n, -1, np.int64)
    order = np.argsort(count, kind="stable")
    best[pair[order, 0]] = pair[order, 1]
    columns["recipient"] = [None if value < 0 else f"r{value}" for value in best.tolist()]
    return pa.table(columns)


def cluster(rows: pa.Table) -> Longs:
    """(n,) cluster of each record."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    kinds = [kind for kind in STRONG if rows[kind].null_count < len(rows)]
    blocking: list[Any] = [block_on(kind, arrays_to_explode=[kind]) for kind in kinds]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            *(compare.ArrayIntersectAtSizes(kind, [1]) for kind in kinds),
            compare.ExactMatch("recipient").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=blocking,
    )
    linker = Linker(rows, settings, DuckDBAPI(), set_up_basic_logging=False)  # type: ignore[arg-type]  # takes Arrow too
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=SEED)
    # lists can't be exploded in training, so the first of each stands for it
    for kind in ("recipient", *(f"{kind}_first" for kind in kinds)):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(kind))
    pairs = linker.inference.predict(threshold_match_probability=MATCH)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, MATCH)
    found = clusters.as_duckdbpyrelation().fetchnumpy()
    label = np.empty(len(rows), np.int64)
    label[found["unique_id"]] = np.unique(found["cluster_id"], return_inverse=True)[1]
    return label
