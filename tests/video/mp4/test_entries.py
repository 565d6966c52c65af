"""Sample descriptions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.mp4.box import build_box, build_full_box, parse_box
from marey.video.mp4.entries import (
    Colour,
    SampleDescription,
    build_avc_entry,
    build_stsd,
    parse_stsd,
)

AVCC = bytes.fromhex("0142c00bffe10000")
uint16s = st.integers(0, (1 << 16) - 1)


def described(*entries: bytes, handler: str = "vide") -> tuple[SampleDescription, ...]:
    return parse_stsd(parse_box(build_stsd(entries)), handler=handler)


def visual(code: str, *boxes: bytes) -> bytes:
    return build_box(code, bytes(78), *boxes)


@given(
    st.binary(max_size=20),
    uint16s,
    uint16s,
    st.sampled_from(["avc1", "avc3"]),
    st.none() | st.tuples(st.integers(1, (1 << 32) - 1), st.integers(1, (1 << 32) - 1)),
    st.none() | st.tuples(uint16s, uint16s, uint16s, st.booleans()),
)
def test_avc_entries(
    avcc: bytes,
    width: int,
    height: int,
    entry_format: str,
    pixel_aspect: tuple[int, int] | None,
    colour: Colour | None,
) -> None:
    entry = build_avc_entry(
        avcc,
        width=width,
        height=height,
        entry_format=entry_format,
        pixel_aspect=pixel_aspect,
        colour=colour,
    )
    assert described(entry) == (
        SampleDescription(
            entry_format,
            "h264",
            entry,
            avcc,
            width,
            height,
            pixel_aspect,
            colour,
            entry[entry.index(b"avcC") + 4 + len(avcc) :],
        ),
    )
    display_boxes = described(entry)[0].display_boxes
    same = build_avc_entry(
        avcc,
        width=width,
        height=height,
        entry_format=entry_format,
        display_boxes=display_boxes,
    )
    assert same == entry


def test_boxes_about_how_pictures_look_are_kept_whole_or_not_at_all() -> None:
    kept = (
        build_box("pasp", bytes(8)),
        build_box("clap", bytes(32)),
        build_box("st3d", b"abcde"),
    )
    other = build_box("btrt", bytes(12)), build_box("colr", bytes(5000))
    boxes = [kept[0], other[0], kept[1], other[1], kept[2]]
    (found,) = described(visual("avc1", build_box("avcC", b"record"), *boxes))
    assert found.display_boxes == b"".join(kept)


@pytest.mark.parametrize(
    ("code", "codec"),
    [
        ("avc2", "h264"),
        ("avc4", "h264"),
        ("dva1", "h264"),
        ("hev1", "hevc"),
        ("hvc1", "hevc"),
        ("vp09", "vp9"),
        ("av01", "av1"),
        ("mp4v", "mpeg4"),
        ("rle ", "rle"),
    ],
)
def test_codecs_by_name(code: str, codec: str) -> None:
    (description,) = described(visual(code))
    assert (description.format, description.codec, description.avcc) == (code, codec, None)


def test_an_encrypted_entry_tells_what_it_was_and_by_what() -> None:
    sinf = build_box(
        "sinf",
        build_box("frma", b"avc1"),
        build_full_box("schm", 0, 0, b"cbcs", bytes(4)),
    )
    (description,) = described(visual("encv", build_box("avcC", AVCC), sinf))
    assert (description.format, description.codec) == ("avc1", "h264")
    assert (description.protection, description.avcc) == ("cbcs", AVCC)


@pytest.mark.parametrize("boxes", [(), (build_box("sinf"),)])
def test_an_encrypted_entry_without_details_is_encrypted_all_the_same(
    boxes: tuple[bytes],
) -> None:
    (description,) = described(visual("encv", *boxes))
    assert (description.format, description.protection) == ("encv", "unknown scheme")


@pytest.mark.parametrize(
    ("body", "colour"),
    [
        (b"nclx\0\1\0\2\0\3\x80", (1, 2, 3, True)),
        (b"nclx\0\1\0\2\0\3\x00", (1, 2, 3, False)),
        (b"nclx\0\1\0\2\0\3", (1, 2, 3, False)),
        (b"nclc\0\1\0\2\0\3", (1, 2, 3, False)),
        (b"prof" + bytes(9), None),
        (b"nclx\0\1\0\2\0", None),
        (b"ncl", None),
        (b"", None),
    ],
)
def test_colour(body: bytes, colour: Colour | None) -> None:
    (description,) = described(visual("avc1", build_box("colr", body)))
    assert description.colour == colour


def test_the_first_colour_that_can_be_told_counts() -> None:
    boxes = [build_box("colr", b"prof"), build_box("colr", b"nclc\0\1\0\2\0\3")]
    (description,) = described(visual("avc1", *boxes))
    assert description.colour == (1, 2, 3, False)


@pytest.mark.parametrize("body", [bytes(8), bytes(3), b"", b"\0\0\0\1\0\0\0"])
def test_pixels_without_a_side_have_no_aspect(body: bytes) -> None:
    (description,) = described(visual("avc1", build_box("pasp", body)))
    assert description.pixel_aspect is None


@pytest.mark.parametrize(
    ("records", "found"),
    [([b"", b"\1", b"ab", b"cd"], b"ab"), ([b"", b"\1"], b""), ([], None)],
)
def test_the_first_decoder_record_that_is_one_counts(
    records: list[bytes], found: bytes | None
) -> None:
    boxes = [build_box("avcC", record) for record in records]
    (description,) = described(visual("avc1", *boxes))
    assert description.avcc == found


def test_sound_is_kept_as_it_lies() -> None:
    entry = build_box("mp4a", b"anything")
    assert described(entry, handler="soun") == (SampleDescription("mp4a", "mp4a", entry),)


def test_several_entries_keep_their_order() -> None:
    entries = [visual("avc1"), visual("hvc1"), visual("avc1", build_box("avcC", AVCC))]
    descriptions = described(*entries)
    assert [d.format for d in descriptions] == ["avc1", "hvc1", "avc1"]
    assert [d.entry for d in descriptions] == entries


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (
            build_full_box("stsd", 0, 0, bytes(4)),
            "expected 1 to 1024 entries, got 0 in 0 bytes",
        ),
        (
            build_full_box("stsd", 0, 0, b"\0\0\1\0", visual("avc1")),
            "expected 1 to 1024 entries, got 256 in 86 bytes",
        ),
        (
            build_full_box("stsd", 0, 0, b"\0\0\0\2", visual("avc1")),
            "expected 2 entries, got 1",
        ),
        (
            build_full_box("stsd", 0, 0, b"\0\0\0\1", build_box("avc1", bytes(20))),
            "expected 24 bytes for VisualSampleEntry, 20 left",
        ),
    ],
    ids=["none", "too many", "missing", "short"],
)
def test_what_is_refused(box: bytes, message: str) -> None:
    with pytest.raises(BoxError, match=message):
        parse_stsd(parse_box(box), handler="vide")
