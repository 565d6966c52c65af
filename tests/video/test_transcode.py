"""A transcoded file keeps its promises: every rate closed, in one stretch, exact everywhere.

The truth about a file is its full sequential decode; reads by plan, the tracks of the lower
rates and `prefix` must give the same planes.
"""

from __future__ import annotations

import random
import resource
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from marey import video
from marey.errors import ConfigError, CorruptVideoError, SourceNotFoundError, UnsupportedError
from marey.expressions.selection import every
from marey.tests.support.reading import Clip, digest, packed_planes, sequential
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.clip import DecodedIndex
from marey.video.index.effort import Effort
from marey.video.index.samples import ActiveParameterSets, scan_mp4_samples
from marey.video.plan import plan_read
from marey.video.source import BytesReader
from marey.video.streams import read_mp4_track

needs_x264 = pytest.mark.skipif(
    shutil.which("x264") is None, reason="the program x264 is not installed"
)


def made(rate: int = 30, frames: int = 70, **options: object) -> bytes:
    """A source: few bytes, much movement."""
    options = {"width": 64, "height": 48} | options
    return make_clip(
        ClipRecipe("a source", rate=rate, frames=frames, preset="ultrafast", **options)
    )


def broadcast(frames: int) -> bytes:
    """A source of 24000/1001 frames a second, on the coarse clock of Matroska."""
    file = BytesIO()
    with av.open(BytesIO(made(24, frames))) as source, av.open(file, "w", "matroska") as out:
        stream = out.add_stream("libx264", rate=Fraction(24000, 1001))
        stream.width, stream.height = 64, 48
        stream.codec_context.options = {"preset": "ultrafast"}
        for number, frame in enumerate(source.decode(video=0)):
            frame.pts, frame.time_base = number, Fraction(1001, 24000)
            frame.pict_type = av.video.frame.PictureType.NONE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@dataclass(frozen=True)
class Case:
    source: Callable[[], bytes]
    fps: Sequence[object]
    steps: tuple[int, ...]
    options: dict[str, object] = field(default_factory=dict)


CASES = {
    "10 of 30": Case(made, [10], (3,)),
    "10 and 5 of 30": Case(made, [10, 5], (3, 6), {"preset": "medium"}),
    "15 and 5 of 30": Case(made, ["15", "5"], (2, 6)),
    "5 of 25": Case(lambda: made(25), [5.0], (5,), {"quality": 30}),
    "12.5 of 25": Case(lambda: made(25), ["25/2"], (2,)),
    "20 and 10 of 60": Case(lambda: made(60, 130), [20, 10], (3, 6)),
    "1 of 30": Case(made, [1], (30,)),
    "10 and 1 of 30": Case(made, [1, 10], (3, 30)),
    "2 of 30": Case(made, [2], (15,)),
    "7.99 of 23.976": Case(lambda: broadcast(50), [7.99], (3,)),
    "12000/1001 and 3.996 of 23.976": Case(
        lambda: broadcast(50), ["12000/1001", 3.996], (2, 6), {"multi_track": True}
    ),
    "exact quantisers": Case(made, [10, 5], (3, 6), {"quality": [23, 27], "multi_track": True}),
    "exact quantisers, upside down": Case(made, [10, 2], (3, 15), {"quality": [40, 20]}),
    "from no B-frames": Case(lambda: made(x264="bframes=0"), [10], (3,)),
    "another size": Case(made, [10, 5], (3, 6), {"size": (48, 32)}),
    "4:4:4 of ten bits": Case(lambda: made(pixel_format="yuv444p10le"), [10], (3,)),
    "full range": Case(lambda: made(pixel_format="yuvj420p"), [10], (3,)),
    "monochrome": Case(lambda: made(pixel_format="gray"), [10], (3,)),
    "short GOPs": Case(made, [10, 5], (3, 6), {"x264_params": ["keyint=12:ref=5"]}),
    "a tail of one": Case(lambda: made(frames=61), [10, 5], (3, 6), {"multi_track": True}),
    "two frames": Case(lambda: made(frames=2), [10], (3,)),
    "one frame": Case(lambda: made(frames=1), [10, 5], (3, 6)),
    "x264 itself": Case(made, [10, 5], (3, 6), {"encoder": "x264", "multi_track": True}),
    "x264 itself, exact quantisers": Case(
        made, [10, 5], (3, 6), {"encoder": "x264", "quality": [23, 27]}
    ),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=needs_x264 if "x264" in name else ()) for name in CASES],
)
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, bytes, video.transcode]:
    case = CASES[request.param]
    path = tmp_path_factory.mktemp("made") / "made.mp4"
    options = {"preset": "superfast", **case.options}
    report = video.transcode(case.source(), path, fps=case.fps, **options)
    assert [p.name for p in path.parent.iterdir()] == ["made.mp4"]
    return case, path.read_bytes(), report


