"""How the command `ringfence` starts: its parts are imported where an interrupt is answered in one line already."""

from __future__ import annotations

import os
import sys

# nothing here multiplies matrices: threads of the linear algebra library would only wait, and waiting takes time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Run the command; Ctrl-C while it is still being read in ends it as it would later."""
    try:
        from cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
