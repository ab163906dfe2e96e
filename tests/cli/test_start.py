"""A command starts without what it does not need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command

SCRIPT = """
import atexit, sys
atexit.register(lambda: print("pandas was read in:", "pandas" in sys.modules))
from cli.main import main
sys.argv[1:] = ["judge", "list"]
main()
"""


def test_a_command_that_reads_rows_reads_no_pandas_in(ringfence: Command, home: Path) -> None:
    assert importlib.util.find_spec("pandas"), "pandas is installed where tests run, or this shows nothing"
    export = home / "export"
    assert ringfence("simulate", export, "--buyers", 300, "--seed", 1).code == 0
    assert ringfence("load", export).code == 0
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "pandas was read in: False" in ended.stdout
