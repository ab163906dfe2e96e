"""Components over shared identifiers.

What most platforms start from: whoever shares any identifier is one, and the group's claims per order are the score.
The second form knows better: only devices, phones and payment instruments of at most twenty accounts join, and an
account scores by the surprise of its claims or of its group's, whichever is less.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.metrics import Outcome
from benchmarks.quality.markets import Case
from benchmarks.quality.peers.common import ANY, INSTRUMENTS, claims_of, components, ranked, shared, surprise

HUB: Final = 20


def any_identifier(case: Case) -> Outcome:
    """Device, phone, payment, door, recipient or network in common."""
    claims = claims_of(case.snapshot)
    label = components(len(claims.orders), shared(case.snapshot, ANY))
    rate = np.bincount(label, claims.claimed) / np.maximum(np.bincount(label, claims.orders), 1.0)
    alone = np.bincount(label)[label] < 2
    return ranked(case.truth, np.where(alone, 0.0, rate[label]), np.where(alone, -1, label))


def hub_capped(case: Case) -> Outcome:
    """Device, phone or payment instrument in common, of at most twenty accounts."""
    claims = claims_of(case.snapshot)
    label = components(len(claims.orders), shared(case.snapshot, INSTRUMENTS).at_most(HUB))
    return ranked(case.truth, surprise(claims, label), label)
