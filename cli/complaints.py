"""Commands on stores' complaints: file, alone or many, decide, list, count, and stores in accord."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.acting import By, Key, Now, Reason, Senior, acting, instant, person
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, json_lines, read_text, table
from cli.language import In, Speaks
from cli.looking import looked
from graph.errors import BadInput

if TYPE_CHECKING:
    from integrity.acts import Actor
    from integrity.complaints import Complaint, Filing

complaint = typer.Typer(help="Stores' complaints: file, decide, list, count.", no_args_is_help=True)


class Outcome(Enum):
    """Verdicts."""

    UPHELD = "upheld"
    DISMISSED = "dismissed"


@complaint.command("file")
def file_complaint(
    refund: Annotated[str, typer.Argument(help="The claim.")],
    type_: Annotated[
        str,
        typer.Argument(metavar="TYPE", help="abnormal_refund_only, swapped_return, false_return or fake_evidence."),
    ],
    store_id: Annotated[str | None, typer.Option(help="The store that complains; default: the platform.")] = None,
    note: Annotated[str, typer.Option(help="In the store's words.")] = "",
    evidence: Annotated[
        list[str] | None, typer.Option(help="Name or link of a file of the store's; may be repeated.")
    ] = None,
    by: By = "",
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    language: In = Speaks.EN,
    as_json: AsJson = False,
) -> None:
    """File a complaint about a claim; it is decided at once where the records are clear."""
    from integrity.complaints import Filing, Refused
    from integrity.words import text_of

    with acting(store, namespace, policy) as affairs:
        filing, who = Filing(refund, type_, note, tuple(evidence or ())), _complainant(by, store_id)
        (one,) = affairs.complaint_desk.file([filing], by=who, now=instant(now), key=key)
    if isinstance(one, Refused):
        raise BadInput(text_of(one.because, language.value), where=refund, do="see `ringfence complaint file --help`")
    told = _told(one, language)
    answer(told, as_json, lambda: typer.echo("\n".join(_complaint_lines(told))))


@complaint.command("file-many")
def file_complaints(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSON Lines: refund_id, type, and note and evidence where wanted; - reads standard input.",
            allow_dash=True,
        ),
    ],
    store_id: Annotated[str | None, typer.Option(help="The store that complains; default: the platform.")] = None,
    by: By = "",
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    language: In = Speaks.EN,
    as_json: AsJson = False,
) -> None:
    """File up to 500 complaints in one act; each stands or is refused on its own."""
    from integrity.complaints import Refused
    from integrity.words import text_of

    filings = _filings(read_text(file), str(file))
    with acting(store, namespace, policy) as affairs:
        found = affairs.complaint_desk.file(filings, by=_complainant(by, store_id), now=instant(now), key=key)
    told: list[dict[str, Any]] = []
    rows: list[tuple[object, ...]] = []
    for one in found:
        if isinstance(one, Refused):
            why = text_of(one.because, language.value)
            told.append({"refund_id": one.refund_id, "complaint": None, "refused": why})
            rows.append((one.refund_id, "refused", why))
        else:
            whole = _told(one, language)
            told.append({"refund_id": one.refund_id, "complaint": whole, "refused": None})
            rows.append((one.refund_id, one.outcome, whole["why"]))
    answer(told, as_json, lambda: table("refund", "outcome", "why", rows=list(rows)))


@complaint.command("decide")
def decide_complaint(
    complaint_id: Annotated[str, typer.Argument(metavar="COMPLAINT", help="Its id.")],
    outcome: Annotated[Outcome, typer.Argument(help="The verdict.")],
    reason: Reason = "",
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Give a person's verdict on a complaint."""
    with acting(store, namespace, policy) as affairs:
        found = affairs.complaint_desk.decide(
            complaint_id, outcome.value, reason, by=person(by, senior), now=instant(now), key=key
        )
    answer(asdict(found), as_json, lambda: typer.echo(f"{complaint_id}: {found.outcome}"))


