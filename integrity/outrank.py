"""Judgements outrank the run's decisions: the last step before a run is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from graph.columns import arrow_schema
from graph.schema import BY_NAME
from integrity.checkout import Status
from integrity.columns import rows_of, texts
from integrity.decide import Findings, caps, lift_of
from integrity.instants import DAY, to_iso
from integrity.judgements import Judgement, Outranking, Said
from integrity.policy import Policy
from integrity.words import Fact, fact, reasons_of

LIMITED: Final = (Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value)
SAME: Final = 0.5
"""A group is the one judged where they share this part of all their members."""


def outrank(decisions: pa.Table, findings: Findings, judged: Outranking, policy: Policy, *, as_of: int) -> pa.Table:
    """The decisions with what people said in place of what the run says: the same rows, in the same order.

    - An account judged honest is CLEAR. One judged abusive is limited by the policy's caps, everywhere or at the
      stores named, until `expire_after_days` after the judgement or the run's `as_of`, whichever is later.
    - Members of a group that was judged to be no ring are watched at most, unless judged otherwise themselves.
    """
    if not judged.accounts and not judged.not_rings:
        return decisions
    spared = _spared(findings, judged)
    at = {buyer: number for number, buyer in enumerate(texts(decisions, "buyer_id"))}
    changed: dict[int, dict[str, Any]] = {}
    for buyer, ring in spared.items():
        if buyer in at:
            row = rows_of(decisions.slice(at[buyer], 1))[0]
            if row["status"] in LIMITED:
                changed[at[buyer]] = _plain(buyer, Status.WATCH, fact("decided_no_ring", ring=ring), row)
    for buyer, one in judged.accounts.items():
        if buyer in at:
            row = rows_of(decisions.slice(at[buyer], 1))[0]
            changed[at[buyer]] = _judged(one, row, policy, as_of)
    if not changed:
        return decisions
    schema = arrow_schema(BY_NAME["run_decisions"])
    rows = pa.Table.from_pylist([changed[number] for number in sorted(changed)], schema=schema)
    place = {number: position for position, number in enumerate(sorted(changed))}
    pick = [decisions.num_rows + place[number] if number in place else number for number in range(decisions.num_rows)]
    return pa.concat_tables([decisions.cast(schema), rows]).take(pa.array(pick, pa.int64())).combine_chunks()


def _judged(one: Judgement, row: Mapping[str, Any], policy: Policy, as_of: int) -> dict[str, Any]:
    buyer, about = one.about.id, one.about
    why = fact("decided_judged", by=one.by, role=one.role, said=about.said.value, at=to_iso(one.at))
    if about.said is Said.HONEST:
        return _plain(buyer, Status.CLEAR, why, {})
    status = Status.STORE_LIMITED if about.store_ids else Status.PLATFORM_LIMITED
    limits = policy.limits.store if about.store_ids else policy.limits.platform
    expires_at = max(one.at, as_of) + policy.limits.expire_after_days * DAY
    return {
        "buyer_id": buyer,
        "status": status.value,
        **caps(limits, row["currency"] or _only_currency(policy)),
        "limit_store_ids": sorted(about.store_ids),
        "expires_at": expires_at,
        **reasons_of(why, row["reasons"], row["reason_facts"]),
        **lift_of(fact("lift_judgement", judgement=one.judgement_id)),
    }


def _plain(buyer: str, status: Status, why: Fact, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "buyer_id": buyer,
        "status": status.value,
        "limit_store_ids": [],
        **reasons_of(why, row.get("reasons"), row.get("reason_facts")),
        **({} if status is Status.CLEAR else lift_of(fact("lift_no_ring"))),
    }


def _only_currency(policy: Policy) -> str | None:
    """The currency of the policy's amounts where there is but one: an account judged without an order has none."""
    amounts = list(policy.limits.platform.amounts)
    return amounts[0] if len(amounts) == 1 else None


def _spared(findings: Findings, judged: Outranking) -> dict[str, str]:
    """Buyer to the ring judged to be none, of every group of the run that is one of those judged."""
    spared: dict[str, str] = {}
    for row in rows_of(findings.rings.select(["ring_id", "members"])):
        members = frozenset(row["members"])
        for ring_id, before in judged.not_rings:
            if row["ring_id"] == ring_id or len(members & before) >= SAME * len(members | before):
                spared |= dict.fromkeys(members, ring_id)
    return spared
