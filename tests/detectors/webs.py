"""Webs of shared keys, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.contract import Family
from detectors.web import FAMILIES, Web

PRIOR = -1.7


def web_of(*keys: tuple[Family, Sequence[int]]) -> Web:
    """A web of these keys, each of a family, with the numbers of the accounts that share it."""
    size = np.array([len(accounts) for _, accounts in keys])
    family = np.array([family.value for family, _ in keys], np.int32)
    key = np.repeat(np.arange(len(keys), dtype=np.int32), size)
    buyer = np.concatenate([np.sort(np.array(accounts, np.int32)) for _, accounts in keys])
    return Web(
        key=key,
        buyer=buyer,
        owned=np.zeros(len(key), np.int8),
        part=np.zeros(len(key)),
        detector=np.zeros(len(keys), np.int32),
        family=family,
        size=size,
        weight=np.ones(len(keys)),
        pairs=np.zeros(len(keys), bool),
        written=np.zeros(len(keys), bool),
        met=np.zeros(len(keys), bool),
        klass=np.zeros(len(keys), np.int64),
        prior=np.full(len(keys), PRIOR),
        alias=np.arange(len(keys)),
        base=np.full(len(keys), PRIOR),
        seat=buyer.astype(np.int64) * FAMILIES + family[key],
        n=int(buyer.max()) + 1,
    )
