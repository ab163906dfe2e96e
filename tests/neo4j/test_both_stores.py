"""The same random operations on both stores: every answer and every error is the same."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from graph.columns import QUARANTINE, arrow_schema
from graph.errors import RingfenceError
from graph.neo4j import Neo4jStore
from graph.open import masked_url
from graph.schema import BY_NAME
from graph.sqlite import SqliteStore
from graph.store import Lease, Store
from tests.conformance.support import account, hash_of, key, load, order, run, scan, table

IDS = st.sampled_from(["", "o1", "o2", "o10", "ö", "🧨", "\uffff", "o'", "null\0inside"])
BUYERS = st.sampled_from(["b1", "b2", "🧨"])
KEYS = st.integers(0, 4).map(key)
ORDERS = st.lists(
    st.tuples(IDS, BUYERS, st.none() | KEYS, st.integers(0, 3), st.none() | st.integers(0, 5)), max_size=5
)
REFUNDS = st.lists(
    st.tuples(IDS, IDS, st.none() | KEYS, st.lists(st.sampled_from(["", "00ff"]), max_size=2)), max_size=3
)
USES = st.lists(st.tuples(IDS, BUYERS, KEYS), max_size=3)
RUNS = st.sampled_from(["r1", "r2", "r3"])
TABLES = ("orders", "refunds", "uses", "identifiers")


# a difference is shown as it was found: making it smaller would take many minutes against a server
SETTINGS = settings(stateful_step_count=30, deadline=None, derandomize=True, phases=[Phase.generate], database=None)


class Both(RuleBasedStateMachine):
    """Two stores that are told the same; whatever one answers the other answers."""

    def __init__(self, open_both: Callable[[], tuple[Store, Store]]) -> None:
        super().__init__()
        self.open_both = open_both
        self.stores: tuple[Store, ...] = ()
        self.leases: dict[str, list[Lease]] = {}
        self.load = 1
        self.now = 0

    def same(self, ask: Callable[[Store, int], Any]) -> Any:
        """Ask both; the answer, or the error's kind, of either."""
        answers = []
        for number, store in enumerate(self.stores):
            try:
                answers.append(plain(ask(store, number)))
            except (RingfenceError, ValueError) as error:
                answers.append((type(error), getattr(error, "what", "")))
        assert answers[0] == answers[1]
        return answers[0]

    def leased(self, name: str, ask: Callable[[Store, Lease], Any]) -> Any:
        return self.same(lambda store, number: ask(store, self.leases[name][number]))

    @initialize()
    def begin(self) -> None:
        self.stores = self.open_both()
        self.leases = {name: [store.acquire(name, "model") for store in self.stores] for name in ("load", "run")}
        self.begin_load()

    @rule()
    def begin_load(self) -> None:
        found = self.leased("load", lambda store, lease: store.begin_load(lease, source="x", at=1))
        self.load = found

    @rule(orders=ORDERS, conflicts=st.lists(IDS, max_size=2))
    def write_orders(self, orders: list[Any], conflicts: list[str]) -> None:
        rows = [
            order(name, buyer, device=device, amount=amount, updated_at=at)
            for name, buyer, device, amount, at in orders
        ]
        batch = table("orders", rows)
        self.leased("load", lambda store, lease: store.write(lease, self.load, "orders", batch, conflicts=conflicts))

    @rule(refunds=REFUNDS, uses=USES, keys=st.lists(KEYS, max_size=3))
    def write_more(self, refunds: list[Any], uses: list[Any], keys: list[bytes]) -> None:
        claims = [
            {"refund_id": name, "order_id": order_id, "requested_at": 1, "kind": "refund_only", "outcome": "pending"}
            | {"initiated_by": "buyer", "parcel": parcel, "pictures": pictures, "note": parcel, "return_weight_g": 0.5}
            for name, order_id, parcel, pictures in refunds
        ]
        seen = [
            {"use_id": name, "buyer_id": buyer, "kind": "device", "key": of, "used_at": 2} for name, buyer, of in uses
        ]
        known = [
            {"id": f"{kind}:{of.hex()}", "kind": kind, "key": of, "masked": "m", "within": key(9), "has_city": True}
            for of in keys
            for kind in ("device", "parcel")
        ]
        for name, rows in (("refunds", claims), ("uses", seen)):
            batch = table(name, [{**row, "digest": hash_of(row)} for row in rows])
            self.leased("load", lambda store, lease, n=name, b=batch: store.write(lease, self.load, n, b))
        places = table("identifiers", known)
        self.leased("load", lambda store, lease: store.write(lease, self.load, "identifiers", places))

    @rule(line=st.integers(1, 9))
    def quarantine(self, line: int) -> None:
        row = {"table": "orders", "file": "f", "line": line, "column": "c", "value": "v", "rule": "r", "action": "a"}
        batch = pa.Table.from_pylist([row], schema=QUARANTINE)
        self.leased("load", lambda store, lease: store.quarantine(lease, self.load, batch))

    @rule()
    def finish(self) -> None:
        self.leased("load", lambda store, lease: store.finish_load(lease, self.load, report="{}", at=2))

    @rule()
    def finish_and_begin(self) -> None:
        self.finish()
        self.begin_load()

    @rule(asked=st.lists(IDS, max_size=4))
    def current(self, asked: list[str]) -> None:
        def ask(store: Store, _: int) -> Any:
            return sorted(store.current("orders", asked, load=self.load).to_pylist(), key=repr)

        self.same(ask)

    @rule(
        where=st.sampled_from(
            [("orders", "buyer_id"), ("uses", "buyer_id"), ("refunds", "order_id"), ("orders", "sku")]
        ),
        values=st.lists(BUYERS | IDS, max_size=3),
        after=IDS,
        limit=st.none() | st.integers(1, 3),
        known_by=st.none() | st.integers(0, 6),
    )
    def find(
        self, where: tuple[str, str], values: list[str], after: str, limit: int | None, known_by: int | None
    ) -> None:
        def ask(store: Store, _: int) -> Any:
            return store.find(*where, values, after=after, limit=limit, known_by=known_by)

        self.same(ask)

    @rule(device=KEYS, known_by=st.none() | st.integers(0, 6))
    def find_device(self, device: bytes, known_by: int | None) -> None:
        self.same(lambda store, _: store.find("orders", "device", [device], known_by=known_by))
        self.same(lambda store, _: store.find("identifiers", "key", [device], known_by=known_by))

    @rule(buyer=BUYERS)
    def forget(self, buyer: str) -> None:
        self.leased("load", lambda store, lease: dict(store.forget(lease, buyer)))

    @rule(buyer=BUYERS, order_id=IDS, amount=st.integers(-1, 6), cap=st.integers(0, 9), later=st.integers(0, 3))
    def take(self, buyer: str, order_id: str, amount: int, cap: int, later: int) -> None:
        self.now += later
        self.same(lambda store, _: store.take(buyer, "w", amount, cap, order_id, now=self.now, expires_at=self.now + 3))
        self.same(lambda store, _: store.taken([(buyer, "w"), ("b1", "w"), ("b1", "x")], now=self.now))

    @rule(buyer=BUYERS, order_id=IDS)
    def give_back(self, buyer: str, order_id: str) -> None:
        self.same(lambda store, _: store.give_back(buyer, "w", order_id))

    @rule(
        notes=st.lists(st.tuples(IDS, st.integers(0, 9)), max_size=3), after=st.integers(0, 4), limit=st.integers(1, 3)
    )
    def note(self, notes: list[tuple[str, int]], after: int, limit: int) -> None:
        rows = [{"id": name, "at": at, "body": f'{{"at": {at}}}'} for name, at in notes]
        self.same(lambda store, _: store.note("audit", rows))
        # numbers may leave gaps, each store its own
        self.same(lambda store, _: store.notes("audit").drop_columns("seq"))
        self.same(lambda store, _: paged(store, limit))
        assert all(store.notes("audit", after=10**6 + after).num_rows == 0 for store in self.stores)

    @rule(name=RUNS, buyers=st.lists(BUYERS, max_size=3), state=st.sampled_from(["complete", "held", "building"]))
    def run(self, name: str, buyers: list[str], state: Any) -> None:
        self.leased("run", lambda store, lease: store.begin_run(lease, run(name)))
        rows = table("run_accounts", [account(buyer, 0.25) for buyer in buyers])
        self.leased("run", lambda store, lease: store.write_run(lease, name, "run_accounts", rows))
        self.same(lambda store, _: store.run_rows(name, "run_accounts"))
        if state != "building":
            self.leased("run", lambda store, lease: store.finish_run(lease, name, state=state, at=3))

    @rule(name=RUNS)
    def publish(self, name: str) -> None:
        self.leased("run", lambda store, lease: store.publish(lease, name, at=4))

    @rule(name=RUNS)
    def drop(self, name: str) -> None:
        self.leased("run", lambda store, lease: store.drop_runs(lease, [name]))

    @rule(name=st.sampled_from(["load", "run"]))
    def take_over(self, name: str) -> None:
        self.leased(name, lambda store, lease: store.release(lease))
        self.leased(name, lambda store, lease: store.beat(lease))
        self.leases[name] = [store.acquire(name, "model") for store in self.stores]
        assert self.leases[name][0].fence == self.leases[name][1].fence

    @precondition(lambda self: bool(self.stores))
    @invariant()
    def readers_see_the_same(self) -> None:
        self.same(lambda store, _: store.head())
        self.same(lambda store, _: store.runs())
        self.same(lambda store, _: store.loads())
        self.same(lambda store, _: store.describe()["rows"])
        self.same(lambda store, _: store.quarantined().drop_columns("seq"))
        for name in TABLES:
            self.same(lambda store, _, n=name: store.scan(n, BY_NAME[n].names))
            self.same(lambda store, _, n=name: store.scan(n, BY_NAME[n].names, known_by=max(store.head().load - 1, 0)))
        for name in ("r1", "r2"):
            self.same(lambda store, _, n=name: store.run_rows(n, "run_accounts"))

    def teardown(self) -> None:
        for store in self.stores:
            store.close()


