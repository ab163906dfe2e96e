"""What others write onto a person says nothing of that person; who claims with nobody is believed sooner."""

from __future__ import annotations

from typing import Any

import pytest

from detectors import fusion, pipeline
from detectors.frozen import Measures
from detectors.links import sharing
from detectors.pipeline import Findings, detect, find, weighed
from detectors.settings import DetectionSettings
from tests.detectors.market import snapshot

QUICK = DetectionSettings(null_draws=4)
STORES = ["s2", "s5", "s7", "s9"]


def market() -> dict[str, Any]:
    """400 ordinary people; a gang of eight on one device that has its parcels sent to a stranger's door, under the
    stranger's number, and claims where the stranger claims, too."""
    gang: dict[str, Any] = {
        f"gang-{n}": {
            "orders": 6, "claims": 6, "only": True, "start": 40 + n % 3, "every": 6, "minute": n * 45, "stores": STORES,
            "device": "farm", "door": "stranger/1", "phone": "stranger",
        }
        for n in range(8)
    }  # fmt: skip
    stranger = {
        "orders": 12, "claims": 4, "start": 10, "every": 6, "stores": STORES, "device": "own", "door": "stranger/1",
        "phone": "stranger",
    }  # fmt: skip
    return {"crowd": 400, "accounts": {**gang, "stranger": stranger}}


def risk(findings: Findings, buyer: str) -> float:
    return next(row["risk"] for row in findings.accounts.to_pylist() if row["buyer_id"] == buyer)


def roles(findings: Findings) -> dict[str, str]:
    return {row["buyer_id"]: row["role"] for row in findings.members.to_pylist()}


def test_a_stranger_whose_door_and_number_a_gang_writes_stays_out_of_its_ring() -> None:
    found = detect(snapshot(market()), QUICK)
    assert roles(found).keys() == {f"gang-{n}" for n in range(8)}
    assert risk(found, "stranger") < 0.3


def test_were_it_not_for_what_was_its_own_before_the_stranger_would_be_suspected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fusion, "_borne_out", lambda _web, _own, message: message)
    assert risk(detect(snapshot(market()), QUICK), "stranger") > 0.6


def test_nor_does_somebody_who_lives_there_and_came_second(monkeypatch: pytest.MonkeyPatch) -> None:
    told = market()
    mate = {**told["accounts"]["stranger"], "start": 13, "device": "another", "orders": 60, "claims": 2, "every": 1}
    told["accounts"]["mate"] = mate
    assert risk(detect(snapshot(told), QUICK), "mate") < 0.3
    monkeypatch.setattr(sharing, "EARLY", 0)
    assert risk(detect(snapshot(told), QUICK), "mate") > 0.6


def test_an_account_that_went_to_the_gangs_device_by_itself_is_no_stranger() -> None:
    told = market()
    told["accounts"]["stranger"]["device"] = "farm"
    assert risk(detect(snapshot(told), QUICK), "stranger") > 0.5


@pytest.mark.parametrize(("days", "role"), [(50, "bystander"), (70, None)])
def test_a_device_that_was_somebodys_for_months_says_nothing_of_the_person_when_a_gang_comes_to_use_it(
    days: int, role: str | None
) -> None:
    told = market()
    for one in told["accounts"].values():
        one |= {"device": "farm", "start": one["start"] + days - 30}
    told["accounts"]["stranger"] |= {"start": 10, "orders": 20, "every": (days + 40) / 20, "claims": 1}
    seen = snapshot(told)
    found = detect(seen, QUICK)
    gang = {f"gang-{n}": "actor" for n in range(8)}
    assert roles(found) == gang | ({"stranger": role} if role else {})
    assert risk(found, "stranger") < (0.1 if role else 0.001)
    number = seen.buyers.ids.tolist().index("stranger")
    _, against = weighed(find(seen, QUICK, Measures()), number)
    assert ("shared_device" in {one.values["kind"] for one in against if one.say == "link_own"}) == (role is None)


@pytest.mark.parametrize(("device", "counts"), [("own", False), ("farm", True)])
def test_a_door_that_was_its_own_is_named_as_such_unless_a_device_bears_it_out(device: str, counts: bool) -> None:
    told = market()
    told["accounts"]["stranger"]["device"] = device
    told["accounts"]["gang-7"]["device"] = "another"  # or the device and the door were one key, of the same people
    seen = snapshot(told)
    _, against = weighed(find(seen, QUICK, Measures()), seen.buyers.ids.tolist().index("stranger"))
    assert any(one.say == "link_own" for one in against) != counts


def test_the_same_claims_are_suspected_less_of_who_claims_with_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {"crowd": 300, "accounts": {"lone": {"orders": 9, "claims": 7, "only": True}}}
    found = risk(detect(snapshot(told), QUICK), "lone")
    monkeypatch.setattr(fusion, "TOGETHER", -1.0)
    assert found < risk(detect(snapshot(told), QUICK), "lone")


def test_who_claims_with_the_rings_people_is_of_the_ring_though_one_link_alone_holds_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = market()
    del told["accounts"]["stranger"]
    apart = {"device": "own", "door": "home/1", "phone": "own"}
    told["accounts"]["gang-7"] |= {"claims": 3, "orders": 60, **apart}
    assert roles(detect(snapshot(told), QUICK))["gang-7"] == "actor"
    monkeypatch.setattr(pipeline, "joined", lambda _web, candidates, *_rest: candidates)
    assert roles(detect(snapshot(told), QUICK))["gang-7"] == "bystander"
