"""What a profile and a level promise (Annex A): a name, and the frames a decoder must hold."""

from __future__ import annotations

# Table A-1: MaxDpbMbs. Level 1b is level_idc 9 (or 11 with constraint_set3_flag, see below).
_MAX_DPB_MBS = {
    9: 396,
    10: 396,
    11: 900,
    12: 2376,
    13: 2376,
    20: 2376,
    21: 4752,
    22: 8100,
    30: 8100,
    31: 18000,
    32: 20480,
    40: 32768,
    41: 32768,
    42: 34816,
    50: 110400,
    51: 184320,
    52: 184320,
    60: 696320,
    61: 696320,
    62: 696320,
}

# A.2: the profiles by profile_idc.
_PROFILES = {
    44: "CAVLC 4:4:4 Intra",
    66: "Baseline",
    77: "Main",
    83: "Scalable Baseline",
    86: "Scalable High",
    88: "Extended",
    100: "High",
    110: "High 10",
    118: "Multiview High",
    122: "High 4:2:2",
    128: "Stereo High",
    134: "MFC High",
    135: "MFC Depth High",
    138: "Multiview Depth High",
    139: "Enhanced Multiview Depth High",
    144: "High 4:4:4",
    244: "High 4:4:4 Predictive",
}

# Profiles that constraint flags narrow down, the narrowest first: (profile_idc, flags, name).
_CONSTRAINED_PROFILES = (
    (66, 0x40, "Constrained Baseline"),
    (100, 0x0C, "Constrained High"),
    (100, 0x08, "Progressive High"),
    (110, 0x10, "High 10 Intra"),
    (110, 0x08, "Progressive High 10"),
    (122, 0x10, "High 4:2:2 Intra"),
    (244, 0x10, "High 4:4:4 Intra"),
)

_CONSTRAINT_SET3 = 0x10
_INTRA_PROFILES = frozenset((44, 86, 100, 110, 122, 244))


def profile_name(profile_idc: int, constraint_flags: int) -> str:
    """What the profile is called.

    >>> profile_name(100, 0), profile_name(66, 0xC0), profile_name(7, 0)
    ('High', 'Constrained Baseline', 'profile_idc 7')
    """
    for idc, flags, name in _CONSTRAINED_PROFILES:
        if idc == profile_idc and constraint_flags & flags == flags:
            return name
    return _PROFILES.get(profile_idc, f"profile_idc {profile_idc}")


def max_dpb_frames(
    profile_idc: int, constraint_flags: int, level_idc: int, frame_size_in_mbs: int
) -> int:
    """Frames that the decoded picture buffer must hold (A.3.1 item h, E.2.1); at most 16.

    A level that the standard does not know promises 16. Intra-only profiles need none.

    >>> max_dpb_frames(100, 0, 40, 120 * 68)
    4
    """
    set3 = bool(constraint_flags & _CONSTRAINT_SET3)
    if set3 and profile_idc in _INTRA_PROFILES:
        return 0
    if set3 and level_idc == 11 and profile_idc in (66, 77, 88):
        level_idc = 9
    max_dpb_mbs = _MAX_DPB_MBS.get(level_idc)
    return 16 if max_dpb_mbs is None else min(max_dpb_mbs // frame_size_in_mbs, 16)


def max_reorder_frames(level_idc: int, frame_size_in_mbs: int) -> int:
    """The reorder depth that libavcodec, if strict, assumes of a stream that states none.

    Its table ends at level 5.2 and knows no level 1b, and its bound is 15.

    >>> max_reorder_frames(40, 120 * 68), max_reorder_frames(10, 1), max_reorder_frames(62, 1)
    (4, 15, 15)
    """
    if not 10 <= level_idc <= 52 or level_idc not in _MAX_DPB_MBS:
        return 15
    return min(_MAX_DPB_MBS[level_idc] // frame_size_in_mbs, 15)
