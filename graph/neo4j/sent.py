"""What this process wrote in a first load or a run, so that the server need not be asked about ids that nobody wrote.

Both are written by whoever holds the lease, and before they are finished readers see nothing of them: only ids that
the same load or run wrote before can be known. Their hashes, 8 bytes an id, tell which to ask about.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from graph.hashing import Ints, hashes


class Sent:
    """The ids sent, by table."""

    def __init__(self) -> None:
        self._hashes: dict[str, Ints] = {}

    def add(self, table: str, ids: Sequence[str]) -> None:
        """Remember ids, before they are sent."""
        fresh = np.sort(hashes(pa.array(ids, pa.string())))
        known = self._hashes.get(table)
        # two sorted runs, which a stable sort merges
        self._hashes[table] = fresh if known is None else np.sort(np.concatenate([known, fresh]), kind="stable")

    def met(self, table: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that may have been sent: all that were, and hardly any other."""
        known = self._hashes.get(table)
        if known is None or not len(known) or not ids:
            return []
        asked = hashes(pa.array(ids, pa.string()))
        found = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
        return [id_ for id_, may in zip(ids, found.tolist(), strict=True) if may]

    def fresh(self, table: str, ids: Sequence[str]) -> bool:
        """Whether none of the ids was sent before and none comes twice; remembers them as sent."""
        fresh = not self.met(table, ids) and len(set(ids)) == len(ids)
        self.add(table, ids)
        return fresh
