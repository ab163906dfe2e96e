"""A policy put on earlier runs: what it would have decided with what was known then, and what that would have cost.

`judge` sees the snapshot as the run saw it (`as_of`, `known_by`, the acts done by then) and the run's own findings,
nothing later; where the
policy's detection settings are other than the run's, detection is done again on that snapshot. The costs look at later
records, on purpose, and stand apart: `Judgement` holds to the byte whatever is loaded afterwards, `Cost` need not.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from graph.errors import BadInput
from graph.reader import take_snapshot
from graph.snapshot import Snapshot
from graph.store import RunRecord, Store
from integrity.checkout import RunFacts
from integrity.columns import rows_of, texts
from integrity.costs import Cost, add, aftermath, cost
from integrity.decide import limited_share
from integrity.instants import to_iso
from integrity.past_orders import Judged, judged_by, replay
from integrity.policy import Policy
from integrity.policy_diff import PolicyDiff, diff_policies
from integrity.policy_journal import policy_of
from integrity.publication import find_run
from integrity.runs import Detect, compute
from integrity.stored import recorded_ground, stored_findings


@dataclass(frozen=True)
class Judgement:
    """What a policy makes of one run's moment. `held` says that it would limit more than it allows; `digest` is that
    of all decisions; `detected` that detection was done anew."""

    run_id: str
    as_of: int
    known_by: int
    accounts: int
    limited: int
    share: float
    held: bool
    digest: str
    detected: bool
    judged: Judged
    statuses: Mapping[str, str]
    risk: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is the same bytes whatever was loaded after the run."""
        names = ("run_id", "known_by", "accounts", "limited", "share", "held", "digest", "detected")
        return {"as_of": to_iso(self.as_of)} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Simulation:
    """Two policies on one run: what would change, for whom, and at what cost in the window."""

    run_id: str
    start: int
    end: int
    orders: int
    words: PolicyDiff
    now: Judgement
    then: Judgement
    cost_now: Cost
    cost_then: Cost

    def changes(self) -> list[tuple[str, str, str]]:
        """Accounts whose status differs: id, status now, status then."""
        then = self.then.statuses
        return [(id_, one, then[id_]) for id_, one in self.now.statuses.items() if then[id_] != one]

    def moves(self) -> dict[tuple[str, str], int]:
        """How many accounts would go from which status to which."""
        return dict(Counter((before, after) for _, before, after in self.changes()))

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "run_id": self.run_id,
            "window": {"after": to_iso(self.start), "until": to_iso(self.end), "orders": self.orders},
            "policy": self.words.to_json(),
            "now": self.now.to_json() | {"cost": self.cost_now.to_json()},
            "then": self.then.to_json() | {"cost": self.cost_then.to_json()},
            "changes": [{"buyer_id": id_, "before": one, "after": other} for id_, one, other in self.changes()],
        }


@dataclass(frozen=True)
class Backtest:
    """A policy over several earlier runs, oldest first; each run's costs are of the orders up to the next run."""

    judgements: tuple[Judgement, ...]
    windows: tuple[tuple[int, int], ...]
    costs: tuple[Cost, ...]
    total: Cost

    def judgements_json(self) -> list[dict[str, Any]]:
        """What the policy decided at each moment: the same bytes whatever was loaded later."""
        return [one.to_json() for one in self.judgements]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        costs = [
            {"run_id": one.run_id, "after": to_iso(start), "until": to_iso(end), **spent.to_json()}
            for one, (start, end), spent in zip(self.judgements, self.windows, self.costs, strict=True)
        ]
        return {"judgements": self.judgements_json(), "costs": costs, "total": self.total.to_json()}


