"""A policy tried on the findings of an earlier run: what would change, for whom, without writing anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from graph.store import Store
from integrity.columns import texts
from integrity.decide import limited_share
from integrity.policy import Policy
from integrity.publication import find_run
from integrity.runs import compute
from integrity.stored import recorded_ground, stored_findings


@dataclass(frozen=True)
class WouldBe:
    """One account that the tried policy would treat otherwise."""

    buyer_id: str
    before: str
    after: str


@dataclass(frozen=True)
class Trial:
    """Outcome of a trial; `held` says that the run would be held for limiting too many."""

    run_id: str
    accounts: int
    limited: int
    share: float
    held: bool
    changes: tuple[WouldBe, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)

    def moves(self) -> dict[tuple[str, str], int]:
        """How many accounts would go from which status to which."""
        return dict(Counter((one.before, one.after) for one in self.changes))


def try_policy(store: Store, policy: Policy, *, run_id: str | None = None) -> Trial:
    """Decide the findings of a run (default: the published one) by `policy` and compare with what it decided.

    The snapshot is taken again as the run saw it. Detection settings of the policy are not tried: they would need a
    new run. Raises `NotFound`."""
    run = find_run(store, run_id)
    ground = recorded_ground(store, run)
    # decisions rest on findings, not on single pieces of evidence
    found = stored_findings(store, run.run_id, with_evidence=False)
    decisions = compute(ground, policy, detect=lambda _snapshot, _settings: found).decisions
    before = store.run_rows(run.run_id, "run_decisions", columns=("buyer_id", "status"))
    old = dict(zip(texts(before, "buyer_id"), texts(before, "status"), strict=True))
    changes = [
        WouldBe(buyer, old.get(buyer, "CLEAR"), status)
        for buyer, status in zip(texts(decisions, "buyer_id"), texts(decisions, "status"), strict=True)
        if old.get(buyer, "CLEAR") != status
    ]
    limited, share = limited_share(decisions)
    held = share > policy.publication.max_limited_share
    return Trial(run.run_id, decisions.num_rows, limited, share, held, tuple(changes))
