"""A small market and hand-made findings, for tests of what follows from findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from detectors.frozen import Frozen
from graph.columns import arrow_schema, stored_schema
from graph.schema import BY_NAME
from graph.store import Store
from integrity.acts import Actor
from integrity.instants import DAY, from_iso
from integrity.policy import Policy, parse_policy
from integrity.run_book import Chosen

NOW = from_iso("2024-12-31T12:00:00Z", where="test")
DEVICE, DOOR = b"d" * 16, b"o" * 16
AT_ONCE = {"immediate_store_risk": 0.0, "immediate_platform_risk": 0.97}

POLICY_TEXT = """
version = "t1"
[limits]
[limits.platform]
orders_per_day = 1
orders_per_30_days = 3
quantity_per_item = 2
[limits.platform.amounts]
CNY = { amount_per_day = "100.00", amount_per_30_days = "250.00" }
[limits.store]
orders_per_day = 1
orders_per_30_days = 2
quantity_per_item = 1
[limits.store.amounts]
CNY = { amount_per_30_days = "200" }
[limits.new_account]
orders_per_30_days = 5
[limits.new_account.amounts]
CNY = { amount_per_day = "50.00" }
[checkout]
deadline_ms = 20000
[publication]
max_limited_share = 0.6
"""


def policy(text: str = POLICY_TEXT, **changed: Mapping[str, Any]) -> Policy:
    """The tests' policy, with sections changed: `policy(checkout={"when_stale": "deny"})`.

    A single run may limit everywhere by it, so that a test of what follows needs no run before."""
    made = parse_policy(text, where="test")
    if "immediate_" not in text:
        changed = changed | {"statuses": AT_ONCE | dict(changed.get("statuses", {}))}
    return made.model_copy(
        update={name: getattr(made, name).model_copy(update=dict(section)) for name, section in changed.items()}
    )


def a_person(now: int) -> Chosen:
    """Somebody who chooses which run readers see."""
    return Chosen(Actor("a person", "senior_investigator"), now, "seen")


@dataclass(frozen=True)
class Account:
    """One account of hand-made findings."""

    buyer_id: str
    risk: float = 0.01
    claims: int = 0
    ring_id: str | None = None
    role: str = "actor"
    probability: float = 0.95
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ring:
    """One ring of hand-made findings."""

    ring_id: str
    stores: tuple[str, ...] = ("s1", "s2", "s3")
    confidence: float = 0.97


@dataclass(frozen=True)
class HandFindings:
    """Findings as detection would hand them over."""

    accounts: pa.Table
    rings: pa.Table
    lineage: pa.Table
    members: pa.Table
    evidence: pa.Table
    hubs: pa.Table
    frozen: Frozen | None = None
    stats: Mapping[str, Any] = field(default_factory=lambda: {"absent": ["pictures"]})


def run_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(BY_NAME[name]))


def findings(
    accounts: Sequence[Account],
    rings: Sequence[Ring] = (),
    evidence: Sequence[Mapping[str, Any]] = (),
    hubs: Sequence[Mapping[str, Any]] = (),
) -> HandFindings:
    """Findings of these accounts and rings, in the declared columns."""
    members = {ring.ring_id: sorted(a.buyer_id for a in accounts if a.ring_id == ring.ring_id) for ring in rings}
    return HandFindings(
        accounts=run_table(
            "run_accounts",
            [
                {
                    "buyer_id": a.buyer_id,
                    "risk": a.risk,
                    "ring_id": a.ring_id,
                    "orders": 4,
                    "claims": a.claims,
                    "expected_claims": 0.4,
                    "reasons": list(a.reasons),
                    "against": ["signed for its parcels"],
                }
                for a in sorted(accounts, key=lambda a: a.buyer_id)
            ],
        ),
        rings=run_table(
            "run_rings",
            [
                {
                    "ring_id": ring.ring_id,
                    "members": members[ring.ring_id],
                    "stores": list(ring.stores),
                    "amount": 123_456,
                    "currency": "CNY",
                    "confidence": ring.confidence,
                    "first_at": NOW - 40 * DAY,
                    "last_at": NOW - DAY,
                    "reasons": ["share one device", "claim in the same hours"],
                }
                for ring in sorted(rings, key=lambda ring: ring.ring_id)
            ],
        ),
        lineage=run_table(
            "run_lineage",
            [
                {"ring_id": ring.ring_id, "state": "new", "merges": [], "members": []}
                for ring in sorted(rings, key=lambda ring: ring.ring_id)
            ],
        ),
        members=run_table(
            "run_members",
            sorted(
                (
                    {
                        "member_id": f"{a.ring_id}\x1f{a.buyer_id}",
                        "ring_id": a.ring_id,
                        "buyer_id": a.buyer_id,
                        "probability": a.probability,
                        "role": a.role,
                    }
                    for a in accounts
                    if a.ring_id is not None
                ),
                key=lambda row: str(row["member_id"]),
            ),
        ),
        evidence=run_table("run_evidence", evidence),
        hubs=run_table("run_hubs", hubs),
    )


def order(order_id: str, buyer_id: str, **more: Any) -> dict[str, Any]:
    row = {"order_id": order_id, "buyer_id": buyer_id, "store_id": "s1", "placed_at": NOW - 5 * DAY, "amount": 1000}
    return row | {"currency": "CNY", "quantity": 1} | more


def refund(refund_id: str, order_id: str, **more: Any) -> dict[str, Any]:
    row = {"refund_id": refund_id, "order_id": order_id, "requested_at": NOW - 4 * DAY, "kind": "refund_only"}
    return row | {"initiated_by": "buyer", "outcome": "approved", "pictures": []} | more


def load(store: Store, **tables: Sequence[Mapping[str, Any]]) -> int:
    """One finished load of these rows."""
    lease = store.acquire("load", "test")
    number = store.begin_load(lease, source="test", at=NOW)
    for name, rows in tables.items():
        schema = stored_schema(BY_NAME[name])
        hidden = {"digest": 1, "file": 0, "line": 1} if "digest" in schema.names else {}
        store.write(lease, number, name, pa.Table.from_pylist([dict(row) | hidden for row in rows], schema=schema))
    store.finish_load(lease, number, report="{}", at=NOW)
    store.release(lease)
    return number


BUYERS = ("actor", "lone", "mother", "shopper")


def load_market(store: Store) -> int:
    """Four buyers: `actor` claims at s1 to s3, `lone` at s1 only, `mother` and `shopper` claim nothing."""
    orders = [order(f"o-{buyer}-{n}", buyer, store_id=f"s{n}") for buyer in BUYERS for n in (1, 2, 3)]
    orders = [row | ({"device": DEVICE} if row["buyer_id"] in ("actor", "mother") else {}) for row in orders]
    refunds = [refund(f"r-actor-{n}", f"o-actor-{n}") for n in (1, 2, 3)]
    refunds += [refund("r-lone-1", "o-lone-1"), refund("r-shop", "o-shopper-2", initiated_by="seller")]
    identifiers = [
        {"id": f"device:{DEVICE.hex()}", "kind": "device", "key": DEVICE, "masked": "dev***1", "has_city": False},
        {"id": f"door:{DOOR.hex()}", "kind": "door", "key": DOOR, "masked": "杭州阳***", "has_city": True},
    ]
    return load(
        store,
        identifiers=identifiers,
        stores=[{"store_id": f"s{n}", "category": "apparel"} for n in (1, 2, 3)],
        orders=orders,
        refunds=refunds,
    )


def market_findings(**changed: Any) -> HandFindings:
    """What a run might find in `load_market`."""
    accounts = {
        "actor": Account("actor", 0.98, 3, "ring-a", reasons=("filed 3 claims; 0.4 expected", "shares a device")),
        "lone": Account("lone", 0.97, 4, reasons=("filed 4 claims",)),
        "mother": Account("mother", 0.93, 0, "ring-a", role="bystander", probability=0.1),
        "shopper": Account("shopper", 0.02),
    } | changed
    evidence = [
        {
            "evidence_id": "e1",
            "ring_id": "ring-a",
            "buyer_id": "actor",
            "kind": "shared_device",
            "nats": 3.25,
            "source_table": "orders",
            "source_id": "o-actor-1",
            "identifier": f"device:{DEVICE.hex()}",
            "text": "ordered from a device of two accounts",
        },
        {
            "evidence_id": "e2",
            "ring_id": None,
            "buyer_id": "lone",
            "kind": "claim_excess",
            "nats": -0.0000001,
            "source_table": "refunds",
            "source_id": "r-lone-1",
            "identifier": None,
            "text": "claimed",
        },
    ]
    return findings(list(accounts.values()), [Ring("ring-a")], evidence)
