"""How a command ends: its exit code, and one line on stderr where something went wrong.

0 is done, 1 a failed job, 2 wrong use, 130 an interrupt. A reader that closes the pipe early
(`marey sql ... | head`) has what it wants: that is no failure.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

import typer

from ...errors import MareyError
from .cells import printable

DONE = 0
FAILED = 1
INTERRUPTED = 130


def conclude(job: Callable[[], object], *, verbose: Callable[[], bool]) -> int:
    """Run a job and say how it ended.

    Args:
        job: The command, its arguments not parsed yet.
        verbose: Asked after a failure: whether to show the traceback.

    Returns:
        The exit code.
    """
    code = DONE
    try:
        try:
            job()
        except typer.Exit as end:
            code = end.exit_code
        except SystemExit as end:
            # What Typer itself does for completion ends so.
            code = end.code if isinstance(end.code, int) else DONE
        sys.stdout.flush()
    except typer.TyperException as error:
        complain(error.format_message() + _where_help_is(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        pass
    except Exception as error:
        if verbose():
            traceback.print_exception(error)
        else:
            complain(_one_line(error))
        return FAILED
    finally:
        _settle_stdout()
    return code


def complain(message: str) -> None:
    """Write one line to stderr, whatever the message is made of."""
    with suppress(OSError):
        print(f"marey: {printable(' '.join(message.split()))}", file=sys.stderr)


def _where_help_is(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    return "" if context is None else f" (see {context.command_path} --help)"


def _one_line(error: Exception) -> str:
    if isinstance(error, MareyError):
        return str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        place = f"{os.fspath(error.filename)!r}: " if error.filename is not None else ""
        return f"{place}{error.strerror}"
    return f"{type(error).__name__}: {error} (a fault of Marey; -v shows where)"


def _settle_stdout() -> None:
    """Write what is left, or drop it: the interpreter would complain of it in its own way."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
