"""Parameter sets in the form that a decoder takes: before the first sample, and in between.

A dropped sample may have carried sets that a kept one needs; they are put before that one.
Sending a set again that the sample itself carries changes nothing (7.4.1.2.1 asks only that the
content agree).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from ...errors import UnsupportedError
from ..h264.avcc import AvcConfig, build_avcc
from ..index.frames import FrameIndex, Int64s, ParameterSets

_START_CODE = b"\x00\x00\x00\x01"
# An avcC record counts sequence parameter sets in 5 bits and picture parameter sets in 8.
_MOST_SPS = 31
_MOST_PPS = 255
# Sets that are sent again, in all: a stream can change a small one thousands of times beside
# large ones that hang on it.
_MOST_SENT_AGAIN = 64 << 20


@lru_cache(maxsize=64)
def extradata(sets: ParameterSets, nal_length_size: int) -> bytes:
    """The sets as an avcC record, or as Annex B for a stream of start codes (size 0)."""
    if not nal_length_size:
        return b"".join(_START_CODE + nal for nal in (*sets.sps, *sets.pps))
    profile = sets.sps[0][1:4] if sets.sps else b"\x00\x00\x00"
    return build_avcc(
        AvcConfig(
            profile=profile[0],
            compatibility=profile[1],
            level=profile[2],
            length_size=nal_length_size,
            sps=sets.sps[:_MOST_SPS],
            pps=sets.pps[:_MOST_PPS],
            tail=b"",
        )
    )


def first_prefix(sets: ParameterSets, nal_length_size: int) -> bytes:
    """What must come before the first sample beside `extradata`: messages, and sets beyond
    its counts.
    """
    if not sets.sei and len(sets.sps) <= _MOST_SPS and len(sets.pps) <= _MOST_PPS:
        return b""
    overflow = (*sets.sps[_MOST_SPS:], *sets.pps[_MOST_PPS:]) if nal_length_size else ()
    return _framed((*overflow, *sets.sei), nal_length_size)


def prefixes(index: FrameIndex, samples: Int64s) -> Mapping[int, bytes]:
    """What to put before which of the samples, given `extradata` of the first one's sets.

    Raises:
        UnsupportedError: It comes to more than 64 MiB.
    """
    if not len(samples):
        return {}
    first = int(samples[0])
    delivered = index.parameter_sets_at(first)
    found: dict[int, bytes] = {}
    if prefix := first_prefix(delivered, index.nal_length_size):
        found[first] = prefix
    if index.parameter_sets[-1].first_sample <= first:
        return found
    sent = 0
    for sample in samples.tolist():
        sets = index.parameter_sets_at(sample)
        if sets is delivered:
            continue
        known = {*delivered.sps, *delivered.pps}
        changed = [nal for nal in (*sets.sps, *sets.pps) if nal not in known]
        # A picture parameter set stays bound to the sequence parameter set it was sent after.
        if any(nal in sets.sps for nal in changed):
            changed = [nal for nal in sets.sps if nal in changed] + list(sets.pps)
        sent += sum(map(len, changed))
        if sent > _MOST_SENT_AGAIN:
            raise UnsupportedError(
                f"{sent} bytes of parameter sets to send again by sample "
                f"{index.clip_sample(sample)}, expected at most {_MOST_SENT_AGAIN}"
            )
        found[sample] = found.get(sample, b"") + _framed(changed, index.nal_length_size)
        delivered = sets
    return found


def _framed(nals: Iterable[bytes], length_size: int) -> bytes:
    if not length_size:
        return b"".join(_START_CODE + nal for nal in nals)
    return b"".join(len(nal).to_bytes(length_size, "big") + nal for nal in nals)
