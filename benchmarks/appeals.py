"""`python -m benchmarks.appeals`: what an upheld appeal costs, by what is being done.

A simulated market is loaded and detected; a limited account appeals against a link that its limits rest on, and the
appeal is upheld: everybody downstream is decided anew, in a run that is published. That is done on two copies of the
store: all of it detected again, and from the touched part of the run, opened beforehand as a server keeps it once
somebody asked what would flip a decision. Both give the same run. Seconds are of the processor, of all threads.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.market import market
from graph.open import open_store
from graph.store import Store
from integrity.acts import Actor
from integrity.affairs import Affairs
from integrity.anew import decide_anew
from integrity.columns import rows_of
from integrity.healing import Reopened, reopen
from integrity.instants import DAY
from integrity.judgements import About, Said, Target
from integrity.policy import default_policy
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder

SOMEBODY = Actor("somebody", "senior_investigator")


@dataclass
class Spent:
    """Processor seconds by what was being done."""

    by: dict[str, float] = field(default_factory=dict)
    doing: str = ""
    since: float = 0.0

    def __call__(self, step: str) -> None:
        """From now on it is `step`."""
        now = time.process_time()
        if self.doing:
            self.by[self.doing] = self.by.get(self.doing, 0.0) + now - self.since
        self.doing, self.since = step, now

    def all(self) -> dict[str, float]:
        """The same, with the sum."""
        return {**self.by, "all of it": sum(self.by.values())}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, nargs="+", default=[6_000, 60_000])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    table = Table(title="An upheld appeal, processor seconds")
    table.add_column("work")
    measured = [_measure(buyers, args.seed) for buyers in args.buyers]
    for buyers in args.buyers:
        table.add_column(f"{buyers:,} buyers", justify="right")
    for name in measured[0]:
        table.add_row(name, *(one[name] for one in measured))
    Console(width=110).print(table)


def _measure(buyers: int, seed: int) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as home:
        file, copy = Path(home) / "store.db", Path(home) / "copy.db"
        store = open_store(f"sqlite:///{file}")
        load_folder(store, Keyer("k" * 40), market(buyers, seed, "default").folder, now=_now())
        first = run_detection(store, policy=default_policy(), now=_now, holder="benchmark").run.run_id
        buyer, link = _link(store, first)
        store.close()
        shutil.copy(file, copy)
        whole, part, opening = Spent(), Spent(), Spent()
        store = open_store(f"sqlite:///{file}")
        runs = [_uphold(store, buyer, link, whole, None)]
        before, after = (_standing(store, run) for run in (first, runs[0]))
        store.close()
        store = open_store(f"sqlite:///{copy}")
        opening("opening the run")
        opened = reopen(store, first)
        opening("")
        runs.append(_uphold(store, buyer, link, part, opened))
        store.close()
        moved = sum(before.get(id_) != after.get(id_) for id_ in before.keys() | after.keys())
        ways = (("detected again", whole), ("from the touched part", part))
        told = {f"{way}: {name}": f"{seconds:.2f}" for way, one in ways for name, seconds in one.all().items()}
        told |= {name: f"{seconds:.2f}" for name, seconds in opening.by.items()}
        return told | {"accounts that stand otherwise": str(moved), "the same run": str(runs[0] == runs[1])}


def _uphold(store: Store, buyer: str, link: str, spent: Spent, opened: Reopened | None) -> str:
    """Open an appeal and uphold it; the run that came of it."""
    affairs = Affairs(store, default_policy)
    appeal = affairs.appeal_desk.open(buyer, "not me", by=SOMEBODY, now=_now())
    spent("the act")

    def again() -> str:
        run = decide_anew(store, policy=default_policy(), now=_now, holder="benchmark", opened=opened, step=spent)
        spent("listing who was healed")
        return run

    wrong = [About(Target.LINK, link, Said.NOT_THEIRS, buyer_id=buyer)]
    done = affairs.appeal_desk.uphold(appeal.appeal_id, wrong, "so", by=SOMEBODY, now=_now(), recompute=again)
    spent("")
    assert done.healed_by is not None
    return done.healed_by


def _link(store: Store, run: str) -> tuple[str, str]:
    """The heaviest link that speaks against a limited account."""
    statuses = {row["buyer_id"]: row["status"] for row in rows_of(store.run_rows(run, "run_decisions"))}
    rows = [
        row
        for row in rows_of(store.run_rows(run, "run_evidence"))
        if row["identifier"] and row["nats"] > 0 and "LIMITED" in statuses[row["buyer_id"]]
    ]
    top = max(rows, key=lambda row: (row["nats"], row["evidence_id"]))
    return top["buyer_id"], top["identifier"]


def _standing(store: Store, run: str) -> dict[str, tuple[float, str | None]]:
    return {row["buyer_id"]: (row["risk"], row["ring_id"]) for row in rows_of(store.run_rows(run, "run_accounts"))}


def _now() -> int:
    return time.time_ns() // 1_000 + DAY


if __name__ == "__main__":
    main()
