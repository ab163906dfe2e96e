"""One detection run from snapshot to publication.

A run's id is derived from all that it rests on (snapshot, key, policy, version, parent, judgements), so the same run
again has the same id and the same bytes. Before it, what the book of acts says of complaints is taken up into the
records; what people judged is taken out of the snapshot, and outranks the decisions. The run is written under its id
where nobody sees it, closed, and then published in one switch, or held where it breaks what the policy says must hold.
Whatever fails on the way, readers go on seeing the run they saw before.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

import pyarrow as pa

from detectors.frozen import Frozen, frozen_table, read_frozen
from detectors.names import Known, known_rings
from detectors.settings import DetectionSettings
from graph.changes import without
from graph.errors import BadInput, LeaseHeld
from graph.leases import held
from graph.reader import take_snapshot
from graph.snapshot import Snapshot
from graph.store import Lease, RunRecord, Store
from integrity.affairs import cited, stood
from integrity.columns import counts
from integrity.decide import Findings, decide
from integrity.earlier import earlier_run, statuses_of
from integrity.heard import heard
from integrity.instants import DAY
from integrity.invariants import RunFacts, broken, facts_in, facts_of
from integrity.judgements import Outranking
from integrity.outrank import outrank
from integrity.policy import Policy
from integrity.policy_journal import remember_policy
from integrity.publication import RUN_LEASE, drop_old_runs, find_run
from integrity.shadow import beside, prune_shadow
from integrity.uptake import take_up
from integrity.version import ringfence_version
from integrity.words import facts_of as facts_told
from integrity.words import texts_of

_CARRIED = ("rings", "lineage")
Detect = Callable[[Snapshot, DetectionSettings], Findings]
Step = Callable[[str], None]


@dataclass(frozen=True)
class Ground:
    """What a run rests on: the `snapshot` without what people took out, what their judgements make of it, how many acts
    had been done (`acts`), the rings of the parent run, whose names it carries on (`former`), and what the run before
    over earlier data (`before_of`) had decided, buyer to status (`before`). `frozen` are the measures of the market by
    run `frozen_of`, where they stand in for measuring it anew."""

    snapshot: Snapshot
    judged: Outranking
    acts: int
    former: Sequence[Known]
    before: Mapping[str, str] = field(default_factory=dict)
    frozen: Frozen | None = None
    frozen_of: str | None = None
    before_of: str | None = None


@dataclass(frozen=True)
class Computed:
    """What a run says, before it is written."""

    findings: Findings
    decisions: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """Rows by RUN table."""
        found = self.findings
        kept = {} if found.frozen is None else {"run_frozen": frozen_table(found.frozen)}
        return {
            "run_accounts": found.accounts,
            "run_rings": found.rings,
            "run_lineage": found.lineage,
            "run_members": found.members,
            "run_evidence": found.evidence,
            "run_hubs": found.hubs,
            "run_decisions": self.decisions,
            **kept,
        }


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run. `state` is `published`, `held` or `complete` (whole, not published, not held); `repeated`
    says that a run over the same ground was there already; `dropped` names old runs that retention let go: what they
    decided, and assessments of claims that rest on them, can't be replayed any more."""

    run: RunRecord
    state: Literal["published", "held", "complete"]
    accounts: int
    limited: int
    rings: int
    statuses: Mapping[str, int]
    absent: tuple[str, ...]
    repeated: bool
    dropped: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**asdict(self), "absent": list(self.absent), "dropped": list(self.dropped)}


