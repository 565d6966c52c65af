"""Raw options are understood as FFmpeg and x264 understand them, or refused by name."""

from __future__ import annotations

from fractions import Fraction

import pytest

from marey.errors import ConfigError
from marey.video.cadence.arguments import Filter, SourceOptions, parse_arguments
from marey.video.cadence.ladder import plan_ladder
from marey.video.cadence.quality import Quantisers, RateFactor
from marey.video.cadence.settings import ladder_settings, parse_settings


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ([], SourceOptions()),
        (["-t 60"], SourceOptions(seconds=Fraction(60))),
        (["-t", "60"], SourceOptions(seconds=Fraction(60))),
        (["-t", "60", "-ss 5"], SourceOptions(start=Fraction(5), seconds=Fraction(60))),
        (["-ss 1:00 -to 1:30.5"], SourceOptions(Fraction(60), Fraction(61, 2))),
        (["-t 500ms"], SourceOptions(seconds=Fraction(1, 2))),
        (["-vf", "scale=64:36, hflip"], None),
        (["-filter:v 'scale=64:36,hflip'"], None),
        (["-frames:v", "7"], SourceOptions(most_frames=7)),
        (["-vframes 7"], SourceOptions(most_frames=7)),
        (
            ["-f rawvideo -video_size 64x36", "-framerate", "25"],
            SourceOptions(
                format="rawvideo", demuxer={"framerate": "25", "video_size": "64x36"}
            ),
        ),
    ],
)
def test_options_of_ffmpeg(texts: list[str], options: SourceOptions | None) -> None:
    chain = SourceOptions(filters=(Filter("scale", "64:36"), Filter("hflip", "")))
    assert parse_arguments(texts) == (options or chain)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (r"select='eq(n,1)'", "eq(n,1)"),
        (r"select=eq(n\,1)", "eq(n,1)"),
        (r"drawbox=c='a'\''b'", "c=a'b"),
        ("fps=30", "30"),
    ],
)
def test_filters_are_quoted_as_in_ffmpeg(text: str, arguments: str) -> None:
    (found,) = parse_arguments(["-vf", text]).filters
    assert found.arguments == arguments


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["-crf 20"], "'-crf': expected one of -ss"),
        (["-map", "0:1"], "'-map'"),
        (["60"], "'60'"),
        (["-t"], "a value after it"),
        (["-t 5 -t 6"], "twice"),
        (["-t -5"], "seconds or hours"),
        (["-t 1:2:3:4"], "seconds or hours"),
        (["-t", ""], "seconds or hours"),
        (["-ss 10 -to 5"], "nothing would be left"),
        (["-frames:v 0"], "above 0"),
        (["-vf '[0]hflip'"], "no graph with branches"),
        (["-vf", "hflip;vflip"], "no graph with branches"),
        (["-vf", "hflip,,vflip"], "no name"),
        (["-vf", "a='b"], "not closed"),
        (["-vf 'hflip"], "No closing quotation"),
    ],
)
def test_options_that_are_not_understood(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_arguments(texts)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("ref=4", {"ref": "4"}),
        ("ref=4:subq=7", {"ref": "4", "subme": "7"}),
        ("--aq-mode=2", {"aq-mode": "2"}),
        ("no-mbtree", {"mbtree": "0"}),
        ("no_mbtree=0", {"mbtree": "1"}),
        ("weightb=0", {"weightb": "0"}),
        ("8x8dct", {"8x8dct": "1"}),
        ("psy-rd=1.0,0.15", {"psy-rd": "1.0,0.15"}),
    ],
)
def test_settings_of_x264(text: str, given: dict[str, str]) -> None:
    assert parse_settings("medium", [text]).given == given


def test_settings_with_a_place_of_their_own() -> None:
    settings = parse_settings("slow", ["tune=psnr:keyint=120"])
    assert (settings.preset, settings.tune, settings.gop) == ("slow", "psnr", 120)
    assert settings.given == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bframes=3", "the ladder decides it"),
        ("no-scenecut", "the ladder decides it"),
        ("b_pyramid=normal", "the ladder decides it"),
        ("crf=20", "say it with quality"),
        ("refs=4", "near it are ref"),
        ("frobnicate=1", "none of that name"),
        ("ref", "expected ref=VALUE"),
        ("ref=", "expected ref=VALUE"),
        ("me=hex\nqp=3", "expected me=VALUE"),
        ("mbtree=perhaps", "expected 0 or 1"),
        ("tune=zerolatency", "expected one of"),
        ("keyint=infinite", "a number of frames"),
        ("", "none of that name"),
    ],
)
def test_settings_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings("medium", [text])


def test_presets_are_those_of_x264() -> None:
    with pytest.raises(ConfigError, match="expected one of ultrafast"):
        parse_settings("quick", [])


def test_the_ladder_has_the_last_word() -> None:
    ladder = plan_ladder(30, [10, 5])
    settings = ladder_settings(ladder, RateFactor(23), parse_settings("medium", ["ref=2"]))
    assert settings["ref"] == "2"
    assert (settings["bframes"], settings["b-pyramid"], settings["keyint"]) == (
        "5",
        "strict",
        "60",
    )
    with pytest.raises(ConfigError, match="gives exact ones"):
        ladder_settings(
            ladder, Quantisers(29, ((3, 23), (6, 27))), parse_settings("medium", ["mbtree"])
        )
