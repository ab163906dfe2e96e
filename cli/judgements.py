"""Commands on judgements, which outrank every run: make, second, withdraw, list, decide anew by them."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.acting import By, Key, Now, Reason, Senior, acting, instant, person
from cli.common import (
    AsJson,
    Namespace,
    PolicyFile,
    StoreUrl,
    Wait,
    answer,
    holder,
    now_us,
    table,
)
from cli.looking import looked
from graph.errors import BadInput

if TYPE_CHECKING:
    from integrity.judgements import About

judge = typer.Typer(help="Judgements, which outrank every run: make, second, withdraw, list.", no_args_is_help=True)


class State(Enum):
    """States of judgements."""

    PROPOSED = "proposed"
    STANDING = "standing"
    WITHDRAWN = "withdrawn"


class Judged(Enum):
    """What judgements are about."""

    ACCOUNT = "account"
    RING = "ring"
    LINK = "link"
    IDENTIFIER = "identifier"
    RECORD = "record"


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
    about = about_in(target, id_, said, buyer, record_table, at or [])
    with acting(store, namespace, policy) as affairs:
        made = affairs.judgement_desk.make(about, reason, by=person(by, senior), now=instant(now), key=key)
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.judgement_id}: {made.state}"))


@judge.command("second")
def second_judgement(
    judgement: Annotated[str, typer.Argument(help="Its id.")],
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Agree, as a second person, with a judgement that waits for one."""
    with acting(store, namespace, None) as affairs:
        made = affairs.judgement_desk.second(judgement, by=person(by, senior), now=instant(now), key=key)
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.judgement_id}: {made.state}"))


@judge.command("withdraw")
def withdraw_judgement(
    judgement: Annotated[str, typer.Argument(help="Its id.")],
    reason: Reason = "",
    by: By = "",
    senior: Senior = False,
    key: Key = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Take a judgement back."""
    with acting(store, namespace, None) as affairs:
        made = affairs.judgement_desk.withdraw(judgement, reason, by=person(by, senior), now=instant(now), key=key)
    answer(asdict(made), as_json, lambda: typer.echo(f"{made.judgement_id}: {made.state}"))


@judge.command("anew")
def decide_all_anew(
    by: By = "",
    senior: Senior = False,
    policy: PolicyFile = None,
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 30.0,
    as_json: AsJson = False,
) -> None:
    """Decide everything anew over the published run's data, with the judgements that stand, and publish that."""
    from integrity.anew import decide_anew
    from integrity.run_book import decided_anew

    with acting(store, namespace, policy) as affairs:
        at, name = affairs.book.store, holder("ringfence judge anew")
        run = decide_anew(at, policy=affairs.policy(), now=now_us, holder=name, wait=wait)
        decided_anew(affairs.book, run, person(by, senior), instant(now))
    answer({"run_id": run}, as_json, lambda: typer.echo(f"{run} is published"))


@judge.command("list")
def list_judgements(
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    target: Annotated[Judged | None, typer.Option(help="Only those on this.")] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List judgements, newest first."""
    from integrity.judgements import listed

    with acting(store, namespace, None) as affairs:
        found = listed(affairs.judgements, state=state.value if state else "", target=target.value if target else "")
    looked(store, namespace, "judge list", [("judgement", one.judgement_id) for one in found])
    rows = [
        (one.judgement_id, one.state, one.about.target.value, one.about.id, one.about.said.value, one.by, one.reason)
        for one in found
    ]
    names = ("judgement", "state", "target", "id", "said", "by", "reason")
    answer([asdict(one) for one in found], as_json, lambda: table(*names, rows=list(rows)))


def about_in(target: str, id_: str, said: str, buyer: str, record_table: str, at: list[str]) -> About:
    """What is judged, from words. Raises `BadInput` where a word is not known."""
    from integrity.judgements import About, Said, Target

    for word, names in ((target, Target), (said, Said)):
        if word not in set(names):
            raise BadInput(f"{word!r} is not known", where="judgement", do=f"choose one of {', '.join(names)}")
    return About(Target(target), id_, Said(said), buyer, record_table, tuple(at))
