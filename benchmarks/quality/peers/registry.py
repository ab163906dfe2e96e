"""All peers by name, in the order of the table."""

from __future__ import annotations

from typing import Final

from benchmarks.quality.peers import fraudar, leiden, linkage, rates, shared_identifiers, synchrotrap, trained
from benchmarks.quality.results import Method

ROOMS: Final = ("benchmarks/quality/peers", "detectors/links/shared_picture.py")

PEERS: Final = (
    Method("any shared identifier", shared_identifiers.any_identifier, ROOMS),
    Method("hub-capped components", shared_identifiers.hub_capped, ROOMS),
    Method("leiden", leiden.run, ROOMS),
    Method("fraudar", fraudar.run, ROOMS),
    Method("synchrotrap", synchrotrap.run, ROOMS),
    Method("isolation forest", rates.isolation_forest, ROOMS),
    Method("empirical bayes", rates.empirical_bayes, ROOMS),
    Method("splink", linkage.run, ROOMS),
    Method("shallow, trained", trained.shallow, ROOMS),
    Method("boosting, half the truth", trained.boosting, ROOMS),
)
