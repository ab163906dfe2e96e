"""Runs: whole or not at all, published in one switch, and the earlier ones stay."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from detectors.frozen import GENERATION, NOW, Frozen, frozen_table, read_frozen
from detectors.names import Lineage, known_rings
from detectors.tables import lineage_table
from graph.errors import NotFound, StoreProblem
from tests.conformance.support import account, eventually, leased, load, order, publish, run, table, whole_run


def test_a_run_is_read_only_when_it_is_whole(store):
    with leased(store, "run") as lease:
        store.begin_run(lease, run("r1"))
        store.write_run(lease, "r1", "run_accounts", table("run_accounts", [account("b2"), account("b3")]))
        store.write_run(lease, "r1", "run_accounts", table("run_accounts", [account("b1", 0.25)]))
        assert store.runs() == []
        with pytest.raises(NotFound):
            store.run_rows("r1", "run_accounts")
        with pytest.raises(StoreProblem, match="not finished"):
            store.publish(lease, "r1", at=1)
        store.finish_run(lease, "r1", state="complete", stats='{"rings": 0}', at=20)
    rows = store.run_rows("r1", "run_accounts")
    assert rows.to_pylist() == [account("b1", 0.25), account("b2"), account("b3")]
    assert store.run_rows("r1", "run_accounts", columns=["risk"]).to_pylist()[0] == {"risk": 0.25}
    assert store.run_rows("r1", "run_rings").num_rows == 0
    (record,) = store.runs()
    assert record == run("r1", state="complete", finished_at=20, stats='{"rings": 0}')
    assert store.head().run is None


def test_a_run_keeps_its_lineage_and_what_it_measured_as_written(store):
    law, keys = np.arange(9000, dtype=np.float64) / 7, np.array([[1, -2], [3, 2**60]])
    value = Frozen({"law": law, "keys": keys, GENERATION: np.array([NOW])})
    lineage = [
        Lineage("ring-1", "continues", merges=("ring-2",)),
        Lineage("ring-2", "merged", into="ring-1"),
        Lineage("ring-3", "dissolved", gone_at=7, members=("b1", "b2")),
        Lineage("ring-4", "splits", splits_from="ring-1"),
    ]
    with leased(store, "run") as lease:
        store.begin_run(lease, run("r1"))
        store.write_run(lease, "r1", "run_frozen", frozen_table(value))
        store.write_run(lease, "r1", "run_lineage", lineage_table(lineage))
        store.finish_run(lease, "r1", state="complete", at=20)
    back = read_frozen(store.run_rows("r1", "run_frozen"))
    assert back is not None
    assert all(np.array_equal(back.values[name], one) for name, one in value.values.items())
    assert store.run_rows("r1", "run_lineage").equals(lineage_table(lineage))
    known = known_rings(store.run_rows("r1", "run_rings"), store.run_rows("r1", "run_lineage"))
    assert [(ring.ring_id, ring.gone_at) for ring in known] == [("ring-3", 7)]


def test_publishing_switches_and_rolling_back_is_publishing_the_earlier_run(store):
    load(store, orders=[order("o1")])
    whole_run(store, "r1", [account("b1", 0.1)])
    whole_run(store, "r2", [account("b1", 0.2)], started_at=11, parent="r1")
    publish(store, "r1")
    publish(store, "r2")
    assert (store.head().load, store.head().run) == (1, "r2")
    publish(store, "r1")
    assert store.head().run == "r1"
    assert [(record.run_id, record.state) for record in store.runs()] == [("r1", "published"), ("r2", "published")]
    assert store.run_rows("r2", "run_accounts").column("risk").to_pylist() == [0.2]


def test_a_held_run_keeps_its_reason_and_can_be_published_by_a_person(store):
    with leased(store, "run") as lease:
        store.begin_run(lease, run("r1"))
        store.finish_run(lease, "r1", state="held", held_reason="too many", at=20)
    assert (store.runs()[0].state, store.runs()[0].held_reason) == ("held", "too many")
    publish(store, "r1")
    assert store.runs()[0].state == "published"


def test_an_unfinished_run_is_swept_by_the_next(store):
    with leased(store, "run") as lease:
        store.begin_run(lease, run("dead"))
        store.write_run(lease, "dead", "run_accounts", table("run_accounts", [account("b1")]))
        store.begin_run(lease, run("r2"))
        with pytest.raises(NotFound):
            store.write_run(lease, "dead", "run_accounts", table("run_accounts", [account("b2")]))
        store.finish_run(lease, "r2", state="complete", at=20)
    assert [record.run_id for record in store.runs()] == ["r2"]


def test_beginning_the_same_run_again_replaces_it_unless_it_was_published(store):
    whole_run(store, "r1", [account("b1"), account("b2")])
    whole_run(store, "r1", [account("b3")])
    assert store.run_rows("r1", "run_accounts").column("buyer_id").to_pylist() == ["b3"]
    publish(store, "r1")
    with leased(store, "run") as lease, pytest.raises(StoreProblem, match="published"):
        store.begin_run(lease, run("r1"))
    assert store.run_rows("r1", "run_accounts").column("buyer_id").to_pylist() == ["b3"]


def test_rows_that_are_sent_again_stand_once_as_they_came_last(store):
    with leased(store, "run") as lease:
        store.begin_run(lease, run("r1"))
        for sent in ([account("b1", 0.1), account("b2", 0.2)], [account("b2", 0.3), account("b3", 0.4)]):
            store.write_run(lease, "r1", "run_accounts", table("run_accounts", sent))
        store.finish_run(lease, "r1", state="complete", at=20)
    found = store.run_rows("r1", "run_accounts")
    assert found.column("buyer_id").to_pylist() == ["b1", "b2", "b3"]
    assert found.column("risk").to_pylist() == [0.1, 0.3, 0.4]


def test_a_finished_run_takes_no_more_rows(store):
    whole_run(store, "r1")
    with leased(store, "run") as lease:
        with pytest.raises(StoreProblem, match="not building"):
            store.write_run(lease, "r1", "run_accounts", table("run_accounts", [account("b1")]))
        with pytest.raises(StoreProblem, match="not building"):
            store.finish_run(lease, "r1", state="complete", at=1)


def test_old_runs_can_be_dropped_but_not_the_one_that_readers_see(store):
    whole_run(store, "r1", [account("b1")])
    whole_run(store, "r2", [account("b1")])
    publish(store, "r1")
    publish(store, "r2")
    with leased(store, "run") as lease:
        with pytest.raises(StoreProblem, match="r2"):
            store.drop_runs(lease, ["r1", "r2"])
        assert len(store.runs()) == 2, "refused whole"
        store.drop_runs(lease, ["r1", "never was"])
    assert [record.run_id for record in store.runs()] == ["r2"]
    with pytest.raises(NotFound):
        store.run_rows("r1", "run_accounts")


def test_a_run_that_is_not_there_is_not_found(store):
    with pytest.raises(NotFound, match="nope"):
        store.run_rows("nope", "run_accounts")
    with leased(store, "run") as lease, pytest.raises(NotFound, match="nope"):
        store.publish(lease, "nope", at=1)


def test_readers_see_one_run_or_the_other_and_never_a_mixture(backend):
    store = backend.open()
    whole_run(store, "r0", [account(f"b{n}", 0.0) for n in range(300)])
    publish(store, "r0")
    stop = threading.Event()
    wrong: list[object] = []
    reads = [0] * 4

    def read(which: int) -> None:
        mine = backend.open()
        while not stop.is_set():
            head = mine.head()
            risks = mine.run_rows(head.run, "run_accounts").column("risk").to_pylist()
            if risks != [float(head.run[1:])] * 300:
                wrong.append((head, set(risks), len(risks)))
            reads[which] += 1

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 16):
        with leased(store, "run") as lease:
            store.begin_run(lease, run(f"r{number}", started_at=number))
            for at in range(0, 300, 100):
                rows = [account(f"b{n}", float(number)) for n in range(at, at + 100)]
                store.write_run(lease, f"r{number}", "run_accounts", table("run_accounts", rows))
            store.finish_run(lease, f"r{number}", state="complete", at=20)
        publish(store, f"r{number}")
    eventually(lambda: min(reads) > 3)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
