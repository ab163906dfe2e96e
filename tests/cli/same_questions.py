"""What is asked by command and over GraphQL of one store: the words, the query, and the facts in either answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrity.instants import from_iso, to_iso
from tests.faults.support import Desk

AT = from_iso("2025-01-02T00:00:00Z", where="test")
Pick = Callable[[Any], Any]
Question = tuple[tuple[object, ...], str, Pick, Pick]
_RATES = ("raw", "without_abuse")


def questions(desk: Desk, limited: str, claim: str, store: str) -> list[Question]:
    """Questions about a limited account, a claim, a store, and all there is."""
    run = desk.done("status", "--json").json["published_run"]
    ring = desk.done("look", "rings", "--json").json["items"][0]["id"]
    earlier = next(one["run_id"] for one in desk.done("runs", "--json").json if one["run_id"] != run)
    now = ("--now", to_iso(AT))

    def nodes(name: str) -> Pick:
        return lambda data: [edge["node"] for edge in data[name]["edges"]]

    return [
        (
            ("explain", "account", limited),
            f'{{ account(id: "{limited}") {{ id status risk claims reasons against runId }} }}',
            lambda told: {
                "id": told["buyer_id"],
                "run_id": told["run_id"],
                **{name: told[name] for name in ("status", "risk", "claims", "reasons", "against")},
            },
            lambda data: data["account"],
        ),
        (
            ("complaint", "counts"),
            """{ complaintCounts { month type filed upheld dismissed pending atOnce reviewed revised sampled agreed
                 medianHours } }""",
            lambda told: told,
            lambda data: [one | {"type": one["type"].lower()} for one in data["complaint_counts"]],
        ),
        (
            ("complaint", "list"),
            "{ complaints(first: 100) { edges { node { storeId buyerId probability reasons filed { id } } } } }",
            lambda told: sorted(
                (one["complaint_id"], one["store_id"], one["buyer_id"], one["probability"], one["reasons"])
                for one in told
            ),
            lambda data: sorted(
                (one["filed"]["id"], one["store_id"], one["buyer_id"], one["probability"], one["reasons"])
                for one in nodes("complaints")(data)
            ),
        ),
        (
            ("assess", claim, *now),
            f"""{{ assessClaim(refundId: "{claim}") {{ refundId runId policy
                 remedies {{ kind scope storeIds startsAt expiresAt reason buyer {{ en zh }} store {{ en zh }}
                   lift {{ en zh }} }} }} }}""",
            lambda told: (
                told["refund_id"],
                told["run_id"],
                told["policy"],
                [
                    {k: v for k, v in one.items() if k not in ("remedy", "store_entitled")}
                    | {"kind": one["remedy"].upper(), "scope": one["scope"].upper(), "reason": one["reason"].upper()}
                    for one in told["remedies"]
                ],
            ),
            lambda data: (
                data["assess_claim"]["refund_id"],
                data["assess_claim"]["run_id"],
                data["assess_claim"]["policy"],
                data["assess_claim"]["remedies"],
            ),
        ),
        (
            ("rates", store, "--until", to_iso(AT)),
            f"""{{ store(id: "{store}") {{ rates(until: "{to_iso(AT)}") {{ since until policy runId
                 raw {{ orders claims refundRate qualityRate disputeRate }}
                 withoutAbuse {{ orders claims refundRate qualityRate disputeRate }} }} }} }}""",
            lambda told: {
                **{n: told[n] for n in ("since", "until", "policy", "run_id")},
                **{n: (told[n]["orders"], told[n]["claims"], *told[n]["rates"].values()) for n in _RATES},
            },
            lambda data: {
                **data["store"]["rates"],
                **{n: tuple(o and round(o, 6) for o in data["store"]["rates"][n].values()) for n in _RATES},
            },
        ),
        (
            ("policy", "stages", "--store-id", store, *now),
            f"""{{ store(id: "{store}") {{ entitlements {{ score granted why }} }} }}""",
            lambda told: (told["score"], [one.upper() for one in told["entitlements"]], told["why"]),
            lambda data: tuple(data["store"]["entitlements"][name] for name in ("score", "granted", "why")),
        ),
        (
            ("runs",),
            "{ runs(first: 100) { edges { node { id current policy policyDigest parentId state asOf } } } }",
            lambda told: {
                (o["run_id"], o["current"], o["policy"], o["policy_digest"], o["parent"], o["state"], o["as_of"])
                for o in told
            },
            lambda data: {
                (
                    o["id"],
                    o["current"],
                    o["policy"],
                    o["policy_digest"],
                    o["parent_id"],
                    o["state"].lower(),
                    o["as_of"],
                )
                for o in nodes("runs")(data)
            },
        ),
        (
            ("diff", earlier, run),
            f"""{{ runDiff(a: "{earlier}", b: "{run}") {{ accounts(first: 100) {{ edges {{ node {{ accountId
                 statusBefore statusAfter riskBefore riskAfter }} }} }} }} }}""",
            lambda told: [
                (o["buyer_id"], o["status_before"], o["status_after"], o["risk_before"], o["risk_after"])
                for o in told["accounts"]
            ],
            lambda data: [tuple(o["node"].values()) for o in data["run_diff"]["accounts"]["edges"]],
        ),
        (
            ("explain", "ring", ring),
            f"""{{ ring(id: "{ring}") {{ id confidence reasons
                 members(first: 100) {{ edges {{ node {{ accountId }} }} }} }} }}""",
            lambda told: (
                told["ring_id"],
                told["confidence"],
                told["reasons"],
                {o["buyer_id"] for o in told["members"]},
            ),
            lambda data: (
                data["ring"]["id"],
                data["ring"]["confidence"],
                data["ring"]["reasons"],
                {o["node"]["account_id"] for o in data["ring"]["members"]["edges"]},
            ),
        ),
        (
            ("policy", "list"),
            "{ policies { edges { node { version digest by reason limited accounts inForce } } } }",
            lambda told: [
                {n: o[n] for n in ("version", "digest", "by", "reason", "limited", "accounts", "in_force")}
                for o in reversed(told)
            ],
            nodes("policies"),
        ),
        (
            ("purchase-limit", limited, "--store-id", store, *now),
            f"""{{ purchaseLimit(buyerId: "{limited}", storeId: "{store}") {{ buyerId verdict reason scope status
                 remainingOrders remainingAmount {{ amount currency }} maxQuantity binding bindingOf expiresAt runId
                 stale countedUntil items {{ verdict }} }} }}""",
            lambda told: told,
            lambda data: data["purchase_limit"],
        ),
    ]
