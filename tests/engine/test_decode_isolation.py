"""A decoder that crashes takes the rows that it was decoding, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import marey
from marey import Marey
from marey import expressions as se
from marey.engine.config import EngineConfig
from marey.errors import DecodeError

# Python runs this when it starts: a decoder that one sample crashes, as a bug in it would.
CRASH_ON_ONE_SAMPLE = """
import os
from marey.video.decode import pyav

real = pyav.PyAvDecoder.send

def send(self, ready):
    if bytes(ready) == bytes.fromhex({sample!r}):
        os.abort()
    return real(self, ready)

pyav.PyAvDecoder.send = send
"""

NAMES = ["default", "closed_gops", "pyramid_normal"]


@pytest.fixture
def crashing(
    samples: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Marey:
    sample = samples("closed_gops").packets[0]
    (tmp_path / "sitecustomize.py").write_text(CRASH_ON_ONE_SAMPLE.format(sample=sample.hex()))
    monkeypatch.syspath_prepend(tmp_path)
    return Marey(tmp_path / "data", config=EngineConfig(decode_isolation="process"))


def test_the_row_of_a_crash_fails_alone(
    crashing: Marey, clip: Callable[[str], bytes], full_decode: Callable[[bytes], list]
) -> None:
    clips = crashing.project("p").create_table("clips", key_schema={"name": pa.string()})
    clips.write({"name": NAMES, "video": [se.Video(se.Blob(clip(name))) for name in NAMES]})
    frames = se.aux("frames", pa.list_(pa.uint32()))
    scan = crashing.scan(
        {"f": se.video.read(clips["video"], frames, pixel_format="native")},
    )
    count = len(full_decode(clip("closed_gops")))
    # The second row reads the GOP that crashes, the last one another of the same clip.
    rows = [("default", [0, 7, 3]), ("closed_gops", [1]), ("pyramid_normal", [5])]
    rows.append(("closed_gops", [count - 1]))
    names, lists = zip(*rows, strict=True)
    keys = pa.table({"name": names, "frames": pa.array(lists, pa.list_(pa.uint32()))})

    values = scan.to_table(key_table=keys, on_error="null")["f"].to_pylist()
    assert [value is None for value in values] == [False, True, False, False]
    for (name, wanted), value in zip(rows, values, strict=True):
        if value is not None:
            truth = full_decode(clip(name))
            assert [f["data"] for f in value["frames"]] == [truth[k].planes for k in wanted]

    with pytest.raises(DecodeError, match=r"the decoder crashed: .* SIGABRT"):
        scan.to_table(key_table=keys)
    assert marey.to_numpy(
        crashing.scan({"f": se.video.read(clips["video"], [0], height=8, width=8)}).to_table(
            key_table=keys.select(["name"]).slice(0, 1)
        )["f"]
    ).shape == (1, 1, 8, 8, 3)
    crashing.close()
