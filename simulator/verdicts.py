"""What stores and the platform make of it: complaints, their outcomes, earlier decisions. All of it noisy."""

from dataclasses import dataclass

import numpy as np

from simulator.claims import PENDING, REJECTED, WITHDRAWN, Claims
from simulator.draws import DAY, Bools, Ints, chance, pick
from simulator.knobs import Knobs
from simulator.orders import Orders
from simulator.people import NEVER, People
from simulator.shops import LOUD, QUIET, Shops

TYPES = ("abnormal_refund_only", "swapped_return", "false_return", "fake_evidence")
UPHELD, DISMISSED, OPEN = range(3)
_TYPES_OF_KEEPERS = np.array([0.86, 0.0, 0.0, 0.14])
_TYPES_OF_SENDERS = np.array([0.0, 0.55, 0.40, 0.05])


@dataclass(frozen=True)
class Complaints:
    """One entry a complaint; `claim` is the row of the claim."""

    claim: Ints
    filed: Ints
    type: Ints
    outcome: Ints
    settled: Ints


def complain(
    rng: np.random.Generator, knobs: Knobs, shops: Shops, orders: Orders, claims: Claims, end: int
) -> Complaints:
    """Stores report what looks odd to them: some report nearly everybody, many nobody, and most see little.

    A store sees boxes and goes by its nose for the rest; claims that are upheld against a buyer may be rejected.
    """
    size = len(claims.order)
    temper = shops.temper[orders.store[claims.order]]
    light = (claims.shipped > 0) & (claims.returned >= 0) & (claims.returned < 0.6 * claims.shipped)
    p = np.full(size, knobs.complaint_rate)
    p = np.where(claims.abusive, 7.0 * p, p)
    p = np.where(light, p + 0.22, p)
    p = np.where(temper == LOUD, np.maximum(p, 0.45), np.where(temper == QUIET, 0.0, p))
    rows = np.flatnonzero(chance(rng, p, size) & (claims.outcome != WITHDRAWN))
    filed = claims.requested[rows] + (rng.gamma(1.5, 1.0, len(rows)) * DAY).astype(np.int64) + 600
    inside = filed <= end
    rows, filed = rows[inside], filed[inside]
    count = len(rows)
    keeps = claims.keeps[rows]
    kind = np.where(keeps, pick(rng, _TYPES_OF_KEEPERS, count), pick(rng, _TYPES_OF_SENDERS, count))
    guilt = np.where(claims.abusive[rows], 0.62, np.where(light[rows], 0.30, 0.10))
    outcome = np.where(chance(rng, guilt, count), UPHELD, DISMISSED)
    settled = filed + (rng.gamma(2.0, 2.0, count) * DAY).astype(np.int64) + 3600
    outcome = np.where(settled > end, OPEN, outcome)
    refused = rows[(outcome == UPHELD) & chance(rng, 0.5, count)]
    claims.outcome[refused] = np.where(claims.outcome[refused] == PENDING, PENDING, REJECTED)
    return Complaints(rows, filed, kind, outcome, settled)


