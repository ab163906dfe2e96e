"""What the stores' checks say alike: about leases, and about space."""

from __future__ import annotations

from collections.abc import Sequence

from graph.store import Check

_LITTLE_SPACE = 256 << 20


def leases(held: Sequence[tuple[str, str, int]], now: int) -> Check:
    """Who holds leases: (name, holder, expires_at in UTC microseconds)."""
    live = [f"{name}: {holder}" for name, holder, until in held if until > now]
    left = [f"{name}: {holder}" for name, holder, until in held if until <= now]
    if left:
        told = "; ".join([*live, *(f"{one}, which ended without giving it back" for one in left)])
        return Check("leases", "warning", told, "nothing: the next load or run takes it over and sweeps what was left")
    return Check("leases", "ok", "; ".join(live) or "nobody writes")


def space(used: int, free: int) -> Check:
    """Bytes used and free where the store lies; a load may need as much again for a while."""
    told = f"{used / 1e6:,.1f} MB used, {free / 1e6:,.0f} MB free"
    if free < max(used // 2, _LITTLE_SPACE):
        return Check("space", "warning", told, "free some space, or move the store to a larger disk")
    return Check("space", "ok", told)
