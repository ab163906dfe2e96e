"""A simulated market with two runs and people who acted on it: whatever a role may read has something to show."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from api.tokens import make_token
from graph.store import Store
from integrity.acts import Actor
from integrity.instants import DAY, from_iso
from integrity.policy import Policy, default_text
from integrity.policy_stages import ENTITLEMENTS, Band, Stages
from integrity.runs import run_detection
from integrity.shadow import start_shadow
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate
from tests.api.conftest import TOKEN_KEY, Asked
from tests.integrity.hand import Account, Ring, findings
from tests.integrity.test_healing import LATER, quick

JUDGE = 'mutation ($j: JudgementInput!) { judge(judgement: $j, reason: "seen") { id } }'


@dataclass
class Peopled:
    """The market as it is asked: variables of root fields by name of field, each a list of ways to ask."""

    api: Asked
    store_id: str
    ask: dict[str, list[str]] = field(default_factory=dict)

    def data(self, query: str, role: str = "investigator", **variables: Any) -> Any:
        """The data of an answer without errors, asked as a role."""
        token = self.api.token(role, **({"store_id": self.store_id} if role == "store" else {}))
        answer = self.api.post({"query": query, "variables": variables}, token=token).json()
        assert "errors" not in answer, answer["errors"][:3]
        return answer["data"]


def staged() -> Policy:
    """A policy whose bands have a beginning and an end; the highest gives one thing more than the others. It limits
    outside rings, too: in a market of 600 hardly anybody is as sure to abuse alone as the default policy asks."""
    chosen = quick()
    span: dict[str, Any] = {"since": date(2024, 1, 1), "until": date(2030, 1, 1)}
    bands = (
        Band(at_least=4.99, entitlements=ENTITLEMENTS, **span),  # type: ignore[arg-type]  # the same names, as text
        Band(at_least=0.0, entitlements=ENTITLEMENTS[:-1], **span),  # type: ignore[arg-type]
    )
    rules = chosen.statuses.model_copy(update={"alone_limited_risk": 0.9})
    return chosen.model_copy(update={"stages": Stages(bands=bands), "statuses": rules})


def shadowed(name: str) -> Policy:
    """A policy that limits nobody (`mild`), or whoever is suspected at all (`tough`)."""
    risk, policy = (0.999 if name == "mild" else 0.2), staged()
    rules = policy.statuses.model_copy(
        update={"store_limited_risk": risk, "platform_limited_risk": risk, "watch_risk": min(risk, 0.2)}
        | {"immediate_store_risk": risk, "immediate_platform_risk": risk, "alone_limited_risk": risk}
        | {"minimum_claims_in_ring": 1, "minimum_claims_alone": 1}
    )
    return policy.model_copy(update={"version": name, "statuses": rules})


def fill(store: Store, home: Path) -> None:
    """Load a market of 600 buyers and detect several times; the last run is held, the first dropped."""
    simulate(home / "export", buyers=600, seed=13, abuse="high")
    decided = home / "export" / "decisions.csv"
    buyer, shop = rows(home, "buyers")[0]["buyer_id"], rows(home, "stores")[0]["store_id"]
    decided.write_text(decided.read_text() + f"{buyer},2024-02-01T00:00:00+08:00,limited,store,{shop}\n")
    load_folder(store, Keyer("k" * 40), home / "export", now=LATER)
    policy = staged()
    strict = policy.model_copy(update={"publication": policy.publication.model_copy(update={"max_limited_share": 0.0})})
    last = max(from_iso(row["placed_at"], where="orders") for row in rows(home, "orders"))
    runs: list[str] = []

    def run(by: Policy, days: int = 0, found: Any = None) -> None:
        at, given = LATER + len(runs), None if found is None else lambda *_: found
        made = run_detection(store, policy=by, now=lambda: at, holder="test", as_of=last - days * DAY, detect=given)
        runs.append(made.run.run_id)

    run(policy, days=60)
    run(policy, days=30)
    run(policy)
    run(policy, found=_in_two(store.run_rows(runs[-1], "run_rings").to_pylist()))
    mild, tough = (shadowed(name) for name in ("mild", "tough"))
    start_shadow(store, mild, by=Actor("ada", "senior_investigator"), now=LATER)
    run(policy)
    start_shadow(store, tough, by=Actor("ada", "senior_investigator"), now=LATER)
    run(strict)
    lease = store.acquire("run", "test")
    store.drop_runs(lease, runs[:1])
    store.release(lease)


def _in_two(rings: list[dict[str, Any]]) -> Any:
    """Findings by which the largest ring is two: the next run finds them to be one."""
    members = max((ring["members"] for ring in rings), key=len)
    groups = {"ring-y": members[:-2], "ring-z": members[-2:]}
    accounts = [Account(buyer, 0.5, 1, ring) for ring, half in groups.items() for buyer in half]
    return findings(accounts, [Ring(ring) for ring in groups])


def rows(home: Path, name: str) -> list[Mapping[str, str]]:
    with (home / "export" / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def people(api: Asked, home: Path) -> Peopled:
    """Complaints, verdicts, judgements, appeals and cases, all through the API, and how each root field is asked."""
    known = Peopled(api, "")
    first = known.data("{ rings(first: 1) { edges { node { id members { edges { node { account { id } } } } } } } }")
    ring = first["rings"]["edges"][0]["node"]
    members = [edge["node"]["account"]["id"] for edge in ring["members"]["edges"]]
    ask = """query ($b: ID!) { account(id: $b) { refunds { edges { node { id shippedWeightG returnWeightG
      order { id store { id } } } } } } }"""
    claims = [edge["node"] for one in members for edge in known.data(ask, b=one)["account"]["refunds"]["edges"]]
    claim = next(one for one in claims if one["shippedWeightG"] and one["returnWeightG"])
    known.store_id = claim["order"]["store"]["id"]
    reported = "FAKE_EVIDENCE"
    file = 'mutation ($r: ID!, $t: ComplaintType!) { fileComplaint(refundId: $r, type: $t, files: ["a.jpg"]) { id } }'
    filed = known.data(file, "store", r=claim["id"], t=reported)["fileComplaint"]["id"]
    verdict = 'mutation ($c: ID!) { decideComplaint(id: $c, outcome: UPHELD, reason: "seen") { by } }'
    known.data(verdict, "senior_investigator", c=filed)
    case = _case(known, ring["id"])
    _judgements(known, members, home)
    _appeal(known, members[-1])
    _accord(known)
    last = _policies(known)
    odd = _policy_text("odd").replace("orders_per_day = 1", "orders_per_day = 9")
    raw = next(row for row in rows(home, "orders") if row["buyer_id"] == members[0])
    runs = [edge["node"]["id"] for edge in known.data("{ runs { edges { node { id } } } }")["runs"]["edges"]]
    reference = known.data("query ($r: ID!) { assessClaim(refundId: $r) { reference } }", r=claim["id"])
    orders = [claim["order"]["id"]]
    buyer_at = f'buyerId: "{members[0]}", storeId: "{known.store_id}"'
    known.ask = {
        "account": [f'(id: "{one}")' for one in (members[0], rows(home, "decisions")[0]["buyer_id"])],
        "ring": [f'(id: "{ring["id"]}")'],
        "evidence": ["(first: 10)"],
        "rings": ["(first: 4)"],
        "runDiff": [f'(a: "{one}", b: "{other}")' for pair in pairwise(runs) for one, other in (pair, pair[::-1])],
        "store": [f'(id: "{known.store_id}")'],
        "order": [f'(id: "{orders[0]}")'],
        "refund": [f'(id: "{claim["id"]}")'],
        "identifier": [f'(kind: DEVICE, value: "{raw["device_id"]}")'],
        "path": [f'(a: "{members[0]}", b: "{members[1]}")'],
        "purchaseLimit": [f'(buyerId: "{one}", storeId: "{known.store_id}", amount: "9.00")' for one in members],
        "purchaseLimits": [f'(requests: [{{{buyer_at}}}, {{{buyer_at}, items: [{{sku: "a", amount: "9.00"}}]}}])'],
        "myClaim": [f'(id: "{claim["id"]}")'],
        "case": [f'(id: "{case}")'],
        "caseBundle": [f'(id: "{case}")'],
        "assessClaim": [f'(refundId: "{claim["id"]}")'],
        "replayClaim": [f'(reference: "{reference["assessClaim"]["reference"]}")'],
        "replayComplaint": [f'(id: "{filed}")'],
        "replayDecision": [f'(accountId: "{members[0]}")'],
        "policy": [f'(version: "{version}")' for version in ("first", "second")],
        "checkPolicy": [f"(text: {json.dumps(odd)})"],
        "diffPolicies": [f"(after: {json.dumps(odd)})"],
        "policyTrial": [f'(id: "{one}")' for one in _trials(known, odd)],
        "shadowReport": [f'(digest: "{shadowed(name).digest}")' for name in ("mild", "tough")],
        "publishPolicy": [f'(text: {json.dumps(last)}, reason: "seen", force: true)'],
        "returnRisk": [f'(orderIds: ["{orders[0]}"])'],
        "reservePurchase": [
            f'(order: {{orderId: "new", buyerId: "{members[0]}", storeId: "{known.store_id}", amount: "9.00"}})'
        ],
        "confirmPurchase": ['(orderId: "new")'],
        "startRun": ["", ""],
        "fileComplaints": [
            f'(complaints: [{{refundId: "{claim["id"]}", type: {reported}}}, {{refundId: "none", type: {reported}}}])'
        ],
    }
    return known


def _judgements(known: Peopled, members: list[str], home: Path) -> None:
    other = next(row["buyer_id"] for row in rows(home, "buyers") if row["buyer_id"] not in members)
    mine = {row["order_id"] for row in rows(home, "orders") if row["buyer_id"] in members}
    claim = next(row["refund_id"] for row in rows(home, "refunds") if row["order_id"] not in mine)
    abusive = {"target": "ACCOUNT", "id": members[0], "said": "ABUSIVE", "storeIds": [known.store_id]}
    known.data(JUDGE, j=abusive)
    known.data(JUDGE, j={"target": "ACCOUNT", "id": members[1], "said": "ABUSIVE"})
    known.data(JUDGE, j={"target": "RECORD", "id": claim, "table": "refunds", "said": "STRUCK"})
    used = known.data("query ($b: ID!) { account(id: $b) { identifiers { edges { node { id } } } } }", b=other)
    link = used["account"]["identifiers"]["edges"][0]["node"]["id"]
    known.data(JUDGE, j={"target": "LINK", "id": link, "buyerId": other, "said": "NOT_THEIRS"})
    waiting = known.data("{ judgements(state: PROPOSED) { edges { node { id } } } }")["judgements"]["edges"]
    second = "mutation ($i: ID!) { secondJudgement(id: $i) { id } }"
    known.data(second, "senior_investigator", i=waiting[0]["node"]["id"])
    withdraw = 'mutation ($i: ID!) { withdrawJudgement(id: $i, reason: "not sure") { id } }'
    known.data(withdraw, "senior_investigator", i=waiting[0]["node"]["id"])


def _appeal(known: Peopled, buyer: str) -> None:
    opened = known.data('mutation ($b: ID!) { openAppeal(buyerId: $b, text: "not me") { id } }', b=buyer)
    uphold = """mutation ($i: ID!, $b: ID!) { upholdAppeal(id: $i, reason: "so",
      wrong: [{target: ACCOUNT, id: $b, said: HONEST}]) { id } }"""
    known.data(uphold, i=opened["openAppeal"]["id"], b=buyer)


def _policy_text(version: str) -> str:
    """The policy of `staged` as a document of a version, by which two people publish policies and nobody may be
    limited, so that one that is put in force is forced past that."""
    text = re.sub("(at_least = .*)", r"\1\nsince = 2024-01-01\nuntil = 2030-01-01", default_text())
    edits = {
        'version = "2025.1"': f'version = "{version}"',
        "at_least = 4.8": "at_least = 4.99",
        "alone_limited_risk = 0.97": "alone_limited_risk = 0.9",
        "two_for_policies = false": "two_for_policies = true",
        "max_limited_share = 0.03": "max_limited_share = 0.0",
    }
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    return text + "\n[detection]\nnull_draws = 8\n"


def _policies(known: Peopled) -> str:
    """Two policies put in force, the second by two people; a third waits, and is what comes back."""
    publish = """mutation ($t: String!) { publishPolicy(text: $t, reason: "seen", force: true) {
      waits policy { broke } } }"""
    known.data(publish, "senior_investigator", t=_policy_text("first"))
    ben = make_token(TOKEN_KEY, "senior_investigator", subject="ben", now=known.api.clock[0], ttl=60)
    known.data(publish, "senior_investigator", t=_policy_text("second"))
    for version in ("second", "third"):
        asked = {"query": publish, "variables": {"t": _policy_text(version)}}
        done = known.api.post(asked, token=ben).json()["data"]["publishPolicy"]
        assert done["waits"] == (version == "third")
        assert done["policy"]["broke"]
    return _policy_text("third")


def _trials(known: Peopled, text: str) -> list[str]:
    """A policy tried in each way, and once in vain: the trials' ids, when they have ended."""
    runs = known.data("{ runs { edges { node { id asOf } } } }")["runs"]["edges"]
    first = min((edge["node"] for edge in runs), key=lambda run: str(run["asOf"]))["id"]
    ids = []
    for name, more in (
        ("tryPolicy", ""),
        ("simulatePolicy", f', runId: "{first}"'),
        ("backtestPolicy", ""),
        ("tryPolicy", ', runId: "none"'),
    ):
        begun = known.data(
            f"mutation ($t: String!) {{ {name}(text: $t{more}) {{ id }} }}", "senior_investigator", t=text
        )
        ids.append(begun[name]["id"])
        while known.data("query ($i: ID!) { policyTrial(id: $i) { finishedAt } }", i=ids[-1])["policyTrial"] == {
            "finishedAt": None
        }:
            time.sleep(0.05)
    return ids


