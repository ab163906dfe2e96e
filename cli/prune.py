"""The command prune: let go of what is past its age."""

from __future__ import annotations

from cli.common import (
    AsJson,
    Namespace,
    PolicyFile,
    StoreUrl,
    Wait,
    answer,
    chosen_policy,
    holder,
    now_us,
    opened,
    table,
)
from integrity.prune import prune as prune_store


def prune(
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Drop what is past its age: runs and what was decided in the shadow, by the policy's `[publication]`;
    reservations and takes that have ended.

    What a kept run rests on stays, and so do the runs of open appeals and cases. Servers and runs do most of it by
    themselves; run this where none has for long."""
    with opened(store, namespace) as at:
        done = prune_store(at, chosen_policy(policy, at), now=now_us(), holder=holder("ringfence prune"), wait=wait)
    rows: list[tuple[object, ...]] = [
        ("runs", len(done.runs), ", ".join(done.runs)),
        ("decided in the shadow", done.shadow, ""),
        ("reservations", done.reservations, ""),
        ("takes and allowances", done.takes, ""),
    ]
    answer(done.to_json(), as_json, lambda: table("dropped", "how many", "", rows=rows))
