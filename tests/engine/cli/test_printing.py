"""Rows and facts in their three forms, and values of every kind in each."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.engine.cli.cells import printable, to_field, to_json, to_text
from marey.engine.cli.render import SCREEN_ROWS, Printer
from marey.engine.cli.summary import summarise, summarised_rows

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


@given(values)
def test_any_value_is_one_visible_field(value: object) -> None:
    for text in (to_field(value), to_text(value)):
        assert text.isprintable()


@given(values)
def test_any_value_is_strict_json(value: object) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(to_json(value), parse_constant=refuse)


@given(st.text())
def test_a_field_loses_nothing(text: str) -> None:
    # Escapes are those of Python, so two texts are never written alike.
    assert to_field(text).encode("latin-1", "backslashreplace").decode("unicode_escape") == text


def test_visible_text_stays_as_it_is() -> None:
    assert printable("Étienne-Jules Marey") == "Étienne-Jules Marey"


@pytest.mark.parametrize(
    ("array", "plain"),
    [
        (pa.array([1, None]), [1, None]),
        (pa.array([b"abc", None], pa.large_binary()), [{"bytes": 3}, None]),
        (pa.array([b"abc"], pa.binary(3)), [{"bytes": 3}]),
        (pa.array([b"abc"], pa.binary_view()), [{"bytes": 3}]),
        (pa.array([{"a": b"x", "b": 1}, None]), [{"a": {"bytes": 1}, "b": 1}, None]),
        (pa.array([[b"x"], None, []]), [[{"bytes": 1}], None, []]),
        (pa.array([[b"x", b"yz"]], pa.list_(pa.binary(), 2)), [[{"bytes": 1}, {"bytes": 2}]]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([Decimal("1.10")]), [Decimal("1.10")]),
        (pa.array([date(2024, 1, 31)]), [date(2024, 1, 31)]),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01 00:00:00.000000001"]),
        (pa.array([1], pa.duration("ns")), ["1 ns"]),
        (pa.array([None, None]), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_arrow_values_become_plain(array: pa.Array, plain: list[object]) -> None:
    assert summarise(array) == plain
    # Slices keep their offsets apart.
    assert summarise(pa.concat_arrays([array, array]).slice(len(array))) == plain


def test_rows_of_batches() -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    rows = summarised_rows(table.to_reader(max_chunksize=2))
    assert list(rows) == [(1, "x"), (2, "y"), (3, "z")]


ROWS = [(1, "a\tb", None), (2, "[red]", 0.5)]


def printed(file: StringIO, *, as_json: bool = False) -> str:
    printer = Printer(as_json=as_json, file=file, width=60)
    printer.rows(("n", "text", "x"), iter(ROWS), title="Some")
    printer.facts({"rows": 1234567, "at": timedelta(seconds=1.5)})
    printer.line("for people")
    return file.getvalue()


def test_lines() -> None:
    assert printed(StringIO()) == (
        "n\ttext\tx\n1\ta\\tb\t\n2\t[red]\t0.5\nrows\t1234567\nat\t1.5\nfor people\n"
    )


def test_json_is_only_json() -> None:
    lines = printed(Screen(), as_json=True).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"n": 1, "text": "a\tb", "x": None},
        {"n": 2, "text": "[red]", "x": 0.5},
        {"rows": 1234567, "at": 1.5},
    ]


def test_screen() -> None:
    shown = printed(Screen())
    # Brackets are text, not markup; a tab is an escape; what is missing says so.
    assert shown.startswith("Some")
    for text in ("[red]", "a\\tb", "null", "rows  1,234,567", "for people"):
        assert text in shown


def test_a_screen_gets_no_more_rows_than_anyone_reads() -> None:
    screen, lines = Screen(), StringIO()
    for file in (screen, lines):
        Printer(file=file, width=60).rows(("n",), ((n,) for n in range(SCREEN_ROWS + 1)))
    assert f"only the first {SCREEN_ROWS:,} rows" in screen.getvalue()
    assert "1,000" not in screen.getvalue().replace("first 1,000", "")
    assert lines.getvalue().endswith(f"\n{SCREEN_ROWS}\n")


def test_what_a_video_and_frames_look_like() -> None:
    video = {"index": {"codec": "h264", "width": 160, "height": 96, "frame_count": 48}}
    frames = {"frames": 2, "frame_shape": [96, 160, 3], "frame_index": [0, 8], "bytes": 92160}
    assert to_text(video) == "h264 160x96, 48 frames"
    assert to_text(frames) == "2 frames 96x160x3"
