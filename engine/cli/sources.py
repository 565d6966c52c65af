"""The video files that a command is given, and the key under which each becomes a row."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from ...errors import DuplicateKeyError, InputError, SourceNotFoundError
from .outcome import complain

SUFFIXES = (".mp4", ".mov", ".m4v", ".3gp", ".h264", ".264")
"""What is looked for in folders; a file named outright may be called anything."""

_OTHERS = (
    *(".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"),
    *(".hevc", ".h265", ".265", ".mxf"),
)
"""Videos that are not read: files so called are passed over, but not without a word."""

KeyFrom = Literal["stem", "path", "number"]
"""`stem`: the file's name without its suffix. `path`: the path as it was given. `number`: the
last digits in the stem."""


_Key = TypeVar("_Key", str, int)


def find_sources(paths: Iterable[Path]) -> list[Path]:
    """Files named outright, and those in folders at any depth, in order, each once.

    Raises:
        SourceNotFoundError: A path leads nowhere.
        InputError: A folder holds no video.
    """
    found: dict[str, Path] = {}
    others: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = list(_files_below(path))
            inside = [file for file in below if file.name.lower().endswith(SUFFIXES)]
            others += [file for file in below if file.name.lower().endswith(_OTHERS)]
            if not inside:
                raise InputError(f"{str(path)!r} holds no file called *{', *'.join(SUFFIXES)}")
        elif path.exists():
            inside = [path]
        else:
            raise SourceNotFoundError(f"no such file or folder: {str(path)!r}")
        for file in inside:
            found.setdefault(os.path.realpath(file), file)
    if others:
        complain(
            f"passed over {len(others)} files of other kinds, such as {str(others[0])!r}: what "
            f"is looked for in folders is called *{', *'.join(SUFFIXES)}"
        )
    return list(found.values())


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(place, name)


def source_keys(files: Sequence[Path], key_from: KeyFrom) -> Sequence[str | int]:
    """The key of each file.

    >>> source_keys([Path("a/clip_07.mp4"), Path("b/clip_12.mov")], "number")
    [7, 12]

    Raises:
        InputError: A file's name has no number, or is no text.
        DuplicateKeyError: Two files have the same key.
    """
    match key_from:
        case "stem":
            names = [_text(file, file.stem) for file in files]
            return _distinct(files, names)
        case "path":
            return _distinct(files, [_text(file, file.as_posix()) for file in files])
        case "number":
            return _distinct(files, [_number(file) for file in files])


def _text(file: Path, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{str(file)!r}: a key is text, this name is not UTF-8") from error
    return name


def _number(file: Path) -> int:
    digits = re.findall(r"[0-9]+", file.stem)
    if not digits or len(digits[-1].lstrip("0")) > 18:
        what = "no number" if not digits else "a number of more than 18 digits"
        raise InputError(f"{str(file)!r}: the name has {what} to take as its key")
    return int(digits[-1])


def _distinct(files: Sequence[Path], keys: list[_Key]) -> list[_Key]:
    seen: dict[_Key, Path] = {}
    for file, key in zip(files, keys, strict=True):
        if key in seen:
            raise DuplicateKeyError(
                f"{str(seen[key])!r} and {str(file)!r} both have the key {key!r}: "
                "take the key from something else (--key-from), or leave one out"
            )
        seen[key] = file
    return keys
