"""What a person takes out of a snapshot is gone for that and for nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graph.changes import Removals, without
from graph.open import open_store
from graph.reader import take_snapshot
from graph.snapshot import KINDS, Snapshot
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate

NOW = 1_893_456_000_000_000


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    home: Path = tmp_path_factory.mktemp("market")
    simulate(home / "export", buyers=400, seed=5, abuse="high")
    store = open_store(f"sqlite:///{home / 'store.db'}")
    try:
        load_folder(store, Keyer("k" * 40), home / "export", now=NOW)
        return take_snapshot(store)
    finally:
        store.close()


def _same(a: Snapshot, b: Snapshot) -> bool:
    return a.digest == b.digest


def test_nothing_taken_out_changes_nothing(snapshot: Snapshot) -> None:
    assert without(snapshot, Removals()) is snapshot
    unknown = Removals(
        frozenset({"device:00", "parcel:00", "picture:0000000000000000"}),
        frozenset({("nobody", "device:00"), (snapshot.buyers.ids[0], "device:00")}),
        frozenset({("refunds", "nothing"), ("complaints", "nothing")}),
    )
    assert _same(without(snapshot, unknown), snapshot)


@pytest.mark.parametrize("kind", ["device", "door", "ip", "phone", "payment"])
def test_an_identifier_is_gone_for_everybody_and_no_other(snapshot: Snapshot, kind: str) -> None:
    column = snapshot.orders.used[kind]
    number = int(np.bincount(column[column >= 0]).argmax())
    left = without(snapshot, Removals(frozenset({snapshot.identifiers[kind][number]})))
    assert (column == number).any()
    assert not (left.orders.used[kind] == number).any()
    others = column != number
    assert (left.orders.used[kind][others] == column[others]).all()
    assert all((left.orders.used[other] == snapshot.orders.used[other]).all() for other in KINDS if other != kind)
    gone = (snapshot.uses.kind == KINDS.index(kind)) & (snapshot.uses.identifier == number)
    assert len(left.uses.buyer) == len(snapshot.uses.buyer) - gone.sum()


def test_a_link_is_gone_for_its_buyer_with_the_places_around(snapshot: Snapshot) -> None:
    orders = snapshot.orders
    order = int(np.flatnonzero((orders.used["door"] >= 0) & (orders.used["building"] >= 0))[0])
    buyer, door = int(orders.buyer[order]), int(orders.used["door"][order])
    left = without(
        snapshot, Removals(links=frozenset({(snapshot.buyers.ids[buyer], snapshot.identifiers["door"][door])}))
    )
    mine = (orders.buyer == buyer) & (orders.used["door"] == door)
    for kind in ("door", "building", "estate"):
        assert (left.orders.used[kind][mine] == -1).all()
        assert (left.orders.used[kind][~mine] == orders.used[kind][~mine]).all()
    assert (left.orders.used["device"] == orders.used["device"]).all()


def test_a_struck_claim_takes_its_complaints_and_pictures_along(snapshot: Snapshot) -> None:
    complaint = 0
    refund = int(snapshot.complaints.refund[complaint])
    left = without(snapshot, Removals(records=frozenset({("refunds", snapshot.refunds.ids[refund])})))
    assert snapshot.refunds.ids[refund] not in left.refunds.ids
    assert len(left.refunds.ids) == len(snapshot.refunds.ids) - 1
    assert snapshot.complaints.ids[complaint] not in left.complaints.ids

    def told(one: Snapshot) -> set[tuple[str, str]]:
        return set(zip(one.complaints.ids.tolist(), one.refunds.ids[one.complaints.refund].tolist(), strict=True))

    def shown(one: Snapshot) -> list[tuple[str, int]]:
        return sorted(zip(one.refunds.ids[one.pictures.refund].tolist(), one.pictures.phash.tolist(), strict=True))

    gone = snapshot.refunds.ids[refund]
    assert told(left) == {pair for pair in told(snapshot) if pair[1] != gone}
    assert shown(left) == [pair for pair in shown(snapshot) if pair[0] != gone]


@pytest.mark.parametrize("table", ["complaints", "past_decisions", "uses"])
def test_a_struck_record_is_gone_alone(snapshot: Snapshot, table: str) -> None:
    part = {"complaints": snapshot.complaints, "past_decisions": snapshot.past, "uses": snapshot.uses}[table]
    id_ = part.ids[len(part.ids) // 2]
    left = without(snapshot, Removals(records=frozenset({(table, id_)})))
    after = {"complaints": left.complaints, "past_decisions": left.past, "uses": left.uses}[table]
    if table == "uses":
        assert set(np.unique(snapshot.uses.row)) - set(np.unique(left.uses.row)) == {len(part.ids) // 2}
    else:
        assert set(part.ids) - set(after.ids) == {id_}
    assert (left.refunds.ids == snapshot.refunds.ids).all()


def test_a_picture_and_a_parcel_can_be_taken_off(snapshot: Snapshot) -> None:
    phash = int(snapshot.pictures.phash[0])
    left = without(snapshot, Removals(frozenset({f"picture:{phash:016x}"})))
    assert phash not in left.pictures.phash.tolist()
    assert len(left.pictures.phash) == (snapshot.pictures.phash != np.uint64(phash)).sum()
    parcel = int(snapshot.refunds.parcel.max())
    left = without(snapshot, Removals(frozenset({snapshot.parcels[parcel]})))
    assert not (left.refunds.parcel == parcel).any()
    assert (
        left.refunds.parcel[snapshot.refunds.parcel != parcel]
        == snapshot.refunds.parcel[snapshot.refunds.parcel != parcel]
    ).all()
