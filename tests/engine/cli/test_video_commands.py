"""`marey video`: it shows what the index says, and writes what FFmpeg decodes."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from marey.tests.support.remaking import remade

from .conftest import Marey


@pytest.fixture
def file(clips_folder: Path) -> Path:
    return clips_folder / "open_1.mp4"


def rgb_frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_inspect_for_people(
    marey: Marey, file: Path, golden: Callable[[str, str], None]
) -> None:
    ended = marey("video", "inspect", file, "--show-frames", 24, "--max-gops", 2)
    assert (ended.code, ended.err) == (0, "")
    golden("video_inspect.txt", ended.out)


def test_inspect_for_programs(marey: Marey, file: Path, truth) -> None:
    (facts,) = marey("video", "inspect", file, "--json").rows()
    frames, gops = facts["frames"], facts["gops"]
    with av.open(str(file)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        seconds = float(packets[0].time_base)
    assert [frame["frame"] for frame in frames] == list(range(len(truth("open_gop"))))
    assert [frame["pts_seconds"] for frame in frames] == pytest.approx(
        [frame.pts * seconds for frame in truth("open_gop")]
    )
    assert [frame["bytes"] for frame in frames] == [
        packets[frame["sample"]].size for frame in frames
    ]
    assert sum(gop["frames"] for gop in gops) == facts["frame_count"] == len(frames)
    assert sum(gop["samples"] for gop in gops) == facts["sample_count"] == len(packets)
    assert [gop["start"] for gop in gops] == ["IDR"] + ["recovery"] * (len(gops) - 1)
    for frame in frames:
        assert frame["sample"] not in frame["references"]
        assert 1 <= frame["closure"] <= frame["whole"]
        assert frame["closure_bytes"] >= frame["bytes"]


def test_inspect_knows_what_kind_of_picture_each_is(marey: Marey, file: Path) -> None:
    """As FFmpeg tells it: types, and bytes by where packets lie."""
    (facts,) = marey("video", "inspect", file, "--json").rows()
    kinds = {PictureType.I: "I", PictureType.P: "P", PictureType.B: "B"}
    with av.open(str(file)) as container:
        decoded = [kinds[frame.pict_type] for frame in container.decode(video=0)]
    with av.open(str(file)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    assert [frame["type"] for frame in facts["frames"]] == decoded
    assert [frame["offset"] for frame in facts["frames"]] == [
        places[frame["sample"]] for frame in facts["frames"]
    ]
    assert {frame["start"] for frame in facts["frames"]} == {"IDR", "recovery", ""}
    assert all(frame["type"] == "I" for frame in facts["frames"] if frame["start"])
    assert not any(frame["reference"] for frame in facts["frames"] if frame["notes"])


def test_inspect_tells_what_the_container_says(
    marey: Marey, clips_folder: Path, clip, tmp_path: Path
) -> None:
    (facts,) = marey("video", "inspect", clips_folder / "plain_2.mov", "--json").rows()
    assert facts["tracks"] == ["1 vide avc1 160x96", "2 soun sowt"]
    assert (facts["moov"], facts["fragmented"]) == ("last", False)
    turned = remade(
        clip("fragmented"), matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), edits=()
    )
    for data, expected in (
        (turned, {"moov": "first", "fragmented": False, "rotation": 90, "edits": 0}),
        (clip("fragmented"), {"moov": "first", "fragmented": True, "rotation": 0}),
        (clip("raw"), {"moov": None, "tracks": None, "rotation": None}),
    ):
        path = tmp_path / "some.mp4"
        path.write_bytes(data)
        (facts,) = marey("video", "inspect", path, "--json").rows()
        assert {name: facts[name] for name in expected} == expected


def test_the_manual_has_every_fact_of_inspect(marey: Marey, file: Path) -> None:
    """What programs read stays, and is told."""
    (facts,) = marey("video", "inspect", file, "--json", "--show-frames", 1).rows()
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "command-line.md").read_text()
    names = {*facts, *facts["gops"][0], *facts["frames"][0]}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_inspect_shows_as_much_as_it_is_asked_for(marey: Marey, file: Path) -> None:
    words = ("video", "inspect", file, "--json", "--show-frames")
    (facts,) = marey(*words, 3, "--max-gops", 1).rows()
    assert (len(facts["frames"]), len(facts["gops"])) == (3, 1)
    (facts,) = marey(*words, 0).rows()
    assert facts["frames"] == []


@pytest.mark.parametrize("name", ["raw_resized", "intra_refresh", "mbaff"])
def test_inspect_of_unusual_streams(marey: Marey, clip, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.mp4"
    path.write_bytes(clip(name))
    (facts,) = marey("video", "inspect", path, "--json").rows()
    assert len(facts["frames"]) == facts["frame_count"] == 48


def test_frames_are_the_pictures_of_a_full_decode(marey: Marey, file: Path) -> None:
    ended = marey("video", "frames", file, "--frames", "40,3:10:3,-1", "-o", "out", "--json")
    assert (ended.code, ended.err) == (0, "")
    rows = ended.rows()
    assert [row["frame"] for row in rows] == [3, 6, 9, 40, 47]
    assert [row["path"] for row in rows] == [
        f"out/open_1_{row['frame']:06}.png" for row in rows
    ]
    expected = rgb_frames(file)
    for row in rows:
        (picture,) = rgb_frames(Path(row["path"]))
        assert np.array_equal(picture, expected[row["frame"]])
    assert len(list(Path("out").iterdir())) == len(rows)


def test_a_sheet_has_all_frames_small(marey: Marey, file: Path) -> None:
    ended = marey("video", "frames", file, "--frames", ":10", "-o", "out", "--sheet", "--json")
    assert ended.code == 0
    assert ended.rows()[-1] == {
        "frame": None,
        "pts_seconds": None,
        "path": "out/open_1_sheet.png",
    }
    (sheet,) = rgb_frames(Path("out/open_1_sheet.png"))
    # Eight in a row; pictures of 160x96 stay as large as they are.
    assert sheet.shape == (2 * 102 + 6, 8 * 166 + 6, 3)
    (second,) = rgb_frames(Path("out/open_1_000001.png"))
    assert np.array_equal(sheet[6:80, 172:332], second[:74])
    assert len(list(Path("out").iterdir())) == 11


def test_a_sheet_of_too_many_frames_is_refused_first(
    marey: Marey, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marey.engine.cli.stills._MOST_ON_SHEET", 9)
    ended = marey("video", "frames", file, "--frames", ":10", "-o", "out", "--sheet")
    assert (ended.code, "there is room for 9" in ended.err) == (1, True)
    assert not Path("out").exists()


def test_frames_of_a_size(marey: Marey, file: Path) -> None:
    assert marey("video", "frames", file, "--frames", "0", "--width", 80, "-o", ".").code == 0
    (picture,) = rgb_frames(Path("open_1_000000.png"))
    assert picture.shape == (48, 80, 3)


def test_remux_shows_those_frames_and_no_others(marey: Marey, file: Path, truth) -> None:
    ended = marey("video", "remux", file, "--frames", "16,0,8", "-o", "cut.mp4", "--json")
    assert (ended.code, ended.err) == (0, "")
    (facts,) = ended.rows()
    assert facts["frames"] == 3
    assert facts["bytes"] == Path("cut.mp4").stat().st_size < facts["source_bytes"]
    with av.open("cut.mp4") as container:
        shown = [planes(frame) for frame in container.decode(video=0)]
    assert shown == [truth("open_gop")[number].planes for number in (0, 8, 16)]


def test_remux_keeps_the_sound_if_asked(marey: Marey, clips_folder: Path) -> None:
    words = ("video", "remux", clips_folder / "plain_2.mov", "-o", "cut.mp4", "--frames")
    for audio, kinds in ((False, ["video"]), (True, ["video", "audio"])):
        assert marey(*words, "5:15", *["--audio"] * audio).code == 0
        with av.open("cut.mp4") as container:
            assert [stream.type for stream in container.streams] == kinds
    before = Path("cut.mp4").read_bytes()
    ended = marey(*words, "5,7", "--audio")
    assert (ended.code, ended.out) == (1, "")
    assert "after 5 comes 7" in ended.err
    assert Path("cut.mp4").read_bytes() == before


def planes(frame: av.VideoFrame) -> bytes:
    return frame.to_ndarray().tobytes()


def test_remux_into_a_pipe_or_a_device(marey: Marey, file: Path) -> None:
    assert marey("video", "remux", file, "--frames", "0", "-o", "/dev/null").code == 0
    assert not Path("/dev/null").is_file()


def test_remux_replaces_a_file_in_one_step(marey: Marey, file: Path) -> None:
    Path("cut.mp4").write_bytes(b"old")
    Path("link.mp4").symlink_to("cut.mp4")
    assert marey("video", "remux", file, "--frames", "0", "-o", "link.mp4").code == 0
    assert Path("link.mp4").is_symlink()
    with av.open(BytesIO(Path("cut.mp4").read_bytes())) as container:
        assert sum(1 for _ in container.decode(video=0)) == 1
    assert sorted(p.name for p in Path().iterdir()) == ["cut.mp4", "link.mp4"]
