"""Replay of an assessed claim: assessed once more from what its reference names, and compared.

The run has to be kept, and the same version of Ringfence installed. Where the buyer was forgotten meanwhile the records
tell less, and the answer may differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graph.errors import BadInput
from graph.store import Store
from integrity.acts import fingerprint
from integrity.affairs import acted
from integrity.assess import assess_claim
from integrity.checkout_view import published_run
from integrity.forgetting import forgotten_since
from integrity.policy import Policy, validate_policy
from integrity.policy_journal import POLICIES, read_journal
from integrity.publication import find_run
from integrity.references import Reference
from integrity.version import ringfence_version


@dataclass(frozen=True)
class ReplayedClaim:
    """Outcome: whether the same came of it, the fingerprint recorded and the one of now, and what was said now;
    `forgotten` says that the buyer was forgotten since, so that the records tell less."""

    reference: str
    refund_id: str
    run_id: str | None
    same: bool
    recorded: str
    again: str
    assessment: Mapping[str, Any]
    forgotten: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def replay_claim(store: Store, reference: str) -> ReplayedClaim:
    """Assess a claim once more. Raises `BadInput` for what is no reference, one of another version, or one of a policy
    that the store does not hold; `NotFound` where the run was dropped or the claim is not there."""
    one = Reference.of(reference)
    if one.version != ringfence_version():
        raise BadInput(
            f"was made by version {one.version}, this is {ringfence_version()}",
            where=reference,
            do=f"install ringfence {one.version} to replay it",
        )
    policy = _policy(store, one)
    published = None if one.run_id is None else published_run(store, find_run(store, one.run_id).run_id, policy)
    found = assess_claim(
        store, one.refund_id, published, policy, known_by=one.load, now=one.now, acted=acted(store, one.acts)
    )
    again = fingerprint(found.said())
    gone = forgotten_since(store, one.acts, found.buyer_id) > 0
    return ReplayedClaim(reference, one.refund_id, one.run_id, again == one.said, one.said, again, found.said(), gone)


def _policy(store: Store, one: Reference) -> Policy:
    for row in read_journal(store, POLICIES):
        if row["id"].startswith(one.policy):
            return validate_policy(json.loads(row["body"]), where=f"policy {one.policy} in {store.url}")
    raise BadInput(
        f"the policy {one.policy} is not in the store",
        where=one.text,
        do="publish a policy before claims are assessed: one that is only a file is not kept",
    )
