"""The published run held in memory, as checkout and all that is advised of accounts rest on it.

`PublishedRun` is built once from the store's run tables and never changes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from graph.store import RunRecord, Store
from integrity.checkout import AccountDecision, RunFacts, Status
from integrity.columns import rows_of, texts
from integrity.limits import limits_of
from integrity.policy import Policy
from integrity.policy_journal import policy_of
from integrity.publication import find_run


@dataclass(frozen=True)
class PublishedRun:
    """One published run. `decisions` holds every judged buyer; `limited` those with limits; `hubs` the verdict of
    every hub by identifier id. `table` reads the others on first need."""

    record: RunRecord
    facts: RunFacts
    decisions: dict[str, AccountDecision]
    limited: frozenset[str]
    hubs: dict[str, str]
    store: Store = field(repr=False)
    rings: dict[str, str] = field(default_factory=dict, repr=False)
    """Limited account to its ring, where the policy has an allowance that rings share."""
    ring_members: dict[str, list[str]] = field(default_factory=dict, repr=False)
    _tables: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> pa.Table:
        """All rows of one run table of this run, read once and kept."""
        if name not in self._tables:
            self._tables[name] = self.store.run_rows(self.record.run_id, name)
        return self._tables[name]


def published_run(store: Store, run_id: str, fallback: Policy) -> PublishedRun:
    """Build the view of a whole run; `fallback`, the policy in force, stands in where the run's is unknown.

    Raises `NotFound` for an unknown run id."""
    record = find_run(store, run_id)
    rows = store.run_rows(run_id, "run_decisions")
    decisions: dict[str, AccountDecision] = {}
    free = {status.value: AccountDecision(status) for status in (Status.CLEAR, Status.WATCH)}
    held = pc.field("status").isin([Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value])
    for buyer, status in zip(texts(rows, "buyer_id"), texts(rows, "status"), strict=True):
        decisions[buyer] = free.get(status, free[Status.CLEAR.value])
    limited = rows.filter(held)
    decisions.update(limits_of(limited))
    hubs = store.run_rows(run_id, "run_hubs", columns=("identifier", "verdict"))
    held_by = frozenset(texts(limited, "buyer_id"))
    rings: dict[str, str] = {}
    members: dict[str, list[str]] = defaultdict(list)
    rules = policy_of(store, record) or fallback
    if any(rule.of == "ring" for rule in (*fallback.checkout.allowances, *rules.checkout.allowances)):
        for row in rows_of(store.run_rows(run_id, "run_accounts", columns=("buyer_id", "ring_id"))):
            if row["ring_id"] is not None and row["buyer_id"] in held_by:
                rings[row["buyer_id"]] = row["ring_id"]
                members[row["ring_id"]].append(row["buyer_id"])
    return PublishedRun(
        record=record,
        facts=RunFacts(run_id, record.as_of, record.finished_at or record.started_at, rules),
        decisions=decisions,
        limited=held_by,
        hubs=dict(zip(texts(hubs, "identifier"), texts(hubs, "verdict"), strict=True)),
        store=store,
        rings=rings,
        ring_members=dict(members),
    )
