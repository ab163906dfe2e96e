"""What limits cost and what they let through, counted on records and in money by currency.

Each order that a policy would have stopped is looked at again with what is known later: what became of its claim, and
what became of the account. Three splits stand beside each other, because none of them is the whole truth: by what
became of the order, by later verdicts on the account, and by the run's own risk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from graph.snapshot import DECISIONS, OUTCOMES, Bools, Ints, Longs, Snapshot
from integrity.money import to_text
from integrity.past_orders import Stopped

BECAME: Final = (
    "nothing",
    "claim withdrawn",
    "claim refunded",
    "claim open",
    "complaint dismissed",
    "claim rejected",
    "complaint upheld",
)
"""What can have become of an order, from the mildest; an order has the last that is true of it."""

ABUSE: Final = frozenset({"claim rejected", "complaint upheld"})
HONEST: Final = frozenset({"nothing", "claim withdrawn", "complaint dismissed"})
"""What speaks for abuse, and what for an honest order. The rest (a claim refunded without a word, or open) is unknown:
nobody has said yet."""

VERDICTS: Final = ("none", "honest", "abusive")
"""What later verdicts say of an account: a complaint dismissed or a limit lifted; a complaint upheld, or closed or
limited by the platform. Where both happened, abusive."""


@dataclass(frozen=True)
class Tally:
    """Orders, and amounts in minor units by currency."""

    orders: int = 0
    amounts: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Amounts as decimal text."""
        return {"orders": self.orders, "amounts": {one: to_text(minor, one) for one, minor in self.amounts.items()}}


@dataclass(frozen=True)
class Aftermath:
    """What later records say: of each order (n,) an index into `BECAME`, the amount claimed back by the buyer (n,)
    minor units; of each account (b,) an index into `VERDICTS`."""

    became: Ints
    claimed: Longs
    verdict: Ints


