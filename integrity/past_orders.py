"""Orders of the past put before the limits of a policy: which would have been stopped or cut.

Pure: it asks `integrity.checkout` the same questions that the order service would have asked, order by order, for
every account that the decisions limit and every account that they do not know. What a limit stops does not count
against later orders; what it cuts counts with what was left of it. The run is taken to be fresh throughout, since runs
would have gone on coming.

No peeking: decisions and the identifiers that speak against new accounts are arguments, made from what was known when
the decisions were; only the orders that are put before them come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graph.snapshot import KINDS, Bools, Ints, Snapshot
from integrity.allowances import own_lines
from integrity.checkout import (
    AccountDecision,
    CountedOrder,
    PurchaseAnswer,
    PurchaseRequest,
    RunFacts,
    Status,
    Verdict,
    judge,
    standing,
)
from integrity.columns import rows_of, texts
from integrity.instants import DAY

_LIMITED = (Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value)


@dataclass(frozen=True)
class Judged:
    """What checkout would know: the limits of limited accounts, all judged accounts, the identifiers that speak against
    an account never judged, and the run with its policy."""

    limits: Mapping[str, AccountDecision]
    known: frozenset[str]
    speaking: frozenset[str]
    run: RunFacts


@dataclass(frozen=True)
class Stopped:
    """One order of the snapshot (its index) that limits would have denied (`whole`) or cut; `amount` is what would not
    have been sold, in minor units of the order's currency."""

    order: int
    whole: bool
    amount: int


def limits_of(decisions: pa.Table) -> dict[str, AccountDecision]:
    """The limits of the limited accounts among the rows of `run_decisions`, as checkout holds them."""
    found = {}
    for row in rows_of(decisions):
        if row["status"] in _LIMITED:
            found[row["buyer_id"]] = AccountDecision(
                Status(row["status"]),
                row["limit_orders_1d"],
                row["limit_orders_30d"],
                row["limit_amount_1d"],
                row["limit_amount_30d"],
                row["limit_quantity"],
                row["currency"],
                frozenset(row["limit_store_ids"]),
                row["expires_at"],
            )
    return found


def speaking(snapshot: Snapshot, limited: frozenset[str], hubs: pa.Table, run: RunFacts) -> frozenset[str]:
    """Identifier ids that would speak against an account never judged: abusive hubs, and identifiers of which limited
    accounts are the policy's share of all. `snapshot` is the run's own, `hubs` its rows of `run_hubs`."""
    rules = run.policy.new_accounts
    verdicts = dict(zip(texts(hubs, "identifier"), texts(hubs, "verdict"), strict=True))
    buyers = len(snapshot.buyers.ids)
    marked = np.isin(snapshot.buyers.ids.astype(str), sorted(limited)) if limited else np.zeros(buyers, dtype=bool)
    found = {identifier for identifier, verdict in verdicts.items() if verdict == "abusive"}
    for kind in rules.kinds:
        ids = snapshot.identifiers[kind]
        pairs = _users(snapshot, kind)
        if not len(pairs):
            continue
        identifier, buyer = pairs // buyers, pairs % buyers
        users = np.bincount(identifier, minlength=len(ids))
        bad = np.bincount(identifier, weights=marked[buyer], minlength=len(ids))
        speaks = (bad > 0) & (bad >= rules.limited_share * users)
        found.update(id_ for id_ in ids[speaks] if id_ not in verdicts)
    return frozenset(one for one in found if one.partition(":")[0] in rules.kinds)


