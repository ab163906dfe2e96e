"""Candidate rings: who is joined by what, and which of them two accounts alone make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors import communities, pipeline
from detectors.communities import OWN, gather
from detectors.contract import Family
from detectors.frozen import Measures
from detectors.fusion import HUB
from detectors.pipeline import detect, weigh
from detectors.settings import DetectionSettings
from detectors.web import Web
from tests.detectors.market import snapshot
from tests.detectors.webs import web_of

QUICK = DetectionSettings(null_draws=4)
STORES = ["s2", "s5", "s7", "s9"]


def claimants(names: list[str], **more: Any) -> dict[str, Any]:
    """Accounts that claim at the same stores on the same days."""
    return {
        name: {
            "orders": 8, "claims": 7, "only": True, "start": 20, "every": 6, "minute": at * 45, "stores": STORES,
            "door": f"{name}/1", **more,
        }
        for at, name in enumerate(names)
    }  # fmt: skip


def test_two_accounts_alone_make_a_ring_where_they_act_together() -> None:
    told = {"crowd": 400, "accounts": claimants(["one", "two"], device="farm", payment="card")}
    _, web, beliefs, _, _ = weigh(snapshot(told), QUICK, Measures())
    found = gather(web, beliefs.conduct.own, beliefs.risk, beliefs.guilt, QUICK)
    assert (found.rings, found.pair.tolist(), found.size.tolist()) == (1, [True], [2])
    assert [len(row["members"]) for row in detect(snapshot(told), QUICK).rings.to_pylist()] == [2]


def test_two_who_share_things_and_seldom_claim_make_none() -> None:
    told = {"crowd": 400, "accounts": claimants(["one", "two"], device="farm", payment="card", claims=1)}
    assert detect(snapshot(told), QUICK).rings.num_rows == 0


def test_two_alone_keep_their_risk_however_unsure_their_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"crowd": 400, "accounts": claimants(["one", "two"], device="farm", payment="card")}
    before = detect(snapshot(told), QUICK).accounts["risk"].to_pylist()
    monkeypatch.setattr(pipeline, "confidence", lambda *_: (np.zeros(1), np.zeros(1)))
    after = detect(snapshot(told), QUICK)
    assert after.rings.num_rows == 0
    assert after.accounts["risk"].to_pylist() == before


def test_a_picture_that_mostly_others_file_joins_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    fussy = {
        f"fussy-{at}": {
            "orders": 9, "claims": 8, "start": 20 * at, "every": 2, "stores": [f"s{at}", f"s{at + 3}"],
            "pictures": ["00ff00ff00ff00ff"],
        }
        for at in range(3)
    }  # fmt: skip
    others = {
        f"other-{at}": {"orders": 8, "claims": 1, "start": at, "pictures": ["00ff00ff00ff00ff"], "stores": [f"s{at}"]}
        for at in range(6)
    }
    seen = snapshot({"crowd": 400, "accounts": {**fussy, **others}})
    _, web, beliefs, _, _ = weigh(seen, QUICK, Measures())
    acting, guilty = np.array([float(one in fussy) for one in seen.buyers.ids]), np.ones(web.keys)
    assert gather(web, beliefs.conduct.own, acting, guilty, QUICK).rings == 0
    monkeypatch.setattr(communities, "MOST", 0.0)
    assert gather(web, beliefs.conduct.own, acting, guilty, QUICK).size.tolist() == [3]


def groups(web: Web) -> set[frozenset[int]]:
    """The candidate rings of a web all of whose accounts act and all of whose keys are guilty."""
    ring = gather(web, np.full(web.n, OWN), np.ones(web.n), np.ones(web.keys), QUICK).ring
    return {frozenset(np.flatnonzero(ring == number).tolist()) for number in range(ring.max() + 1)}


PLACE, ACTED = Family.PLACE, Family.CONDUCT
TWO = [(ACTED, [0, 1, 2]), (PLACE, [0, 1, 2, 3]), (ACTED, [3, 1]), (ACTED, [4, 5, 6]), (PLACE, [4, 5, 6])]
APART = {frozenset(range(4)), frozenset({4, 5, 6})}


@pytest.mark.parametrize("bridge", [(PLACE, [2, 5]), (Family.INSTRUMENT, [0, 4]), (ACTED, [3, 6])])
def test_one_thing_in_common_joins_no_two_rings(bridge: tuple[Family, list[int]]) -> None:
    assert groups(web_of(*TWO)) == APART
    assert groups(web_of(*TWO, bridge)) == APART


@pytest.mark.parametrize(("people", "rings"), [(HUB - 1, 1), (HUB, 2), (200, 2)])
def test_a_hub_most_of_whose_people_do_not_act_joins_no_two_rings(people: int, rings: int) -> None:
    # two from each ring log in through an office, as many others do
    office = (PLACE, [1, 2, 4, 5, *range(7, people + 3)])
    web = web_of(*TWO, office)
    acting = (np.arange(web.n) < 7).astype(np.float64)
    found = gather(web, np.full(web.n, OWN), acting, np.ones(web.keys), QUICK)
    assert (found.rings, found.size.sum()) == (rings, 7)


def test_a_dormitory_full_of_a_ring_joins_it() -> None:
    assert groups(web_of((PLACE, range(HUB + 5)))) == {frozenset(range(HUB + 5))}


def test_two_things_in_common_join_two_rings() -> None:
    assert groups(web_of(*TWO, (ACTED, [2, 5]), (PLACE, [3, 6]))) == {frozenset(range(7))}


def test_a_key_stays_with_the_group_of_most_of_its_accounts_and_whoever_has_only_that() -> None:
    assert groups(web_of(*TWO, (PLACE, [2, 3, 5, 7]))) == {frozenset({0, 1, 2, 3, 7}), frozenset({4, 5, 6})}


@pytest.mark.parametrize("bridge", [(PLACE, [3, 4]), (ACTED, [3, 4]), (PLACE, [3, 4, 5])])
def test_two_rings_that_have_one_key_each_are_not_joined_by_one_thing_in_common(
    bridge: tuple[Family, list[int]],
) -> None:
    farms = [(PLACE, [0, 1, 2, 3]), (PLACE, [4, 5, 6, 7])]
    assert groups(web_of(*farms, bridge)) == {frozenset(range(4)), frozenset(range(4, 8))}


def test_a_key_of_three_is_a_ring_of_its_own_beside_what_two_have_in_common() -> None:
    farms = [(PLACE, [0, 1, 2]), (PLACE, [3, 4, 5])]
    assert groups(web_of(*farms, (PLACE, [2, 3]))) == {frozenset(range(3)), frozenset(range(3, 6))}


def test_a_ring_of_which_each_has_a_partner_stays_one() -> None:
    partners = [(ACTED, [at, at + 3]) for at in range(3)]
    assert groups(web_of((PLACE, [0, 1, 2]), *partners)) == {frozenset(range(6))}


def test_a_chain_of_pairs_stays_one() -> None:
    chain = [(ACTED, [at, at + 1]) for at in range(5)]
    assert groups(web_of(*chain)) == {frozenset(range(6))}
    assert groups(web_of(*chain[:3], (PLACE, [3, 4, 5]))) == {frozenset(range(6))}


def test_a_cut_leaves_those_together_who_claimed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    gang = claimants([f"g{at:02d}" for at in range(12)], device="farm")
    for at, one in enumerate(gang.values()):
        one["device"] = f"farm-{at // 6}"
    _, web, beliefs, _, _ = weigh(snapshot({"crowd": 400, "accounts": gang}), QUICK, Measures())
    sides = np.arange(12) // 6
    monkeypatch.setattr(communities, "_leiden", lambda net, *_: [*sides, *([0] * (net.vcount() - 12))])
    assert gather(web, beliefs.conduct.own, beliefs.risk, beliefs.guilt, QUICK).size.tolist() == [12]
    monkeypatch.setattr(communities, "_whole", lambda _web, _rows, side: side)
    assert gather(web, beliefs.conduct.own, beliefs.risk, beliefs.guilt, QUICK).size.tolist() == [6, 6]
