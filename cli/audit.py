"""Commands on what was done: the book of acts, checked and shown; decisions and assessments replayed."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from cli.acting import acting
from cli.common import AsJson, Namespace, RunId, StoreUrl, answer, opened, table
from cli.looking import looked
from cli.settings import AUDIT_KEY
from graph.errors import BadInput, Tampered

audit = typer.Typer(help="The book of acts: verify, show.", no_args_is_help=True)


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
    complaint: Annotated[
        str | None,
        typer.Option("--complaint", metavar="ID", help="What triage made of a complaint instead."),
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Decide a run once more from what it recorded, assess a claim or weigh a complaint once more, and compare byte by
    byte. Exit code 9 where it differs."""
    from integrity.replay import replay as replay_run

    if complaint is not None:
        _replay_complaint(complaint, store, namespace, as_json)
        return

    if claim is not None:
        _replay_claim(claim, store, namespace, as_json)
        return
    with opened(store, namespace, readonly=True) as at:
        found = replay_run(at, run, buyer_id=buyer)
    if buyer is not None:
        looked(store, namespace, "replay", [("account", buyer)])
    what = f"{found.run_id}{f', {buyer}' if buyer else ''}"
    answer(found.to_json(), as_json, lambda: typer.echo(f"{what}: recorded {found.recorded}, again {found.again}"))
    if found.lapsed:
        raise BadInput(
            f"somebody was forgotten since ({found.forgotten} acts say so), and the records tell less than the run saw",
            where=what,
            do="what it decided stands as stored; runs made since the last forgetting replay",
        )
    if not found.whole:
        differ = ", ".join(name for name, same in sorted(found.tables.items()) if not same)
        raise Tampered(f"what is stored differs from what was decided: {differ}", where=what, do="ask who changed it")


def _replay_claim(reference: str, store: str, namespace: str, as_json: bool) -> None:
    from integrity.replay_claims import replay_claim

    with opened(store, namespace, readonly=True) as at:
        found = replay_claim(at, reference)
    seen = [("refund", found.refund_id), ("account", found.assessment["buyer_id"])]
    looked(store, namespace, "replay --claim", seen)
    told = f"{found.refund_id} by {found.run_id or 'no run'}: recorded {found.recorded}, again {found.again}"
    answer(found.to_json(), as_json, lambda: typer.echo(told))
    if found.forgotten and not found.same:
        do = "what was decided stands as it was written down"
        raise BadInput("its buyer was forgotten since, and the records tell less", where=found.refund_id, do=do)
    if not found.same:
        raise Tampered(
            "the same ground gives another assessment", where=found.refund_id, do="ask who changed the store"
        )


def _replay_complaint(complaint: str, store: str, namespace: str, as_json: bool) -> None:
    from integrity.replay_complaints import replay_complaint

    with opened(store, namespace, readonly=True) as at:
        found = replay_complaint(at, complaint)
    looked(store, namespace, "replay --complaint", [("complaint", complaint)])
    told = f"{complaint} by {found.run_id or 'no run'}: recorded {found.recorded}, again {found.again}"
    answer(found.to_json(), as_json, lambda: typer.echo(told))
    if found.forgotten and not found.same:
        do = "what was decided stands as the book tells it"
        raise BadInput("somebody was forgotten since, and the records tell less", where=complaint, do=do)
    if not found.same:
        raise Tampered("the same ground is weighed otherwise", where=complaint, do="ask who changed the store")
