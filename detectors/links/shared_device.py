"""Shared device: accounts that order or log in from the same device."""

from __future__ import annotations

from detectors.contract import Context, Detector, Evidence, Family
from detectors.links.sharing import HANDED_ON_AFTER, shared_identifier


def run(ctx: Context) -> Evidence:
    """One row each account of each shared device."""
    return shared_identifier(ctx, DETECTOR.name, "device", owned_for=HANDED_ON_AFTER)


DETECTOR = Detector(
    name="shared_device",
    title="the same device",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=(
        "Accounts seen on one device, in orders or elsewhere. A couple's tablet is shared too; a device of many is "
        "rare."
    ),
    family=Family.INSTRUMENT,
    run=run,
    prior=0.003,
    ceiling=0.05,
    weight=0.6,
)
