"""Policies published, rolled back, put in the shadow and tried on past orders: both stores say the same."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from graph.errors import RunHeld
from graph.open import open_store
from graph.store import Store
from integrity.acts import Actor
from integrity.backtest import backtest, simulate_policy
from integrity.instants import DAY
from integrity.policy_book import PolicyBook, publish_policy, rollback_policy
from integrity.runs import run_detection
from integrity.schedule import new_events
from integrity.shadow import shadow_report, start_shadow
from tests.integrity.hand import NOW, POLICY_TEXT, load, load_market, market_findings, order, policy, refund

ANNA = Actor("anna", "operator")
MILD = POLICY_TEXT.replace('"t1"', '"mild"') + "[statuses]\nplatform_limited_risk = 0.99\nstore_limited_risk = 0.99\n"
TIGHT = POLICY_TEXT.replace('"t1"', '"tight"').replace("0.6", "0.25")


def story(store: Store) -> list[Any]:
    """What a store says on the way of several policies; nothing of it depends on the store."""
    told: list[Any] = []
    load_market(store)
    more: dict[str, Any] = {"by": ANNA, "now": lambda: NOW + 10, "holder": "test"}
    book = PolicyBook(store)
    publish_policy(book, policy(), text=POLICY_TEXT, **more)
    start_shadow(store, policy(MILD), by=ANNA, now=NOW)
    first = run_detection(
        store, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda *_: market_findings()
    )
    told.append(first.run.run_id)
    load(
        store,
        orders=[order("p1", "actor", placed_at=NOW + DAY), order("p2", "lone", placed_at=NOW + DAY, amount=50_000)],
        refunds=[refund("q1", "p1", requested_at=NOW + 2 * DAY)],
    )
    told += [new_events(store), simulate_policy(store, policy(MILD)).to_json(), backtest(store, policy(MILD)).to_json()]
    with pytest.raises(RunHeld) as held:
        publish_policy(book, policy(TIGHT), **more)
    told.append(held.value.what)
    for step in (
        lambda: publish_policy(book, policy(MILD), text=MILD, **more),
        lambda: rollback_policy(book, **more),
        lambda: publish_policy(book, policy(TIGHT), force=True, reason="agreed", **more),
    ):
        outcome = step()
        assert outcome.run is not None
        assert store.head().run == outcome.run.run.run_id
        told += [outcome.published, outcome.run.run.run_id]
    told += [PolicyBook(store).published(), shadow_report(store).to_json()]
    return told


def test_both_stores_tell_the_same_story_of_policies(neo4j_url: str, tmp_path: Path) -> None:
    embedded = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    server = open_store(neo4j_url, namespace=f"policies-{uuid.uuid4().hex[:8]}")
    try:
        one, other = story(embedded), story(server)
    finally:
        embedded.close()
        server.close()
    assert one == other
    assert json.dumps(one, default=str) == json.dumps(other, default=str)
