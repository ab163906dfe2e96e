"""Orders of the past put before the limits of a policy: which would have been stopped or cut.

Pure: it asks `integrity.checkout` the same questions that the order service would have asked, order by order, for
every account that the decisions limit and every account that they do not know. What a limit stops does not count
against later orders; what it cuts counts with what was left of it. The run is taken to be fresh throughout, since runs
would have gone on coming.

No peeking: decisions and the identifiers that speak against new accounts are arguments, made from what was known when
the decisions were; only the orders that are put before them come later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graph.snapshot import KINDS, Bools, Longs, Snapshot
from integrity.allowances import Group, holds, own_lines, shared_by, shared_lines
from integrity.checkout import (
    AccountDecision,
    CountedOrder,
    PurchaseAnswer,
    PurchaseRequest,
    RunFacts,
    Status,
    Verdict,
    Whose,
    judge,
    standing,
)
from integrity.columns import rows_of, texts
from integrity.decide import Findings
from integrity.instants import DAY
from integrity.limits import limits_of
from integrity.policy import Allowance

_LIMITED = (Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value)


@dataclass(frozen=True)
class Judged:
    """What checkout would know: the limits of limited accounts and the ring of each that has one, all judged accounts,
    the identifiers that speak against an account never judged, the verdict of each hub by identifier id, and the run
    with its policy."""

    limits: Mapping[str, AccountDecision]
    rings: Mapping[str, str]
    known: frozenset[str]
    speaking: frozenset[str]
    hubs: Mapping[str, str]
    run: RunFacts


@dataclass(frozen=True)
class Stopped:
    """One order of the snapshot (its index) that limits would have denied (`whole`) or cut; `amount` is what would not
    have been sold, in minor units of the order's currency."""

    order: int
    whole: bool
    amount: int


def judged_by(snapshot: Snapshot, findings: Findings, decisions: pa.Table, run: RunFacts) -> Judged:
    """What checkout would know by a run. `snapshot` is the run's own, `decisions` its rows of `run_decisions`."""
    limits = limits_of(decisions)
    rings = {
        row["buyer_id"]: row["ring_id"]
        for row in rows_of(findings.accounts.select(["buyer_id", "ring_id"]))
        if row["buyer_id"] in limits and row["ring_id"] is not None
    }
    hubs = dict(zip(texts(findings.hubs, "identifier"), texts(findings.hubs, "verdict"), strict=True))
    against = speaking(snapshot, frozenset(limits), hubs, run)
    return Judged(limits, rings, frozenset(texts(decisions, "buyer_id")), against, hubs, run)


def speaking(snapshot: Snapshot, limited: frozenset[str], verdicts: Mapping[str, str], run: RunFacts) -> frozenset[str]:
    """Identifier ids that would speak against an account never judged: abusive hubs, and identifiers of which limited
    accounts are the policy's share of all. `snapshot` is the run's own, `verdicts` those of its hubs by id."""
    rules = run.policy.new_accounts
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

    `later` is a snapshot that holds these orders and the 30 days before them. Orders go by in the order of their
    instants, so that what accounts share at a door or in a ring is used up as it would have been."""
    orders, ids = later.orders, later.buyers.ids
    known = np.array([id_ in judged.known for id_ in ids], dtype=bool)
    limited = np.array([id_ in judged.limits for id_ in ids], dtype=bool)
    suspect = _suspect(later, judged.speaking)
    # a new account that no identifier speaks against is never stopped
    new = np.zeros(len(ids), dtype=bool)
    inside = (orders.at > start) & (orders.at <= end)
    new[orders.buyer[inside & ~known[orders.buyer] & suspect]] = True
    chosen = (limited | new)[orders.buyer] & (orders.at > start - 30 * DAY) & (orders.at <= end)
    rows = np.flatnonzero(chosen)
    rows = rows[np.lexsort((rows, orders.at[rows]))]
    till = _Till(judged, end)
    found = []
    for number, counted, door in _counted(later, rows):
        if counted.placed_at <= start:
            till.take(counted, door)
            continue
        answer = till.ask(counted, door, bool(suspect[number]))
        kept = _kept(counted, answer)
        if answer.verdict is not Verdict.ALLOW:
            found.append(Stopped(number, answer.verdict is Verdict.DENY, counted.amount - kept))
        if answer.verdict is not Verdict.DENY:
            till.take(counted._replace(amount=kept), door)
    return sorted(found, key=lambda one: one.order)


class _Till:
    """A checkout desk of the past: what went through so far, and what the limits leave of the next order."""

    def __init__(self, judged: Judged, end: int) -> None:
        run = judged.run
        self._judged = judged
        self._run = RunFacts(run.run_id, run.as_of, end, run.policy)  # as fresh as runs that go on coming
        self._rules = run.policy.checkout
        self._went: dict[str, list[CountedOrder]] = defaultdict(list)
        self._at_door: dict[str, list[CountedOrder]] = defaultdict(list)
        self._last_door: dict[str, str] = {}
        self._members: dict[str, list[str]] = defaultdict(list)
        for buyer, ring in sorted(judged.rings.items()):
            self._members[ring].append(buyer)

    def take(self, order: CountedOrder, door: str | None) -> None:
        """An order went through."""
        self._went[order.buyer_id].append(order)
        if door is not None:
            self._last_door[order.buyer_id] = door
            if order.buyer_id in self._judged.limits:
                self._at_door[door].append(order)

    def ask(self, order: CountedOrder, door: str | None, suspect: bool) -> PurchaseAnswer:
        """What checkout would have answered to an order at its instant."""
        now = order.placed_at
        request = PurchaseRequest(
            buyer_id=order.buyer_id,
            store_id=order.store_id,
            sku=order.sku,
            quantity=order.quantity,
            amount=order.amount,
            currency=order.currency,
            order_id=order.order_id,
        )
        decision = self._judged.limits.get(order.buyer_id)
        found = standing(request, decision, self._run, self._rules, now=now, suspect=suspect)
        if isinstance(found, PurchaseAnswer):
            return found
        lines = own_lines(request, found, _recent(self._went[order.buyer_id], now), now=now)
        for rule in self._rules.allowances:
            group = self._group(rule, order.buyer_id, door, now) if holds(rule, found, request) else None
            if group is not None:
                lines += shared_lines(request, group, now=now)
        return judge(request, found, [line.left(0) for line in lines], self._run)

    def _group(self, rule: Allowance, buyer: str, door: str | None, now: int) -> Group | None:
        """Whose allowance a rule speaks of, with the orders that count in it; None where nobody's."""
        if rule.of == "account":
            return Group(rule, Whose.ACCOUNT, buyer, _recent(self._went[buyer], now))
        if rule.of == "ring":
            ring = self._judged.rings.get(buyer)
            members = [] if ring is None else self._members[ring]
            bought = [one for member in members for one in _recent(self._went[member], now)]
            return None if ring is None else Group(rule, Whose.RING, ring, self._shared(bought, rule))
        door = door if door is not None else self._last_door.get(buyer)
        if door is None or self._judged.hubs.get(door, "abusive") != "abusive":
            return None
        return Group(rule, Whose.DOOR, door, self._shared(_recent(self._at_door[door], now), rule))

    def _shared(self, orders: Sequence[CountedOrder], rule: Allowance) -> list[CountedOrder]:
        return [one for one in orders if shared_by(one, rule, self._judged.limits[one.buyer_id])]


