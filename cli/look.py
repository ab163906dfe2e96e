"""Commands that look: explain account and ring, export, status."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import AsJson, Namespace, RunId, StoreUrl, answer, now_us, opened, table
from cli.language import In, Speaks
from cli.looking import looked
from cli.settings import SETTINGS
from graph.errors import BadInput
from graph.store import Store
from integrity.explain import explain_account, explain_ring
from integrity.explain_text import account_text, flip_text, ring_text
from integrity.export import FORMATS, What, export
from integrity.instants import to_iso
from integrity.publication import find_run, last_good_run
from integrity.ring_export import GRAPH_FORMATS, export_ring_graphs
from integrity.version import ringfence_version
from integrity.words import Language

explain = typer.Typer(
    help="Why an account or a ring stands as it does, down to the source records.", no_args_is_help=True
)


class Exported(Enum):
    """What can be exported."""

    ACCOUNTS = "accounts"
    RINGS = "rings"
    EVIDENCE = "evidence"


@explain.command("account")
def explain_one_account(
    buyer_id: Annotated[str, typer.Argument(metavar="ID", help="The platform's id of the buyer.")],
    flip: Annotated[
        bool,
        typer.Option("--flip", help="Also what would flip the decision, and all that was weighed."),
    ] = False,
    language: In = Speaks.EN,
    run: RunId = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Explain one account: its decision, what speaks for and against it, its ring, and the evidence."""
    # detection is loaded only where it is asked for: commands that look start fast
    from integrity.flip import explain_flip
    from integrity.healing import reopen

    speaks: Language = language.value
    with opened(store, namespace, readonly=True) as at:
        told = explain_account(at, buyer_id, run_id=run, language=speaks)
        turns = explain_flip(at, reopen(at, run), buyer_id, speaks) if flip else None
    looked(store, namespace, "explain account", [("account", buyer_id)])

    def text() -> None:
        typer.echo(account_text(told, speaks))
        if turns is not None:
            typer.echo(flip_text(turns, speaks))

    answer(told if turns is None else told | {"flip": turns}, as_json, text)


@explain.command("ring")
def explain_one_ring(
    ring_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a ring, as in the export of rings.")],
    language: In = Speaks.EN,
    run: RunId = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Explain one ring: its members, the stores it hit, and the evidence that holds it together."""
    speaks: Language = language.value
    with opened(store, namespace, readonly=True) as at:
        told = explain_ring(at, ring_id, run_id=run, language=speaks)
    looked(store, namespace, "explain ring", [("account", one["buyer_id"]) for one in told["members"]])
    answer(told, as_json, lambda: typer.echo(ring_text(told, speaks)))


def export_file(
    what: Annotated[Exported, typer.Argument(help="What to write.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=f"Ends in {', '.join(FORMATS)}; rings also in .graphml or .json.")
    ],
    ring: Annotated[
        str | None, typer.Option("--ring", metavar="ID", help="The one ring to draw, in .graphml or .json.")
    ] = None,
    run: RunId = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Write accounts, rings or evidence of a run to a file; the same run gives the same bytes."""
    kind: What = what.value
    graph = what is Exported.RINGS and file.suffix in GRAPH_FORMATS
    if ring is not None and not graph:
        raise BadInput("one ring alone is a graph", where="--ring", do="export rings to a .graphml or .json file")
    with opened(store, namespace, readonly=True) as at:
        rows = export_ring_graphs(at, file, ring_id=ring, run_id=run) if graph else export(at, kind, file, run_id=run)
        of = find_run(at, run).run_id
    looked(store, namespace, "export", [("export", f"{kind} of {of}" if ring is None else f"ring {ring} of {of}")])
    answer({"file": str(file), "rows": rows}, as_json, lambda: typer.echo(f"{file}: {rows:,} {kind}"))


def status(store: StoreUrl = "", namespace: Namespace = "", as_json: AsJson = False) -> None:
    """Say what the store holds, what is published, how old it is, and what is not set up."""
    with opened(store, namespace, readonly=True) as at:
        told = _status(at)

    def text() -> None:
        table("", "", rows=[(name, _shown(value)) for name, value in told.items() if not isinstance(value, dict)])
        table("table", "rows", rows=list(told["rows"].items()))

    answer(told, as_json, text)


def _status(store: Store) -> dict[str, Any]:
    head, described = store.head(), dict(store.describe())
    finished = [load for load in store.loads() if load.state == "finished"]
    good = last_good_run(store)
    published = find_run(store, head.run) if head.run is not None else None
    age = None if good is None or good.finished_at is None else (now_us() - good.finished_at) / 1e6
    return {
        "version": ringfence_version(),
        "store": store.url,
        "namespace": store.namespace,
        "bound_to_a_key": "key_fingerprint" in store.meta(),
        "last_load": head.load or None,
        "last_load_at": to_iso(finished[-1].finished_at) if finished and finished[-1].finished_at is not None else None,
        "published_run": head.run,
        "published_as_of": None if published is None else to_iso(published.as_of),
        "last_good_run": None if good is None else good.run_id,
        "last_good_run_age_seconds": None if age is None else round(age, 1),
        "not_set": [one.name for one in SETTINGS if one.secret and not os.environ.get(one.name)],
        **{name: value for name, value in described.items() if not isinstance(value, dict)},
        "rows": described.get("rows", described.get("tables", {})),
    }


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)
