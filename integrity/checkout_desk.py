"""The checkout desk: answers from the published run, and keeps the current one.

`CheckoutDesk` notices a new head within a second (in the background once `start` was called, else by `refresh`) and
swaps it in one assignment, so that whoever holds a run sees one run only. An account that is not limited is answered
without touching the store; for a limited one its orders are read once a load, and reservations (`Store.taken`) every
time, for no longer than the policy's deadline.
"""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from graph.errors import RingfenceError, StoreProblem
from graph.store import Head, Store
from integrity.allowances import Group, Line, holds, own_lines, shared_by, shared_lines
from integrity.checkout import (
    Caps,
    CountedOrder,
    PurchaseAnswer,
    PurchaseRequest,
    RunFacts,
    Verdict,
    Whose,
    judge,
    standing,
    unreachable,
)
from integrity.checkout_bounds import Bounded, CheckoutCounts, Late
from integrity.checkout_orders import NotRead, OrderMemory, Orders, remember
from integrity.checkout_view import PublishedRun, published_run
from integrity.columns import keys, texts
from integrity.instants import DAY
from integrity.policy import Allowance, Checkout, Policy

T = TypeVar("T")
_READ_AHEAD, _PAGE = 5_000, 25
"""Limited accounts whose orders are read before they are asked for, and how many at a time."""
_HUB_LOOK = 500
"""Orders looked at to judge one identifier of a new account; one used more often is a hub or known by then."""


@dataclass(frozen=True)
class Weighed:
    """A purchase that limits hold for: the limits, each with its counter, and the run that they come from."""

    request: PurchaseRequest
    caps: Caps
    lines: tuple[Line, ...]
    facts: RunFacts

    def judge(self, taken: Sequence[int]) -> PurchaseAnswer:
        """The answer where so much of each line is reserved by other orders."""
        left = [line.left(used) for line, used in zip(self.lines, taken, strict=True)]
        return judge(self.request, self.caps, left, self.facts)


def _shares_doors(checkout: Checkout) -> bool:
    return any(rule.of == "door" for rule in checkout.allowances)


def _counts_pieces(checkout: Checkout) -> bool:
    return any(
        rule.units_per_day is not None or rule.units_per_30_days is not None or rule.within == "item"
        for rule in checkout.allowances
    )


