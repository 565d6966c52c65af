"""What is drawn depends on the seeds alone, and on each of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.expressions.chance import Chance

SEED = st.integers(-(2**70), 2**70)


@given(st.lists(SEED, max_size=4), st.integers(1, 2**40))
def test_the_same_seeds_draw_the_same_numbers(seeds: list[int], limit: int) -> None:
    one, other = Chance(*seeds), Chance(*seeds)
    drawn = [one.below(limit) for _ in range(5)]
    assert drawn == [other.below(limit) for _ in range(5)]
    assert all(0 <= number < limit for number in drawn)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_neighbouring_seeds_draw_other_numbers(place: int) -> None:
    def drawn(value: int) -> tuple[int, int]:
        seeds = [3, 3, 3]
        seeds[place] = value
        chance = Chance(*seeds)
        return chance.below(1 << 32), chance.below(1 << 32)

    assert len({number for value in range(1000) for number in drawn(value)}) == 2000


def test_seeds_in_another_order_are_other_seeds() -> None:
    assert len({Chance(*seeds).below(1 << 60) for seeds in ((1, 2), (2, 1), (1,), ())}) == 4


def test_the_numbers_are_those_that_were_always_drawn() -> None:
    chance = Chance(3, 1, 7)
    assert [chance.below(1000) for _ in range(4)] == [512, 899, 847, 618]