def test_every_promise(finished) -> None:
    case, data, report = finished
    clip = Clip(data)
    index = clip.index
    source = sequential(case.source())
    assert report.frames == index.frame_count == len(clip.truth) == len(source)
    assert report.bytes == len(data)
    assert [rate.frames for rate in report.rates] == [
        len(source[::step]) for step in (1, *case.steps)
    ]
    start = data.index(b"mdat") + 4
    for step in case.steps:
        frames = range(0, index.frame_count, step)
        plan = clip.plan(frames)
        assert plan.samples_decoded == len(frames)
        assert [r.start for r in plan.ranges] == [start]
        assert clip.wrong(frames) == []
    chance = random.Random(len(data))
    for _ in range(3):
        some = chance.sample(range(index.frame_count), min(index.frame_count, 7))
        assert clip.wrong(some) == []


def test_lower_rates_alone(finished) -> None:
    case, data, report = finished
    truth = sequential(data)
    if len(truth) <= case.steps[-1]:
        return
    scalars = build_frame_index(BytesReader(data)).scalars
    assert scalars["cadences"] == [float(rate.fps) for rate in report.rates[1:]]
    for step, rate in zip((1, *case.steps), report.rates, strict=True):
        alone = video.prefix(data, rate.fps)
        clip = Clip(alone)
        assert clip.truth == truth[::step]
        assert clip.wrong(range(len(clip.truth))) == []
        assert clip.wrong(range(0, len(clip.truth), 4)) == []
        assert len(alone) < rate.bytes + 4096 + 40 * rate.frames


def test_tracks(finished) -> None:
    case, data, _ = finished
    truth = sequential(data)
    steps = (1, *case.steps) if case.options.get("multi_track") else (1,)
    with av.open(BytesIO(data)) as file:
        assert len(file.streams) == len(steps)
    for number, step in enumerate(steps):
        with av.open(BytesIO(data)) as file:
            frames = list(file.decode(video=number))
        assert [digest(packed_planes(frame)) for frame in frames] == truth[::step]
        rate = Fraction(step) / (frames[1].time - frames[0].time) if len(frames) > 1 else None
        assert rate is None or rate == pytest.approx(float(finished[2].rates[0].fps))
        assert frames[0].time == 0


def test_every_of_a_rate_is_its_frames(finished) -> None:
    case, data, report = finished
    index = build_frame_index(BytesReader(data)).index
    for step, rate in zip(case.steps, report.rates[1:], strict=True):
        chosen = every(DecodedIndex(index), float(rate.fps))
        assert chosen.tolist() == list(range(0, index.frame_count, step))
        assert len(plan_read(index, chosen).ranges) == 1


def test_quantisers_are_exact(finished) -> None:
    case, data, _ = finished
    quality = case.options.get("quality")
    if not isinstance(quality, list):
        return
    by_step = dict(zip(case.steps, quality, strict=True))
    index = build_frame_index(BytesReader(data)).index
    reader, effort = BytesReader(data), Effort(1 << 30)
    samples = scan_mp4_samples(
        reader, read_mp4_track(reader), ActiveParameterSets(effort), effort
    )
    found = [
        {h.pps.pic_init_qp + h.slice_qp_delta for h in sample.headers} for sample in samples
    ]
    for frame, sample in enumerate(index.frame_sample.tolist()):
        step = max((s for s in case.steps if frame % s == 0), default=1)
        assert found[sample] == {by_step.get(step, max(quality) + 2)}, frame


def test_psnr_is_that_of_the_frames(tmp_path: Path) -> None:
    source, path = made(), tmp_path / "out.mp4"
    report = video.transcode(source, path, fps=10, preset="superfast")

    def luma(data: bytes) -> np.ndarray:
        with av.open(BytesIO(data)) as file:
            return np.stack([f.to_ndarray()[:48] for f in file.decode(video=0)]).astype(float)

    squared = (luma(source) - luma(path.read_bytes())) ** 2
    for step, rate in ((1, report.rates[0]), (3, report.rates[1])):
        assert rate.psnr_y == pytest.approx(10 * np.log10(255**2 / squared[::step].mean()))
        assert rate.psnr_y != rate.psnr


def test_long_clips_with_exact_quantisers_go_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.mp4"
    monkeypatch.setattr("marey.video.cadence.libx264._FRAMES_A_PIECE", 40)
    options = {"quality": [30, 34], "preset": "ultrafast", "x264_params": ["keyint=18"]}
    video.transcode(made(frames=200), path, fps=[10, 5], **options)
    clip = Clip(path.read_bytes())
    assert len(clip.index.starts) == 12
    for frames in (range(0, 200, 6), range(1, 200, 7), range(100, 170)):
        assert clip.wrong(frames) == []


