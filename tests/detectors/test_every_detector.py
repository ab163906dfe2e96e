"""General checks that every detector of the registry goes through."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.contract import SOURCES, Detector, Evidence, Family
from detectors.pipeline import prepare
from detectors.registry import ALL, reference
from detectors.settings import DetectionSettings
from tests.detectors.market import snapshot
from tests.detectors.test_cases import CASES, context, nats_by_account

each = pytest.mark.parametrize("detector", ALL, ids=lambda detector: detector.name)
FIRING = {case["detector"]: case for case in CASES if case.get("fires") or case.get("clears")}


def rows(found: Evidence) -> list[tuple[Any, ...]]:
    columns = (found.key, found.buyer, found.nats, found.table, found.row, found.count)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@each
def test_it_says_the_same_twice(detector: Detector) -> None:
    case = FIRING[detector.name]
    first, second = (detector.run(context(case["market"], case.get("suspected"))) for _ in range(2))
    assert rows(first) == rows(second)
    assert len(rows(first)) > 0


@each
def test_other_ids_and_another_order_change_nothing_but_the_ids(detector: Detector) -> None:
    case = FIRING[detector.name]
    before = context(case["market"], case.get("suspected"))
    ids = before.snapshot.buyers.ids.tolist()
    rename = {buyer: f"{number * 7919 % 10007:05d}-x" for number, buyer in enumerate(ids)}
    ctx, _ = prepare(snapshot(case["market"], rename), DetectionSettings())
    suspicion = np.isin(ctx.snapshot.buyers.ids.astype(str), [rename[b] for b in case.get("suspected", [])])
    ctx = replace(ctx, suspicion=suspicion.astype(float))
    renamed = nats_by_account(ctx, detector.run(ctx))
    assert {
        rename[b]: pytest.approx(v, abs=1e-9) for b, v in nats_by_account(before, detector.run(before)).items()
    } == renamed


@each
def test_an_empty_market_is_no_error(detector: Detector) -> None:
    assert rows(detector.run(context({}))) == []


@each
def test_one_account_with_one_order_is_linked_to_nobody(detector: Detector) -> None:
    everything = {"device": "d", "ip": "i", "payment": "p", "phone": "t", "recipient": "r", "door": "b/1"}
    found = detector.run(context({"accounts": {"a": {"orders": 1, **everything}}}))
    assert not (found.key >= 0).any()
    assert np.abs(found.nats).max(initial=0.0) < 4.0


@each
def test_its_rows_point_to_records_that_exist_and_its_keys_are_shared(detector: Detector) -> None:
    case = FIRING[detector.name]
    ctx = context(case["market"], case.get("suspected"))
    found = detector.run(ctx)
    s = ctx.snapshot
    lengths = [len(p.ids) for p in (s.buyers, s.orders, s.uses, s.refunds, s.complaints, s.past)]
    for table, row in zip(found.table.tolist(), found.row.tolist(), strict=True):
        assert 0 <= row < lengths[table], SOURCES[table]
    assert np.isfinite(found.nats).all()
    linked = found.key[found.key >= 0]
    assert np.bincount(linked, minlength=len(found.keys.size)).tolist() == found.keys.size.tolist()
    assert (found.keys.size >= 2).all()


LINK_FIELDS = {
    "shared_device": {"device": "d1"},
    "shared_door": {"door": "b1/101"},
    "shared_phone": {"phone": "p1"},
    "shared_payment": {"payment": "c1"},
    "shared_ip": {"ip": "i1"},
    "shared_parcel": {"parcel": "t1", "door": "b9/1", "claims": 1},
    "shared_picture": {"pictures": ["ff00ff00aa55aa55"], "claims": 1},
    "lockstep": {"orders": 4, "claims": 4, "start": 3, "every": 20, "stores": ["q1", "q2", "q3", "q4"], "minute": 40},
    "same_targets": {"device": "d1", "orders": 3, "claims": 3, "stores": ["s1", "s2", "s3"], "minute": 300},
}


@pytest.mark.parametrize("name", LINK_FIELDS)
def test_one_more_account_on_a_key_never_lowers_what_the_key_says(name: str) -> None:
    case = FIRING[name]
    detector = next(detector for detector in ALL if detector.name == name)
    market = copy.deepcopy(case["market"])
    # the newcomer is in both markets, and only in the second on the key
    market["accounts"]["zz"] = {"orders": 1}
    before = nats_by_account(ctx := context(market), detector.run(ctx))
    market["accounts"]["zz"] = {"orders": 1, **LINK_FIELDS[name]}
    after = nats_by_account(ctx := context(market), detector.run(ctx))
    assert all(after[buyer] >= before[buyer] - 1e-9 for buyer in case["fires"])
    assert after["zz"] > before["zz"]


@pytest.mark.parametrize("name", ["claim_excess", "refund_only_excess"])
def test_one_more_claim_never_lowers_the_evidence(name: str) -> None:
    detector = next(detector for detector in ALL if detector.name == name)
    nats = []
    for claims in range(1, 9):
        told = {"orders": 8, "claims": claims, "only": True, "sku": "i0"}
        ctx = context({"crowd": 480, "accounts": {"a": told}})
        nats.append(nats_by_account(ctx, detector.run(ctx))["a"])
    assert nats == sorted(nats)
    assert nats[-1] > nats[0]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=12))
def test_no_mixture_of_accounts_breaks_a_detector(told: list[tuple[int, int, int]]) -> None:
    accounts = {
        f"a{n}": {
            "orders": orders,
            "claims": claims,
            "device": f"d{kind}",
            "door": f"b{kind}/{kind % 2}",
            "parcel": "t",
        }
        for n, (orders, claims, kind) in enumerate(told)
    }
    ctx = context({"accounts": accounts})
    for detector in ALL:
        assert np.isfinite(detector.run(ctx).nats).all()


def test_every_detector_and_setting_is_documented() -> None:
    page = reference()
    for detector in ALL:
        assert detector.doc in page
        assert detector.source
        assert detector.family is Family.ACCOUNT or 0 < detector.prior <= detector.ceiling < 1
    for name, field in DetectionSettings.model_fields.items():
        assert field.description
        assert f"`{name}`" in page
