"""Log lines, set up once at the edge: JSON for machines, lines for people, always on standard error.

What is logged never holds a raw identifier: those are keyed before they reach any code that logs. Nor does a traceback
show what variables held: keys, and what people wrote, would be among it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TextIO, cast

import structlog

from cli.settings import LOG
from graph.errors import BadInput


class _StandardError:
    """Standard error as it is when a line is written, which need not be what it was when logging was set up."""

    def write(self, text: str) -> int:
        """Write text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Let go of what is buffered."""
        sys.stderr.flush()


def configure_log(env: Mapping[str, str]) -> None:
    """Send structlog to standard error in the form that `RINGFENCE_LOG` names. Raises `BadInput` for another form."""
    form = env.get(LOG, "") or ("lines" if sys.stderr.isatty() else "json")
    if form not in ("lines", "json"):
        raise BadInput(f"{form!r} is no form of log", where=LOG, do="use lines or json")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )
