"""Commands about runs: detect, publish, rollback, runs, diff."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.acting import Now, instant
from cli.common import (
    AsJson,
    Namespace,
    PolicyFile,
    StoreUrl,
    Wait,
    answer,
    chosen_policy,
    holder,
    keyer,
    now_us,
    opened,
    say,
    table,
    waiting,
)
from cli.duration import seconds
from cli.language import In, Speaks
from cli.looking import looked
from cli.settings import AUDIT_KEY
from graph.errors import BadInput, RunHeld
from graph.store import RunRecord, Store
from integrity import publication, run_book
from integrity.acts import Actor
from integrity.diff import RISK_STEP, RunDiff, diff_runs
from integrity.instants import from_iso, to_iso
from integrity.invariants import why_held
from integrity.policy import Policy
from integrity.runs import RunOutcome, run_detection

if TYPE_CHECKING:
    from integrity.schedule import Inbox, WallClock

By = Annotated[str, typer.Option("--by", help="Who chooses the run; stands in the book of acts.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands in the book of acts.")]


def detect(
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="INSTANT", help="Look at what had happened by then; default: all.")
    ] = None,
    known_by: Annotated[
        int | None,
        typer.Option("--known-by", metavar="LOAD", min=1, help="As far as this load had told; default: all."),
    ] = None,
    policy: PolicyFile = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of detection instead of the policy's.")] = None,
    no_publish: Annotated[bool, typer.Option("--no-publish", help="Leave the run unpublished.")] = False,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="TIME", help="Again and again, so long after the last run: 30m, 1h, 1d."),
    ] = None,
    after_events: Annotated[
        int | None,
        typer.Option("--after-events", min=1, help="With --every: also as soon as so many orders and claims are new."),
    ] = None,
    look: Annotated[
        str, typer.Option("--look", metavar="TIME", help="With --after-events: how often to look for new ones.")
    ] = "1m",
    load: Annotated[
        Path | None, typer.Option("--load", metavar="FOLDER", help="Take up the new files of this folder first.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", metavar="FILE", help="Mapping file for --load.")] = None,
    by: Annotated[str, typer.Option("--by", help="Who starts it; stands in the book of acts.")] = "command line",
    now: Annotated[
        str | None,
        typer.Option(
            "--now",
            metavar="INSTANT",
            help="Instant of the act in the book; default now, or that of the data where it is a week old.",
        ),
    ] = None,
    noted: Annotated[
        str | None,
        typer.Option(
            "--noted", metavar="REFERENCE", help="Of the act that says who started this, as a server writes it first."
        ),
    ] = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Find rings and abusive accounts, decide about every account, and publish the run.

    A run that breaks what the policy says must hold, such as limiting too many, is held: exit code 7. Who started it
    stands in the book of acts; of a schedule (--every) once."""
    looked_at = None if as_of is None else from_iso(as_of, where="--as-of")
    pause = None if every is None else seconds(every, where="--every")
    inbox = None if load is None else _inbox(load, namespace, mapping)
    if every is not None and (as_of is not None or known_by is not None):
        raise BadInput("a schedule looks at all there is", where="--every", do="leave out --as-of and --known-by")
    if after_events is not None and every is None:
        raise BadInput("needs --every", where="--after-events", do="say by --every how long to wait at most")
    with opened(store, namespace, create=inbox is not None) as at:
        name = holder("ringfence detect")
        start = run_book.Start(
            at,
            noted or run_book.reference(),
            Actor(by, "operator"),
            now_us(),
            None if now is None else instant(now),
            os.environ.get(AUDIT_KEY, ""),
            looked_at,
            known_by,
            pause,
        )
        start.check()
        if pause is not None:
            from integrity.schedule import WallClock, run_schedule

            clock = WallClock()
            with _stop_on_signals(clock):
                turns = run_schedule(
                    at,
                    every=pause,
                    policy=lambda: _policy(policy, seed, at),
                    clock=clock,
                    holder=name,
                    inbox=inbox,
                    publish=not no_publish,
                    after_events=after_events,
                    look=seconds(look, where="--look"),
                    started=start,
                )
            answer(
                asdict(turns), as_json, lambda: typer.echo(f"stopped after {turns.good} good, {turns.failed} failed")
            )
            return
        if inbox is not None:
            from integrity.schedule import WallClock, take_up

            take_up(at, inbox, WallClock(), holder=name)
        outcome = run_detection(
            at,
            policy=_policy(policy, seed, at),
            now=now_us,
            holder=name,
            as_of=looked_at,
            known_by=known_by,
            publish=not no_publish,
            wait=wait,
            on_wait=waiting,
            step=say if not as_json else None,
            started=start,
        )
    data = outcome.to_json() | {
        "run": _record(outcome.run, outcome.run.run_id if outcome.state == "published" else None)
    }
    answer(data, as_json, lambda: _print_outcome(outcome))
    if outcome.state == "held":
        do = f"look at it with `ringfence explain` or publish it all the same: ringfence publish {outcome.run.run_id}"
        raise RunHeld(outcome.run.held_reason, where=outcome.run.run_id, do=do)


