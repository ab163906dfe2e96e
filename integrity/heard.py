"""Which complaints detection may hear: those that were upheld.

A complaint is a store's word against a buyer's. Until somebody has examined it, it is held against nobody, and one that
was dismissed never was: detection sees the snapshot as if it had not been filed, so that no store can move anybody's
risk by complaining. (Left in, a dismissed complaint moved accounts near a threshold over it; what that costs in
detection was measured: see ADR 11.)
"""

from __future__ import annotations

from graph.changes import Removals, without
from graph.snapshot import OUTCOMES, Snapshot


def heard(snapshot: Snapshot) -> Snapshot:
    """The snapshot with upheld complaints only."""
    complaints = snapshot.complaints
    unheard = complaints.ids[complaints.outcome != OUTCOMES.index("upheld")]
    return without(snapshot, Removals(records=frozenset(("complaints", str(id_)) for id_ in unheard)))
