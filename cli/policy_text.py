"""How what a policy would lead to is printed for people."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from cli.common import table
from integrity.backtest import Backtest, Judgement, Simulation
from integrity.costs import Cost, Tally
from integrity.instants import to_iso
from integrity.money import to_text
from integrity.policy_diff import PolicyDiff
from integrity.words import Language


def print_words(found: PolicyDiff, language: Language = "en") -> None:
    """What two policies do otherwise, a line a change."""
    typer.echo(f"{found.before} -> {found.after}: {len(found.changes)} changes")
    for change in found.changes:
        typer.echo(f"- {change.told(language)}" + (f" ({change.effect})" if change.effect else ""))
    if found.new_detection:
        typer.echo("Detection itself would differ: what that leads to is seen only by detecting again.")


def print_simulation(found: Simulation) -> None:
    """Both policies beside each other."""
    print_words(found.words)
    typer.echo("")
    typer.echo(f"run {found.run_id}; {found.orders:,} orders after {to_iso(found.start)} up to {to_iso(found.end)}")
    for (before, after), count in sorted(found.moves().items()):
        typer.echo(f"{before} -> {after}: {count:,} accounts")
    if found.changes():
        table("account", "status", "would be", rows=list(found.changes()))
    sides = ((found.words.before, found.now, found.cost_now), (found.words.after, found.then, found.cost_then))
    names = [f"{name} (now)" if number == 0 else f"{name} (tried)" for number, (name, *_) in enumerate(sides)]
    table("", *names, rows=_compared([judgement for _, judgement, _ in sides], [cost for *_, cost in sides]))
    if found.then.held:
        typer.echo("the run would be held: the tried policy limits more accounts than it allows")


def print_backtest(found: Backtest) -> None:
    """A line a run, and all together."""
    rows: list[tuple[object, ...]] = [
        (
            one.run_id,
            to_iso(one.as_of),
            one.limited,
            f"{one.share:.2%}" + (" (held)" if one.held else ""),
            cost.denied,
            cost.cut,
            _money(cost.honest),
            _money(cost.let_through),
        )
        for one, cost in zip(found.judgements, found.costs, strict=True)
    ]
    columns = ("run", "as of", "limited", "share", "denied", "cut", "honest orders stopped", "abuse let through")
    table(*columns, rows=rows)
    typer.echo("all together:")
    table("", "policy", rows=_compared([], [found.total]))


def _compared(judgements: list[Judgement], costs: list[Cost]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    if judgements:
        rows.append(("accounts limited", *(f"{one.limited:,} ({one.share:.2%})" for one in judgements)))
    rows += [
        ("orders denied", *(f"{one.denied:,}" for one in costs)),
        ("orders cut", *(f"{one.cut:,}" for one in costs)),
        ("accounts stopped", *(f"{one.accounts:,}" for one in costs)),
        ("not sold", *(_money(one.stopped) for one in costs)),
        ("- of honest orders", *(_money(one.honest) for one in costs)),
        ("abuse let through", *(_money(one.let_through) for one in costs)),
    ]
    for title, of in (("what became of it", "by_outcome"), ("later verdict on the account", "by_verdict")):
        names = dict.fromkeys(name for one in costs for name in getattr(one, of))
        rows += [
            (f"{title}: {name}", *(_money(getattr(one, of).get(name, Tally())) for one in costs)) for name in names
        ]
    shares = dict.fromkeys(name for one in costs for name in one.by_risk)
    rows += [(f"share by risk: {name}", *(_amounts(one.by_risk.get(name, {})) for one in costs)) for name in shares]
    return rows


def _money(tally: Tally) -> str:
    return f"{_amounts(tally.amounts)} in {tally.orders:,} orders" if tally.orders else "none"


def _amounts(amounts: Mapping[str, int]) -> str:
    return ", ".join(f"{to_text(minor, currency)} {currency}" for currency, minor in amounts.items()) or "none"
