"""Boxes: headers, nesting, and claims that their bytes do not bear out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.mp4.box import (
    build_box,
    build_full_box,
    build_header,
    parse_box,
    parse_header,
)

codes = st.text("abcdefghijklmnopqrstuvwxyz0123456789 ©", min_size=4, max_size=4)


@given(codes, st.binary(max_size=40), st.integers(0, 1 << 40))
def test_a_box_parses_to_what_it_was_built_of(code: str, body: bytes, start: int) -> None:
    box = parse_box(build_box(code, body), start)
    assert (box.type, bytes(box.body)) == (code, body)
    assert (box.start, box.body_start) == (start, start + 8)


@given(st.lists(st.tuples(codes, st.binary(max_size=20)), max_size=6))
def test_children_are_the_boxes_put_in(parts: list[tuple[str, bytes]]) -> None:
    parent = parse_box(build_box("moov", *(build_box(*part) for part in parts)))
    children = list(parent.children())
    assert [(c.type, bytes(c.body)) for c in children] == parts
    assert all(c.body_start == c.start + 8 for c in children)
    assert sum(len(found) for found in parent.by_type().values()) == len(parts)


def test_a_size_of_64_bits() -> None:
    assert build_header("mdat", (1 << 32) - 9) == b"\xff\xff\xff\xffmdat"
    large = build_header("mdat", (1 << 32) - 8)
    assert large == b"\x00\x00\x00\x01mdat\x00\x00\x00\x01\x00\x00\x00\x08"
    header = parse_header(memoryview(large), 0)
    assert (header.size, header.header_size) == ((1 << 32) + 8, 16)


def test_full_boxes_begin_with_version_and_flags() -> None:
    cursor, version, flags = parse_box(build_full_box("tfhd", 1, 0x20038, b"x")).full_cursor()
    assert (version, flags, bytes(cursor.take(1))) == (1, 0x20038, b"x")


def test_find_follows_the_first_box_of_each_name() -> None:
    inner = build_box("stbl", build_box("stts", b"1"), build_box("stts", b"2"))
    trak = parse_box(build_box("trak", build_box("free"), build_box("minf", inner)))
    found = trak.find("minf", "stbl", "stts")
    assert found is not None
    assert bytes(found.body) == b"1"
    assert trak.find("minf", "stsd", "avc1") is None


@pytest.mark.parametrize(
    ("body", "types"),
    [
        (b"\0\0\0\0", []),
        (build_box("free") + b"\0\0\0\0", ["free"]),
        (build_box("free") + b"\0\0\0\x07skip" + build_box("free"), ["free"]),
        (b"\0\0\0\x01free\0\0\0\0\0\0\0", []),
        (b"\0\0\0\0free" + build_box("skip"), ["free"]),
        (b"\0\0\0\x64free" + build_box("skip"), ["free"]),
    ],
    ids=["padding", "terminator", "size 7", "cut 64-bit size", "size 0", "past the end"],
)
def test_where_a_list_of_boxes_ends(body: bytes, types: list[str]) -> None:
    assert [c.type for c in parse_box(build_box("udta", body)).children()] == types


def test_a_child_past_its_parent_is_cut_there() -> None:
    (child,) = parse_box(build_box("moov", b"\0\0\1\0mvhdabc")).children()
    assert bytes(child.body) == b"abc"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0\x08fre", "box at 5: expected 8 bytes of header, 7 left"),
        (b"\0\0\0\x01free", "free at 5: expected 16 bytes of header, 8 left"),
        (b"\0\0\0\x07free", "free at 5: expected a size of 0 or from 8 up, got 7"),
        (b"\0\0\0\x09free", "free at 5: expected 9 bytes, 8 left"),
    ],
)
def test_a_box_that_is_not_whole_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BoxError, match=f"^{message}$"):
        parse_box(data, 5)


def test_a_box_of_countless_boxes_is_refused() -> None:
    crowd = parse_box(build_box("moov", build_box("free") * ((1 << 16) + 1)))
    with pytest.raises(BoxError, match="moov at 0: expected at most 65536 boxes in it"):
        crowd.by_type()


@given(st.binary(max_size=60))
def test_any_bytes_give_boxes_or_our_error(data: bytes) -> None:
    try:
        children = list(parse_box(data).children())
    except BoxError:
        return
    assert sum(8 + len(c.body) for c in children) <= len(data)
