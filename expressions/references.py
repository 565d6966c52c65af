"""What expressions refer to: the tables, the columns and the `aux` values that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import ExpressionError
from .auxiliary import Aux
from .columns import Column, Relation
from .dtypes import DataType
from .literal import quoted
from .node import Expr, children


def walk(exprs: Iterable[Expr]) -> Iterator[Expr]:
    """Every node of some trees, each once, parents first, left to right."""
    seen: set[int] = set()
    stack = list(exprs)[::-1]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(list(children(node))[::-1])


def relations(exprs: Iterable[Expr]) -> list[Relation]:
    """The tables that expressions read, each snapshot once, in order of appearance."""
    found: list[Relation] = []
    for node in walk(exprs):
        if isinstance(node, Column) and not any(node.relation.same_rows(r) for r in found):
            found.append(node.relation)
    return found


def single_relation(exprs: Iterable[Expr]) -> Relation | None:
    """The one table that expressions read; None where they read none.

    Raises:
        ExpressionError: There are several.
    """
    found = relations(exprs)
    if len(found) <= 1:
        return found[0] if found else None
    names = [f"{r.project}.{r.name}" for r in found]
    if len(set(names)) < len(names):
        raise ExpressionError(f"a scan reads one snapshot of a table, found two of {names[0]}")
    raise ExpressionError(
        f"a scan reads one table, found {' and '.join(names)}: joins are for db.sql"
    )


def columns_used(exprs: Iterable[Expr]) -> set[str]:
    """The DataFusion columns that expressions read: stored ones, video handles, index scalars.

    Each goes by its flat name: `label`, `video`, `video.index.width`.
    """
    return {node.flat_name for node in walk(exprs) if isinstance(node, Column)}


def aux_used(exprs: Iterable[Expr]) -> dict[str, DataType]:
    """The `aux` names in expressions, and their types.

    Raises:
        ExpressionError: One name is declared with two types.
    """
    found: dict[str, DataType] = {}
    for node in walk(exprs):
        if isinstance(node, Aux) and found.setdefault(node.name, node.dtype) != node.dtype:
            raise ExpressionError(
                f"aux({quoted(node.name)}) is declared both {found[node.name]} and {node.dtype}"
            )
    return found
