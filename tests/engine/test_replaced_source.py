"""A referenced file that was written anew gives an error, never a frame of another video.

Its size and its time are held against what was recorded; here they tell nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.errors import CorruptVideoError, MareyError


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("output", ["read", "remux"])
def test_another_video_under_the_same_name(
    clip: Callable[[str], bytes], tmp_path: Path, reopened: bool, output: str
) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(clip("default"))
    db = Marey(tmp_path / "data")
    clips = db.project("p").create_table("clips", key_schema={"k": pa.int64()})
    clips.write({"k": [1], "video": [se.Video(se.Blob.from_uri(str(file)))]})

    def run(frames: list[int]) -> pa.Table:
        make = getattr(se.video, output)
        return db.scan({"f": make(clips["video"], frames)}).to_table()

    assert run([0, 5]).num_rows == 1
    other = clip("many_references")
    size, recorded = len(clip("default")), file.stat()
    file.write_bytes((other + bytes(max(0, size - len(other))))[:size])
    os.utime(file, ns=(recorded.st_atime_ns, recorded.st_mtime_ns))
    if reopened:
        db = Marey(tmp_path / "data")
        clips = db.project("p").table("clips")
    # Which of the two shows depends on where the old borders fall.
    with pytest.raises(MareyError) as caught:
        run(list(range(40)))
    assert isinstance(caught.value, CorruptVideoError)
    assert "its bytes are not those that were indexed" in str(caught.value)
