"""Commands that assess one claim and count the rates of one store."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, chosen_policy, now_us, opened, table
from cli.language import In, Speaks
from cli.looking import looked
from integrity.affairs import acted, stood
from integrity.assess import assess_claim
from integrity.checkout_view import published_run
from integrity.instants import from_iso, to_iso
from integrity.judgements import Said
from integrity.rates import Counts, store_rates


def assess(
    refund_id: Annotated[str, typer.Argument(metavar="REFUND", help="The platform's id of the claim.")],
    now: Annotated[
        str | None, typer.Option("--now", metavar="INSTANT", help="Assess as of this instant, to try old data.")
    ] = None,
    policy: PolicyFile = None,
    language: In = Speaks.EN,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Assess one claim by the published run: which remedies apply, why, until when, and what buyer and store are told.

    The policy is the one of the published run; the file counts where no run is published."""
    at_now = now_us() if now is None else from_iso(now, where="--now")
    with opened(store, namespace, readonly=True) as at:
        head, fallback = at.head(), chosen_policy(policy, at)
        published = None if head.run is None else published_run(at, head.run, fallback)
        rules = fallback if published is None else published.facts.policy
        found = assess_claim(at, refund_id, published, rules, known_by=head.load, now=at_now, acted=acted(at))
    looked(store, namespace, "assess", [("refund", found.refund_id), ("account", found.buyer_id)])

    def text() -> None:
        typer.echo(f"{found.refund_id}: {len(found.remedies)} remedies")
        typer.echo(f"  by {found.basis.run_id or 'no run'}, policy {found.basis.policy}")
        told = {one.kind for one in found.told_to_store}
        for one in found.remedies:
            until = "" if one.expires_at is None else f", until {to_iso(one.expires_at)}"
            where = f" {', '.join(one.store_ids)}" if one.store_ids else ""
            typer.echo(f"{one.kind.value} ({one.scope.value}{where}{until}): {one.reason.value}")
            typer.echo(f"  buyer: {one.buyer.text(language.value)}")
            unsaid = "" if one.kind in told else " (not told: its score is too low)"
            typer.echo(f"  store: {one.store.text(language.value)}{unsaid}")
            typer.echo(f"  lift:  {one.lift.text(language.value)}")
        typer.echo(f"replay it: ringfence replay --claim {found.reference}")

    answer(found.to_json(), as_json, text)


def rates(
    store_id: Annotated[str, typer.Argument(metavar="STORE", help="The platform's id of the store.")],
    days: Annotated[int | None, typer.Option(help="Length of the window in days; default the policy's.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="End of the window; default now.")
    ] = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Count a store's refund, quality-return and dispute rates, as they are and without proven abuse.

    Lists what was left out and why. Complaints that were not upheld change nothing."""
    end = now_us() if until is None else from_iso(until, where="--until")
    with opened(store, namespace, readonly=True) as at:
        head, fallback = at.head(), chosen_policy(policy, at)
        published = None if head.run is None else published_run(at, head.run, fallback)
        complaints, judged, _ = stood(at)
        said = {buyer: one.about.said for buyer, one in judged.accounts.items()}
        found = store_rates(
            at,
            store_id,
            published,
            fallback if published is None else published.facts.policy,
            known_by=head.load,
            now=end,
            days=days,
            complaints=complaints.outcomes(),
            abusive={buyer for buyer, what in said.items() if what is Said.ABUSIVE},
            honest={buyer for buyer, what in said.items() if what is Said.HONEST},
        )

    looked(store, namespace, "rates", [("refund", one.refund_id) for one in found.left_out])

    def row(name: str, counts: Counts) -> tuple[object, ...]:
        shares = (counts.refund_rate, counts.quality_rate, counts.dispute_rate)
        return (name, counts.orders, counts.claims, *("" if one is None else f"{one:.2%}" for one in shares))

    def text() -> None:
        typer.echo(f"{found.store_id} from {to_iso(found.since)} to {to_iso(found.until)}, policy {found.policy}")
        rows = [row("as they are", found.raw), row("without proven abuse", found.cleaned)]
        table("", "orders", "claims", "refund", "quality", "dispute", rows=rows)
        held = "without proven abuse" if found.entitled else "as they are (its score does not let abuse be left out)"
        typer.echo(f"for the store hold those {held}")
        if found.left_out:
            table(
                "left out",
                "order",
                "why",
                rows=[(one.refund_id, one.order_id, one.reason.value) for one in found.left_out],
            )

    answer(found.to_json(), as_json, text)
