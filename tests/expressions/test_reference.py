"""The reference of expressions, the table of functions and the functions agree."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from marey import expressions as se
from marey.expressions.functions import AT_MODES, FUNCTIONS, PIXEL_FORMATS, Function

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "expressions.md").read_text()
HEADING = re.compile(r"^### `se\.video\.(\w+)(\(.*\))`$", re.MULTILINE)
SECTIONS = dict(
    zip(HEADING.findall(PAGE), re.split(HEADING, PAGE)[3::3], strict=True)  # after two groups
)

functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda f: f.name)


def plain_signature(function: Function) -> str:
    """The signature of the Python function, without annotations."""
    signature = inspect.signature(getattr(se.video, function.python_name))
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    text = signature.replace(parameters=bare, return_annotation=signature.empty)
    return str(text).replace("'", '"')


def parameter_rows(function: Function) -> list[str]:
    rows = []
    for parameter in function.parameters:
        default = f"`{parameter.default!r}`".replace("'", '"')
        if parameter.required or parameter.default is None:
            default = "required" if parameter.required else ""
        rows.append(
            f"| `{parameter.name}` | `{parameter.type_name}` | {default} | {parameter.text} |"
        )
    return rows


@functions
def test_python_and_table_have_the_same_parameters(function: Function) -> None:
    found = inspect.signature(getattr(se.video, function.python_name)).parameters.values()
    assert [p.name for p in found] == [p.name for p in function.parameters]
    for python, parameter in zip(found, function.parameters, strict=True):
        assert (python.default is python.empty) == parameter.required
        if not parameter.required:
            assert python.default == parameter.default


@functions
def test_the_page_has_the_signature(function: Function) -> None:
    assert (function.python_name, plain_signature(function)) in SECTIONS


@functions
def test_the_page_has_the_parameters(function: Function) -> None:
    section = SECTIONS[function.python_name, plain_signature(function)]
    found = [row for row in section.splitlines() if re.match(r"\| `\w+` \| `", row)]
    rows = parameter_rows(function)
    assert found[: len(rows)] == rows


def test_the_page_has_no_other_function() -> None:
    assert {name for name, _ in SECTIONS} == {f.python_name for f in FUNCTIONS.values()}


def test_the_page_names_every_choice() -> None:
    for choice in (*AT_MODES, *PIXEL_FORMATS):
        assert f"`{choice}`" in PAGE


def test_the_page_names_every_fact_of_an_index() -> None:
    from marey.storage.schema import INDEX_FIELDS

    facts = [field.name for field in INDEX_FIELDS if field.name != "frame_graph"]
    assert [fact for fact in facts if f"`{fact}`" not in PAGE] == []
