"""Instants as people write them and as they are kept: ISO 8601 text and UTC microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from graph.errors import BadInput

DAY = 86_400_000_000
"""Microseconds in a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_iso(at: int) -> str:
    """ISO 8601 text in UTC, to the second where nothing is lost by it: `2024-12-31T16:00:00Z`."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.isoformat(timespec="seconds" if moment.microsecond == 0 else "microseconds")[:-6] + "Z"


def from_iso(text: str, *, where: str) -> int:
    """UTC microseconds of ISO 8601 text; a date alone is its first instant in UTC, a time needs an offset.

    Raises `BadInput` naming `where` the text was given."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(
            f"{text!r} is no instant", where=where, do="write it as 2024-12-31 or 2024-12-31T16:00:00Z"
        ) from None
    if moment.tzinfo is None:
        if len(text.strip()) > len("2024-12-31"):
            raise BadInput(f"{text!r} has no offset", where=where, do="add Z or an offset such as +08:00")
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND
