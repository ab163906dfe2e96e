"""Shared building: accounts whose parcels go to the same building. Weak, as neighbours are strangers."""

from __future__ import annotations

from detectors.contract import Context, Detector, Evidence, Family
from detectors.links.sharing import shared_identifier


def run(ctx: Context) -> Evidence:
    """One row each account of each shared building."""
    return shared_identifier(ctx, DETECTOR.name, "building")


DETECTOR = Detector(
    name="shared_building",
    title="the same building",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=(
        "Accounts that had orders sent to one building. Almost nothing by itself; it counts where the neighbours "
        "act alike."
    ),
    family=Family.PLACE,
    run=run,
    prior=0.0002,
    ceiling=0.001,
    weight=0.2,
    joins=False,
)
