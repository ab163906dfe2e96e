"""What changed between two runs: for whom, and in which rings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from detectors.names import Known, name_rings
from graph.store import Store
from integrity.columns import rows_of
from integrity.publication import find_run

RISK_STEP = 0.1
"""A change of risk smaller than this is not worth a line of its own."""

_LIMITS = (
    "limit_orders_1d",
    "limit_orders_30d",
    "limit_amount_1d",
    "limit_amount_30d",
    "limit_quantity",
    "currency",
    "limit_store_ids",
)


@dataclass(frozen=True)
class AccountChange:
    """One account that stands otherwise. None on one side: the run did not know the account."""

    buyer_id: str
    status_before: str | None
    status_after: str | None
    risk_before: float | None
    risk_after: float | None
    ring_before: str | None
    ring_after: str | None
    limits_changed: bool


@dataclass(frozen=True)
class RingChange:
    """A ring with other members, under one id or, where the runs are no parent and child, under two."""

    before: str
    after: str
    joined: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True)
class RingMove:
    """A ring of which most members were in, or went to, another one: `ring` is in one run, `other` in the other."""

    ring: str
    other: str


@dataclass(frozen=True)
class RunDiff:
    """All changes from run `before` to run `after`; every list sorted by id. `rings_split` are rings that appeared out
    of another one, `rings_merged` rings that disappeared into another one."""

    before: str
    after: str
    accounts: tuple[AccountChange, ...]
    rings_appeared: tuple[str, ...]
    rings_disappeared: tuple[str, ...]
    rings_changed: tuple[RingChange, ...]
    rings_split: tuple[RingMove, ...]
    rings_merged: tuple[RingMove, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)

    def moves(self) -> dict[tuple[str, str], int]:
        """How many accounts went from which status to which; `-` stands for not known."""
        counts: dict[tuple[str, str], int] = {}
        for change in self.accounts:
            if change.status_before != change.status_after:
                move = (change.status_before or "-", change.status_after or "-")
                counts[move] = counts.get(move, 0) + 1
        return dict(sorted(counts.items()))


def diff_runs(store: Store, before: str, after: str, *, risk_step: float = RISK_STEP) -> RunDiff:
    """Compare two whole runs. Accounts are listed where status, limits or ring changed, or the risk by at least
    `risk_step`. Raises `NotFound`."""
    first, second = find_run(store, before).run_id, find_run(store, after).run_id
    old, new = _accounts(store, first), _accounts(store, second)
    changes = []
    for buyer in sorted(old.keys() | new.keys()):
        change = _compare(buyer, old.get(buyer), new.get(buyer), risk_step)
        if change is not None:
            changes.append(change)
    return RunDiff(first, second, tuple(changes), *_match(_rings(store, first), _rings(store, second)))


def _compare(
    buyer: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, risk_step: float
) -> AccountChange | None:
    a, b = old or {}, new or {}
    limits = any(a.get(name) != b.get(name) for name in _LIMITS)
    # A run that did not know the account says the same of it as one that finds nothing.
    moved = a.get("status", "CLEAR") != b.get("status", "CLEAR")
    risk = abs((a.get("risk") or 0.0) - (b.get("risk") or 0.0)) >= risk_step
    if not (moved or risk or a.get("ring_id") != b.get("ring_id") or (old and new and limits)):
        return None
    return AccountChange(
        buyer,
        a.get("status"),
        b.get("status"),
        a.get("risk"),
        b.get("risk"),
        a.get("ring_id"),
        b.get("ring_id"),
        limits,
    )


def _accounts(store: Store, run_id: str) -> dict[str, dict[str, Any]]:
    found = {
        row["buyer_id"]: row
        for row in rows_of(store.run_rows(run_id, "run_decisions", columns=("buyer_id", "status", *_LIMITS)))
    }
    for row in rows_of(store.run_rows(run_id, "run_accounts", columns=("buyer_id", "risk", "ring_id"))):
        found.setdefault(row["buyer_id"], {}).update(row)
    return found


def _rings(store: Store, run_id: str) -> dict[str, frozenset[str]]:
    rows = rows_of(store.run_rows(run_id, "run_rings", columns=("ring_id", "members")))
    return {row["ring_id"]: frozenset(row["members"]) for row in rows}


def _match(
    old: Mapping[str, frozenset[str]], new: Mapping[str, frozenset[str]]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[RingChange, ...], tuple[RingMove, ...], tuple[RingMove, ...]]:
    """Pair rings by id, the others by their members as a run does with those of its parent."""
    gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    names, _ = name_rings([new[ring] for ring in come], [Known(ring, old[ring]) for ring in gone], 0)
    before = {ring: name for ring, name in zip(come, names, strict=True) if name in gone and ring != name}
    pairs = {ring: ring for ring in old.keys() & new.keys()} | {name: ring for ring, name in before.items()}
    changed = [
        RingChange(one, other, _sorted(new[other] - old[one]), _sorted(old[one] - new[other]))
        for one, other in sorted(pairs.items())
        if one != other or old[one] != new[other]
    ]
    appeared = tuple(ring for ring in come if ring not in before)
    disappeared = tuple(ring for ring in gone if ring not in pairs)
    return appeared, disappeared, tuple(changed), _moves(appeared, new, old), _moves(disappeared, old, new)


def _moves(
    rings: Iterable[str], here: Mapping[str, frozenset[str]], there: Mapping[str, frozenset[str]]
) -> tuple[RingMove, ...]:
    """Rings of one run, each with the ring of the other run that has most of its members."""
    where = {buyer: ring for ring, members in there.items() for buyer in members}
    found = []
    for ring in rings:
        counts = Counter(where[buyer] for buyer in here[ring] if buyer in where)
        found += [RingMove(ring, other) for other, count in counts.items() if 2 * count > len(here[ring])]
    return tuple(found)


def _sorted(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(ids))
