"""Hubs: identifiers that many accounts share, and what was made of them.

Dormitories, parcel stations, cafes, offices and carriers' networks are shared by hundreds who have nothing to do with
each other. Whether a hub's people act alike is what fusion found of the key; this lists it for people to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.contract import Context, Evidence
from detectors.fusion import Beliefs
from detectors.numerics import tally
from detectors.web import Web
from detectors.words.fact import Fact, fact
from graph.snapshot import Floats, Longs


@dataclass(frozen=True)
class Hub:
    """One identifier shared by many: its id and kind, accounts, their claims and expected claims, the nats that its
    people act together, the verdict and what is `said` of it."""

    identifier: str
    kind: str
    buyers: int
    claims: int
    expected: float
    nats: float
    verdict: str
    said: Fact


def find_hubs(
    ctx: Context, web: Web, beliefs: Beliefs, links: Sequence[Evidence], claims: Longs, expected: Floats
) -> list[Hub]:
    """Identifiers of at least `hub_buyers` accounts, sorted by identifier id."""
    hubs = []
    start = 0
    for item in links:
        size = len(item.keys.size)
        large = np.flatnonzero(item.keys.size >= ctx.settings.hub_buyers)
        if len(large) and item.detector.removeprefix("shared_") in (
            "device",
            "door",
            "building",
            "phone",
            "payment",
            "ip",
        ):
            linked = np.flatnonzero(item.key >= 0)
            got = tally(item.key[linked], claims[item.buyer[linked]], size)
            due = tally(item.key[linked], expected[item.buyer[linked]], size)
            for key in large.tolist():
                kept = int(web.alias[start + key])
                hubs.append(
                    _hub(
                        str(item.keys.label[key]),
                        int(item.keys.size[key]),
                        int(got[key]),
                        float(due[key]),
                        float(beliefs.guilt[kept]),
                        float(web.prior[kept] + beliefs.scarce + beliefs.learned[kept]),
                    )
                )
        start += size
    return sorted(hubs, key=lambda hub: hub.identifier)


def _hub(identifier: str, buyers: int, claims: int, expected: float, guilt: float, log_prior: float) -> Hub:
    verdict = "abusive" if guilt >= 0.5 else "benign" if guilt < 0.1 else "unclear"
    kind = identifier.partition(":")[0]
    bounded = min(max(guilt, 1e-13), 1 - 1e-13)
    nats = float(np.log(bounded) - np.log1p(-bounded)) - log_prior
    said = fact("hub", kind=kind, accounts=buyers, claims=claims, expected=round(expected, 2), verdict=verdict)
    return Hub(identifier, kind, buyers, claims, expected, nats, verdict, said)
