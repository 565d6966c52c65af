"""`explain`: how a query would run, as text for people.

::

    scan of training.clips
      where      clips["label"] == "kitchen"

    training.clips, version 2, in stored order
      columns    clip_id, label, video.index.frame_count
      filter     in Lance: (`label` = 'kitchen')

    frames = video.read(clips["video"], [0, 8, 16], height=64, width=64)
      rows       2, with 6 frames of 2 clips
      source     file: 2 clips
      fetch      exact: 2 reads
      decode     rewritten: 2 runs, 9 samples
                  estimated   whole clips
      bytes           8,120        45,678   17.8 %
      ...
      fetched as          bytes   requests   milliseconds
      exact               8,120          9           0.10   chosen: 2 reads
      widened             9,004          4           0.05
      GOP                20,110          4           0.06   beyond the overfetch limit: 2 reads
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..expressions.node import Expr, Struct
from ..expressions.render import render
from .context import QueryContext, TableRead
from .estimate import Estimate, SlotEstimate

_SHOWN_FAILURES = 3
_LABEL = 10


@dataclass(frozen=True, slots=True)
class Explained:
    """What there is to tell of a query."""

    title: str
    """What kind of query, over what."""
    facts: Sequence[tuple[str, str]]
    """Its parts by name."""
    outputs: Mapping[str, Expr]
    """Expressions by the columns of the result; none for SQL."""
    estimate: Estimate | None
    """None where there can be none without a key table."""
    context: QueryContext
    """Of the planned run: how it read tables, and what failed."""


def explanation(explained: Explained) -> str:
    """The text; it ends without a line break."""
    parts = [_section(explained.title, explained.facts)]
    parts += [_table(read) for read in explained.context.reads]
    estimate = explained.estimate
    if estimate is None:
        return "\n\n".join(parts)
    slots = [_slot(slot, _expression(slot, explained.outputs)) for slot in estimate.slots]
    parts += slots or ["no video is read"]
    parts += _failures(explained.context)
    return "\n\n".join([*parts, _scope(estimate)])


def _section(title: str, facts: Sequence[tuple[str, str]]) -> str:
    lines = [title]
    for name, text in facts:
        first, *rest = text.splitlines() or [""]
        lines.append(f"  {name:<{_LABEL}} {first}".rstrip())
        lines += [f"  {'':<{_LABEL}} {line}" for line in rest]
    return "\n".join(lines)


def _table(read: TableRead) -> str:
    order = "by row id" if read.by_row_id else "in stored order"
    columns = ", ".join(read.columns) or "none"
    facts = [("columns", columns)]
    if read.filter is not None:
        facts.append(("filter", f"in Lance: {read.filter}"))
    elif read.refilter:
        facts.append(("filter", "none in Lance: every row is read, then filtered"))
    return _section(f"{read.label}, version {read.version}, {order}", facts)


def _slot(slot: SlotEstimate, text: str) -> str:
    name = slot.slot.name
    nulls = f"; {_count(slot.nulls, 'row')} without a value" if slot.nulls else ""
    title = f"{name} = {text}" if text else name
    clips = _count(len(slot.sources), "clip")
    facts = [("rows", f"{slot.rows:,}, with {_count(slot.frames, 'frame')} of {clips}{nulls}")]
    if not slot.sources:
        return _section(title, facts)
    reads = [f"{shape}: {_count(n, 'read')}" for shape, n in sorted(slot.shapes.items())]
    # A file is not decoded: its samples are copied, rewritten or as they are.
    doing = "decode" if slot.slot.is_read else "copy"
    runs = [
        f"{strategy}: {_count(n, 'run')}, {_count(slot.samples[strategy], 'sample')}"
        for strategy, n in sorted(slot.runs.items())
    ]
    kinds = [f"{kind}: {_count(len(own), 'clip')}" for kind, own in sorted(slot.kinds.items())]
    facts.append(("source", "; ".join(kinds)))
    facts += [("fetch", "; ".join(reads)), (doing, "; ".join(runs))]
    return "\n".join([_section(title, facts), *_against_whole(slot), *_outcomes(slot)])


def _against_whole(slot: SlotEstimate) -> Iterator[str]:
    """Estimated figures beside those of reading every clip from end to end."""
    source_bytes = sum(size for size, _ in slot.sources.values())
    source_samples = sum(samples for _, samples in slot.sources.values())
    rows = [
        ("bytes", slot.bytes_fetched, source_bytes),
        ("requests", slot.requests, len(slot.sources)),
        ("samples", sum(slot.samples.values()), source_samples),
    ]
    yield f"  {'':<{_LABEL}} {'estimated':>14} {'whole clips':>14}"
    for name, estimated, whole in rows:
        share = "" if name == "requests" or not whole else f" {estimated / whole:>8.1%}"
        yield f"  {name:<{_LABEL}} {estimated:>14,} {whole:>14,}{share}"


def _outcomes(slot: SlotEstimate) -> Iterator[str]:
    """What fetching would come to by each outcome, and how many reads it was chosen for."""
    yield f"  {'fetched as':<{_LABEL}} {'bytes':>14} {'requests':>14} {'milliseconds':>14}"
    for shape, total in slot.options.items():
        reads = slot.shapes.get(shape)
        chosen = f"   chosen: {_count(reads, 'read')}" if reads else ""
        if total.refused:
            chosen += f"   beyond the overfetch limit: {_count(total.refused, 'read')}"
        yield (
            f"  {shape:<{_LABEL}} {total.bytes_fetched:>14,} {total.requests:>14,} "
            f"{total.seconds * 1e3:>14,.2f}{chosen}"
        )


def _failures(context: QueryContext) -> Iterator[str]:
    failures = context.failures
    if not failures:
        return
    shown = [
        (type(failure.error).__name__, str(context.located(failure)))
        for failure in failures[:_SHOWN_FAILURES]
    ]
    lines = [f"{_count(len(failures), 'value')} cannot be made"]
    lines += [f"  {name}: {text}" for name, text in shown]
    if len(failures) > len(shown):
        lines.append(f"  and {len(failures) - len(shown):,} more")
    yield "\n".join(lines)


def _scope(estimate: Estimate) -> str:
    rows = _count(estimate.rows, "row")
    if estimate.complete:
        return f"Planned for all rows of the result ({rows}); no media was read."
    return f"Planned for the first {rows} of the result, there are more; no media was read."


def _expression(slot: SlotEstimate, outputs: Mapping[str, Expr]) -> str:
    """The expression that stands in a slot; empty where it is not known."""
    name, *fields = slot.slot.path
    expr = outputs.get(name)
    for field in fields:
        if not isinstance(expr, Struct):
            return ""
        expr = expr.values[expr.names.index(field)]
    return "" if expr is None else render(expr)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
