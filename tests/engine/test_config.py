"""Settings are checked when they are made."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import Marey
from marey.engine.config import USUAL_COSTS, EngineConfig
from marey.errors import ConfigError
from marey.video.plan import SourceCost


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_budget_bytes", 0),
        ("memory_budget_bytes", 1.5),
        ("max_row_bytes", -1),
        ("batch_rows", 0),
        ("decode_threads", True),
        ("fetch_threads", "2"),
        ("cache_bytes", -1),
        ("cache_bytes", False),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a whole number of at least"):
        EngineConfig(**{name: value})


def test_the_defaults_are_a_quarter_gibibyte_and_every_usable_core() -> None:
    config = EngineConfig()
    assert config.memory_budget_bytes == 256 * 2**20
    assert config.decode_threads >= 1


def test_a_cache_may_be_off() -> None:
    assert EngineConfig(cache_bytes=0).kept_bytes == 0


def test_what_is_kept_is_a_part_of_the_budget() -> None:
    assert EngineConfig(memory_budget_bytes=4000).kept_bytes == 1000
    assert EngineConfig(memory_budget_bytes=4000, cache_bytes=4000).kept_bytes == 4000
    with pytest.raises(ConfigError, match="cache_bytes is a part of memory_budget_bytes"):
        EngineConfig(memory_budget_bytes=4000, cache_bytes=4001)


def test_a_config_pickles() -> None:
    config = EngineConfig(batch_rows=7)
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_whole_number_of_numpy_is_one() -> None:
    config = EngineConfig(batch_rows=np.int64(7), decode_threads=np.uint8(2))
    assert config == EngineConfig(batch_rows=7, decode_threads=2)
    assert type(config.batch_rows) is int
    with pytest.raises(ConfigError, match=r"batch_rows must be a whole number"):
        EngineConfig(batch_rows=np.True_)
    with pytest.raises(ConfigError, match=r"batch_rows must be a whole number"):
        EngineConfig(batch_rows=np.float64(2))


@pytest.mark.parametrize(
    ("root", "options", "message"),
    [
        (5, None, "root must be a path or a URI, got int"),
        (b"data", None, "root must be a path or a URI, got bytes"),
        ("file://elsewhere/data", None, "expected file:///absolute/path"),
        ("gcs://bucket/lake", None, r"expected a folder, or s3://bucket/prefix .*gcs://bucket"),
        ("https://host/lake", None, "expected a folder, or s3://"),
        ("s3://", None, "expected a folder, or s3://"),
        ("s3://me:hush@bucket/lake", None, "into storage_options: s3://bucket/lake$"),
        ("s3://bucket/lake?token=hush", None, "into storage_options: s3://bucket/lake$"),
        ("data", 5, "storage_options must be a mapping of strings"),
        ("data", {"timeout": 30}, r"'timeout' is of type int"),
        ("data", {"allow_http": True}, r"'allow_http' is of type bool"),
        ("data", {5: "secret"}, r"mapping of strings to strings .*: the name 5 is of type int"),
    ],
)
def test_what_is_no_root_is_refused(root: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Marey(root, storage_options=options)


def test_a_file_uri_is_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    Marey(folder).project("p").create_table("t", key_schema={"k": pa.int64()})
    db = Marey(folder.as_uri())
    assert (db.root, db.project("p").list_tables()) == (str(folder), ["t"])


def test_costs_go_by_the_kind_of_source() -> None:
    near = SourceCost(request_seconds=0.004, bytes_per_second=2e8)
    some = EngineConfig(source_cost={"s3": near})
    assert (some.cost("s3"), some.cost("file")) == (near, USUAL_COSTS["file"])
    assert EngineConfig(source_cost=near).cost("http") == near
    assert pickle.loads(pickle.dumps(some)) == some
    assert isinstance(hash(some), int)


@pytest.mark.parametrize("given", ["cheap", {"ftp": None}, {"s3": 0.03}, [("s3", None)]])
def test_costs_that_are_none(given: object) -> None:
    with pytest.raises(ConfigError, match="source_cost must"):
        EngineConfig(source_cost=given)
