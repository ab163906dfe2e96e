"""Forgetting a buyer: identifiers, notes, pictures and parcels go in every version; what others share stays."""

from __future__ import annotations

from tests.conformance.support import key, leased, load, order, scan, table


def identifier(number: int, kind: str = "device", within: int | None = None):
    name = f"{kind}:{key(number).hex()}"
    wider = None if within is None else key(within)
    return {"id": name, "kind": kind, "key": key(number), "masked": "m", "within": wider}


def refund(number: str, order_id: str, parcel: int):
    row = {"refund_id": number, "order_id": order_id, "requested_at": 2, "kind": "refund_only", "initiated_by": "buyer"}
    row |= {"note": key(900), "pictures": ["ffff"], "parcel": key(parcel), "outcome": "approved", "amount": 3}
    return {**row, "digest": parcel}


def use(number: str, buyer: str, of: int):
    return {"use_id": number, "buyer_id": buyer, "kind": "device", "key": key(of), "used_at": 3, "digest": of}


def market(store) -> None:
    numbers = {1: "device", 2: "device", 3: "phone", 7: "device", 8: "parcel", 9: "parcel"}
    places = [identifier(4, "door", within=5), identifier(5, "building", within=6), identifier(6, "estate")]
    places += [identifier(11, "door", within=6)]
    load(
        store,
        orders=[order("o1", "gone", device=key(7), phone=key(3)), order("o9", "stays", device=key(2), address=key(11))],
        identifiers=[*(identifier(number, kind) for number, kind in numbers.items()), *places],
    )
    load(
        store,
        orders=[order("o1", "gone", device=key(1), phone=key(3), address=key(4)), order("o2", "gone", device=key(2))],
        refunds=[refund("r1", "o1", 8), refund("r9", "o9", 9)],
        uses=[use("u1", "gone", 1), use("u2", "stays", 2), use("u3", "gone", 2)],
    )


def test_a_forgotten_buyer_keeps_orders_without_identifiers_in_every_version(store):
    market(store)
    with leased(store) as lease:
        counts = store.forget(lease, "gone")
    assert counts == {"orders": 3, "refunds": 1, "uses": 2, "identifiers": 6}
    for known_by in (1, 2):
        rows = {row["order_id"]: row for row in scan(store, known_by=known_by)}
        for name in ("device", "ip", "payment", "phone", "recipient", "address"):
            assert rows["o1"][name] is None
        assert (rows["o1"]["buyer_id"], rows["o1"]["amount"]) == ("gone", 100)
        assert rows["o9"]["device"] == key(2)
    claims = {row["refund_id"]: row for row in scan(store, "refunds")}
    assert [claims["r1"][name] for name in ("note", "pictures", "parcel", "amount")] == [None, None, None, 3]
    assert [claims["r9"][name] for name in ("note", "pictures", "parcel")] == [key(900), ["ffff"], key(9)]
    assert [row["use_id"] for row in scan(store, "uses")] == ["u2"]


def test_identifiers_that_others_use_stay_and_the_rest_go_with_their_wider_places(store):
    market(store)
    with leased(store) as lease:
        store.forget(lease, "gone")
    assert {row["id"].split(":")[0] + str(row["key"][-1]) for row in scan(store, "identifiers")} == {
        "device2",
        "parcel9",
        "door11",
        "estate6",
    }


def test_what_was_forgotten_is_not_found_and_what_stays_is(store):
    market(store)
    with leased(store) as lease:
        store.forget(lease, "gone")
    for column, value in (("device", key(1)), ("device", key(7)), ("phone", key(3)), ("address", key(4))):
        for known_by in (1, 2):
            assert store.find("orders", column, [value], known_by=known_by).num_rows == 0
    assert store.find("orders", "device", [key(2)]).column("order_id").to_pylist() == ["o9"]
    assert store.find("orders", "buyer_id", ["gone"]).num_rows == 2
    assert store.find("uses", "buyer_id", ["gone"]).num_rows == 0
    assert store.find("uses", "key", [key(2)]).column("use_id").to_pylist() == ["u2"]
    assert store.find("refunds", "parcel", [key(8)]).num_rows == 0
    assert store.find("identifiers", "key", [key(1)]).num_rows == 0
    assert store.find("identifiers", "key", [key(2)]).num_rows == 1


def test_forgetting_again_or_somebody_unknown_erases_nothing(store):
    market(store)
    nothing = {"orders": 0, "refunds": 0, "uses": 0, "identifiers": 0}
    with leased(store) as lease:
        store.forget(lease, "gone")
        assert store.forget(lease, "gone") == nothing
        assert store.forget(lease, "never was") == nothing
    assert len(scan(store)) == 3


def test_loading_goes_on_after_forgetting(store):
    market(store)
    with leased(store) as lease:
        store.forget(lease, "gone")
    load(
        store,
        orders=[order("o3", "gone", device=key(1)), order("o1", "gone", amount=5)],
        identifiers=[identifier(1)],
        uses=[use("u1", "gone", 1)],
    )
    assert {row["order_id"]: row["device"] for row in scan(store)} == {
        "o1": None,
        "o2": None,
        "o3": key(1),
        "o9": key(2),
    }
    assert [row["use_id"] for row in scan(store, "uses")] == ["u1", "u2"]
    assert store.find("identifiers", "key", [key(1)]).num_rows == 1


def test_forgetting_while_a_load_is_open_reaches_what_the_load_brings_and_replaces(store):
    load(store, uses=[use("u1", "gone", 1), use("u2", "stays", 2)], orders=[order("o1", "gone", device=key(1))])
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "uses", table("uses", [use("u1", "gone", 7), use("u3", "gone", 7)]))
        store.write(lease, number, "orders", table("orders", [order("o1", "gone", device=key(7))]))
        assert store.forget(lease, "gone") == {"orders": 2, "refunds": 0, "uses": 3, "identifiers": 0}
        store.finish_load(lease, number, report="", at=2)
    for known_by in (1, 2):
        assert [row["use_id"] for row in scan(store, "uses", known_by=known_by)] == ["u2"]
        assert [row["device"] for row in scan(store, known_by=known_by)] == [None]


def test_forgetting_while_the_first_load_is_open_reaches_what_it_brings(store):
    with leased(store) as lease:
        number = store.begin_load(lease, source="x", at=1)
        store.write(lease, number, "uses", table("uses", [use("u1", "gone", 7), use("u2", "stays", 2)]))
        store.write(lease, number, "orders", table("orders", [order("o1", "gone", device=key(7))]))
        assert store.forget(lease, "gone")["orders"] == 1
        store.finish_load(lease, number, report="", at=2)
    assert [row["use_id"] for row in scan(store, "uses")] == ["u2"]
    assert [row["device"] for row in scan(store)] == [None]