def run_detection(
    store: Store,
    *,
    policy: Policy,
    now: Callable[[], int],
    holder: str,
    as_of: int | None = None,
    known_by: int | None = None,
    acts: int | None = None,
    frozen_of: str | None = None,
    publish: bool = True,
    wait: float = 0.0,
    on_wait: Callable[[LeaseHeld], None] | None = None,
    after: Callable[[], tuple[Ground, Detect] | None] | None = None,
    detect: Detect | None = None,
    step: Step | None = None,
    started: Callable[[int], object] = lambda _: None,
) -> RunOutcome:
    """Take a snapshot, detect, decide, write the run, and publish it unless it is held or `publish` is false.

    `acts` is how many acts of people count (None: all; those on complaints are taken up into the records then, unless
    `known_by` names an earlier load). With `frozen_of` the market stays as that run over the same data measured it,
    so that nothing moves but what judgements touch. `now` is the clock (UTC microseconds), asked for the run's own
    instants only; `wait` how many seconds to wait for another run to end, of which `on_wait` is told; `after`
    gives what the run rests on and what detects, where both are known without reading the store (None: they are not);
    it is asked when no other run can be published. `detect` defaults to `detectors.pipeline.detect`; `step` is told
    what is being done, and may raise to end the run; so is and may `started`, once, when the run has begun: the instant
    that it looks at. Raises `LeaseHeld`, `BadInput` where the store holds nothing,
    `StoreProblem`, `Tampered`."""
    tell = step or (lambda _: None)
    computed: Computed | None = None
    if detect is None:
        threading.Thread(target=_pipeline_module).start()
    with held(store, RUN_LEASE, holder, wait=wait, on_wait=on_wait or (lambda _: None)) as lease:
        tell("reading the snapshot")
        started_at = now()
        if acts is None and known_by is None:
            try:
                take_up(store, stood(store)[0], now=started_at, holder=holder, wait=wait)
            except LeaseHeld:
                tell("a load is under way: complaints filed here are taken up by the next run")
        parent = store.head().run
        known = None if after is None else after()
        if known is None:
            ground = ground_of(store, parent, as_of=as_of, known_by=known_by, acts=acts, frozen_of=frozen_of)
        else:
            ground, detect = known
        started(ground.snapshot.as_of)
        # its digest names the run: read beside the work, unless a run of the same ground may be there
        threading.Thread(target=lambda: ground.snapshot.digest).start()
        if not _may_be_there(store, ground, policy):
            computed = compute(ground, policy, detect=detect, step=tell)
        record = _record(store, ground, policy, started_at)
        repeated = any(run.run_id == record.run_id for run in store.runs())
        if not repeated:
            computed = computed or compute(ground, policy, detect=detect, step=tell)
            tell("writing the run")
            _write(store, lease, record, computed, ground, policy, now)
        run = find_run(store, record.run_id)
        dropped: list[str] = []
        if publish and run.state != "held":
            tell("publishing")
            store.publish(lease, run.run_id, at=now())
            dropped = drop_old_runs(store, lease, policy, now=now(), cited=cited(store))
    if computed is not None:  # the lease is given back: nobody waits for a shadow
        prune_shadow(store, before=run.started_at - policy.publication.keep_shadow_days * DAY)
        beside(store, run, policy, partial(_shadowed, ground, policy, computed, detect), computed.decisions)
    return _outcome(store, find_run(store, record.run_id), repeated, dropped)


def ground_of(
    store: Store,
    parent: str | None,
    *,
    as_of: int | None,
    known_by: int | None,
    acts: int | None,
    frozen_of: str | None = None,
) -> Ground:
    """Read what a run after `parent` rests on; arguments as in `run_detection`.

    Raises `BadInput`, also where run `frozen_of` kept no measures that this version reads; `NotFound`, `Tampered`."""
    _, judged, count = stood(store, acts)
    snapshot = without(take_snapshot(store, as_of=as_of, known_by=known_by), judged.removals)
    before_of = earlier_run(store, parent, as_of=snapshot.as_of)
    frozen = None
    if frozen_of is not None:
        frozen = read_frozen(store.run_rows(find_run(store, frozen_of).run_id, "run_frozen"))
        if frozen is None:
            raise BadInput(
                "kept no measures of the market that this version reads",
                where=frozen_of,
                do="run detection again: ringfence detect",
            )
    before = statuses_of(store, before_of)
    return Ground(snapshot, judged, count, _former(store, parent), before, frozen, frozen_of, before_of)


def compute(ground: Ground, policy: Policy, *, detect: Detect | None = None, step: Step = lambda _: None) -> Computed:
    """Detect and decide. Pure: the same ground and policy give the same bytes."""
    step("detecting")
    findings = (detect or _pipeline(ground))(heard(ground.snapshot), policy.detection)
    step("deciding")
    decisions = decide(ground.snapshot, findings, policy, before=ground.before)
    return Computed(findings, outrank(decisions, findings, ground.judged, policy, as_of=ground.snapshot.as_of))


def _shadowed(ground: Ground, live: Policy, computed: Computed, detect: Detect | None, shadow: Policy) -> Computed:
    """The same ground decided by another policy; detected anew only where that one detects otherwise."""
    same = shadow.detection == live.detection
    return compute(ground, shadow, detect=(lambda _snapshot, _settings: computed.findings) if same else detect)


