"""`python -m benchmarks.evasion`: what an adversary must spend per yuan refunded before it is missed, and whether it
can have an innocent buyer limited. Prints the table, keeps it below .bench/evasion, and with --publish writes it into
docs/quality.md."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
from rich.console import Console

from benchmarks.evasion.inject import Planted, Tables, add_ring, templates, time_of
from benchmarks.evasion.tactics import LOSS, PRICES, Spent, Tactic, ladder
from benchmarks.quality.markets import snapshot_of
from benchmarks.quality.mixtures import BY_NAME, REPORT, TUNING, knobs_of
from benchmarks.quality.ours import ringfence
from benchmarks.quality.page import publish
from benchmarks.quality.results import made_by
from benchmarks.quality.tables import Sheet, number
from simulator.draws import stream
from simulator.market import simulate

ROOT: Final = Path(".bench") / "evasion"
RINGS: Final = 6
"""Rings of the adversary in each market."""
BASE_SHARE: Final = 0.004
"""Other abusers of the market."""


@dataclass(frozen=True)
class Tried:
    """A tactic in all markets: accounts `limited` of `accounts`, rings `published` of `rings`, `framed_limited` of
    `framed` innocent buyers, and what was spent."""

    tactic: Tactic
    limited: int = 0
    accounts: int = 0
    published: int = 0
    rings: int = 0
    framed_limited: int = 0
    framed: int = 0
    spent: Spent = field(default_factory=Spent)

    @property
    def caught(self) -> float:
        """Share of the adversary's accounts that are limited."""
        return self.limited / max(1, self.accounts)


