"""Several processes on one store, and one killed at any moment: what was committed holds, readers see what they saw."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.conformance.support import account, ids, load, order, publish, scan, whole_run

_LOADER = """
import os, sys
from graph.leases import held
from graph.open import open_store
from tests.conformance.support import order, table
store = open_store(sys.argv[1], namespace=os.environ.get("RINGFENCE_TEST_NAMESPACE", "default"), create=False)
with held(store, "load", "victim", ttl=1.0, wait=20) as lease:
    number = store.begin_load(lease, source="x", at=1)
    rows = [order(f"o{n:05}", amount=number, device=n.to_bytes(16, "big")) for n in range(4000)]
    print("begun", flush=True)
    if sys.argv[2] == "finish when told":
        sys.stdin.readline()
    for at in range(0, 4000, 100):
        store.write(lease, number, "orders", table("orders", rows[at:at + 100]))
        print(at, flush=True)
    if sys.argv[2] != "stop":
        store.finish_load(lease, number, report="", at=2)
        print("done", flush=True)
"""


def start(url: str, end: str = "finish") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _LOADER, url, end]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"the loader never said {word}")


def test_killed_in_the_middle_of_a_load_it_holds_what_was_before(backend):
    store = backend.open()
    load(store, orders=[order("o00000", amount=7), order("kept", amount=7)])
    whole_run(store, "r1", [account("b1")])
    publish(store, "r1")
    for word in ("begun", "0", "1500", "3900"):
        victim = start(backend.url)
        wait_for(victim, word)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        again = backend.open()
        finished = again.head().load > 1
        if not finished:
            assert [(row["order_id"], row["amount"]) for row in scan(again)] == [("kept", 7), ("o00000", 7)]
            assert again.find("orders", "device", [bytes(16)]).num_rows == 0
        else:
            # the last word may come just before the switch
            assert word == "3900"
            assert len(ids(again)) == 4_001
        assert again.head().run == "r1"
        assert again.run_rows("r1", "run_accounts").num_rows == 1
        again.close()


def test_the_next_load_after_a_kill_sweeps_and_succeeds(backend):
    store = backend.open()
    victim = start(backend.url, "stop")
    wait_for(victim, "2000")
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    second = start(backend.url)
    wait_for(second, "done")
    assert second.wait(timeout=30) == 0
    assert [record.state for record in store.loads()] == ["swept", "finished"]
    rows = scan(store)
    assert len(rows) == 4_000
    assert {row["amount"] for row in rows} == {2}
    assert store.find("orders", "device", [(5).to_bytes(16, "big")]).num_rows == 1


def test_a_process_reads_and_takes_while_another_loads(backend):
    store = backend.open()
    loader = start(backend.url, "finish when told")
    wait_for(loader, "begun")
    seen, turn = {(store.head().load, len(ids(store)))}, 0
    assert loader.stdin is not None
    loader.stdin.write("go\n")
    loader.stdin.flush()
    while loader.poll() is None:
        turn += 1
        assert store.take("k", "w", 1, 10**6, f"o{turn}", now=0, expires_at=9).granted
        seen.add((store.head().load, len(ids(store))))
    assert loader.returncode == 0
    assert seen <= {(0, 0), (0, 4_000), (1, 4_000)}, "the count is read after the head"
    assert (0, 0) in seen
    assert store.taken([("k", "w")], now=0) == [turn]
    assert len(ids(store)) == 4_000
