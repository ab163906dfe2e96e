"""Some accounts of a changed snapshot, their conduct weighed anew by a run's frozen values; all others keep theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detectors.accounts.activity import own_nats
from detectors.accounts.claim_excess import weigh_counts
from detectors.context.expectation import claims_with, expect, stratify
from detectors.contract import BUYERS, COMPLAINTS, REFUNDS, Claims, Context, Evidence, Expectation, Small, evidence
from detectors.frozen import SUSPECTED, Frozen, Measures
from detectors.numerics import group
from detectors.registry import ACCOUNTS
from detectors.settings import DetectionSettings
from graph.narrow import narrow
from graph.snapshot import Bools, Floats, Ints, Longs, Snapshot


class Part:
    """Some whole companies of a changed snapshot, their conduct weighed by the base's frozen values."""

    def __init__(
        self, snapshot: Snapshot, claims: Claims, kept: Bools, frozen: Frozen, settings: DetectionSettings
    ) -> None:
        """`claims` are those of the whole changed snapshot; `kept` (n,) are whole companies."""
        self._whole, self._kept = snapshot, kept
        part = narrow(snapshot, kept)
        company = group(claims.company[kept]).of
        own = claims_with(part, claims.first_seen[kept], claims.last_seen[kept], claims.home[kept], company)
        measures = Measures(_of_some(frozen, kept))
        suspicion = measures.suspicion(np.zeros(len(part.buyers.ids)))
        expectation = expect(part, own, stratify(part, own), suspicion, measures)
        self.ctx = Context(part, settings, own, expectation, suspicion, measures=measures)
        self.accounts = [detector.run(self.ctx) for detector in ACCOUNTS]

    def conduct(self) -> tuple[Floats, Floats]:
        """Nats of each account's own conduct, without what it does with others; and those that are no news among
        accounts met by their claims."""
        return own_nats(self.accounts, self.ctx.n), weigh_counts(self.ctx)[1]

    def expectation(self, before: Expectation) -> Expectation:
        """That of the whole snapshot: these accounts' orders anew, the others' as before."""
        rows, mine = self._kept[self._whole.orders.buyer], self.ctx.expectation
        only, back, surge = before.only.copy(), before.back.copy(), before.surge.copy()
        only[rows], back[rows], surge[rows] = mine.only, mine.back, mine.surge
        return Expectation(only, back, surge, before.surges)

    def evidence(self, old: Snapshot, before: Sequence[Evidence]) -> list[Evidence]:
        """Account evidence of the whole snapshot: these accounts' anew, the others' as `before` in the `old` one."""
        new = self._whole
        mine = {
            BUYERS: np.flatnonzero(self._kept),
            REFUNDS: np.flatnonzero(self._kept[new.refunds.buyer]),
            COMPLAINTS: np.flatnonzero(self._kept[new.refunds.buyer[new.complaints.refund]]),
        }
        others = {
            BUYERS: np.arange(len(old.buyers.ids)),
            REFUNDS: _renumbered(old.refunds.ids, new.refunds.ids),
            COMPLAINTS: _renumbered(old.complaints.ids, new.complaints.ids),
        }
        found = []
        for one, other in zip(before, self.accounts, strict=True):
            rows = np.flatnonzero(~self._kept[one.buyer])
            table = np.concatenate([one.table[rows], other.table])
            found.append(
                evidence(
                    one.detector,
                    buyer=np.concatenate([one.buyer[rows], mine[BUYERS][other.buyer]]),
                    nats=np.concatenate([one.nats[rows], other.nats]),
                    table=table,
                    row=np.concatenate(
                        [_moved(one.table[rows], one.row[rows], others), _moved(other.table, other.row, mine)]
                    ),
                    count=np.concatenate([one.count[rows], other.count]),
                )
            )
        return found


def _moved(table: Small, row: Ints, numbers: Mapping[int, Longs]) -> Ints:
    """Row numbers of account evidence in another snapshot."""
    moved = np.full(len(row), -1, np.int64)
    for number, new in numbers.items():
        mine = table == number
        moved[mine] = new[row[mine]]
    return moved.astype(np.int32)


def _renumbered(old: Any, new: Any) -> Longs:
    """(old,) where each id stands among the `new` ones, of which some were taken out; -1 for those."""
    number = np.arange(len(old))
    if len(old) == len(new):
        return number
    stays = np.ones(len(old), bool)
    left = set(new.tolist())
    stays[[at for at, id_ in enumerate(old.tolist()) if id_ not in left]] = False
    return np.where(stays, np.cumsum(stays) - 1, -1)


def _of_some(frozen: Frozen, kept: Bools) -> Frozen:
    """The values for a snapshot of the accounts `kept` (n,) alone: who was suspected, by their numbers there."""
    buyers, values = frozen.values[f"{SUSPECTED}.buyers"], frozen.values[SUSPECTED]
    mine = kept[buyers]
    number = np.cumsum(kept) - 1
    return Frozen({**frozen.values, f"{SUSPECTED}.buyers": number[buyers[mine]], SUSPECTED: values[mine]})
