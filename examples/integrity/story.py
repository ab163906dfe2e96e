"""A story told through GraphQL alone: a ring is found, stores complain, limits bite at checkout, rates are cleaned, and
an innocent flat-mate appeals and is healed.

`tell` asks an API over a market that is loaded and not yet detected; `main` makes such a market and serves it:

    python examples/integrity/story.py [--store URL] [--buyers N] [--seed N]
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

Ask = Callable[..., dict[str, Any]]
"""`ask(role, query, store_id=…, **variables)` returns the data of an answer, and raises where there are errors."""
Say = Callable[[str], None]

RINGS = """{ rings(first: 20) { edges { node { id confidence reasons stores(first: 50) { edges { node { id } } }
  members(first: 50) { edges { node { role probability accountId account { status risk } } } } } } } }"""
CLAIMS = """query ($id: ID!) { account(id: $id) { status reasons refunds(first: 50) { edges { node {
  id kind order { store { id } } } } } } }"""
FILE = """mutation ($complaints: [ComplaintInput!]!) { fileComplaints(complaints: $complaints, key: "story") {
  refundId refused complaint { id outcome atOnce } } }"""
WAITING = """query ($store: ID!) { complaints(storeId: $store, needsAPerson: true, first: 100) { edges { node {
  filed { id } probability reasons whyAPerson } } } }"""
DECIDE = """mutation ($id: ID!, $outcome: ComplaintOutcome!, $reason: String!) {
  decideComplaint(id: $id, outcome: $outcome, reason: $reason) { outcome by } }"""
LIMIT = """query ($buyer: ID!, $store: ID!, $amount: Decimal!) {
  purchaseLimit(buyerId: $buyer, storeId: $store, amount: $amount) { verdict reason status } }"""
RESERVE = """mutation ($order: PurchaseOrder!) { reservePurchase(order: $order) {
  state limit { verdict reason binding } } }"""
RATES = """{ myStore { experienceScore entitlements { granted } rates(days: 365) { raw { orders claims refundRate }
  withoutAbuse { orders claims refundRate } excluded(first: 5) { totalCount edges { node { refundId } } } } } }"""
FLIP = """query ($id: ID!) { account(id: $id) { status flip { flips statusAfter evidence(first: 50) { edges { node {
  kind sourceTable sourceId identifier { id } } } } } } }"""
STATUS = "query ($id: ID!) { account(id: $id) { status } }"
UPHOLD = """mutation ($id: ID!, $wrong: [JudgementInput!]!) { upholdAppeal(id: $id, wrong: $wrong,
  reason: "the flat-mate shares the flat, not the deeds") { state healedBy healed { buyerId before after words } } }"""


def run_detection(ask: Ask, say: Say, patience: float = 240.0) -> str:
    """Start a run as the scheduler, and wait until another one than before is published."""
    before = ask("scheduler", "{ run { id } }")["run"]
    ask("scheduler", "mutation { startRun { __typename } }")
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = ask("scheduler", "{ run { id } }")["run"]
        if found is not None and found != before:
            say(f"run {found['id']} is published")
            return str(found["id"])
        time.sleep(0.2)
    raise TimeoutError("no run was published: it may be held, see `ringfence runs`")


def tell(ask: Ask, say: Say) -> dict[str, Any]:
    """Tell the story, and return what happened in numbers."""
    say("1. A ring is found")
    run_detection(ask, say)
    rings = _nodes(ask("investigator", RINGS)["rings"])
    ring = max(rings, key=_worth)
    members = _nodes(ring["members"])
    actors = [one["accountId"] for one in members if one["role"] == "ACTOR"]
    say(f"{ring['id']}, confidence {ring['confidence']:.3f}: {len(actors)} act in it. {ring['reasons'][0]}")

    say("2. Stores complain, and most of it is decided at once")
    claims: dict[str, list[tuple[str, str]]] = {}
    claimants: dict[str, set[str]] = {}
    for account in actors:
        for claim in _nodes(ask("investigator", CLAIMS, id=account)["account"]["refunds"]):
            kind = "ABNORMAL_REFUND_ONLY" if claim["kind"] == "REFUND_ONLY" else "SWAPPED_RETURN"
            claims.setdefault(claim["order"]["store"]["id"], []).append((claim["id"], kind))
            claimants.setdefault(claim["order"]["store"]["id"], set()).add(account)
    scores = {id_: ask("store", RATES, store_id=id_)["myStore"] for id_ in sorted(claims)}
    # the store that hears most of it, among those whose score lets proven abuse out of their rates
    entitled = [id_ for id_, one in scores.items() if "EXCLUDE_FROM_STORE_RATES" in one["entitlements"]["granted"]]
    store = max(entitled or sorted(claims), key=lambda id_: (len(claims[id_]), id_))
    filed = [{"refundId": id_, "type": kind, "note": "not what we sent"} for id_, kind in claims[store]]
    answers = ask("store", FILE, store_id=store, complaints=filed)["fileComplaints"]
    stand = [one["complaint"] for one in answers if one["complaint"]]
    waiting = _nodes(ask("investigator", WAITING, store=store)["complaints"])
    say(f"store {store} files {len(filed)}: {sum(one['atOnce'] for one in stand)} decided at once, {len(waiting)} wait")
    upheld = sum(one["outcome"] == "UPHELD" for one in stand)
    for one in waiting:
        outcome = "UPHELD" if one["probability"] >= 0.5 else "DISMISSED"
        ask("investigator", DECIDE, id=one["filed"]["id"], outcome=outcome, reason="; ".join(one["reasons"]))
        upheld += outcome == "UPHELD"
    say(f"an investigator decides the rest; {upheld} are upheld")

    say("3. Limits bite at checkout")
    # a first run limits where an account claimed; the next one closes the platform to it
    limited = [
        one["accountId"]
        for one in members
        if str(one["account"]["status"]).endswith("LIMITED") and one["accountId"] in claimants[store]
    ]
    asked = ask("order_service", LIMIT, buyer=limited[0], store=store, amount="5000.00")["purchaseLimit"]
    say(f"{limited[0]} asks for 5,000 yuan: {asked['verdict']}, {asked['reason']}")
    held = [_reserve(ask, _order(f"story-{n}", limited[0], store)) for n in range(8)]
    say(f"it tries eight small orders in a row: {', '.join(held)}")
    honest = _honest(ask)
    other = ask("order_service", LIMIT, buyer=honest, store=store, amount="5000.00")["purchaseLimit"]
    say(f"{honest}, whom nothing is held against, asks for the same: {other['verdict']}")

    say("4. The store's rates are cleaned of what was proven")
    run_detection(ask, say)
    rates = ask("store", RATES, store_id=store)["myStore"]["rates"]
    clean = rates["withoutAbuse"] or rates["raw"]
    say(
        f"refund rate {rates['raw']['refundRate']:.4f} as it is, {clean['refundRate']:.4f} without "
        f"{rates['excluded']['totalCount']} claims of proven abuse"
    )

    say("5. An innocent flat-mate appeals")
    appeal = _appeal(ask, say, ring["id"])
    book = ask("auditor", "{ checkActs { acts head } acts(first: 100) { kind } }")
    say(f"6. An auditor checks the book: {book['checkActs']['acts']} acts hold together")
    return {
        "actors": len(actors),
        "filed": len(filed),
        "upheld": upheld,
        "decided": len(waiting),
        "limited": asked["verdict"],
        "held": held,
        "honest": other["verdict"],
        "raw": rates["raw"],
        "clean": clean,
        "excluded": rates["excluded"]["totalCount"],
        "acts": sum(one["kind"] != "audit.sealed" for one in book["acts"]),  # how many are sealed is the clock's
        **appeal,
    }


def _appeal(ask: Ask, say: Say, ring_id: str) -> dict[str, Any]:
    """The account that only stands by a ring, and is watched for it, appeals: what links it is judged not to be its."""
    rings = _nodes(ask("investigator", RINGS)["rings"])
    rings.sort(key=lambda ring: ring["id"] != ring_id)
    for buyer in (
        member["accountId"]
        for ring in rings
        for member in _nodes(ring["members"])
        if member["role"] == "BYSTANDER" and member["account"]["status"] != "CLEAR"
    ):
        account = ask("investigator", FLIP, id=buyer)["account"]
        held = [one for one in _nodes(account["flip"]["evidence"]) if one["identifier"]]
        if account["flip"]["statusAfter"] == "CLEAR" and held:
            break
    links = sorted({one["identifier"]["id"] for one in held})
    say(f"{buyer} is {account['status']}; without {len(links)} things that it shares with the ring it would be CLEAR")
    opened = ask(
        "investigator",
        "mutation ($buyer: ID!, $text: String!) { openAppeal(buyerId: $buyer, text: $text) { id deadline } }",
        buyer=buyer,
        text="I only rent a room there.",
    )["openAppeal"]
    wrong = [{"target": "LINK", "id": id_, "said": "NOT_THEIRS", "buyerId": buyer} for id_ in links]
    done = ask("senior_investigator", UPHOLD, id=opened["id"], wrong=wrong)["upholdAppeal"]
    for one in done["healed"]:
        say(f"healed: {one['buyerId']}, {one['before']} -> {one['after']}. {one['words']}")
    after = ask("investigator", STATUS, id=buyer)["account"]["status"]
    return {"appellant": buyer, "before": account["status"], "after": after, "healed": len(done["healed"])}


def _honest(ask: Ask) -> str:
    found = ask(
        "investigator",
        "{ accounts(filter: {status: [CLEAR]}, sort: {by: RISK, direction: ASC}, first: 1) { edges { node { id } } } }",
    )
    return str(_nodes(found["accounts"])[0]["id"])


def _worth(ring: Mapping[str, Any]) -> tuple[float, str]:
    """Rings with most limited actors first."""
    members = _nodes(ring["members"])
    return sum(str(one["account"]["status"]).endswith("LIMITED") for one in members), ring["id"]


def _reserve(ask: Ask, order: Mapping[str, Any]) -> str:
    """The state of a reservation. Where the counters can't be reached within the deadline the policy answers and the
    purchase is UNCOUNTED: the same order id is asked again, as an order service may."""
    for _ in range(50):
        state = str(ask("order_service", RESERVE, order=order)["reservePurchase"]["state"])
        if state != "UNCOUNTED":
            return state
        time.sleep(0.1)
    return state


def _order(order_id: str, buyer: str, store: str) -> dict[str, Any]:
    return {"orderId": order_id, "buyerId": buyer, "storeId": store, "amount": "20.00"}


def _nodes(connection: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in connection["edges"]]


def over_http(endpoint: str, token_key: str) -> Ask:
    """Ask an API at an address, with a token of its own for each role."""
    from api.tokens import make_token

    def ask(role: str, query: str, store_id: str | None = None, **variables: Any) -> dict[str, Any]:
        now = time.time_ns() // 1000
        token = make_token(token_key, role, subject=f"the story's {role}", now=now, ttl=600, store_id=store_id)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = orjson.dumps({"query": query, "variables": variables})
        with urlopen(Request(endpoint, body, headers), timeout=120) as response:
            answer: dict[str, Any] = orjson.loads(response.read())
        if answer.get("errors"):
            raise RuntimeError(f"{role} asked {query}: {answer['errors']}")
        data: dict[str, Any] = answer["data"]
        return data

    return ask


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Make a market, load it, serve it, tell the story; returns what happened in numbers."""
    from cli.demo import serving
    from cli.settings import AUDIT_KEY, KEY, LOG, NAMESPACE, STORE, TOKEN_KEY
    from graph.open import open_store
    from integrity.instants import to_iso
    from loaders.keying import Keyer
    from loaders.load import load_folder
    from simulator.market import simulate

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="", help="URL of a store; default a file that is gone afterwards")
    parser.add_argument("--buyers", type=int, default=1_500)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        url = given.store or f"sqlite:///{Path(home) / 'story.db'}"
        keys = {KEY: secrets.token_hex(32), TOKEN_KEY: secrets.token_hex(32), AUDIT_KEY: secrets.token_hex(32)}
        name = f"story-{secrets.token_hex(4)}" if given.store else "default"
        simulate(Path(home) / "market" / "export", buyers=given.buyers, seed=given.seed, abuse="high")
        store = open_store(url, namespace=name)
        now = time.time_ns() // 1000
        load_folder(store, Keyer(keys[KEY], name), Path(home) / "market" / "export", now=now)
        latest = max(row["placed_at"] for part in store.scan("orders", ("placed_at",)) for row in part.to_pylist())
        store.close()
        environment = {**os.environ, **keys, STORE: url, NAMESPACE: name, LOG: "lines"}
        environment["RINGFENCE_POLICY"] = str(_policy(Path(home)))
        with serving(environment, to_iso(latest)) as endpoint:
            return tell(over_http(endpoint, keys[TOKEN_KEY]), _say)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _policy(home: Path) -> Path:
    """The default policy, but for a market in which every tenth account abuses: such a run would be held."""
    from integrity.policy import default_text

    path = home / "policy.toml"
    path.write_text(default_text().replace("max_limited_share = 0.03", "max_limited_share = 0.3"), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
