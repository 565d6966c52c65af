"""What `marey demo` does: each step says in a line what it did and what that took."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from shlex import quote
from time import perf_counter

import pyarrow as pa

from ... import Marey, to_numpy
from ... import expressions as se
from ...errors import InputError
from ...video.clips import sample_clips
from ..progress import progress
from ..scan import Scan
from ..table import Table
from .contact_sheet import NumberedPicture, contact_sheet
from .files import write_file
from .intake import VideoFile, survey, write_files
from .outcome import complain
from .png import build_png
from .render import Printer
from .sources import find_sources
from .witness import confirm, digest

_MADE_CLIPS = 6
_FRAMES_A_CLIP = 6
_STRIDE = 4
_PREVIEW_FRAMES = 50
_SHEET_HEIGHT = 120
_WITNESS_SECONDS = 20.0
"""A full decode may take longer than a demonstration should: it ends here."""

_PROJECT, _TABLE = "demo", "clips"
_FRAME_INDICES = se.aux("frame_indices", pa.list_(pa.uint32()))

Clips = Mapping[str, VideoFile]
"""Files by their names, which are their keys in the table."""
Digests = Mapping[str, Mapping[int, bytes]]
"""Of the planes of the frames that were read: by clip and frame number."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What is told of the steps."""

    printer: Printer
    facts: dict[str, object] = field(default_factory=dict)

    def step(self, name: str, text: str, **facts: object) -> None:
        self.printer.step(name, text)
        self.facts.update(facts)


def demonstrate(
    folder: Path | None, keep: Path, printer: Printer, *, most: int
) -> dict[str, object]:
    """Run the steps.

    Args:
        folder: The clips; None to make some.
        keep: Where to leave everything.
        printer: Told of each step.
        most: How many clips take part.

    Returns:
        The figures, by name.

    Raises:
        DecodeError: A frame is not what the full decode gives.
        InputError: There is no clip to show.
    """
    report = _Report(printer)
    clips = _gather(folder, keep, most, report)
    with Marey(keep / "data") as db:
        table = _write(db, clips, report)
        digests = _read(db, table, clips, report)
        _verify(clips, digests, report)
        _draw_sheet(db, table, digests, keep / "contact_sheet.png", report)
        _cut_preview(db, table, clips, digests, keep / "preview.mp4", report)
    query = f"SELECT name, video_read(video, [0, 8]) AS frames FROM {_PROJECT}.{_TABLE}"
    # As it was called, where that can be called again: in `.venv/bin`, it is not on the path.
    program = sys.argv[0] if sys.argv[0].endswith("/marey") else "marey"
    report.step("next", f'{quote(program)} --root {quote(str(keep / "data"))} sql "{query}"')
    return report.facts


def _gather(folder: Path | None, keep: Path, most: int, report: _Report) -> Clips:
    begin = perf_counter()
    if folder is None:
        base = keep / "clips"
        paths = _make_clips(base)
    else:
        paths = find_sources([folder])
        base = folder if folder.is_dir() else folder.parent
    clips = {_name(clip.path, base): clip for clip in islice(_readable(paths), most)}
    if not clips:
        raise InputError(f"{str(folder)!r}: none of {len(paths)} files can be read as a video")
    frames = sum(clip.frame_count for clip in clips.values())
    size = sum(clip.bytes for clip in clips.values())
    report.step(
        "clips",
        f"{len(clips)} of {len(paths)} files in {base}: {frames:,} frames, {size:,} bytes "
        f"({perf_counter() - begin:.1f} s)",
        clips=len(clips),
        frames=frames,
        samples=sum(clip.sample_count for clip in clips.values()),
        bytes=size,
    )
    return clips


def _make_clips(folder: Path) -> list[Path]:
    paths = []
    with progress("making clips", _MADE_CLIPS) as advance:
        for sample in sample_clips(_MADE_CLIPS):
            paths.append(folder / f"{sample.name}.mp4")
            write_file(paths[-1], sample.data)
            advance(1)
    return paths


def _readable(paths: list[Path]) -> Iterator[VideoFile]:
    for path in paths:
        file = survey(path)
        if file is not None:
            yield file


def _name(path: Path, base: Path) -> str:
    # A key is text; file names may be any bytes.
    name = path.relative_to(base).as_posix()
    return name.encode(errors="backslashreplace").decode()


def _write(db: Marey, clips: Clips, report: _Report) -> Table:
    begin = perf_counter()
    project = db.project(_PROJECT)
    if _TABLE in project.list_tables():
        project.drop_table(_TABLE)
    table = project.create_table(_TABLE, key_schema={"name": pa.string()})
    write_files(table, clips, key="name", column="video")
    report.step(
        "table",
        f"{_PROJECT}.{_TABLE} in {db.root}: {len(clips)} rows, indexed and written "
        f"({perf_counter() - begin:.2f} s)",
    )
    return table


