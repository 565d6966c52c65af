"""Every error that Marey raises on purpose, in one tree.

Each class also derives from the builtin that fits: `except LookupError` works.

::

    MareyError
    ├── VideoError (ValueError)                  the bytes of a video
    │   ├── CorruptVideoError                    break the rules of their format
    │   │   ├── SourceChangedError               of a reference: not those that were indexed
    │   │   ├── BoxError                         ... in the MP4 structure
    │   │   └── BitstreamError                   ... in the H.264 stream
    │   ├── DecodeError                          parse, but the decoder gave no exact frame
    │   ├── FrameIndexError                      a stored frame index: damaged, or too new
    │   └── FrameRangeError (IndexError)         a frame number or time that is not in the clip
    ├── UnsupportedError (NotImplementedError)   legal, understood, and not offered
    ├── NotFoundError (LookupError)
    │   ├── TableNotFoundError
    │   ├── ColumnNotFoundError
    │   ├── KeyNotFoundError (KeyError)          a key that the table lacks
    │   ├── FunctionNotFoundError
    │   └── SourceNotFoundError (FileNotFoundError)   what a reference points at is gone
    ├── InputError (ValueError)                  data given to a write or a key table
    │   └── DuplicateKeyError                    one key twice
    ├── ExpressionError (TypeError)              an expression whose types do not fit
    │   └── UnboundAuxError                      an aux name that the key table lacks
    ├── QueryError (ValueError)                  SQL that does not parse or plan
    ├── TableExistsError (ValueError)
    ├── StorageError (OSError)                   the disk or the object store failed
    │   └── ConflictError                        another writer won, retries ran out
    ├── RowTooLargeError (MemoryError)           one row above `EngineConfig.max_row_bytes`
    └── ConfigError (ValueError)                 a setting out of its range
"""

from __future__ import annotations

__all__ = [
    "BitstreamError",
    "BoxError",
    "ColumnNotFoundError",
    "ConfigError",
    "ConflictError",
    "CorruptVideoError",
    "DecodeError",
    "DuplicateKeyError",
    "ExpressionError",
    "FrameIndexError",
    "FrameRangeError",
    "FunctionNotFoundError",
    "InputError",
    "KeyNotFoundError",
    "MareyError",
    "NotFoundError",
    "QueryError",
    "RowTooLargeError",
    "SourceChangedError",
    "SourceNotFoundError",
    "StorageError",
    "TableExistsError",
    "TableNotFoundError",
    "UnboundAuxError",
    "UnsupportedError",
    "VideoError",
]


class MareyError(Exception):
    """The base of all of them: `except MareyError` catches whatever Marey refuses."""

    def __str__(self) -> str:
        # KeyError and OSError print their arguments their own way; the message is the message.
        # It can quote a string that no terminal or log takes: lone surrogates.
        text = str(self.args[0]) if self.args else ""
        return text.encode(errors="backslashreplace").decode()


class VideoError(MareyError, ValueError):
    """The bytes of a video are at fault."""


class CorruptVideoError(VideoError):
    """The bytes break the rules of the format that they claim to be."""


class SourceChangedError(CorruptVideoError):
    """The file or object that a row refers to is another than the one that was indexed."""


class BoxError(CorruptVideoError):
    """The MP4 structure is damaged: a box, its size or its table."""


class BitstreamError(CorruptVideoError):
    """The H.264 stream is damaged: a parameter set, a slice header or a reference."""


class DecodeError(VideoError):
    """The stream parses, but the decoder did not give the exact frame."""


class FrameIndexError(VideoError):
    """A stored frame index is damaged, or was written by a newer Marey."""


class FrameRangeError(VideoError, IndexError):
    """A frame number or a time lies outside the clip."""


class UnsupportedError(MareyError, NotImplementedError):
    """Legal and understood, but not offered; the message names the feature."""


class NotFoundError(MareyError, LookupError):
    """A name or a key that does not exist."""


class TableNotFoundError(NotFoundError):
    """No such table or project."""


class ColumnNotFoundError(NotFoundError):
    """No such column or field; the message offers near names."""


class KeyNotFoundError(NotFoundError, KeyError):
    """Keys of a key table that the table does not hold."""


class FunctionNotFoundError(NotFoundError):
    """No such SQL function or parameter."""


class SourceNotFoundError(NotFoundError, FileNotFoundError):
    """The file or object that a row refers to is not there any more."""


class InputError(MareyError, ValueError):
    """Data given to a write or as a key table does not fit the table."""


class DuplicateKeyError(InputError):
    """The same key stands twice in one write."""


class ExpressionError(MareyError, TypeError):
    """An expression's types do not fit together."""


class UnboundAuxError(ExpressionError):
    """An `aux` has no column of its name in the key table, or there is no key table."""


class QueryError(MareyError, ValueError):
    """SQL that does not parse, plan or run."""


class TableExistsError(MareyError, ValueError):
    """A table of that name is already there."""


class StorageError(MareyError, OSError):
    """The disk or the object store failed."""


class ConflictError(StorageError):
    """Another writer changed the same rows first, and retries ran out."""


class RowTooLargeError(MareyError, MemoryError):
    """One row needs more memory than `EngineConfig.max_row_bytes` allows."""


class ConfigError(MareyError, ValueError):
    """A setting lies outside its range."""
