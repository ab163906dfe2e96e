"""Letting go of what is past its age, whenever somebody asks for it: a run does part of it on its way.

Runs by the policy, with what a kept run rests on staying; what a policy decided in the shadow; reservations that nobody
can ask for any more; takes that have ended, and the allowances that hold none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from graph.leases import held
from graph.store import Store
from integrity.affairs import cited
from integrity.instants import DAY
from integrity.policy import Policy
from integrity.publication import RUN_LEASE, drop_old_runs
from integrity.shadow import prune_shadow

MARGIN: Final = 3_600 * 1_000_000
"""Takes are dropped so long (microseconds) after they ended: another host's clock may be behind."""


@dataclass(frozen=True)
class Pruned:
    """What was dropped: `runs` by id, rows of what was decided in the shadow, reservations, takes and allowances."""

    runs: tuple[str, ...]
    shadow: int
    reservations: int
    takes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**asdict(self), "runs": list(self.runs)}


def prune(store: Store, policy: Policy, *, now: int, holder: str, wait: float = 0.0) -> Pruned:
    """Drop all that is past its age at `now` (UTC microseconds). Raises `LeaseHeld` where a run is under way and `wait`
    seconds were not enough, `StoreProblem`; what was dropped by then stays so."""
    with held(store, RUN_LEASE, holder, wait=wait) as lease:
        runs = drop_old_runs(store, lease, policy, now=now, cited=cited(store))
    return Pruned(
        tuple(runs),
        prune_shadow(store, before=now - policy.publication.keep_shadow_days * DAY),
        _all(lambda: store.sweep_reservations(now=now)),
        _all(lambda: store.sweep_counters(now=now - MARGIN)),
    )


def _all(some: Callable[[], int]) -> int:
    """Again until nothing is left; each time is a short transaction."""
    total = 0
    while done := some():
        total += done
    return total
