"""Speeds that `climb check` measured, as a lake keeps them."""

from pathlib import Path

import pytest

from climb_assets.config import Config
from climb_assets.graph.speeds import FILE, Speed, Speeds, embedding_key, training_key


def test_what_is_kept_is_found_again_for_its_settings_alone(config: Config) -> None:
    training = {training_key(config, config.proxy): Speed(1.0, 2.0)}
    Speeds({embedding_key(config): Speed(0.5, 1.5)}, training, 3.0).save(config.lake)
    found = Speeds.load(config.lake)
    assert found.of_embedding(config) == Speed(0.5, 1.5) and found.scoring_tokens == 3.0
    longer = config.proxy.model_copy(update={"tokens": 10 * config.proxy.tokens})
    wider = config.proxy.model_copy(update={"hidden": 1024})
    speeds = [found.of_training(config, one) for one in (config.proxy, longer, wider)]
    assert speeds == [Speed(1.0, 2.0), Speed(1.0, 2.0), None]
    one_worker = config.model_copy(update={"runtime": config.runtime.model_copy(update={"threads": 7})})
    assert found.of_embedding(one_worker) is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"embedding": 1}', '{"embedding": {"a": {}}, "training": {}}', "\xff"]
)
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    assert Speeds.load(tmp_path) == Speeds({}, {})
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    assert Speeds.load(tmp_path) == Speeds({}, {})
