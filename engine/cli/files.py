"""Files that a command leaves behind: there in full, or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write a file, over one of that name; a failure leaves what was there.

    Raises:
        OSError: It cannot be written; the error names `path`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
    except OSError as error:
        raise _naming(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise _naming(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _naming(path: Path, error: OSError) -> OSError:
    return OSError(error.errno, error.strerror or str(error), os.fspath(path))


def _umask() -> int:
    # It can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
