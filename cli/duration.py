"""Lengths of time on the command line: `90s`, `30m`, `1h`, `2d`."""

from __future__ import annotations

import re

from graph.errors import BadInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str, *, where: str) -> int:
    """Seconds of a length of time such as `1h` or `1h30m`. Raises `BadInput`."""
    total = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
    if not re.fullmatch(r"(\d+[smhd])+", text) or total < 1:
        raise BadInput(f"{text!r} is no length of time", where=where, do="write it as 90s, 30m, 1h or 2d")
    return total
