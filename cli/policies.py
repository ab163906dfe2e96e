"""Commands about the policy as a document: check, show, diff, stages; and what one would lead to: try, simulate,
backtest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import (
    AsJson,
    Namespace,
    PolicyFile,
    RunId,
    StoreUrl,
    answer,
    chosen_policy,
    now_us,
    opened,
    policy_path,
    ruling_policy,
    say,
    table,
)
from cli.language import In, Speaks
from cli.looking import looked
from cli.policy_text import print_backtest, print_simulation, print_words
from graph.errors import NotFound, StoreProblem
from integrity.backtest import backtest, simulate_policy
from integrity.columns import rows_of
from integrity.instants import from_iso, to_iso
from integrity.policy import Policy, default_policy, default_text, load_policy
from integrity.policy_book import PolicyBook, PublishedPolicy
from integrity.policy_check import doubts
from integrity.policy_diff import diff_policies
from integrity.policy_stages import Stages
from integrity.stages import StoreEntitlements, entitlements
from integrity.trial import try_policy
from integrity.words import text_of, texts_of

TriedBy = Annotated[
    str, typer.Option("--by", help="Who tries it; stands in the audit journal. Default the user of this machine.")
]

policy = typer.Typer(help="The document that says what findings lead to.", no_args_is_help=True)


@policy.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")],
    language: In = Speaks.EN,
    as_json: AsJson = False,
) -> None:
    """Validate a policy file; an error names the field, its value and what to do. Also tells what is hardly meant."""
    checked = load_policy(file)
    doubtful = texts_of(doubts(checked), language.value)
    data = {"version": checked.version, "digest": checked.digest, "doubts": doubtful}

    def text() -> None:
        typer.echo(f"{file}: version {checked.version} holds, digest {checked.digest[:12]}")
        for sentence in doubtful:
            typer.echo(f"in doubt: {sentence}")

    answer(data, as_json, text)


@policy.command("show")
def show(
    policy_file: PolicyFile = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="A published version (or digest) instead.")
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Print the policy in force: as its file stands, comments included, or as JSON with every default."""
    path = policy_path(policy_file)
    if version is not None:
        with opened(store, namespace, readonly=True) as at:
            chosen, text = PolicyBook(at).find(version)
    elif path is not None:
        chosen, text = load_policy(path), path.read_text(encoding="utf-8-sig")
    else:
        current = _in_force(store, namespace)
        chosen = default_policy() if current is None else current.policy
        text = default_text() if current is None else current.text
    plain = chosen.model_dump(mode="json")
    text = text or json.dumps(plain, ensure_ascii=False, indent=2)
    answer(plain, as_json, lambda: typer.echo(text.rstrip("\n")))


@policy.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(metavar="FILE", help="The earlier policy file.")],
    after: Annotated[Path, typer.Argument(metavar="FILE", help="The later policy file.")],
    language: In = Speaks.EN,
    as_json: AsJson = False,
) -> None:
    """Say in words what two policies do otherwise, and whether that is milder or stricter on buyers."""
    found = diff_policies(load_policy(before), load_policy(after))
    answer(found.to_json(), as_json, lambda: print_words(found, language.value))


@policy.command("simulate")
def simulate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")],
    run: RunId = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="INSTANT", help="Replay orders after this instant; default: the run's as_of."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Replay orders up to this instant; default: all.")
    ] = None,
    by: TriedBy = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Replay past orders through a policy's limits: what would change, for whom, at what cost. Nothing is changed."""
    tried = load_policy(file)
    with opened(store, namespace, readonly=True) as at:
        found = simulate_policy(
            at,
            tried,
            run_id=run,
            start=None if since is None else from_iso(since, where="--since"),
            end=None if until is None else from_iso(until, where="--until"),
        )
    _note(store, namespace, "simulate", tried, by, [buyer for buyer, *_ in found.changes()])
    answer(found.to_json(), as_json, lambda: print_simulation(found))


