"""Raw options of FFmpeg that concern what is read: `-ss`, `-t`, `-vf` and their like.

They mean what they mean before and after `-i` on ffmpeg's command line: times count in the
source, filters are applied to what is left of it. What is not known here is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ...errors import ConfigError

_DEMUXER_OPTIONS = frozenset(
    ("framerate", "video_size", "pixel_format", "probesize", "analyzeduration")
)
_KNOWN = "-ss, -t, -to, -vf, -frames:v, -f, " + ", ".join(
    f"-{name}" for name in sorted(_DEMUXER_OPTIONS)
)
_TIME = re.compile(r"(-)?(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(s|ms|us)?")
_UNITS = {"s": 1, "ms": 1000, "us": 1_000_000}


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a chain."""

    name: str
    """As FFmpeg calls it."""
    arguments: str
    """What it is given, without quotes."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What is read of a source, and what is done to its pictures."""

    start: Fraction = Fraction(0)
    """Seconds of the source that are passed over."""
    seconds: Fraction | None = None
    """How much is read after that; None: all."""
    most_frames: int | None = None
    """Frames that are taken after the filters, at most."""
    filters: tuple[Filter, ...] = ()
    """Applied in order."""
    format: str | None = None
    """The demuxer, where it is not to be guessed."""
    demuxer: Mapping[str, str] = field(default_factory=dict)
    """Options of the demuxer."""


def parse_arguments(texts: Sequence[str]) -> SourceOptions:
    """Options of FFmpeg, several in one text or each word on its own.

    Raises:
        ConfigError: One that is not known, or has no value that it can have.

    >>> options = parse_arguments(["-ss 1:02.5", "-vf", "hflip,scale=64:36"])
    >>> options.start, [f.name for f in options.filters]
    (Fraction(125, 2), ['hflip', 'scale'])
    """
    words = _words(texts)
    given: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name = {"filter:v": "vf", "vframes": "frames:v"}.get(word[1:], word[1:])
        if not word.startswith("-") or name not in {
            "ss",
            "t",
            "to",
            "vf",
            "frames:v",
            "f",
            *_DEMUXER_OPTIONS,
        }:
            raise ConfigError(f"ffmpeg option {word!r}: expected one of {_KNOWN}")
        if not words:
            raise ConfigError(f"ffmpeg option {word!r}: expected a value after it")
        if name in given:
            raise ConfigError(f"ffmpeg option {word!r}: it is given twice")
        given[name] = words.pop(0)
    start = parse_seconds("-ss", given["ss"]) if "ss" in given else Fraction(0)
    return SourceOptions(
        start=start,
        seconds=_length(given, start),
        most_frames=_count(given["frames:v"]) if "frames:v" in given else None,
        filters=parse_filters(given["vf"]) if "vf" in given else (),
        format=given.get("f"),
        demuxer={name: given[name] for name in sorted(_DEMUXER_OPTIONS & given.keys())},
    )


def _words(texts: Sequence[str]) -> list[str]:
    """The words: a text that follows an option and begins with none is one word, whole."""
    words: list[str] = []
    expects_value = False
    for text in texts:
        if expects_value:
            pieces = [text]
        else:
            try:
                pieces = shlex.split(text)
            except ValueError as error:
                raise ConfigError(f"ffmpeg options {text!r}: {error}") from error
        words += pieces
        expects_value = not expects_value and len(pieces) % 2 == 1
    return words


def parse_seconds(option: str, text: str) -> Fraction:
    """A time as FFmpeg writes it: `90`, `1:30`, `00:01:30.5`, `1500ms`.

    >>> parse_seconds("-t", "00:01:30.5"), parse_seconds("-t", "1500ms")
    (Fraction(181, 2), Fraction(3, 2))
    """
    found = _TIME.fullmatch(text)
    if found is None or found[1]:
        raise ConfigError(
            f"ffmpeg option {option} {text!r}: expected seconds or hours:minutes:seconds"
        )
    _, hours, minutes, seconds, unit = found.groups()
    if unit and minutes:
        raise ConfigError(f"ffmpeg option {option} {text!r}: expected no unit after ':'")
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60
    return whole + Fraction(seconds) / _UNITS[unit or "s"]


def _length(given: Mapping[str, str], start: Fraction) -> Fraction | None:
    if "t" in given:
        seconds = parse_seconds("-t", given["t"])
    elif "to" in given:
        seconds = parse_seconds("-to", given["to"]) - start
    else:
        return None
    if seconds <= 0:
        raise ConfigError("ffmpeg options -t and -to: nothing would be left")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ConfigError(f"ffmpeg option -frames:v {text!r}: expected a number above 0")
    return int(text)


def parse_filters(text: str) -> tuple[Filter, ...]:
    r"""A chain of filters, as FFmpeg's graph parser reads it.

    A backslash takes the next character as it is, and so do single quotes for all between them.

    Raises:
        ConfigError: It is a graph with branches, or not even that.

    >>> [f.arguments for f in parse_filters(r"crop=64:36,select='not(mod(n,2))'")]
    ['64:36', 'not(mod(n,2))']
    """
    filters = []
    for piece in _split_chain(text):
        name, _, arguments = piece.partition("=")
        name = name.strip()
        if not name:
            raise ConfigError(f"ffmpeg option -vf {text!r}: a filter has no name")
        filters.append(Filter(name, arguments))
    return tuple(filters)


def _split_chain(text: str) -> list[str]:
    pieces = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            pieces[-1] += next(characters, "")
        elif character == "'":
            for quoted in characters:
                if quoted == "'":
                    break
                pieces[-1] += quoted
            else:
                raise ConfigError(f"ffmpeg option -vf {text!r}: a quote is not closed")
        elif character == ",":
            pieces.append("")
        elif character in "[];":
            raise ConfigError(
                f"ffmpeg option -vf {text!r}: a chain of filters is taken, no graph with "
                f"branches ({character!r})"
            )
        else:
            pieces[-1] += character
    return pieces
