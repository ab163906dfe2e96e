"""Commands of people: complaints, judgements, appeals, the book of acts, replay."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.acting import By, Key, Now, Reason, Senior, acting, instant, person
from cli.common import (
    AsJson,
    Namespace,
    PolicyFile,
    RunId,
    StoreUrl,
    answer,
    holder,
    now_us,
    opened,
    table,
)
from cli.settings import AUDIT_KEY
from graph.errors import BadInput, Tampered

if TYPE_CHECKING:
    pass

complaint = typer.Typer(help="Stores' complaints: file, decide, list, count.", no_args_is_help=True)
judge = typer.Typer(help="Judgements, which outrank every run: make, second, withdraw, list.", no_args_is_help=True)
appeal = typer.Typer(help="Appeals of buyers: open, uphold, reject, list.", no_args_is_help=True)
audit = typer.Typer(help="The book of acts: verify, show.", no_args_is_help=True)


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


@judge.command("make")
def make_judgement(
    target: Annotated[str, typer.Argument(help="account, ring, link, identifier or record.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of what is judged.")],
    said: Annotated[str, typer.Argument(help="honest, abusive, not_a_ring, not_theirs, public or struck.")],
    reason: Reason = "",
    buyer: Annotated[str, typer.Option(help="link: whose.")] = "",
    record_table: Annotated[str, typer.Option("--table", help="record: its table.")] = "",
    at: Annotated[list[str] | None, typer.Option(help="abusive: limited at this store; may be repeated.")] = None,
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Judge; the next run heeds it."""
    about = _about(target, id_, said, buyer, record_table, at or [])
    with acting(store, namespace, policy) as affairs:
        made = affairs.judgement_desk.make(about, reason, by=person(by, senior), now=instant(now), key=key)
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.judgement_id}: {made.state}"))


@judge.command("second")
def second_judgement(
    judgement: Annotated[str, typer.Argument(help="Its id.")],
    by: By = "",
    senior: Senior = False,
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Agree, as a second person, with a judgement that waits for one."""
    with acting(store, namespace, None) as affairs:
        made = affairs.judgement_desk.second(judgement, by=person(by, senior), now=instant(now))
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.judgement_id}: {made.state}"))


@judge.command("withdraw")
def withdraw_judgement(
    judgement: Annotated[str, typer.Argument(help="Its id.")],
    reason: Reason = "",
    by: By = "",
    senior: Senior = False,
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Take a judgement back."""
    with acting(store, namespace, None) as affairs:
        made = affairs.judgement_desk.withdraw(judgement, reason, by=person(by, senior), now=instant(now))
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.judgement_id}: {made.state}"))


@judge.command("list")
def list_judgements(
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List judgements, newest first."""
    from integrity.judgements import listed

    with acting(store, namespace, None) as affairs:
        found = listed(affairs.judgements)
    rows = [
        (one.judgement_id, one.state, one.about.target.value, one.about.id, one.about.said.value, one.by, one.reason)
        for one in found
    ]
    names = ("judgement", "state", "target", "id", "said", "by", "reason")
    answer([asdict(one) for one in found], as_json, lambda: table(*names, rows=list(rows)))


@appeal.command("open")
def open_appeal(
    buyer: Annotated[str, typer.Argument(help="Who appeals.")],
    text: Annotated[
        Path, typer.Argument(help="File with what the buyer wrote; - reads standard input.", allow_dash=True)
    ],
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Open an appeal on a buyer's behalf."""
    words = typer.get_text_stream("stdin").read() if str(text) == "-" else _read(text)
    with acting(store, namespace, policy) as affairs:
        made = affairs.appeal_desk.open(buyer, words, by=person(by, senior), now=instant(now), key=key)
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.appeal_id}: {made.state}"))


