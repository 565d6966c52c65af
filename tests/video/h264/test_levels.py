"""Annex A: Table A-1 by its own examples."""

import pytest

from marey.video.h264.levels import max_dpb_frames, max_reorder_frames, profile_name

QCIF, VGA, HD, FULL_HD, UHD = 11 * 9, 40 * 30, 80 * 45, 120 * 68, 240 * 135


@pytest.mark.parametrize(
    ("level_idc", "size", "frames"),
    [
        (10, QCIF, 4),
        (11, QCIF, 9),
        (30, VGA, 6),
        (31, HD, 5),
        (40, FULL_HD, 4),
        (51, FULL_HD, 16),
        (51, UHD, 5),
        (62, UHD, 16),
        (10, FULL_HD, 0),
        (77, FULL_HD, 16),
    ],
)
def test_frames_that_a_level_holds(level_idc: int, size: int, frames: int) -> None:
    assert max_dpb_frames(100, 0, level_idc, size) == frames


@pytest.mark.parametrize(
    ("profile_idc", "flags", "level_idc", "frames"),
    [
        (77, 0x10, 11, 4),  # level 1b
        (77, 0, 11, 9),
        (77, 0, 9, 4),
        (110, 0x10, 31, 0),  # High 10 Intra
        (244, 0x10, 31, 0),
        (110, 0x20, 31, 16),
    ],
)
def test_constraint_set3(profile_idc: int, flags: int, level_idc: int, frames: int) -> None:
    assert max_dpb_frames(profile_idc, flags, level_idc, QCIF) == frames


@pytest.mark.parametrize(
    ("level_idc", "size", "frames"),
    [(31, HD, 5), (51, QCIF, 15), (9, QCIF, 15), (60, UHD, 15), (10, FULL_HD, 0)],
)
def test_reorder_depth_of_a_strict_libavcodec(level_idc: int, size: int, frames: int) -> None:
    assert max_reorder_frames(level_idc, size) == frames


@pytest.mark.parametrize(
    ("profile_idc", "flags", "name"),
    [
        (66, 0x00, "Baseline"),
        (66, 0x40, "Constrained Baseline"),
        (77, 0x40, "Main"),
        (100, 0x00, "High"),
        (100, 0x08, "Progressive High"),
        (100, 0x0C, "Constrained High"),
        (110, 0x10, "High 10 Intra"),
        (122, 0x00, "High 4:2:2"),
        (244, 0x00, "High 4:4:4 Predictive"),
        (48, 0x00, "profile_idc 48"),
    ],
)
def test_profile_names(profile_idc: int, flags: int, name: str) -> None:
    assert profile_name(profile_idc, flags) == name
