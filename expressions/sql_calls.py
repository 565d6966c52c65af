"""Calls of the functions on videos in SQL text: which function, and which argument goes where.

Arguments are given by position, by name (`height => 224`, `height := 224`), or first the one
and then the other. Constants are checked here as those in Python are: what DataFusion would cut
to fit is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ExpressionError, FunctionNotFoundError, MareyError, QueryError
from ..storage.columns import is_list
from .arguments import check_constant, is_numbers
from .functions import FUNCTIONS, SECONDS_LIST, Function, Parameter, find_function
from .literal import to_scalar
from .sql_tokens import Token, TokenText

_PREFIX = "video_"
_NAMES_AFTER = ("as", "into", "table", "view", "with", "recursive")
"""Before a name that is being made, which is no call."""


@dataclass(frozen=True, slots=True)
class Argument:
    """The tokens of one argument, without its name and the space around it."""

    first: int
    """Its first token."""
    end: int
    """One past its last token."""
    alone: bool = False
    """A constant that stands for a list of itself."""
    may_be_alone: bool = False
    """No constant; its type tells whether it stands for a list of itself."""
    numbers: bool = False
    """A constant of times as whole numbers."""


@dataclass(frozen=True, slots=True)
class SqlCall:
    """A call of one of our functions."""

    function: Function
    """Which."""
    arguments: Mapping[str, Argument]
    """What is given, by parameter."""
    opening: int
    """The token that opens the brackets."""
    closing: int
    """The token that closes them."""


def call_at(text: TokenText, at: int) -> SqlCall | None:
    """The call that begins at a token, or None where none of our functions is called.

    Raises:
        FunctionNotFoundError: A function, or a parameter of it, that does not exist.
        QueryError: Arguments missing, given twice or too many, or a constant that is wrong.
        FrameRangeError: A constant frame number that no clip can have.
    """
    name = text.name(at)
    opening = text.after(at)
    closing = text.close(opening)
    if name is None or not name.startswith(_PREFIX) or closing is None:
        return None
    if not text.is_symbol(opening, "(") or _is_new_name(text, at, closing):
        return None
    try:
        function = find_function(name)
    except FunctionNotFoundError as error:
        raise text.error(at, FunctionNotFoundError, str(error)) from None
    arguments = _arguments(text, function, opening)
    for parameter in function.parameters:
        if parameter.required and parameter.name not in arguments:
            raise text.error(at, QueryError, f"{name} needs {parameter.name}")
    return SqlCall(function, arguments, opening, closing)


def _is_new_name(text: TokenText, at: int, closing: int) -> bool:
    before = text.before(at)
    if text.is_symbol(before, ".") or text.is_word(before, *_NAMES_AFTER):
        return True
    # WITH a AS (...), video_lengths (clip, length) AS (...)
    follows = text.after(closing)
    known = text.name(at) in FUNCTIONS
    return (
        not known and text.is_word(follows, "as") and text.is_symbol(text.after(follows), "(")
    )


def _arguments(text: TokenText, function: Function, opening: int) -> dict[str, Argument]:
    given: dict[str, Argument] = {}
    by_name = False
    for place, (first, end) in enumerate(text.split(opening)):
        arrow = text.after(first)
        named = text.name(first) is not None and text.is_symbol(arrow, "=>", ":=")
        if by_name and not named:
            why = f"{function.name}: an argument without a name follows a named one"
            raise text.error(first, QueryError, why)
        by_name = named
        parameter = _parameter(text, function, first, None if named else place)
        if parameter.name in given:
            raise text.error(
                first, QueryError, f"{function.name}: {parameter.name} is given twice"
            )
        begin = text.after(arrow) if named else first
        if begin >= end:
            raise text.error(first, QueryError, f"{function.name}: {parameter.name} is empty")
        given[parameter.name] = _argument(text, function, parameter, begin, end)
    return given


def _parameter(text: TokenText, function: Function, at: int, place: int | None) -> Parameter:
    """The parameter at a place, or the one that is named here."""
    if place is None:
        try:
            return function.parameter(text.name(at) or "")
        except FunctionNotFoundError as error:
            raise text.error(at, FunctionNotFoundError, str(error)) from None
    if place < len(function.parameters):
        return function.parameters[place]
    names = ", ".join(parameter.name for parameter in function.parameters)
    why = f"{function.name} takes at most {len(function.parameters)} arguments: {names}"
    raise text.error(at, QueryError, why)


def _argument(
    text: TokenText, function: Function, parameter: Parameter, first: int, end: int
) -> Argument:
    where = f"{function.name}: {parameter.name}"
    try:
        value = constant(text.tokens[first:end])
        if value is None:
            return Argument(first, end, may_be_alone=parameter.dtype == SECONDS_LIST)
        scalar = to_scalar(value)
        numbers = is_numbers(parameter, scalar.type)
        check_constant(where, parameter, scalar, stream=numbers)
    except ExpressionError as error:
        raise text.error(first, QueryError, str(error)) from None
    except MareyError as error:
        raise text.error(first, type(error), str(error)) from None
    alone = parameter.dtype == SECONDS_LIST and not is_list(scalar.type)
    return Argument(first, end, alone, numbers=numbers)


def constant(tokens: list[Token]) -> Any:
    """The value of a constant: a number, a string, a truth value, or an array of them.

    None stands for NULL, and for anything that is no plain constant.

    >>> from marey.expressions.sql_tokens import tokenize
    >>> constant(tokenize("[0, -8]")), constant(tokenize("n + 1"))
    ([0, -8], None)
    """
    words = [token for token in tokens if token.kind != "space"]
    texts = [word.text.lower() for word in words]
    if texts[:1] == ["array"]:
        words, texts = words[1:], texts[1:]
    if texts[:1] != ["["] or texts[-1:] != ["]"]:
        return _single(words)
    values: list[Any] = []
    inside = words[1:-1]
    while inside:
        width = 2 if inside[0].text in "+-" else 1
        value = _single(inside[:width])
        if value is None and inside[0].text.lower() != "null":
            return None
        values.append(value)
        if len(inside) > width and inside[width].text != ",":
            return None
        inside = inside[width + 1 :]
    return values


def _single(words: list[Token]) -> Any:
    match [(word.kind, word.text) for word in words]:
        case [("symbol", "-" | "+" as sign), ("number", number)]:
            value = _number(number)
            return -value if sign == "-" else value
        case [("number", number)]:
            return _number(number)
        case [("string", string)] if string.startswith("'"):
            return string[1:-1].replace("''", "'")
        case [("word", word)] if word.lower() in ("true", "false"):
            return word.lower() == "true"
        case _:
            return None


def _number(text: str) -> int | float:
    try:
        return int(text, 0) if text[:2].lower() == "0x" else int(text)
    except ValueError:
        return float(text)
