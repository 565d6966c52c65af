"""What `marey demo` does: each step says in a line or two what it did and what that took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from ... import Marey, to_numpy
from ... import expressions as se
from ...errors import DecodeError, InputError, MareyError
from ...video.clips import sample_clips
from ...video.index.build import build_frame_index
from ...video.index.frames import FrameIndex
from ...video.source import FileReader
from ..table import Table
from .contact_sheet import NumberedPicture, contact_sheet
from .files import write_file
from .outcome import complain
from .png import build_png
from .progress import progress
from .render import Printer
from .sources import find_sources
from .summary import summarised_rows
from .witness import decode_all

_MOST_CLIPS = 12
_FRAMES_A_CLIP = 6
_STRIDE = 4
_PREVIEW_FRAMES = 50
_SHEET_HEIGHT = 120
_WITNESSED_PIXELS = 3_000_000_000
"""A full decode of more would take longer than a demonstration may."""

_PROJECT, _TABLE = "demo", "clips"
_SQL = f"""\
SELECT name, video.index.frame_count AS frames, video.index.duration_seconds AS seconds,
       video_read(video, [0, 4, 8], width => 96) AS thumbnails
FROM {_PROJECT}.{_TABLE} WHERE video.index.frame_count > 8
ORDER BY frames DESC, name LIMIT 3"""


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that takes part."""

    name: str
    """Its key."""
    path: Path
    """Where it lies."""
    frame_count: int
    """Presented frames."""
    samples: int
    """Coded samples."""
    bytes: int
    """Its size."""
    pixels: int
    """Of all its frames together."""


def demonstrate(folder: Path | None, keep: Path, printer: Printer) -> Mapping[str, object]:
    """Run the steps.

    Args:
        folder: The clips; None to make some.
        keep: Where to leave everything.
        printer: Told of each step.

    Returns:
        The figures, by name.

    Raises:
        DecodeError: A frame is not what the full decode gives.
        InputError: There is no clip to show.
    """
    clips = _gather(folder, keep, printer)
    facts: dict[str, object] = {
        "clips": len(clips),
        "frames": sum(clip.frame_count for clip in clips),
        "samples": sum(clip.samples for clip in clips),
        "bytes": sum(clip.bytes for clip in clips),
    }
    with Marey(keep / "data") as db:
        table = _write(db, clips, printer)
        digests, figures = _read(db, table, clips, printer)
        facts |= figures
        facts |= _compare(clips, digests, printer)
        facts["contact_sheet"] = _draw_sheet(db, table, clips, keep, printer)
        facts["preview"] = _cut_preview(db, table, clips, keep, printer)
        facts["query"] = _query(db, printer)
    return facts


def _gather(folder: Path | None, keep: Path, printer: Printer) -> list[Clip]:
    begin = perf_counter()
    if folder is None:
        files = []
        with progress("making clips", 6) as advance:
            for sample in sample_clips(6):
                files.append(keep / "clips" / f"{sample.name}.mp4")
                write_file(files[-1], sample.data)
                advance(1)
        origin, base = "made", keep / "clips"
    else:
        files = find_sources([folder])
        origin, base = "found", folder if folder.is_dir() else folder.parent
    clips = list(islice(_readable(files, base), _MOST_CLIPS))
    if not clips:
        raise InputError(f"{str(folder)!r}: none of {len(files)} files can be read as a video")
    frames = sum(clip.frame_count for clip in clips)
    size = sum(clip.bytes for clip in clips)
    taken = f"the first {len(clips)}" if len(clips) < len(files) else f"{len(clips)}"
    printer.step(
        "clips",
        f"{taken} {origin} in {base} in {perf_counter() - begin:.1f} s: "
        f"{frames:,} frames, {size:,} bytes",
    )
    return clips


def _readable(files: Sequence[Path], base: Path) -> Iterator[Clip]:
    for path in files:
        try:
            with FileReader(path) as reader:
                index = build_frame_index(reader).index
        except MareyError as error:
            complain(f"{str(path)!r} is left out: {error}")
            continue
        yield Clip(
            name=path.relative_to(base).as_posix(),
            path=path,
            frame_count=index.frame_count,
            samples=index.sample_count,
            bytes=index.source_bytes,
            pixels=_pixels(index),
        )


def _pixels(index: FrameIndex) -> int:
    form = index.frame_format(0)
    return index.frame_count * form.width * form.height


def _write(db: Marey, clips: Sequence[Clip], printer: Printer) -> Table:
    begin = perf_counter()
    project = db.project(_PROJECT)
    if _TABLE in project.list_tables():
        project.drop_table(_TABLE)
    table = project.create_table(_TABLE, key_schema={"name": pa.string()})
    for clip in clips:
        video = se.Video(se.Blob(clip.path.read_bytes()))
        table.write({"name": [clip.name], "video": [video]})
    printer.step(
        "table",
        f"{_PROJECT}.{_TABLE} in {db.root}: {len(clips)} rows, indexed and written in "
        f"{perf_counter() - begin:.2f} s",
    )
    return table


def _key_table(clips: Sequence[Clip]) -> pa.Table:
    """A few frames of each clip, as training asks for them: a window, every fourth frame."""
    windows = []
    for number, clip in enumerate(clips):
        room = max(1, clip.frame_count - (_FRAMES_A_CLIP - 1) * _STRIDE)
        start = room * number // len(clips)
        windows.append(range(start, clip.frame_count, _STRIDE)[:_FRAMES_A_CLIP])
    frames = pa.array(map(list, windows), pa.list_(pa.uint32()))
    return pa.table({"name": [clip.name for clip in clips], "frame_indices": frames})


