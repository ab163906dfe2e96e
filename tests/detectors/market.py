"""A tiny market written in a few lines → a snapshot, without a store: what the detectors' cases are made of.

A market is a dict: `crowd` honest accounts with ordinary orders and claims, and `accounts`, each with what it does.
Everything is laid out by counting, nothing is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from graph.snapshot import (
    DECISIONS,
    KINDS,
    NEVER,
    OUTCOMES,
    Buyers,
    Complaints,
    Items,
    Orders,
    PastDecisions,
    Pictures,
    Refunds,
    Snapshot,
    Stores,
    Uses,
)

DAY = 86_400_000_000
START = 19_000 * DAY
STORES = 12
PARTS = ("device", "ip", "payment", "phone", "recipient", "door", "building")


def _numbers(values: list[str | None]) -> tuple[np.ndarray, list[str]]:
    seen: dict[str, int] = {}
    numbers = [-1 if value is None else seen.setdefault(value, len(seen)) for value in values]
    return np.array(numbers, np.int32), list(seen)


def _objects(values: list[str]) -> np.ndarray:
    result = np.empty(len(values), object)
    result[:] = values
    return result


def _crowd(number: int) -> dict[str, Any]:
    """An honest account: eight orders, and a claim by every third account. `number` sets where and when."""
    return {
        "orders": 8,
        "claims": 1 if number % 3 == 0 else 0,
        "only": number % 2 == 0,
        "start": number * 7 % 90,
        "every": 9,
        "stores": [f"s{(number + step * 5) % STORES}" for step in range(8)],
        "shipped": 1000,
        "returned": 990 + number % 20,
        "outcome": ("dismissed", None, None, None)[number % 4],
    }


def snapshot(market: dict[str, Any], rename: dict[str, str] | None = None) -> Snapshot:
    """The snapshot of a market. `rename` gives accounts other ids, and thereby another order."""
    accounts = {f"crowd-{n:04d}": _crowd(n) for n in range(market.get("crowd", 0))}
    accounts |= market.get("accounts", {})
    names = rename or {}
    orders: list[dict[str, Any]] = []
    refunds: list[dict[str, Any]] = []
    past: list[dict[str, Any]] = []
    for buyer, told in accounts.items():
        stores = told.get("stores", ["s0"])
        for step in range(told.get("orders", 0)):
            at = (
                START
                + int((told.get("start", 0) + step * told.get("every", 7)) * DAY)
                + told.get("minute", 0) * 60_000_000
            )
            order = {part: told.get(part) for part in PARTS}
            order["building"] = order["building"] or (order["door"] or "/").partition("/")[0] or None
            order |= {"id": f"o-{buyer}-{step:03d}", "buyer": names.get(buyer, buyer), "at": at}
            order["store"] = stores[step % len(stores)]
            order["sku"] = told.get("sku", f"i{step % 3}")
            orders.append(order)
            if step < told.get("claims", 0):
                refunds.append(
                    {
                        "id": f"r-{buyer}-{step:03d}",
                        "order": order["id"],
                        "at": at + int(told.get("lag", 3) * DAY),
                        "only": told.get("only", False),
                        "by": told.get("by", "buyer") == "buyer",
                        **{
                            k: told.get(k)
                            for k in ("parcel", "shipped", "returned", "pictures", "complaint", "outcome")
                        },
                    }
                )
        if "decided" in told:
            decision, day = told["decided"]
            past.append(
                {"id": f"d-{buyer}", "buyer": names.get(buyer, buyer), "at": START + day * DAY, "what": decision}
            )
            if "lifted" in told:
                past.append({**past[-1], "id": f"d-{buyer}-l", "at": START + told["lifted"] * DAY, "what": "lifted"})
    orders.sort(key=lambda order: order["id"])
    refunds.sort(key=lambda refund: refund["id"])
    past.sort(key=lambda decision: decision["id"])
    buyers = sorted(names.get(buyer, buyer) for buyer in accounts)
    buyer_no = {buyer: number for number, buyer in enumerate(buyers)}
    registered = {names.get(b, b): t["registered"] for b, t in accounts.items() if "registered" in t}
    stores = sorted({order["store"] for order in orders})
    store_no = {store: number for number, store in enumerate(stores)}
    skus = sorted({order["sku"] for order in orders})
    order_no = {order["id"]: number for number, order in enumerate(orders)}
    used, identifiers = {}, {}
    for kind in KINDS:
        used[kind], seen = _numbers([order.get(kind) for order in orders])
        identifiers[kind] = _objects([f"{kind}:{value}" for value in seen])
    parcel, parcels = _numbers([refund["parcel"] for refund in refunds])
    of = np.array([order_no[refund["order"]] for refund in refunds], np.int32)
    order_buyer = np.array([buyer_no[order["buyer"]] for order in orders], np.int32)
    order_store = np.array([store_no[order["store"]] for order in orders], np.int32)
    n, m = len(orders), len(refunds)
    pictures = [(number, picture) for number, refund in enumerate(refunds) for picture in refund["pictures"] or ()]
    filed = [(number, r) for number, r in enumerate(refunds) if r["complaint"] or r["outcome"]]
    latest = max([order["at"] for order in orders] + [refund["at"] for refund in refunds] + [START])
    none = np.empty(0, np.int32)
    return Snapshot(
        as_of=latest,
        known_by=1,
        buyers=Buyers(
            _objects(buyers),
            np.array([START + registered[b] * DAY if b in registered else NEVER for b in buyers], np.int64),
        ),
        stores=Stores(_objects(stores), np.zeros(len(stores), np.int32), ("home",), np.full(len(stores), 4.5)),
        skus=_objects(skus),
        currencies=("CNY",) if n else (),
        orders=Orders(
            ids=_objects([order["id"] for order in orders]),
            buyer=order_buyer,
            store=order_store,
            sku=np.array([skus.index(order["sku"]) for order in orders], np.int32),
            at=np.array([order["at"] for order in orders], np.int64),
            signed_at=np.full(n, NEVER),
            amount=np.full(n, 10_000, np.int64),
            currency=np.zeros(n, np.int32),
            quantity=np.ones(n, np.int64),
            used=used,
        ),
        items=Items(none, none, none.astype(np.int64), none.astype(np.int64)),
        refunds=Refunds(
            ids=_objects([refund["id"] for refund in refunds]),
            order=of,
            buyer=order_buyer[of] if m else none,
            store=order_store[of] if m else none,
            at=np.array([refund["at"] for refund in refunds], np.int64),
            only=np.array([refund["only"] for refund in refunds], bool),
            by_buyer=np.array([refund["by"] for refund in refunds], bool),
            amount=np.full(m, 10_000, np.int64),
            reason=np.full(m, -1, np.int32),
            reasons=(),
            outcome=np.zeros(m, np.int32),
            outcome_at=np.full(m, NEVER),
            parcel=parcel,
            shipped_g=np.array([r["shipped"] or np.nan for r in refunds], float),
            returned_g=np.array(
                [np.nan if r["only"] or r["returned"] is None else r["returned"] for r in refunds], float
            ),
            note=np.full(m, -1, np.int32),
            covered=np.full(m, -1, np.int32),
        ),
        pictures=Pictures(
            np.array([number for number, _ in pictures], np.int32),
            np.array([int(picture, 16) for _, picture in pictures], np.uint64),
        ),
        complaints=Complaints(
            ids=_objects([f"c-{refund['id']}" for _, refund in filed]),
            refund=np.array([number for number, _ in filed], np.int32),
            at=np.array([refund["at"] for _, refund in filed], np.int64),
            type=np.zeros(len(filed), np.int32),
            types=("abnormal_refund_only",),
            outcome=np.array([OUTCOMES.index(r["complaint"] or r["outcome"]) for _, r in filed], np.int32),
        ),
        uses=Uses(_objects([]), none, none, none, none, none.astype(np.int64)),
        past=PastDecisions(
            ids=_objects([decision["id"] for decision in past]),
            buyer=np.array([buyer_no[decision["buyer"]] for decision in past], np.int32),
            store=np.full(len(past), -1, np.int32),
            at=np.array([decision["at"] for decision in past], np.int64),
            decision=np.array([DECISIONS.index(decision["what"]) for decision in past], np.int32),
        ),
        identifiers=identifiers,
        parcels=_objects([f"parcel:{value}" for value in parcels]),
        within={kind: np.full(len(identifiers[kind]), -1, np.int32) for kind in ("ip", "door", "building")},
        absent=(),
    )
