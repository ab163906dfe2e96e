"""Shared door: accounts whose parcels go to the same flat, however its address is written."""

from __future__ import annotations

from detectors.contract import Context, Detector, Evidence, Family
from detectors.links.sharing import WRITTEN_AFTER, shared_identifier


def run(ctx: Context) -> Evidence:
    """One row each account of each shared door."""
    return shared_identifier(ctx, DETECTOR.name, "door", owned_for=WRITTEN_AFTER)


DETECTOR = Detector(
    name="shared_door",
    title="the same door",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=(
        "Accounts that had orders sent to one door. Households share doors; so do parcel stations, which fusion "
        "tells apart."
    ),
    family=Family.PLACE,
    run=run,
    prior=0.001,
    ceiling=0.01,
    weight=0.3,
    written=True,
)
