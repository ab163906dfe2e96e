"""How the command `ringfence` starts: its parts are imported where an interrupt is answered in one line already."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

# nothing here multiplies matrices: threads of the linear algebra library would only wait, and waiting takes time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


_BATCH = ("load", "detect")
_TRIM, _PAD, _MAPPED, _ARENAS = -1, -2, -3, -8
"""Parameters of mallopt(3)."""


def _keep_memory() -> None:
    """Let the allocator keep what is freed: columns of one size come and go, and having the kernel clear their pages
    each time is a tenth of the time. Where there is no glibc nothing is changed."""
    import ctypes

    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in ((_ARENAS, 1), (_MAPPED, 32 << 20), (_TRIM, 1 << 30), (_PAD, 64 << 20)):
            libc.mallopt(parameter, value)


def main() -> None:
    """Run the command; Ctrl-C while it is still being read in ends it as it would later."""
    if sys.argv[1:2] and sys.argv[1] in _BATCH and "--every" not in sys.argv:
        # the command ends before what it leaves in circles could fill the memory; looking for it takes time, too
        gc.set_threshold(1_000_000, 20, 100)
        _keep_memory()
    try:
        from cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