def _users(snapshot: Snapshot, kind: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Distinct (identifier, buyer) pairs of a kind, as identifier * buyers + buyer."""
    buyers = np.int64(len(snapshot.buyers.ids))
    used, uses = snapshot.orders.used[kind], snapshot.uses
    named, other = used >= 0, uses.kind == KINDS.index(kind)
    pairs = (used[named] * buyers + snapshot.orders.buyer[named], uses.identifier[other] * buyers + uses.buyer[other])
    return np.unique(np.concatenate(pairs).astype(np.int64))


def replay(later: Snapshot, judged: Judged, *, start: int, end: int) -> list[Stopped]:
    """The orders placed after `start` and up to `end` that the limits would have stopped or cut, by order index.

    `later` is a snapshot that holds these orders and the 30 days before them."""
    orders, ids = later.orders, later.buyers.ids
    inside = (orders.at > start) & (orders.at <= end)
    known = np.array([id_ in judged.known for id_ in ids], dtype=bool)
    limited = np.array([id_ in judged.limits for id_ in ids], dtype=bool)
    suspect = _suspect(later, judged.speaking)
    # a new account that no identifier speaks against is never stopped
    concerned = np.zeros(len(ids), dtype=bool)
    concerned[np.unique(orders.buyer[inside & (limited[orders.buyer] | (~known[orders.buyer] & suspect))])] = True
    found = []
    for buyer, mine in _by_buyer(later, concerned, start - 30 * DAY, end):
        decision = judged.limits.get(ids[buyer])
        found += _one_buyer(later, mine, decision, judged.run, suspect, start, end)
    return sorted(found, key=lambda one: one.order)


def _suspect(later: Snapshot, speaks: frozenset[str]) -> Bools:
    """For each order whether it comes with an identifier that speaks against a new account."""
    suspect = np.zeros(len(later.orders.ids), dtype=bool)
    for kind in sorted({one.partition(":")[0] for one in speaks}):
        bad = np.array([id_ in speaks for id_ in later.identifiers[kind]], dtype=bool)
        used = later.orders.used[kind]
        named = used >= 0
        suspect[named] |= bad[used[named]]
    return suspect


def _by_buyer(later: Snapshot, concerned: Bools, after: int, end: int) -> Iterator[tuple[int, Ints]]:
    """Each buyer concerned and its orders after `after` and up to `end`, by the time they were placed, then by id."""
    orders = later.orders
    chosen = np.flatnonzero(concerned[orders.buyer] & (orders.at > after) & (orders.at <= end))
    chosen = chosen[np.lexsort((chosen, orders.at[chosen], orders.buyer[chosen]))].astype(np.int32)
    cuts = np.flatnonzero(np.diff(orders.buyer[chosen])) + 1
    parts: list[Ints] = np.split(chosen, cuts)
    for mine in parts:
        if len(mine):
            yield int(orders.buyer[mine[0]]), mine


def _one_buyer(
    later: Snapshot, mine: Ints, decision: AccountDecision | None, run: RunFacts, suspect: Bools, start: int, end: int
) -> list[Stopped]:
    orders, found = later.orders, []
    fresh = RunFacts(run.run_id, run.as_of, end, run.policy)
    went: list[CountedOrder] = []
    for number in mine.tolist():
        at, amount = int(orders.at[number]), int(orders.amount[number])
        currency = later.currencies[orders.currency[number]]
        counted = CountedOrder(orders.ids[number], later.stores.ids[orders.store[number]], at, amount, currency)
        kept = amount
        if at > start:
            request = PurchaseRequest(
                buyer_id=later.buyers.ids[orders.buyer[number]],
                store_id=counted.store_id,
                quantity=int(orders.quantity[number]),
                amount=amount,
                currency=currency,
                order_id=counted.order_id,
            )
            answer = _answer(request, decision, fresh, bool(suspect[number]), went, at)
            kept = _kept(request, answer)
            if answer.verdict is not Verdict.ALLOW:
                found.append(Stopped(number, answer.verdict is Verdict.DENY, amount - kept))
            if answer.verdict is Verdict.DENY:
                continue
        went.append(counted._replace(amount=kept))
    return found


def _answer(
    request: PurchaseRequest,
    decision: AccountDecision | None,
    run: RunFacts,
    suspect: bool,
    went: list[CountedOrder],
    at: int,
) -> PurchaseAnswer:
    found = standing(request, decision, run, run.policy.checkout, now=at, suspect=suspect)
    if isinstance(found, PurchaseAnswer):
        return found
    return judge(request, found, [line.left(0) for line in own_lines(request, found, went, now=at)], run)


def _kept(request: PurchaseRequest, answer: PurchaseAnswer) -> int:
    """How much of an order's amount would have been sold: pieces first (each costs the same), then the amount left."""
    amount = request.amount or 0
    if answer.verdict is Verdict.DENY:
        return 0
    if answer.verdict is Verdict.ALLOW:
        return amount
    if answer.max_quantity is not None and request.quantity > answer.max_quantity:
        amount = amount * answer.max_quantity // request.quantity
    return amount if answer.remaining_amount is None else min(amount, answer.remaining_amount)