def _case(known: Peopled, ring: str) -> str:
    """A case that was worked on to its end; another is open on the same ring after it."""
    opened = known.data("mutation ($r: ID!) { openCase(target: RING, targetId: $r) { id state } }", r=ring)
    id_: str = opened["openCase"]["id"]
    known.data('mutation ($i: ID!) { assignCase(id: $i, to: "test investigator") { id } }', i=id_)
    known.data('mutation ($i: ID!) { noteCase(id: $i, text: "a note") { id } }', i=id_)
    known.data('mutation ($i: ID!) { decideCase(id: $i, decision: ABUSIVE, reason: "so") { id } }', i=id_)
    known.data('mutation ($i: ID!) { closeCase(id: $i, reason: "so") { id } }', i=id_)
    known.data("mutation ($r: ID!) { openCase(target: RING, targetId: $r) { id } }", r=ring)
    return id_


def _accord(known: Peopled) -> None:
    """Three stores report one quiet buyer."""
    asked = """{ accounts(filter: {status: [CLEAR], claimsAtLeast: 3}, first: 100) { edges { node { id
      refunds { edges { node { id initiatedBy outcome order { store { id } } } } } } } } }"""
    file = "mutation ($r: ID!) { fileComplaint(refundId: $r, type: FAKE_EVIDENCE) { id } }"
    for edge in known.data(asked)["accounts"]["edges"]:
        claims = {
            one["node"]["order"]["store"]["id"]: one["node"]["id"]
            for one in edge["node"]["refunds"]["edges"]
            if one["node"]["initiatedBy"] == "BUYER" and one["node"]["outcome"] != "WITHDRAWN"
        }
        if len(claims) > 2:
            for refund in list(claims.values())[:3]:
                known.data(file, r=refund)
            return
    raise AssertionError("nobody claimed at three stores")
