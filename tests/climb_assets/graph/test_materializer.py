"""The materializer: what making a partition would mean, and committing what was made."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from climb_assets.config import Config
from climb_assets.config_tasks import ChoiceTask
from climb_assets.errors import ComputeError, ConfigError, MissingArtifact
from climb_assets.graph.assets import SPEC
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft


def write(climb: Materializer, shard: str, draft: Draft) -> None:
    """Write one file."""
    (draft.path / "files.json").write_text("{}")


def write_other(climb: Materializer, shard: str, draft: Draft) -> None:
    """Write a file of other content."""
    (draft.path / "files.json").write_text("[]")


def keys(materializer: Materializer, asset: str, partition: str | None) -> list[str]:
    """Return the inputs of a partition as text."""
    return [f"{entry.asset}@{key}" for entry, key in materializer.input_keys(SPEC[asset], partition)]


def test_partitions_follow_the_raw_folder_and_the_configuration(materializer: Materializer, project: Path) -> None:
    assert materializer.partitions(SPEC["embeddings"]) == ["first.jsonl", "second.jsonl", "third.jsonl"]
    assert materializer.partitions(SPEC["proxy_results"]) == ["iteration-01", "iteration-02", "iteration-03"]
    assert materializer.partitions(SPEC["mixed_corpus"]) == ["general", "science"]
    assert materializer.partitions(SPEC["domains"]) == [None]
    (project / "data_lake" / "raw" / "second.jsonl").unlink()
    materializer.refresh()
    assert materializer.partitions(SPEC["embeddings"]) == ["first.jsonl", "third.jsonl"]


def test_inputs_reach_as_far_as_the_spec_says(materializer: Materializer) -> None:
    assert keys(materializer, "tokenized_shards", "first.jsonl") == ["corpus_shards@first.jsonl", "tokenizer@None"]
    assert len(keys(materializer, "corpus_manifest", None)) == 5 * 3 + 1
    assert keys(materializer, "mixture_candidates", "iteration-01") == ["training_tokens@None", "carried_evidence@None"]
    assert keys(materializer, "mixture_candidates", "iteration-03")[2:] == ["predictor_state@iteration-02"]
    assert "predictor_state@iteration-03" in keys(materializer, "optimal_mixture", "general")
    assert keys(materializer, "proxy_fidelity", None)[:2] == ["mixture_candidates@iteration-01", "training_tokens@None"]


def test_made_once_and_found_afterwards(materializer: Materializer) -> None:
    made = materializer.make_by(write, "raw_shards", "first.jsonl")
    assert made.fresh and made.artifact.run["seconds"] >= 0
    assert not materializer.make_by(write, "raw_shards", "first.jsonl").fresh
    assert materializer.get("raw_shards", "first.jsonl").data_version == made.artifact.data_version


def test_missing_input_is_named_with_what_to_do(materializer: Materializer) -> None:
    with pytest.raises(MissingArtifact, match=r"raw_shards\[first\.jsonl\] has not been made; run `climb up"):
        materializer.make_by(write, "corpus_shards", "first.jsonl")


def test_an_input_that_the_spec_does_not_declare_cannot_be_read(materializer: Materializer) -> None:
    materializer.make_by(write, "raw_shards", "second.jsonl")

    def read_another(climb: Materializer, shard: str, draft: Draft) -> None:
        materializer.get("raw_shards", "second.jsonl")

    with pytest.raises(ComputeError, match="does not declare"):
        materializer.make_by(read_another, "raw_shards", "first.jsonl")


def test_an_input_is_read_in_the_version_that_was_ordered(materializer: Materializer, project: Path) -> None:
    ordered = materializer.make_by(write, "raw_shards", "first.jsonl").artifact
    raw = project / "data_lake" / "raw" / "first.jsonl"

    def meanwhile(climb: Materializer, shard: str, draft: Draft) -> None:
        raw.write_text(raw.read_text() + raw.read_text())
        other = Materializer(materializer.config)  # another process moves the reference
        assert other.make_by(write_other, "raw_shards", "first.jsonl").artifact.data_version != ordered.data_version
        assert materializer.get("raw_shards", "first.jsonl").data_version == ordered.data_version
        write(climb, shard, draft)

    materializer.make_by(meanwhile, "corpus_shards", "first.jsonl")


def test_a_version_that_an_input_names_may_be_an_earlier_one(materializer: Materializer, project: Path) -> None:
    made = materializer.make_by(write, "raw_shards", "first.jsonl")
    version, raw = made.artifact.data_version, project / "data_lake" / "raw" / "first.jsonl"
    raw.write_text(raw.read_text() * 2)
    materializer.refresh()
    assert materializer.make_by(write_other, "raw_shards", "first.jsonl").artifact.data_version != version
    assert materializer.version_named("raw_shards", "first.jsonl", version).path == made.artifact.path
    with pytest.raises(MissingArtifact, match=r"first.jsonl, .* is no longer there .* `climb renew search`"):
        materializer.version_named("raw_shards", "first.jsonl", "0" * 32)


def test_raw_content_enters_the_order_of_its_shard_only(materializer: Materializer, project: Path) -> None:
    shards = ("first.jsonl", "second.jsonl")
    before = [materializer.order("raw_shards", shard).fingerprint for shard in shards]
    with (project / "data_lake" / "raw" / "first.jsonl").open("a") as stream:
        stream.write('{"text": "one more document about rivers and lakes and the boats on them"}\n')
    after = [materializer.order("raw_shards", shard).fingerprint for shard in shards]
    assert after[0] != before[0] and after[1] == before[1]


def test_corpus_version_says_which_shards_there_are_and_not_what_they_hold(
    materializer: Materializer, project: Path
) -> None:
    raw = project / "data_lake" / "raw"
    versions = [materializer.raw.listing_version()]
    (raw / "first.jsonl").write_text('{"text": "other"}\n')
    for change in (lambda: None, lambda: (raw / "new.txt").write_text("new"), lambda: (raw / "bad name.txt").touch()):
        change()
        materializer.refresh()
        versions.append(materializer.raw.listing_version())
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


def test_missing_task_file_is_named(config: Config) -> None:
    tasks = config.tasks | {"piqa": ChoiceTask(kind="choice", path=Path("/nowhere/piqa.jsonl"))}
    materializer = Materializer(config.model_copy(update={"tasks": tasks}))
    with pytest.raises(ConfigError, match=r"/nowhere/piqa\.jsonl \(task-piqa\) is not there"):
        materializer.order_from(SPEC["proxy_results"], "iteration-01", {})


def test_a_moved_encoder_is_the_same_and_a_changed_one_is_not(
    config: Config, encoder_folder: Path, tmp_path: Path
) -> None:
    def order(folder: Path) -> str:
        encoder = config.encoder.model_copy(update={"model": str(folder)})
        materializer = Materializer(config.model_copy(update={"encoder": encoder}))
        return materializer.order_from(SPEC["embeddings"], "first.jsonl", {}).fingerprint

    moved = Path(shutil.copytree(encoder_folder, tmp_path / "moved"))
    assert order(moved) == order(encoder_folder)
    with (moved / "modules.json").open("a") as stream:
        stream.write("\n")
    assert order(moved) != order(encoder_folder)


def test_an_earlier_artefact_serves_only_where_inputs_alone_have_changed(materializer: Materializer) -> None:
    materializer.make_by(write, "raw_shards", "first.jsonl")
    now = materializer.order("raw_shards", "first.jsonl")
    newer = replace(now, inputs={"raw:first.jsonl": "newer"})
    assert materializer.earlier(newer) is not None
    others = {"code": {"corpus.raw_files": "other"}, "config": {"other": 1}}
    others["environment"] = {**now.environment, "package python": "3.99.0"}
    for name, value in others.items():
        counted = frozenset(["package python"]) if name == "environment" else now.counted
        assert materializer.earlier(replace(newer, counted=counted, **{name: value})) is None, name
