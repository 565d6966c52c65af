"""Filters as trees: they mean the same to Lance, to the mask and to DataFusion."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from datafusion import SessionContext
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marey.engine.pushdown import evaluate, field_names, read_expression, to_lance_filter

ROWS = 24
BATCH = pa.record_batch(
    {
        "id": pa.array([i if i % 7 else None for i in range(ROWS)], pa.int64()),
        "score": pa.array([i / 4 if i % 5 else None for i in range(ROWS)], pa.float64()),
        "label": pa.array([f"it's {i % 4}" if i % 3 else None for i in range(ROWS)]),
        "kept": pa.array([i % 2 == 0 for i in range(ROWS)]),
    }
)
PATHS = {name: (name,) for name in BATCH.schema.names}

LITERALS = {
    "id": st.integers(0, ROWS).map(str),
    "score": st.integers(0, ROWS).map(lambda n: f"{n / 4!r}"),
    "label": st.integers(0, 4).map(lambda n: f"'it''s {n}'"),
}


@st.composite
def leaves(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(LITERALS)))
    values = draw(st.lists(LITERALS[name], min_size=2, max_size=5))
    sign = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
    return draw(
        st.sampled_from(
            [
                f"{name} {sign} {values[0]}",
                f"{name} IN ({', '.join(values)})",
                f"{name} NOT IN ({', '.join(values)})",
                f"{name} BETWEEN {values[0]} AND {values[1]}",
                f"{name} NOT BETWEEN {values[0]} AND {values[1]}",
                f"{name} IS NULL",
                f"{name} IS NOT NULL",
            ]
        )
    )


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} AND {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} OR {p[1]})"),
        inner.map(lambda c: f"NOT ({c})"),
    ),
    max_leaves=5,
)


class Recorder(pa.dataset.Dataset):
    """A table that keeps the filter that DataFusion hands to it."""

    def __init__(self) -> None:
        self.filter: pc.Expression | None = None

    @property
    def schema(self) -> pa.Schema:
        return BATCH.schema

    def scanner(self, *, columns: object = None, filter: object = None) -> object:
        return pa.dataset.dataset([BATCH]).scanner()

    def get_fragments(self, filter: pc.Expression | None = None) -> object:
        self.filter = filter
        return iter(())


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> lance.LanceDataset:
    return lance.write_dataset(BATCH, str(tmp_path_factory.mktemp("lance") / "t"))


@settings(max_examples=60, deadline=None)
@given(condition=CONDITIONS)
@example(condition="(id = 0 AND id = 1)")
def test_the_tree_means_what_the_sql_means(condition: str, stored: lance.LanceDataset) -> None:
    context = SessionContext()
    recorder = Recorder()
    context.register_dataset("recorded", recorder)
    context.register_record_batches("held", [[BATCH]])
    truth = context.sql(f"SELECT id, kept, score FROM held WHERE {condition}").to_pylist()
    context.sql(f"SELECT * FROM recorded WHERE {condition}").collect()
    if recorder.filter is None:  # decided while planning
        return
    tree = read_expression(recorder.filter)
    assert tree is not None
    columns = ["id", "kept", "score"]
    mask = evaluate(tree, BATCH)
    assert BATCH.filter(mask).select(columns).to_pylist() == truth
    pushed = to_lance_filter(tree, PATHS)
    assert pushed is not None
    assert stored.to_table(columns=columns, filter=pushed).to_pylist() == truth


def test_a_conjunct_that_lance_cannot_say_is_left_out() -> None:
    when = pa.scalar(7, pa.duration("ns"))
    expression = (pc.field("id") > 3) & (pc.field("when") == when)
    tree = read_expression(expression)
    assert tree is not None
    assert field_names(tree) == {"id", "when"}
    assert to_lance_filter(tree, {"id": ("id",), "when": ("when",)}) == "(`id` > 3)"


def test_a_disjunct_that_lance_cannot_say_keeps_the_whole_back() -> None:
    tree = read_expression((pc.field("id") > 3) | (pc.field("handle") > 3))
    assert tree is not None
    assert to_lance_filter(tree, {"id": ("id",)}) is None


def test_an_unknown_function_is_not_read() -> None:
    assert read_expression(pc.starts_with(pc.field("label"), "a")) is None


@pytest.mark.parametrize("links", [3, 60, 400, 3000])
@pytest.mark.parametrize("chain", [operator.and_, operator.or_])
def test_a_chain_is_as_good_as_its_links(links: int, chain: Any, stored: Any) -> None:
    """Lance's parser stops at some fifty levels, and Python at a thousand."""
    sign = operator.eq if chain is operator.or_ else operator.ne
    tree = read_expression(reduce(chain, [sign(pc.field("id"), i) for i in range(2, links)]))
    assert tree is not None
    rows = [0 if i % 7 else None for i in range(ROWS)]
    truth = [
        i
        for i, there in enumerate(rows)
        if there is not None and (2 <= i < links) == (chain is operator.or_)
    ]
    assert BATCH.filter(evaluate(tree, BATCH))["id"].to_pylist() == truth
    pushed = to_lance_filter(tree, PATHS)
    if chain is operator.and_ or links < 500:
        found = stored.to_table(columns=["id"], filter=pushed)["id"].to_pylist()
        assert set(truth) <= set(found)
        assert found == truth or links > 500
    else:
        assert pushed is None


@pytest.mark.parametrize("levels", [3, 12, 13, 60, 3000])
def test_a_filter_too_deep_for_lance_stays_here(levels: int, stored: Any) -> None:
    deep = pc.field("id") > 3
    for level in range(levels - 1):
        chain = operator.and_ if (levels - level) % 2 else operator.or_
        deep = chain(deep, ~pc.field("kept"))
    tree = read_expression(deep)
    assert (tree is not None) == (levels <= 100)
    pushed = None if tree is None else to_lance_filter(tree, PATHS)
    assert (pushed is not None) == (levels <= 12)
    if tree is not None and pushed is not None:
        found = stored.to_table(columns=["id"], filter=pushed)["id"]
        assert found.to_pylist() == BATCH.filter(evaluate(tree, BATCH))["id"].to_pylist()