def _read(
    db: Marey, table: Table, clips: Sequence[Clip], printer: Printer
) -> tuple[dict[tuple[str, int], bytes], dict[str, object]]:
    """Read the chosen frames by key.

    Returns:
        A digest of the planes of each, by clip and number; and figures.
    """
    wanted = se.aux("frame_indices", pa.list_(pa.uint32()))
    scan = db.scan(
        {
            "name": table["name"],
            "frames": se.video.read(table["video"], wanted, pixel_format="native"),
        }
    )
    digests: dict[tuple[str, int], bytes] = {}
    seconds, begin = 0.0, perf_counter()
    with scan.to_record_batches(_key_table(clips), on_error="skip") as batches:
        for batch in batches:
            seconds += perf_counter() - begin
            digests.update(_digests(batch))
            begin = perf_counter()
    seconds += perf_counter() - begin
    for failure in scan.errors().to_pylist():
        complain(f"{failure['key']['name']!r} is left out: {failure['message']}")
    done = scan.metrics
    whole_bytes = sum(clip.bytes for clip in clips)
    whole_samples = sum(clip.samples for clip in clips)
    printer.step(
        "read",
        f"{done.frames} frames by key in {seconds:.2f} s: fetched {done.bytes_fetched:,} of "
        f"{whole_bytes:,} bytes in {done.range_requests} ranges, decoded "
        f"{done.samples_decoded:,} of {whole_samples:,} samples",
    )
    return digests, {
        "frames_read": done.frames,
        "bytes_fetched": done.bytes_fetched,
        "range_requests": done.range_requests,
        "samples_decoded": done.samples_decoded,
        "read_seconds": round(seconds, 4),
    }


def _digests(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, int], bytes]]:
    for name, value in zip(batch["name"].to_pylist(), batch["frames"], strict=True):
        frames = value["frames"].values
        for number, data in zip(
            frames.field("frame_index").to_pylist(), frames.field("data"), strict=True
        ):
            yield (name, number), _digest(data.as_buffer())


def _digest(planes: bytes | pa.Buffer) -> bytes:
    return blake2b(planes, digest_size=16).digest()


def _compare(
    clips: Sequence[Clip], digests: Mapping[tuple[str, int], bytes], printer: Printer
) -> dict[str, object]:
    """Hold every frame that was read to a full sequential decode of its file."""
    begin = perf_counter()
    checked, pixels = 0, 0
    with progress("decoding everything", len(clips)) as advance:
        for clip in clips:
            pixels += clip.pixels
            if pixels > _WITNESSED_PIXELS:
                break
            for number, planes in enumerate(decode_all(clip.path)):
                found = digests.get((clip.name, number))
                if found is None:
                    continue
                if found != _digest(planes):
                    raise DecodeError(
                        f"frame {number} of {clip.name!r} is not what a full decode gives"
                    )
                checked += 1
            advance(1)
    seconds = perf_counter() - begin
    if checked == len(digests):
        printer.step(
            "exact",
            f"all {checked}, bit for bit: a full decode gives the same ({seconds:.2f} s)",
        )
    else:
        printer.step(
            "exact",
            f"the first {checked}, bit for bit: a full decode gives the same "
            f"({seconds:.2f} s); for the others it would take too long here",
        )
    return {"frames_exact": checked, "full_decode_seconds": round(seconds, 4)}


def _draw_sheet(
    db: Marey, table: Table, clips: Sequence[Clip], keep: Path, printer: Printer
) -> str:
    wanted = se.aux("frame_indices", pa.list_(pa.uint32()))
    frames = se.video.read(table["video"], wanted, height=_SHEET_HEIGHT)
    read = db.scan({"frames": frames}).to_table(_key_table(clips), on_error="skip")
    rows = []
    for value in read["frames"]:
        numbers = value["frames"].values.field("frame_index").to_pylist()
        rows.append(
            [NumberedPicture(n, p) for n, p in zip(numbers, to_numpy(value), strict=True)]
        )
    path = keep / "contact_sheet.png"
    write_file(path, build_png(contact_sheet(rows)))
    printer.step("sheet", f"{path}: the frames that were read, with their numbers")
    return str(path)


def _cut_preview(
    db: Marey, table: Table, clips: Sequence[Clip], keep: Path, printer: Printer
) -> str:
    clip = max(clips, key=lambda clip: clip.frame_count)
    count = min(_PREVIEW_FRAMES, clip.frame_count)
    first = (clip.frame_count - count) // 2
    frames = se.video.range(table["video"], first, first + count)
    scan = db.scan({"preview": se.video.remux(table["video"], frames)})
    data = scan.to_table({"name": [clip.name]})["preview"][0].as_py()
    path = keep / "preview.mp4"
    write_file(path, data)
    printer.step(
        "preview",
        f"{path}: frames {first} to {first + count - 1} of {clip.name}, {len(data):,} bytes, "
        "not re-encoded",
    )
    return str(path)


def _query(db: Marey, printer: Printer) -> str:
    printer.step("sql", " ".join(_SQL.split()))
    with db.sql(_SQL).to_record_batches(on_error="null") as batches:
        if printer.form != "json":
            printer.line()
            printer.rows(batches.schema.names, summarised_rows(batches))
    return _SQL
