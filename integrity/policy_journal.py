"""Policies that runs have used, kept in the store's `policies` journal by digest, so that a published run can be
explained and served with the rules it was decided by, whatever the policy file says today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graph.errors import BadInput
from graph.store import RunRecord, Store
from integrity.policy import Policy, validate_policy

POLICIES = "policies"
_PAGE = 1000


def remember_policy(store: Store, policy: Policy, *, at: int) -> None:
    """Note the policy under its digest. Idempotent."""
    store.note(POLICIES, [{"at": at, "id": policy.digest, "body": policy.canonical}])


def policy_of(store: Store, run: RunRecord) -> Policy | None:
    """The policy that a run was decided by, or None where this store has no note of it that this version understands:
    an upgrade that renames a field must not keep checkout from serving the run that stands."""
    for row in read_journal(store, POLICIES):
        if row["id"] == run.policy_digest:
            try:
                return validate_policy(json.loads(row["body"]), where=f"policy of {run.run_id} in {store.url}")
            except BadInput:
                return None
    return None


def read_journal(store: Store, journal: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """All rows of a journal behind number `after`, in the order written, a page at a time."""
    while True:
        rows = store.notes(journal, after=after, limit=_PAGE).to_pylist()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1]["seq"]
