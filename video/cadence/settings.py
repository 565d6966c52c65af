"""Settings of x264 that users may give, and those that the ladder decides itself.

libavcodec passes over a setting that x264 does not know with a warning that nobody sees, and
other programs spell switches in their own way: so names are checked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType

from ...errors import ConfigError
from .ladder import Ladder
from .quality import Quality, Quantisers

PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
"""From fast to good."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TUNES = _words(
    "film animation grain stillimage psnr ssim fastdecode"
)  # zerolatency forbids B pictures
_SWITCHES = _words(
    "8x8dct cabac chroma-me dct-decimate deterministic fast-pskip mbtree mixed-refs psy weightb"
)
_VALUES = _words(
    "aq-mode aq-strength chroma-qp-offset chromaloc colormatrix colorprim cplxblur crf-max "
    "cqm deadzone-inter deadzone-intra deblock direct filler ipratio level lookahead-threads "
    "me merange mvrange nr overscan partitions pbratio psy-rd qblur qcomp qpmax qpmin qpstep "
    "rc-lookahead ref slice-max-mbs slice-max-size slices subme sync-lookahead threads "
    "transfer trellis tune vbv-bufsize vbv-init vbv-maxrate videoformat weightp"
)
_ALIASES: Mapping[str, str] = MappingProxyType(
    {"subq": "subme", "analyse": "partitions", "deblock-alpha": "deblock", "frameref": "ref"}
)
_OF_THE_LADDER = _words(
    "annexb b-adapt b-bias b-pyramid bff bframes bluray-compat fake-interlaced frame-packing "
    "interlaced intra-refresh keyint-min min-keyint nal-hrd open-gop pic-struct pulldown "
    "qpfile repeat-headers scenecut sliced-threads stitchable tff"
)
_OF_QUALITY = _words("bitrate crf pass qp qp_constant ratetol stats zones")
_OF_QUANTISERS = _words(
    "aq-mode aq-strength crf-max ipratio mbtree pbratio qcomp qpmax qpmin qpstep vbv-bufsize "
    "vbv-init vbv-maxrate"
)
_GOP = "keyint"


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """What the encoder is told beside the pictures and their coding."""

    preset: str = "medium"
    """One of `PRESETS`."""
    tune: str | None = None
    """A tuning of x264."""
    gop: int | None = None
    """Frames from one IDR picture to the next, if the user says."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Settings of the user: names of x264, a switch's value is `1` or `0`."""


def parse_settings(preset: str, parameters: Sequence[str]) -> EncoderSettings:
    """Check a preset and settings such as `ref=4`, `no-mbtree` or `aq-mode=2:psy-rd=1,0.1`.

    Raises:
        ConfigError: A name that x264 does not have, or one that the ladder decides.

    >>> parse_settings("fast", ["ref=4:no-mbtree"]).given
    {'ref': '4', 'mbtree': '0'}
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset {preset!r}: expected one of {', '.join(PRESETS)}")
    given: dict[str, str] = {}
    for pair in (pair for text in parameters for pair in text.split(":")):
        name, value = _parse_setting(pair)
        given[name] = value
    tune, gop = given.pop("tune", None), given.pop(_GOP, None)
    if tune is not None and tune not in _TUNES:
        raise ConfigError(
            f"x264 setting tune={tune}: expected one of {', '.join(sorted(_TUNES))}"
        )
    if gop is not None and not gop.isdecimal():
        raise ConfigError(f"x264 setting keyint={gop}: expected a number of frames")
    return EncoderSettings(preset, tune, None if gop is None else int(gop), given)


def _parse_setting(pair: str) -> tuple[str, str]:
    name, separator, value = pair.strip().lstrip("-").partition("=")
    name = name.replace("_", "-")
    name = _ALIASES.get(name, name)
    negated = name.removeprefix("no-")
    if name not in _VALUES and negated in _SWITCHES:
        on = not separator or value.lower() in ("1", "true", "yes")
        if separator and not on and value.lower() not in ("0", "false", "no"):
            raise ConfigError(f"x264 setting {pair!r}: expected 0 or 1")
        return negated, str(int(on == (negated == name)))
    if negated in _OF_THE_LADDER:
        raise ConfigError(
            f"x264 setting {name!r}: the ladder decides it, since it closes the lower rates"
        )
    if name in _OF_QUALITY:
        raise ConfigError(f"x264 setting {name!r}: say it with quality")
    if name not in _VALUES and name != _GOP:
        near = get_close_matches(name, (*_VALUES, *_SWITCHES, _GOP), n=3)
        offer = f"; near it are {', '.join(near)}" if near else ""
        raise ConfigError(f"x264 setting {name!r}: x264 has none of that name{offer}")
    if not value or any(character in value for character in "\0\n\r "):
        raise ConfigError(f"x264 setting {pair!r}: expected {name}=VALUE")
    return name, value


def ladder_settings(
    ladder: Ladder, quality: Quality, settings: EncoderSettings
) -> dict[str, str]:
    """All settings of x264 by name: the user's, and those that the ladder rests on.

    Raises:
        ConfigError: A setting that would change exact quantisers.
    """
    chosen = dict(settings.given)
    if isinstance(quality, Quantisers):
        for name in _OF_QUANTISERS & chosen.keys():
            raise ConfigError(
                f"x264 setting {name!r}: it changes quantisers, and quality gives exact ones"
            )
    return chosen | {
        "keyint": str(ladder.gop),
        "min-keyint": "1",
        "scenecut": "0",
        "bframes": str(ladder.longest_run),
        "b-adapt": "0",
        "b-pyramid": "strict" if ladder.pyramid else "none",
        "open-gop": "0",
        "intra-refresh": "0",
    }


def is_switch(name: str) -> bool:
    """Whether a setting is on or off: programs spell those `--name` and `--no-name`."""
    return name in _SWITCHES
