"""Commands about data: load, quarantine list and retry, forget."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cli.acting import Now, instant
from cli.common import AsJson, Namespace, StoreUrl, Wait, answer, holder, keyer, now_us, opened, say, table, waiting
from cli.settings import AUDIT_KEY
from graph.leases import held
from graph.open import CA_VARIABLE, default_url, masked_url
from integrity.columns import rows_of
from loaders.keying import Keyer
from loaders.load import LEASE, load_folder
from loaders.progress import Shown
from loaders.quarantine import retry
from loaders.report import LoadReport

quarantine = typer.Typer(help="Rows that broke a rule of the input contract.", no_args_is_help=True)


def load(
    folder: Annotated[Path, typer.Argument(help="Folder of tables, as the input contract describes.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="Mapping file for an export of another shape.")
    ] = None,
    bulk: Annotated[
        bool,
        typer.Option("--bulk", help="First load of an empty Neo4j database by its offline import, server stopped."),
    ] = False,
    neo4j_home: Annotated[
        Path | None, typer.Option("--neo4j-home", metavar="DIR", help="With --bulk: the server's home on this host.")
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds to wait for another load to end; with --bulk, for the server."),
    ] = 0.0,
    reread: Annotated[
        bool, typer.Option("--reread", help="Read also files that are byte for byte what was loaded before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Load a folder of the platform's tables into the store, identifiers pseudonymised with RINGFENCE_KEY.

    With --bulk, the server is started again afterwards: constraints and indexes are made as soon as --wait finds it
    running, else by the first command that opens the store for writing."""
    key = keyer(namespace, os.environ)
    loaded = partial(load_folder, mapping=mapping, now=now_us(), holder=holder("ringfence load"))
    if bulk != (neo4j_home is not None):
        raise typer.BadParameter("--bulk and --neo4j-home go together")
    if neo4j_home is not None:
        report = _bulk(folder, neo4j_home, store or default_url(os.environ), key, wait, loaded)
        answer(json.loads(report.to_json()), as_json, lambda: _print_report(report))
        return
    with opened(store, namespace, create=True) as at, Shown(sys.stderr) as progress:
        report = loaded(at, key, folder, progress=progress, wait=wait, on_wait=waiting, reread=reread)
    answer(json.loads(report.to_json()), as_json, lambda: _print_report(report))


def _bulk(folder: Path, home: Path, url: str, key: Keyer, wait: float, loaded: Callable[..., LoadReport]) -> LoadReport:
    """The first load of a stopped server's database."""
    # the parts that only this needs are not there on every system
    from graph.neo4j.bulk import bulk_load
    from graph.neo4j.bulk_schema import settle_when_up

    with bulk_load(url, home, namespace=key.namespace, env=os.environ) as bulk, Shown(sys.stderr) as progress:
        report = loaded(bulk.store, key, folder, progress=progress)
        done = bulk.finish(lambda name: progress.phase(name, None))
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.seconds.items())
    say(f"imported {done.nodes:,} nodes and {done.relationships:,} relationships ({parts})")
    if not wait:
        say("start the server; the first command that opens the store for writing makes its constraints and indexes")
        return report
    say("start the server now: constraints and indexes are made when it answers")
    shown = masked_url(url)
    taken = settle_when_up(url, where=shown, seconds=wait, ca=os.environ.get(CA_VARIABLE, ""))
    say(f"constraints and indexes made ({taken:.1f} s)")
    return report


