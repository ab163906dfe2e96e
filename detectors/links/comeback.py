"""Comeback: a new account that is linked to one which the platform had closed or limited before it appeared.

Starts from the platform's own decisions only, never from our findings: limits must not breed limits. A decision that
was lifted later counts for nothing. An account is a newcomer where it was first seen after the decision; it is linked
by a device, payment instrument, phone, recipient in a building, or door that it shares with the decided account and
few others. Links are graded by how many kinds agree; what each grade says, and what an earlier decision says of the
decided account itself, are weak stated weights.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import PAST, Context, Detector, Evidence, Family, evidence, nothing
from detectors.links.shared_recipient_building import sight
from detectors.links.sharing import Sightings, sightings
from detectors.numerics import group
from graph.snapshot import DECISIONS, NEVER, Ints, Longs

KIND_WEIGHTS: Final = {"device": 2, "payment": 2, "phone": 2, "recipient": 1, "door": 1}
GRADES: Final = np.array([0.0, 0.5, 1.5, 2.3, 3.0])
"""Nats by grade: none, a door or name, one instrument, an instrument and a place, more. Stated, not learned: so few
accounts come back that what they teach would be mostly what was believed of them."""
DECIDED: Final = 1.5
"""Nats of an earlier decision about the account itself."""
MOST_SHARED: Final = 12
"""A key of more accounts than this brings nobody back: it is a hub."""


def run(ctx: Context) -> Evidence:
    """One row each newcomer linked to a decided account (at the order that shows it), one each decided account."""
    past = ctx.snapshot.past
    decided, row = _standing(ctx)
    if not len(past.ids) or not (decided != NEVER).any():
        return nothing(DETECTOR.name)
    grade = np.zeros(ctx.n, np.int64)
    shown = np.full(ctx.n, -1, np.int32)
    tables = np.zeros(ctx.n, np.int8)
    for kind, weight in KIND_WEIGHTS.items():
        seen = sight(ctx)[0] if kind == "recipient" else sightings(ctx, kind)
        newcomer, source = _newcomers(ctx, seen, decided)
        grade[newcomer] += weight
        fresh = shown[newcomer] < 0
        shown[newcomer[fresh]] = seen.row[source[fresh]]
        tables[newcomer[fresh]] = seen.table[source[fresh]]
    level = np.minimum(grade, len(GRADES) - 1).astype(np.int32)
    came = np.flatnonzero(level > 0).astype(np.int32)
    had = np.flatnonzero(decided != NEVER).astype(np.int32)
    return evidence(
        DETECTOR.name,
        buyer=np.concatenate([came, had]),
        nats=np.concatenate([GRADES[level[came]], np.full(len(had), DECIDED)]),
        table=np.concatenate([tables[came], np.full(len(had), PAST)]).astype(np.int8),
        row=np.concatenate([shown[came], row[had]]),
        count=np.concatenate([grade[came], np.ones(len(had), np.int64)]),
    )


def _standing(ctx: Context) -> tuple[Longs, Ints]:
    """(buyers,) instant of the platform-wide decision that stands, `NEVER` none; and its row."""
    past = ctx.snapshot.past
    at, row = np.full(ctx.n, NEVER), np.full(ctx.n, -1, np.int32)
    lifted = DECISIONS.index("lifted")
    for number in np.lexsort((np.arange(len(past.ids)), past.at)).tolist():
        if past.store[number] >= 0:
            continue
        buyer = past.buyer[number]
        if past.decision[number] == lifted:
            at[buyer], row[buyer] = NEVER, -1
        elif at[buyer] == NEVER:
            at[buyer], row[buyer] = past.at[number], number
    return at, row


def _newcomers(ctx: Context, seen: Sightings, decided: Longs) -> tuple[Ints, Longs]:
    """Accounts first seen after the earliest decision on an account that shares a small key with them, and the row of
    `seen` that shows the key."""
    none = np.empty(0, np.int64)
    if not len(seen.key):
        return none.astype(np.int32), none
    touched = np.unique(seen.key[decided[seen.buyer] != NEVER])
    mine = np.flatnonzero(np.isin(seen.key, touched))
    if not len(mine):
        return none.astype(np.int32), none
    pairs = group(seen.key[mine], seen.buyer[mine])
    first = mine[pairs.first]
    _, key = np.unique(seen.key[first], return_inverse=True)
    size = np.bincount(key)
    earliest = np.full(len(size), np.iinfo(np.int64).max)
    when = decided[seen.buyer[first]]
    known = when != NEVER
    np.minimum.at(earliest, key[known], when[known])
    born = ctx.claims.first_seen[seen.buyer[first]]
    new = (born != NEVER) & (born > earliest[key]) & (size[key] <= MOST_SHARED)
    chosen = first[new]
    who, at = np.unique(seen.buyer[chosen], return_index=True)
    return who.astype(np.int32), chosen[at]


DETECTOR = Detector(
    name="comeback",
    title="back after the platform had closed or limited it",
    source="Reasoned: agreement of identifiers graded as in record linkage, Fellegi & Sunter 1969",
    doc=(
        "Accounts first seen after the platform closed or limited another one with which they share a device, payment "
        "instrument, phone, recipient in a building or door. Decisions lifted later, and our own findings, never count."
    ),
    family=Family.ACCOUNT,
    run=run,
)
