"""Rings of unknown kinds: there only when asked for, and each with the trace that it is meant to leave and no other."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from simulator.knobs import Knobs
from simulator.market import draw
from simulator.tables import Draft
from simulator.unseen import UNSEEN


@pytest.fixture(scope="module")
def draft() -> Draft:
    return draw(6_000, 8, "none", date(2024, 12, 31), Knobs(unseen=0.03))[0]


def crews(draft: Draft, kind: str) -> list[int]:
    return [index for index, crew in enumerate(draft.plan.crews) if crew.kind == kind]


def rows(draft: Draft, crew: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.flatnonzero((draft.orders.crew == crew) & draft.orders.abusive)


def test_every_kind_is_planted_and_all_its_members_abuse(draft: Draft) -> None:
    for kind in UNSEEN:
        members = np.concatenate([draft.plan.crews[crew].members for crew in crews(draft, kind)])
        assert 40 <= len(members) <= 60
        assert draft.abusers[members].mean() > 0.95
    assert not [kind for kind in draw(500, 8, "high", date(2024, 12, 31), Knobs())[0].plan.kind if kind in UNSEEN]


def test_the_rest_of_the_market_stays_as_it_is() -> None:
    plain = draw(1_000, 8, "high", date(2024, 12, 31), Knobs())[0]
    more = draw(1_000, 8, "high", date(2024, 12, 31), Knobs(unseen=0.03))[0]
    assert [crew.members.tolist() for crew in plain.plan.crews] == [
        crew.members.tolist() for crew in more.plan.crews if crew.kind not in UNSEEN
    ]


def test_a_rotating_ring_shares_no_identifier(draft: Draft) -> None:
    for crew in crews(draft, "rotating"):
        mine = rows(draft, crew)
        assert len(mine) > 10
        for values in (draft.marks.device, draft.marks.phone, draft.marks.payment, draft.marks.ip):
            assert len(np.unique(values[mine])) == len(mine)
            assert not np.isin(values[mine], np.delete(values, mine)).any()


def test_a_referral_tree_shares_things_in_small_numbers(draft: Draft) -> None:
    linked = 0
    for crew in crews(draft, "referral_tree"):
        mine = rows(draft, crew)
        members = draft.plan.crews[crew].members
        pairs = np.unique(np.column_stack([draft.marks.device[mine], draft.orders.buyer[mine]]), axis=0)
        shared = np.unique(pairs[:, 0], return_counts=True)[1]
        linked += int((shared > 1).sum())
        assert shared.max() <= max(4, len(members) // 3)
        signed_up = draft.people.registered[members]
        assert (signed_up[1:] >= signed_up[draft.plan.crews[crew].parents[1:]]).mean() > 0.8
    assert linked > 0


def test_a_sellers_staff_claims_at_one_store(draft: Draft) -> None:
    for crew in crews(draft, "sellers_staff"):
        assert len(np.unique(draft.orders.store[rows(draft, crew)])) == 1