@quarantine.command("list")
def list_quarantined(
    load: Annotated[int | None, typer.Option(help="Only entries of this load.", min=1)] = None,
    limit: Annotated[int, typer.Option(help="At most this many entries.", min=1, max=100_000)] = 1000,
    after: Annotated[int, typer.Option(help="Only entries after this number.", min=0)] = 0,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """List rejected rows: file, line, column, value (masked where personal), and the rule that it broke."""
    with opened(store, namespace, readonly=True) as at:
        rows = rows_of(at.quarantined(load=load, after=after, limit=limit))
    columns = ("seq", "load", "table", "file", "line", "column", "value", "rule")
    answer(rows, as_json, lambda: table(*columns, rows=[tuple(row[name] for name in columns) for row in rows]))


@quarantine.command("retry")
def retry_quarantined(
    load: Annotated[int | None, typer.Option(help="Only entries of this load.", min=1)] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where the source lies now, if not where the load found it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="Mapping file, if not the one of the load.")
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Read the sources of rejected rows again, and take up the rows that now hold."""
    key = keyer(namespace, os.environ)
    with opened(store, namespace) as at, Shown(sys.stderr) as progress:
        done = retry(
            at,
            key,
            now=now_us(),
            load=load,
            folder=folder,
            mapping=mapping,
            progress=progress,
            holder=holder("ringfence quarantine retry"),
            wait=wait,
            on_wait=waiting,
        )

    def text() -> None:
        for one in done:
            left = one.report.quarantined
            typer.echo(f"load {one.load}: {one.entries:,} entries tried again, {left:,} rows still in quarantine")
            _print_report(one.report)
        if not done:
            typer.echo("nothing waits in the quarantine")

    data = [{"load": one.load, "entries": one.entries, "report": json.loads(one.report.to_json())} for one in done]
    answer(data, as_json, text)


def forget(
    buyer_id: Annotated[str, typer.Argument(metavar="BUYER", help="The platform's id of the buyer.")],
    keep_shared: Annotated[
        bool, typer.Option("--keep-shared", help="Keep what people wrote about a ring, and so about others too.")
    ] = False,
    by: Annotated[str, typer.Option(help="Who erases; default the user of this machine.", show_default=False)] = "",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Erase one buyer's identifiers from every version of every record, and those that nobody else uses; and what
    people wrote about the buyer in complaints, judgements, appeals and cases. What was decided stays."""
    from integrity.acts import Actor
    from integrity.forgetting import forget_buyer

    with opened(store, namespace) as at:
        with held(at, LEASE, holder("ringfence forget"), wait=wait, on_wait=waiting) as lease:
            done = forget_buyer(
                at,
                lease,
                buyer_id,
                by=Actor(by or getpass.getuser(), "operator"),
                now=instant(now),
                signing_key=os.environ.get(AUDIT_KEY, ""),
                keep_shared=keep_shared,
            )
        run = at.head().run
    erased = {**done.records, "texts": done.texts}
    note = (
        f"The published run {run} was made before: its decisions and evidence keep ids and pseudonyms of records, no "
        "raw value. The next run no longer sees these identifiers; older runs end by retention."
        if run is not None
        else "No run has been published, so none rests on what was erased."
    )

    def text() -> None:
        table("erased", "rows", rows=list(erased.items()))
        if done.shared:
            typer.echo(f"{done.shared:,} texts are about other accounts too and were kept")
        typer.echo(note)

    told = {"buyer_id": buyer_id, "erased": erased, "kept_shared": done.shared, "published_run": run, "note": note}
    answer(told, as_json, text)


def _print_report(report: LoadReport) -> None:
    columns = ("read", "new", "changed", "unchanged", "quarantined", "left_out")
    rows: list[tuple[object, ...]] = [
        (name, *(getattr(count, column) for column in columns)) for name, count in report.tables.items()
    ]
    table(
        "table",
        "read",
        "new",
        "changed",
        "unchanged",
        "quarantined",
        "left out",
        rows=rows,
        title=f"load {report.load}",
    )
    for file, names in report.unknown.items():
        typer.echo(f"{file}: columns kept out: {', '.join(names)}")
    for name, reasons in report.left_out.items():
        for reason, count in reasons.items():
            typer.echo(f"{name}: {count:,} rows left out: {reason}")
    for column, values in report.unreadable.items():
        typer.echo(f"{column}: {values:,} values could not be read as what they are and count as absent")
    if report.absent:
        typer.echo(f"absent: {', '.join(report.absent)}")
    if report.waiting:
        typer.echo(f"{report.waiting:,} refunds wait for their order")
    if report.quarantined:
        typer.echo(f"{report.quarantined:,} rows in quarantine: ringfence quarantine list --load {report.load}")
