"""Commands about the policy: check, show, try."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import AsJson, Namespace, PolicyFile, RunId, StoreUrl, answer, chosen_policy, opened, policy_path, table
from integrity.policy import default_text, load_policy
from integrity.trial import try_policy

policy = typer.Typer(help="The document that says what findings lead to.", no_args_is_help=True)


@policy.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")], as_json: AsJson = False
) -> None:
    """Validate a policy file; an error names the field, its value and what to do."""
    checked = load_policy(file)
    data = {"version": checked.version, "digest": checked.digest}
    answer(data, as_json, lambda: typer.echo(f"{file}: version {checked.version} holds, digest {checked.digest[:12]}"))


@policy.command("show")
def show(policy_file: PolicyFile = None, as_json: AsJson = False) -> None:
    """Print the policy in force: as its file stands, comments included, or as JSON with every default."""
    chosen, path = chosen_policy(policy_file), policy_path(policy_file)
    text = default_text() if path is None else path.read_text(encoding="utf-8-sig")
    answer(chosen.model_dump(mode="json"), as_json, lambda: typer.echo(text.rstrip("\n")))


@policy.command("try")
def try_on_run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file (TOML).")],
    run: RunId = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Decide an earlier run's findings by another policy: what would change, and for whom. Nothing is written."""
    with opened(store, namespace, readonly=True) as at:
        found = try_policy(at, load_policy(file), run_id=run)

    def text() -> None:
        typer.echo(f"{found.limited:,} of {found.accounts:,} accounts would be limited ({found.share:.2%})")
        for (before, after), count in sorted(found.moves().items()):
            typer.echo(f"{before} -> {after}: {count:,} accounts")
        table("account", "status", "would be", rows=[(one.buyer_id, one.before, one.after) for one in found.changes])
        if found.held:
            typer.echo("the run would be held")

    answer(found.to_json(), as_json, text)
