"""Same targets: accounts that share an identifier and claim at the same stores in the same weeks.

Sharing a door is weak and claiming at a store is ordinary; doing both together is not. For every key of the other link
detectors with few accounts, the members' claims are laid out by store and month; a cell with claims of several members
is a meeting. Each further claim in a cell is worth the log of how much likelier it is among accomplices, of whose
claims a stated share goes where another's went, than among strangers whose claims fall as the market's do; claims of
the same people elsewhere count against. The members that met form a key of their own, so a housemate who claims nowhere
near stays out of it; and each of them is told, by its own claims, from a stranger who met the others once. Claims
within a surge meet by nature and are left out. Sources: dense blocks in (account × target × time), CopyCatch, Beutel et
al. (2013), doi:10.1145/2488388.2488400, restricted to groups that other evidence names, so no search over all subsets
is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.contract import (
    ACCOMPLICES,
    REFUNDS,
    STRANGERS,
    Context,
    Detector,
    Evidence,
    Family,
    Keys,
    Small,
    evidence,
    nothing,
)
from detectors.frozen import pack
from detectors.links.sharing import one_home
from detectors.numerics import Rows, group, tally
from graph.snapshot import Floats, Ints, Longs

MONTH: Final = 28 * 86_400_000_000
AFTER: Final = 1 << 20
"""Months by which the count of months is moved, so that dates before 1970 have one too."""
MOST: Final = 50
"""Keys of more accounts than this name no group."""
CROWDS: Final = frozenset({"shared_ip", "shared_picture"})
"""Detectors whose keys name no group. Of the many strangers behind an IP some meet at a store by
chance, and who files the shop's own picture claims at that shop: such a meeting is no second fact."""
MOST_CELLS: Final = 400
"""An account that claims in more cells than this meets everybody and is left out."""
ACCOMPLICE: Final = 0.2
"""Share of an accomplice's claims that go where another's of the group went."""
MOST_CHANCE: Final = 0.9
"""Greatest chance with which a stranger's claim is thought to meet one of a group's."""


@dataclass(frozen=True)
class Meetings:
    """For each of the `n` keys of `ctx.links`, one detector after the other: `nats` (n,) that its meetings are worth,
    and `claimants` (n,) accounts with claims; -1 where the key was not looked at. Rows (m,) of accounts in meetings:
    `key`, `buyer`, `claim`, the place in `ctx.claims`, and `owned` and `part` (see `Evidence`)."""

    nats: Floats
    claimants: Longs
    key: Longs
    buyer: Ints
    claim: Longs
    owned: Small
    part: Floats


