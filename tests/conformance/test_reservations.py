"""Reservations: all parts or none, once an order, exact under any concurrency, and every odd step has its answer."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from graph.reserving import Confirm, Outcome, Part, Release, Reserve
from graph.store import Store

DAY, MONTH, HOLD = 100, 3_000, 10


def part(key: str, amount: int = 1, cap: int = 3, *, window: str = "1d", now: int = 0, **more: frozenset[str]) -> Part:
    return Part(key, window, amount, cap, now + (DAY if window == "1d" else MONTH), **more)


def wanted(order: str, *parts: Part, now: int = 0, **what: object) -> Reserve:
    return Reserve(order, {"store": "s1", **what}, parts or (part("b1", now=now),), now + HOLD, now + MONTH)


def one(store: Store, act: Reserve | Confirm | Release, now: int = 0) -> Outcome:
    (outcome,) = store.reserve([act], now=now)
    return outcome


def live(store: Store, *keys: str, now: int = 0, window: str = "1d") -> list[int]:
    return store.taken([(key, window) for key in keys], now=now)


def test_all_parts_are_taken_or_none(store):
    both = [part("b1", 2, 3), part("door", 5, 8)]
    assert one(store, wanted("o1", *both)).left == (1, 3)
    refused = one(store, wanted("o2", part("b2", 1, 3), part("door", 5, 8)))
    assert (refused.state, refused.done, refused.left) == ("refused", False, (3, 3))
    assert live(store, "b1", "b2", "door") == [2, 0, 5]


def test_a_hold_ends_and_what_it_took_is_free_again(store):
    assert one(store, wanted("o1", part("b1", 3, 3))).state == "held"
    assert live(store, "b1", now=HOLD - 1) == [3]
    assert live(store, "b1", now=HOLD) == [0]
    assert one(store, wanted("o2", part("b1", 3, 3, now=HOLD), now=HOLD), HOLD).state == "held"


def test_what_was_confirmed_counts_until_its_windows_end(store):
    day, month = part("b1", 2), part("b1", 2, window="30d")
    one(store, wanted("o1", day, month))
    confirmed = one(store, Confirm("o1"), HOLD - 1)
    assert (confirmed.state, confirmed.done) == ("confirmed", True)
    assert [live(store, "b1", now=now) for now in (HOLD, DAY - 1, DAY)] == [[2], [2], [0]]
    assert [live(store, "b1", now=now, window="30d") for now in (DAY, MONTH - 1, MONTH)] == [[2], [2], [0]]


def test_what_was_released_stops_counting_at_once_and_may_be_reserved_anew(store):
    one(store, wanted("o1", part("b1", 3, 3), amount=5))
    released = one(store, Release("o1"), 1)
    assert (released.state, released.done) == ("released", True)
    assert live(store, "b1", now=1) == [0]
    assert not one(store, Release("o1"), 2).done
    assert one(store, Confirm("o1"), 2).state == "released"
    again = one(store, wanted("o1", part("b1", 2, 3, now=3), now=3, amount=6), 3)
    assert (again.state, again.done, again.left) == ("held", True, (1,))


def test_the_same_order_again_answers_as_the_first_time(store):
    first = one(store, wanted("o1", part("b1", 2, 3)))
    one(store, wanted("o2"))
    again = one(store, wanted("o1", part("b1", 2, 3, now=4), now=4), 4)
    assert (again.state, again.done, again.left, again.record) == ("held", False, first.left, first.record)
    one(store, Confirm("o1"), 5)
    assert live(store, "b1", now=5) == [3]
    assert one(store, wanted("o1", part("b1", 2, 3)), 50).state == "confirmed"
    assert live(store, "b1", now=50) == [2]


def test_the_same_order_with_other_content_is_a_conflict_and_changes_nothing(store):
    one(store, wanted("o1", amount=5))
    for act in (wanted("o1", amount=6), Confirm("o1", {"amount": 6}), Release("o1", {"store": "s2"})):
        outcome = one(store, act, 1)
        assert (outcome.state, outcome.done) == ("conflict", False)
        assert outcome.differs in ("amount", "store")
    assert one(store, Confirm("o1", {"amount": 5, "store": "s1"}), 2).state == "confirmed"
    assert one(store, wanted("o1", amount=6), 3).state == "conflict"
    assert live(store, "b1", now=3) == [1]


def test_confirmed_twice_after_expiry_or_never_reserved_and_released_after_confirmed(store):
    one(store, wanted("o1"))
    assert one(store, Confirm("o1"), 1).done
    for act in (Confirm("o1"), Release("o1")):
        assert (one(store, act, 2).state, one(store, act, 2).done) == ("confirmed", False)
    assert live(store, "b1", now=2) == [1]
    one(store, wanted("late"))
    assert one(store, Confirm("late"), HOLD).state == "expired"
    assert live(store, "b1", now=HOLD) == [1]
    assert one(store, wanted("late", part("b1", now=HOLD), now=HOLD), HOLD).done
    for act in (Confirm("unknown"), Release("unknown")):
        assert one(store, act) == Outcome("none", False)


def test_a_released_hold_that_had_ended_changes_no_other(store):
    one(store, wanted("o1", part("b1", 3, 3)))
    one(store, wanted("o2", part("b1", 3, 3, now=HOLD), now=HOLD), HOLD)
    assert one(store, Release("o1"), HOLD).state == "released"
    assert live(store, "b1", now=HOLD) == [3]


def test_a_clock_that_goes_back_grants_nothing_twice(store):
    one(store, wanted("o1", part("b1", 3, 3, now=50), now=50), 50)
    assert one(store, wanted("o2"), 1).state == "refused"
    assert one(store, Confirm("o1"), 2).state == "confirmed"
    assert live(store, "b1", now=2) == [3]
    # another's clock, far ahead, ended a hold: it can't be confirmed by one that is behind, and can be taken anew
    one(store, wanted("o3", part("b2", 2, 3)))
    one(store, wanted("o4", part("b2", 2, 3, now=40), now=40), 40)
    assert one(store, Confirm("o3"), 5).state == "expired"
    assert one(store, wanted("o3", part("b2", 2, 3)), 5).state == "refused"
    assert one(store, wanted("o3", part("b3", 2, 3)), 5).done
    assert live(store, "b2", now=5) == [2]


def test_orders_that_are_loaded_since_are_not_counted_beside_their_takes(store):
    one(store, wanted("o1", part("b1", 2, 3)))
    one(store, Confirm("o1"))
    loaded = frozenset({"o1", "o9"})
    assert store.taken([("b1", "1d"), ("b1", "1d")], now=1, loaded=[loaded, ()]) == [0, 2]
    # two of three are gone by the loaded row, so one is left
    act = wanted("o2", part("b1", 1, 1, now=1, loaded=loaded), now=1)
    assert one(store, act, 1).left == (0,)
    assert one(store, wanted("o3", part("b1", 1, 1, now=1, loaded=loaded), now=1), 1).state == "refused"


def test_acts_of_one_batch_see_each_other(store):
    acts = [
        wanted("o1", part("b1", 2, 3)),
        wanted("o2", part("b1", 2, 3)),
        Release("o1"),
        wanted("o3", part("b1", 3, 3)),
    ]
    assert [outcome.state for outcome in store.reserve([*acts, Confirm("o3"), Confirm("o1")], now=0)] == [
        *("held", "refused", "released", "held"),
        *("confirmed", "released"),
    ]
    assert live(store, "b1") == [3]
    assert store.reserve([], now=0) == []


def test_amounts_below_zero_and_one_allowance_twice_are_refused():
    with pytest.raises(ValueError, match="negative"):
        wanted("o1", part("b1", -1))
    with pytest.raises(ValueError, match="twice"):
        wanted("o1", part("b1"), part("b1"))


def test_nothing_fits_a_cap_that_is_passed_already_but_nothing_at_all(store):
    one(store, wanted("o1", part("b1", 3, 3)))
    assert one(store, wanted("o2", part("b1", 1, 2))).left == (0,)
    assert one(store, wanted("o3", part("b1", 0, 2))).state == "held"


def test_what_ended_long_ago_is_swept_and_what_counts_stays(store):
    for number in range(5):
        one(store, wanted(f"old-{number}", part("b1", 1, 9)))
    one(store, Confirm("old-0"))
    one(store, wanted("new", part("b1", 1, 9, now=MONTH), now=MONTH - 1), MONTH - 1)
    assert store.sweep_reservations(now=MONTH - 1) == 0
    assert store.sweep_reservations(now=MONTH, limit=3) == 3
    assert store.sweep_reservations(now=MONTH) == 2
    assert one(store, Confirm("old-0"), MONTH).state == "none"
    assert one(store, Confirm("new"), MONTH).state == "confirmed"


def test_reservations_of_another_namespace_are_never_seen(backend):
    here, there = backend.open(), backend.open(namespace="other")
    one(here, wanted("o1", part("b1", 3, 3)))
    assert one(there, Confirm("o1")).state == "none"
    assert one(there, wanted("o1", part("b1", 3, 3), amount=7)).done
    assert there.sweep_reservations(now=MONTH) == 1
    assert live(here, "b1") == [3]


def test_sweeping_allowances_while_others_reserve_loses_nothing_that_was_taken(backend):
    """What each client was granted and confirmed is all there in the end, though allowances are dropped meanwhile."""
    failed: list[BaseException] = []
    confirmed: list[tuple[str, str]] = []
    stop = threading.Event()

    def client(number: int) -> None:
        mine = backend.open()
        try:
            for turn in range(15):
                order, key = f"o{number}-{turn}", f"b{turn % 4}"
                if one(mine, wanted(order, part(key, 1, 900), part("all", 1, 900))).state == "held":
                    if turn % 3:
                        one(mine, Release(order))
                    elif one(mine, Confirm(order)).state == "confirmed":
                        confirmed.append((key, order))
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            failed.append(error)

    def sweeper() -> None:
        mine = backend.open()
        while not stop.is_set():
            mine.sweep_counters(now=1)  # nothing has ended; what is empty is dropped

    sweeping = threading.Thread(target=sweeper)
    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in (sweeping, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    sweeping.join()
    assert not failed
    assert len(confirmed) == 8 * 5
    store = backend.open()
    per_key = [sum(key == f"b{n}" for key, _ in confirmed) for n in range(4)]
    assert live(store, "b0", "b1", "b2", "b3", "all") == [*per_key, len(confirmed)]


def test_64_clients_in_batches_never_pass_a_cap_that_they_share_and_leave_nothing_unused(backend):
    store = backend.open()
    gate = threading.Barrier(64)
    told: list[tuple[str, Outcome]] = []
    lock = threading.Lock()

    def client(number: int) -> None:
        mine = store if number % 8 else backend.open()
        draw = random.Random(number)
        gate.wait()
        for turn in range(3):
            # each order by two clients, and parts named in any order
            orders = [f"o{number // 2}-{turn}-{n}" for n in range(2)]
            acts = []
            for order in orders:
                parts = [part("ring", 7, 700), part(f"buyer {number // 2}", 1, 4), part(f"door {number % 2}", 1, 10**6)]
                draw.shuffle(parts)
                acts.append(wanted(order, *parts))
            outcomes = mine.reserve(acts, now=0)
            with lock:
                told.extend(zip(orders, outcomes, strict=True))

    run(client, range(64))
    held = {order for order, outcome in told if outcome.state == "held"}
    assert {outcome.state for _, outcome in told} == {"held", "refused"}
    assert len(held) == 100
    assert sum(outcome.done for _, outcome in told) == 100
    assert live(store, "ring") == [700]
    buyers = live(store, *(f"buyer {number}" for number in range(32)))
    assert sum(buyers) == 100
    assert max(buyers) <= 4


def test_clients_that_reserve_confirm_and_release_at_once_agree_with_a_count_of_their_own(backend):
    store = backend.open()
    kept: list[str] = []
    lock = threading.Lock()

    def client(number: int) -> None:
        draw = random.Random(number)
        for turn in range(12):
            order = f"{number}-{turn}"
            if one(store, wanted(order, part("k", 1, 20), part("w", 1, 10**6))).state != "held":
                continue
            act = draw.choice([Confirm, Release])(order)
            assert one(store, act).done
            with lock:
                kept.extend([order] * isinstance(act, Confirm))

    run(client, range(16))
    assert live(store, "k", "w") == [len(kept)] * 2
    assert live(store, "k", now=HOLD) == [len(kept)]
    assert 0 < len(kept) <= 20


def run(client: object, numbers: Sequence[int]) -> None:
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            client(number)  # type: ignore[operator]  # a function of one number
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


_CLIENT = """
import os, sys
from graph.open import open_store
from graph.reserving import Confirm, Part, Reserve
store = open_store(sys.argv[1], namespace=os.environ.get("RINGFENCE_TEST_NAMESPACE", "default"), create=False)
held = 0
for n in range(30):
    order = f"{sys.argv[2]}-{n}"
    parts = (Part("ring", "1d", 1, 70, 99), Part(f"b{n % 3}", "1d", 1, 9999, 99))
    if store.reserve([Reserve(order, {}, parts, 9, 99)], now=0)[0].state == "held":
        held += store.reserve([Confirm(order)], now=0)[0].done
print(held)
"""


def test_several_processes_share_one_cap_exactly(backend):
    store = backend.open()
    clients = [
        subprocess.Popen([sys.executable, "-c", _CLIENT, backend.url, str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    assert sum(int(client.communicate(timeout=60)[0]) for client in clients) == 70
    assert store.taken([("ring", "1d")], now=9) == [70]
