"""A short fuzz, the same each time, and everything that a long one ever found."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from marey.errors import MareyError
from marey.tests.fuzz.engine import Coverage, Fuzz, digest
from marey.tests.fuzz.targets import TARGETS, fuzz

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.bin"))
STEPS = {"boxes": 400, "file": 40, "stream": 80, "wrapped": 80, "index": 200, "blob": 300}


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_are_read_or_refused(name: str) -> None:
    target = fuzz(name, guided=False)
    for _ in target.start():
        pass
    chance = Random(name)
    for _ in range(STEPS[name]):
        target.step(chance)
    assert not target.findings


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_was_found_is_read_or_refused(path: Path) -> None:
    name, _, found = path.stem.partition("-")
    data = path.read_bytes()
    assert digest(data) == found
    with warnings.catch_warnings(), suppress(MareyError):
        warnings.simplefilter("error")
        TARGETS[name][0](data)


def test_fuzz_finds_a_fault_and_is_led_to_it() -> None:
    """The loop itself: a fault behind three steps of a reader is found by coverage."""

    def faulty(data: bytes) -> None:
        from marey.video.bits.reader import BitReader

        reader = BitReader(data)
        if reader.u(8) == 0 and reader.ue() > 5:
            raise KeyError("found")

    def flip(chance: Random, data: bytes) -> bytes:
        buffer = bytearray(data)
        buffer[chance.randrange(len(buffer))] = chance.choice((0, 1, 4, 255))
        return bytes(buffer)

    target = Fuzz("faulty", faulty, flip, [b"\xff" * 4])
    for _ in target.start():
        pass
    chance = Random(1)
    for _ in range(300):
        target.step(chance)
    assert [found.reason.split(" | ")[0] for found in target.findings] == [
        "KeyError in test_fuzz.py faulty"
    ]
    assert len(target.inputs) > 1


def test_coverage_counts_lines_once() -> None:
    from marey.video.bits.rbsp import unescape

    coverage = Coverage()
    assert coverage.run(lambda data: unescape(data) and None, b"\0\0\3") > 0
    assert coverage.run(lambda data: unescape(data) and None, b"\0\0\3") == 0
