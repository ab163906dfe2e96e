"""The command that puts a policy in the shadow, ends that, or reports on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import Now, instant
from cli.common import AsJson, Namespace, StoreUrl, answer, opened, table
from cli.looking import looked
from cli.policies import policy
from cli.settings import AUDIT_KEY
from graph.errors import BadInput
from integrity.acts import Actor
from integrity.instants import to_iso
from integrity.policy import load_policy
from integrity.shadow import Shadow, ShadowReport, shadow_report, start_shadow, stop_shadow


@policy.command("shadow")
def shadow(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Policy file (TOML) that decides beside the live one.")
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Compare what it and the live policy decided.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the shadow.")] = False,
    digest: Annotated[
        str | None, typer.Option("--digest", help="Report on the shadow policy of this digest; its first digits do.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who says so; stands in the book of acts.")] = "command line",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Let a policy decide next to the live one on every run, seen by no reader; report how the two compare."""
    if (file is not None) + report + stop != 1:
        raise BadInput("one of FILE, --report and --stop", where="policy shadow", do="give exactly one of them")
    said: Any = {"by": Actor(by, "operator"), "now": instant(now), "signing_key": os.environ.get(AUDIT_KEY, "")}
    with opened(store, namespace, readonly=report) as at:
        if report:
            found = shadow_report(at, digest=digest)
            named = {buyer for run in found.runs for buyer, *_ in run.differ}
            looked(store, namespace, "policy shadow", [("account", buyer) for buyer in sorted(named)], by=by)
            answer(found.to_json(), as_json, lambda: _print_report(found))
        elif stop:
            ended = stop_shadow(at, **said)
            answer(_plain(ended), as_json, lambda: typer.echo(f"policy {ended.version} is in the shadow no more"))
        else:
            made = start_shadow(at, load_policy(file), **said)
            told = f"policy {made.version} decides in the shadow from the next run on"
            answer(_plain(made), as_json, lambda: typer.echo(told))


def _plain(one: Shadow) -> dict[str, str]:
    return {"version": one.version, "digest": one.digest, "since": to_iso(one.since), "by": one.by}


def _print_report(found: ShadowReport) -> None:
    typer.echo(f"policy {found.shadow.version} in the shadow since {to_iso(found.shadow.since)}")
    rows: list[tuple[object, ...]] = [
        (
            one.run_id,
            to_iso(one.as_of),
            one.live,
            one.live_limited,
            one.shadow_limited,
            len(one.only(shadow=False)),
            len(one.only(shadow=True)),
            len(one.differ),
        )
        for one in found.runs
    ]
    columns = ("run", "as of", "live", "live limits", "shadow limits", "only live", "only shadow", "differ")
    table(*columns, rows=rows)
    for who, verdicts in (("the shadow", found.only_shadow), ("the live policy", found.only_live)):
        told = ", ".join(f"{name}: {count:,}" for name, count in verdicts.items()) or "none were"
        typer.echo(f"accounts that only {who} limited, by later verdict: {told}")