def market(seed: int, buyers: int) -> tuple[Tables, set[str]]:
    """An export as tables, and its own abusers."""
    ROOT.mkdir(parents=True, exist_ok=True)
    knobs = knobs_of(BY_NAME["plain"], seed, BASE_SHARE)
    with tempfile.TemporaryDirectory(dir=ROOT) as home:
        folder = Path(home) / "export"
        simulate(folder, buyers=buyers, seed=seed, knobs=knobs, format="parquet")
        tables = {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
        truth = pl.read_csv(Path(home) / "truth.csv", infer_schema=False)
    return tables, set(truth.filter(pl.col("abuser") == "1")["buyer_id"])


def attempt(tables: Tables, guilty: set[str], tactic: Tactic, seed: int) -> Tried:
    """Plant the rings of a tactic into a market, run detection and policy, and see who is limited."""
    rng = stream(seed, f"evasion {tactic.name} {tactic.effort}")
    stock = templates(tables, guilty, rng)
    end = time_of(tables["orders"].select(pl.col("placed_at").max()).item()) + timedelta(hours=1)
    planted = Planted()
    for _ in range(RINGS):
        add_ring(rng, tactic, stock, end, planted)
    with tempfile.TemporaryDirectory(dir=ROOT) as home:
        folder = Path(home) / "export"
        folder.mkdir()
        for name, frame in tables.items():
            more = planted.rows.get(name)
            whole = pl.concat([frame, pl.DataFrame(more, schema=frame.schema)]) if more else frame
            whole.write_parquet(folder / f"{name}.parquet")
        snapshot = snapshot_of(folder)
    outcome = ringfence(snapshot, all_rings=False)
    ids = snapshot.buyers.ids
    limited = {ids[at] for at in outcome.limited.nonzero()[0].tolist()}
    rings = [{ids[at] for at in ring.members.tolist()} for ring in outcome.rings]
    return Tried(
        tactic,
        limited=sum(member in limited for ring in planted.rings for member in ring),
        accounts=sum(len(ring) for ring in planted.rings),
        published=sum(any(2 * len(found & set(ring)) >= len(ring) for found in rings) for ring in planted.rings),
        rings=len(planted.rings),
        framed_limited=sum(victim in limited for victim in planted.framed),
        framed=len(planted.framed),
        spent=planted.spent,
    )


def together(tried: Sequence[Tried]) -> Tried:
    """The same tactic in several markets."""
    total = tried[0]
    for one in tried[1:]:
        total = replace(
            total,
            **{
                name: getattr(total, name) + getattr(one, name)
                for name in ("limited", "accounts", "published", "rings", "framed_limited", "framed", "spent")
            },
        )
    return total


def evasion_sheet(tried: Sequence[Tried]) -> Sheet:
    """One row a rung."""
    rows = []
    for one in tried:
        spent, thousand = one.spent, one.spent.refunded / 1_000
        rows.append(
            [
                one.tactic.name,
                one.tactic.effort,
                f"{one.caught:.2f}",
                f"{one.published}/{one.rings}",
                f"{spent.accounts / thousand:.2f}",
                f"{spent.devices / thousand:.2f}",
                f"{spent.addresses / thousand:.2f}",
                f"{spent.honest_orders / max(1, spent.claims):.1f}",
                f"{spent.yuan / spent.refunded:.2f}",
                f"{one.framed_limited}/{one.framed}" if one.framed else "",
            ]
        )
    columns = (
        "tactic", "effort", "accounts limited", "rings published", "accounts per 1,000 yuan", "devices per 1,000",
        "addresses per 1,000", "honest orders a claim", "yuan spent per yuan refunded", "framed limited",
    )  # fmt: skip
    return Sheet("What evasion costs", columns, rows, left=2)


def missed_sheet(tried: Sequence[Tried]) -> Sheet:
    """For each tactic the least effort with which most of the accounts go unlimited."""
    rows = []
    for name in dict.fromkeys(one.tactic.name for one in tried):
        rungs = [one for one in tried if one.tactic.name == name]
        missed = [one for one in rungs if one.caught < 0.5]
        if not missed:
            best = min(rungs, key=lambda one: one.caught)
            rows.append([name, "caught at every effort tried", number(best.caught, 2), "", ""])
            continue
        least = min(missed, key=lambda one: one.spent.yuan / one.spent.refunded)
        per_account = least.spent.refunded / least.spent.accounts
        cost = least.spent.yuan / least.spent.refunded
        rows.append(
            [name, least.tactic.effort or "as named", number(least.caught, 2), f"{cost:.2f}", f"{per_account:,.0f}"]
        )
    columns = (
        "tactic",
        "missed from this effort on",
        "accounts limited",
        "yuan spent per yuan refunded",
        "yuan refunded an account",
    )
    return Sheet("Least effort with which most accounts are missed", columns, rows, left=2)


def main(given: Sequence[str] | None = None) -> None:
    """Run the ladder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evasion", description=__doc__)
    parser.add_argument("--buyers", type=int, default=6_000)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--tuning", action="store_true", help="take tuning seeds")
    parser.add_argument("--publish", action="store_true", help="write the tables into docs/quality.md")
    args = parser.parse_args(given)
    if args.tuning and args.publish:
        raise SystemExit("tuning seeds are not published")
    console = Console(width=200)
    seeds = args.seeds or (TUNING if args.tuning else REPORT)[:3]
    found: dict[Tactic, list[Tried]] = {}
    for seed in seeds:
        tables, guilty = market(seed, args.buyers)
        for tactic in ladder():
            one = attempt(tables, guilty, tactic, seed)
            found.setdefault(tactic, []).append(one)
            console.print(f"seed {seed}, {tactic.name}, {tactic.effort}: {one.caught:.2f} of accounts limited")
    tried = [together(parts) for parts in found.values()]
    sheets = {"evasion": evasion_sheet(tried), "missed": missed_sheet(tried)}
    for sheet in sheets.values():
        console.print(sheet.rich())
    whole: dict[str, Any] = {**made_by(), "seeds": list(seeds), "buyers": args.buyers, "prices": PRICES, "loss": LOSS}
    whole["rows"] = [asdict(one) for one in tried]
    (ROOT / "evasion.json").write_text(json.dumps(whole), "utf-8")
    if args.publish:
        shown = {key: sheet.markdown() for key, sheet in sheets.items()}
        made, given_seeds = made_by(), ", ".join(map(str, seeds))
        shown["missed"] += (
            f"\n{args.buyers:,} accounts a market, seeds {given_seeds}; version {made['version']}, source "
            f"{made['source']}; {made['machine']['processor']}, {made['machine']['cores']} cores.\n"
        )
        publish(shown, {})


if __name__ == "__main__":
    main()
