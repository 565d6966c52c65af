"""Frames as tensors: the right numbers, in place, in either layout, whole, listed or padded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import marey
from marey import Marey
from marey import expressions as se
from marey.errors import ConfigError, InputError, UnsupportedError

torch = pytest.importorskip("torch")

PICKS = se.aux("picks", pa.list_(pa.uint32()))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> pa.Table:
    """Two rows of three frames, and of three and one."""
    root: Path = tmp_path_factory.mktemp("tensors")
    clips = Marey(root).project("p").create_table("t", key_schema={"k": pa.int64()})
    payload = clip("closed_gops")
    clips.write({"k": [0, 1], "video": [se.Video(se.Blob(payload))] * 2})
    video = clips["video"]
    scan = Marey(root).scan(
        {
            "even": se.video.read(video, [0, 9, 4], height=16, width=24),
            "gray": se.video.read(video, [3], height=16, width=24, pixel_format="gray8"),
            "planes": se.video.read(video, [3], pixel_format="native"),
            "uneven": se.video.read(video, PICKS, height=16, width=24),
        }
    )
    keys = {"k": [0, 1], "picks": [[1, 2, 3], [4]]}
    (batch,) = scan.to_data_loader(key_table=keys)
    return batch


def address(buffer: pa.Buffer) -> range:
    return range(buffer.address, buffer.address + buffer.size)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_tensor_is_the_memory_of_the_batch(batch: pa.RecordBatch, layout: str) -> None:
    for name, shape in (("even", (2, 3, 16, 24, 3)), ("gray", (2, 1, 16, 24))):
        tensor = marey.to_torch(batch[name], layout=layout)
        pixels = batch[name].field("frames").values.field("data").buffers()[2]
        assert tensor.data_ptr() in address(pixels)
        expected = marey.to_numpy(batch[name])
        assert expected.shape == shape
        if layout == "NCHW":
            expected = (
                np.moveaxis(expected, -1, -3) if name == "even" else expected[..., None, :, :]
            )
        assert np.array_equal(tensor.numpy(), expected)


def test_a_value_has_no_rows(batch: pa.RecordBatch) -> None:
    value = batch["even"][1]
    assert marey.to_torch(value).shape == (3, 16, 24, 3)
    for ragged in ("raise", "list", "pad"):
        assert marey.to_torch(value, layout="NCHW", ragged=ragged).shape == (3, 3, 16, 24)
    assert marey.to_torch(batch["gray"][0], layout="NCHW").shape == (1, 1, 16, 24)


@pytest.mark.parametrize("form", ["array", "chunks", "series"])
def test_rows_of_several_lengths_are_listed_or_padded(batch: pa.RecordBatch, form: str) -> None:
    column = {
        "array": batch["uneven"],
        "chunks": pa.chunked_array([batch["uneven"][:1], batch["uneven"][1:]]),
        "series": pd.Series(batch["uneven"].to_pylist()),
    }[form]
    rows = [marey.to_numpy(value) for value in batch["uneven"]]
    assert [len(row) for row in rows] == [3, 1]
    with pytest.raises(InputError, match="1 frames"):
        marey.to_torch(column)
    listed = marey.to_torch(column, ragged="list")
    assert all(np.array_equal(t.numpy(), row) for t, row in zip(listed, rows, strict=True))
    padded = marey.to_torch(column, ragged="pad", layout="NCHW")
    assert padded.shape == (2, 3, 3, 16, 24)
    assert np.array_equal(padded[0].numpy(), np.moveaxis(rows[0], -1, -3))
    assert np.array_equal(padded[1, :1].numpy(), np.moveaxis(rows[1], -1, -3))
    assert not padded[1, 1:].any()


def test_rows_of_one_length_are_listed_and_padded_too(batch: pa.RecordBatch) -> None:
    whole = marey.to_torch(batch["even"])
    assert torch.equal(marey.to_torch(batch["even"], ragged="pad"), whole)
    assert torch.equal(torch.stack(marey.to_torch(batch["even"], ragged="list")), whole)
    assert marey.to_torch(batch["even"][:0], ragged="list") == []
    assert len(marey.to_torch(batch["even"][:0], ragged="pad")) == 0


def test_read_only_memory_is_copied(batch: pa.RecordBatch) -> None:
    column = batch["even"]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write(batch)
    stored = pa.ipc.open_stream(pa.BufferReader(sink.getvalue().to_pybytes())).read_all()
    tensor = marey.to_torch(stored["even"])
    tensor += 1
    assert np.array_equal(marey.to_numpy(stored["even"]), marey.to_numpy(column))


def test_what_cannot_be_is_refused(batch: pa.RecordBatch) -> None:
    with pytest.raises(InputError, match="these frames are planes"):
        marey.to_torch(batch["planes"], layout="NCHW")
    assert marey.to_torch(batch["planes"]).ndim == 3
    with pytest.raises(ConfigError, match="layout must be 'NHWC' or 'NCHW', got 'CHW'"):
        marey.to_torch(batch["even"], layout="CHW")
    with pytest.raises(ConfigError, match=r"ragged must be .* got True"):
        marey.to_torch(batch["even"], ragged=True)
    sizes = pa.concat_arrays([batch["gray"], batch["gray"]]).to_pylist()
    sizes[0]["frames"][0]["data"] = bytes(8)
    sizes[0]["frame_shape"] = [2, 4]
    with pytest.raises(InputError, match=r"shapes \[\[2, 4\], \[16, 24\]\].*ragged=\"list\""):
        marey.to_torch(pa.array(sizes, batch["gray"].type), ragged="pad")
    for ragged in ("list", "pad"):
        with pytest.raises(InputError, match="row 0 is null"):
            marey.to_torch(pa.nulls(1, batch["even"].type), ragged=ragged)


def test_memory_is_pinned_where_there_is_a_device(batch: pa.RecordBatch) -> None:
    if torch.cuda.is_available():
        assert marey.to_torch(batch["even"], pin_memory=True).is_pinned()
    else:
        with pytest.raises(UnsupportedError, match="pin_memory: torch has no device for it"):
            marey.to_torch(batch["even"], pin_memory=True)
