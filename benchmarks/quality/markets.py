"""Markets for the benchmarks: simulated, loaded and snapshotted once, then kept below .bench/quality.

A market is named by its size, seed, settings and the source of the rooms that made it; a change in any makes it anew.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.metrics import Truth
from benchmarks.quality.mixtures import BY_NAME, Mixture, knobs_of, mixture_of
from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import Snapshot
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.knobs import Knobs
from simulator.market import simulate

ROOT: Final = Path(".bench") / "quality"
SOURCE: Final = Path(__file__).parents[2]
MADE_BY: Final = ("simulator", "graph/snapshot.py", "loaders/normalise")
"""The source that decides what a market's snapshot says; the rest of loading and reading only decides how fast."""
KEY: Final = "benchmarks use a key of their own, and it guards nothing"
NOW: Final = 1_893_456_000_000_000  # 2030-01-01: after any simulated event


@dataclass(frozen=True)
class Market:
    """One market to be judged: `buyers` accounts, made from `seed` with `knobs`; `label` says which mixture it is."""

    label: str
    buyers: int
    seed: int
    knobs: Knobs

    @property
    def name(self) -> str:
        """A file name that no other market has while the source stays as it is."""
        stated = f"{self.knobs}{digest_of(MADE_BY)}"
        return f"{self.stem}-{hashlib.sha256(stated.encode()).hexdigest()[:10]}"

    @property
    def stem(self) -> str:
        """Size, seed and mixture: what stays the same when settings or source change."""
        return f"{self.buyers}-{self.seed}-{self.label.replace(' ', '_').replace(',', '')}"


@dataclass(frozen=True)
class Case:
    """A market as methods see it, and the truth that they don't."""

    market: Market
    snapshot: Snapshot
    truth: Truth


def market_of(buyers: int, seed: int, mixture: Mixture | None = None, abusers: float | None = None) -> Market:
    """The market of a seed, by default with the seed's own mixture and that mixture's share of abusers."""
    chosen = mixture or mixture_of(seed)
    label = chosen.name if abusers is None else f"{chosen.name}, {100 * abusers:g} % abusers"
    return Market(label, buyers, seed, knobs_of(chosen, seed, abusers))


def named(name: str) -> Mixture:
    """The mixture of that name; ValueError names the ones there are."""
    if name not in BY_NAME:
        raise ValueError(f"there is no mixture {name!r}; choose one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


def case_of(market: Market) -> Case:
    """The market's snapshot and truth, simulated and loaded where they are not kept yet."""
    folder = ROOT / "markets"
    path = folder / f"{market.name}.pickle.gz"
    if path.exists():
        with gzip.open(path, "rb") as file:
            snapshot, truth = pickle.load(file)  # our own file
        return Case(market, snapshot, truth)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT) as home:
        simulate(Path(home) / "export", buyers=market.buyers, seed=market.seed, knobs=market.knobs, format="parquet")
        snapshot = snapshot_of(Path(home) / "export")
        truth = read_truth(Path(home) / "truth.csv", snapshot)
    for old in folder.glob(f"{market.stem}-??????????.pickle.gz"):
        old.unlink()
    part = path.with_suffix(".part")
    with gzip.open(part, "wb", compresslevel=1) as out:
        pickle.dump((snapshot, truth), out, protocol=5)
    part.rename(path)
    return Case(market, snapshot, truth)


def snapshot_of(folder: Path) -> Snapshot:
    """Load a folder by the file contract into a store of its own and take the snapshot; the store is removed."""
    home = Path(tempfile.mkdtemp(dir=folder.parent))
    store = open_store(f"sqlite:///{home / 'bench.sqlite'}")
    try:
        load_folder(store, Keyer(KEY), folder, now=NOW)
        return take_snapshot(store)
    finally:
        store.close()
        shutil.rmtree(home)


def read_truth(path: Path, snapshot: Snapshot) -> Truth:
    """The planted truth in the order of the snapshot's accounts."""
    rows = pl.read_csv(path, infer_schema=False).with_columns(pl.col("kind", "ring_id").fill_null(""))
    known = pl.DataFrame({"buyer_id": pl.Series(snapshot.buyers.ids.tolist(), dtype=pl.String)})
    rows = known.join(rows, on="buyer_id", how="left", maintain_order="left")
    abuser = (rows["abuser"] == "1").fill_null(False).to_numpy()
    ring_id = np.where(abuser, rows["ring_id"].fill_null("").to_numpy(), "")
    names, label = np.unique(ring_id, return_inverse=True)
    ring = np.where(ring_id == "", -1, label - int(names[0] == "")).astype(np.int64)
    return Truth(abuser, ring, np.asarray(rows["kind"].fill_null("").to_list(), dtype=object))


@cache
def digest_of(rooms: tuple[str, ...]) -> str:
    """Hash of the Python source of some rooms (folders or files below the project), as it was when first asked."""
    hasher = hashlib.sha256()
    for room in rooms:
        place = SOURCE / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            hasher.update(path.relative_to(SOURCE).as_posix().encode() + path.read_bytes())
    return hasher.hexdigest()[:10]
