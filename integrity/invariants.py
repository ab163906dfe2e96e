"""What must hold of a run before it is published, told in words and numbers where it does not.

`facts_of` gathers what is compared, and is kept with the run; `broken` compares a run with the one that readers see.
Counts are compared where the run looks at no earlier instant than that one; calibration where enough accounts have a
verdict. Verdicts are complaints decided and decisions of the platform; detection sees them too, so calibration here
tells that something moved, not how good risk is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from graph.coding import numbered
from graph.snapshot import DECISIONS, OUTCOMES, Snapshot
from graph.store import RunRecord
from integrity.decide import Findings, limited_share
from integrity.policy import Policy
from integrity.words import Fact, Language, fact, read_fact, text_of


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


def broken(run: RunFacts, before: RunFacts | None, policy: Policy) -> list[Fact]:
    """What does not hold, each as a sentence; empty where all does. `before` is the run that readers see, if any."""
    most = policy.publication.max_limited_share
    told = []
    if run.share > most:
        told.append(fact("held_share", limited=run.limited, accounts=run.accounts, share=run.share, most=most))
    if before is not None:
        told += [*_counts(run, before, policy), *_limited(run, before, policy), *_rings(run, before, policy)]
        told += _calibration(run, before, policy)
    return told


def why_held(run: RunRecord, language: Language) -> str:
    """Why a run is held, "" where it is not. What an earlier version wrote stays English."""
    stated = json.loads(run.stats or "{}").get("held") if language != "en" else None
    return run.held_reason if stated is None else "；".join(text_of(read_fact(one), language) for one in stated)


def apart_from_allowed(stated: Fact) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """What a sentence of `broken` says but for what the policy allows: the same where two policies are broken alike."""
    left = ((name, value) for name, value in stated.values.items() if name not in ("most", "factor"))
    return stated.say, tuple(sorted(left))


def _counts(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[Fact]:
    if run.as_of < before.as_of:  # an earlier instant knows less, rightly
        return
    most = policy.invariants.max_rows_fall
    for name, now, then in (
        ("orders", run.orders, before.orders),
        ("claims", run.refunds, before.refunds),
        ("accounts", run.accounts, before.accounts),
    ):
        if now < then * (1 - most):
            yield fact("held_fell", what=name, then=then, now=now, fall=1 - now / then, most=most)


def _limited(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[Fact]:
    rules = policy.invariants
    if abs(run.limited - before.limited) > rules.ignore_limited and _apart(
        run.share, before.share, rules.limited_factor
    ):
        yield fact(
            "held_limited",
            now=run.limited,
            share=run.share,
            then=before.limited,
            before=before.share,
            factor=rules.limited_factor,
        )


def _rings(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[Fact]:
    rules = policy.invariants
    if abs(run.rings - before.rings) > rules.ignore_rings and _apart(run.rings, before.rings, rules.rings_factor):
        yield fact("held_rings", now=run.rings, then=before.rings, factor=rules.rings_factor)


def _calibration(run: RunFacts, before: RunFacts, policy: Policy) -> Iterator[Fact]:
    rules = policy.invariants
    if min(run.verdicts, before.verdicts) < rules.minimum_verdicts:
        return
    assert run.expected is not None  # there are verdicts
    assert run.abusive is not None
    assert before.expected is not None
    assert before.abusive is not None
    now, then = run.expected - run.abusive, before.expected - before.abusive
    if abs(now - then) > rules.max_calibration_drift:
        yield fact(
            "held_drift",
            accounts=run.verdicts,
            expected=run.expected,
            found=run.abusive,
            then=before.expected,
            before=before.abusive,
            most=rules.max_calibration_drift,
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
