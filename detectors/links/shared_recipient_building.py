"""Shared recipient and building: the same name on parcels to the same building, whatever door or phone is written."""

from __future__ import annotations

import numpy as np

from detectors.contract import ORDERS, Context, Detector, Evidence, Family, nothing
from detectors.links.sharing import Sightings, star, without_owners
from detectors.numerics import group


def sight(ctx: Context) -> tuple[Sightings, np.ndarray[tuple[int], np.dtype[np.object_]]]:
    """Orders that name both a recipient and a building, and the recipient's identifier for each pair."""
    orders = ctx.snapshot.orders
    recipient, building = orders.used["recipient"], orders.used["building"]
    both = np.flatnonzero((recipient >= 0) & (building >= 0)).astype(np.int32)
    pairs = group(recipient[both], building[both])
    labels = ctx.snapshot.identifiers["recipient"][recipient[both][pairs.first]]
    seen = Sightings(
        key=pairs.of,
        buyer=orders.buyer[both],
        at=orders.at[both],
        table=np.full(len(both), ORDERS, np.int8),
        row=both,
    )
    return seen, labels


def run(ctx: Context) -> Evidence:
    """One row each account of each recipient and building that several accounts share."""
    seen, labels = sight(ctx)
    return star(ctx, DETECTOR.name, without_owners(seen), labels) if len(seen.key) else nothing(DETECTOR.name)


DETECTOR = Detector(
    name="shared_recipient_building",
    title="the same recipient in the same building",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=(
        "Accounts whose parcels carry one name to one building, even where door, phone and writing differ. Common "
        "names in large buildings meet by chance. Who had it alone for a month before is not linked by others."
    ),
    family=Family.PLACE,
    run=run,
    prior=0.001,
    ceiling=0.01,
    weight=0.3,
)
