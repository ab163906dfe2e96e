"""The command that simulates a marketplace."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cli.common import AsJson, answer, table
from graph.errors import BadInput
from simulator.market import SimulationError, simulate


class Abuse(Enum):
    """Share of abusive accounts: 0, 0.1, 0.8 and 3 %."""

    NONE = "none"
    LOW = "low"
    DEFAULT = "default"
    HIGH = "high"


class Format(Enum):
    """File format of the tables."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


def simulate_market(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the tables; truth.csv goes beside it.")],
    buyers: Annotated[int, typer.Option(min=20, help="Accounts in the market.")] = 6000,
    seed: Annotated[int, typer.Option(min=0, help="The same arguments give the same bytes.")] = 1,
    abuse: Annotated[Abuse, typer.Option(help="Share of abusive accounts: 0, 0.1, 0.8 or 3 %.")] = Abuse.DEFAULT,
    form: Annotated[Format, typer.Option("--format", help="Format of the tables.")] = Format.CSV,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier market in OUT.")] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a marketplace with planted rings and honest look-alikes, in the input contract's form."""
    try:
        made = simulate(out, buyers=buyers, seed=seed, abuse=abuse.value, format=form.value, overwrite=overwrite)
    except SimulationError as error:
        raise BadInput(str(error)) from None

    def text() -> None:
        table("table", "rows", rows=list(made.rows.items()))
        typer.echo(f"{made.folder}: {made.abusers:,} abusers, {made.rings:,} rings; the truth is in {made.truth_path}")

    answer(json.loads(json.dumps(asdict(made), default=str)), as_json, text)
