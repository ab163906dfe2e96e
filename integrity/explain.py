"""Why an account or a ring stands as it does, down to the source records, as data; `explain_text` has it as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graph.errors import NotFound
from graph.store import RunRecord, Store
from integrity.columns import rows_of
from integrity.instants import to_iso
from integrity.money import to_text
from integrity.publication import find_run
from integrity.records import masked_identifiers, read_records
from integrity.words import Language, say


def explain_account(
    store: Store, buyer_id: str, *, run_id: str | None = None, language: Language = "en"
) -> dict[str, Any]:
    """All that a run (default: the published one) says of an account: decision, findings for and against, its ring,
    and each piece of evidence with the source record behind it. Sentences are in `language`. Raises `NotFound`."""
    run = find_run(store, run_id)
    decision = _one(store, run, "run_decisions", "buyer_id", buyer_id)
    if decision is None:
        raise NotFound(
            f"run {run.run_id} knows no account {buyer_id!r}", where=store.url, do="check the id; load newer data"
        )
    account = _one(store, run, "run_accounts", "buyer_id", buyer_id) or {}
    ring_id = account.get("ring_id")
    ring = _one(store, run, "run_rings", "ring_id", ring_id) if ring_id else None
    member = _rows(store, run, "run_members", buyer_id=buyer_id, ring_id=ring_id) if ring_id else []
    return {
        "run_id": run.run_id,
        "as_of": to_iso(run.as_of),
        "policy": run.policy,
        "buyer_id": buyer_id,
        "status": decision["status"],
        "risk": account.get("risk", 0.0),
        "orders": account.get("orders", 0),
        "claims": account.get("claims", 0),
        "expected_claims": account.get("expected_claims", 0.0),
        "decision": _decision(decision, language),
        "reasons": say(account.get("reasons", []), account.get("reason_facts"), language),
        "against": say(account.get("against", []), account.get("against_facts"), language),
        "ring": None if ring is None else _ring(ring, member[0] if member else None, language),
        "evidence": _evidence(store, run, _rows(store, run, "run_evidence", buyer_id=buyer_id), language),
    }


def explain_ring(store: Store, ring_id: str, *, run_id: str | None = None, language: Language = "en") -> dict[str, Any]:
    """All that a run says of a ring: members with their probability and status, and the evidence for each.

    Raises `NotFound`."""
    run = find_run(store, run_id)
    ring = _one(store, run, "run_rings", "ring_id", ring_id)
    if ring is None:
        raise NotFound(f"run {run.run_id} has no ring {ring_id!r}", where=store.url, do="`ringfence runs` lists runs")
    members = _rows(store, run, "run_members", ring_id=ring_id)
    names = [row["buyer_id"] for row in members]
    status = _by(store.run_rows(run.run_id, "run_decisions", columns=("buyer_id", "status")), "buyer_id", names)
    risk = _by(store.run_rows(run.run_id, "run_accounts", columns=("buyer_id", "risk", "claims")), "buyer_id", names)
    return {
        "run_id": run.run_id,
        "as_of": to_iso(run.as_of),
        "policy": run.policy,
        **_ring(ring, None, language),
        "lineage": _lineage(store, run, ring_id),
        "members": [
            {
                "buyer_id": row["buyer_id"],
                "probability": row["probability"],
                "role": row["role"],
                "status": status.get(row["buyer_id"], {}).get("status"),
                "risk": risk.get(row["buyer_id"], {}).get("risk"),
                "claims": risk.get(row["buyer_id"], {}).get("claims"),
            }
            for row in sorted(members, key=lambda row: (-row["probability"], row["buyer_id"]))
        ],
        "evidence": _evidence(store, run, _rows(store, run, "run_evidence", ring_id=ring_id), language),
    }


def _rows(store: Store, run: RunRecord, table: str, **wanted: Any) -> list[dict[str, Any]]:
    rows = store.run_rows(run.run_id, table)
    for column, value in wanted.items():
        rows = rows.filter(pc.equal(rows[column], value))
    return rows_of(rows)


def _one(store: Store, run: RunRecord, table: str, column: str, value: str) -> dict[str, Any] | None:
    found = _rows(store, run, table, **{column: value})
    return found[0] if found else None


def _by(rows: pa.Table, column: str, values: Sequence[str]) -> dict[str, dict[str, Any]]:
    kept = rows.filter(pc.is_in(rows[column], value_set=pa.array(values, pa.string())))
    return {row[column]: row for row in rows_of(kept)}


def _decision(row: Mapping[str, Any], language: Language) -> dict[str, Any]:
    currency = row["currency"]
    amounts = {
        name: None if row[name] is None else to_text(row[name], currency)
        for name in ("limit_amount_1d", "limit_amount_30d")
    }
    lift = [] if row["lift"] is None else [row["lift"]]
    return {
        **{name: value for name, value in row.items() if name not in ("buyer_id", "reason_facts", "lift_fact")},
        **amounts,
        "reasons": say(row["reasons"], row["reason_facts"], language),
        "lift": next(iter(say(lift, [row["lift_fact"]] if row["lift_fact"] else None, language)), None),
        "expires_at": None if row["expires_at"] is None else to_iso(row["expires_at"]),
    }


def _ring(row: Mapping[str, Any], member: Mapping[str, Any] | None, language: Language) -> dict[str, Any]:
    told = {
        "ring_id": row["ring_id"],
        "size": len(row["members"]),
        "stores": row["stores"],
        "amount": f"{to_text(row['amount'], row['currency'])} {row['currency']}",
        "confidence": row["confidence"],
        "first_at": to_iso(row["first_at"]),
        "last_at": to_iso(row["last_at"]),
        "reasons": say(row["reasons"], row["reason_facts"], language),
    }
    if member is not None:
        told |= {"role": member["role"], "probability": member["probability"]}
    return told


def _lineage(store: Store, run: RunRecord, ring_id: str) -> dict[str, Any] | None:
    """Where a ring comes from; None in runs that did not record it."""
    row = _one(store, run, "run_lineage", "ring_id", ring_id)
    return None if row is None else {name: row[name] for name in ("state", "splits_from", "merges")}


def _evidence(
    store: Store, run: RunRecord, rows: Sequence[Mapping[str, Any]], language: Language
) -> list[dict[str, Any]]:
    """Heaviest first; each with its source record and the masked identifier."""
    records = read_records(store, ((row["source_table"], row["source_id"]) for row in rows), known_by=run.known_by)
    masks = masked_identifiers(store, (row["identifier"] for row in rows if row["identifier"]))
    return [
        {
            **{name: value for name, value in row.items() if name != "fact"},
            "text": say([row["text"]], [row["fact"]] if row["fact"] else None, language)[0],
            "shown": masks.get(row["identifier"] or "", ""),
            "record": records.get((row["source_table"], row["source_id"])),
        }
        for row in sorted(rows, key=lambda row: (-abs(row["nats"]), row["evidence_id"]))
    ]
