"""Commands on buyers' appeals: open, uphold, reject, list."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.acting import By, Key, Now, Reason, Senior, acting, instant, person
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, holder, now_us, read_text, table
from cli.judgements import about_in
from cli.language import In, Speaks
from cli.looking import looked
from graph.errors import BadInput

if TYPE_CHECKING:
    from integrity.affairs import Affairs
    from integrity.judgements import About
    from integrity.words import Words

appeal = typer.Typer(help="Appeals of buyers: open, uphold, reject, list.", no_args_is_help=True)


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
    words = read_text(text)
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
    language: In = Speaks.EN,
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
    rows = [(one.buyer_id, one.before, one.after, one.told(language.value)) for one in done.healed]
    told = asdict(done) | {"healed": [asdict(one) | {"words": one.told(language.value)} for one in done.healed]}
    answer(told, as_json, lambda: table("healed", "before", "after", "words", rows=list(rows)))


@appeal.command("reject")
def reject_appeal(
    appeal_id: Annotated[str, typer.Argument(metavar="APPEAL", help="Its id.")],
    reason: Reason = "",
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Note that the buyer took it back instead.")] = False,
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Reject an appeal, or note that the buyer took it back."""
    with acting(store, namespace, None) as affairs:
        close = affairs.appeal_desk.withdraw if withdrawn else affairs.appeal_desk.reject
        done = close(appeal_id, reason, by=person(by, senior), now=instant(now), key=key)
    answer(asdict(done), as_json, lambda: typer.echo(f"{done.appeal_id}: {done.state}"))


class State(Enum):
    """States of appeals."""

    OPEN = "open"
    UPHELD = "upheld"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@appeal.command("list")
def list_appeals(
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    now: Now = None,
    language: In = Speaks.EN,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List appeals, the latest last, with what each buyer may see (--json). What buyers wrote is not shown."""
    from integrity.appeals import may_see
    from integrity.instants import to_iso

    with acting(store, namespace, None) as affairs:
        found = [one for one in affairs.appeals.all.values() if state is None or one.state == state.value]
        words = _told(affairs, [one.buyer_id for one in found], instant(now))
    looked(store, namespace, "appeal list", [("account", one.buyer_id) for one in found])
    at = instant(now)
    rows = [
        (one.appeal_id, one.buyer_id, one.state + (", overdue" if one.overdue(at) else ""), to_iso(one.deadline))
        for one in found
    ]
    told = [
        asdict(one) | {"may_see": may_see(one, words[one.buyer_id], now=at, language=language.value)} for one in found
    ]
    answer(told, as_json, lambda: table("appeal", "buyer", "state", "deadline", rows=list(rows)))


def _told(affairs: Affairs, buyers: list[str], now: int) -> dict[str, list[Words]]:
    """What these buyers are told of their accounts, by the published run."""
    from integrity.assess import told_to_buyers
    from integrity.checkout_view import published_run

    at, policy = affairs.book.store, affairs.policy()
    run = at.head().run
    published = None if run is None else published_run(at, run, policy)
    return told_to_buyers(published, buyers, policy, abusive=affairs.acted().abusive, now=now)


def _wrong(text: str) -> About:
    parts = text.split()
    if len(parts) not in (3, 4):
        raise BadInput(f"{text!r} is not understood", where="--wrong", do="write TARGET ID SAID [BUYER or TABLE]")
    target, id_, said, *more = parts
    other = more[0] if more else ""
    return about_in(target, id_, said, other if target == "link" else "", other if target == "record" else "", [])
