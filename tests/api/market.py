"""A small hand-made market with two whole runs, for the API's tests: every relation occurs, every id is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from cli.serving import IdentifierKeyer
from graph.columns import stored_schema
from graph.schema import BY_NAME
from graph.store import RunRecord, Store
from integrity.instants import DAY, from_iso
from integrity.policy import Policy, default_policy
from integrity.policy_journal import remember_policy
from loaders.keying import Keyer

NOW = from_iso("2024-12-31T16:00:00Z", where="test")
AS_OF = NOW - DAY // 24
RAW_PHONE = "13800138000"
RAW_DEVICE = "device-of-the-ring"
RAW_ADDRESS = "浙江省杭州市西湖区文三路幸福小区3幢2单元501室"
KEYER = Keyer("k" * 40)
IDENTIFIERS = IdentifierKeyer(KEYER)

RING = "ring-0a"
ACTORS = ("b-01", "b-02", "b-03")
WEIRD = "b-';--\"<😀>"
HONEST = tuple(f"c-{number:02}" for number in range(20))
BUYERS = tuple(sorted((*ACTORS, "b-09", WEIRD, *HONEST)))


def key_of(kind: str, value: str, level: str | None = None) -> bytes:
    return KEYER.one(kind, value).keys[level or kind]


PHONE, DEVICE = key_of("phone", RAW_PHONE), key_of("device", RAW_DEVICE)
DOOR, BUILDING, ESTATE = (key_of("address", RAW_ADDRESS, level) for level in ("door", "building", "estate"))
CAFE = bytes(range(16))


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=stored_schema(BY_NAME[name]))


def order(number: int, buyer: str, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"o-{number:03}",
        "buyer_id": buyer,
        "store_id": "s-1",
        "placed_at": NOW - (number % 40 + 1) * DAY // 2,
        "amount": 1000 + number * 10,
        "currency": "CNY",
        "quantity": 1,
        **more,
    }


def orders() -> list[dict[str, Any]]:
    rows = []
    for number, buyer in enumerate(ACTORS):
        shared = {"device": DEVICE} if number < 2 else {}
        rows += [
            order(number * 10 + turn, buyer, phone=PHONE if number else None, address=DOOR, **shared)
            for turn in range(4)
        ]
    rows.append(order(90, "b-09", address=DOOR, store_id="s-2", currency="JPY", amount=500))
    rows.append(order(95, WEIRD, sku="sku-1", signed_at=NOW - DAY))
    rows += [order(100 + number, buyer, ip=CAFE) for number, buyer in enumerate(HONEST)]
    return rows


def hashed(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if name == "identifiers":
        return [dict(row) for row in rows]
    return [{**row, "digest": number + 1, "file": 0, "line": number + 1} for number, row in enumerate(rows)]


def fill(store: Store, *, more_orders: Sequence[Mapping[str, Any]] = (), **more: Sequence[Mapping[str, Any]]) -> None:
    """One finished load of the whole market; `more` holds further rows by table."""
    tables: dict[str, Sequence[Mapping[str, Any]]] = {
        "identifiers": [
            {"id": f"{kind}:{key.hex()}", "kind": kind, "key": key, "masked": masked, "within": within, "bare": bare}
            | {"has_city": True if bare else None}
            for kind, key, masked, within, bare in (
                ("phone", PHONE, "138****8000", None, None),
                ("device", DEVICE, "****ring", None, None),
                ("door", DOOR, "杭州市幸***", BUILDING, b"d" * 16),
                ("building", BUILDING, "杭州市幸***", ESTATE, b"b" * 16),
                ("estate", ESTATE, "杭州市幸***", None, b"e" * 16),
                ("ip", CAFE, "10.1.*.*", None, None),
            )
        ],
        "buyers": [{"buyer_id": "b-01", "registered_at": NOW - 100 * DAY}],
        "stores": [{"store_id": "s-1", "category": "apparel", "experience_score": 4.8, "freight_cover": "all"}],
        "orders": [*orders(), *more_orders],
        "order_items": [
            {"item_id": "o-000\x1fsku-1", "order_id": "o-000", "sku": "sku-1", "quantity": 2, "amount": 500}
        ],
        "uses": [{"use_id": "u-1", "buyer_id": "b-09", "kind": "phone", "key": PHONE, "used_at": NOW - 3 * DAY}],
        "refunds": [
            {
                "refund_id": f"r-{number}",
                "order_id": f"o-0{number}0",
                "requested_at": NOW - 2 * DAY,
                "kind": "refund_only",
                "reason": "broken",
                "amount": None if number == 0 else 700,
                "initiated_by": "buyer",
                "pictures": ["00ff00ff00ff00ff"],
                "outcome": "approved",
            }
            for number in range(3)
        ],
        "complaints": [
            {
                "complaint_id": "c-1",
                "refund_id": "r-0",
                "filed_at": NOW - DAY,
                "type": "fake_evidence",
                "outcome": "upheld",
            }
        ],
        "past_decisions": [
            {
                "decision_id": "p-1",
                "buyer_id": "b-01",
                "decided_at": NOW - 50 * DAY,
                "decision": "limited",
                "scope": "platform",
            }
        ],
    }
    lease = store.acquire("load", "test")
    load = store.begin_load(lease, source="test", at=NOW - DAY // 48)
    for name, rows in tables.items():
        store.write(lease, load, name, table(name, hashed(name, [*rows, *more.get(name, ())])))
    store.finish_load(lease, load, report="{}", at=NOW)
    store.release(lease)


def decision(buyer: str, status: str, **more: Any) -> dict[str, Any]:
    row = {"buyer_id": buyer, "status": status, "limit_store_ids": [], "reasons": [f"because of {status}"]}
    if status in ("STORE_LIMITED", "PLATFORM_LIMITED"):
        row |= {
            "limit_orders_1d": 1,
            "limit_orders_30d": 4,
            "limit_amount_1d": 20000,
            "limit_amount_30d": 60000,
            "limit_quantity": 1,
            "currency": "CNY",
            "expires_at": AS_OF + 90 * DAY,
            "lift": "no claims for 90 days",
        }
    return row | more


def run_tables(*, risk_shift: float = 0.0, mark: str = "") -> dict[str, list[dict[str, Any]]]:
    """The findings of a run; `mark` stands in every reason, so that a mixture of runs would show."""
    accounts, decisions = [], []
    for number, buyer in enumerate(BUYERS):
        ring = buyer in ACTORS
        risk = 0.95 - ACTORS.index(buyer) / 100 + risk_shift if ring else 0.02 + number / 1000
        accounts.append(
            {
                "buyer_id": buyer,
                "risk": risk,
                "ring_id": RING if ring else None,
                "orders": 4 if ring else 1,
                "claims": 3 if ring else 0,
                "expected_claims": 0.1,
                "reasons": [f"acts with others{mark}"] if ring else [],
                "against": [f"few orders{mark}"],
            }
        )
    for buyer in BUYERS:
        status = {
            "b-01": "PLATFORM_LIMITED",
            "b-02": "PLATFORM_LIMITED",
            "b-03": "STORE_LIMITED",
            "b-09": "WATCH",
        }.get(buyer, "CLEAR")
        at = {"limit_store_ids": ["s-2"]} if status == "STORE_LIMITED" else {}
        decisions.append(decision(buyer, status, **at, reasons=[f"status{mark}"]))
    door = f"door:{DOOR.hex()}"
    return {
        "run_accounts": accounts,
        "run_rings": [
            {
                "ring_id": RING,
                "members": list(ACTORS),
                "stores": ["s-1"],
                "amount": 240000,
                "currency": "CNY",
                "confidence": 0.97,
                "first_at": NOW - 20 * DAY,
                "last_at": NOW - DAY,
                "reasons": [f"one door{mark}"],
            },
            {
                "ring_id": "ring-0b",
                "members": ["c-00", "c-01"],
                "stores": ["s-1", "s-2"],
                "amount": 990000,
                "currency": "JPY",
                "confidence": 0.6,
                "first_at": NOW - 9 * DAY,
                "last_at": NOW - 8 * DAY,
                "reasons": ["weak"],
            },
        ],
        "run_lineage": [
            {"ring_id": RING, "state": "splits", "splits_from": "ring-old", "merges": [], "members": []},
            {"ring_id": "ring-0b", "state": "continues", "merges": ["ring-gone"], "members": []},
            {"ring_id": "ring-gone", "state": "merged", "into": "ring-0b", "merges": [], "members": []},
        ],
        "run_members": [
            {
                "member_id": f"{ring}\x1f{buyer}",
                "ring_id": ring,
                "buyer_id": buyer,
                "probability": probability,
                "role": role,
            }
            for ring, buyer, probability, role in (
                *((RING, buyer, 0.9 - number / 10, "actor") for number, buyer in enumerate(ACTORS)),
                (RING, "b-09", 0.2, "bystander"),
                ("ring-0b", "c-00", 0.6, "actor"),
                ("ring-0b", "c-01", 0.6, "actor"),
            )
        ],
        "run_evidence": [
            {
                "evidence_id": f"e-{number}",
                "ring_id": RING,
                "buyer_id": buyer,
                "kind": kind,
                "nats": 3.0 - number,
                "source_table": source,
                "source_id": source_id,
                "identifier": door if kind == "shared_door" else None,
                "text": f"evidence {number}",
            }
            for number, (buyer, kind, source, source_id) in enumerate(
                (
                    ("b-01", "shared_door", "orders", "o-000"),
                    ("b-02", "shared_door", "orders", "o-010"),
                    ("b-01", "swapped_return", "refunds", "r-0"),
                    ("b-01", "complaints", "complaints", "c-1"),
                    ("b-01", "comeback", "past_decisions", "p-1"),
                    ("b-03", "burst", "uses", "u-1"),
                )
            )
        ],
        "run_hubs": [
            {
                "identifier": f"ip:{CAFE.hex()}",
                "kind": "ip",
                "buyers": 60,
                "claims": 1,
                "expected_claims": 1.2,
                "nats": -2.0,
                "verdict": "benign",
                "text": "a café",
            }
        ],
        "run_decisions": decisions,
    }


def put_run(
    store: Store,
    run_id: str,
    *,
    policy: Policy | None = None,
    started_at: int = NOW - DAY // 25,
    publish: bool = True,
    held_reason: str = "",
    parent: str | None = None,
    **findings: Any,
) -> None:
    """Write a whole run over the market, and publish it."""
    policy = policy or default_policy()
    remember_policy(store, policy, at=started_at)
    lease = store.acquire("run", "test")
    record = RunRecord(
        run_id=run_id,
        state="building",
        as_of=AS_OF,
        known_by=1,
        policy=policy.version,
        policy_digest=policy.digest,
        version="0.1.0",
        snapshot_digest="5" * 64,
        parent=parent,
        started_at=started_at,
        finished_at=None,
        published_at=None,
        held_reason="",
        stats="{}",
    )
    store.begin_run(lease, record)
    for name, rows in run_tables(**findings).items():
        store.write_run(lease, run_id, name, table(name, rows))
    stats = {"accounts": len(BUYERS), "limited": 3, "rings": 2, "statuses": {"CLEAR": 21, "WATCH": 1}}
    state = "held" if held_reason else "complete"
    store.finish_run(
        lease, run_id, state=state, held_reason=held_reason, stats=json.dumps(stats), at=started_at + 1_000_000
    )
    if publish and not held_reason:
        store.publish(lease, run_id, at=started_at + 2_000_000)
    store.release(lease)
