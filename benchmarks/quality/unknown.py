"""Rings of kinds that no detector was written for, in a table of their own; never looked at while tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.metrics import Outcome, Truth, average_precision, rings_found, true_rings
from benchmarks.quality.markets import Case, Market
from benchmarks.quality.mixtures import UNSEEN, knobs_of, mixture_of
from benchmarks.quality.tables import Sheet, number
from simulator.unseen import UNSEEN as KINDS

SHARE: Final = 0.006
"""Accounts in such rings as a share of all; as many again abuse in the known ways."""


@dataclass(frozen=True)
class Seen:
    """What was seen of one kind in one market: accounts `limited`, actors of a published ring (`placed`), of `all`;
    rings `found` of `rings`; `ap` among the kind and the innocent."""

    kind: str
    limited: int
    placed: int
    all: int
    found: int
    rings: int
    ap: float


def markets(count: int, buyers: int) -> list[Market]:
    """Markets with unknown kinds beside the known ones, from seeds kept for them."""
    found = []
    for seed in UNSEEN[:count]:
        mixture = mixture_of(seed)
        knobs = replace(knobs_of(mixture, seed, SHARE), unseen=SHARE)
        found.append(Market(f"unseen, {mixture.name}", buyers, seed, knobs))
    return found


def look(case: Case, outcome: Outcome) -> list[Seen]:
    """One entry for each unknown kind, and one for the known kinds together."""
    truth = case.truth
    groups = {kind: truth.abuser & (truth.kind == kind) for kind in KINDS}
    groups["known kinds"] = truth.abuser & ~np.any(list(groups.values()), axis=0)
    actor = np.zeros(len(truth.abuser), dtype=np.bool_)
    for ring in outcome.rings:
        actor[ring.actors] = True
    published = [frozenset(ring.members.tolist()) for ring in outcome.rings]
    seen = []
    for kind, mine in groups.items():
        own = Truth(mine, np.where(mine, truth.ring, -1), truth.kind)
        found, rings = rings_found(true_rings(own), published)
        rest = ~truth.abuser | mine
        ap = average_precision(mine[rest], outcome.risk[rest])
        limited, placed = int((mine & outcome.limited).sum()), int((mine & actor).sum())
        seen.append(Seen(kind, limited, placed, int(mine.sum()), found, rings, ap))
    return seen


def unseen_sheet(seen: Sequence[Seen], markets_: int) -> Sheet:
    """Kinds added up over markets; average precision is the median."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in seen):
        mine = [one for one in seen if one.kind == kind]
        limited, placed, every, found, rings = (
            sum(getattr(one, name) for one in mine) for name in ("limited", "placed", "all", "found", "rings")
        )
        rows.append(
            [
                kind, str(every), f"{limited / max(1, every):.3f}", f"{placed / max(1, every):.3f}", f"{found}/{rings}",
                number(float(np.median([one.ap for one in mine]))),
            ]
        )  # fmt: skip
    columns = ("kind", "accounts", "limited", "in a published ring", "rings found", "AP against the innocent, median")
    return Sheet(f"Rings of unknown kinds, {markets_} markets", columns, rows)
