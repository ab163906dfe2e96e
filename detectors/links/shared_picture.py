"""Shared picture: claims of different accounts proven with nearly the same picture.

Near-duplicates are found by multi-index hashing: two 64-bit hashes within 7 bits agree in one of four 16-bit bands up
to one bit, so looking up each band with itself and its sixteen one-bit neighbours finds every pair without comparing
all. Clusters are stars: a picture joins the best-connected picture within the distance, never a chain of likenesses.
A stock picture that many unrelated honest people file becomes a large key whose people do not act alike.
Source: Norouzi, Punjani & Fleet (2012), doi:10.1109/CVPR.2012.6248043.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.contract import REFUNDS, Context, Detector, Evidence, Family, Keys, evidence, nothing
from detectors.links.sharing import one_home, owners
from detectors.numerics import ascending, group, rarity_in, size_law
from graph.hashing import distinct
from graph.snapshot import Longs

Hashes = npt.NDArray[np.uint64]
MOST_IN_BAND = 2000
"""A band value of more distinct hashes than this (blank pictures) is searched among neighbours in hash order only."""


def run(ctx: Context) -> Evidence:
    """One row each account of each cluster of like pictures that several accounts filed."""
    pictures = ctx.snapshot.pictures
    mine = np.flatnonzero(ctx.snapshot.refunds.by_buyer[pictures.refund])
    hashes, number = np.unique(pictures.phash[mine], return_inverse=True)
    cluster = clusters(hashes, ctx.settings.picture_distance)[number]
    refund = pictures.refund[mine]
    buyer = ctx.snapshot.refunds.buyer[refund]
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
        keys=Keys(np.full(len(shared), "", object), size[shared], one_home(ctx, key, who[rows], len(shared))),
    )


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
        "account say nothing; a stock picture used by many people who do not act alike turns out benign."
    ),
    family=Family.CONDUCT,
    run=run,
    prior=0.15,
    ceiling=0.15,
    weight=1.3,
    written=True,
)