def pictures(file: Path | BytesIO) -> list[np.ndarray]:
    with av.open(file) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def look_alike(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    """Equal but for what encoding with a rate factor of 1 does."""
    worst = (abs(new.astype(int) - old).mean() for new, old in zip(found, wanted, strict=True))
    return max(worst) < 1


@pytest.mark.parametrize(
    ("arguments", "frames"),
    [
        (["-ss 1 -t 0.5"], slice(30, 45)),
        (["-to", "0.5"], slice(0, 15)),
        (["-frames:v 7"], slice(0, 7)),
        (["-vf", "select='gte(n,5)'"], slice(5, 70)),
        (["-ss 0.99"], slice(30, 70)),
    ],
)
def test_what_is_read(arguments: list[str], frames: slice, tmp_path: Path) -> None:
    source, path = made(x264="keyint=24"), tmp_path / "out.mp4"
    options = {"fps": 10, "quality": 1, "preset": "ultrafast"}
    report = video.transcode(source, path, ffmpeg_args=arguments, **options)
    assert report.rates[0].psnr > 50
    assert look_alike(pictures(path), pictures(BytesIO(source))[frames])


def test_filters(tmp_path: Path) -> None:
    source, path = made(frames=6), tmp_path / "out.mp4"
    video.transcode(
        source, path, fps=10, quality=1, ffmpeg_args=["-vf", "hflip,crop=32:16:0:0"]
    )
    before = pictures(BytesIO(source))
    assert look_alike(pictures(path), [picture[:16, ::-1][:, :32] for picture in before])


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_turned_pictures_are_set_upright(degrees: int, tmp_path: Path) -> None:
    file, path = BytesIO(), tmp_path / "out.mp4"
    with av.open(BytesIO(made(frames=4))) as source, av.open(file, "w", "mp4") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    video.transcode(file.getvalue(), path, fps=10, quality=1)
    file.seek(0)
    with av.open(file) as before, av.open(str(path)) as after:
        turns = (next(f.decode(video=0)).rotation for f in (before, after))
        assert [abs(turn) for turn in turns] == [abs(degrees), 0]
    before = pictures(BytesIO(file.getvalue()))
    turned = [np.rot90(picture, degrees // 90) for picture in before]
    assert look_alike(pictures(path), turned)


def test_variable_rates(tmp_path: Path) -> None:
    source, path = made(durations=(20, 30, 24, 60), frames=40), tmp_path / "out.mp4"
    with pytest.raises(UnsupportedError, match=r"constant rate.*--constant-rate N"):
        video.transcode(source, path, fps=5)
    assert list(tmp_path.iterdir()) == []
    report = video.transcode(source, path, fps=5, constant_rate="25", quality=1)
    assert (report.rates[0].fps, report.rates[1].fps) == (25, 5)
    before = pictures(BytesIO(source))
    assert len(pictures(path)) == pytest.approx(sum((20, 30, 24, 60) * 10) * 25 / 600, abs=2)
    for picture in pictures(path):
        assert any(look_alike([picture], [old]) for old in before)


def with_sound(frames: int, *, late: float = 0) -> bytes:
    file = BytesIO()
    with av.open(BytesIO(made(frames=frames))) as source, av.open(file, "w", "matroska") as out:
        picture = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("pcm_s16le", rate=44100, layout="mono")
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = picture
                out.mux(packet)
        wave = np.sin(np.arange(int(44100 * (frames / 30 - late))) * 0.06) * 12000
        heard = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
        heard.sample_rate, heard.pts = 44100, int(late * 44100)
        out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "late", "silent", "seconds"),
    [([], 0.0, 0.0, 2.0), (["-ss 0.5 -t 1"], 0.0, 0.0, 1.0), ([], 0.5, 0.5, 2.0)],
)
def test_sound_goes_along(
    arguments: list[str], late: float, silent: float, seconds: float, tmp_path: Path
) -> None:
    path = tmp_path / "out.mp4"
    report = video.transcode(
        with_sound(60, late=late), path, fps=10, audio=True, ffmpeg_args=arguments
    )
    assert report.sound == "kept"
    with av.open(str(path)) as file:
        sound = file.streams.audio[0]
        assert (sound.codec_context.name, sound.rate) == ("aac", 44100)
        frames = list(file.decode(sound))
    assert frames[0].time == 0
    wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert len(wave) / 44100 == pytest.approx(seconds, abs=0.05)
    loud = np.flatnonzero(np.abs(wave) > 0.1) / 44100
    assert loud[0] == pytest.approx(silent, abs=0.03)
    assert Clip(path.read_bytes()).plan(range(0, 30, 3)).samples_decoded == 10


def test_sound_is_dropped_and_said_so(tmp_path: Path) -> None:
    report = video.transcode(with_sound(9), tmp_path / "out.mp4", fps=10)
    assert report.sound == "dropped"
    assert video.transcode(made(frames=9), tmp_path / "out.mp4", fps=10).sound == "none"
    with pytest.raises(UnsupportedError, match="'setpts': it moves pictures in time"):
        video.transcode(
            with_sound(9),
            tmp_path / "out.mp4",
            fps=10,
            audio=True,
            ffmpeg_args=["-vf setpts=PTS*1"],
        )


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")

    class StopError(Exception):
        pass

    for stage in ("looking", "encoding", "comparing"):

        class Progress:
            def __init__(self, name: str, _total: int) -> None:
                self.name = name

            def __enter__(self) -> Callable[[int], None]:
                def advance(_count: int) -> None:
                    if self.name == stage:  # noqa: B023
                        raise StopError

                return advance

            def __exit__(self, *_: object) -> None:
                pass

        with pytest.raises(StopError):
            video.transcode(made(), path, fps=10, progress=Progress)
        assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
        assert path.read_bytes() == b"old"


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    """Files of this process end at 20 kB, as on a disk with no more room."""
    path = tmp_path / "out.mp4"
    source = made(frames=40, width=320, height=192)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as raised:
            video.transcode(source, path, fps=10, quality=1, preset="ultrafast")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def script(folder: Path, text: str) -> str:
    path = folder / "encoder"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat > /dev/null; echo no licence >&2; exit 3", "ended with 3: no licence"),
        ("exit 4", "ended with 4"),
        ("cat > /dev/null", "without writing"),
        pytest.param(
            'for last; do :; done; while [ "$1" != --qpfile ]; do shift; done; : > $2; '
            'exec x264 --demuxer y4m --qp 30 --keyint 20 --output "$4" -',
            "references beyond its own frames",
            marks=needs_x264,
        ),
    ],
)
def test_no_encoder_is_trusted(text: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with pytest.raises(UnsupportedError, match=message):
        video.transcode(made(), folder / "out.mp4", fps=[10, 5], encoder=script(tmp_path, text))
    assert list(folder.iterdir()) == []


@needs_x264
def test_the_encoder_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAREY_H264", "x264")
    report = video.transcode(made(frames=9), tmp_path / "out.mp4", fps=10)
    assert report.encoder == shutil.which("x264")
    monkeypatch.setenv("MAREY_H264", "no-such-program")
    with pytest.raises(ConfigError, match=r"no-such-program.*no such program"):
        video.transcode(made(frames=9), tmp_path / "out.mp4", fps=10)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fps": 7}, UnsupportedError, "rate 7: .*such as 15, 10"),
        ({"fps": "ten"}, ConfigError, "rate 'ten'"),
        ({"size": (63, 48)}, UnsupportedError, "sides must be even, as in a size of 62x48"),
        ({"size": (0, 64)}, ConfigError, "size"),
        ({"preset": "quick"}, ConfigError, "preset 'quick'"),
        ({"x264_params": ["me=bogus"]}, UnsupportedError, "me = bogus"),
        ({"x264_params": ["crf=3"]}, ConfigError, "quality"),
        ({"ffmpeg_args": ["-vf frobnicate"]}, UnsupportedError, "frobnicate"),
        ({"ffmpeg_args": ["-vf crop=9999:1"]}, UnsupportedError, "do not fit"),
        ({"ffmpeg_args": ["-ss 100"]}, CorruptVideoError, "no picture"),
        ({"ffmpeg_args": ["-f nonsense"]}, CorruptVideoError, "cannot open"),
        ({"quality": [20, 30]}, ConfigError, "got 2"),
    ],
)
def test_what_cannot_be_is_refused(
    options: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        video.transcode(made(frames=9), tmp_path / "out.mp4", **({"fps": 10} | options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", [b"", b"no video", made(frames=9)[:700]])
def test_what_is_no_video(source: bytes, tmp_path: Path) -> None:
    with pytest.raises((CorruptVideoError, UnsupportedError)):
        video.transcode(source, tmp_path / "out.mp4", fps=10)


def test_files(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with pytest.raises(SourceNotFoundError, match=r"in\.mp4"):
        video.transcode(source, tmp_path / "out.mp4", fps=10)
    source.write_bytes(made(frames=9))
    with pytest.raises(UnsupportedError, match="the file that is read"):
        video.transcode(source, source, fps=10)
    with pytest.raises(UnsupportedError, match="no file that could be replaced"):
        video.transcode(source, tmp_path, fps=10)
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "out.mp4")
    video.transcode(str(source), link, fps=10)
    assert link.is_symlink()
    assert len(sequential((tmp_path / "out.mp4").read_bytes())) == 9
