"""What a shared picture says hangs on what it was filed for, and on whether it shows anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from detectors.contract import ACCOMPLICES, STRANGERS
from detectors.frozen import Measures
from detectors.pipeline import detect, find, prepare, tell
from detectors.recompute import base_of, recompute
from detectors.registry import LINKS, PLAIN
from detectors.settings import DetectionSettings
from graph.changes import Removals, without
from graph.snapshot import Ints, Snapshot
from tests.detectors.market import snapshot

SETTINGS = DetectionSettings()
ONE = "ff00ff00aa55aa55"
PICTURES = [detector.name for detector in PLAIN].index("shared_picture")


def filed(pictures: list[str], *, step: int = 1, trades: int = 2) -> Snapshot:
    """Five accounts that claim a lot, each at a store of its own, `step` stores apart, with one of these pictures each.
    Stores are of so many `trades` in turn, or of none that is known."""
    claimants: dict[str, Any] = {
        f"ring-{at}": {
            "orders": 6,
            "claims": 5,
            "start": 3 * at,
            "every": 9,
            "stores": [f"s{step * at}"],
            "pictures": [pictures[at % len(pictures)]],
        }
        for at in range(5)
    }
    market = snapshot({"crowd": 300, "accounts": claimants})
    stores = market.stores
    of = [int(str(store)[1:]) % trades if trades else -1 for store in stores.ids]
    known = replace(stores, category=np.array(of, np.int32), categories=tuple(f"trade {one}" for one in range(trades)))
    return replace(market, stores=known)


def grade_of(market: Snapshot) -> Ints | None:
    ctx, _ = prepare(market, SETTINGS)
    return ctx.links[PICTURES].keys.grade


@pytest.mark.parametrize(
    ("step", "trades", "grade"),
    [(1, 2, ACCOMPLICES), (2, 2, STRANGERS), (2, 0, ACCOMPLICES)],
    ids=["of two trades", "of one trade at several stores", "at several stores of unknown trade"],
)
def test_a_picture_is_told_by_the_trades_that_it_was_filed_for(step: int, trades: int, grade: int) -> None:
    stated = grade_of(filed([ONE], step=step, trades=trades))
    assert stated is not None
    assert stated.tolist() == [grade]


def test_a_picture_of_goods_of_several_trades_raises_risk_more_and_says_why() -> None:
    apart, alike = (find(filed([ONE], step=step), SETTINGS, Measures()) for step in (1, 2))
    ring = [at for at, name in enumerate(apart.ctx.snapshot.buyers.ids) if str(name).startswith("ring")]
    told_by = apart.web.detector == PICTURES
    assert (apart.web.prior[told_by] > alike.web.prior[told_by]).all()
    assert (apart.risk[ring] > alike.risk[ring]).all()
    for one, apart_ in ((apart, True), (alike, False)):
        rows = pl.DataFrame(tell(one).evidence).filter(pl.col("kind") == LINKS[PICTURES].name)
        assert rows.height >= len(ring)
        assert (rows["text"].str.contains("for goods of different trades") == apart_).all()


def test_pictures_that_show_nothing_link_nobody() -> None:
    dark = ["0000000000000000", "0000000000000015", "0100000000000100"]
    assert grade_of(filed(dark)) is None
    assert grade_of(filed([f"{2**64 - 1 - int(one, 16):016x}" for one in dark])) is None
    assert grade_of(filed(["00000000000003ff", "00000000000003fe"])) is not None


def test_what_is_recomputed_knows_that_a_picture_is_left_for_one_trade() -> None:
    """Without its copy of goods of another trade the picture has the same people, and says less."""
    market = filed([ONE], step=2)
    stores, refunds, pictures = market.stores, market.refunds, market.pictures
    one = int(np.flatnonzero(market.buyers.ids[refunds.buyer] == "ring-0")[0])
    (other,) = np.flatnonzero(stores.ids == "s1")
    store, at = refunds.store.copy(), market.orders.store.copy()
    store[one] = at[refunds.order[one]] = other
    copy = int(ONE, 16) ^ 1
    phash = np.where(pictures.refund == one, np.uint64(copy), pictures.phash)
    market = replace(
        market,
        refunds=replace(refunds, store=store),
        orders=replace(market.orders, store=at),
        pictures=replace(pictures, phash=phash),
    )
    run = detect(market, SETTINGS)
    assert run.frozen is not None
    base, without_copy = (
        base_of(market, SETTINGS, run.frozen),
        Removals(identifiers=frozenset({f"picture:{copy:016x}"})),
    )
    again = recompute(base, without_copy)
    assert [one.keys.graded.tolist() for one in (base.found.links[PICTURES], again.found.links[PICTURES])] == [[2], [1]]
    whole = find(without(market, without_copy), SETTINGS, Measures(run.frozen))
    assert again.found.risk.tolist() == whole.risk.tolist()
    assert again.found.risk.tolist() != base.found.risk.tolist()
