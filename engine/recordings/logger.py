"""A logger: samples one by one, committed by bytes and seconds.

Each sample is indexed when it comes, so that one which is no access unit is refused at once and
by itself. What was taken waits in memory until there is enough of it, or it has waited long
enough: a thread of the logger's own sees to that. After `flush`, and after the `with` block,
every sample is part of the dataset, and would be if the process ended at once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import Self

import pyarrow as pa

from ...errors import ConfigError, InputError, MareyError
from ...storage.recordings.schema import check_timeline
from ...storage.recordings.store import StreamName
from .codecs import to_codec
from .opened import Recordings
from .rows import check_sample
from .times import fit_column
from .writer import StreamWriter


class StreamLogger:
    """Appends to one stream; a context manager. May be used from any thread.

    When an exception leaves its `with` block, the samples taken before it are committed too.
    """

    def __init__(
        self,
        recordings: Recordings,
        project: str,
        name: str,
        stream: StreamName,
        *,
        codec: str,
        index: str,
        parameter_sets: bytes | None,
        commit_bytes: int,
        commit_seconds: float,
    ) -> None:
        limits = commit_bytes, commit_seconds
        if not all(isinstance(limit, int | float) for limit in limits) or not (
            commit_bytes >= 1 and commit_seconds > 0
        ):
            raise ConfigError(
                f"a logger commits by at least a byte and by seconds above 0, got "
                f"commit_bytes={commit_bytes!r}, commit_seconds={commit_seconds!r}"
            )
        self._index = check_timeline(index)
        self._bytes, self._seconds = commit_bytes, commit_seconds
        self._writer = StreamWriter(
            recordings.newest(project, name), recordings.streams, stream, to_codec(codec)
        )
        self._times: dict[str, list[pa.Scalar | None]] = {}
        self._held = 0
        self._since = 0.0
        self._durable = 0
        self._failure: MareyError | None = None
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        if parameter_sets is not None:
            self._writer.use_parameter_sets(parameter_sets)

    @property
    def durable(self) -> int:
        """How many of the samples that were appended are committed: the first so many."""
        return self._durable

    @property
    def pending(self) -> int:
        """How many wait for their commit."""
        return self._writer.taken

    def append(self, time: object, sample: bytes) -> None:
        """Take one sample; it is copied.

        Args:
            time: When it is shown: a timestamp, nanoseconds or a whole number; or several, a
                dict by timeline. None: it has no time.
            sample: An access unit, the next in decode order.

        Raises:
            InputError: The time or the sample does not fit; it is not taken.
            VideoError: It is no access unit of the codec; it is not taken.
            StorageError: A commit of samples before it has failed.
        """
        with self._changed:
            self._check_open()
            data = memoryview(bytes(check_sample(sample, "the sample")))
            known = self._writer.store.timelines
            given = dict(time) if isinstance(time, Mapping) else {self._index: time}
            times = {}
            for name, value in given.items():
                earlier = next((t for t in self._times.get(name, []) if t is not None), None)
                dtype = known.get(check_timeline(name)) or (earlier and earlier.type)
                times[name] = fit_column(name, [value], 1, dtype)[0]
            if not times:
                raise InputError("a sample comes with a time, or with None")
            at = self._writer.taken
            self._writer.take(data)
            for name, scalar in times.items():
                column = self._times.setdefault(name, [])
                column += [None] * (at - len(column)) + [scalar]
            self._since = self._since if self._held else monotonic()
            self._held += data.nbytes
            if self._held >= self._bytes or monotonic() - self._since >= self._seconds:
                self._commit()
            else:
                self._watch()

    def flush(self) -> int:
        """Commit what was taken.

        Returns:
            How many samples of this logger are durable now: all of them.

        Raises:
            StorageError: That, or an earlier commit, has failed; what was taken is kept, and
                the next call tries again.
        """
        with self._changed:
            self._commit()
            return self._durable

    def close(self) -> None:
        """Commit what was taken, and end; a second call does nothing."""
        with self._changed:
            if self._closed:
                return
            self._commit()
            self._closed = True
            self._changed.notify_all()
            self._writer.keep_up(always=True)
        if self._thread is not None:
            self._thread.join()

    def _commit(self) -> None:
        self._failure = None
        n = self._writer.taken
        if not n:
            return
        columns = {}
        for name, column in self._times.items():
            column += [None] * (n - len(column))
            dtype = next((t.type for t in column if t is not None), None)
            columns[name] = fit_column(name, pa.array(column, dtype), n, dtype)
        self._writer.commit(columns)
        self._durable += n
        self._times, self._held = {}, 0

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("the logger is closed")
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._changed.notify_all()
            raise failure

    def _watch(self) -> None:
        """Have a thread commit what waits too long."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._commit_in_time, name="marey-logger", daemon=True
            )
            self._thread.start()
        elif self._writer.taken == 1:
            self._changed.notify_all()

    def _commit_in_time(self) -> None:
        with self._changed:
            while not self._closed:
                if not self._writer.taken or self._failure is not None:
                    self._changed.wait()
                    continue
                left = self._since + self._seconds - monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                try:
                    self._commit()
                except MareyError as error:
                    self._failure = error  # whoever appends next is told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
