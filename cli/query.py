"""The command `query`: any GraphQL operation, answered in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import By, Now
from cli.asking import asking
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, read_text
from cli.serving import RoleName
from graph.errors import BadInput
from integrity.instants import from_iso


def query(
    file: Annotated[
        Path, typer.Argument(help="File with a GraphQL operation; - reads standard input.", allow_dash=True)
    ],
    variables: Annotated[str, typer.Option("--variables", metavar="JSON", help="Its variables, a JSON object.")] = "",
    role: Annotated[RoleName, typer.Option(help="In whose role it is asked.")] = RoleName.INVESTIGATOR,
    store_id: Annotated[str | None, typer.Option(help="Role `store`: for which store.")] = None,
    by: By = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Ask the GraphQL API without a server: the same answers, roles and records. It prints JSON, asked for or not."""
    del as_json  # a GraphQL answer has no other form
    if (role is RoleName.STORE) is (store_id is None):
        raise BadInput("role `store` and the store go together", where="--store-id", do="give both, or neither")
    at = None if now is None else from_iso(now, where="--now")
    question, given = read_text(file), _variables(variables)
    with asking(store, namespace, policy, by=by, role=role.value, store_id=store_id, now=at) as ask:
        told = ask.answer(question, **given)
    typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    if told.get("errors"):
        raise typer.Exit(1)


def _variables(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise BadInput(f"is no JSON: {error}", where="--variables", do="write an object, {} for none") from None
    if not isinstance(found, dict):
        raise BadInput("is no JSON object", where="--variables", do="write an object, {} for none")
    return found
