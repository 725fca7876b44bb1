"""Speeds are measured by the work itself, and grow with it."""

from pathlib import Path

import pytest
import torch

from climb_assets.config import Config
from climb_assets.config_file import load_config
from climb_assets.config_training import Training
from climb_assets.errors import ConfigError
from climb_assets.graph.speeds import Speed
from climb_assets.setup.measured_speeds import measure_encoder, measure_training, speed_of


def test_bounds_are_the_fastest_and_the_slowest() -> None:
    assert speed_of([3.0, 1.0, 2.0]) == Speed(1.0, 3.0) and Speed(1.0, 3.0).times(10) == (10.0, 30.0)


def test_the_encoder_is_tried_on_texts(config: Config) -> None:
    speed = measure_encoder(config, ["river lake water", "proof theorem set"] * 4)
    assert 0 < speed.fastest <= speed.slowest


def test_a_larger_model_takes_longer_for_a_token(config: Config) -> None:
    def measure(**shape: int) -> Speed:
        training = Training(heads=2, sequence=16, batch=2, tokens=64, learning_rate=1e-3, **shape)
        return measure_training(config, training)

    threads = torch.get_num_threads()
    small, large = measure(hidden=16, layers=1, intermediate=32), measure(hidden=256, layers=8, intermediate=1024)
    assert 0 < small.fastest < large.fastest
    assert torch.get_num_threads() == threads


def test_an_encoder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "climb.yaml").write_text("profile: smoke\nlake: lake\n")
    with pytest.raises(ConfigError, match="climb fetch-encoder"):
        measure_encoder(load_config(tmp_path / "climb.yaml"), ["a"])
