"""Shared IP: accounts seen at the same IP address. Weak, as offices, cafes and carriers share theirs."""

from __future__ import annotations

from detectors.contract import Context, Detector, Evidence, Family
from detectors.links.sharing import shared_identifier


def run(ctx: Context) -> Evidence:
    """One row each account of each shared IP address."""
    return shared_identifier(ctx, DETECTOR.name, "ip", owned_for=0)


DETECTOR = Detector(
    name="shared_ip",
    title="the same IP address",
    source="Rarity of the sharing as a likelihood ratio: Sellke, Bayarri & Berger 2001, doi:10.1198/000313001300339950",
    doc=(
        "Accounts seen at one address of the internet. Carriers and cafes put thousands behind one; small ones are "
        "homes."
    ),
    family=Family.PLACE,
    run=run,
    prior=0.0002,
    ceiling=0.002,
    weight=0.4,
)
