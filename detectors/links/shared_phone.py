"""Shared phone: accounts that give the same phone number for delivery."""

from __future__ import annotations

from detectors.contract import Context, Detector, Evidence, Family
from detectors.links.sharing import WRITTEN_AFTER, shared_identifier


def run(ctx: Context) -> Evidence:
    """One row each account of each shared phone."""
    return shared_identifier(ctx, DETECTOR.name, "phone", owned_for=WRITTEN_AFTER)


DETECTOR = Detector(
    name="shared_phone",
    title="the same phone number",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=(
        "Accounts that gave one phone number. Families share them, and numbers are handed on to strangers. Whose it "
        "was before is not linked by others who write it."
    ),
    family=Family.INSTRUMENT,
    run=run,
    prior=0.003,
    ceiling=0.05,
    weight=0.6,
    written=True,
)