def run_id_of(
    snapshot_digest: str, key_fingerprint: str, policy_digest: str, version: str, parent: str | None, *more: str
) -> str:
    """`run-` and 12 hex digits of all that a run rests on; `more` is what there is only sometimes: a digest of the
    judgements that stand, the run that measured the market."""
    ground = [snapshot_digest, key_fingerprint, policy_digest, version, parent, *more]
    return "run-" + hashlib.sha256(json.dumps(ground).encode()).hexdigest()[:12]


def _former(store: Store, parent: str | None) -> Sequence[Known]:
    """What the parent run says of rings: the only thing of it that is carried over."""
    return () if parent is None else known_rings(*(store.run_rows(parent, f"run_{name}") for name in _CARRIED))


def _pipeline(ground: Ground) -> Detect:
    return partial(_pipeline_module().detect, former=ground.former, frozen=ground.frozen)


def _pipeline_module() -> ModuleType:
    """Detection, with the libraries that it needs: read in while the store is being read, which mostly waits."""
    return import_module("detectors.pipeline")


def _may_be_there(store: Store, ground: Ground, policy: Policy) -> bool:
    """Whether a run over this ground can have been made already, as far as can be told without reading the ground."""
    snapshot, parent, version = ground.snapshot, store.head().run, ringfence_version()
    wanted = (snapshot.as_of, snapshot.known_by, policy.digest, version, parent)
    return any((run.as_of, run.known_by, run.policy_digest, run.version, run.parent) == wanted for run in store.runs())


def _record(store: Store, ground: Ground, policy: Policy, started_at: int) -> RunRecord:
    parent, version, snapshot = store.head().run, ringfence_version(), ground.snapshot
    fingerprint = store.meta().get("key_fingerprint", "")
    more = [one for one in (ground.judged.digest, ground.frozen_of) if one]
    run_id = run_id_of(snapshot.digest, fingerprint, policy.digest, version, parent, *more)
    return RunRecord(
        run_id=run_id,
        state="building",
        as_of=snapshot.as_of,
        known_by=snapshot.known_by,
        policy=policy.version,
        policy_digest=policy.digest,
        version=version,
        snapshot_digest=snapshot.digest,
        parent=parent,
        started_at=started_at,
        finished_at=None,
        published_at=None,
        held_reason="",
        stats="{}",
    )


def _write(
    store: Store,
    lease: Lease,
    record: RunRecord,
    computed: Computed,
    ground: Ground,
    policy: Policy,
    now: Callable[[], int],
) -> None:
    remember_policy(store, policy, at=record.started_at)
    store.begin_run(lease, record)
    findings, decisions = computed.findings, computed.decisions
    for name, rows in computed.tables().items():
        store.write_run(lease, record.run_id, name, rows)
    facts = facts_of(ground.snapshot, findings, decisions)
    told = broken(facts, _before(store), policy)
    reason = "; ".join(texts_of(told))
    stats = {
        "accounts": decisions.num_rows,
        "limited": facts.limited,
        "rings": findings.rings.num_rows,
        "acts": ground.acts,
        "frozen_of": ground.frozen_of,
        "before_of": ground.before_of,
        "statuses": counts(decisions, "status"),
        "detection": findings.stats,
        "invariants": facts.to_json(),
        **({"held": facts_told(told)} if told else {}),
    }
    store.finish_run(
        lease,
        record.run_id,
        state="held" if reason else "complete",
        held_reason=reason,
        stats=json.dumps(stats, sort_keys=True, ensure_ascii=False, default=list),
        at=now(),
    )


def _before(store: Store) -> RunFacts | None:
    """Facts of the run that readers see; None where there is none."""
    return None if store.head().run is None else facts_in(json.loads(find_run(store, None).stats))


def _outcome(store: Store, run: RunRecord, repeated: bool, dropped: list[str]) -> RunOutcome:
    stats = json.loads(run.stats)
    published = store.head().run == run.run_id
    return RunOutcome(
        run=run,
        state="published" if published else "held" if run.state == "held" else "complete",
        accounts=stats.get("accounts", 0),
        limited=stats.get("limited", 0),
        rings=stats.get("rings", 0),
        statuses=stats.get("statuses", {}),
        absent=tuple(stats.get("detection", {}).get("absent", ())),
        repeated=repeated,
        dropped=tuple(dropped),
    )
