"""SQL as people write it, turned into SQL that DataFusion can plan.

DataFusion's functions from Python have one arity and no named arguments, and it sees a video as
a handle with the scalars of its index beside it as flat columns. So two things are rewritten,
and nothing else:

- `video_read(video, [0, 8], height => 224)` becomes a call of an internal function with every
  argument in its place;
- `video.index.width` and `video['index']['width']` become the column `"video.index.width"`.

What is copied remembers where it was, so that positions in DataFusion's messages can be put
back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..errors import QueryError, UnsupportedError
from .columns import INDEX, SOURCE, no_source
from .dtypes import READ_REQUEST, is_request
from .functions import EITHER, SECONDS_LIST, TIMED, Parameter
from .sql_calls import Argument, SqlCall, call_at
from .sql_tokens import TokenText, line_and_column

_DEEPEST = 32
"""Calls within calls."""

_INSTEAD = {
    "INSERT": ": use Table.write",
    "UPDATE": ": use Table.write",
    "MERGE": ": use Table.write",
    "DELETE": ": use Table.delete",
    "CREATE": ": use Project.create_table",
    "DROP": ": use Project.drop_table",
    "SHOW": ": use Project.list_tables",
    "DESCRIBE": ": use Table.schema",
    "DESC": ": use Table.schema",
    "EXPLAIN": ": use the method explain of the query",
}
"""What does it, by the first word of a statement that is no query."""

_OTHER_STATEMENTS = (
    *("alter", "analyze", "begin", "call", "commit", "copy", "deallocate", "execute", "grant"),
    *("kill", "prepare", "reset", "revoke", "rollback", "set", "start", "truncate", "use"),
    "vacuum",
)
_STATEMENTS = (*(word.lower() for word in _INSTEAD), *_OTHER_STATEMENTS)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of rewritten text, and where it comes from."""

    text: str
    """What stands in the rewritten text."""
    start: int
    """Where in the given text it is copied from, or the place that it stands for."""
    copied: bool = False
    """Whether it is the given text, letter by letter."""


