"""What the conformance tests build with: small rows, loads in one call, and answers as plain lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from graph.columns import arrow_schema, stored_schema
from graph.schema import BY_NAME
from graph.store import Lease, RunRecord, Store

OpenStore = Callable[..., Store]


@dataclass(frozen=True)
class Backend:
    """One implementation under test: `open(namespace=…, clock=…, readonly=…)` opens the same place every time."""

    name: str
    url: str
    open: OpenStore


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a batch for `Store.write` or `write_run`; what a row doesn't give is null."""
    schema = stored_schema(BY_NAME[name])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def order(order_id: str, buyer_id: str = "b1", **more: Any) -> dict[str, Any]:
    row = {"order_id": order_id, "buyer_id": buyer_id, "store_id": "s1", "placed_at": 1, "amount": 100}
    row |= {"currency": "CNY", "quantity": 1, "file": 0, "line": 1}
    row |= more
    row.setdefault("digest", hash_of(row))
    return row


def hash_of(row: Mapping[str, Any]) -> int:
    content = {name: value for name, value in row.items() if name not in ("file", "line", "updated_at", "digest")}
    value = 7
    for byte in repr(sorted(content.items(), key=lambda item: item[0])).encode():
        value = (value * 1_000_003 + byte) % (1 << 61)
    return value


@contextmanager
def leased(store: Store, name: str = "load") -> Iterator[Lease]:
    lease = store.acquire(name, "test")
    try:
        yield lease
    finally:
        store.release(lease)


def load(store: Store, **tables: Sequence[Mapping[str, Any]]) -> int:
    """One finished load of the given rows."""
    with leased(store) as lease:
        number = store.begin_load(lease, source="test", at=1)
        for name, rows in tables.items():
            store.write(lease, number, name, table(name, rows))
        store.finish_load(lease, number, report="{}", at=2)
    return number


def scan(store: Store, name: str = "orders", *, known_by: int | None = None, **more: Any) -> list[dict[str, Any]]:
    """Visible rows with all declared columns."""
    batches = list(store.scan(name, BY_NAME[name].names, known_by=known_by, **more))
    return pa.Table.from_batches(batches, schema=arrow_schema(BY_NAME[name])).to_pylist()


def ids(store: Store, name: str = "orders", **more: Any) -> list[str]:
    return [row[BY_NAME[name].id] for row in scan(store, name, **more)]


def run(run_id: str, **more: Any) -> RunRecord:
    record = RunRecord(
        run_id=run_id,
        state="building",
        as_of=5,
        known_by=1,
        policy="p1",
        policy_digest="d",
        version="0.1.0",
        snapshot_digest="s",
        parent=None,
        started_at=10,
        finished_at=None,
        published_at=None,
        held_reason="",
        stats="{}",
    )
    return replace(record, **more)


def account(buyer_id: str, risk: float = 0.5) -> dict[str, Any]:
    row = {"buyer_id": buyer_id, "risk": risk, "orders": 1, "claims": 0, "expected_claims": 0.1}
    facts = {"reason_facts": ['{"say": "weights_even"}'], "against_facts": None}
    return {**row, "ring_id": None, "reasons": ["a; b", ""], "against": [], **facts}


def whole_run(store: Store, run_id: str, rows: Sequence[Mapping[str, Any]] = (), **more: Any) -> None:
    """One complete run with the given accounts."""
    with leased(store, "run") as lease:
        store.begin_run(lease, run(run_id, **more))
        store.write_run(lease, run_id, "run_accounts", table("run_accounts", rows))
        store.finish_run(lease, run_id, state="complete", at=20)


def publish(store: Store, run_id: str) -> None:
    with leased(store, "run") as lease:
        store.publish(lease, run_id, at=30)


def eventually(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
