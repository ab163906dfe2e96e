"""How the command `ringfence` starts: its parts are imported where an interrupt is answered in one line already."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is still being read in ends it as it would later."""
    try:
        from cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
