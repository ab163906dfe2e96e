"""Replay: decide once more, from what a run recorded that it rested on, and compare byte by byte.

A run records the load it knew (`known_by`), its `as_of`, its policy, the number of acts done and its version; rows are
never lost but by forgetting a buyer, so the same version gives the same bytes a year later. Where a buyer was forgotten
since, the run's ground is no longer whole, and its decisions can't be shown to be what they were: told apart from
tampering by the digest of the ground and by the acts that say who was forgotten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from graph.columns import arrow_schema, conform, ordered
from graph.errors import BadInput, NotFound
from graph.schema import BY_NAME, run_table
from graph.store import RunRecord, Store
from integrity.columns import rows_of
from integrity.forgetting import forgotten_since
from integrity.policy_journal import policy_of
from integrity.publication import find_run, lacking
from integrity.runs import Detect, Ground, compute, ground_of
from integrity.version import ringfence_version


@dataclass(frozen=True)
class Replayed:
    """Outcome of a replay. `tables` RUN table to whether its rows are the same; `recorded` and `again` the SHA-256 of
    the decisions asked about (of all, or of one buyer), `decision` the recorded one of that buyer. `ground_same` says
    whether the records are what the run saw, `forgotten` how often somebody was forgotten since."""

    run_id: str
    version: str
    buyer_id: str | None
    same: bool
    recorded: str
    again: str
    tables: Mapping[str, bool]
    decision: Mapping[str, Any] | None
    ground_same: bool = True
    forgotten: int = 0

    @property
    def whole(self) -> bool:
        """Whether all that was stored is what came of it again."""
        return self.same and all(self.tables.values())

    @property
    def lapsed(self) -> bool:
        """Whether it differs as it must: the records tell less since somebody was forgotten."""
        return not (self.whole or self.ground_same) and self.forgotten > 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def replay(
    store: Store, run_id: str | None = None, *, buyer_id: str | None = None, detect: Detect | None = None
) -> Replayed:
    """Compute a whole run anew from what it recorded, the published one by default, and compare with what was stored.

    With `buyer_id` that buyer's decision is what `recorded` and `again` compare. Raises `NotFound` for an unknown run
    or account, `BadInput` where another version of Ringfence made the run or its policy is not known any more."""
    run = find_run(store, run_id)
    if run.version != ringfence_version():
        raise BadInput(
            f"was made by version {run.version}, this is {ringfence_version()}",
            where=run.run_id,
            do=f"install ringfence {run.version} to replay it",
        )
    policy = policy_of(store, run)
    if policy is None:
        raise BadInput("its policy is not in the store", where=run.run_id, do="restore the journal of policies")
    ground = ground_again(store, run)
    computed = compute(ground, policy, detect=detect)
    tables, stored = {}, {}
    for name, rows in computed.tables().items():
        stored[name] = store.run_rows(run.run_id, name)
        schema = arrow_schema(run_table(name))
        tables[name] = digest_of(stored[name]) == digest_of(ordered(conform(rows, schema), BY_NAME[name]))
    kept, made = stored["run_decisions"], computed.decisions
    decision = None
    if buyer_id is not None:
        kept, made = _of(kept, buyer_id), _of(made, buyer_id)
        if not kept.num_rows:
            raise NotFound(f"no account {buyer_id!r} in {run.run_id}", do="check the id")
        decision = rows_of(kept)[0]
    recorded, again = digest_of(kept), digest_of(made)
    return Replayed(
        run.run_id,
        run.version,
        buyer_id,
        recorded == again,
        recorded,
        again,
        tables,
        decision,
        ground.snapshot.digest == run.snapshot_digest,
        forgotten_since(store, json.loads(run.stats).get("acts", 0)),
    )


def ground_again(store: Store, run: RunRecord) -> Ground:
    """What the run rested on, as far as it is still there. Raises `BadInput` where a run that it needs was dropped."""
    stats = json.loads(run.stats)
    _need(store, run)
    return ground_of(
        store,
        run.parent,
        as_of=run.as_of,
        known_by=run.known_by,
        acts=stats.get("acts"),
        frozen_of=stats.get("frozen_of"),
    )


def _need(store: Store, run: RunRecord) -> None:
    """Raise `BadInput` where a run that this one went on from was let go."""
    for name in lacking(run, {one.run_id: one for one in store.runs()}):
        raise BadInput(
            f"the run {name} that it goes on from was dropped",
            where=run.run_id,
            do="keep more runs (`keep_published_runs` of the policy) to replay older ones",
        )


def digest_of(rows: pa.Table) -> str:
    """SHA-256 over the rows as canonical JSON."""
    hasher = hashlib.sha256()
    for row in rows_of(rows):
        hasher.update(
            json.dumps(row, sort_keys=True, ensure_ascii=False, default=_bytes).encode("utf-8", "surrogatepass")
        )
        hasher.update(b"\n")
    return hasher.hexdigest()


def _of(rows: pa.Table, buyer_id: str) -> pa.Table:
    ids = rows["buyer_id"].to_pylist()
    return rows.slice(ids.index(buyer_id), 1) if buyer_id in ids else rows.slice(0, 0)


def _bytes(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
