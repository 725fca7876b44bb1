"""A data set is read with what it was made from, whatever the lake and its settings are today."""

from pathlib import Path

import yaml

from climb_assets.config_file import load_config
from climb_assets.export.data_set import read_data_set
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft, Order


def write_other_tokenizer(draft: Draft) -> None:
    (draft.path / "tokenizer.json").write_text("{}")


def test_its_tokenizer_and_its_objective_are_those_of_then(finished_project: Path) -> None:
    path = finished_project / "climb.yaml"
    climb = Materializer(load_config(path))
    before = read_data_set(climb, "general", with_tokens=True)
    assert before.tasks == climb.config.objectives["general"]
    assert before.tokenizer == climb.get("tokenizer").file("tokenizer.json")

    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"objectives": {"general": {"first_text": 1}}}))
    other, _ = climb.store.put(Order("tokenizer", None, {}, {"tokenizer": "another"}, {}), write_other_tokenizer)
    climb.store.swap("tokenizer", None, climb.store.reference("tokenizer", None), other.fingerprint)
    today = Materializer(load_config(path))
    assert today.get("tokenizer").file("tokenizer.json") != before.tokenizer

    after = read_data_set(today, "general", ["It is stale."], with_tokens=True)
    assert after.tokenizer == before.tokenizer and after.tasks == before.tasks and after.shards == before.shards
