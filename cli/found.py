"""What a run found, held against what was planted: the count that `ringfence demo` prints."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graph.errors import BadInput
from graph.store import Store
from integrity.columns import rows_of
from integrity.publication import find_run

_LIMITED = ("STORE_LIMITED", "PLATFORM_LIMITED")


@dataclass(frozen=True)
class Truth:
    """What was planted: `abusers` and everyone by id, and the members of each planted ring."""

    honest: frozenset[str]
    abusers: frozenset[str]
    rings: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Found:
    """A run against the truth. A planted ring is found where half of its members lie in one published ring of which
    they are at least half; a published ring is true where at least half of its members are abusers."""

    rings_planted: int
    rings_found: int
    rings_published: int
    rings_true: int
    abusers: int
    abusers_limited: int
    abusers_watched: int
    honest: int
    honest_limited: int

    def rows(self) -> list[tuple[object, ...]]:
        """Lines of a table: what, found, planted or of how many, share."""
        limited = self.abusers_limited + self.honest_limited
        return [
            ("planted rings found", self.rings_found, self.rings_planted, _share(self.rings_found, self.rings_planted)),
            (
                "published rings that are true",
                self.rings_true,
                self.rings_published,
                _share(self.rings_true, self.rings_published),
            ),
            (
                "limited accounts that are abusers (precision)",
                self.abusers_limited,
                limited,
                _share(self.abusers_limited, limited),
            ),
            (
                "abusers limited (recall)",
                self.abusers_limited,
                self.abusers,
                _share(self.abusers_limited, self.abusers),
            ),
            (
                "abusers limited or watched",
                self.abusers_limited + self.abusers_watched,
                self.abusers,
                _share(self.abusers_limited + self.abusers_watched, self.abusers),
            ),
            (
                "honest accounts limited",
                self.honest_limited,
                self.honest,
                f"{1e4 * self.honest_limited / max(self.honest, 1):.1f} per 10,000",
            ),
        ]


def read_truth(path: Path) -> Truth:
    """Read a simulation's `truth.csv`: `buyer_id,abuser,kind,ring_id`. Raises `BadInput`."""
    honest, abusers, rings = set[str](), set[str](), dict[str, set[str]]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                guilty = row["abuser"].lower() in ("1", "true")
                (abusers if guilty else honest).add(row["buyer_id"])
                if guilty and row["ring_id"]:
                    rings.setdefault(row["ring_id"], set()).add(row["buyer_id"])
    except (OSError, KeyError) as error:
        raise BadInput(f"is no truth file: {error}", where=str(path), do="simulate the market again") from None
    planted = {ring: frozenset(members) for ring, members in rings.items()}
    return Truth(frozenset(honest), frozenset(abusers), planted)


def compare(store: Store, truth: Truth, *, run_id: str | None = None) -> Found:
    """Count what a run (default: the published one) found of what was planted."""
    run = find_run(store, run_id)
    rows = rows_of(store.run_rows(run.run_id, "run_decisions", columns=("buyer_id", "status")))
    status = {row["buyer_id"]: row["status"] for row in rows}
    actors: dict[str, set[str]] = {}
    for row in rows_of(store.run_rows(run.run_id, "run_members", columns=("member_id", "ring_id", "buyer_id", "role"))):
        if row["role"] == "actor":
            actors.setdefault(row["ring_id"], set()).add(row["buyer_id"])
    limited = {buyer for buyer, one in status.items() if one in _LIMITED}
    watched = {buyer for buyer, one in status.items() if one == "WATCH"}
    return Found(
        rings_planted=len(truth.rings),
        rings_found=sum(found_in(members, list(actors.values())) is not None for members in truth.rings.values()),
        rings_published=len(actors),
        rings_true=sum(2 * len(members & truth.abusers) >= len(members) for members in actors.values()),
        abusers=len(truth.abusers),
        abusers_limited=len(limited & truth.abusers),
        abusers_watched=len(watched & truth.abusers),
        honest=len(truth.honest),
        honest_limited=len(limited & truth.honest),
    )


def found_in(members: frozenset[str], rings: Sequence[set[str]]) -> int | None:
    """Index of the ring that holds at least half of `members` and is at least half made of them."""
    counts = Counter(index for index, ring in enumerate(rings) for _ in ring & members)
    for index, shared in counts.most_common():
        if 2 * shared >= len(members) and 2 * shared >= len(rings[index]):
            return index
    return None


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
