"""Where identifiers were seen, of all accounts and of those that share one with some of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.contract import Context
from detectors.links import comeback
from detectors.links.sharing import Sightings, sightings
from detectors.pipeline import DEFAULTS, prepare
from graph.snapshot import Bools
from tests.detectors.simulated import simulated


@pytest.fixture(scope="module")
def ctx() -> Context:
    return prepare(simulated(2_500, 7), DEFAULTS)[0]


def rows(seen: Sightings, kept: Bools) -> list[tuple[int, ...]]:
    columns = (seen.key, seen.buyer, seen.at, seen.table, seen.row)
    return list(zip(*(column[kept].tolist() for column in columns), strict=True))


@pytest.mark.parametrize("kind", ["device", "phone", "payment", "door", "ip"])
def test_of_some_accounts_all_is_seen_that_shows_what_they_have(ctx: Context, kind: str) -> None:
    everything = sightings(ctx, kind)
    some = np.zeros(ctx.n, bool)
    some[np.random.default_rng(5).choice(ctx.n, 40, replace=False)] = True
    theirs = np.isin(everything.key, everything.key[some[everything.buyer]])
    part = sightings(ctx, kind, some)
    assert rows(part, np.ones(len(part.key), bool)) == rows(everything, theirs)
    assert 40 < len(part.key) < len(everything.key)
    assert not some[part.buyer].all()  # others have it, too
    nobody = sightings(ctx, kind, np.zeros(ctx.n, bool))
    assert not len(nobody.key)


def test_orders_without_a_recipient_bring_nobody_back(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = ctx.snapshot.orders
    # each door a building of its own: whoever came back to one would come back to its nameless recipient, too
    unknown = {**orders.used, "recipient": np.full(len(orders.ids), -1, np.int32), "building": orders.used["door"]}
    blank = replace(ctx, snapshot=replace(ctx.snapshot, orders=replace(orders, used=unknown)))
    named, found = comeback.run(ctx), comeback.run(blank)
    monkeypatch.delitem(comeback.KIND_WEIGHTS, "recipient")
    assert len(found.buyer) > 10
    assert found.count.tolist() == comeback.run(blank).count.tolist() != named.count.tolist()