def publish(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a whole run, held ones included.")],
    reason: Reason = "",
    by: By = "command line",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Make a run the one that readers see."""
    with opened(store, namespace) as at:
        record = run_book.publish(at, run, _chosen(by, reason, now), holder=holder("ringfence publish"), wait=wait)
    answer(_record(record, record.run_id), as_json, lambda: typer.echo(f"{record.run_id} is published"))


def rollback(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Published run to go back to; default: the one before.")
    ] = None,
    reason: Reason = "",
    by: By = "command line",
    now: Now = None,
    store: StoreUrl = "",
    namespace: Namespace = "",
    wait: Wait = 0.0,
    as_json: AsJson = False,
) -> None:
    """Go back to the run that was published before the current one, or to any earlier one.

    The policy in force stays what it is: `ringfence policy rollback` goes back to an earlier one."""
    with opened(store, namespace) as at:
        record = run_book.rollback(at, _chosen(by, reason, now), to=run, holder=holder("ringfence rollback"), wait=wait)
    answer(_record(record, record.run_id), as_json, lambda: typer.echo(f"{record.run_id} is published again"))


def runs(language: In = Speaks.EN, store: StoreUrl = "", namespace: Namespace = "", as_json: AsJson = False) -> None:
    """List all whole runs, oldest first; the one that readers see is marked. Says of each whether it can be replayed,
    or which run that would need was dropped."""
    with opened(store, namespace, readonly=True) as at:
        records, current = at.runs(), at.head().run
    kept = {record.run_id: record for record in records}
    lacks = {record.run_id: publication.lacking(record, kept) for record in records}
    rows: list[tuple[object, ...]] = [
        (
            "*" if record.run_id == current else "",
            record.run_id,
            record.state,
            to_iso(record.as_of),
            record.policy,
            record.parent or "",
            to_iso(record.started_at),
            f"no: {', '.join(lacks[record.run_id])} dropped" if lacks[record.run_id] else "yes",
            why_held(record, language.value),
        )
        for record in records
    ]
    columns = ("", "run", "state", "as of", "policy", "parent", "started", "replays", "held because")
    data = [
        _record(record, current)
        | {"replay_lacks": list(lacks[record.run_id]), "held_reason": why_held(record, language.value)}
        for record in records
    ]
    answer(data, as_json, lambda: table(*columns, rows=rows))


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The earlier run.")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The later run.")],
    risk_step: Annotated[
        float, typer.Option(min=0, max=1, help="List accounts whose risk changed by at least this.")
    ] = RISK_STEP,
    store: StoreUrl = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Say what changed between two runs: accounts, limits, rings."""
    with opened(store, namespace, readonly=True) as at:
        found = diff_runs(at, before, after, risk_step=risk_step)
    moved = [buyer for ring in found.rings_changed for buyer in (*ring.joined, *ring.left)]
    shown = [*(one.buyer_id for one in found.accounts), *moved]
    looked(store, namespace, "diff", [("account", buyer) for buyer in shown])
    answer(found.to_json(), as_json, lambda: _print_diff(found))


def _chosen(by: str, reason: str, now: str | None) -> run_book.Chosen:
    return run_book.Chosen(Actor(by, "operator"), instant(now), reason, os.environ.get(AUDIT_KEY, ""))


def _inbox(folder: Path, namespace: str, mapping: Path | None) -> Inbox:
    from integrity.schedule import Inbox

    return Inbox(folder, keyer(namespace, os.environ), mapping)


def _policy(file: Path | None, seed: int | None, at: Store) -> Policy:
    policy = chosen_policy(file, at)
    if seed is None:
        return policy
    return policy.model_copy(update={"detection": policy.detection.model_copy(update={"seed": seed})})


@contextmanager
def _stop_on_signals(clock: WallClock) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the schedule between two steps; a second Ctrl-C ends it at once."""

    def stop(number: int, _frame: object) -> None:
        if number == signal.SIGINT and clock.stopping():
            raise KeyboardInterrupt
        clock.stop()

    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _record(record: RunRecord, current: str | None) -> dict[str, Any]:
    instants = ("as_of", "started_at", "finished_at", "published_at")
    shown = asdict(record) | {"current": record.run_id == current}
    return shown | {name: None if shown[name] is None else to_iso(shown[name]) for name in instants}


def _print_outcome(outcome: RunOutcome) -> None:
    run = outcome.run
    again = ", the same as before" if outcome.repeated else ""
    typer.echo(f"{run.run_id}: {outcome.state}{again}, as of {to_iso(run.as_of)}, policy {run.policy}")
    typer.echo(f"{outcome.rings:,} rings; {outcome.limited:,} of {outcome.accounts:,} accounts limited")
    table("status", "accounts", rows=list(outcome.statuses.items()))
    if outcome.dropped:
        typer.echo(f"dropped by retention, with all that rests on them: {', '.join(outcome.dropped)}")
    if outcome.absent:
        typer.echo(f"evidence that the platform does not give: {', '.join(outcome.absent)}")


def _print_diff(found: RunDiff) -> None:
    for (before, after), count in found.moves().items():
        typer.echo(f"{before} -> {after}: {count:,} accounts")
    table(
        "account",
        "status",
        "",
        "risk",
        "",
        "ring",
        "",
        rows=[
            (
                one.buyer_id,
                one.status_before,
                one.status_after,
                _risk(one.risk_before),
                _risk(one.risk_after),
                one.ring_before,
                one.ring_after,
            )
            for one in found.accounts
        ],
    )
    for ring in found.rings_appeared:
        typer.echo(f"ring appeared: {ring}")
    for ring in found.rings_disappeared:
        typer.echo(f"ring disappeared: {ring}")
    for split in found.rings_split:
        typer.echo(f"ring split: {split.ring} comes from {split.other}")
    for merged in found.rings_merged:
        typer.echo(f"ring merged: {merged.ring} went into {merged.other}")
    for change in found.rings_changed:
        name = change.before if change.before == change.after else f"{change.before} -> {change.after}"
        typer.echo(f"ring changed: {name}, {len(change.joined)} joined, {len(change.left)} left")


def _risk(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
