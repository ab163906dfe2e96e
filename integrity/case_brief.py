"""The brief of a case: facts tied to their source records, a timeline, and what was decided before.

Everything in it can be opened: each fact and event names the table and id of its record. Notes are counted, not told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.errors import NotFound
from graph.store import RunRecord, Store
from integrity.affairs import Affairs
from integrity.case_queue import RING
from integrity.cases import Case
from integrity.columns import rows_of
from integrity.explain import explain_account, explain_ring
from integrity.instants import to_iso
from integrity.money import to_text
from integrity.publication import find_run


@dataclass(frozen=True)
class Event:
    """Something that happened: when (UTC microseconds), in words, and the record that says so."""

    at: int
    text: str
    table: str
    id: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"at": to_iso(self.at), "text": self.text, "table": self.table, "id": self.id}


@dataclass(frozen=True)
class Brief:
    """A case told. `told` is what the run says of its ring or account (`integrity.explain`); `before` are sentences on
    what was decided of its accounts before, with the record or act of each."""

    case: Case
    run: RunRecord
    told: Mapping[str, Any]
    timeline: tuple[Event, ...]
    before: tuple[Event, ...]

    @property
    def facts(self) -> Sequence[Mapping[str, Any]]:
        """The run's evidence, heaviest first, each with its source record."""
        found: Sequence[Mapping[str, Any]] = self.told["evidence"]
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "case": _case_json(self.case),
            "run": {
                "run_id": self.run.run_id,
                "as_of": to_iso(self.run.as_of),
                "policy": self.run.policy,
                "policy_digest": self.run.policy_digest,
                "snapshot_digest": self.run.snapshot_digest,
                "version": self.run.version,
            },
            "says": {name: value for name, value in self.told.items() if name != "evidence"},
            "facts": [dict(one) for one in self.facts],
            "timeline": [one.to_json() for one in self.timeline],
            "decided_before": [one.to_json() for one in self.before],
        }


def brief(store: Store, case: Case, affairs: Affairs) -> Brief:
    """The brief of a case by the run that it was opened on, or the published one where that run was dropped.

    Raises `NotFound` where neither knows what the case is about."""
    run = _run_of(store, case)
    explain = explain_ring if case.target == RING else explain_account
    told = explain(store, case.target_id, run_id=run.run_id)
    buyers = sorted({*case.buyer_ids, *(one["buyer_id"] for one in told.get("members", ()))})
    before = _before(store, buyers, case, affairs, run)
    return Brief(case, run, told, tuple(_timeline(store, buyers, run)), tuple(before))


def brief_text(one: Brief) -> str:
    """A brief as Markdown."""
    case, told = one.case, one.told
    amount = f"{to_text(case.amount, case.currency)} {case.currency}"
    lines = [
        f"# {case.case_id}",
        "",
        f"{case.target} {case.target_id}, {len(case.buyer_ids)} accounts, {amount} claimed, confidence "
        f"{case.confidence:.3f}. Opened {to_iso(case.opened_at)} by {case.opened_by}"
        + (f", assigned to {case.assignee}" if case.assignee else "")
        + f"; {case.state}.",
        f"By {one.run.run_id} as of {to_iso(one.run.as_of)}, policy {one.run.policy}.",
    ]
    if case.decision:
        lines.append(f"Decided {case.decision} by {case.decided_by}, {to_iso(case.decided_at or 0)}: {case.reason}")
    lines += ["", "## Why", "", *(f"- {reason}" for reason in told["reasons"])]
    members = told.get("members", ())
    if members:
        lines += ["", "## Accounts", "", "| account | role | probability | status | claims |", "|---|---|---|---|---|"]
        lines += [
            f"| {_cell(row['buyer_id'])} | {row['role']} | {row['probability']:.2f} | {row['status'] or ''} "
            f"| {'' if row['claims'] is None else row['claims']} |"
            for row in members
        ]
    lines += ["", "## Facts", "", "Heaviest first, in nats; negative speaks against.", ""]
    lines += [_fact(n, row) for n, row in enumerate(one.facts, 1)]
    lines += ["", "## Timeline", "", *(_line(event) for event in one.timeline)]
    lines += ["", "## Decided before", "", *(_line(event) for event in one.before)]
    if not one.before:
        lines.append("Nothing.")
    return "\n".join(lines) + "\n"


