"""Files that a command leaves behind: there in full, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from ...errors import MareyError


def write_file(path: Path, data: bytes) -> None:
    """Write a file, over one of that name; a failure leaves what was there.

    Raises:
        OSError: It cannot be written; the error names `path`.
    """
    with new_file(path) as file:
        file.write(data)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of one of that name when the block ends well.

    Raises:
        OSError: It cannot be written; the error names `path`.
    """
    target = path.resolve()
    try:
        if path.exists() and not path.is_file():
            # A pipe or a device is written to; to put a file in its place would end it.
            with open(path, "wb") as file:
                yield file
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name[:64]}.{token_hex(4)}")
        try:
            with open(part, "xb") as file:
                yield file
            part.replace(target)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
    except (BrokenPipeError, MareyError):
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
