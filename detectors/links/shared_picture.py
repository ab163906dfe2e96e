"""Shared picture: claims of different accounts proven with nearly the same picture.

A picture shows one thing. Filed for goods of several trades it cannot be what the buyers got, and speaks more for
acting together; filed within one trade it is mostly the shop's or the maker's own. A hash whose bits are nearly all
alike is of a picture that shows nothing, as a dark one, and links nobody.
Near-duplicates are found by multi-index hashing: two 64-bit hashes within 7 bits agree in one of four 16-bit bands up
to one bit, so looking up each band with itself and its sixteen one-bit neighbours finds every pair without comparing
all. Clusters are stars: a picture joins the best-connected picture within the distance, never a chain of likenesses.
A stock picture that many unrelated honest people file becomes a large key whose people do not act alike.
Source: Norouzi, Punjani & Fleet (2012), doi:10.1109/CVPR.2012.6248043; that pictures without structure are left out of
matching: PDQ's quality metric, Facebook (2019), The TMK+PDQF Video-Hashing and the PDQ Image-Hashing Algorithm.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.contract import (
    ACCOMPLICES,
    REFUNDS,
    STRANGERS,
    Context,
    Detector,
    Evidence,
    Family,
    Keys,
    evidence,
    nothing,
)
from detectors.links.sharing import one_home, owners
from detectors.numerics import ascending, group, rarity_in, size_law
from graph.hashing import distinct
from graph.snapshot import Ints, Longs

Hashes = npt.NDArray[np.uint64]
MOST_IN_BAND = 2000
"""A band value of more distinct hashes than this is searched among neighbours in hash order only."""


def run(ctx: Context) -> Evidence:
    """One row each account of each cluster of like pictures that several accounts filed."""
    pictures, distance = ctx.snapshot.pictures, ctx.settings.picture_distance
    set_ = np.bitwise_count(pictures.phash)
    shows = (set_ > distance) & (set_ < 64 - distance)
    mine = np.flatnonzero(ctx.snapshot.refunds.by_buyer[pictures.refund] & shows)
    hashes, number = np.unique(pictures.phash[mine], return_inverse=True)
    cluster = clusters(hashes, distance)[number]
    refund = pictures.refund[mine]
    buyer = ctx.snapshot.refunds.buyer[refund]
    trades = np.bincount(cluster[group(cluster, _trades(ctx, refund)).first], minlength=len(hashes))
    pairs = group(cluster, buyer)
    first = owners(cluster, buyer, ctx.snapshot.refunds.at[refund])
    cluster, who = cluster[pairs.first], buyer[pairs.first]
    size = np.bincount(cluster, minlength=len(hashes))
    shared = np.flatnonzero(size >= 2)
    law = ctx.measures.of("shared_picture.sizes", lambda: size_law(size[shared], int(np.count_nonzero(size))))
    if not len(shared):
        return nothing(DETECTOR.name)
    local = np.full(len(hashes), -1, np.int64)
    local[shared] = np.arange(len(shared))
    rows = np.flatnonzero(local[cluster] >= 0)
    key = local[cluster[rows]]
    return evidence(
        DETECTOR.name,
        key=key.astype(np.int32),
        buyer=who[rows],
        nats=rarity_in(law, size[shared])[key],
        table=REFUNDS,
        row=refund[pairs.first[rows]],
        count=pairs.count[rows],
        owned=first[rows],
        keys=Keys(
            np.full(len(shared), "", object),
            size[shared],
            one_home(ctx, key, who[rows], len(shared)),
            np.where(trades[shared] >= 2, ACCOMPLICES, STRANGERS).astype(np.int32),
        ),
    )


def _trades(ctx: Context, refund: Ints) -> Longs:
    """(m,) a number for what the store of each claim sells; a store of unknown category is a trade of its own."""
    category = ctx.snapshot.stores.category.astype(np.int64)
    own = category.max(initial=0) + 1 + np.arange(len(category))
    trades: Longs = np.where(category >= 0, category, own)[ctx.snapshot.refunds.store[refund]]
    return trades


def clusters(hashes: Hashes, distance: int) -> Longs:
    """(n,) cluster of each of `n` distinct ascending hashes: the number of the hash at its centre."""
    left, right = near_pairs(hashes, distance)
    centre = np.arange(len(hashes))
    if not len(left):
        return centre
    degree = np.bincount(left, minlength=len(hashes)) + np.bincount(right, minlength=len(hashes))
    ends = np.concatenate([left, right])
    others = np.concatenate([right, left])
    order = np.lexsort((others, ends))
    others = others[order]
    start = np.searchsorted(ends[order], np.arange(len(hashes) + 1))
    taken = np.zeros(len(hashes), bool)
    for leader in np.lexsort((np.arange(len(hashes)), -degree)).tolist():
        if degree[leader] == 0:
            break
        if taken[leader]:
            continue
        near = others[start[leader] : start[leader + 1]]
        near = near[~taken[near]]
        centre[near] = leader
        taken[near] = True
        taken[leader] = True
    return centre


def near_pairs(hashes: Hashes, distance: int) -> tuple[Longs, Longs]:
    """Pairs (left < right) of `n` distinct hashes that differ in at most `distance` <= 7 bits, each once."""
    n = len(hashes)
    flips = np.concatenate([[0], 1 << np.arange(16)]).astype(np.int64) if distance >= 4 else np.zeros(1, np.int64)
    found: list[npt.NDArray[np.int64]] = []
    for band in range(4):
        value = ((hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)).astype(np.int64)
        order, ranked = ascending(value)
        begins = np.searchsorted(ranked, np.arange((1 << 16) + 1))
        for flip in flips.tolist():
            low = begins[value ^ flip]
            width = np.minimum(begins[(value ^ flip) + 1] - low, MOST_IN_BAND)
            some = np.flatnonzero(width)
            one = np.repeat(some, width[some])
            begin = low[some] - np.cumsum(width[some]) + width[some]
            other = order[np.repeat(begin, width[some]) + np.arange(len(one))]
            ahead = one < other
            one, other = one[ahead], other[ahead]
            close = np.bitwise_count(hashes[one] ^ hashes[other]) <= distance
            found.append(one[close] * n + other[close])
    pairs = distinct(np.concatenate(found)) if found else np.empty(0, np.int64)
    return pairs // max(n, 1), pairs % max(n, 1)


DETECTOR = Detector(
    name="shared_picture",
    title="nearly the same picture as proof",
    source="Multi-index hashing: Norouzi, Punjani & Fleet 2012, doi:10.1109/CVPR.2012.6248043",
    doc=(
        "Claims of different accounts whose evidence pictures differ in few bits of a perceptual hash. Retakes by one "
        "account say nothing, nor do pictures that show nothing; a stock picture used by many people who do not act "
        "alike turns out benign. One that was filed for goods of several trades speaks more for acting together, one "
        "of a single trade, as the shop's own, less."
    ),
    family=Family.CONDUCT,
    run=run,
    prior=0.04,
    ceiling=0.04,
    weight=1.2,
    written=True,
    met=True,
)