@policy.command("backtest")
def backtest_runs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")],
    runs: Annotated[
        int | None, typer.Option("--runs", min=1, help="So many of the latest published runs; default: all.")
    ] = None,
    by: TriedBy = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Put a policy on earlier runs, each with what was known then, and count what it would have cost."""
    tried = load_policy(file)
    with opened(store, namespace, readonly=True) as at:
        found = backtest(at, tried, runs=runs)
    _note(store, namespace, "backtest", tried, by)
    answer(found.to_json(), as_json, lambda: print_backtest(found))


@policy.command("stages")
def stages(
    policy_file: PolicyFile = None,
    store_id: Annotated[str | None, typer.Option("--store-id", help="Say what this store is entitled to.")] = None,
    at_instant: Annotated[
        str | None, typer.Option("--now", metavar="INSTANT", help="As of this instant; default: now.")
    ] = None,
    language: In = Speaks.EN,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show what stores are entitled to by their score, or what one store is, since when, and what comes next."""
    now = now_us() if at_instant is None else from_iso(at_instant, where="--now")
    if store_id is None:
        current = None if policy_path(policy_file) is not None else _in_force(store, namespace)
        chosen = chosen_policy(policy_file) if current is None else current.policy
        shown = chosen.stages.model_dump(mode="json")
        answer(shown, as_json, lambda: _print_stages(chosen.stages))
        return
    with opened(store, namespace, readonly=True) as at:
        chosen = ruling_policy(policy_file, at)
        rows = rows_of(at.find("stores", "store_id", [store_id], columns=("store_id", "experience_score")))
    if not rows:
        raise NotFound(f"no store {store_id!r}", where=at.url, do="its row is in the platform's stores table")
    found = entitlements(chosen, rows[0]["experience_score"], now)
    why = text_of(found.why, language.value)
    answer(asdict(found) | _spans(found) | {"why": why}, as_json, lambda: _print_entitled(store_id, found, why))


@policy.command("try")
def try_on_run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")],
    run: RunId = None,
    by: TriedBy = "",
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Decide an earlier run's findings by another policy: what would change, and for whom. Nothing is changed."""
    tried = load_policy(file)
    with opened(store, namespace, readonly=True) as at:
        found = try_policy(at, tried, run_id=run)
    _note(store, namespace, "try", tried, by, [one.buyer_id for one in found.changes])

    def text() -> None:
        typer.echo(f"{found.limited:,} of {found.accounts:,} accounts would be limited ({found.share:.2%})")
        for (before, after), count in sorted(found.moves().items()):
            typer.echo(f"{before} -> {after}: {count:,} accounts")
        table("account", "status", "would be", rows=[(one.buyer_id, one.before, one.after) for one in found.changes])
        if found.held:
            typer.echo("the run would be held")

    answer(found.to_json(), as_json, text)


def _note(url: str, namespace: str, how: str, tried: Policy, by: str, accounts: Sequence[str] = ()) -> None:
    seen = [("policy trial", how), ("policy", tried.digest), *(("account", buyer) for buyer in accounts)]
    looked(url, namespace, f"policy {how}", seen, by=by)


def _in_force(url: str, namespace: str) -> PublishedPolicy | None:
    """The policy published in the store; None without one, and where there is no store to ask, which is told."""
    try:
        with opened(url, namespace, readonly=True) as at:
            return PolicyBook(at).in_force()
    except StoreProblem as error:
        say(f"no store to ask for a published policy, so this is the default one ({error.what})")
        return None


def _print_stages(stages: Stages) -> None:
    rows: list[tuple[object, ...]] = [
        (f"{band.at_least:g}", band.since or "", band.until or "", ", ".join(band.entitlements))
        for band in stages.bands
    ]
    rows.append(("unknown", "", "", ", ".join(stages.unknown_score)))
    table("score from", "since", "until", "entitled to", rows=rows)


def _spans(found: StoreEntitlements) -> dict[str, Any]:
    """Instants as text, for `--json`."""
    spans = {name: _iso(getattr(found, name)) for name in ("since", "until")}
    above = found.next_band
    return {**spans, "next_band": None if above is None else asdict(above) | {"since": _iso(above.since)}}


def _print_entitled(store_id: str, found: StoreEntitlements, why: str) -> None:
    typer.echo(f"{store_id}: {why}")
    since, until = _iso(found.since) or "the beginning", _iso(found.until) or "further notice"
    typer.echo(f"from {since} until {until}: {', '.join(found.entitlements) or 'nothing'}")
    if found.next_band is not None:
        more = ", ".join(found.next_band.gained) or "nothing more"
        typer.echo(f"from a score of {found.next_band.at_least:g}: {more}")


def _iso(at: int | None) -> str | None:
    return None if at is None else to_iso(at)
