"""Shared payment: accounts that pay with the same instrument."""

from __future__ import annotations

from detectors.contract import Context, Detector, Evidence, Family
from detectors.links.sharing import HANDED_ON_AFTER, shared_identifier


def run(ctx: Context) -> Evidence:
    """One row each account of each shared payment instrument."""
    return shared_identifier(ctx, DETECTOR.name, "payment", owned_for=HANDED_ON_AFTER)


DETECTOR = Detector(
    name="shared_payment",
    title="the same payment instrument",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=("Accounts that paid with one card or wallet, beyond what households do."),
    family=Family.INSTRUMENT,
    run=run,
    prior=0.003,
    ceiling=0.05,
    weight=0.6,
)
