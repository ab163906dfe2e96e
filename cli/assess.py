"""The command that assesses one claim."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, chosen_policy, now_us, opened
from integrity.assess import assess_claim
from integrity.checkout_view import published_run
from integrity.instants import from_iso, to_iso


def assess(
    refund_id: Annotated[str, typer.Argument(metavar="REFUND", help="The platform's id of the claim.")],
    now: Annotated[
        str | None, typer.Option("--now", metavar="INSTANT", help="Assess as of this instant, to try old data.")
    ] = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Assess one claim by the published run: which remedies apply, why, until when, and what buyer and store are told.

    The policy is the one of the published run; the file counts where no run is published."""
    at_now = now_us() if now is None else from_iso(now, where="--now")
    with opened(store, namespace, readonly=True) as at:
        head, fallback = at.head(), chosen_policy(policy)
        published = None if head.run is None else published_run(at, head.run, fallback)
        rules = fallback if published is None else published.facts.policy
        found = assess_claim(at, refund_id, published, rules, known_by=head.load, now=at_now)

    def text() -> None:
        typer.echo(f"{found.refund_id}: {len(found.remedies)} remedies")
        typer.echo(f"  by {found.basis.run_id or 'no run'}, policy {found.basis.policy}")
        told = {one.kind for one in found.told_to_store}
        for one in found.remedies:
            until = "" if one.expires_at is None else f", until {to_iso(one.expires_at)}"
            where = f" {', '.join(one.store_ids)}" if one.store_ids else ""
            typer.echo(f"{one.kind.value} ({one.scope.value}{where}{until}): {one.reason.value}")
            typer.echo(f"  buyer: {one.buyer.en}")
            typer.echo(f"  store: {one.store.en}{'' if one.kind in told else ' (not told: its score is too low)'}")
            typer.echo(f"  lift:  {one.lift.en}")

    answer(found.to_json(), as_json, text)
