"""What is named as flipping a decision does flip it, no piece of it can be spared, and why not is told too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from random import Random

import pytest

from detectors.pipeline import detect
from detectors.recompute import recompute
from graph.changes import Removals, without
from graph.errors import NotFound
from graph.open import open_store
from graph.store import Store
from integrity.explain import explain_account, explain_ring
from integrity.explain_text import account_text, flip_text, ring_text
from integrity.flip import LIMITED, explain_flip, flip, look
from integrity.healing import Reopened, reopen
from integrity.runs import run_detection
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate
from tests.integrity.test_healing import LATER, quick


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a simulated market and a published run over it."""
    home: Path = tmp_path_factory.mktemp("flip")
    simulate(home / "export", buyers=700, seed=5, abuse="high")
    opened = open_store(f"sqlite:///{home / 'store.db'}")
    load_folder(opened, Keyer("k" * 40), home / "export", now=LATER)
    run_detection(opened, policy=quick(), now=lambda: LATER, holder="test")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def opened(store: Store) -> Reopened:
    return reopen(store)


def accounts(opened: Reopened, *statuses: str) -> list[str]:
    ids = map(str, opened.base.snapshot.buyers.ids)
    return [buyer for buyer in ids if opened.status(buyer) in statuses]


def test_without_what_is_named_the_decision_turns_and_the_risk_is_as_said(opened: Reopened) -> None:
    limited = accounts(opened, *LIMITED)
    assert len(limited) >= 5
    for buyer in Random(4).sample(limited, 5):
        found = flip(opened, buyer)
        assert found.flips
        assert found.evidence
        assert (found.status_before in LIMITED, found.status_after in LIMITED) == (True, False)
        snapshot = without(opened.base.snapshot, found.removals)
        again = detect(snapshot, opened.policy.detection, frozen=opened.base.frozen, former=opened.base.former)
        risk = {row["buyer_id"]: row["risk"] for row in again.accounts.to_pylist()}
        assert risk[buyer] == found.risk_after < found.risk_before
        assert {row["buyer_id"] for row in found.evidence} == {buyer}
        assert min(row["nats"] for row in found.evidence) > 0


def test_no_piece_can_be_spared(opened: Reopened) -> None:
    found = [flip(opened, buyer) for buyer in accounts(opened, *LIMITED)]
    assert any(len(one.pieces) > 1 for one in found)
    for one in found:
        assert reduce(Removals.union, one.pieces) == one.removals
        for spared in one.pieces if len(one.pieces) > 1 else ():
            left = reduce(Removals.union, (piece for piece in one.pieces if piece is not spared))
            still = opened.ask(left).by_buyer.get(one.buyer_id)
            assert still is None or still.status_after in LIMITED


def test_what_is_taken_out_moves_the_score_of_nobody_who_is_not_named(opened: Reopened) -> None:
    found = flip(opened, accounts(opened, *LIMITED)[1])
    changed = set(recompute(opened.base, found.removals).changes["buyer_id"].to_pylist())
    assert changed <= {found.buyer_id, *(one.buyer_id for one in found.others)}


def test_of_an_account_that_is_clear_is_told_what_was_weighed_and_found_benign(opened: Reopened) -> None:
    with_claims = [b for b in accounts(opened, "CLEAR") if (opened.base.snapshot.refunds.buyer == _at(opened, b)).any()]
    told = [look(opened, buyer) for buyer in with_claims]
    assert all(one.reasons or one.against for one in told)
    assert any(fact.say == "link_benign" for one in told for fact in one.against)
    found = flip(opened, with_claims[0])
    assert (found.flips, found.evidence, found.removals) == (False, (), Removals())
    assert found.status_after == found.status_before == "CLEAR"


def _at(opened: Reopened, buyer: str) -> int:
    return opened.base.snapshot.buyers.ids.tolist().index(buyer)


def test_explanations_speak_both_languages(store: Store, opened: Reopened) -> None:
    buyer = next(b for b in accounts(opened, *LIMITED) if explain_account(store, b)["ring"])
    english, chinese = (explain_account(store, buyer, language=speaks) for speaks in ("en", "zh"))
    assert len(english["reasons"]) == len(chinese["reasons"]) > 0
    assert "店铺级限购" in account_text(chinese, "zh")
    assert "Speaks for abuse" in account_text(english)
    assert "Speaks" not in account_text(chinese, "zh")
    decided = english["decision"], chinese["decision"]
    assert [len(one["reasons"]) for one in decided] == [1 + len(english["reasons"])] * 2
    assert [re.findall(r"\d\S*Z", one["lift"]) for one in decided] == [[decided[0]["expires_at"]]] * 2
    assert "涉及" in chinese["decision"]["reasons"][0]
    assert not re.search("[a-z]{3,}", " ".join([*decided[1]["reasons"], decided[1]["lift"]]))
    assert chinese["decision"]["reasons"][0] in account_text(chinese, "zh")
    ring = english["ring"]["ring_id"]
    assert "认定依据" in ring_text(explain_ring(store, ring, language="zh"), "zh")
    turns = explain_flip(store, opened, buyer, "zh")
    assert "撤销以下" in flip_text(turns, "zh")
    assert "Without what follows" in flip_text(explain_flip(store, opened, buyer))
    assert all(row["kind"] and row["text"] for row in turns["evidence"])


def test_an_account_that_the_run_does_not_know_is_not_found(opened: Reopened) -> None:
    with pytest.raises(NotFound, match="no account 'nobody'"):
        flip(opened, "nobody")
