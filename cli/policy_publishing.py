"""Commands that put policies in force: publish, list, rollback."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import Now, instant
from cli.common import AsJson, Namespace, StoreUrl, Wait, answer, holder, now_us, opened, read_text, table
from cli.policies import policy
from cli.settings import AUDIT_KEY
from integrity.acts import Actor
from integrity.instants import to_iso
from integrity.policy import parse_policy
from integrity.policy_book import PolicyBook, PolicyOutcome, PublishedPolicy, publish_policy, rollback_policy

By = Annotated[str, typer.Option("--by", help="Who publishes; stands in the book of acts.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded, and needed with --force.")]
Force = Annotated[
    bool, typer.Option("--force", help="Publish though it breaks what must hold; needs a reason, which is recorded.")
]


@policy.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")],
    reason: Reason = "",
    force: Force = False,
    by: By = "command line",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Put a policy in force, and readers on the published run decided by it, in one switch.

    One that would limit too many or breaks an invariant is refused: exit code 7. Where the policy in force wants two
    people, the first one proposes, and another's publication of the same file does it."""
    text = read_text(file)
    chosen = parse_policy(text, where=str(file))
    with opened(store, namespace) as at:
        outcome = publish_policy(
            PolicyBook(at, signing_key=os.environ.get(AUDIT_KEY, "")),
            chosen,
            by=Actor(by, "operator"),
            now=now_us,
            acted_at=instant(now),
            holder=holder("ringfence policy publish"),
            reason=reason,
            force=force,
            text=text,
            wait=wait,
        )
    answer(_outcome(outcome), as_json, lambda: _print_outcome(outcome))


@policy.command("list")
def list_published(
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Those that were proposed and wait for a second person instead.")
    ] = False,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List the published policies, oldest first; the one in force is marked."""
    with opened(store, namespace, readonly=True) as at:
        book = PolicyBook(at)
        found = book.proposed() if waiting else book.published()
    current = None if waiting or not found else found[-1]
    rows: list[tuple[object, ...]] = [
        (
            "*" if one is current else "",
            one.version,
            one.digest[:12],
            to_iso(one.at),
            one.by,
            f"{one.limited:,} of {one.accounts:,}" if one.tried else "",
            "forced" if one.forced else "rolled back" if one.back else "",
            one.reason,
        )
        for one in found
    ]
    columns = ("", "version", "digest", "published", "by", "limited", "", "reason")
    answer(
        [_published(one) | {"in_force": one is current} for one in found], as_json, lambda: table(*columns, rows=rows)
    )


@policy.command("rollback")
def rollback(
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION", help="Published version, or first digits of its digest; default: the one before."
        ),
    ] = None,
    reason: Reason = "",
    force: Force = False,
    by: By = "command line",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Put an earlier policy in force again, and readers on the published run decided by it."""
    with opened(store, namespace) as at:
        outcome = rollback_policy(
            PolicyBook(at, signing_key=os.environ.get(AUDIT_KEY, "")),
            version,
            by=Actor(by, "operator"),
            now=now_us,
            acted_at=instant(now),
            holder=holder("ringfence policy rollback"),
            reason=reason,
            force=force,
            wait=wait,
        )
    answer(_outcome(outcome), as_json, lambda: _print_outcome(outcome))


def _published(one: PublishedPolicy) -> dict[str, Any]:
    hidden = ("document", "text")
    return {name: value for name, value in asdict(one).items() if name not in hidden} | {"at": to_iso(one.at)}


def _outcome(outcome: PolicyOutcome) -> dict[str, Any]:
    run = None if outcome.run is None else outcome.run.run.run_id
    return _published(outcome.published) | {"run_id": run, "waits": outcome.waits}


def _print_outcome(outcome: PolicyOutcome) -> None:
    made = outcome.published
    if outcome.waits:
        typer.echo(f"policy {made.version} is proposed by {made.by}; another person must publish it too")
        return
    typer.echo(f"policy {made.version} is in force" + (", forced" if made.forced else ""))
    for sentence in made.broke:
        typer.echo(f"forced though it {sentence}")
    if outcome.run is None:
        typer.echo("no run is published yet; the next one will be decided by it")
    else:
        typer.echo(f"{outcome.run.run.run_id} is published: {made.limited:,} of {made.accounts:,} accounts limited")
