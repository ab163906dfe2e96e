"""Deciding anew: the published run once more, over the same data and policy, with the judgements that stand now."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from detectors.frozen import read_frozen
from graph.errors import RunHeld
from graph.store import RunRecord, Store
from integrity.policy import Policy
from integrity.policy_journal import policy_of
from integrity.publication import find_run
from integrity.runs import Step, run_detection

if TYPE_CHECKING:
    from integrity.healing import Reopened


def decide_anew(
    store: Store,
    *,
    policy: Policy,
    now: Callable[[], int],
    holder: str,
    wait: float = 30.0,
    opened: Reopened | None = None,
    step: Step | None = None,
) -> str:
    """Run again over the published run's data, with the market as it measured it, publish, and return the new run's id.

    So nothing moves but what hangs on judgements made or withdrawn since: whoever shares nothing with what they are
    about stands as before, to the byte. `policy` stands in where the run's own is not known any more; `opened` is the
    published run where it was opened to be asked: then only what the judgements touch is weighed anew, with the same
    outcome to the byte. `step` is told what is being done. Raises `NotFound` without a published run, `RunHeld` where
    too many would be limited."""
    current = find_run(store, None)
    outcome = run_detection(
        store,
        policy=policy_of(store, current) or policy,
        now=now,
        holder=holder,
        as_of=current.as_of,
        known_by=current.known_by,
        frozen_of=_measured(store, current),
        wait=wait,
        after=None if opened is None else partial(opened.after, store),
        step=step,
    )
    if outcome.state != "published":
        raise RunHeld(outcome.run.held_reason, where=outcome.run.run_id, do="look at it, then publish or withdraw")
    return outcome.run.run_id


def _measured(store: Store, run: RunRecord) -> str | None:
    """The run itself where it kept its measures of the market, else None."""
    return run.run_id if read_frozen(store.run_rows(run.run_id, "run_frozen")) is not None else None
