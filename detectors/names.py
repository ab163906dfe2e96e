"""Names: a ring keeps its id from run to run while most of its members stay.

The rings of the named parent run are laid over those found now. Pairs are taken greedily, those with most members in
common first; a pair is one ring that goes on where the common members are most of the one or most of the other. What
is left over is told as well: a ring that comes from a part of an older one, an older one that went into another, one
that is no longer found. A ring that is no longer found is remembered for `KEPT`, so that it has its old id when it is
found again. History enters through the parent run alone, so a run stays a function of snapshot, policy, version and
parent. Source: matching communities of successive graphs by their overlap, Greene, Doyle & Cunningham (2010),
doi:10.1109/ASONAM.2010.17.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

KEPT: Final = 90 * 86_400_000_000
"""Microseconds for which a ring that is no longer found is remembered."""

State = Literal["new", "continues", "returns", "splits", "merged", "dissolved"]


@dataclass(frozen=True)
class Known:
    """A ring that the parent run knows. `gone_at` is the instant from which it was no longer found, None where the
    parent run found it."""

    ring_id: str
    members: frozenset[str]
    gone_at: int | None = None


@dataclass(frozen=True)
class Lineage:
    """What became of one ring. `state` is `new`, `continues`, `returns` (found again), `splits` (from `splits_from`)
    for rings found now, `merged` (into `into`) or `dissolved` for rings of the parent run; `merges` names the rings
    that went into it; `gone_at` and `members` are those of a ring that is not found any more."""

    ring_id: str
    state: State
    splits_from: str | None = None
    merges: tuple[str, ...] = ()
    into: str | None = None
    gone_at: int | None = None
    members: tuple[str, ...] = ()


def ring_id(ids: Collection[str], salt: int = 0) -> str:
    """The id of a ring that begins with these members; `salt` counts on where another ring has that id."""
    text = "\x1f".join(sorted(ids)) + "\x1e" * salt
    return f"ring-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def known_rings(rings: pa.Table, lineage: pa.Table) -> tuple[Known, ...]:
    """The rings that a run knows, from its tables `run_rings` and `run_lineage`, in order of id: those it found, and
    those it remembers."""
    found = [Known(row["ring_id"], frozenset(row["members"])) for row in rings.to_pylist()]
    gone = [
        Known(row["ring_id"], frozenset(row["members"]), row["gone_at"])
        for row in lineage.to_pylist()
        if row["state"] == "dissolved"
    ]
    return tuple(sorted([*found, *gone], key=lambda ring: ring.ring_id))


def name_rings(
    groups: Sequence[Collection[str]], former: Sequence[Known], as_of: int
) -> tuple[list[str], list[Lineage]]:
    """The id of each of `groups` (buyer ids of the rings found, each buyer in one at most), given the rings that the
    parent run knows; and the lineage of all rings, in order of id. `as_of` (µs) is the snapshot's instant. Does not
    depend on the order of `groups` or `former`."""
    members = [frozenset(group) for group in groups]
    standing = [ring for ring in former if ring.gone_at is None]
    resting = [ring for ring in former if ring.gone_at is not None and as_of - ring.gone_at <= KEPT]
    heir: dict[int, Known] = {}
    shared = _shared(members, standing)
    _match(members, standing, shared, heir)
    _match(members, resting, _shared(members, resting), heir)
    names = _names(members, heir, {ring.ring_id for ring in (*standing, *resting)})
    taken = {ring.ring_id for ring in heir.values()}
    goes_into = _absorbed(standing, shared, taken)
    told: list[Lineage] = []
    for number, group in enumerate(members):
        source = _source(number, group, standing, shared) if number not in heir else None
        one = heir.get(number)
        state: State = "new" if source is None else "splits"
        if one is not None:
            state = "continues" if one.gone_at is None else "returns"
        merges = tuple(sorted(old for old, into in goes_into.items() if into == number))
        told.append(Lineage(names[number], state, splits_from=source, merges=merges))
    for ring in (*standing, *resting):
        if ring.ring_id in taken:
            continue
        if ring.ring_id in goes_into:
            told.append(Lineage(ring.ring_id, "merged", into=names[goes_into[ring.ring_id]]))
        else:
            gone_at = as_of if ring.gone_at is None else ring.gone_at
            told.append(Lineage(ring.ring_id, "dissolved", gone_at=gone_at, members=tuple(sorted(ring.members))))
    return names, sorted(told, key=lambda one: one.ring_id)


_Shared = Mapping[tuple[int, int], int]


def _shared(members: Sequence[frozenset[str]], former: Sequence[Known]) -> _Shared:
    """Members that a former ring (its number) and a group (its number) have in common, where there are any."""
    where: dict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(members):
        for buyer in group:
            where[buyer].append(number)
    return Counter((old, new) for old, ring in enumerate(former) for buyer in ring.members for new in where[buyer])


def _match(members: Sequence[frozenset[str]], former: Sequence[Known], shared: _Shared, heir: dict[int, Known]) -> None:
    """Give former rings to the groups that go on as them."""
    pairs = []
    for (old, new), count in shared.items():
        before, now = former[old].members, members[new]
        if 2 * count > min(len(before), len(now)):
            likeness = count / len(before | now)
            pairs.append((-count, -likeness, former[old].ring_id, min(now), old, new))
    gone: set[int] = set()
    for *_, old, new in sorted(pairs):
        if old not in gone and new not in heir:
            gone.add(old)
            heir[new] = former[old]


def _names(members: Sequence[frozenset[str]], heir: Mapping[int, Known], used: set[str]) -> list[str]:
    """The id of each group: that of the ring it goes on as, or one from its members that no other ring has."""
    names = {number: ring.ring_id for number, ring in heir.items()}
    used = set(used)
    for number in sorted(set(range(len(members))) - set(names), key=lambda one: sorted(members[one])):
        salt = 0
        while (name := ring_id(members[number], salt)) in used:
            salt += 1
        names[number] = name
        used.add(name)
    return [names[number] for number in range(len(members))]


def _absorbed(former: Sequence[Known], shared: _Shared, taken: set[str]) -> dict[str, int]:
    """Former ring without an heir → the group that most of its members are in now."""
    return {
        former[old].ring_id: new
        for (old, new), count in shared.items()
        if former[old].ring_id not in taken and 2 * count > len(former[old].members)
    }


def _source(number: int, group: frozenset[str], former: Sequence[Known], shared: _Shared) -> str | None:
    """The former ring that most members of a group without a name were in."""
    for (old, new), count in shared.items():
        if new == number and 2 * count > len(group):
            return former[old].ring_id
    return None
