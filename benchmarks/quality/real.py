"""Real data: rings planted in a real retailer's background, and a payment platform against its incomplete labels.

`RINGFENCE_DATA` names the folder that holds `online_retail` and `p2p`; nothing of it is kept but the scores.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.metrics import Bools, Floats
from benchmarks.quality.markets import ROOT, Case, Market, read_truth, snapshot_of
from benchmarks.quality.ours import ringfence
from benchmarks.quality.peers.common import shared
from benchmarks.quality.retail import background, plant
from benchmarks.quality.tables import Sheet
from graph.snapshot import Snapshot
from simulator.knobs import Knobs

SEEDS: Final = range(1, 11)
TUNING: Final = range(101, 111)
TOP: Final = 0.01
NONE: Final = "1900-01-01"


def data_folder(name: str) -> Path:
    """The folder of a real data set; SystemExit where it is not there."""
    root = os.environ.get("RINGFENCE_DATA", "")
    folder = Path(root) / name
    if not root or not folder.is_dir():
        raise SystemExit(f"RINGFENCE_DATA names no folder with {name}: set it to where the real data sets are")
    return folder


def retail_cases(seeds: Sequence[int]) -> list[Case]:
    """One case a seed: the retailer's customers with rings planted among them."""
    orders, back = background(data_folder("online_retail") / "onlineretail.parquet")
    ROOT.mkdir(parents=True, exist_ok=True)
    cases = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir=ROOT) as home:
            plant(orders, back, seed, Path(home))
            snapshot = snapshot_of(Path(home) / "export")
            truth = read_truth(Path(home) / "truth.csv", snapshot)
        cases.append(Case(Market("online_retail", len(truth.abuser), seed, Knobs()), snapshot, truth))
    return cases


def p2p_sheet() -> Sheet:
    """Lift and recall among the first hundredth of accounts, without labels and with those known by mid-way.

    Half of the labelled accounts, those with the earlier chargebacks, count as known; the rest are to be found."""
    users = pl.read_parquet(data_folder("p2p") / "User.parquet").with_columns(pl.col("id").cast(pl.String))
    fraud = users.filter(pl.col("fraudMoneyTransfer") == 1).sort("firstChargebackMtDate", "id")
    early = fraud.head(fraud.height // 2)
    blind, told = _p2p(early.clear()), _p2p(early)
    ids = [str(one) for one in blind.buyers.ids.tolist()]
    every = np.isin(ids, fraud["id"].to_list())
    known = np.isin(ids, early["id"].to_list())
    late = every & ~known
    pairs = shared(blind, ("device", "payment"))
    degree = pairs.degree()
    most = np.zeros(len(ids))
    np.maximum.at(most, pairs.account[pairs.kind == 0], degree[pairs.key[pairs.kind == 0]].astype(float))
    touched = np.bincount(pairs.key[known[pairs.account]], minlength=pairs.keys) > 0
    beside = np.bincount(pairs.account, touched[pairs.key], minlength=len(ids)).astype(float)
    everyone = np.ones(len(ids), dtype=np.bool_)
    rows = [
        _row("none", "ringfence", every, ringfence(blind, all_rings=False).risk, everyone),
        _row("none", "accounts of one device, most first", every, most, everyone),
        _row("earlier half", "ringfence", late, ringfence(told, all_rings=False).risk, ~known),
        _row("earlier half", "devices and cards shared with a known one", late, beside, ~known),
    ]
    columns = (
        "labels given",
        "method",
        "accounts",
        "to be found",
        "found in the first 1 %",
        "recall",
        "precision",
        "lift",
    )
    return Sheet("A payment platform's accounts against its labels (p2p)", columns, rows, left=2)


def _p2p(known: pl.DataFrame) -> Snapshot:
    """Accounts with devices and cards as log-ins, and the known ones as closed by the platform."""
    folder = data_folder("p2p")
    uses = [
        pl.read_parquet(folder / f"{name}.parquet").select(
            pl.col("from_user_id").cast(pl.String).alias("buyer_id"),
            pl.lit(kind).alias("kind"),
            pl.col(key).cast(pl.String).alias("value"),
            (pl.col(at) + "T00:00:00+00:00").alias("used_at"),
        )
        for name, kind, key, at in (
            ("USED", "device", "to_device_id", "deviceDate"),
            ("HAS_CC", "payment", "to_card_id", "cardDate"),
        )
    ]
    buyers = pl.read_parquet(folder / "User.parquet").select(pl.col("id").cast(pl.String).alias("buyer_id"))
    with tempfile.TemporaryDirectory(dir=ROOT) as home:
        export = Path(home) / "export"
        export.mkdir()
        pl.concat(uses).write_parquet(export / "uses.parquet")
        buyers.write_parquet(export / "buyers.parquet")
        if known.height:
            known.filter(pl.col("firstChargebackMtDate") != NONE).select(
                pl.col("id").alias("buyer_id"),
                (pl.col("firstChargebackMtDate") + "T00:00:00+00:00").alias("decided_at"),
                pl.lit("closed").alias("decision"),
                pl.lit("platform").alias("scope"),
            ).write_parquet(export / "decisions.parquet")
        return snapshot_of(export)


def _row(labels: str, method: str, wanted: Bools, score: Floats, among: Bools) -> list[str]:
    """Counts among the first hundredth of the accounts in question; accounts that tie at its end count in part."""
    wanted, score = wanted[among], score[among]
    most = max(1, round(TOP * len(score)))
    line = np.sort(score)[-most]
    above, at = score > line, score == line
    found = float(wanted[above].sum() + wanted[at].sum() * (most - above.sum()) / at.sum())
    base = wanted.mean()
    return [
        labels, method, f"{len(score):,}", str(int(wanted.sum())), f"{found:.1f}", f"{found / wanted.sum():.3f}",
        f"{found / most:.3f}", f"{found / most / base:.1f}",
    ]  # fmt: skip
