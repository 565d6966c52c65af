"""Planning takes neither a decoder nor a storage engine: whoever plans pays for neither."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"av", "lance", "pyarrow", "datafusion", "pandas", "torch"}


@pytest.mark.parametrize("module", ["marey", "marey.video.plan", "marey.video.index.frames"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(found.stdout.split())
    assert module in loaded
    assert not loaded & HEAVY
