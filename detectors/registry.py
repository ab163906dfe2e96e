"""Every detector, in the order in which they run and are documented; and the reference page made from them."""

from __future__ import annotations

from typing import Final

from detectors.accounts import (
    activity,
    bursts,
    claim_excess,
    complaints,
    refund_only_excess,
    repeated_stores,
    swapped_return,
)
from detectors.contract import Detector, Family
from detectors.links import (
    comeback,
    lockstep,
    same_targets,
    shared_device,
    shared_door,
    shared_ip,
    shared_parcel,
    shared_payment,
    shared_phone,
    shared_picture,
)
from detectors.settings import DetectionSettings

PLAIN: Final[tuple[Detector, ...]] = (
    shared_device.DETECTOR,
    shared_door.DETECTOR,
    shared_phone.DETECTOR,
    shared_payment.DETECTOR,
    shared_ip.DETECTOR,
    shared_picture.DETECTOR,
    shared_parcel.DETECTOR,
    lockstep.DETECTOR,
    comeback.DETECTOR,
)
"""Link detectors that look at the snapshot alone."""

JOINT: Final[tuple[Detector, ...]] = (same_targets.DETECTOR,)
"""Link detectors that look at the groups which the plain ones name."""

LINKS: Final[tuple[Detector, ...]] = PLAIN + JOINT
"""Run once: what is shared does not depend on who is suspected."""

ACCOUNTS: Final[tuple[Detector, ...]] = (
    activity.DETECTOR,
    claim_excess.DETECTOR,
    refund_only_excess.DETECTOR,
    swapped_return.DETECTOR,
    complaints.DETECTOR,
    bursts.DETECTOR,
    repeated_stores.DETECTOR,
)
"""Run in every round, as they learn from the former round who is likely honest."""

ALL: Final[tuple[Detector, ...]] = LINKS + ACCOUNTS

_FAMILIES: Final = {
    Family.PLACE: "place: what neighbours and housemates share",
    Family.INSTRUMENT: "instrument: what one person holds",
    Family.CONDUCT: "conduct: claims that were made together",
    Family.ACCOUNT: "account: what it did on its own",
}


def by_name(name: str) -> Detector:
    """The detector of that name; KeyError where there is none."""
    return {detector.name: detector for detector in ALL}[name]


def reference() -> str:
    """Markdown of all detectors and settings, for the generated documentation."""
    lines = ["# Detectors", ""]
    for detector in ALL:
        lines += [
            f"## {detector.name}",
            "",
            f"**{detector.title}** ({_FAMILIES[detector.family]}).",
            "",
            detector.doc,
            "",
        ]
        lines += [f"Source: {detector.source}.", ""]
        if detector.family is not Family.ACCOUNT:
            lines += [
                f"Prior that such a key stands for acting together: {detector.prior:g}. "
                f"Weight of what it says: {detector.weight:g}.",
                "",
            ]
    lines += ["# Detection settings", "", "| setting | default | meaning |", "|---|---|---|"]
    for name, field in DetectionSettings.model_fields.items():
        lines.append(f"| `{name}` | {field.default} | {field.description} |")
    return "\n".join(lines) + "\n"