@complaint.command("list")
def list_complaints(
    pending: Annotated[bool, typer.Option("--pending", help="Only what nobody has decided.")] = False,
    store_id: Annotated[str | None, typer.Option(help="Of one store.")] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    language: In = Speaks.EN,
    as_json: AsJson = False,
) -> None:
    """List complaints filed here, the latest last."""
    with acting(store, namespace, None) as affairs:
        found = [
            _told(one, language)
            for one in affairs.complaints.filed.values()
            if store_id in (None, one.store_id) and (not pending or one.outcome == "pending")
        ]
    seen = [pair for one in found for pair in (("refund", one["refund_id"]), ("account", one["buyer_id"]))]
    looked(store, namespace, "complaint list", seen)
    columns = ("complaint_id", "type", "refund_id", "store_id", "outcome", "probability", "why")
    rows = [tuple(round(one[name], 3) if name == "probability" else one[name] for name in columns) for one in found]
    names = ("complaint", "type", "refund", "store", "outcome", "probability", "why a person")
    answer(found, as_json, lambda: table(*names, rows=list(rows)))


@complaint.command("counts")
def count_complaints(
    store_id: Annotated[str | None, typer.Option(help="Of one store.")] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Count complaints by month and type: filed, decided, by whom, how fast."""
    from integrity.complaint_counts import counts

    with acting(store, namespace, None) as affairs:
        found = [asdict(one) for one in counts(affairs.book.store, affairs.complaints, store_id=store_id)]
    names = tuple(found[0]) if found else ("month", "type", "filed")
    answer(found, as_json, lambda: table(*names, rows=[tuple(one.values()) for one in found]))


@complaint.command("accords")
def list_accords(store: StoreUrl = "", namespace: Namespace = "", as_json: AsJson = False) -> None:
    """List quiet accounts whom three stores or more reported within days: a person should look at the stores too."""
    from integrity.instants import to_iso

    with acting(store, namespace, None) as affairs:
        found = affairs.complaint_desk.accords()
    looked(store, namespace, "complaint accords", [("account", one.buyer_id) for one in found])
    told = [asdict(one) | {"first_at": to_iso(one.first_at), "last_at": to_iso(one.last_at)} for one in found]
    rows = [(one.buyer_id, ", ".join(one.store_ids), to_iso(one.last_at), one.before) for one in found]
    answer(told, as_json, lambda: table("account", "stores", "last report", "did so before", rows=list(rows)))


def _complainant(by: str, store_id: str | None) -> Actor:
    from integrity.acts import Actor

    return Actor(by or store_id or getpass.getuser(), "store" if store_id else "investigator", store_id)


def _filings(text: str, where: str) -> list[Filing]:
    from integrity.complaints import Filing

    names = {"refund_id", "type", "note", "evidence"}
    filings = []
    for place, said in json_lines(text, where):
        texts = isinstance(said, dict) and all(isinstance(said.get(name, ""), str) for name in names - {"evidence"})
        files = said.get("evidence", []) if texts else None
        listed = isinstance(files, list) and all(isinstance(one, str) for one in files)
        if not listed or not {"refund_id", "type"} <= said.keys() <= names:
            do = "give refund_id and type; note as text and evidence as a list of texts where wanted; nothing else"
            raise BadInput("is no complaint", where=place, do=do)
        filings.append(Filing(said["refund_id"], said["type"], said.get("note", ""), tuple(said.get("evidence", []))))
    return filings


def _told(one: Complaint, language: Speaks) -> dict[str, Any]:
    """A complaint as commands print it, what triage said in a language."""
    from integrity.words import say

    why = say([one.why] if one.why else [], [one.why_fact] if one.why_fact else [], language.value)
    told = {"outcome": one.outcome, "reasons": say(one.reasons, one.reason_facts, language.value), "why": "".join(why)}
    return asdict(one) | told


def _complaint_lines(one: dict[str, Any]) -> list[str]:
    head = f"{one['complaint_id']}: {one['outcome']}, the store is right with probability {one['probability']:.3f}"
    why = [f"  a person must look: {one['why']}"] if one["why"] else []
    return [head, *why, *(f"  - {reason}" for reason in one["reasons"])]
