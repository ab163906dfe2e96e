"""The version of Ringfence that is running; part of what a run rests on."""

from __future__ import annotations

from importlib import metadata


def ringfence_version() -> str:
    """The installed distribution's version, or `0` where the code runs without having been installed."""
    try:
        return metadata.version("ringfence")
    except metadata.PackageNotFoundError:
        return "0"
