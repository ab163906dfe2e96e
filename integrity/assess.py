"""One claim or account assessed: brings what `remedies` needs from the store and the published run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc

from graph.errors import NotFound
from graph.store import Store
from integrity.acts import fingerprint
from integrity.affairs import NOBODY, Acted
from integrity.checkout_view import PublishedRun
from integrity.columns import rows_of
from integrity.instants import to_iso
from integrity.policy import Policy
from integrity.references import Reference
from integrity.remedies import (
    AccountFacts,
    Basis,
    Remedy,
    account_facts,
    claim_facts,
    claim_remedies,
    entitled,
    for_store,
    told_to_buyer,
)
from integrity.version import ringfence_version
from integrity.words import Words


@dataclass(frozen=True)
class Assessment:
    """A claim with the remedies that apply; `told_to_store` are those that its store may use and see. `reference` names
    all that it rests on and what came of it: `replay_claims` assesses the same once more by it."""

    refund_id: str
    store_id: str
    buyer_id: str
    remedies: tuple[Remedy, ...]
    told_to_store: tuple[Remedy, ...]
    basis: Basis
    reference: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**self.said(), "reference": self.reference}

    def said(self) -> dict[str, Any]:
        """What came of it, in plain values."""
        seen = {one.kind for one in self.told_to_store}
        return {
            "refund_id": self.refund_id,
            "store_id": self.store_id,
            "buyer_id": self.buyer_id,
            "run_id": self.basis.run_id,
            "policy": self.basis.policy,
            "remedies": [{**remedy_json(one), "store_entitled": one.kind in seen} for one in self.remedies],
        }


def remedy_json(one: Remedy) -> dict[str, Any]:
    """A remedy as plain values."""
    return {
        "remedy": one.kind.value,
        "scope": one.scope.value,
        "store_ids": list(one.store_ids),
        "starts_at": to_iso(one.starts_at),
        "expires_at": None if one.expires_at is None else to_iso(one.expires_at),
        "reason": one.reason.value,
        **{
            name: {"en": words.en, "zh": words.zh}
            for name, words in (("buyer", one.buyer), ("store", one.store), ("lift", one.lift))
        },
    }


def basis_of(published: PublishedRun | None, policy: Policy) -> Basis:
    """What assessments rest on."""
    if published is None:
        return Basis(None, 0, policy.version)
    return Basis(published.record.run_id, published.record.as_of, published.record.policy)


def read_accounts(
    published: PublishedRun, buyer_ids: Sequence[str], policy: Policy, *, abusive: Collection[str] = ()
) -> dict[str, AccountFacts]:
    """What the published run says of accounts, those that it judged, in one reading of its tables; `abusive` are
    buyers that a person judged so."""
    if not buyer_ids:
        return {}
    wanted = pc.field("buyer_id").isin(list(buyer_ids))

    def rows(table: str) -> list[dict[str, Any]]:
        return rows_of(published.table(table).filter(wanted))

    decisions, findings = rows("run_decisions"), {row["buyer_id"]: row for row in rows("run_accounts")}
    members = {(row["ring_id"], row["buyer_id"]): row for row in rows("run_members")}
    in_rings = sorted({row["ring_id"] for row in findings.values() if row["ring_id"] is not None})
    rings = {}
    if in_rings:
        table = published.table("run_rings").select(["ring_id", "confidence"])
        rings = {row["ring_id"]: row for row in rows_of(table.filter(pc.field("ring_id").isin(in_rings)))}
    found = {}
    for decision in decisions:
        buyer = decision["buyer_id"]
        finding = findings.get(buyer)
        ring_id = finding["ring_id"] if finding is not None else None
        found[buyer] = account_facts(
            decision, finding, members.get((ring_id, buyer)), rings.get(ring_id), policy, judged=buyer in abusive
        )
    return found


def told_to_buyers(
    published: PublishedRun | None,
    buyer_ids: Sequence[str],
    policy: Policy,
    *,
    abusive: Collection[str] = (),
    now: int,
) -> dict[str, list[Words]]:
    """What buyers are told, as `told_to_buyer`; by buyer, nothing for those that the published run did not judge."""
    told: dict[str, list[Words]] = {buyer: [] for buyer in buyer_ids}
    if published is not None:
        basis = basis_of(published, policy)
        for buyer, facts in read_accounts(published, sorted(told), policy, abusive=abusive).items():
            told[buyer] = told_to_buyer(facts, policy, basis, now=now)
    return told


def assess_claim(
    store: Store,
    refund_id: str,
    published: PublishedRun | None,
    policy: Policy,
    *,
    known_by: int,
    now: int,
    acted: Acted = NOBODY,
) -> Assessment:
    """The remedies for one claim, as known by load `known_by` and after what people had done by then. Raises
    `NotFound`: no such claim, or of an unknown order."""

    def find(table: str, column: str, values: list[Any]) -> list[dict[str, Any]]:
        return rows_of(store.find(table, column, values, known_by=known_by)) if values and known_by else []

    refund = next(iter(find("refunds", "refund_id", [refund_id])), None)
    order = next(iter(find("orders", "order_id", [refund["order_id"]])), None) if refund is not None else None
    if refund is None or order is None:
        what = f"no claim {refund_id!r}" if refund is None else f"the order of claim {refund_id!r} is not known yet"
        raise NotFound(what, where=store.url, do="check the id; load newer data")
    reports = {row["complaint_id"]: row["outcome"] for row in find("complaints", "refund_id", [refund_id])}
    complaints = list(acted.complaints.of(refund_id, reports).values())
    shop = next(iter(find("stores", "store_id", [order["store_id"]])), {})
    beside = find("refunds", "parcel", [refund["parcel"]] if refund["parcel"] is not None else [])
    others = find("orders", "order_id", sorted({row["order_id"] for row in beside} - {order["order_id"]}))
    elsewhere = any((one["buyer_id"], one["store_id"]) != (order["buyer_id"], order["store_id"]) for one in others)
    account, evidence = None, list[dict[str, Any]]()
    if published is not None:
        account = read_accounts(published, [order["buyer_id"]], policy, abusive=acted.abusive).get(order["buyer_id"])
        of_claim = (pc.field("source_table") == "refunds") & (pc.field("source_id") == refund_id)
        rows = rows_of(published.table("run_evidence").filter(of_claim))
        evidence = [row for row in rows if row["buyer_id"] == order["buyer_id"]]
    facts = claim_facts(refund, order, complaints, evidence, elsewhere, policy)
    basis = basis_of(published, policy)
    found = claim_remedies(facts, account, policy, basis, now=now)
    told = for_store(found, order["store_id"], entitled(policy, shop.get("experience_score"), now))
    made = Assessment(refund_id, order["store_id"], order["buyer_id"], tuple(found), tuple(told), basis)
    rests_on = Reference(
        refund_id,
        basis.run_id,
        known_by,
        acted.acts,
        now,
        policy.digest[:16],
        ringfence_version(),
        fingerprint(made.said()),
    )
    return replace(made, reference=rests_on.text)
