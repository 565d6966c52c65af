"""The streams on which naive subsets of samples go wrong, by name.

Each keeps references that a sliding window would have dropped, or drops those that it would
have kept: a decoder that fills gaps in frame_num on its own then refers to other pictures.
"""

from __future__ import annotations

import random

from .reference_trees import Coded, TreeStream

LENGTH = 64


def star(*, long_term: bool = False) -> TreeStream:
    """All refer to the first picture, which memory management keeps for ever."""
    first = Coded(idr=True, long_term=0 if long_term else -1)
    rest = [Coded(parent=0, drop=(i - 3,) if i > 3 else ()) for i in range(1, LENGTH)]
    return TreeStream([first, *rest], max_num_ref_frames=4)


def golden(*, long_term: bool = False, cabac: bool = True) -> TreeStream:
    """Every 16th picture is kept until the next such; others refer to it or to the last."""
    pictures = [Coded(idr=True, long_term=0 if long_term else -1)]
    for i in range(1, LENGTH):
        kept = (i - 1) // 16 * 16
        last = i - 1 if i - 1 != kept else -1
        drop = [i - 2] if i - 2 > kept else []
        if i % 16 == 0:
            # The new one takes the place of the old one and of all since.
            drop = [p for p in (i - 2, last) if p > kept]
            if not long_term:
                drop.append(kept)
            pictures.append(Coded(kept, drop=tuple(drop), long_term=0 if long_term else -1))
        else:
            parent = kept if i % 3 == 0 else i - 1
            pictures.append(Coded(parent, drop=tuple(drop)))
    return TreeStream(pictures, max_num_ref_frames=3, cabac=cabac)


def layers(count: int = 4, *, drop: bool = False) -> TreeStream:
    """Temporal layers as video calls use them; the highest is not referred to.

    With `drop`, each picture of the lowest layer sends all of the period before away.
    """
    period = 1 << (count - 1)
    pictures = [Coded(idr=True)]
    for i in range(1, LENGTH):
        step = i & -i if i % period else period
        gone: tuple[int, ...] = ()
        if drop and i % period == 0:
            gone = tuple(range(i - period, i, 2))
        pictures.append(Coded(i - step, reference=i % 2 == 0, drop=gone))
    return TreeStream(pictures, max_num_ref_frames=period // 2 + 1)


def chains(count: int = 4) -> TreeStream:
    """Chains that take turns, each picture of its own chain only."""
    first = [Coded(idr=True), *(Coded() for _ in range(1, count))]
    rest = [Coded(i - count) for i in range(count, LENGTH)]
    return TreeStream([*first, *rest], max_num_ref_frames=count, log2_max_frame_num=4)


def forgetful() -> TreeStream:
    """MMCO 5 in the middle of a stream, without an IDR picture; also of an intra picture."""
    pictures = [Coded(idr=True)]
    held = [0]
    for i in range(1, LENGTH):
        if i in (20, 41):
            pictures.append(Coded(held[0] if i == 20 else None, forget_all=True))
            held = []
        else:
            pictures.append(Coded(held[i % len(held)], reference=i % 4 != 3))
        if pictures[i].reference:
            held = [*held[-3:], i]
    return TreeStream(pictures, max_num_ref_frames=4)


STREAMS = {
    "star": star(),
    "star_long_term": star(long_term=True),
    "golden": golden(),
    "golden_long_term": golden(long_term=True),
    "golden_cavlc": golden(cabac=False),
    "layers": layers(),
    "layers_dropped": layers(drop=True),
    "chains": chains(),
    "forgetful": forgetful(),
}
"""Every builder once."""


def random_stream(rng: random.Random, length: int = 24) -> TreeStream:
    """Pictures that refer to, keep and drop what chance wants, within the rules."""
    capacity = rng.randint(1, 5)
    order_type = rng.choice((0, 0, 1, 2))
    log2_max_frame_num = rng.choice((4, 8))
    oldest = (1 << log2_max_frame_num) - 4
    pictures: list[Coded] = []
    short: list[int] = []
    long: dict[int, int] = {}
    for i in range(length):
        if i == 0 or rng.random() < 0.04:
            short, long = [i], {}
            as_long = rng.random() < 0.2
            if as_long:
                short, long = [], {0: i}
            pictures.append(Coded(idr=True, long_term=0 if as_long else -1))
            continue
        held = [*short, *long.values()]
        parent = rng.choice(held) if held and rng.random() < 0.93 else None
        # Types 1 and 2 cannot number two non-reference pictures in a row.
        reference = rng.random() < 0.75 or (order_type > 0 and not pictures[-1].reference)
        # A short-term reference must not see its frame number again.
        aged = [p for p in short if i - p >= oldest]
        if not reference and not aged:
            pictures.append(Coded(parent, reference=False))
            continue
        if rng.random() < 0.06:
            short, long = [i], {}
            pictures.append(Coded(parent, forget_all=True))
            continue
        if not aged and short and rng.random() < 0.5:
            while len(short) + len(long) >= capacity and short:
                short.pop(0)
            short.append(i)
            pictures.append(Coded(parent))
            continue
        pictures.append(_managed(rng, i, parent, aged, short, long, capacity))
    return TreeStream(
        pictures,
        max_num_ref_frames=capacity,
        cabac=rng.random() < 0.7,
        pic_order_cnt_type=order_type,
        log2_max_frame_num=log2_max_frame_num,
    )


def _managed(
    rng: random.Random,
    i: int,
    parent: int | None,
    aged: list[int],
    short: list[int],
    long: dict[int, int],
    capacity: int,
) -> Coded:
    """A reference picture with memory management; `short` and `long` follow it."""
    drop = set(aged)
    held = [*short, *long.values()]
    drop |= {p for p in held if rng.random() < 0.2}
    left = [p for p in held if p not in drop]
    while len(left) >= capacity:
        drop.add(left.pop(rng.randrange(len(left))))
    for p in drop:
        if p in short:
            short.remove(p)
        else:
            del long[next(k for k, v in long.items() if v == p)]
    convert: tuple[tuple[int, int], ...] = ()
    free = [k for k in range(capacity) if k not in long]
    if short and free and rng.random() < 0.3:
        moved, index = rng.choice(short), rng.choice(free)
        short.remove(moved)
        long[index] = moved
        convert = ((moved, index),)
        free.remove(index)
    as_long = -1
    if free and rng.random() < 0.25:
        as_long = rng.choice(free)
        long[as_long] = i
    else:
        short.append(i)
    return Coded(parent, drop=tuple(sorted(drop)), convert=convert, long_term=as_long)
