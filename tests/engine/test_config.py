"""Settings are checked when they are made."""

import pickle

import numpy as np
import pytest

from marey.engine.config import EngineConfig
from marey.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_budget_bytes", 0),
        ("memory_budget_bytes", 1.5),
        ("max_row_bytes", -1),
        ("batch_rows", 0),
        ("decode_threads", True),
        ("fetch_threads", "2"),
        ("index_cache_bytes", -1),
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
    assert EngineConfig(index_cache_bytes=0).index_cache_bytes == 0


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
