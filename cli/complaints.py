"""Commands on stores' complaints: file, decide, list, count."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.acting import By, Key, Now, Reason, Senior, acting, instant, person
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, table
from graph.errors import BadInput

if TYPE_CHECKING:
    from integrity.complaints import Complaint

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
    by: By = "",
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """File a complaint about a claim; it is decided at once where the records are clear."""
    from integrity.acts import Actor
    from integrity.complaints import Filing, Refused

    with acting(store, namespace, policy) as affairs:
        who = Actor(by or store_id or getpass.getuser(), "store" if store_id else "investigator", store_id)
        (one,) = affairs.complaint_desk.file([Filing(refund, type_, note)], by=who, now=instant(now), key=key)
    if isinstance(one, Refused):
        raise BadInput(one.why, where=refund, do="see `ringfence complaint file --help`")
    answer(asdict(one), as_json, lambda: typer.echo("\n".join(_complaint_lines(one))))


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
    as_json: AsJson = False,
) -> None:
    """List complaints filed here, the latest last."""
    with acting(store, namespace, None) as affairs:
        found = [
            one
            for one in affairs.complaints.filed.values()
            if store_id in (None, one.store_id) and (not pending or one.outcome == "pending")
        ]
    rows = [
        (one.complaint_id, one.type, one.refund_id, one.store_id, one.outcome, round(one.probability, 3), one.why)
        for one in found
    ]
    names = ("complaint", "type", "refund", "store", "outcome", "probability", "why a person")
    answer([asdict(one) for one in found], as_json, lambda: table(*names, rows=list(rows)))


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


def _complaint_lines(one: Complaint) -> list[str]:
    head = f"{one.complaint_id}: {one.outcome}, the store is right with probability {one.probability:.3f}"
    why = [f"  a person must look: {one.why}"] if one.why else []
    return [head, *why, *(f"  - {reason}" for reason in one.reasons)]