@dataclass(frozen=True)
class Cost:
    """What one policy would have done to the orders of a window. `denied` and `cut` are orders, `accounts` how many
    accounts they are of; `by_outcome`, `by_verdict` and `by_risk` split what was not sold; `honest` is the part of
    `by_outcome` that speaks for honest orders, `let_through` what was claimed back by abuse that was not stopped."""

    denied: int
    cut: int
    accounts: int
    stopped: Tally
    honest: Tally
    let_through: Tally
    by_outcome: Mapping[str, Tally]
    by_verdict: Mapping[str, Tally]
    by_risk: Mapping[str, Mapping[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values, amounts as decimal text."""
        return {
            "denied": self.denied,
            "cut": self.cut,
            "accounts": self.accounts,
            "stopped": self.stopped.to_json(),
            "honest_stopped": self.honest.to_json(),
            "abuse_let_through": self.let_through.to_json(),
            "by_outcome": {name: tally.to_json() for name, tally in self.by_outcome.items()},
            "by_verdict": {name: tally.to_json() for name, tally in self.by_verdict.items()},
            "by_risk": {
                name: {one: to_text(minor, one) for one, minor in amounts.items()}
                for name, amounts in self.by_risk.items()
            },
        }


def aftermath(later: Snapshot, *, after: int) -> Aftermath:
    """What `later` says of its orders, and of its accounts by verdicts that fell after the instant `after`."""
    refunds, complaints, past = later.refunds, later.complaints, later.past
    own = refunds.by_buyer
    became = np.zeros(len(later.orders.ids), dtype=np.int32)
    by_outcome = {"withdrawn": 1, "approved": 2, "pending": 3, "rejected": 5}
    for name, rank in by_outcome.items():
        _raise(became, refunds.order[own & (refunds.outcome == OUTCOMES.index(name))], rank)
    about = refunds.order[complaints.refund]
    for name, rank in {"pending": 3, "dismissed": 4, "upheld": 6}.items():
        _raise(became, about[complaints.outcome == OUTCOMES.index(name)], rank)
    claimed = np.zeros(len(later.orders.ids), dtype=np.int64)
    np.maximum.at(claimed, refunds.order[own], np.maximum(refunds.amount[own], 0))
    claimed = np.minimum(claimed, later.orders.amount)
    verdict = np.zeros(len(later.buyers.ids), dtype=np.int32)
    # a complaint carries no instant of its verdict in the snapshot: one filed after `after` was decided after it
    recent = complaints.at > after
    who = refunds.buyer[complaints.refund]
    decided = past.at > after
    for outcome, decisions, rank in (("dismissed", ("lifted",), 1), ("upheld", ("closed", "limited"), 2)):
        _raise(verdict, who[recent & (complaints.outcome == OUTCOMES.index(outcome))], rank)
        for decision in decisions:
            _raise(verdict, past.buyer[decided & (past.decision == DECISIONS.index(decision))], rank)
    return Aftermath(became, claimed, verdict)


def cost(
    later: Snapshot,
    stopped: Sequence[Stopped],
    seen: Aftermath,
    risk: Mapping[str, float],
    *,
    start: int,
    end: int,
) -> Cost:
    """The cost of what a policy would have stopped in the window after `start` and up to `end`.

    `risk` is the run's, by buyer id; an account that the run did not judge has none."""
    orders = later.orders
    unsold = np.zeros(len(orders.ids), dtype=np.int64)
    for one in stopped:
        unsold[one.order] = one.amount
    hit = np.array([one.order for one in stopped], dtype=np.int64)
    inside = (orders.at > start) & (orders.at <= end)
    abuse = inside & np.isin(seen.became, [BECAME.index(name) for name in sorted(ABUSE)])
    through = np.where(abuse, np.maximum(seen.claimed - unsold, 0), 0)
    honest = hit[np.isin(seen.became[hit], [BECAME.index(name) for name in sorted(HONEST)])]
    return Cost(
        denied=sum(one.whole for one in stopped),
        cut=sum(not one.whole for one in stopped),
        accounts=len(np.unique(orders.buyer[hit])),
        stopped=_tally(later, hit, unsold),
        honest=_tally(later, honest, unsold),
        let_through=_tally(later, np.flatnonzero(through > 0), through),
        by_outcome={
            name: _tally(later, hit[seen.became[hit] == rank], unsold)
            for rank, name in enumerate(BECAME)
            if np.any(seen.became[hit] == rank)
        },
        by_verdict={
            name: _tally(later, hit[seen.verdict[orders.buyer[hit]] == rank], unsold)
            for rank, name in enumerate(VERDICTS)
            if np.any(seen.verdict[orders.buyer[hit]] == rank)
        },
        by_risk=_by_risk(later, hit, unsold, risk),
    )


def add(costs: Iterable[Cost]) -> Cost:
    """The costs of several windows together; accounts are counted once a window."""
    parts = list(costs)

    def together(tallies: Iterable[Tally]) -> Tally:
        given = list(tallies)
        amounts: Counter[str] = Counter()
        for tally in given:
            amounts.update(tally.amounts)
        return Tally(sum(tally.orders for tally in given), dict(sorted(amounts.items())))

    def merged(tables: Iterable[Mapping[str, Tally]], names: Sequence[str]) -> dict[str, Tally]:
        given = list(tables)
        used = [name for name in names if any(name in one for one in given)]
        return {name: together(one[name] for one in given if name in one) for name in used}

    risk: dict[str, Counter[str]] = {}
    for part in parts:
        for name, amounts in part.by_risk.items():
            risk.setdefault(name, Counter()).update(amounts)
    return Cost(
        denied=sum(part.denied for part in parts),
        cut=sum(part.cut for part in parts),
        accounts=sum(part.accounts for part in parts),
        stopped=together(part.stopped for part in parts),
        honest=together(part.honest for part in parts),
        let_through=together(part.let_through for part in parts),
        by_outcome=merged((part.by_outcome for part in parts), BECAME),
        by_verdict=merged((part.by_verdict for part in parts), VERDICTS),
        by_risk={name: dict(sorted(amounts.items())) for name, amounts in sorted(risk.items())},
    )


def _raise(ranks: Ints, rows: Ints, rank: int) -> None:
    ranks[rows] = np.maximum(ranks[rows], rank)


def _tally(later: Snapshot, rows: np.ndarray[Any, np.dtype[np.int64]], amount: Longs) -> Tally:
    """These orders, and their amounts by currency; currencies without any are left out."""
    currency = later.orders.currency[rows]
    return Tally(
        len(rows),
        {
            name: int(amount[rows[currency == number]].sum())
            for number, name in enumerate(later.currencies)
            if np.any(currency == number)
        },
    )


def _by_risk(
    later: Snapshot, hit: np.ndarray[Any, np.dtype[np.int64]], unsold: Longs, risk: Mapping[str, float]
) -> dict[str, dict[str, int]]:
    """What was not sold, each order shared out by its account's risk: `abusive` and `honest`; `unjudged` where the run
    has no risk. Rounded once a currency; the parts add up."""
    buyer = [later.buyers.ids[number] for number in later.orders.buyer[hit].tolist()]
    shares = np.array([risk.get(one, np.nan) for one in buyer], dtype=np.float64)
    judged: Bools = ~np.isnan(shares)
    amount, currency = unsold[hit], later.orders.currency[hit]
    found: dict[str, dict[str, int]] = {}
    for number, name in enumerate(later.currencies):
        mine = currency == number
        if np.any(mine & judged):
            total = int(amount[mine & judged].sum())
            abusive = round(float((amount * np.nan_to_num(shares))[mine & judged].sum()))
            found.setdefault("abusive", {})[name] = abusive
            found.setdefault("honest", {})[name] = total - abusive
        if np.any(mine & ~judged):
            found.setdefault("unjudged", {})[name] = int(amount[mine & ~judged].sum())
    return dict(sorted(found.items()))
