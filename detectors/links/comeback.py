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

from detectors.contract import ORDERS, PAST, Context, Detector, Evidence, Family, Keys, evidence, nothing
from detectors.links.sharing import Sightings, among, sightings
from detectors.numerics import group
from graph.snapshot import DECISIONS, NEVER, Bools, Ints, Longs

KIND_WEIGHTS: Final = {"device": 2, "payment": 2, "phone": 2, "recipient": 1, "door": 1}
GRADES: Final = np.array([0.0, 0.5, 1.5, 2.3, 3.0])
"""Nats by grade: none, a door or name, one instrument, an instrument and a place, more. Stated, not learned: so few
accounts come back that what they teach would be mostly what was believed of them."""
DECIDED: Final = 1.5
"""Nats of an earlier decision about the account itself."""
MOST_SHARED: Final = 12
"""A key of more accounts than this brings nobody back: it is a hub."""


def run(ctx: Context) -> Evidence:
    """One row each newcomer linked to a decided account (at the order that shows it), one each decided account; and for
    those linked by an instrument or more a key that joins the newcomers to the account they come back from."""
    past = ctx.snapshot.past
    decided, row = _standing(ctx)
    if not len(past.ids) or not (decided != NEVER).any():
        return nothing(DETECTOR.name)
    grade = np.zeros(ctx.n, np.int64)
    shown = np.full(ctx.n, -1, np.int32)
    tables = np.zeros(ctx.n, np.int8)
    before = np.full(ctx.n, -1, np.int32)
    known = decided != NEVER
    for kind, weight in KIND_WEIGHTS.items():
        seen = _recipients(ctx, known) if kind == "recipient" else sightings(ctx, kind, known)
        newcomer, source, origin = _newcomers(ctx, seen, decided)
        grade[newcomer] += weight
        fresh = shown[newcomer] < 0
        shown[newcomer[fresh]] = seen.row[source[fresh]]
        tables[newcomer[fresh]] = seen.table[source[fresh]]
        before[newcomer[fresh]] = origin[fresh]
    level = np.minimum(grade, len(GRADES) - 1)
    came = np.flatnonzero(level > 0).astype(np.int32)
    had = np.flatnonzero(decided != NEVER).astype(np.int32)
    near = np.flatnonzero(level >= 2).astype(np.int32)
    origins, key = np.unique(before[near], return_inverse=True)
    member = np.concatenate([near, origins]).astype(np.int32)
    key = np.concatenate([key, np.arange(len(origins))])
    value = GRADES[level]
    return evidence(
        DETECTOR.name,
        key=np.concatenate([np.full(len(came) + len(had), -1), key]).astype(np.int32),
        buyer=np.concatenate([came, had, member]),
        nats=np.concatenate([value[came], np.full(len(had), DECIDED), np.zeros(len(member))]),
        table=np.concatenate([tables[came], np.full(len(had), PAST), tables[near], np.full(len(origins), PAST)]).astype(
            np.int8
        ),
        row=np.concatenate([shown[came], row[had], shown[near], row[origins]]),
        count=np.concatenate([grade[came], np.ones(len(had) + len(member), np.int64)]),
        keys=Keys(np.full(len(origins), "", object), np.bincount(key), np.zeros(len(origins), bool)),
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


def _recipients(ctx: Context, known: Bools) -> Sightings:
    """Orders that name both a recipient and a building, as one of the `known` (n,) accounts did; a key is such a pair:
    common names are in many buildings."""
    orders = ctx.snapshot.orders
    recipient, building = orders.used["recipient"], orders.used["building"]
    wanted = among(len(ctx.snapshot.identifiers["recipient"]), recipient[known[orders.buyer]])
    both = np.flatnonzero(wanted[recipient] & (building >= 0)).astype(np.int32)
    pairs = group(recipient[both], building[both]).of
    named = among(len(both), pairs[known[orders.buyer[both]]])[pairs]
    both = both[named]
    return Sightings(
        key=pairs[named],
        buyer=orders.buyer[both],
        at=orders.at[both],
        table=np.full(len(both), ORDERS, np.int8),
        row=both,
    )


def _newcomers(ctx: Context, seen: Sightings, decided: Longs) -> tuple[Ints, Longs, Ints]:
    """Accounts first seen after the earliest decision on an account that shares a small key with them, the row of
    `seen` that shows the key, and that decided account. Every key in `seen` is one that a `decided` account has."""
    none = np.empty(0, np.int64)
    nobody = none.astype(np.int32)
    if not len(seen.key):
        return nobody, none, nobody
    first = group(seen.key, seen.buyer).first
    _, key = np.unique(seen.key[first], return_inverse=True)
    size = np.bincount(key)
    earliest = np.full(len(size), np.iinfo(np.int64).max)
    origin = np.full(len(size), -1, np.int32)
    when = decided[seen.buyer[first]]
    known = np.flatnonzero(when != NEVER)
    # written from the latest decision to the earliest, so that the earliest stays
    known = known[np.lexsort((seen.buyer[first[known]], when[known]))[::-1]]
    earliest[key[known]] = when[known]
    origin[key[known]] = seen.buyer[first[known]]
    born = ctx.claims.first_seen[seen.buyer[first]]
    new = (born != NEVER) & (born > earliest[key]) & (size[key] <= MOST_SHARED)
    who, at = np.unique(seen.buyer[first[new]], return_index=True)
    chosen = np.flatnonzero(new)[at]
    return who.astype(np.int32), first[chosen], origin[key[chosen]]


DETECTOR = Detector(
    name="comeback",
    title="back after the platform had closed or limited it",
    source="Reasoned: agreement of identifiers graded as in record linkage, Fellegi & Sunter 1969",
    doc=(
        "Accounts first seen after the platform closed or limited another one with which they share a device, payment "
        "instrument, phone, recipient in a building or door. Decisions lifted later, and our own findings, never count."
    ),
    family=Family.CONDUCT,
    run=run,
    prior=0.1,
    ceiling=0.1,
    weight=1.8,
    pairs=True,
)