def _fact(n: int, row: Mapping[str, Any]) -> str:
    shown = f", {row['shown']}" if row["shown"] else ""
    source = f"{row['source_table']} {_cell(row['source_id'])}{shown}"
    return f"{n}. {row['nats']:+.2f} {_cell(row['buyer_id'])}: {row['text']} ({source})"


def _line(event: Event) -> str:
    return f"- {to_iso(event.at)} {event.text} ({event.table} {_cell(event.id)})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _case_json(case: Case) -> dict[str, Any]:
    told = case.to_json()
    for name in ("opened_at", "decided_at", "closed_at"):
        told[name] = None if told[name] is None else to_iso(told[name])
    return {**told, "amount": to_text(case.amount, case.currency)}


def _run_of(store: Store, case: Case) -> RunRecord:
    try:
        return find_run(store, case.run_id)
    except NotFound:
        return find_run(store, None)


def _timeline(store: Store, buyers: Sequence[str], run: RunRecord) -> list[Event]:
    """Accounts opened, claims, complaints and uses of what the accounts share, up to the run's `as_of`, by time."""

    def find(table: str, column: str, values: Sequence[str]) -> list[dict[str, Any]]:
        return rows_of(store.find(table, column, sorted(set(values)), known_by=run.known_by)) if values else []

    orders = {row["order_id"]: row for row in find("orders", "buyer_id", buyers)}
    claims = find("refunds", "order_id", list(orders))
    reports = find("complaints", "refund_id", [row["refund_id"] for row in claims])
    events = [
        Event(row["registered_at"], f"account {row['buyer_id']} opened", "buyers", row["buyer_id"])
        for row in find("buyers", "buyer_id", buyers)
        if row["registered_at"] is not None
    ]
    for row in claims:
        order = orders[row["order_id"]]
        amount = to_text(row["amount"] if row["amount"] is not None else order["amount"], order["currency"])
        what = f"{order['buyer_id']} asks {amount} {order['currency']} back at {order['store_id']} ({row['kind']})"
        if row["initiated_by"] != "buyer":
            what = f"{row['initiated_by']} refunds {order['buyer_id']} {amount} {order['currency']}"
        events.append(Event(row["requested_at"], what, "refunds", row["refund_id"]))
        if row["outcome"] != "pending" and row["outcome_at"] is not None:
            events.append(
                Event(row["outcome_at"], f"claim {row['refund_id']} {row['outcome']}", "refunds", row["refund_id"])
            )
    for row in reports:
        text = f"the store reports claim {row['refund_id']}: {row['type'].replace('_', ' ')}"
        events.append(Event(row["filed_at"], text, "complaints", row["complaint_id"]))
        if row["outcome"] != "pending" and row["outcome_at"] is not None:
            text = f"report {row['complaint_id']} {row['outcome']}"
            events.append(Event(row["outcome_at"], text, "complaints", row["complaint_id"]))
    return _sorted(one for one in events if one.at <= run.as_of)


def _before(store: Store, buyers: Sequence[str], case: Case, affairs: Affairs, run: RunRecord) -> list[Event]:
    """What the platform and its people decided of these accounts, by time; acts by their number."""
    past = rows_of(store.find("past_decisions", "buyer_id", list(buyers), known_by=run.known_by)) if buyers else []
    events = [
        Event(
            row["decided_at"],
            f"{row['buyer_id']} {row['decision']} ({row['scope']}{' ' + row['store_id'] if row['store_id'] else ''})",
            "past_decisions",
            row["decision_id"],
        )
        for row in past
    ]
    who = frozenset(buyers)
    for one in affairs.judgements.all.values():
        about = one.about
        if about.id in who or about.buyer_id in who or about.id == case.target_id:
            text = f"{one.by} judged {about.target.value} {about.id} {about.said.value}; {one.state}"
            events.append(Event(one.at, text, "acts", one.judgement_id))
    for appeal in affairs.appeals.all.values():
        if appeal.buyer_id in who:
            text = f"{appeal.buyer_id} appealed; {appeal.state}"
            events.append(Event(appeal.opened_at, text, "acts", appeal.appeal_id))
    for other in affairs.cases.about(who):
        if other.case_id != case.case_id:
            text = f"{other.case_id} on {other.target} {other.target_id}: {other.decision or other.state}"
            events.append(Event(other.decided_at or other.opened_at, text, "acts", other.case_id))
    return _sorted(events)


def _sorted(events: Any) -> list[Event]:
    return sorted(events, key=lambda one: (one.at, one.table, one.id, one.text))
