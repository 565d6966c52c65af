"""Rows chosen by a condition, to be deleted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ExpressionError
from ..expressions.check import resolve_condition
from ..expressions.columns import Relation
from ..expressions.node import Expr
from ..expressions.references import aux_used, single_relation
from ..expressions.sql_text import rewrite_sql
from .keys import require_no_aux
from .query import Query
from .small import select_by_sql, select_stored
from .workspace import Workspace

_ROW_ID = "_rowid"


def delete_rows(workspace: Workspace, relation: Relation, where: Expr | str) -> int:
    """Delete the rows of a table that satisfy a condition, and say how many those were.

    The condition is evaluated on the newest version; the rows that it finds are then deleted
    wherever they have got to.

    Raises:
        ExpressionError: It is no condition, or one over another table.
        UnboundAuxError: It uses an `aux`: there is no key table here.
        QueryError: SQL that does not parse or plan.
    """
    context = workspace.context()
    if isinstance(where, str):
        sql = rewrite_sql(where, relation.video_columns)
        dataset = workspace.snapshot(relation)
        label = f"{relation.project}.{relation.name}"
        chosen = select_by_sql(sql, dataset, context, label=label)
    else:
        query = Query(relation, {}, _condition(relation, where), None)
        chosen = select_stored(query, workspace.snapshot(relation), context)
    if not len(chosen):
        return 0
    newest = workspace.newest(relation.project, relation.name)
    deleted: int = newest.delete(spans_filter(np.sort(chosen.row_ids.to_numpy())))
    return deleted


def spans_filter(row_ids: npt.NDArray[np.uint64]) -> str:
    """A filter of Lance that passes some rows; neighbours are said as ranges.

    >>> spans_filter(np.array([3, 5, 6, 7], np.uint64))
    '_rowid IN (3) OR _rowid BETWEEN 5 AND 7'
    """
    cuts = np.flatnonzero(np.diff(row_ids) != 1) + 1
    firsts = row_ids[np.concatenate(([0], cuts))].tolist()
    lasts = row_ids[np.concatenate((cuts, [len(row_ids)])) - 1].tolist()
    spans = list(zip(firsts, lasts, strict=True))
    alone = [str(first) for first, last in spans if first == last]
    parts = [f"{_ROW_ID} IN ({', '.join(alone)})"] if alone else []
    parts += [f"{_ROW_ID} BETWEEN {a} AND {b}" for a, b in spans if a != b]
    return " OR ".join(parts)


def _condition(relation: Relation, where: Expr) -> Expr:
    if not isinstance(where, Expr):
        raise ExpressionError(
            f"delete takes an expression or a condition in SQL, got {type(where).__name__}"
        )
    condition = resolve_condition(where)
    require_no_aux(aux_used([condition]))
    other = single_relation([condition])
    if other is not None and (other.project, other.name) != (relation.project, relation.name):
        raise ExpressionError(
            f"rows of {relation.project}.{relation.name} cannot be deleted by a condition "
            f"over {other.project}.{other.name}"
        )
    return condition
