"""Parts that some tests need and a checkout may lack: the test skips and says why (a failure in CI, see conftest)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def require_data(name: str) -> Path:
    """The folder of a real data set below `RINGFENCE_DATA`; skips the test where it is not there."""
    root = os.environ.get("RINGFENCE_DATA", "")
    if not root:
        pytest.skip("RINGFENCE_DATA is not set: it names the folder of the real data sets")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"RINGFENCE_DATA holds no {name}")
    return folder
