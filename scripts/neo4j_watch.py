"""Runs one Java process and ends it when its owner has ended: `python neo4j_watch.py OWNER PIDFILE COMMAND…`.

OWNER is a process id; 0 stands for nobody, the process then runs until it is ended. A test run that is killed leaves
no server behind: this process sees that its owner has gone, and on Linux the kernel ends the server where this
process is killed itself. SIGTERM and SIGINT are passed on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

LOOK_EVERY_SECONDS = 0.3
PATIENCE_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return not Path("/proc/self/stat").exists()
    return state not in ("Z", "X")


def _die_with_parent() -> None:
    # runs in the child between fork and exec; this process has one thread, so that is safe
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def watch(owner: int, pidfile: Path, command: list[str]) -> int:
    """Run the command until it ends or its owner has. Returns its exit code."""
    before = _die_with_parent if sys.platform == "linux" else None
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=before)  # noqa: PLW1509  one thread

    def pass_on(number: int, _frame: object) -> None:
        process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    pidfile.write_text(str(process.pid), "utf-8")
    while True:
        try:
            return process.wait(LOOK_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            if owner and not alive(owner):
                break
    process.terminate()
    try:
        return process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(watch(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
