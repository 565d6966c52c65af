"""SQL text as tokens: enough to find calls and paths, and never to look into a string.

It follows the lexical rules of DataFusion's generic dialect. Text that has no end (a string, a
comment) is one token up to the end of the text: DataFusion says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import MareyError, QueryError

TokenKind = Literal["space", "word", "quoted", "string", "number", "symbol"]

_TOKEN = re.compile(
    r"""
      (?P<space>   \s+ | --[^\n]* )
    | (?P<string>  [eE]'(?:[^'\\]|\\.|'')*+(?:'|\\?\Z)       # backslashes escape here alone
                 | '(?:[^']|'')*+(?:'|\Z)
                 | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<quoted>  "(?:[^"]|"")*+(?:"|\Z) | `(?:[^`]|``)*+(?:`|\Z) )
    | (?P<number>  0[xX][0-9a-fA-F]+ | (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<word>    [^\W\d][\w$@\#]* )
    | (?P<symbol>  => | := | :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_COMMENT_EDGE = re.compile(r"/\*|\*/")

_MOST_OPERATORS = 2000
"""DataFusion goes a level deeper for each; at some five thousand its stack ends, and with it
the process."""

_OPERATORS = frozenset({"and", "or", "union", "+", "*", "/", "%", "|", "::"})

_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of SQL text."""

    kind: TokenKind
    """What it is; comments are space."""
    text: str
    """As it stands in the text."""
    start: int
    """Where it begins in the text."""

    @property
    def name(self) -> str | None:
        """The identifier that it is, in lower case unless quoted; None for any other token."""
        if self.kind == "word":
            return ascii_lower(self.text)
        if self.kind == "quoted":
            mark = self.text[0]
            return self.text[1:-1].replace(mark * 2, mark)
        return None


def ascii_lower(text: str) -> str:
    """The text in lower case, letters outside ASCII as they are: DataFusion folds no others."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def tokenize(sql: str) -> list[Token]:
    """Every token; joined, they are the text.

    >>> [t.text for t in tokenize("a->'b' /* c */") if t.kind != "space"]
    ['a', '-', '>', "'b'"]
    """
    return list(_tokens(sql))


def _tokens(sql: str) -> Iterator[Token]:
    at = 0
    while at < len(sql):
        if sql.startswith("/*", at):
            end = _comment_end(sql, at)
            yield Token("space", sql[at:end], at)
            at = end
            continue
        found = _TOKEN.match(sql, at)
        assert found is not None  # the last alternative takes any character
        kind: TokenKind = found.lastgroup  # type: ignore[assignment]  # the groups' names
        yield Token(kind, found.group(), at)
        at = found.end()


def _comment_end(sql: str, at: int) -> int:
    """One past a block comment; they nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def line_and_column(sql: str, at: int) -> tuple[int, int]:
    """Where a place in a text is, both counted from 1."""
    return sql.count("\n", 0, at) + 1, at - sql.rfind("\n", 0, at)


def _is_operator(token: Token) -> bool:
    return token.kind in ("word", "symbol") and token.text.lower() in _OPERATORS


class TokenText:
    """The tokens of a text, and how to move among them; positions are places in `tokens`."""

    def __init__(self, sql: str) -> None:
        """Cut a text into tokens.

        Raises:
            QueryError: It is no text, or has too many operators for DataFusion to plan.
        """
        if not isinstance(sql, str):
            raise QueryError(f"SQL is text, found {type(sql).__name__}")
        self.sql = sql
        self.tokens = tokenize(sql)
        operators = sum(map(_is_operator, self.tokens))
        if operators > _MOST_OPERATORS:
            raise QueryError(
                f"the text has {operators} operators, {_MOST_OPERATORS} are planned at most: "
                "for many values of one column write IN (...)"
            )
        self._closes = _matching_brackets(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, at: int) -> Token:
        return self.tokens[at]

    def close(self, at: int) -> int | None:
        """Where the bracket here is closed; None where there is none, or it never is."""
        return self._closes.get(at)

    def after(self, at: int) -> int:
        """The next token that is not space; the end where there is none."""
        return self.skip_space(at + 1)

    def skip_space(self, at: int) -> int:
        """This token, or the first after it that is not space."""
        while at < len(self.tokens) and self.tokens[at].kind == "space":
            at += 1
        return at

    def before(self, at: int) -> int:
        """The last token before this one that is not space; -1 where there is none."""
        at -= 1
        while at >= 0 and self.tokens[at].kind == "space":
            at -= 1
        return at

    def is_symbol(self, at: int, *symbols: str) -> bool:
        """Whether one of some symbols is here."""
        if not 0 <= at < len(self.tokens):
            return False
        token = self.tokens[at]
        return token.kind == "symbol" and token.text in symbols

    def is_word(self, at: int, *words: str) -> bool:
        """Whether one of some words is here, without quotes, in any case."""
        if not 0 <= at < len(self.tokens):
            return False
        token = self.tokens[at]
        return token.kind == "word" and token.text.lower() in words

    def name(self, at: int) -> str | None:
        """The identifier here, or None."""
        return self.tokens[at].name if 0 <= at < len(self.tokens) else None

    def split(self, opening: int) -> Iterator[tuple[int, int]]:
        """What the commas within a bracket part, each part without the space around it."""
        closing = self._closes[opening]
        first = at = opening + 1
        while at < closing:
            if self.is_symbol(at, ","):
                yield self._trimmed(first, at)
                first = at + 1
            at = self._closes.get(at, at) + 1
        if first > opening + 1 or self.skip_space(first) < closing:
            yield self._trimmed(first, closing)

    def _trimmed(self, first: int, end: int) -> tuple[int, int]:
        return min(self.skip_space(first), end), max(self.before(end) + 1, first)

    def error(self, at: int, kind: type[MareyError], why: str) -> MareyError:
        """An error about what stands here."""
        start = self.tokens[at].start if at < len(self.tokens) else len(self.sql)
        line, column = line_and_column(self.sql, start)
        return kind(f"line {line}, column {column}: {why}")


def _matching_brackets(tokens: Sequence[Token]) -> dict[int, int]:
    """Where each bracket that has a partner is closed."""
    pairs: dict[int, int] = {}
    stack: list[int] = []
    for at, token in enumerate(tokens):
        if token.kind != "symbol":
            continue
        if token.text in _CLOSERS:
            stack.append(at)
        elif stack and token.text == _CLOSERS[tokens[stack[-1]].text]:
            pairs[stack.pop()] = at
    return pairs
