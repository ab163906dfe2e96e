"""The parts an address is read into, and the canonical strings made of them."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """An address at three levels, each a canonical string that includes its parents, or None where the text doesn't
    reach it.

    `door` is one household's or one office's door, `building` a building (with its phase or section), `estate` the
    estate, village or, where none is named, street and
    number. A string begins with the place (city or county), which is empty where the text names none; the `bare_` twins
    are the same strings without the place, so that a writing without city can later be joined to the only city that
    has such an estate (`graph.places`). `kind` is `estate`, `street`, `village`, `western`, `unparsed` or `empty`.
    """

    city: str | None
    door: str | None
    building: str | None
    estate: str | None
    bare_door: str | None
    bare_building: str | None
    bare_estate: str | None
    kind: str

    @property
    def level(self) -> str | None:
        """The finest level the text reaches: `door`, `building`, `estate` or None."""
        if self.door is not None:
            return "door"
        if self.building is not None:
            return "building"
        return "estate" if self.estate is not None else None


EMPTY = Address(None, None, None, None, None, None, None, "empty")


def assemble(
    city: str,
    estate: str,
    building: str,
    unit: str,
    room: str,
    kind: str,
    *,
    section: str = "",
    building_is_door: bool = False,
    loose: bool = False,
) -> Address:
    """Canonical strings from parts; empty parts are unknown. No part holds `|`: folding turns it into a comma.

    `section` is a phase, zone or village group: it tells buildings apart but is none. With `building_is_door` a
    building without a room is itself a
    door (a villa, a village house). `loose` marks a name without a place that can't be trusted to be the name which
    writings with a place give
    (it begins with what may be a district): its keys are made so that they meet no bare key of an address with a place.
    """
    if not estate:
        return Address(city or None, None, None, None, None, None, None, "place" if city else "empty")
    if loose:
        estate = "~" + estate
    block = f"{section}.{building}" if section and building else section or building
    bare_estate = "|" + estate
    bare_building = f"{bare_estate}|{block}" if building else None
    bare_door = f"{bare_estate}|{block}|{unit}|{room}" if room or (building_is_door and building) else None
    return Address(
        city or None,
        None if bare_door is None else city + bare_door,
        None if bare_building is None else city + bare_building,
        city + bare_estate,
        bare_door,
        bare_building,
        bare_estate,
        kind,
    )
