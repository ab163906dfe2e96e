"""Who would stand otherwise were a link or a record taken out of a run: what an appeal asks, and what an explanation
tries. The market stays as the run measured it; judgements of people go on outranking what comes of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from detectors import pipeline
from detectors.frozen import read_frozen
from detectors.names import known_rings
from detectors.recompute import Base, Recomputed, base_of, recompute, renamed
from detectors.settings import DetectionSettings
from graph.changes import Removals, without
from graph.errors import BadInput
from graph.narrow import narrow
from graph.snapshot import Snapshot
from graph.store import RunRecord, Store
from integrity.affairs import stood
from integrity.columns import rows_of, texts
from integrity.decide import Findings, decide
from integrity.earlier import earlier_run, statuses_of
from integrity.forgetting import forgot_since
from integrity.heard import heard
from integrity.outrank import outrank
from integrity.policy import Policy
from integrity.policy_journal import policy_of
from integrity.publication import find_run
from integrity.runs import Detect, Ground, ground_of


@dataclass(frozen=True)
class Standing:
    """How one account would stand otherwise; sorted by buyer id in lists. A ring is null outside rings."""

    buyer_id: str
    status_before: str
    status_after: str
    risk_before: float
    risk_after: float
    ring_before: str | None
    ring_after: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Healed:
    """What `removals` would change: accounts whose status, risk or ring would be another one."""

    run_id: str
    removals: Removals
    accounts: tuple[Standing, ...]

    @property
    def by_buyer(self) -> dict[str, Standing]:
        """The same by buyer id."""
        return {one.buyer_id: one for one in self.accounts}


class Reopened:
    """A whole run whose market can be asked "what if": its snapshot, frozen values and decisions, read once.

    At 60,000 accounts opening takes about as long as reading a snapshot and half a detection; each question afterwards
    is a fraction of a run. Questions change nothing."""

    def __init__(
        self, run: RunRecord, base: Base, policy: Policy, ground: Ground, status: dict[str, str], acts: int
    ) -> None:
        self.run, self.base, self.policy = run, base, policy
        self._ground, self._status, self._acts = ground, status, acts

    def status(self, buyer_id: str) -> str:
        """The status that the run gave an account."""
        return self._status.get(buyer_id, "CLEAR")

    def ask(self, removals: Removals) -> Healed:
        """Who heals, and whoever else stands otherwise, were `removals` taken out. Pure."""
        again = recompute(self.base, removals)
        after = self._decided(again)
        before, found = self.base.found, again.found
        ids = self.base.snapshot.buyers.ids
        rings = [_rings(one.rings, ids) for one in (before, found)]
        number = {str(ids[row]): row for row in again.affected.nonzero()[0].tolist()}
        told = []
        for buyer, row in number.items():
            one = Standing(
                buyer,
                self._status.get(buyer, "CLEAR"),
                after[buyer],
                round(float(before.risk[row]), 6),
                round(float(found.risk[row]), 6),
                rings[0].get(buyer),
                rings[1].get(buyer),
            )
            if (one.status_before, one.risk_before, one.ring_before) != (
                one.status_after,
                one.risk_after,
                one.ring_after,
            ):
                told.append(one)
        return Healed(self.run.run_id, removals, tuple(sorted(told, key=lambda one: one.buyer_id)))

    def after(self, store: Store) -> tuple[Ground, Detect] | None:
        """What a run over the same data with these measures of the market rests on by the judgements that stand now,
        and what finds from the touched part what detecting all of it again would, to the byte. None where a judgement
        was withdrawn since, so that something comes back that this run does not hold; where somebody was forgotten
        since, who is still held here; or where it is not the run that readers see."""
        _, judged, acts = stood(store)
        more = judged.removals.beyond(self._ground.judged.removals)
        if more is None or store.head().run != self.run.run_id or forgot_since(store, self._acts):
            return None
        snapshot, name = without(self._ground.snapshot, more), self.run.run_id
        before_of = earlier_run(store, name, as_of=snapshot.as_of)
        before, former = statuses_of(store, before_of), self.base.former
        ground = Ground(snapshot, judged, acts, former, before, self.base.frozen, name, before_of)

        def detect(seen: Snapshot, settings: DetectionSettings) -> Findings:
            if settings != self.policy.detection:  # a policy in the shadow
                return pipeline.detect(seen, settings, former=former, frozen=self.base.frozen)
            return pipeline.tell(recompute(self.base, more).found)

        return ground, detect

    def _decided(self, again: Recomputed) -> dict[str, str]:
        """Statuses of the affected accounts by what was found anew."""
        snapshot = narrow(again.found.ctx.snapshot, again.affected)
        findings = again.findings()
        decisions = decide(snapshot, findings, self.policy, before=self._ground.before)
        decisions = outrank(decisions, findings, self._ground.judged, self.policy, as_of=snapshot.as_of)
        return dict(zip(texts(decisions, "buyer_id"), texts(decisions, "status"), strict=True))


def reopen(store: Store, run_id: str | None = None) -> Reopened:
    """A whole run (default: the published one) to be asked. Raises `NotFound`, and `BadInput` for a run of a version
    that kept no frozen values or whose policy this version no longer understands."""
    run = find_run(store, run_id)
    policy = policy_of(store, run)
    frozen = read_frozen(store.run_rows(run.run_id, "run_frozen"))
    if policy is None or frozen is None:
        lacks = "policy" if policy is None else "measures of the market"
        raise BadInput(
            f"run {run.run_id} has kept no {lacks} that this version reads",
            where=store.url,
            do="run detection again: ringfence detect",
        )
    acts, done = json.loads(run.stats).get("acts"), stood(store)[2]
    ground = ground_of(store, run.parent, as_of=run.as_of, known_by=run.known_by, acts=acts)
    former = known_rings(*(store.run_rows(run.run_id, f"run_{name}") for name in ("rings", "lineage")))
    base = renamed(base_of(heard(ground.snapshot), policy.detection, frozen), former)
    decided = rows_of(store.run_rows(run.run_id, "run_decisions", columns=("buyer_id", "status")))
    return Reopened(run, base, policy, ground, {row["buyer_id"]: row["status"] for row in decided}, done)


def _rings(rings: Any, ids: Any) -> dict[str, str]:
    return {str(buyer): ring.ring_id for ring in rings for buyer in ids[ring.members].tolist()}
