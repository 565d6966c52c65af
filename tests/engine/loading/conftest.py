"""A table of clips that loaders of every kind read."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.engine.table import Table

ROWS = 13


@pytest.fixture(scope="session")
def db(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Marey:
    db = Marey(tmp_path_factory.mktemp("loading"))
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    videos = [
        se.Video(se.Blob(clip(name))) for name in ("closed_gops", "baseline", "monochrome")
    ]
    table.write({"k": list(range(ROWS)), "video": [videos[k % 3] for k in range(ROWS)]})
    return db


@pytest.fixture(scope="session")
def table(db: Marey) -> Table:
    return db.project("p").table("t")
