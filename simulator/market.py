"""`simulate`: a marketplace with planted refund abuse and honest look-alikes, written by the file contract.

The order of the day: settle people, open shops, plan who acts together, let everybody order, file claims, let stores
complain, write. The truth lies beside the folder, in `truth.csv`, so that nothing that loads the folder sees it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from simulator.claims import file_claims, who_claims
from simulator.draws import DAY, stream
from simulator.knobs import ABUSE_RATE, Abuse, Knobs
from simulator.marks import mark
from simulator.orders import all_orders, crew_orders, fill, own_orders, rush_orders
from simulator.people import settle
from simulator.planner import plan_crews
from simulator.shops import open_shops, plan_events
from simulator.tables import Draft, Format, lay_out, write_table
from simulator.unseen import plant, remark
from simulator.verdicts import abusers, complain, earlier_decisions, smear

LAST_DAY = date(2024, 12, 31)
YEAR = 366
FEWEST_BUYERS = 20
_FORMATS = ("csv", "parquet", "jsonl")


class SimulationError(ValueError):
    """What was asked for makes no market or would overwrite something; says what to change."""


@dataclass(frozen=True)
class Summary:
    """What was written."""

    folder: Path
    truth_path: Path
    rows: dict[str, int]
    """Rows of each table."""
    abusers: int
    rings: int
    """Rings with an abuser; lone abusers are none."""
    kinds: dict[str, int]
    """Abusers of each kind of abuse."""


def simulate(
    out: Path,
    *,
    buyers: int,
    seed: int,
    abuse: Abuse = "default",
    end: date | None = None,
    format: Format = "csv",  # noqa: A002
    knobs: Knobs | None = None,
    overwrite: bool = False,
) -> Summary:
    """Simulate a year that ends with the day `end` (default 2024-12-31) and write it into the folder `out`.

    Parameters
    ----------
    out: folder for the tables; made if missing. `truth.csv` goes into its parent.
    buyers: number of accounts, at least 20.
    seed: not negative; the same arguments give the same bytes.
    abuse: share of abusive accounts, see `ABUSE_RATE`; `knobs.abusers` outranks it.
    end: last day of the year that is simulated, in China's time zone.
    format: "csv", "parquet" or "jsonl".
    knobs: fixed settings; by default those of `Knobs()`, shifted a little by the seed.
    overwrite: replace what a former simulation left in `out` and `truth.csv`.

    Raises
    ------
    SimulationError: arguments out of range, or `out` or `truth.csv` exists and `overwrite` isn't set.
    """
    out = Path(out)
    truth_path = out.absolute().parent / "truth.csv"
    _check(out, truth_path, buyers, seed, abuse, format, overwrite)
    draft, chosen = draw(buyers, seed, abuse, end or LAST_DAY, knobs)
    tables = lay_out(stream(seed, "tables"), chosen, draft)

    truth = tables.pop("truth")
    if overwrite and out.exists():
        _clear(out, tuple(tables))
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        write_table(frame, out, name, format)
    truth.write_csv(truth_path)
    guilty = truth.filter(truth["abuser"] == 1)
    return Summary(
        folder=out,
        truth_path=truth_path,
        rows={name: frame.height for name, frame in tables.items()},
        abusers=guilty.height,
        rings=guilty.filter(guilty["ring_id"] != "")["ring_id"].n_unique(),
        kinds={str(k): int(c) for k, c in guilty.group_by("kind").len().sort("kind").iter_rows()},
    )


def _check(out: Path, truth: Path, buyers: int, seed: int, abuse: str, file_format: str, overwrite: bool) -> None:
    if buyers < FEWEST_BUYERS:
        raise SimulationError(f"buyers is {buyers}; a market needs at least {FEWEST_BUYERS}")
    if seed < 0:
        raise SimulationError(f"seed is {seed}; give a number that is not negative")
    if abuse not in ABUSE_RATE:
        raise SimulationError(f"abuse is {abuse!r}; choose one of {', '.join(ABUSE_RATE)}")
    if file_format not in _FORMATS:
        raise SimulationError(f"format is {file_format!r}; choose one of {', '.join(_FORMATS)}")
    if out.exists() and not out.is_dir():
        raise SimulationError(f"{out} is a file; name a folder to write the tables into")
    if not overwrite:
        if out.exists() and any(out.iterdir()):
            raise SimulationError(f"{out} is not empty; choose another folder or allow overwriting")
        if truth.exists():
            raise SimulationError(f"{truth} exists; choose a folder with another parent or allow overwriting")


def _clear(out: Path, names: tuple[str, ...]) -> None:
    """Remove tables that an earlier simulation left, and nothing else."""
    for name in names:
        for file_format in _FORMATS:
            (out / f"{name}.{file_format}").unlink(missing_ok=True)


def draw(buyers: int, seed: int, abuse: str, last: date, knobs: Knobs | None) -> tuple[Draft, Knobs]:
    """Simulate everything up to the text, with who did what; each part has its own stream of chance.

    Returns the draft and the settings it was made with (`knobs`, or the seed's own). Arguments as in `simulate`.
    """
    chosen = knobs if knobs is not None else Knobs().varied(stream(seed, "knobs"))
    midnight = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) - timedelta(hours=8)
    end = int(midnight.timestamp()) - 1
    start = end + 1 - YEAR * DAY
    people, world = settle(stream(seed, "people"), chosen, buyers, start, end)
    shops = open_shops(stream(seed, "shops"), chosen, buyers, end)
    events = plan_events(stream(seed, "events"), chosen, shops, buyers, start, end)
    rate = ABUSE_RATE[abuse] if chosen.abusers is None else chosen.abusers
    more = partial(plant, shops=shops, accounts=round(chosen.unseen * buyers)) if chosen.unseen else None
    plan = plan_crews(stream(seed, "crews"), chosen, people, world, round(rate * buyers), start, end, more)
    parts = [
        own_orders(stream(seed, "orders"), chosen, people, shops, start, end),
        crew_orders(stream(seed, "together"), chosen, people, shops, plan),
        rush_orders(stream(seed, "rush"), people, events),
    ]
    orders = all_orders(parts, start, end)
    marks = mark(stream(seed, "marks"), chosen, people, world, plan, orders)
    if chosen.unseen:
        remark(stream(seed, "unseen"), people, plan, orders, marks)
    goods = fill(stream(seed, "goods"), shops, orders, end)
    claiming, bad = who_claims(stream(seed, "claiming"), chosen, people, shops, events, orders, goods)
    rng = stream(seed, "claims")
    claims = file_claims(rng, chosen, people, shops, plan, orders, goods, claiming, bad, end)
    complaints = complain(stream(seed, "complaints"), chosen, shops, orders, claims, end)
    if chosen.smeared:
        complaints = smear(stream(seed, "smear"), chosen, orders, claims, complaints, end)
    verdicts = earlier_decisions(stream(seed, "decisions"), chosen, people, orders, claims, start, end)
    guilty = abusers(people, orders, claims)
    draft = Draft(people, world, shops, plan, orders, goods, marks, claims, complaints, verdicts, guilty, start, end)
    return draft, chosen