@appeal.command("uphold")
def uphold_appeal(
    appeal_id: Annotated[str, typer.Argument(metavar="APPEAL", help="Its id.")],
    wrong: Annotated[
        list[str],
        typer.Option(help="What was wrong, as TARGET ID SAID [BUYER or TABLE] in one text; may be repeated."),
    ],
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
    """Uphold an appeal: everything downstream is decided anew, and everybody healed is listed."""
    from integrity.anew import decide_anew

    named = [_wrong(one) for one in wrong]
    with acting(store, namespace, policy) as affairs:
        at, chosen = affairs.book.store, affairs.policy()
        done = affairs.appeal_desk.uphold(
            appeal_id,
            named,
            reason,
            by=person(by, senior),
            now=instant(now),
            recompute=lambda: decide_anew(at, policy=chosen, now=now_us, holder=holder("appeal")),
            key=key,
        )
    rows = [(one.buyer_id, one.before, one.after, one.words) for one in done.healed]
    answer(asdict(done), as_json, lambda: table("healed", "before", "after", "words", rows=list(rows)))


@appeal.command("reject")
def reject_appeal(
    appeal_id: Annotated[str, typer.Argument(metavar="APPEAL", help="Its id.")],
    reason: Reason = "",
    by: By = "",
    senior: Senior = False,
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Reject an appeal."""
    with acting(store, namespace, None) as affairs:
        done = affairs.appeal_desk.reject(appeal_id, reason, by=person(by, senior), now=instant(now))
    answer(asdict(done), as_json, lambda: typer.echo(f"{done.appeal_id}: {done.state}"))


@appeal.command("list")
def list_appeals(
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List appeals, the latest last. What buyers wrote is not shown."""
    from integrity.instants import to_iso

    with acting(store, namespace, None) as affairs:
        found = list(affairs.appeals.all.values())
    at = instant(now)
    rows = [
        (one.appeal_id, one.buyer_id, one.state + (", overdue" if one.overdue(at) else ""), to_iso(one.deadline))
        for one in found
    ]
    answer(
        [asdict(one) for one in found], as_json, lambda: table("appeal", "buyer", "state", "deadline", rows=list(rows))
    )


@audit.command("verify")
def verify_acts(
    head: Annotated[str, typer.Option(help="A digest noted earlier: it must still be in the book.")] = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Check every link and signature of the book of acts, and every seal over the audit journal.

    A text that `ringfence forget` erased counts as erased; any other that is missing or changed is an error. Keep the
    head's digest elsewhere: it shows a cut-off tail."""
    from integrity.acts import Book
    from integrity.acts_check import said, verify
    from integrity.seals import check_seals

    with opened(store, namespace, readonly=True) as at:
        key = os.environ.get(AUDIT_KEY, "")
        found = verify(at, signing_key=key, head=head)
        book = Book(at, signing_key=key)
        book.refresh()
        sealed = check_seals(at, book)
    answer(
        {**asdict(found), "audit": asdict(sealed)},
        as_json,
        lambda: typer.echo(
            f"{found.acts} acts hold together, {found.signed} signed; head {found.head}\n{said(found)}\n"
            f"{sealed.lines} audit lines under {sealed.seals} seals, {sealed.unsealed} since"
        ),
    )


@audit.command("show")
def show_acts(
    after: Annotated[int, typer.Option(min=0, help="Go on behind this number.")] = 0,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show the acts in the order done."""
    from integrity.instants import to_iso

    with acting(store, namespace, None) as affairs:
        found = affairs.book.acts[after:]
    rows = [(one.n, to_iso(one.at), one.by, one.role, one.kind, one.subject) for one in found]
    names = ("act", "at", "by", "role", "kind", "subject")
    answer([asdict(one) for one in found], as_json, lambda: table(*names, rows=list(rows)))


def replay(
    buyer: Annotated[str | None, typer.Argument(help="The account whose decision is replayed; default: all.")] = None,
    run: RunId = None,
    claim: Annotated[
        str | None, typer.Option("--claim", metavar="REFERENCE", help="An assessed claim instead, by its reference.")
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Decide a run once more from what it recorded, or assess a claim once more, and compare byte by byte. Exit code 9
    where it differs."""
    from integrity.replay import replay as replay_run

    if claim is not None:
        _replay_claim(claim, store, namespace, as_json)
        return
    with opened(store, namespace, readonly=True) as at:
        found = replay_run(at, run, buyer_id=buyer)
    what = f"{found.run_id}{f', {buyer}' if buyer else ''}"
    answer(found.to_json(), as_json, lambda: typer.echo(f"{what}: recorded {found.recorded}, again {found.again}"))
    if not (found.same and all(found.tables.values())):
        differ = ", ".join(name for name, same in sorted(found.tables.items()) if not same)
        raise Tampered(f"what is stored differs from what was decided: {differ}", where=what, do="ask who changed it")


def _replay_claim(reference: str, store: str, namespace: str, as_json: bool) -> None:
    from integrity.replay_claims import replay_claim

    with opened(store, namespace, readonly=True) as at:
        found = replay_claim(at, reference)
    told = f"{found.refund_id} by {found.run_id or 'no run'}: recorded {found.recorded}, again {found.again}"
    answer(found.to_json(), as_json, lambda: typer.echo(told))
    if not found.same:
        do = "see whether the buyer was forgotten since, or who changed the store"
        raise Tampered("the same ground gives another assessment", where=found.refund_id, do=do)


def _about(target: str, id_: str, said: str, buyer: str, record_table: str, at: list[str]) -> Any:
    from integrity.judgements import About, Said, Target

    for word, names in ((target, Target), (said, Said)):
        if word not in set(names):
            raise BadInput(f"{word!r} is not known", where="judgement", do=f"choose one of {', '.join(names)}")
    return About(Target(target), id_, Said(said), buyer, record_table, tuple(at))


def _wrong(text: str) -> Any:
    parts = text.split()
    if len(parts) not in (3, 4):
        raise BadInput(f"{text!r} is not understood", where="--wrong", do="write TARGET ID SAID [BUYER or TABLE]")
    target, id_, said, *more = parts
    other = more[0] if more else ""
    return _about(target, id_, said, other if target == "link" else "", other if target == "record" else "", [])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), do="give a UTF-8 text file") from None


def _complaint_lines(one: Any) -> list[str]:
    head = f"{one.complaint_id}: {one.outcome}, the store is right with probability {one.probability:.3f}"
    why = [f"  a person must look: {one.why}"] if one.why else []
    return [head, *why, *(f"  - {reason}" for reason in one.reasons)]
