"""DataFusion sessions, and their results batch by batch with errors as ours.

Every setting serves one bound: a plan runs only as far as its consumer asks. One partition and
no repartitioning, because channels between partitions grow without bound; small batches, as a
function on videos sees a whole batch at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pyarrow as pa
from datafusion import DataFrame, SessionConfig, SessionContext

from ..errors import MareyError, QueryError
from .context import QueryContext

BATCH_ROWS = 1024
"""Rows that a plan handles at once."""

VIDEO_BATCH_ROWS = 64
"""Likewise where functions on videos are called: they load the frame indexes of a batch."""

_LAYERS = re.compile(
    r"^(?:DataFusion error|Error during planning|Execution error|Arrow error|External error|"
    r"Schema error|SQL error|Optimizer rule '\w+' failed|caused by|Compute error|"
    r"This feature is not implemented|Context error)[:\s]+"
)
_BACKTRACE = re.compile(r"\s*(?:backtrace:|This issue was likely caused by).*", re.DOTALL)


def new_session(batch_rows: int = BATCH_ROWS, *, catalog: str = "marey") -> SessionContext:
    """A session that reads no further ahead than a batch."""
    config = (
        SessionConfig()
        .with_target_partitions(1)
        .with_batch_size(batch_rows)
        .with_default_catalog_and_schema(catalog, "public")
        .with_information_schema(False)
        .set("datafusion.optimizer.enable_round_robin_repartition", "false")
    )
    return SessionContext(config)


def stream(
    plan: Callable[[], DataFrame],
    context: QueryContext,
    *,
    translate: Callable[[str], MareyError] = QueryError,
) -> Iterator[pa.RecordBatch]:
    """The batches of a plan, as they are asked for; one partition after the other.

    Partitions that are merged run ahead, each in a task of its own: that knows no bound, and
    Python that such a task runs into while the interpreter shuts down ends in an abort.

    Args:
        plan: Makes the data frame.
        context: Keeps what is raised beneath DataFusion.
        translate: Makes an error of DataFusion's message.

    Raises:
        QueryError: DataFusion cannot do it; anything raised beneath it comes as it was raised.
    """
    try:
        for batches in plan().execute_stream_partitioned():
            while (batch := next(batches, None)) is not None:
                yield batch.to_pyarrow()
                del batch
    except Exception as error:
        found = cause(error, context, translate=translate)
        if found is error:
            raise
        raise found from error


def cause(
    error: Exception,
    context: QueryContext,
    *,
    translate: Callable[[str], MareyError] = QueryError,
) -> BaseException:
    """What an exception that came out of DataFusion was about."""
    if context.raised is not None:
        raised, context.raised = context.raised, None
        return raised
    if isinstance(error, MareyError):
        return error
    return translate(clean_message(str(error)))


def clean_message(message: str) -> str:
    """DataFusion's message without the names of the layers that it came through.

    >>> clean_message("DataFusion error: Arrow error: Cast error: Can't cast value x to Int64")
    "Cast error: Can't cast value x to Int64"
    """
    message = _BACKTRACE.sub("", message).strip()
    while (shorter := _LAYERS.sub("", message)) != message:
        message = shorter
    return message
