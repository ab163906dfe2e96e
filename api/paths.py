"""The shortest explanation of how two accounts are linked: breadth-first from both ends over shared identifiers.

Method: bidirectional breadth-first search (I. Pohl, 1971) on the bipartite graph of accounts and identifiers. It is
hub-aware: an identifier that more accounts share than `HUB`, or that the caller calls weak, explains nothing about any
two of them, so it is not walked through; only where both accounts themselves used it is it named, as the weakest of
explanations. Deterministic: of equally short paths the one with the rarest identifiers wins, then the first by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

HUB = 50
"""Accounts that may share an identifier before it says nothing about two of them."""

Links = Mapping[str, frozenset[str]]
Expand = Callable[[Iterable[str]], Links]


@dataclass(frozen=True)
class Hop:
    """One step: both accounts share `via`, which `shared_by` accounts share."""

    start: str
    via: str
    end: str
    shared_by: int


@dataclass(frozen=True)
class Found:
    """A path and whether the search ended because it had seen everything within `max_hops`, not for want of budget."""

    hops: tuple[Hop, ...]
    exhaustive: bool


@dataclass
class _Side:
    """What one end has reached: account to (previous account, identifier), and the accounts reached last."""

    reached: dict[str, tuple[str, str] | None]
    edge: list[str]


def shortest_path(
    a: str,
    b: str,
    *,
    identifiers: Expand,
    accounts: Expand,
    weak: Callable[[str], bool],
    max_hops: int = 6,
    budget: int = 5_000,
) -> Found:
    """The shortest path from account `a` to `b`; no hops where there is none, or the budget ended first.

    `identifiers` gives the identifiers of accounts, `accounts` the accounts of identifiers (of a hub, at least
    `HUB` + 1 of them), each in one batch; `weak` tells identifiers that are not to be walked through. At most `budget`
    accounts are visited."""
    known_ids: dict[str, frozenset[str]] = {}
    known_users: dict[str, frozenset[str]] = {}

    def ids_of(buyers: Iterable[str]) -> None:
        missing = sorted({one for one in buyers if one not in known_ids})
        known_ids.update({one: frozenset() for one in missing} | dict(identifiers(missing)) if missing else {})

    def users_of(ids: Iterable[str]) -> None:
        missing = sorted({one for one in ids if one not in known_users})
        known_users.update({one: frozenset() for one in missing} | dict(accounts(missing)) if missing else {})

    def rarest(ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=lambda one: (weak(one), len(known_users[one]), one))

    if a == b:
        return Found((), True)
    ids_of((a, b))
    shared = known_ids[a] & known_ids[b]
    if shared:
        users_of(shared)
        via = rarest(shared)[0]
        return Found((Hop(a, via, b, max(len(known_users[via]), 2)),), True)
    sides = (_Side({a: None}, [a]), _Side({b: None}, [b]))
    for _ in range(max_hops):
        near, far = sorted(sides, key=lambda side: len(side.edge))
        ids_of(near.edge)
        walked = {buyer: [id_ for id_ in known_ids[buyer] if not weak(id_)] for buyer in near.edge}
        users_of({id_ for ids in walked.values() for id_ in ids})
        meeting: list[tuple[int, str]] = []
        reached: dict[str, tuple[str, str]] = {}
        for buyer in near.edge:
            for id_ in rarest(walked[buyer]):
                users = known_users[id_]
                if len(users) > HUB:
                    continue
                for user in users - near.reached.keys():
                    if user not in reached or len(users) < len(known_users[reached[user][1]]):
                        reached[user] = (buyer, id_)
        for user, (_, id_) in reached.items():
            if user in far.reached:
                meeting.append((len(known_users[id_]), user))
        near.reached.update(reached)
        near.edge = sorted(reached)
        if meeting:
            return Found(_joined(sides, min(meeting)[1], known_users), True)
        if not near.edge:
            return Found((), True)
        if sum(len(side.reached) for side in sides) > budget:
            return Found((), False)
    return Found((), True)


def _joined(sides: tuple[_Side, _Side], middle: str, users: Links) -> tuple[Hop, ...]:
    first, second = sides
    hops: list[Hop] = []
    at = middle
    while (step := first.reached[at]) is not None:
        hops.insert(0, Hop(step[0], step[1], at, len(users[step[1]])))
        at = step[0]
    at = middle
    while (step := second.reached[at]) is not None:
        hops.append(Hop(at, step[1], step[0], len(users[step[1]])))
        at = step[0]
    return tuple(hops)
