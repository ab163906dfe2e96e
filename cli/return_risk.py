"""The command `return-risk`: which orders are likely to come back, and what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import By, Now
from cli.asking import asking
from cli.common import AsJson, Namespace, PolicyFile, StoreUrl, answer, read_text, table
from graph.errors import BadInput
from integrity.instants import from_iso

AT_ONCE = 1_000
_ASK = "query($ids: [ID!]!) { returnRisk(orderIds: $ids) { orderId level reasons reducedBy } }"
_UNKNOWN: dict[str, Any] = {"level": None, "reasons": [], "reduced_by": []}


def return_risk(
    orders: Annotated[list[str] | None, typer.Argument(metavar="ORDER", help="Ids of orders.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="File with one id a line, as many as you like.")
    ] = None,
    by: By = "",
    now: Now = None,
    policy: PolicyFile = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Say how likely orders are to come back, why, and what the store can do. It limits nobody.

    In the order asked, each once; an order that is not known has no level."""
    named = [*(orders or ()), *(read_text(file).split() if file is not None else ())]
    if not named:
        raise BadInput("no order is named", where="return-risk", do="name orders, or give a --file with one id a line")
    ids = list(dict.fromkeys(named))
    found: list[dict[str, Any]] = []
    with asking(store, namespace, policy, by=by, now=None if now is None else from_iso(now, where="--now")) as ask:
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            told = ask.data(_ASK, ids=some)["return_risk"]
            found += [one or {"order_id": id_} | _UNKNOWN for id_, one in zip(some, told, strict=True)]

    def text() -> None:
        rows = [
            (one["order_id"], one["level"] or "not known", ", ".join(one["reasons"]), ", ".join(one["reduced_by"]))
            for one in found
        ]
        table("order", "risk", "why", "what helps", rows=list(rows))

    answer(found, as_json, text)
