"""`marey video transcode` and `prefix`: what is made, what is said, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from marey.video.clips import ClipRecipe, make_clip

from .conftest import Marey


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "in.mp4"
    path.write_bytes(make_clip(ClipRecipe("a source", rate=30, frames=40, width=64, height=48)))
    return path


def count(path: str, track: int = 0) -> int:
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=track))


def test_for_programs(marey: Marey, source: Path) -> None:
    words = ("--fps", "10,5", "--quality", "23,27", "--multi-track", "--json")
    ended = marey("video", "transcode", source, "-o", "out.mp4", *words)
    assert (ended.code, ended.err) == (0, "")
    (facts,) = ended.rows()
    rates = facts.pop("rates")
    assert facts == {
        "path": "out.mp4",
        "encoder": "libx264",
        "frames": 40,
        "width": 64,
        "height": 48,
        "bytes": Path("out.mp4").stat().st_size,
        "audio": "none",
    }
    assert [(rate["fps"], rate["frames"]) for rate in rates] == [(30, 40), (10, 14), (5, 7)]
    assert [count("out.mp4", track) for track in range(3)] == [40, 14, 7]
    assert rates[0]["prefix_share"] == 1 > rates[1]["prefix_share"] > rates[2]["prefix_share"]

    ended = marey("video", "prefix", "out.mp4", "--fps", "5", "-o", "low.mp4", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["bytes"] == Path("low.mp4").stat().st_size
    assert count("low.mp4") == 7


def test_for_people(marey: Marey, source: Path) -> None:
    ended = marey("video", "transcode", source, "--fps", "10", "--size", "32x24")
    assert (ended.code, ended.err) == (0, "")
    made = source.with_name("in.transcode.mp4")
    assert ended.out.startswith(f"path\t{made}\n")
    assert "\nfps\tframes\tbytes\tprefix_share\tsamples_a_frame\tpsnr\tpsnr_y\n" in ended.out
    assert count(str(made)) == 40
    made.unlink()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fps", "ten"], "--fps: rate 'ten'"),
        (["--fps", ""], "--fps: rate ''"),
        (["--fps", "10", "--quality", "good"], "--quality: 'good'"),
        (["--fps", "10,5", "--quality", "23,27.5"], "--quality: 27.5"),
        (["--fps", "10", "--size", "wide"], "--size: 'wide'"),
        (["--fps", "10", "--preset", "quick"], "--preset: preset 'quick'"),
        (["--fps", "10", "--x264-param", "bframes=3"], "--x264-param: x264 setting 'bframes'"),
        (["--fps", "10", "--ffmpeg-arg", "-crf 3"], "--ffmpeg-arg: ffmpeg option '-crf'"),
        (["--fps", "10", "--constant-rate", "0"], "--constant-rate: rate '0'"),
    ],
)
def test_wrong_use(marey: Marey, source: Path, words: list[str], said: str) -> None:
    ended = marey("video", "transcode", source, "-o", "out.mp4", *words)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not Path("out.mp4").exists()


def test_rates_that_cannot_be(marey: Marey, source: Path) -> None:
    ended = marey("video", "transcode", source, "-o", "out.mp4", "--fps", "7")
    assert (ended.code, ended.out) == (1, "")
    assert "rate 7: expected a whole part of the 30 frames a second" in ended.err
    assert list(Path().iterdir()) == []


def test_options_of_ffmpeg_and_x264(marey: Marey, source: Path) -> None:
    words = ("--ffmpeg-arg", "-t", "--ffmpeg-arg", "0.5", "--x264-param", "ref=2:no-mbtree")
    ended = marey("video", "transcode", source, "-o", "out.mp4", "--fps", "10", *words)
    assert (ended.code, ended.err) == (0, "")
    assert count("out.mp4") == 15


def test_a_prefix_that_a_file_does_not_hold(marey: Marey, source: Path) -> None:
    ended = marey("video", "prefix", source, "--fps", "10", "-o", "low.mp4")
    assert ended.code == 1
    assert f"{str(source)!r}: rate 10: the file holds no lower rate" in ended.err
    assert marey("video", "transcode", source, "-o", "out.mp4", "--fps", "10").code == 0
    ended = marey("video", "prefix", "out.mp4", "--fps", "15", "-o", "low.mp4")
    assert ended.code == 1
    assert "rate 15: the file holds 30, 10" in ended.err
    assert marey("video", "prefix", "out.mp4", "--fps", "10", "-o", "out.mp4").code == 2
    assert not Path("low.mp4").exists()
