"""A scan's resident memory follows its budget, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from marey.tests.bench import streaming

MIB = 1 << 20
ROWS = 200
OVERHEAD = 300 * MIB
"""Decoders, indexes, libraries: what there is beside the budget."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    root: Path = tmp_path_factory.mktemp("streaming")
    streaming.write_rows(str(root), ROWS, side=48)
    return str(root)


@pytest.mark.parametrize("budget", [8 * MIB, 64 * MIB])
def test_a_scan_of_more_than_memory_is_meant_to_hold_streams(root: str, budget: int) -> None:
    found = streaming.measure(root, budget_bytes=budget)
    assert found.rows == ROWS
    # All frames together would not fit beneath the bar.
    assert found.growth < budget + OVERHEAD < ROWS * streaming.ROW_BYTES
