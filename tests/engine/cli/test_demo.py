"""`marey demo`: the whole job, on made clips, on given ones, and on broken ones."""

from __future__ import annotations

import shlex
from pathlib import Path

import av
import pytest

from marey.engine.cli.witness import confirm, decode_all, digest
from marey.errors import DecodeError
from marey.video.clips import RECIPES

from .conftest import Marey


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_without_a_folder_it_makes_clips(marey: Marey) -> None:
    ended = marey("demo")
    assert (ended.code, ended.err) == (0, "")
    steps = [line.split()[0] for line in ended.out.splitlines()]
    assert steps == ["clips", "table", "read", "exact", "sheet", "preview", "next"]
    assert "exact    all 36, bit for bit" in ended.out
    assert len(list(Path("demo/clips").iterdir())) == 6
    (sheet,) = frames_of(Path("demo/contact_sheet.png"))
    # Six rows of six pictures of 120 rows, 640 x 360 scaled; a gap around each.
    assert (sheet.height, sheet.width) == (6 * 126 + 6, 6 * (213 + 6) + 6)
    assert len(frames_of(Path("demo/preview.mp4"))) == 50


def test_what_it_says_to_do_next_works(marey: Marey, clips_folder: Path) -> None:
    last = marey("demo", clips_folder).out.splitlines()[-1]
    step, program, *words = shlex.split(last)
    assert (step, program) == ("next", "marey")
    ended = marey(*words, "--json")
    assert [row["frames"]["frame_index"] for row in ended.rows()] == [[0, 8]] * 3


def test_broken_files_are_named_and_left_out(
    marey: Marey, clips_folder: Path, broken_file: Path, tmp_path: Path, clip
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in (broken_file, clips_folder / "open_1.mp4"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "resized.264").write_bytes(clip("raw_resized"))
    ended = marey("demo", folder, "--keep", "kept", "--json")
    assert ended.code == 0
    complaints = ended.err.splitlines()
    assert len(complaints) == 2
    assert f"{str(folder / broken_file.name)!r} cannot be read" in complaints[0]
    # Its frames asked for have two sizes: it is a row, but not one that this scan can give.
    assert "'resized.264' is left out" in complaints[1]
    (facts,) = ended.rows()
    assert (facts["clips"], facts["frames_read"], facts["frames_exact"]) == (2, 6, 6)
    assert 0 < facts["bytes_fetched"] < facts["bytes"]
    assert 0 < facts["samples_decoded"] < facts["samples"]
    assert (facts["contact_sheet"], facts["preview"]) == (
        "kept/contact_sheet.png",
        "kept/preview.mp4",
    )


def test_only_broken_files(marey: Marey, broken_file: Path) -> None:
    ended = marey("demo", broken_file.parent)
    assert ended.code == 1
    assert "none of 1 files can be read as a video" in ended.err
    assert not Path("demo").exists()


def test_so_many_clips_and_again_in_the_same_place(marey: Marey, clips_folder: Path) -> None:
    for most in (2, 1):
        (facts,) = marey("demo", clips_folder, "--clips", most, "--json").rows()
        assert facts["clips"] == most
    ended = marey("tables", "--root", "demo/data", "--json")
    assert [row["rows"] for row in ended.rows()] == [1]


@pytest.mark.parametrize("name", ["open_gop", "edit_list", "ten_bits_422", "mbaff", "raw"])
def test_the_witness_sees_what_ffmpeg_presents(clip, truth, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.{RECIPES[name].container}"
    path.write_bytes(clip(name))
    assert list(decode_all(path)) == [frame.planes for frame in truth(name)]


@pytest.fixture
def open_gop(clips_folder: Path, truth) -> tuple[Path, dict[int, bytes]]:
    frames = truth("open_gop")
    return clips_folder / "open_1.mp4", {n: digest(frames[n].planes) for n in (3, 9)}


def test_the_witness_confirms_what_is_so(open_gop) -> None:
    assert confirm("a", *open_gop, deadline=float("inf")) == 2
    assert confirm("a", *open_gop, deadline=float("-inf")) == 0


@pytest.mark.parametrize("wrong", [{9: b"other planes"}, {48: b"a frame that is not there"}])
def test_the_witness_objects_to_what_is_not(open_gop, wrong: dict[int, bytes]) -> None:
    path, digests = open_gop
    with pytest.raises(DecodeError, match=f"{next(iter(wrong))}"):
        confirm("a", path, digests | wrong, deadline=float("inf"))