def smear(
    rng: np.random.Generator, knobs: Knobs, orders: Orders, claims: Claims, complaints: Complaints, end: int
) -> Complaints:
    """Add what stores report that have agreed to smear a buyer: `knobs.smeared` of the buyers, honest ones.

    Each victim claimed at two stores or more; within three days every one of them (nine claims in ten) reports it."""
    buyer = orders.buyer[claims.order]
    store = orders.store[claims.order]
    n = int(orders.buyer.max(initial=-1)) + 1
    guilty = np.bincount(buyer[claims.abusive], minlength=n) > 0
    pairs = np.unique(np.column_stack([buyer, store]), axis=0)
    able = np.flatnonzero((np.bincount(pairs[:, 0], minlength=n) >= 2) & ~guilty)
    victims = rng.permutation(able)[: round(knobs.smeared * n)]
    agreed = np.full(n, -1)
    last = np.zeros(n, dtype=np.int64)
    np.maximum.at(last, buyer, claims.requested)
    agreed[victims] = last[victims] + rng.integers(1, 20, len(victims)) * DAY
    reported = np.zeros(len(buyer), dtype=np.bool_)
    reported[complaints.claim] = True
    rows = np.flatnonzero((agreed[buyer] >= 0) & ~reported & (claims.outcome != WITHDRAWN))
    rows = rows[chance(rng, 0.9, len(rows))]
    filed = agreed[buyer[rows]] + (rng.random(len(rows)) * 3 * DAY).astype(np.int64)
    rows, filed = rows[filed <= end], filed[filed <= end]
    count = len(rows)
    kind = np.where(claims.keeps[rows], pick(rng, _TYPES_OF_KEEPERS, count), pick(rng, _TYPES_OF_SENDERS, count))
    outcome = np.where(chance(rng, knobs.smear_upheld, count), UPHELD, DISMISSED)
    settled = filed + (rng.gamma(2.0, 2.0, count) * DAY).astype(np.int64) + 3600
    outcome = np.where(settled > end, OPEN, outcome)
    new = (rows, filed, kind, outcome, settled)
    old = (complaints.claim, complaints.filed, complaints.type, complaints.outcome, complaints.settled)
    return Complaints(*(np.concatenate([a, b]) for a, b in zip(old, new, strict=True)))


@dataclass(frozen=True)
class Verdicts:
    """Decisions that the platform took by itself; `store` is -1 for the whole platform."""

    buyer: Ints
    at: Ints
    decision: list[str]
    store: Ints


def earlier_decisions(
    rng: np.random.Generator,
    knobs: Knobs,
    people: People,
    orders: Orders,
    claims: Claims,
    start: int,
    end: int,
) -> Verdicts:
    """Closed accounts (come-backs among them), limits on some abusers, and mistakes on honest people."""
    rows: list[tuple[int, int, str, int]] = []
    closed = np.flatnonzero(people.closed_at < NEVER)
    rows += [(b, int(people.closed_at[b]), "closed", -1) for b in closed.tolist()]
    buyer = orders.buyer[claims.order]
    bad = np.flatnonzero(claims.abusive)
    last = np.full(len(people.household), -1)
    last[buyer[bad]] = bad
    caught = np.flatnonzero((last >= 0) & chance(rng, 0.06, len(last)) & (people.closed_at == NEVER))
    n = len(people.household)
    mistaken = np.flatnonzero(chance(rng, knobs.mistaken_decisions, n) & (last < 0))
    for person in caught.tolist():
        claim = int(last[person])
        at = int(claims.requested[claim]) + int(rng.integers(2, 20)) * DAY
        store = int(orders.store[claims.order[claim]]) if rng.random() < 0.5 else -1
        rows.append((person, at, "limited", store))
    own = np.flatnonzero(np.isin(buyer, mistaken))
    latest = dict(zip(buyer[own].tolist(), own.tolist(), strict=True))
    for person in mistaken.tolist():
        at = int(rng.integers(max(start, min(int(people.registered[person]), end - 2 * DAY)), end))
        store = -1
        if person in latest and rng.random() < 0.5:
            store = int(orders.store[claims.order[latest[person]]])
        rows.append((person, at, "limited", store))
        if rng.random() < 0.6:
            rows.append((person, at + int(rng.integers(1, 30)) * DAY, "lifted", store))
    rows = sorted((r for r in rows if r[1] <= end), key=lambda r: (r[1], r[0], r[2]))
    column = np.array([(r[0], r[1], r[3]) for r in rows], dtype=np.int64).reshape(-1, 3)
    return Verdicts(column[:, 0], column[:, 1], [r[2] for r in rows], column[:, 2])


def abusers(people: People, orders: Orders, claims: Claims) -> Bools:
    """Who filed at least one abusive claim by the end."""
    found = np.zeros(len(people.household), dtype=np.bool_)
    found[orders.buyer[claims.order[claims.abusive]]] = True
    return found
