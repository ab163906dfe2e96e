"""The command `remedies`: one account's decision with all that is done about it, in words."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.acting import By, Now
from cli.asking import asking
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer
from cli.language import In, Speaks
from graph.errors import NotFound
from integrity.instants import from_iso

_WORDS = "{ en zh }"
_ASK = f"""query($id: ID!, $in: Language!) {{ account(id: $id) {{
  id runId status risk statusReasons(language: $in) expiresAt
  lift(language: $in)
  limits {{ ordersPerDay ordersPer30Days amountPerDay {{ amount currency }} amountPer30Days {{ amount currency }}
    quantityPerItem storeIds }}
  warning {_WORDS}
  remedies {{ kind scope storeIds startsAt expiresAt reason buyer {_WORDS} store {_WORDS} lift {_WORDS} runId policy }}
}} }}"""


def remedies(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The platform's id of the buyer.")],
    by: By = "",
    now: Now = None,
    policy: PolicyFile = None,
    language: In = Speaks.EN,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Show what is done about an account now: status, limits, remedies, and what buyer and stores are told."""
    at = None if now is None else from_iso(now, where="--now")
    with asking(store, namespace, policy, by=by, now=at) as ask:
        found = ask.data(_ASK, id=account, **{"in": language.name})["account"]
    if found is None:
        raise NotFound(f"no account {account!r}", where="the store", do="check the id; load newer data")
    answer(found, as_json, lambda: _print(found, language.value))


def _print(found: dict[str, Any], language: str) -> None:
    status = found["status"] or "not judged yet"
    until = "" if found["expires_at"] is None else f" until {found['expires_at']}"
    typer.echo(f"{found['id']}: {status}{until}, by {found['run_id'] or 'no run'}")
    for reason in found["status_reasons"]:
        typer.echo(f"  - {reason}")
    if found["warning"] is not None:
        typer.echo(f"the buyer is warned: {found['warning'][language]}")
    for one in found["remedies"]:
        end = "" if one["expires_at"] is None else f", until {one['expires_at']}"
        where = f" {', '.join(one['store_ids'])}" if one["store_ids"] else ""
        typer.echo(f"{one['kind']} ({one['scope']}{where}{end}): {one['reason']}")
        for who in ("buyer", "store", "lift"):
            typer.echo(f"  {who + ':':7}{one[who][language]}")