def judge(
    store: Store,
    run: RunRecord,
    policy: Policy,
    *,
    detect: Detect | None = None,
    before: Mapping[str, str] | None = None,
) -> Judgement:
    """Decide a run's moment by `policy`, with what was known then. `detect` defaults to the pipeline's and is called
    only where the policy's detection settings are not the run's. `before` is what the policy had decided of a moment
    before, buyer to status; by default it goes on from what the run went on from."""
    ground = recorded_ground(store, run)
    if before is not None:
        ground = replace(ground, before=before)
    own = policy_of(store, run)
    anew = own is None or own.detection != policy.detection
    if not anew:  # decisions rest on findings, not on single pieces of evidence
        kept = stored_findings(store, run.run_id, with_evidence=False)
        computed = compute(ground, policy, detect=lambda _snapshot, _settings: kept)
    else:
        computed = compute(ground, policy, detect=detect)
    findings, decisions = computed.findings, computed.decisions
    limited, share = limited_share(decisions)
    facts = RunFacts(run.run_id, run.as_of, run.finished_at or run.started_at, policy)
    judged = judged_by(ground.snapshot, findings, decisions, facts)
    ids = texts(decisions, "buyer_id")
    return Judgement(
        run_id=run.run_id,
        as_of=run.as_of,
        known_by=run.known_by,
        accounts=decisions.num_rows,
        limited=limited,
        share=share,
        held=share > policy.publication.max_limited_share,
        digest=_digest(decisions),
        detected=anew,
        judged=judged,
        statuses=dict(zip(ids, texts(decisions, "status"), strict=True)),
        risk={row["buyer_id"]: row["risk"] for row in rows_of(findings.accounts.select(["buyer_id", "risk"]))},
    )


def simulate_policy(
    store: Store,
    policy: Policy,
    *,
    run_id: str | None = None,
    start: int | None = None,
    end: int | None = None,
    detect: Detect | None = None,
) -> Simulation:
    """Put `policy` beside the one that a run (default: the published one) was decided by, and replay the orders after
    `start` (default: the run's as_of) up to `end` (default: the latest) through the limits of each.

    Raises `NotFound`, and `BadInput` where the window has no orders or begins before the run knew what it decided."""
    run = find_run(store, run_id)
    live = policy_of(store, run)
    if live is None:
        raise BadInput("the policy of the run is not known here", where=run.run_id, do="choose another with --run")
    start = run.as_of if start is None else start
    if start < run.as_of:
        raise BadInput(
            f"the window begins {to_iso(start)}, before the run's as_of {to_iso(run.as_of)}",
            where=run.run_id,
            do="the run knew those orders already; begin later, or choose an earlier run with --run",
        )
    later = take_snapshot(store)  # all of it: what became of an order may be known long after the window
    end = later.as_of if end is None else min(end, later.as_of)
    inside = int(((later.orders.at > start) & (later.orders.at <= end)).sum())
    if not inside:
        raise BadInput(
            f"no order was placed after {to_iso(start)} and up to {to_iso(end)}",
            where=run.run_id,
            do="choose an earlier run with --run, or make one: ringfence detect --as-of EARLIER --no-publish",
        )
    now, then = judge(store, run, live, detect=detect), judge(store, run, policy, detect=detect)
    return Simulation(
        run.run_id,
        start,
        end,
        inside,
        diff_policies(live, policy),
        now,
        then,
        _cost(later, now, start, end),
        _cost(later, then, start, end),
    )


def backtest(store: Store, policy: Policy, *, runs: int | None = None, detect: Detect | None = None) -> Backtest:
    """Put `policy` on the latest `runs` (default: all) published runs, one a moment: the first goes on from what its
    run went on from, each later one from what the policy itself decided before. Raises `BadInput` without any."""
    moments: dict[int, RunRecord] = {}
    for run in store.runs():  # of runs that looked at one instant the last one counts
        if run.state == "published":
            moments[run.as_of] = run
    chosen = [moments[at] for at in sorted(moments)]
    chosen = chosen if runs is None else chosen[-runs:]
    if not chosen:
        raise BadInput("no run has been published yet", where=store.url, do="run: ringfence detect")
    judgements: list[Judgement] = []
    for run in chosen:
        before = judgements[-1].statuses if judgements else None
        judgements.append(judge(store, run, policy, detect=detect, before=before))
    later = take_snapshot(store)
    ends = [*(run.as_of for run in chosen[1:]), max(later.as_of, chosen[-1].as_of)]
    windows = tuple((run.as_of, end) for run, end in zip(chosen, ends, strict=True))
    costs = tuple(_cost(later, one, *window) for one, window in zip(judgements, windows, strict=True))
    return Backtest(tuple(judgements), windows, costs, add(costs))


def _cost(later: Snapshot, one: Judgement, start: int, end: int) -> Cost:
    stopped = replay(later, one.judged, start=start, end=end)
    return cost(later, stopped, aftermath(later, after=start), one.risk, start=start, end=end)


def _digest(decisions: pa.Table) -> str:
    text = json.dumps(rows_of(decisions), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
