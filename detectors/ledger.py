"""The ledger: which source record says how much about whom, in nats that add up to what fusion counted.

An account's log odds are the prior, what it did on its own, and what its links say. Each part is spread over the
records behind it: conduct over its heaviest records, each family's counted message over the keys that say it (they tell
one fact, so they share its weight). Only accounts that matter are entered: members of published rings and accounts from
`account_evidence_risk` on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.contract import Context, Evidence, Family
from detectors.fusion import Beliefs
from detectors.numerics import group, logit, tally
from detectors.registry import LINKS
from detectors.web import FAMILIES, Web
from graph.snapshot import Bools, Floats, Ints, Longs

LEAST: Final = 0.005
"""Rows of less than this many nats either way are left out."""


@dataclass(frozen=True)
class Ledger:
    """`m` entries sorted by buyer, then descending nats. `detector` index into `found` (link detectors first), `key` of
    the detector or -1, `size`, `table`, `row`, `count` as in `Evidence`."""

    found: tuple[Evidence, ...]
    detector: Ints
    buyer: Ints
    key: Ints
    nats: Floats
    table: Ints
    row: Ints
    count: Longs


def enter(
    ctx: Context, web: Web, beliefs: Beliefs, links: Sequence[Evidence], accounts: Sequence[Evidence], chosen: Bools
) -> Ledger:
    """Entries of the `chosen` (n,) accounts."""
    found = (*links, *accounts)
    weights = _counted(ctx, web, beliefs, links, chosen)
    columns: list[tuple[Ints, Ints, Ints, Floats, Ints, Ints, Longs]] = []
    for number, item in enumerate(found):
        rows = np.flatnonzero(chosen[item.buyer])
        nats = item.nats[rows]
        if number < len(links):
            linked = item.key[rows] >= 0
            nats = np.where(linked, weights[number][rows], nats)
            rows, nats = rows[np.abs(nats) >= LEAST], nats[np.abs(nats) >= LEAST]
        rows, nats = _heaviest(item, rows, nats, ctx.settings.records_shown)
        shown = np.abs(nats) >= LEAST
        rows, nats = rows[shown], nats[shown]
        columns.append(
            (
                np.full(len(rows), number, np.int32),
                item.buyer[rows],
                item.key[rows],
                nats,
                item.table[rows].astype(np.int32),
                item.row[rows],
                item.count[rows],
            )
        )
    detector, buyer, key, nats, table, row, count = (np.concatenate(column) for column in zip(*columns, strict=True))
    rank = np.lexsort((row, table, detector, -nats, buyer))
    return Ledger(found, *(c[rank] for c in (detector, buyer, key, nats, table, row, count)))  # type: ignore[arg-type]  # arrays of several types


def _heaviest(item: Evidence, rows: Longs, nats: Floats, most: int) -> tuple[Longs, Floats]:
    """The `most` heaviest rows of each account, scaled so that they carry all that the account's rows do."""
    if not len(rows):
        return rows, nats
    rank = np.lexsort((item.row[rows], item.table[rows], -np.abs(nats), item.buyer[rows]))
    rows, nats = rows[rank], nats[rank]
    who = group(item.buyer[rows])
    starts = np.append(0, np.cumsum(who.count)[:-1])
    place = np.arange(len(rows)) - starts[who.of]
    kept = place < most
    total, part = who.total(nats), who.total(np.where(kept, nats, 0.0))
    same = np.abs(part) > 1e-9
    factor = np.where(same, total / np.where(same, part, 1.0), 0.0)
    # a remainder of the other sign would turn the rows' meaning round: then it is left out of the rows
    factor = np.where(factor > 0, factor, 1.0)
    return rows[kept], nats[kept] * factor[who.of[kept]]


def _counted(ctx: Context, web: Web, beliefs: Beliefs, links: Sequence[Evidence], chosen: Bools) -> list[Floats]:
    """For each link detector (m,) nats that each of its rows carries of what fusion counted."""
    spans = np.cumsum([0] + [len(item.keys.size) for item in links])
    order = web.key.astype(np.int64) * max(web.n, 1) + web.buyer
    said: list[Floats] = []
    for number, item in enumerate(links):
        nats = np.zeros(len(item.key))
        rows = np.flatnonzero((item.key >= 0) & chosen[item.buyer])
        if len(rows):
            kept = web.alias[spans[number] + item.key[rows].astype(np.int64)]
            at = np.searchsorted(order, kept * max(web.n, 1) + item.buyer[rows])
            nats[rows] = np.maximum(beliefs.message[at], 0.0)
        said.append(nats)
    best = np.zeros((ctx.n, FAMILIES))
    heard = np.zeros((ctx.n, FAMILIES))
    for number, item in enumerate(links):
        np.maximum.at(best[:, LINKS[number].family.value], item.buyer, said[number])
    for number, item in enumerate(links):
        family = LINKS[number].family.value
        # keys that say less than a tenth of the strongest only blur the account
        said[number] = np.where(said[number] >= 0.1 * best[item.buyer, family], said[number], 0.0)
        heard[:, family] += tally(item.buyer, said[number], ctx.n)
    ceiling = max(logit(ctx.settings.link_ceiling) - logit(beliefs.abusers), 0.0)
    shared = best[:, Family.PLACE.value] + best[:, Family.INSTRUMENT.value]
    scale = np.minimum(1.0, ceiling / np.maximum(shared, 1e-12))
    for number, item in enumerate(links):
        family = LINKS[number].family.value
        portion = best[:, family] / np.maximum(heard[:, family], 1e-12)
        if family != Family.CONDUCT.value:
            portion = portion * scale
        said[number] = said[number] * portion[item.buyer]
    return said