def _window(clip: VideoFile, number: int, clips: int) -> list[int]:
    """A few frames, as training asks for them: every fourth, elsewhere in each clip."""
    room = max(1, clip.frame_count - (_FRAMES_A_CLIP - 1) * _STRIDE)
    start = room * number // clips
    return list(range(start, clip.frame_count, _STRIDE)[:_FRAMES_A_CLIP])


def _keys(windows: Mapping[str, list[int]]) -> pa.Table:
    frames = pa.array(list(windows.values()), _FRAME_INDICES.dtype)
    return pa.table({"name": list(windows), "frame_indices": frames})


def _read(db: Marey, table: Table, clips: Clips, report: _Report) -> Digests:
    """Read the chosen frames by key."""
    windows = {
        name: _window(clip, number, len(clips))
        for number, (name, clip) in enumerate(clips.items())
    }
    frames = se.video.read(table["video"], _FRAME_INDICES, pixel_format="native")
    scan = db.scan({"name": table["name"], "frames": frames})
    digests: dict[str, dict[int, bytes]] = {}
    seconds, begin = 0.0, perf_counter()
    with scan.to_record_batches(_keys(windows), on_error="skip") as batches:
        for batch in batches:
            seconds += perf_counter() - begin
            for name, value in zip(batch["name"].to_pylist(), batch["frames"], strict=True):
                digests[name] = _digests(value)
            begin = perf_counter()
    seconds += perf_counter() - begin
    _complain_of_failures(scan)
    digests = {name: found for name, found in digests.items() if found}
    if not digests:
        raise InputError(f"no frame of {len(clips)} clips can be read")
    done = scan.metrics
    size, samples = report.facts["bytes"], report.facts["samples"]
    report.step(
        "read",
        f"{done.frames} frames by key: fetched {done.bytes_fetched:,} of {size:,} bytes in "
        f"{done.range_requests} ranges, decoded {done.samples_decoded:,} of {samples:,} "
        f"samples ({seconds:.2f} s)",
        frames_read=done.frames,
        bytes_fetched=done.bytes_fetched,
        range_requests=done.range_requests,
        samples_decoded=done.samples_decoded,
        read_seconds=round(seconds, 4),
    )
    return digests


def _complain_of_failures(scan: Scan) -> None:
    for failure in scan.errors().to_pylist():
        complain(f"{failure['name']!r} is left out: {failure['message']}")


def _digests(value: pa.Scalar) -> dict[int, bytes]:
    frames = value["frames"].values
    numbers = frames.field("frame_index").to_pylist()
    return {
        number: digest(data.as_buffer())
        for number, data in zip(numbers, frames.field("data"), strict=True)
    }


def _verify(clips: Clips, digests: Digests, report: _Report) -> None:
    """Hold the frames that were read to a sequential decode of their files from the start."""
    begin = perf_counter()
    # What is quick to check goes first: that is most of the clips.
    ends = sorted((max(found), name) for name, found in digests.items())
    deadline = begin + _WITNESS_SECONDS
    checked = 0
    with progress("decoding everything", len(ends)) as advance:
        for _, name in ends:
            checked += confirm(name, clips[name].path, digests[name], deadline=deadline)
            advance(1)
    seconds = perf_counter() - begin
    total = sum(map(len, digests.values()))
    scope = f"all {total}" if checked == total else f"{checked} of {total} (no time for more)"
    report.step(
        "exact",
        f"{scope}, bit for bit: a full sequential decode gives the same ({seconds:.2f} s)",
        frames_exact=checked,
        full_decode_seconds=round(seconds, 4),
    )


def _draw_sheet(db: Marey, table: Table, digests: Digests, path: Path, report: _Report) -> None:
    frames = se.video.read(table["video"], _FRAME_INDICES, height=_SHEET_HEIGHT)
    keys = _keys({name: list(found) for name, found in digests.items()})
    rows = []
    for value in db.scan({"frames": frames}).to_table(keys)["frames"]:
        numbers = value["frames"].values.field("frame_index").to_pylist()
        pictures = zip(numbers, to_numpy(value), strict=True)
        rows.append([NumberedPicture(number, pixels) for number, pixels in pictures])
    write_file(path, build_png(contact_sheet(rows)))
    report.step(
        "sheet",
        f"{path}: the frames that were read, with their numbers",
        contact_sheet=str(path),
    )


def _cut_preview(
    db: Marey, table: Table, clips: Clips, digests: Digests, path: Path, report: _Report
) -> None:
    name = max(digests, key=lambda name: clips[name].frame_count)
    end = clips[name].frame_count
    first = max(0, end - _PREVIEW_FRAMES) // 2
    last = min(end, first + _PREVIEW_FRAMES) - 1
    frames = se.video.range(table["video"], first, last + 1)
    scan = db.scan({"preview": se.video.remux(table["video"], frames)})
    cut = scan.to_table({"name": [name]}, on_error="skip")["preview"].to_pylist()
    _complain_of_failures(scan)
    for data in cut:
        write_file(path, data)
        report.step(
            "preview",
            f"{path}: frames {first} to {last} of {name}, {len(data):,} bytes, not re-encoded",
            preview=str(path),
        )
