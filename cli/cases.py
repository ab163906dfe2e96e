"""Commands on cases: the queue, a case's steps, its brief, its drawing, and its bundle for a court."""

from __future__ import annotations

import json
import secrets
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.acting import By, Key, Now, Reason, Senior, acting, instant, person
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, table
from cli.language import In, Speaks
from cli.looking import looked
from graph.errors import BadInput

if TYPE_CHECKING:
    from graph.store import Store
    from integrity.case_queue import Candidate
    from integrity.cases import Case
    from integrity.policy import Policy

case = typer.Typer(
    help="Cases: the queue by money at risk, a case's steps, its brief and its bundle.", no_args_is_help=True
)
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="The case's id.")]


class Decision(Enum):
    """Decisions."""

    ABUSIVE = "abusive"
    HONEST = "honest"
    INCONCLUSIVE = "inconclusive"


class Target(Enum):
    """What a case is about."""

    RING = "ring"
    ACCOUNT = "account"


@case.command("queue")
def show_queue(
    everything: Annotated[bool, typer.Option("--all", help="Also what somebody is at or has closed.")] = False,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List the published run's rings and accounts limited alone by money at risk: claimed times confidence."""
    from integrity.cases import waiting
    from integrity.money import to_text

    with acting(store, namespace, policy) as affairs:
        found = _candidates(affairs.book.store, affairs.policy())
        found = found if everything else waiting(found, affairs.cases)
    alone = [("account", one.target_id) for one in found if one.target == "account"]
    looked(store, namespace, "case queue", alone)
    told = [
        {
            "target": one.target,
            "id": one.target_id,
            "accounts": len(one.buyer_ids),
            "claimed": to_text(one.amount, one.currency),
            "at_risk": to_text(one.at_risk, one.currency),
            "currency": one.currency,
            "confidence": round(one.confidence, 6),
        }
        for one in found
    ]
    columns = ("target", "id", "accounts", "claimed", "at_risk", "currency", "confidence")
    answer(told, as_json, lambda: table(*columns, rows=[tuple(one.values()) for one in told]))


@case.command("open")
def open_case(
    target: Annotated[Target, typer.Argument(help="A ring, or an account.")],
    target_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Open a case on a ring or account of the queue; one that is not closed answers as it stands."""
    from integrity.case_queue import find_candidate

    with acting(store, namespace, policy) as affairs:
        found = find_candidate(_candidates(affairs.book.store, affairs.policy()), target.value, target_id)
        done = affairs.case_desk.open(found, by=person(by, senior), now=instant(now), key=key)
    _tell(done, as_json)


@case.command("assign")
def assign_case(
    case_id: CaseId,
    to: Annotated[str, typer.Argument(help="The person.")],
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Give a case to a person."""
    with acting(store, namespace, None) as affairs:
        done = affairs.case_desk.assign(case_id, to, by=person(by, senior), now=instant(now), key=key)
    _tell(done, as_json)


@case.command("note")
def note_case(
    case_id: CaseId,
    text: Annotated[str, typer.Argument(help="The note; shown with the case and nowhere else.")],
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Write a note on a case."""
    with acting(store, namespace, None) as affairs:
        done = affairs.case_desk.note(case_id, text, by=person(by, senior), now=instant(now), key=key)
    _tell(done, as_json)


@case.command("decide")
def decide_case(
    case_id: CaseId,
    decision: Annotated[Decision, typer.Argument(help="The decision. It limits nobody by itself: `judge` does.")],
    reason: Reason = "",
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Decide a case: whoever it is assigned to, or a senior investigator."""
    with acting(store, namespace, None) as affairs:
        done = affairs.case_desk.decide(
            case_id, decision.value, reason, by=person(by, senior), now=instant(now), key=key
        )
    _tell(done, as_json)


@case.command("close")
def close_case(
    case_id: CaseId,
    reason: Reason = "",
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Close a decided case."""
    with acting(store, namespace, None) as affairs:
        done = affairs.case_desk.close(case_id, reason, by=person(by, senior), now=instant(now), key=key)
    _tell(done, as_json)


@case.command("list")
def list_cases(
    state: Annotated[str, typer.Option(help="Only those that are open, decided or closed.")] = "",
    assignee: Annotated[str, typer.Option(help="Only those of this person.")] = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List cases, the latest last."""
    if state not in ("", "open", "decided", "closed"):
        raise BadInput(f"{state!r} is no state", where="--state", do="choose open, decided or closed")
    with acting(store, namespace, None) as affairs:
        found = [
            one for one in affairs.cases.all.values() if state in ("", one.state) and assignee in ("", one.assignee)
        ]
    looked(store, namespace, "case list", [pair for one in found for pair in _of_case(one)])
    rows = [(one.case_id, one.state, one.assignee, one.target, one.target_id, one.decision) for one in found]
    answer(
        [one.to_json() for one in found],
        as_json,
        lambda: table("case", "state", "assignee", "target", "id", "decision", rows=list(rows)),
    )


@case.command("brief")
def brief_case(
    case_id: CaseId,
    language: In = Speaks.EN,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Print a case's brief: why, accounts, facts with their records, timeline, what was decided before."""
    from integrity.case_brief import brief, brief_text

    with acting(store, namespace, None) as affairs:
        told = brief(affairs.book.store, affairs.case_desk.one(case_id), affairs, language.value)
    looked(store, namespace, "case brief", _of_case(told.case))
    answer(told.to_json(), as_json, lambda: typer.echo(brief_text(told).rstrip("\n")))


@case.command("notes")
def case_notes(
    case_id: CaseId,
    by: By = "",
    senior: Senior = False,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Print the notes on a case, oldest first."""
    from integrity.instants import to_iso

    with acting(store, namespace, None) as affairs:
        told = affairs.case_desk.texts(case_id, by=person(by, senior))
    looked(store, namespace, "case notes", [("case", case_id)], by=by)
    data = [{"at": to_iso(note.at), "by": note.by, "text": text} for note, text in told]
    answer(data, as_json, lambda: table("at", "by", "text", rows=[tuple(one.values()) for one in data]))


@case.command("draw")
def draw_case(
    case_id: CaseId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .svg or .png.")],
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Draw the ring of a case. Needs matplotlib, which the extra `cases` brings."""
    from integrity.case_brief import brief
    from integrity.case_drawing import draw_ring
    from integrity.export import replace_file

    if file.suffix not in (".svg", ".png"):
        raise BadInput(f"{file.suffix or 'no ending'!r} is no picture", where=str(file), do="use .svg or .png")
    with acting(store, namespace, None) as affairs:
        at = affairs.book.store
        told = brief(at, affairs.case_desk.one(case_id), affairs)
        if told.case.target != "ring":
            raise BadInput("is about one account: there is nothing to draw", where=case_id, do="read its brief")
        tables = [at.run_rows(told.run.run_id, f"run_{name}") for name in ("rings", "members", "evidence")]
        kind: Literal["svg", "png"] = "svg" if file.suffix == ".svg" else "png"
        data = draw_ring(tables[0], tables[1], tables[2], told.case.target_id, kind)
    looked(store, namespace, "case draw", _of_case(told.case))
    replace_file(file, data)
    answer({"file": str(file), "bytes": len(data)}, as_json, lambda: typer.echo(f"{file}: {len(data):,} bytes"))


@case.command("export")
def export_case(
    case_id: CaseId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle to write; ends in .zip.")],
    by: By = "",
    senior: Senior = False,
    now: Now = None,
    language: In = Speaks.EN,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Write a case as a bundle for a court or the police, with a manifest of hashes; the audit journal gets a line.

    The same case, run, book and language give the same bytes. Texts of notes are not in it."""
    import hashlib

    from integrity.case_brief import brief
    from integrity.case_bundle import bundle
    from integrity.export import replace_file

    if file.suffix != ".zip":
        raise BadInput(f"{file.suffix or 'no ending'!r} is no bundle", where=str(file), do="use .zip")
    with acting(store, namespace, None) as affairs:
        at, who = affairs.book.store, person(by, senior)
        data = bundle(at, brief(at, affairs.case_desk.one(case_id), affairs, language.value), affairs)
        digest = hashlib.sha256(data).hexdigest()
        body = {"who": who.name, "role": who.role, "via": ["case export"], "kind": "case", "what": case_id}
        row = {"at": instant(now), "id": secrets.token_hex(8), "body": json.dumps(body | {"sha256": digest})}
        at.note("audit", [row])  # before anybody has the file
        head = affairs.book.head
    replace_file(file, data)
    told = {"file": str(file), "bytes": len(data), "sha256": digest, "head": head}
    answer(
        told, as_json, lambda: typer.echo(f"{file}: {len(data):,} bytes, SHA-256 {digest}\nhead of the acts: {head}")
    )


def _of_case(case: Case) -> list[tuple[str, str]]:
    """A case and its accounts, for the audit journal."""
    return [("case", case.case_id), *(("account", buyer) for buyer in case.buyer_ids)]


def _candidates(store: Store, policy: Policy) -> list[Candidate]:
    from integrity.case_queue import candidates
    from integrity.checkout_view import published_run
    from integrity.publication import find_run

    published = published_run(store, find_run(store, None).run_id, policy)
    return candidates(store, published, published.facts.policy)


def _tell(done: Case, as_json: bool) -> None:
    whose = f", {done.assignee}'s" if done.assignee else ""
    answer(done.to_json(), as_json, lambda: typer.echo(f"{done.case_id}: {done.decision or done.state}{whose}"))