def meet(ctx: Context) -> Meetings:
    """Look for meetings in every small key of the plain link detectors."""
    claims = ctx.claims
    base, key, buyer, owned = _members(ctx)
    none = np.empty(0, np.int64)
    usable = np.flatnonzero(ctx.expectation.surge[claims.order] < 0) if len(claims.row) else none
    # by the calendar, not back from as_of: tomorrow's run must lay the same claims into the same cells
    month = claims.at[usable] // MONTH
    cells = group(claims.store[usable], month - month.min(initial=0))
    once = group(claims.buyer[usable], cells.of)
    who, cell, first = claims.buyer[usable][once.first], cells.of[once.first], usable[once.first]
    where = pack(claims.store[usable][cells.first], month[cells.first] + AFTER)
    traffic = ctx.measures.by(
        "same_targets.cells", "same_targets.traffic", where, lambda: np.bincount(cell, minlength=cells.n)
    )
    everything = ctx.measures.number("same_targets.claims", lambda: float(len(who)))
    if not len(key) or not len(usable):
        return Meetings(
            np.zeros(base), np.full(base, -1), none, none.astype(np.int32), none, none.astype(np.int8), np.zeros(0)
        )
    # spread every membership over its account's cells
    starts = np.searchsorted(who, np.arange(ctx.n + 1))
    width = starts[buyer + 1] - starts[buyer]
    looked = np.bincount(key, minlength=base) > 0
    kept = (width > 0) & (width <= MOST_CELLS)
    key, buyer, owned, width = key[kept], buyer[kept], owned[kept], width[kept]
    claimants = np.where(looked, np.bincount(key, minlength=base), -1)
    at, spread = Rows(np.arange(len(who)), starts).of_all(buyer)
    key_of = key[spread]
    total = np.bincount(key_of, minlength=base)
    met = group(key_of, cell[at])
    several = met.count >= 2
    # the group's own claims must not make its meeting ordinary: what others claim there, and one claim more
    strangers = np.maximum(traffic[cell[at[met.first]]] - met.count + 1, 1) / max(everything, 1.0)
    chance = total[key_of[met.first]] * strangers
    worth = np.maximum((met.count - 1) * np.log(ACCOMPLICE / np.minimum(chance, ACCOMPLICE)), 0.0)
    nats = tally(key_of[met.first][several], worth[several], base)
    rows = np.flatnonzero(several[met.of])
    member = spread[rows]
    # what those who met claimed elsewhere speaks against
    met_once = np.zeros(len(key), bool)
    met_once[member] = True
    apart = tally(key_of, met_once[spread], base) - np.bincount(key_of[rows], minlength=base)
    nats = np.maximum(nats + apart * np.log1p(-ACCOMPLICE), 0.0)
    # of each account alone: whether its claims went where the others' did, beyond the one meeting that put it here
    others = (met.count - 1)[met.of] / np.maximum(total[key_of] - width[spread], 1)
    likely = np.log1p(ACCOMPLICE * (others / strangers[met.of] - 1.0))
    elsewhere = 1.0 - np.minimum(tally(key_of[met.first], strangers, base), MOST_CHANCE)[key]
    to_meet = [np.log1p(-(share**width)) for share in (elsewhere, (1.0 - ACCOMPLICE) * elsewhere)]
    part = tally(spread, likely, len(key)) + to_meet[0] - to_meet[1]
    return Meetings(nats, claimants, key_of[rows], buyer[member], first[at[rows]], owned[member], part[member])


def grades(met: Meetings) -> Ints:
    """(n,) how each key's members claim: `STRANGERS` never meet, `ACCOMPLICES` do; 0 not looked at, or fewer than two
    claimants."""
    grade = np.where(met.claimants >= 2, STRANGERS, 0)
    grade[np.unique(met.key)] = ACCOMPLICES
    return grade.astype(np.int32)


def run(ctx: Context) -> Evidence:
    """One row each account that met others of its key, at its first claim in a meeting."""
    met = meet(ctx)
    if not len(met.key):
        return nothing(DETECTOR.name)
    pairs = group(met.key, met.buyer)
    who, members, where = met.buyer[pairs.first], met.key[pairs.first], met.claim[pairs.first]
    used, local = np.unique(members, return_inverse=True)
    return evidence(
        DETECTOR.name,
        key=local.astype(np.int32),
        buyer=who,
        nats=met.nats[used][local],
        table=REFUNDS,
        row=ctx.claims.row[where],
        count=pairs.count,
        owned=met.owned[pairs.first],
        part=met.part[pairs.first],
        keys=Keys(np.full(len(used), "", object), np.bincount(local), one_home(ctx, local, who, len(used))),
    )


def _members(ctx: Context) -> tuple[int, Longs, Ints, Small]:
    """Number of keys, and (m,) key, account and ownership of every membership in small keys of the other link
    detectors."""
    keys, buyers, owned, offset = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.int8)], 0
    for item in ctx.links:
        if item.detector not in CROWDS:
            small = np.flatnonzero(item.key >= 0)
            small = small[item.keys.size[item.key[small]] <= MOST]
            keys.append(item.key[small].astype(np.int64) + offset)
            buyers.append(item.buyer[small])
            owned.append(item.owned[small])
        offset += len(item.keys.size)
    return offset, np.concatenate(keys), np.concatenate(buyers), np.concatenate(owned)


DETECTOR = Detector(
    name="same_targets",
    title="an identifier and claims at the same stores in the same weeks",
    source="Dense blocks in account × target × time: CopyCatch 2013, doi:10.1145/2488388.2488400",
    doc=(
        "Among accounts that share a device, door, picture or anything else the other detectors name, those that "
        "claimed "
        "at the same stores in the same four weeks, by how seldom the market's claims fall there. Surges are left out. "
        "Each is told by its own claims from a stranger who met the others once."
    ),
    family=Family.CONDUCT,
    run=run,
    prior=0.02,
    ceiling=0.5,
    weight=1.5,
    written=True,
)
