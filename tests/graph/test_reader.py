"""A snapshot depends on what happened and what was known, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from graph.columns import conform, stored_schema
from graph.errors import BadInput
from graph.open import open_store
from graph.reader import take_snapshot
from graph.schema import BY_NAME
from graph.snapshot import NEVER, OUTCOMES
from graph.store import Store

DAY = 86_400_000_000


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def order(number: str, buyer: str, day: int, **more: Any) -> dict[str, Any]:
    row = {"order_id": number, "buyer_id": buyer, "store_id": "s1", "placed_at": day * DAY, "amount": 1_000}
    return {**row, "currency": "CNY", "quantity": 1, **more}


def refund(number: str, of: str, day: int, **more: Any) -> dict[str, Any]:
    row = {"refund_id": number, "order_id": of, "requested_at": day * DAY, "kind": "refund_only"}
    return {**row, "initiated_by": "buyer", "outcome": "pending", **more}


def place(number: int, kind: str, *, within: int | None = None, bare: int, has_city: bool) -> dict[str, Any]:
    return {
        "id": f"{kind}:{key(number).hex()}",
        "kind": kind,
        "key": key(number),
        "masked": "***",
        "within": None if within is None else key(within),
        "bare": key(bare),
        "has_city": has_city,
    }


class Loading:
    """Loads hand-made rows as one load each."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lease = store.acquire("load", "test")

    def load(self, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
        load = self.store.begin_load(self.lease, source="test", at=0)
        for name, rows in tables.items():
            hidden = {} if name == "identifiers" else {"digest": 0, "file": 0, "line": 1}
            complete = [
                {**hidden, **row} | ({} if name == "identifiers" else {"digest": hash(repr(row))}) for row in rows
            ]
            frame = pa.Table.from_pylist(complete)
            self.store.write(self.lease, load, name, conform(frame, stored_schema(BY_NAME[name])))
        self.store.finish_load(self.lease, load, report="{}", at=0)
        return load


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    with pytest.raises(BadInput, match="load a folder first"):
        take_snapshot(store)


def test_as_of_is_the_latest_event_and_cuts_what_came_later(store: Store) -> None:
    late = refund("r1", "o1", 3, outcome="approved", outcome_at=9 * DAY)
    Loading(store).load({"orders": [order("o1", "b1", 1, signed_at=2 * DAY), order("o2", "b2", 5)], "refunds": [late]})
    whole = take_snapshot(store)
    assert whole.as_of == 9 * DAY
    assert [OUTCOMES[i] for i in whole.refunds.outcome] == ["approved"]
    then = take_snapshot(store, as_of=4 * DAY)
    assert list(then.orders.ids) == ["o1"]
    assert list(then.buyers.ids) == ["b1"]
    assert [OUTCOMES[i] for i in then.refunds.outcome] == ["pending"]
    assert list(then.refunds.outcome_at) == [NEVER]
    assert list(take_snapshot(store, as_of=1 * DAY).orders.signed_at) == [NEVER]


def test_whoever_registered_after_the_last_order_is_an_account_too(store: Store) -> None:
    late = {"buyer_id": "b2", "registered_at": 7 * DAY}
    Loading(store).load({"orders": [order("o1", "b1", 1)], "buyers": [late]})
    assert take_snapshot(store).as_of == 7 * DAY
    assert list(take_snapshot(store).buyers.ids) == ["b1", "b2"]
    assert list(take_snapshot(store, as_of=6 * DAY).buyers.ids) == ["b1"]


def test_known_by_brings_back_what_an_earlier_load_had_told(store: Store) -> None:
    loading = Loading(store)
    first = loading.load({"orders": [order("o1", "b1", 1)]})
    before = take_snapshot(store).digest
    loading.load({"orders": [order("o1", "b1", 1, amount=7), order("o0", "b0", 1)]})
    assert list(take_snapshot(store).orders.amount) == [1_000, 7]
    assert take_snapshot(store, known_by=first).digest == before


def test_a_refund_waits_for_its_order(store: Store) -> None:
    loading = Loading(store)
    loading.load({"orders": [order("o1", "b1", 1)], "refunds": [refund("r2", "o2", 2)]})
    assert not len(take_snapshot(store).refunds.ids)
    loading.load({"orders": [order("o2", "b2", 1, amount=55)]})
    taken = take_snapshot(store).refunds
    assert (list(taken.ids), list(taken.amount)) == (["r2"], [55])


def test_numbers_follow_ids_and_first_appearance_never_the_key(tmp_path: Path) -> None:
    digests = set()
    for salt in (0, 90):
        store = open_store(f"sqlite:///{tmp_path / f'{salt}.db'}")
        keys = [(number * 37 + salt) % 101 for number in range(6)]
        rows = [order(f"o{i}", f"b{i % 3}", i, device=key(keys[i % 4])) for i in range(6)]
        identifiers = [
            {"id": f"device:{key(k).hex()}", "kind": "device", "key": key(k), "masked": "*"} for k in set(keys)
        ]
        Loading(store).load({"orders": rows if salt else rows[::-1], "identifiers": identifiers})
        taken = take_snapshot(store)
        assert list(taken.orders.used["device"]) == [0, 1, 2, 3, 0, 1]
        assert list(taken.orders.used["phone"]) == [-1] * 6
        assert "phone" in taken.absent
        assert "device" not in taken.absent
        digests.add(taken.digest)
        store.close()
    assert len(digests) == 1


def test_a_door_without_its_city_is_the_one_known_door_and_keeps_its_building(store: Store) -> None:
    places = [
        place(1, "estate", bare=11, has_city=True),
        place(2, "building", within=1, bare=12, has_city=True),
        place(3, "door", within=2, bare=13, has_city=True),
        place(11, "estate", bare=11, has_city=False),
        place(12, "building", within=11, bare=12, has_city=False),
        place(13, "door", within=12, bare=13, has_city=False),
    ]
    loading = Loading(store)
    loading.load(
        {
            "orders": [order("o1", "b1", 1, address=key(3)), order("o2", "b2", 1, address=key(13))],
            "identifiers": places,
        }
    )
    taken = take_snapshot(store)
    assert list(taken.orders.used["door"]) == [0, 0]
    assert list(taken.within["door"]) == [0]
    assert list(taken.within["building"]) == [0]
    loading.load({"orders": [order("o3", "b3", 1)], "identifiers": [place(21, "estate", bare=11, has_city=True)]})
    apart = take_snapshot(store)
    assert list(apart.orders.used["door"]) == [0, 1, -1], "an estate known in two cities is not guessed"


def test_uses_count_for_every_level_they_name(store: Store) -> None:
    ip, prefix = key(7), key(8)
    identifiers = [
        {"id": f"ip:{ip.hex()}", "kind": "ip", "key": ip, "masked": "*", "within": prefix},
        {"id": f"ip_prefix:{prefix.hex()}", "kind": "ip_prefix", "key": prefix, "masked": "*"},
    ]
    use = {"use_id": "u1", "buyer_id": "b9", "kind": "ip", "key": ip, "used_at": 2 * DAY}
    Loading(store).load({"orders": [order("o1", "b1", 1, ip=ip)], "uses": [use], "identifiers": identifiers})
    taken = take_snapshot(store)
    assert list(taken.uses.identifier) == [0, 0]
    assert list(taken.uses.row) == [0, 0]
    assert list(taken.buyers.ids) == ["b1", "b9"]
    assert np.array_equal(taken.within["ip"], [0])


def test_an_order_without_lines_stands_for_itself(store: Store) -> None:
    line = {"item_id": "o1\x1fx", "order_id": "o1", "sku": "x", "quantity": 3, "amount": 500}
    Loading(store).load(
        {"orders": [order("o1", "b1", 1, sku="y"), order("o2", "b1", 1, sku="y")], "order_items": [line]}
    )
    items = take_snapshot(store).items
    assert [list(column) for column in (items.order, items.quantity, items.amount)] == [[0, 1], [3, 1], [500, 1_000]]


def test_pictures_become_numbers(store: Store) -> None:
    rows = [refund("r1", "o1", 2, pictures=["00000000000000ff", "ffffffffffffffff"]), refund("r2", "o1", 2)]
    Loading(store).load({"orders": [order("o1", "b1", 1)], "refunds": rows})
    pictures = take_snapshot(store).pictures
    assert (list(pictures.refund), list(pictures.phash)) == ([0, 0], [255, 2**64 - 1])