def _recent(went: Sequence[CountedOrder], now: int) -> Sequence[CountedOrder]:
    """What of these orders, earliest first, can still count in a window."""
    return went[bisect_right(went, now - 31 * DAY, key=lambda order: order.placed_at) :]


def _suspect(later: Snapshot, speaks: frozenset[str]) -> Bools:
    """For each order whether it comes with an identifier that speaks against a new account."""
    suspect = np.zeros(len(later.orders.ids), dtype=bool)
    for kind in sorted({one.partition(":")[0] for one in speaks}):
        bad = np.array([id_ in speaks for id_ in later.identifiers[kind]], dtype=bool)
        used = later.orders.used[kind]
        named = used >= 0
        suspect[named] |= bad[used[named]]
    return suspect


def _counted(later: Snapshot, rows: Longs) -> Iterator[tuple[int, CountedOrder, str | None]]:
    """Each of these orders: its index, as limits look at it, and the id of the door that it went to."""
    orders, items = later.orders, later.items
    doors = orders.used["door"]
    by_order = np.argsort(items.order, kind="stable")
    first = np.searchsorted(items.order[by_order], rows, side="left")
    last = np.searchsorted(items.order[by_order], rows, side="right")
    for number, begin, stop in zip(rows.tolist(), first.tolist(), last.tolist(), strict=True):
        lines = by_order[begin:stop].tolist()
        sku, door = int(orders.sku[number]), int(doors[number])
        counted = CountedOrder(
            order_id=orders.ids[number],
            store_id=later.stores.ids[orders.store[number]],
            placed_at=int(orders.at[number]),
            amount=int(orders.amount[number]),
            currency=later.currencies[orders.currency[number]],
            quantity=int(orders.quantity[number]),
            sku=later.skus[sku] if sku >= 0 else None,
            items=tuple(
                (later.skus[items.sku[line]], int(items.quantity[line])) for line in lines if items.sku[line] >= 0
            ),
            buyer_id=later.buyers.ids[orders.buyer[number]],
        )
        yield number, counted, later.identifiers["door"][door] if door >= 0 else None


def _kept(order: CountedOrder, answer: PurchaseAnswer) -> int:
    """How much of an order's amount would have been sold: pieces first (each costs the same), then the amount left."""
    amount = order.amount
    if answer.verdict is Verdict.DENY:
        return 0
    if answer.verdict is Verdict.ALLOW:
        return amount
    if answer.max_quantity is not None and order.quantity > answer.max_quantity:
        amount = amount * answer.max_quantity // order.quantity
    return amount if answer.remaining_amount is None else min(amount, answer.remaining_amount)