def plain(answer: Any) -> Any:
    """An answer that can be compared: tables and batches with their types, records as they are."""
    if isinstance(answer, pa.Table):
        return answer.schema, answer.to_pylist()
    if hasattr(answer, "__next__"):
        batches = list(answer)
        return [row for batch in batches for row in batch.to_pylist()], {batch.schema for batch in batches}
    return answer


def paged(store: Store, limit: int) -> list[str]:
    """The ids of a journal, page by page."""
    found: list[str] = []
    after = 0
    while (page := store.notes("audit", after=after, limit=limit)).num_rows:
        found += page.column("id").to_pylist()
        after = page.column("seq").to_pylist()[-1]
    return found


@pytest.mark.parametrize("examples", [5, pytest.param(14, marks=pytest.mark.soak)])
def test_any_sequence_of_operations_gets_the_same_answers_from_both(
    neo4j_url: str, tmp_path: Path, examples: int
) -> None:
    assert arrow_schema(BY_NAME["orders"]).names, "the tables that are compared are declared"
    numbers = itertools.count()

    def machine() -> Both:
        number = next(numbers)
        namespace = f"both {os.getpid()} {examples} {number}"

        def open_both() -> tuple[Store, Store]:
            server = Neo4jStore(neo4j_url, shown=masked_url(neo4j_url), namespace=namespace)
            return SqliteStore(tmp_path / f"{number}.db", namespace=namespace), server

        return Both(open_both)

    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=examples))