class CheckoutDesk:
    """Answers purchase limits from the published run of one store.

    `policy` is the one in force now: its `checkout` section holds for every answer, the rest for answers that rest on
    no run. With `follow` the run's own policy has that say wherever there is a run. The orders of limited accounts are
    read before they are asked for, unless `ahead` is false: whoever asks once need not wait for them. Safe to use from
    several threads.
    """

    def __init__(
        self, store: Store, policy: Policy, *, follow: bool = False, remembered: int = 50_000, ahead: bool = True
    ) -> None:
        self._store, self._policy, self._follow, self._remembered = store, policy, follow, remembered
        self._ahead = ahead
        self._state: tuple[Head, PublishedRun | None, int | None] = (Head(0, None), None, None)
        self._touched: tuple[Head, frozenset[bytes] | None] = (Head(0, None), None)
        self._pieces = _counts_pieces(policy.checkout)
        self._orders = OrderMemory(store, items=self._pieces, remembered=remembered)
        self._suspects: OrderedDict[tuple[str, int, str], bool] = OrderedDict()
        self._lock, self._memory_lock = threading.Lock(), threading.Lock()
        self._bounded = Bounded()
        self.counts = CheckoutCounts()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self._log = structlog.get_logger("ringfence.checkout")

    @property
    def checkout(self) -> Checkout:
        """The section of the policy that holds for every answer."""
        return self.policy.checkout

    @property
    def policy(self) -> Policy:
        """The policy in force: the published run's where this desk follows it, else the one given."""
        return self._rules(self._state[1])

    def _rules(self, run: PublishedRun | None) -> Policy:
        return run.facts.policy if self._follow and run is not None else self._policy

    @property
    def published(self) -> PublishedRun | None:
        """The run that answers rest on now. Hold on to it for the length of one request."""
        return self._state[1]

    @property
    def head(self) -> Head:
        """The head that this desk has noticed."""
        return self._state[0]

    def refresh(self, *, anew: bool = False) -> bool:
        """Look at the store's head and take up what is new; True where something was.

        With `anew` all is read again though the head stays, and nothing that was read before is kept: for when records
        were erased behind it."""
        with self._lock:
            head = self._store.head()
            before, run, counted_until = self._state
            if head == before and not anew:
                return False
            if head.run != before.run or anew:
                run = published_run(self._store, head.run, self._policy) if head.run is not None else None
            if head.load != before.load:
                started = [record.started_at for record in self._store.loads() if record.load == head.load]
                counted_until = started[0] if started else None
            pieces = _counts_pieces(self._rules(run).checkout)
            if pieces != self._pieces or anew:  # a policy that changed with the run has other columns remembered
                self._pieces = pieces
                self._orders = OrderMemory(self._store, items=pieces, remembered=self._remembered)
            if run is not None and self._ahead:
                self._read_ahead(run, head)  # before the switch: no buyer waits while the store is read for them
            self._state = (head, run, counted_until)
            with self._memory_lock:
                self._suspects.clear()
            self._orders.forget_before(head)
            return True

    def start(self, *, every: float = 0.5) -> None:
        """Refresh now, and in the background from now on. A store that fails for a while keeps the last state."""
        self.refresh()
        if self._watcher is None:
            self._stop.clear()
            self._watcher = threading.Thread(target=self._watch, args=(every,), name="checkout-refresh", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """End the background refresh."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join(timeout=10)
            self._watcher = None

    def _watch(self, every: float) -> None:
        while not self._stop.wait(every):
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001  whatever it is, the last state goes on answering
                known = isinstance(error, RingfenceError)
                self._log.warning("refresh failed; the last state is kept", error=str(error), exc_info=not known)

    def answer(self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None) -> PurchaseAnswer:
        """The answer at `now`, resting on `published` (default: the current run).

        Where the store has to be asked and does not answer within the policy's deadline, the policy says what then."""
        at_once = self.at_once(request, now=now, published=published)
        if at_once is not None:
            return at_once

        def ask() -> PurchaseAnswer:
            found = self.weigh(request, now=now, published=published)
            if isinstance(found, PurchaseAnswer):
                return found
            (taken,) = self.taken([found], now=now)
            return self.dated(found.judge(taken), now)

        try:
            answer = self.within_deadline(ask)
        except (Late, StoreProblem):
            return self.unreachable(request, now=now, published=published)
        self.counts.add("asked_of_store")
        return answer

    def taken(self, weighed: Sequence[Weighed], *, now: int) -> list[Sequence[int]]:
        """What other orders have reserved of each line of these purchases, in one look at the store."""
        lines = [(line, one.request.order_id) for one in weighed for line in one.lines]
        loaded = [line.loaded if own is None else line.loaded | {own} for line, own in lines]
        taken = iter(self._store.taken([line.place for line, _ in lines], now=now, loaded=loaded))
        return [[next(taken) for _ in one.lines] for one in weighed]

    def within_deadline(self, work: Callable[[], T]) -> T:
        """What `work` returns. Raises `Late` where it takes longer than the policy's deadline, and what it raises."""
        return self._bounded.call(work, self.checkout.deadline_ms / 1_000)

    def unreachable(
        self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None
    ) -> PurchaseAnswer:
        """What the policy answers where the store is not reached in time; counted."""
        run = published or self.published
        answer = unreachable(request, self._rules(run).checkout, run.facts if run is not None else None)
        self.counts.add("unreachable_denied" if answer.verdict is Verdict.DENY else "unreachable_allowed")
        return self.dated(answer, now)

    def dated(self, answer: PurchaseAnswer, now: int) -> PurchaseAnswer:
        """The answer with the instant up to which files were counted."""
        counted_until = self._state[2]
        return replace(answer, counted_until=None if counted_until is None else min(counted_until, now))

    def needs_door(self, buyer_id: str, published: PublishedRun) -> bool:
        """Whether the door that a purchase of a judged account goes to could change the answer."""
        return buyer_id in published.limited and _shares_doors(self._rules(published).checkout)

    def at_once(
        self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None
    ) -> PurchaseAnswer | None:
        """The answer where memory alone gives it, or None: for accounts that are not limited, nearly all of them."""
        run = published or self._state[1]
        decision = run.decisions.get(request.buyer_id) if run is not None else None
        if run is not None and decision is None and request.identifiers:
            return None
        facts = run.facts if run is not None else None
        found = standing(request, decision, facts, self._rules(run).checkout, now=now)
        if not isinstance(found, PurchaseAnswer):
            return None
        self.counts.add("answered_from_memory")
        return self.dated(found, now)

    def weigh(
        self, request: PurchaseRequest, *, now: int, published: PublishedRun | None = None, reading: bool = True
    ) -> Weighed | PurchaseAnswer:
        """The limits that hold for a purchase and what is used of them, or the answer where none does.

        May read the store: the orders of an account that was not read ahead, and what identifiers say of a new one.
        Raises `NotRead` in place of that where `reading` is false."""
        head, current, _ = self._state
        run = published or current
        facts = run.facts if run is not None else None
        decision = run.decisions.get(request.buyer_id) if run is not None else None
        suspect = (
            run is not None
            and decision is None
            and any(self._speaks_against(identifier, run, head, reading) for identifier in request.identifiers)
        )
        rules = self._rules(run).checkout
        found = standing(request, decision, facts, rules, now=now, suspect=suspect)
        if isinstance(found, PurchaseAnswer):
            return self.dated(found, now)
        assert run is not None  # limits come from a run
        orders = self._orders.of(request.buyer_id, head, reading=reading)
        lines = own_lines(request, found, _recent(orders, now), now=now)
        for rule in rules.allowances:
            group = self._group(rule, request, orders, run, head, now, reading) if holds(rule, found, request) else None
            if group is not None:
                lines += shared_lines(request, group, now=now)
        return Weighed(request, found, tuple(lines), run.facts)

    def _group(
        self,
        rule: Allowance,
        request: PurchaseRequest,
        orders: Orders,
        run: PublishedRun,
        head: Head,
        now: int,
        reading: bool,
    ) -> Group | None:
        """Whose allowance a rule speaks of for this purchase, with its orders; None where nobody's."""
        if rule.of == "account":
            return Group(rule, Whose.ACCOUNT, request.buyer_id, _recent(orders, now))
        if rule.of == "ring":
            ring = run.rings.get(request.buyer_id)
            if ring is None:
                return None
            members = run.ring_members[ring]
            bought = (self._orders.of(buyer, head, reading=reading) for buyer in members)
            everyone = [order for orders_ in bought for order in _recent(orders_, now)]
            return Group(
                rule, Whose.RING, ring, [one for one in everyone if shared_by(one, rule, run.decisions[one.buyer_id])]
            )
        named = [text.partition(":")[2] for text in request.identifiers if text.startswith("door:")]
        door = named[0] if named else self._orders.door_of(orders, head, reading=reading)
        if door is None or run.hubs.get(f"door:{door}", "abusive") != "abusive":
            return None
        sent = _recent(self._orders.at_door(door, run.limited, head, reading=reading), now)
        there = [one for one in sent if shared_by(one, rule, run.decisions[one.buyer_id])]
        return Group(rule, Whose.DOOR, _digest(door), there)

    def _read_ahead(self, run: PublishedRun, head: Head) -> None:
        """Read the orders of limited accounts before they are asked for: many at once cost little more than one.

        Also notes every identifier that they used: one that is not among them speaks against nobody, and needs no
        look at the store. Where more accounts are limited than are read ahead, that shortcut is left out."""
        buyers = sorted(run.limited)[: min(_READ_AHEAD, self._remembered)]
        touched: set[bytes] = set()
        for start in range(0, len(buyers), _PAGE):
            page = buyers[start : start + _PAGE]
            read = self._orders.read(page, head, touched)
            uses = self._store.find("uses", "buyer_id", page, columns=("key",), known_by=head.load)
            touched |= keys(uses, "key")
            if _shares_doors(self._rules(run).checkout):
                self._read_doors(read, run, head)
        self._touched = head, frozenset(touched) if len(buyers) == len(run.limited) else None

    def _read_doors(self, read: Mapping[str, Orders], run: PublishedRun, head: Head) -> None:
        latest = [[one.address for one in orders if one.address is not None][-1:] for orders in read.values()]
        self._orders.read_kinds((address for one in latest for address in one), head)
        doors = {self._orders.door_of(orders, head) for orders in read.values()}
        wanted = [door for door in doors if door is not None and f"door:{door}" not in run.hubs]
        self._orders.read_doors(sorted(wanted), head)

    def _speaks_against(self, identifier: str, run: PublishedRun, head: Head, reading: bool) -> bool:
        """Whether an identifier is an abusive hub, or no hub and used by limited accounts for the policy's share."""
        kind, _, text = identifier.partition(":")
        rules = run.facts.policy.new_accounts
        if kind not in rules.kinds:
            return False
        verdict = run.hubs.get(identifier)
        if verdict is not None:
            return verdict == "abusive"
        noted_at, touched = self._touched
        if touched is not None and noted_at == Head(head.load, run.facts.run_id) and bytes.fromhex(text) not in touched:
            return False
        key = (run.facts.run_id, head.load, identifier)
        known = self._suspects.get(key)
        if known is None:
            if not reading:
                raise NotRead
            users = self._users(kind, bytes.fromhex(text), run, head)
            known = bool(users) and len(users & run.limited) >= rules.limited_share * len(users)
            remember(self._suspects, key, known, self._remembered, self._memory_lock)
        return known

    def _users(self, kind: str, key: bytes, run: PublishedRun, head: Head) -> frozenset[str]:
        """Judged accounts that used an identifier, in orders or outside."""
        column = "address" if kind == "door" else kind
        found: set[str] = set()
        for table, by in (("orders", column), ("uses", "key")):
            rows = self._store.find(table, by, [key], columns=("buyer_id",), limit=_HUB_LOOK, known_by=head.load)
            found.update(texts(rows, "buyer_id"))
        return frozenset(buyer for buyer in found if buyer in run.decisions)


def _digest(door: str) -> str:
    """What a door is counted under: not its pseudonym, which then goes when whoever lived there is forgotten."""
    return hashlib.sha256(door.encode()).hexdigest()[:32]


def _recent(orders: Orders, now: int) -> Orders:
    """The orders of the 31 days up to `now`: what can count in a window, or has a take that can."""
    start = bisect_right(orders, now - 31 * DAY, key=_placed_at)
    return orders[start : bisect_right(orders, now, key=_placed_at)]


def _placed_at(order: CountedOrder) -> int:
    return order.placed_at
