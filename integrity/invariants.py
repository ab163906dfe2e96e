"""What must hold of a run before it is published, told in words and numbers where it does not.

`facts_of` gathers what is compared, and is kept with the run; `broken` compares a run with the one that readers see.
Counts are compared where the run looks at no earlier instant than that one; calibration where enough accounts have a
verdict. Verdicts are complaints decided and decisions of the platform; detection sees them too, so calibration here
tells that something moved, not how good risk is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from graph.coding import numbered
from graph.snapshot import DECISIONS, OUTCOMES, Snapshot
from integrity.decide import Findings, limited_share
from integrity.policy import Policy


@dataclass(frozen=True)
class RunFacts:
    """What invariants look at. `verdicts` accounts have a verdict; of them `abusive` (a share) are found abusive and
    `expected` is their mean risk (both None without any)."""

    as_of: int
    orders: int
    refunds: int
    accounts: int
    limited: int
    rings: int
    verdicts: int
    expected: float | None
    abusive: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values, as kept in the run's stats."""
        return asdict(self)

    @property
    def share(self) -> float:
        """Share of accounts that are limited."""
        return self.limited / self.accounts if self.accounts else 0.0


def facts_of(snapshot: Snapshot, findings: Findings, decisions: pa.Table) -> RunFacts:
    """What is compared of a run, from what it rests on. Pure; equal inputs give equal numbers."""
    limited, _ = limited_share(decisions)
    verdict = _verdicts(snapshot)
    known = verdict >= 0
    risk = np.zeros(len(snapshot.buyers.ids))
    accounts = findings.accounts
    place = numbered(accounts["buyer_id"], pa.array(snapshot.buyers.ids, pa.string()))
    risk[place[place >= 0]] = accounts["risk"].to_numpy()[place >= 0]
    some = bool(known.any())
    return RunFacts(
        as_of=snapshot.as_of,
        orders=len(snapshot.orders.ids),
        refunds=len(snapshot.refunds.ids),
        accounts=decisions.num_rows,
        limited=limited,
        rings=findings.rings.num_rows,
        verdicts=int(known.sum()),
        expected=round(float(risk[known].mean()), 6) if some else None,
        abusive=round(float(verdict[known].mean()), 6) if some else None,
    )


def facts_in(stats: Mapping[str, Any]) -> RunFacts | None:
    """The facts kept in a run's stats; None where a version without invariants wrote it."""
    kept = stats.get("invariants")
    try:
        return RunFacts(**kept) if isinstance(kept, dict) else None
    except TypeError:
        return None


def broken(run: RunFacts, before: RunFacts | None, policy: Policy) -> list[str]:
    """What does not hold, each in a sentence; empty where all does. `before` is the run that readers see, if any."""
    most = policy.publication.max_limited_share
    told = []
    if run.share > most:
        told.append(
            f"would limit {run.limited} of {run.accounts} accounts ({run.share:.2%}), the policy allows {most:.2%}"
        )
    if before is not None:
        told += [*_counts(run, before, policy), *_limited(run, before, policy), *_rings(run, before, policy)]
        told += _calibration(run, before, policy)
    return told


def _counts(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[str]:
    if run.as_of < before.as_of:  # an earlier instant knows less, rightly
        return
    most = policy.invariants.max_rows_fall
    for name, now, then in (
        ("orders", run.orders, before.orders),
        ("claims", run.refunds, before.refunds),
        ("accounts", run.accounts, before.accounts),
    ):
        if now < then * (1 - most):
            yield f"{name} fell from {then:,} to {now:,} (by {1 - now / then:.2%}), the policy allows {most:.2%}"


def _limited(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[str]:
    rules = policy.invariants
    if abs(run.limited - before.limited) > rules.ignore_limited and _apart(
        run.share, before.share, rules.limited_factor
    ):
        yield (
            f"would limit {run.limited:,} accounts ({run.share:.2%}) where {before.limited:,} ({before.share:.2%}) are "
            f"limited now, the policy allows a factor of {rules.limited_factor:g}"
        )


def _rings(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[str]:
    rules = policy.invariants
    if abs(run.rings - before.rings) > rules.ignore_rings and _apart(run.rings, before.rings, rules.rings_factor):
        yield (
            f"found {run.rings:,} rings where the published run has {before.rings:,}, the policy allows a factor of "
            f"{rules.rings_factor:g}"
        )


def _calibration(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[str]:
    rules = policy.invariants
    if min(run.verdicts, before.verdicts) < rules.minimum_verdicts:
        return
    assert run.expected is not None  # there are verdicts
    assert run.abusive is not None
    assert before.expected is not None
    assert before.abusive is not None
    now, then = run.expected - run.abusive, before.expected - before.abusive
    if abs(now - then) > rules.max_calibration_drift:
        yield (
            f"risk drifts from verdicts: of {run.verdicts:,} accounts with a verdict it expects {run.expected:.1%} to "
            f"be abusive and {run.abusive:.1%} are, where the published run expected {before.expected:.1%} and "
            f"{before.abusive:.1%} were; the policy allows a move of {rules.max_calibration_drift:.1%}"
        )


def _apart(one: float, other: float, factor: float) -> bool:
    return one > other * factor or other > one * factor


def _verdicts(snapshot: Snapshot) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n,) for each account: 1 where found abusive (a complaint upheld, or closed or limited by the platform), 0 where
    only the opposite was found, -1 without a verdict."""
    verdict = np.full(len(snapshot.buyers.ids), -1.0)
    complaints, past = snapshot.complaints, snapshot.past
    who = snapshot.refunds.buyer[complaints.refund]
    verdict[who[complaints.outcome == OUTCOMES.index("dismissed")]] = 0
    verdict[past.buyer[past.decision == DECISIONS.index("lifted")]] = 0
    verdict[who[complaints.outcome == OUTCOMES.index("upheld")]] = 1
    for decision in ("closed", "limited"):
        verdict[past.buyer[past.decision == DECISIONS.index(decision)]] = 1
    return verdict
