"""The brief of a case: facts tied to their source records, a timeline, and what was decided before.

Everything in it is said in English or Chinese and can be opened: each fact and event names the table and id of its
record. Notes are counted, not told.
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
from integrity.words import Fact, Language, fact, name_of, text_of


@dataclass(frozen=True)
class Event:
    """Something that happened: when (UTC microseconds), what, and the record that says so."""

    at: int
    what: Fact
    table: str
    id: str

    def to_json(self, language: Language = "en") -> dict[str, Any]:
        """Plain values, `text` in a language."""
        return {"at": to_iso(self.at), "text": text_of(self.what, language), "table": self.table, "id": self.id}


@dataclass(frozen=True)
class Brief:
    """A case told. `told` is what the run says of its ring or account (`integrity.explain`); `before` are sentences on
    what was decided of its accounts before, with the record or act of each."""

    case: Case
    run: RunRecord
    told: Mapping[str, Any]
    timeline: tuple[Event, ...]
    before: tuple[Event, ...]
    language: Language = "en"

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
            "timeline": [one.to_json(self.language) for one in self.timeline],
            "decided_before": [one.to_json(self.language) for one in self.before],
        }


def brief(store: Store, case: Case, affairs: Affairs, language: Language = "en") -> Brief:
    """The brief of a case, told in a language, by the run that it was opened on, or the published one where that run
    was dropped.

    Raises `NotFound` where neither knows what the case is about."""
    run = _run_of(store, case)
    explain = explain_ring if case.target == RING else explain_account
    told = explain(store, case.target_id, run_id=run.run_id, language=language)
    buyers = sorted({*case.buyer_ids, *(one["buyer_id"] for one in told.get("members", ()))})
    before = _before(store, buyers, case, affairs, run)
    return Brief(case, run, told, tuple(_timeline(store, buyers, run)), tuple(before), language)


def brief_text(one: Brief) -> str:
    """A brief as Markdown, in its language."""
    case, told, language = one.case, one.told, one.language

    def w(say: str, **values: Any) -> str:
        return text_of(fact(f"brief_{say}", **values), language)

    def section(title: str) -> list[str]:
        return ["", f"## {w(title)}", ""]

    head = w(
        "head",
        target=case.target,
        id=case.target_id,
        accounts=len(case.buyer_ids),
        amount=f"{to_text(case.amount, case.currency)} {case.currency}",
        confidence=case.confidence,
        at=to_iso(case.opened_at),
        by=case.opened_by,
        assigned=w("assigned", to=case.assignee) if case.assignee else "",
        state=case.state,
    )
    lines = [f"# {case.case_id}", "", head]
    lines.append(w("run", run=one.run.run_id, at=to_iso(one.run.as_of), policy=one.run.policy))
    if case.decision:
        at = to_iso(case.decided_at or 0)
        lines.append(w("decided", decision=case.decision, by=case.decided_by, at=at, reason=case.reason))
    lines += [*section("why"), *(f"- {reason}" for reason in told["reasons"])]
    members = told.get("members", ())
    if members:
        lines += [*section("accounts"), f"| {' | '.join(w('columns').split('|'))} |", "|---|---|---|---|---|"]
        lines += [
            f"| {_cell(row['buyer_id'])} | {name_of('part', row['role'], language)} | {row['probability']:.2f} "
            f"| {name_of('status', row['status'] or '', language)} | {'' if row['claims'] is None else row['claims']} |"
            for row in members
        ]
    lines += [*section("facts"), w("weights"), ""]
    lines += [_fact(n, row) for n, row in enumerate(one.facts, 1)]
    lines += [*section("timeline"), *(_line(event, language) for event in one.timeline)]
    lines += [*section("before"), *(_line(event, language) for event in one.before)]
    if not one.before:
        lines.append(w("nothing"))
    return "\n".join(lines) + "\n"


def _fact(n: int, row: Mapping[str, Any]) -> str:
    shown = f", {row['shown']}" if row["shown"] else ""
    source = f"{row['source_table']} {_cell(row['source_id'])}{shown}"
    return f"{n}. {row['nats']:+.2f} {_cell(row['buyer_id'])}: {row['text']} ({source})"


def _line(event: Event, language: Language) -> str:
    return f"- {to_iso(event.at)} {text_of(event.what, language)} ({event.table} {_cell(event.id)})"


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
        Event(row["registered_at"], fact("event_opened", buyer=row["buyer_id"]), "buyers", row["buyer_id"])
        for row in find("buyers", "buyer_id", buyers)
        if row["registered_at"] is not None
    ]
    for row in claims:
        order = orders[row["order_id"]]
        asked = {
            "buyer": order["buyer_id"],
            "amount": to_text(row["amount"] if row["amount"] is not None else order["amount"], order["currency"]),
            "currency": order["currency"],
        }
        if row["initiated_by"] == "buyer":
            what = fact("event_claim", **asked, store=order["store_id"], kind=row["kind"])
        else:
            what = fact("event_refund", **asked, by=row["initiated_by"])
        events.append(Event(row["requested_at"], what, "refunds", row["refund_id"]))
        if row["outcome"] != "pending" and row["outcome_at"] is not None:
            what = fact("event_claim_decided", refund=row["refund_id"], outcome=row["outcome"])
            events.append(Event(row["outcome_at"], what, "refunds", row["refund_id"]))
    for row in reports:
        what = fact("event_report", refund=row["refund_id"], type=row["type"])
        events.append(Event(row["filed_at"], what, "complaints", row["complaint_id"]))
        if row["outcome"] != "pending" and row["outcome_at"] is not None:
            what = fact("event_report_decided", complaint=row["complaint_id"], verdict=row["outcome"])
            events.append(Event(row["outcome_at"], what, "complaints", row["complaint_id"]))
    return _sorted(one for one in events if one.at <= run.as_of)


def _before(store: Store, buyers: Sequence[str], case: Case, affairs: Affairs, run: RunRecord) -> list[Event]:
    """What the platform and its people decided of these accounts, by time; acts by their number."""
    past = rows_of(store.find("past_decisions", "buyer_id", list(buyers), known_by=run.known_by)) if buyers else []
    events = [Event(row["decided_at"], _past(row), "past_decisions", row["decision_id"]) for row in past]
    who = frozenset(buyers)
    for one in affairs.judgements.all.values():
        about = one.about
        if about.id in who or about.buyer_id in who or about.id == case.target_id:
            said = {"target": about.target.value, "id": about.id, "said": about.said.value, "state": one.state}
            events.append(Event(one.at, fact("before_judged", by=one.by, **said), "acts", one.judgement_id))
    for appeal in affairs.appeals.all.values():
        if appeal.buyer_id in who:
            what = fact("before_appeal", buyer=appeal.buyer_id, state=appeal.state)
            events.append(Event(appeal.opened_at, what, "acts", appeal.appeal_id))
    for other in affairs.cases.about(who):
        if other.case_id != case.case_id:
            what = fact(
                "before_case",
                case=other.case_id,
                target=other.target,
                id=other.target_id,
                what=other.decision or other.state,
            )
            events.append(Event(other.decided_at or other.opened_at, what, "acts", other.case_id))
    return _sorted(events)


def _past(row: Mapping[str, Any]) -> Fact:
    told = {"buyer": row["buyer_id"], "decision": row["decision"]}
    if row["scope"] == "store":
        return fact("before_store", **told, store=row["store_id"])
    return fact("before_platform", **told)


def _sorted(events: Any) -> list[Event]:
    return sorted(events, key=lambda one: (one.at, one.table, one.id, one.what.say))
