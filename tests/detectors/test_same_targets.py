"""Of accounts that met, each is told by its own claims from a stranger who met the others once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.contract import Context
from detectors.frozen import Measures
from detectors.links.same_targets import meet
from detectors.pipeline import connect, find, prepare
from detectors.settings import DetectionSettings
from graph.snapshot import Floats, Ints
from tests.detectors.market import snapshot

SETTINGS = DetectionSettings(null_draws=4)
TARGETS = ["s1", "s2", "s3", "s4"]
ELSEWHERE = [f"s{at}" for at in range(11, 18)]


def market() -> Context:
    """Four who claim at four stores, and two who have their device, too: of these one claims three times with them, one
    once, and seven times elsewhere."""
    one = {"device": "farm", "orders": 8, "claims": 4, "stores": TARGETS}
    gang: dict[str, Any] = {f"gang-{at}": {**one, "minute": 600 * at} for at in range(4)}
    lent = {
        "joins": {"device": "farm", "orders": 8, "claims": 4, "stores": [*TARGETS[:3], "s11"], "minute": 99},
        "stranger": {"device": "farm", "orders": 8, "claims": 8, "stores": [TARGETS[0], *ELSEWHERE], "minute": 77},
    }
    return prepare(snapshot({"crowd": 400, "accounts": {**gang, **lent}}), SETTINGS)[0]


def most(ctx: Context, buyers: Ints, parts: Floats) -> dict[str, float]:
    """The greatest part of each account."""
    ids = ctx.snapshot.buyers.ids[buyers].tolist()
    return {one: float(parts[np.array(ids) == one].max()) for one in set(ids)}


def part_of(ctx: Context) -> dict[str, float]:
    found = meet(ctx)
    return most(ctx, found.buyer, found.part)


def test_whose_claims_went_where_the_others_went_is_told_from_who_met_them_once() -> None:
    part = part_of(market())
    assert set(part) == {"gang-0", "gang-1", "gang-2", "gang-3", "joins", "stranger"}
    assert min(part[f"gang-{at}"] for at in range(4)) > part["joins"] > 1.0
    assert part["stranger"] < part["joins"] - 2.0


def test_of_two_who_met_by_their_only_claims_nothing_is_told_beyond_the_meeting() -> None:
    one = {"device": "farm", "orders": 3, "claims": 1, "stores": ["s1"]}
    ctx = prepare(snapshot({"crowd": 400, "accounts": {"a": one, "b": {**one, "minute": 99}}}), SETTINGS)[0]
    assert part_of(ctx) == {"a": pytest.approx(0.0, abs=1e-12), "b": pytest.approx(0.0, abs=1e-12)}


def test_the_web_keeps_it_and_every_other_row_has_none() -> None:
    ctx = market()
    links, web = connect(ctx)
    told = np.flatnonzero(web.part)
    assert most(ctx, web.buyer[told], web.part[told]) == part_of(ctx)
    assert not any(item.part.any() for item in links[:-1])


def test_the_stranger_is_suspected_less_for_it() -> None:
    found = find(market().snapshot, SETTINGS, Measures())
    web, ids = found.web, found.ctx.snapshot.buyers.ids.tolist()
    rows = np.flatnonzero((web.part != 0) & (web.buyer == ids.index("stranger")))
    assert len(rows) == 1
    key = web.key[rows[0]]
    said = {ids[web.buyer[row]]: found.beliefs.message[row] for row in np.flatnonzero(web.key == key)}
    assert said["stranger"] < said["joins"] - 1.0
    assert found.risk[ids.index("gang-0")] > 0.9