ODD = {
    "sku": ["", "\0\0", "a\0", "\0a", "\x1e", "\uffff", "🧨", None],
    "amount": [0, -1, 2**63 - 1, -(2**63), -(2**63) + 2, None],
    "signed_at": [-(2**63), 0, 2**63 - 1, None],
}
REALS = [0.0, -0.0, 5e-324, -1.7976931348623157e308, float("inf"), float("-inf"), 0.1, None]
LISTS = [[], [""], ["\0\0"], ["a", "", "🧨"], None]


def test_odd_values_come_back_from_both_as_they_were(neo4j_url: str, tmp_path: Path) -> None:
    orders = [order(f"{name}-{at}", **{name: value}) for name, values in ODD.items() for at, value in enumerate(values)]
    claims = [
        {"refund_id": f"{name}-{at}", "order_id": "o", "requested_at": 1, "kind": "refund_only", "digest": at}
        | {"initiated_by": "buyer", "outcome": "pending", name: value}
        for name, values in (("return_weight_g", REALS), ("pictures", LISTS))
        for at, value in enumerate(values)
    ]
    for store in both(neo4j_url, tmp_path, "odd"):
        load(store, orders=orders, refunds=claims)
        found = {row["order_id"]: row for row in scan(store, "orders")}
        assert all(
            repr(found[row["order_id"]][name]) == repr(row[name]) for row in orders for name in ODD if name in row
        )
        found = {row["refund_id"]: row for row in scan(store, "refunds")}
        for row in claims:
            for name in ("return_weight_g", "pictures"):
                assert repr(found[row["refund_id"]][name]) == repr(row.get(name))
        store.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sku", "\0"),
        ("order_id", "\0"),
        ("amount", -(2**63) + 1),
        ("placed_at", -(2**63) + 1),
        ("return_weight_g", float("nan")),
        ("pictures", ["\0"]),
        ("pictures", ["a", None]),
    ],
)
def test_what_one_store_could_not_give_back_both_refuse(
    neo4j_url: str, tmp_path: Path, name: str, value: object
) -> None:
    claim = {"refund_id": "r", "order_id": "o", "requested_at": 1, "kind": "refund_only", "digest": 1}
    claim |= {"initiated_by": "buyer", "outcome": "pending"}
    rows = (
        ("orders", {**order("o"), name: value})
        if name in BY_NAME["orders"].names
        else ("refunds", {**claim, name: value})
    )
    for store in both(neo4j_url, tmp_path, f"lost {name} {value!r}"):
        with pytest.raises(ValueError, match=f"{rows[0]}.{name}: a value that no store keeps"):
            load(store, **{rows[0]: [rows[1]]})
        store.close()


def both(neo4j_url: str, tmp_path: Path, name: str) -> tuple[Store, Store]:
    namespace = f"{name} {os.getpid()}"
    server = Neo4jStore(neo4j_url, shown=masked_url(neo4j_url), namespace=namespace)
    return SqliteStore(tmp_path / "beside.db", namespace=namespace), server
