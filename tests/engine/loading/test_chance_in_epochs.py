"""Clips drawn by chance: the same for a row in every run of an epoch, others in the next."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.engine.result import Readable
from marey.engine.table import Table
from marey.errors import ExpressionError, InputError

ROWS = 13
CLIPS_SQL = "SELECT k, video_random_clip(video, 4, stride => 2, seed => 5) AS f FROM p.t"


@pytest.fixture(scope="module")
def scan(db: Marey, table: Table) -> Readable:
    clip = se.video.random_clip(table["video"], 4, stride=2, seed=5)
    return db.scan({"k": table["k"], "f": clip})


def drawn(batches: Any) -> dict[int, list[int]]:
    return {row["k"]: row["f"] for batch in batches for row in batch.to_pylist()}


def test_a_row_has_one_clip_an_epoch(db: Marey, scan: Readable) -> None:
    first = drawn(scan.to_data_loader())
    assert len(first) == ROWS
    assert drawn(scan.to_table().to_batches()) == first
    assert drawn(scan.to_data_loader(batch_size=3, shuffle=True, seed=9)) == first
    assert drawn(scan.to_data_loader(key_table={"k": [7, 7, 2]})) == {
        k: first[k] for k in (7, 2)
    }
    assert drawn(scan.to_data_loader(batch_size=4, num_workers=1)) == first
    assert drawn(db.sql(CLIPS_SQL).to_data_loader()) == first
    assert drawn(db.sql(CLIPS_SQL).to_table().to_batches()) == first


def test_another_epoch_has_other_clips(db: Marey, scan: Readable) -> None:
    epochs = [drawn(scan.to_data_loader(epoch=epoch)) for epoch in (0, 1, 2**80)]
    assert len({str(sorted(clips.items())) for clips in epochs}) == 3
    assert drawn(db.sql(CLIPS_SQL).to_data_loader(epoch=1)) == epochs[1]


def test_a_condition_draws_what_the_output_draws(db: Marey, table: Table) -> None:
    video = table["video"]
    late = se.video.random_clip(video, 1, seed=1).is_not_null() & (table["k"] > se.lit(3))
    scan = db.scan({"k": table["k"], "f": se.video.random_clip(video, 1, seed=1)}, where=late)
    loader = scan.to_data_loader(epoch=2, batch_size=2, shuffle=True)
    assert drawn(loader) == drawn(loader)
    assert sorted(drawn(loader)) == list(range(4, ROWS))


def test_the_seed_may_be_of_each_row(db: Marey, table: Table) -> None:
    clip = se.video.random_clip(table["video"], 2, seed=se.aux("draw", pa.int64()))
    scan = db.scan({"f": clip})
    keys = {"k": [0] * 50, "draw": list(range(50))}
    assert len({tuple(f) for f in scan.to_table(key_table=keys)["f"].to_pylist()}) > 5
    with pytest.raises(InputError, match=r"seed must be at least 0 and below 2\*\*53"):
        scan.to_table(key_table={"k": [0], "draw": [-1]})


def test_what_cannot_be_is_refused(db: Marey, table: Table) -> None:
    video = table["video"]
    for wrong, says in (
        (lambda: se.video.random_clip(video, 0), "frames must be at least 1, found 0"),
        (lambda: se.video.random_clip(video, 3, stride=0), "stride must be at least 1"),
        (lambda: se.video.random_clip(video, 3, seed=2**53), "seed must be at least 0 and"),
        (lambda: se.video.uniform(video, 3, jitter_seed=1.5), "jitter_seed must be a whole"),
    ):
        with pytest.raises(ExpressionError, match=says):
            db.scan({"f": wrong()})


def test_jitter_is_drawn_anew_in_each_epoch(db: Marey, table: Table) -> None:
    spread = se.video.uniform(table["video"], 4, jitter_seed=1)
    scan = db.scan({"k": table["k"], "f": spread})
    first, second = (drawn(scan.to_data_loader(epoch=epoch)) for epoch in (0, 1))
    assert first != second
    assert first == drawn(scan.to_data_loader(shuffle=True))