@dataclass(frozen=True, slots=True)
class RewrittenSql:
    """A rewritten query that remembers the text it was given."""

    given: str
    """The text as written."""
    pieces: tuple[Piece, ...]
    """The rewritten text, in order."""
    video_columns: frozenset[str] = frozenset()
    """The names of the video columns in the tables that it may read."""

    @property
    def text(self) -> str:
        """What DataFusion plans."""
        return "".join(piece.text for piece in self.pieces)

    def written_position(self, line: int, column: int) -> tuple[int, int]:
        """Where in the given text a place of the rewritten text is; both count from 1."""
        before = self.text.split("\n")[: line - 1]
        return line_and_column(
            self.given, self._origin(sum(map(len, before)) + len(before) + column - 1)
        )

    def _origin(self, at: int) -> int:
        for piece in self.pieces:
            if at < len(piece.text):
                return piece.start + at if piece.copied else piece.start
            at -= len(piece.text)
        return len(self.given)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the text is read with."""

    videos: frozenset[str]
    """Names of video columns."""
    single_times: bool
    """Whether what stands where times do may be one of them."""
    timed: bool
    """Whether frames have times of a clock."""


def rewrite_sql(
    sql: str,
    video_columns: Collection[str] = (),
    *,
    single_times: bool = False,
    timed: bool = False,
) -> RewrittenSql:
    """Rewrite a query.

    >>> rewrite_sql("SELECT video_remux(v, audio => false), v.index.width FROM t", {"v"}).text
    'SELECT __marey_remux_every(v, false), "v.index.width" FROM t'

    Args:
        sql: The text.
        video_columns: The names of the video columns in the tables that it may read.
        single_times: Whether to make lists of what is no constant where times are taken: of a
            number a list of it, and of a list itself.
        timed: Whether frames have times of a clock, as those of recorded streams have.

    Raises:
        FunctionNotFoundError: A `video_...` function, or a parameter of one, that does not
            exist.
        QueryError: Arguments missing, given twice or too many, or a constant that is wrong.
        FrameRangeError: A constant frame number that no clip can have.
        UnsupportedError: The bytes of a video are asked for.
    """
    text = TokenText(sql)
    reading = _Reading(frozenset(video_columns), single_times, timed)
    pieces = tuple(_rewrite(text, reading, 0, len(text), 0))
    return RewrittenSql(sql, pieces, reading.videos)


def video_with_field(sql: RewrittenSql, field: str) -> str | None:
    """The name of a video that the query takes a field of, or None."""
    text = TokenText(sql.given)
    for at in range(len(text)):
        name = text.name(at)
        step = _step(text, at) if name in sql.video_columns else None
        if step is not None and step[0] == field:
            return name
    return None


def require_query(sql: str) -> None:
    """Refuse a statement that is no query, naming it.

    >>> require_query("SELECT 1")

    Raises:
        QueryError: It would change something, or ask about the session.
    """
    text = TokenText(sql)
    first = text.skip_space(0)
    if first == len(text):
        raise QueryError("there is no SQL in the text")
    if text.is_word(first, *_STATEMENTS):
        word = text[first].text.upper()
        why = f"SQL only asks here, as SELECT does; {word} is no query{_INSTEAD.get(word, '')}"
        raise text.error(first, QueryError, why)


def _rewrite(
    text: TokenText, reading: _Reading, first: int, end: int, depth: int
) -> Iterator[Piece]:
    at = first
    while at < end:
        token = text[at]
        call = call_at(text, at)
        if call is not None:
            if depth >= _DEEPEST:
                raise text.error(at, QueryError, f"calls are nested more than {_DEEPEST} deep")
            yield from _rewrite_call(text, reading, call, at, depth)
            at = call.closing + 1
            continue
        path = _index_path_at(text, reading.videos, at)
        if path is not None:
            name, at = path
            yield Piece('"' + name.replace('"', '""') + '"', token.start)
            continue
        yield Piece(token.text, token.start, copied=True)
        at += 1


def _rewrite_call(
    text: TokenText, reading: _Reading, call: SqlCall, at: int, depth: int
) -> Iterator[Piece]:
    _check_use(text, call, at)
    every_frame = call.function.every_frame and "frame_indices" not in call.arguments
    name, parameters = call.function.internal(every_frame=every_frame)
    start = text[at].start
    # A constant is seconds, or a whole number, which streams take exactly; DataFusion converts
    # other lists to what is taken, and does not say from what.
    unknown = [
        p for p in parameters if _is_unknown_time(p, call.arguments.get(p.name), reading)
    ]
    own = (f"{name}(", f"{name}{EITHER}(")
    if unknown:
        name += EITHER
    elif reading.timed and call.function.returns == READ_REQUEST:
        name += TIMED
    yield Piece(f"{name}(", start)
    for i, parameter in enumerate(parameters):
        if i:
            yield Piece(", ", start)
        argument = call.arguments.get(parameter.name)
        if argument is None:
            yield Piece("NULL", start)
            continue
        given = tuple(_rewrite_argument(text, reading, argument, depth))
        yield from given
        if parameter in unknown:
            if any(piece.text in own for piece in given):
                why = f"{call.function.name}: what it gives are frame numbers and no times"
                raise text.error(argument.first, QueryError, why)
            yield from (Piece(", ", start), *given)
            yield from (Piece(", arrow_typeof(", start), *given, Piece(")", start))
    yield Piece(")", text[call.closing].start)


def _is_unknown_time(
    parameter: Parameter, argument: Argument | None, reading: _Reading
) -> bool:
    """Whether only a plan tells if what is given are seconds, numbers or times of a clock."""
    if parameter.dtype != SECONDS_LIST or argument is None:
        return False
    return argument.may_be_alone or (argument.numbers and reading.timed)


def _check_use(text: TokenText, call: SqlCall, at: int) -> None:
    """Refuse to take a field of what is made after the query has run."""
    if is_request(call.function.returns) and text.is_symbol(text.after(call.closing), "[", "."):
        why = (
            f"what {call.function.name} gives is made after the query has run: "
            "select it whole, and take the field from the result"
        )
        raise text.error(at, UnsupportedError, why)


def _rewrite_argument(
    text: TokenText, reading: _Reading, argument: Argument, depth: int
) -> Iterator[Piece]:
    start = text[argument.first].start
    given = list(_rewrite(text, reading, argument.first, argument.end, depth + 1))
    if argument.alone:
        yield from (Piece("[", start), *given, Piece("]", start))
    elif argument.may_be_alone and reading.single_times:
        # flatten takes [0.5] and [[0.5]] alike; of a null it would make a list.
        yield from (Piece("CASE WHEN (", start), *given, Piece(") IS NOT NULL ", start))
        yield from (Piece("THEN flatten([", start), *given, Piece("]) END", start))
    else:
        yield from given


def _index_path_at(text: TokenText, videos: frozenset[str], at: int) -> tuple[str, int] | None:
    """The flat column that a path into a video's index means, and the token after the path."""
    video = text.name(at)
    if video not in videos or text.is_word(text.before(at), "as"):
        return None
    first = _step(text, at)
    if first is None:
        return None
    member, last, bracketed = first
    if member == SOURCE and bracketed:
        raise no_source(f"{video}[{member!r}]")
    if member != INDEX:
        return None
    second = _step(text, last)
    if second is None:
        if bracketed:
            why = f"name a field of it: {video}['{INDEX}']['width']"
            raise text.error(at, QueryError, why)
        return None
    field, last, _ = second
    return f"{video}.{INDEX}.{field}", last + 1


def _step(text: TokenText, at: int) -> tuple[str, int, bool] | None:
    """What `.name` or `['name']` after a token takes: the name, its end, if in brackets."""
    opening = text.after(at)
    inside = text.after(opening)
    if text.is_symbol(opening, "."):
        name = text.name(inside)
        return None if name is None else (name, inside, False)
    closing = text.close(opening)
    if not text.is_symbol(opening, "[") or closing is None or text.after(inside) != closing:
        return None
    if text[inside].kind != "string" or not text[inside].text.startswith("'"):
        return None
    return text[inside].text[1:-1].replace("''", "'"), closing, True
