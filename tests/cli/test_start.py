"""A command starts without what it does not need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command

SCRIPT = """
import atexit, sys
atexit.register(lambda: print("pandas was read in:", "pandas" in sys.modules))
from cli.main import main
sys.argv[1:] = ["judge", "list"]
main()
"""


def printed(script: str) -> str:
    """What a Python of its own prints over the store that was loaded."""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(autouse=True)
def _loaded(ringfence: Command, home: Path) -> None:
    export = home / "export"
    assert ringfence("simulate", export, "--buyers", 300, "--seed", 1).code == 0
    assert ringfence("load", export).code == 0


def test_a_command_that_reads_rows_reads_no_pandas_in() -> None:
    assert importlib.util.find_spec("pandas"), "pandas is installed where tests run, or this shows nothing"
    assert "pandas was read in: False" in printed(SCRIPT)


BATCH = """
import os, sys
leave = os._exit

def told(code):
    print("read in:", [name for name in ("scipy.special", "numpy.f2py", "numpy.testing") if name in sys.modules])
    sys.stdout.flush()
    leave(code)

os._exit = told
sys.argv[1:] = ["detect", "--json"]
from cli.start import main
main()
"""


def test_a_detection_reads_no_wrappers_and_tests_of_numpy_in() -> None:
    assert "read in: ['scipy.special']" in printed(BATCH)
