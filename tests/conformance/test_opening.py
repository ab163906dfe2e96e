"""The store itself: what it says of itself, whose key it belongs to, and the walls between namespaces."""

from __future__ import annotations

import pytest

from graph.errors import KeyProblem, StoreProblem
from graph.schema import SCHEMA_VERSION
from tests.conformance.support import Backend, ids, load, order, publish, whole_run


def test_a_new_store_is_empty_and_says_its_schema_version(store):
    assert (store.head().load, store.head().run) == (0, None)
    assert store.meta()["schema_version"] == str(SCHEMA_VERSION)
    assert "key_fingerprint" not in store.meta()
    assert ids(store) == []
    assert store.loads() == []
    assert store.runs() == []


def test_the_first_key_claims_the_store_and_another_is_refused(backend):
    first = backend.open()
    first.claim_key("aaaa")
    first.claim_key("aaaa")
    with pytest.raises(KeyProblem, match="not the key"):
        backend.open().claim_key("bbbb")
    assert first.meta()["key_fingerprint"] == "aaaa"


def test_each_namespace_has_its_own_key(backend):
    backend.open(namespace="one").claim_key("aaaa")
    backend.open(namespace="two").claim_key("bbbb")
    assert backend.open(namespace="one").meta()["key_fingerprint"] == "aaaa"


def test_nothing_crosses_from_one_namespace_to_another(backend):
    one, two = backend.open(namespace="one"), backend.open(namespace="two")
    load(one, orders=[order("o1", device=bytes(16))])
    whole_run(one, "r1")
    publish(one, "r1")
    one.note("audit", [{"at": 1, "id": "n1", "body": "{}"}])
    one.take("k", "w", 5, 10, "o1", now=0, expires_at=9)
    one.acquire("load", "somebody")

    assert (two.head().load, two.head().run) == (0, None)
    assert ids(two) == []
    assert two.find("orders", "order_id", ["o1"]).num_rows == 0
    assert two.find("orders", "device", [bytes(16)]).num_rows == 0
    assert two.current("orders", ["o1"], load=1).num_rows == 0
    assert (two.loads(), two.runs()) == ([], [])
    assert two.notes("audit").num_rows == 0
    assert two.taken([("k", "w")], now=0) == [0]
    two.release(two.acquire("load", "somebody else"))
    assert load(two, orders=[order("o1", "b9")]) == 1
    assert one.find("orders", "order_id", ["o1"]).column("buyer_id").to_pylist() == ["b1"]


def test_describe_counts_visible_rows(store):
    load(store, orders=[order("o1"), order("o2")], buyers=[{"buyer_id": "b1", "digest": 1}])
    load(store, orders=[order("o1", amount=5)])
    described = store.describe()
    assert described["rows"]["orders"] == 2
    assert described["rows"]["buyers"] == 1
    assert described["rows"]["refunds"] == 0
    assert described["load"] == 2


def test_what_was_stored_is_there_when_it_is_opened_again(backend):
    store = backend.open()
    load(store, orders=[order("o1")])
    store.close()
    store.close()
    assert ids(backend.open()) == ["o1"]


def test_a_closed_store_says_so(store):
    store.close()
    with pytest.raises(StoreProblem, match="closed"):
        store.head()


def test_a_reader_can_open_what_a_writer_goes_on_writing(backend: Backend):
    writer = backend.open()
    load(writer, orders=[order("o1")])
    reader = backend.open(readonly=True)
    load(writer, orders=[order("o2")])
    assert ids(reader) == ["o1", "o2"]
    with pytest.raises(StoreProblem, match="reading only"):
        reader.acquire("load", "me")
