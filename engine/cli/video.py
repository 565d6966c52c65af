"""`marey video`: look into a file, and take frames out of it, without a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .frame_list import choose_frames, parse_frames
from .options import AsJson, Verbose, ask_for_command, examples
from .render import Printer

if TYPE_CHECKING:
    from ...video.index.build import BuiltIndex
    from ...video.source import FileReader

app = typer.Typer(
    invoke_without_command=True,
    callback=ask_for_command,
    help="Look into a video file, and take frames out of it.",
)

_SHOWN_FRAMES = 24
_SHOWN_GOPS = 2

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="An MP4, MOV or 3GP file, or a raw H.264 stream.",
        show_default=False,
    ),
]
Frames = Annotated[
    str,
    typer.Option(
        "--frames",
        metavar="LIST",
        help="Frame numbers in display order: 0,8,16 or start:stop:step; -1 is the last.",
        show_default=False,
    ),
]


@app.command(
    epilog=examples(
        "marey video inspect clip.mp4",
        "marey video inspect clip.mp4 --show-frames 100 --max-gops 5",
        "marey video inspect clip.mp4 --json | jq .frames[0]",
    )
)
def inspect(
    file: File,
    show_frames: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Frames shown, 24 if not said; in JSON all."),
    ] = None,
    max_gops: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="GOPs shown, 2 if not said; in JSON all."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show a file's facts, GOPs, and what frames depend on."""
    with _opened(file) as (reader, built):
        _inspect(reader, built, show_frames, max_gops, Printer(as_json=as_json))


def _inspect(
    reader: FileReader,
    built: BuiltIndex,
    show_frames: int | None,
    max_gops: int | None,
    printer: Printer,
) -> None:
    from .container import container_facts
    from .inspection import FrameRow, GopRow, clip_facts, frame_rows, gop_rows

    index = built.index
    if printer.form != "json":
        show_frames = _SHOWN_FRAMES if show_frames is None else show_frames
        max_gops = _SHOWN_GOPS if max_gops is None else max_gops
    gops = list(gop_rows(index))[:max_gops]
    frames = list(frame_rows(index, reader, frames=show_frames, gops=max_gops))
    facts = clip_facts(built) | container_facts(reader, index)
    if printer.form == "json":
        facts["gops"] = [asdict(row) for row in gops]
        facts["frames"] = [asdict(row) for row in frames]
        printer.facts(facts)
        return
    printer.facts(facts)
    printer.line()
    if printer.form == "screen":
        from .frame_tree import tree_lines

        printer.styled(tree_lines(gops, frames, frame_count=index.frame_count))
        return
    printer.rows([field.name for field in fields(GopRow)], map(astuple, gops))
    printer.line()
    printer.rows([field.name for field in fields(FrameRow)], map(astuple, frames))


@app.command(
    epilog=examples(
        "marey video frames clip.mp4 --frames 0,8,-1 -o stills",
        "marey video frames clip.mp4 --frames ::25 --height 224 --sheet -o stills",
    )
)
def frames(
    file: File,
    frames: Frames,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the pictures."),
    ],
    height: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Rows of the pictures.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Columns of the pictures.")
    ] = None,
    sheet: Annotated[
        bool,
        typer.Option("--sheet", help="Also all of them on one picture: clip_sheet.png."),
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write frames as PNG pictures.

    They are named after the file and the frame: clip_000008.png.
    """
    parts = parse_frames(frames)
    from ...video.decode.frame import PixelOutput
    from ..progress import progress
    from .files import write_file
    from .png import build_png
    from .stills import check_fits_on_sheet, read_stills, sheet_of_stills

    printer = Printer(as_json=as_json)
    written: list[tuple[object, ...]] = []
    with _opened(file) as (reader, built):
        chosen = choose_frames(parts, built.index)
        if sheet:
            check_fits_on_sheet(len(chosen))
        digits = max(6, len(str(built.index.frame_count)))
        form = PixelOutput(height=height, width=width)
        with progress("writing", len(chosen)) as advance:
            for still in read_stills(reader, built.index, chosen, form):
                path = output / f"{file.stem}_{still.frame_index:0{digits}}.png"
                write_file(path, build_png(still.to_numpy()))
                written.append((still.frame_index, still.pts_seconds, str(path)))
                advance(1)
        if sheet:
            path = output / f"{file.stem}_sheet.png"
            write_file(path, build_png(sheet_of_stills(reader, built.index, chosen)))
            written.append((None, None, str(path)))
    printer.rows(("frame", "pts_seconds", "path"), written)


@app.command(
    epilog=examples(
        "marey video remux clip.mp4 --frames 0,8,16 -o preview.mp4",
        "marey video remux clip.mp4 --frames 100:200 --audio -o stretch.mp4",
    )
)
def remux(
    file: File,
    frames: Frames,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The MP4 file to write.")
    ],
    audio: Annotated[
        bool,
        typer.Option("--audio", help="Keep the sound of frames that follow each other."),
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write an MP4 of some frames, not re-encoded.

    It shows each of them once and for its own time.
    """
    parts = parse_frames(frames)
    if output.exists() and output.samefile(file):
        raise typer.BadParameter(
            "would overwrite the file that it reads", param_hint="--output"
        )
    from ...video.remux import plan_remux, write_remux
    from .files import new_file

    with _opened(file) as (reader, built):
        plan = plan_remux(built.index, choose_frames(parts, built.index))
        with new_file(output) as out:
            size = write_remux(plan, reader, out, audio=audio)
        source_bytes = reader.size
    Printer(as_json=as_json).facts(
        {
            "path": str(output),
            "frames": len(plan.frames),
            "samples": sum(len(run.samples) for run in plan.runs),
            "strategy": plan.strategy,
            "bytes": size,
            "source_bytes": source_bytes,
        }
    )


@contextmanager
def _opened(file: Path) -> Iterator[tuple[FileReader, BuiltIndex]]:
    """The bytes of a file and its index; errors about it begin with its name."""
    from ...errors import MareyError
    from ...video.index.build import build_frame_index
    from ...video.source import FileReader

    with FileReader(file) as reader:
        try:
            yield reader, build_frame_index(reader)
        except MareyError as error:
            error.args = (f"{str(file)!r}: {error}",)
            raise
