"""A taxonomy that is taken along says the same, and one that is not what it was is refused."""

import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from climb_assets.clusters.taxonomy import LABELS, Taxonomy
from climb_assets.clusters.taxonomy_folder import write_taxonomy
from climb_assets.clusters.taxonomy_of_lake import licence_of, prompt_of
from climb_assets.config_file import load_config
from climb_assets.corpus.documents import document_id
from climb_assets.errors import ArgumentError, ComputeError, ConfigError, CorruptArtifact, MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import checksum_of

TEXTS = ["river lake water fish boat", "proof theorem  \r\nlemma axiom", "", "bread flour oven " * 30]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def open_lake(lake: Path, path: Path | None = None, **sections: Any) -> Materializer:
    """Return the lake's materializer, by climb.yaml or by a changed copy of it at a path."""
    if path is None:
        return Materializer(load_config(lake / "climb.yaml"))
    settings = yaml.safe_load((lake / "climb.yaml").read_text()) | {"lake": str(lake / "data_lake")}
    for name, section in sections.items():
        settings[name] = settings.get(name, {}) | section
    path.write_text(yaml.safe_dump(settings))
    return Materializer(load_config(path))


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the exported folder that a test may damage."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


@pytest.fixture
def bare(lake: Path, tmp_path: Path) -> Path:
    """Return a taxonomy that was exported without its encoder."""
    Taxonomy.of_lake(open_lake(lake)).export(tmp_path / "bare")
    return tmp_path / "bare"


def test_the_export_says_what_it_is(lake: Path, exported: Path, encoder_folder: Path) -> None:
    climb = open_lake(lake)
    record = json.loads((exported / "taxonomy.json").read_text())
    domains = climb.get("domains")
    assert record["format"] == 1 and record["generation"] == 1 and "cells" not in record
    assert record["versions"] == {
        name: climb.get(name).data_version for name in ("cluster_model", "domains", "domain_supply")
    }
    encoder = record["encoder"]
    assert (encoder["model"], encoder["at_hub"], encoder["commit"]) == (encoder_folder.name, False, None)
    assert encoder["sha256"] == climb.get("embeddings", "first.jsonl").manifest["inputs"]["file:encoder"]
    assert (encoder["max_tokens"], encoder["dimension"], encoder["prompt"]) == (32, 32, "")
    assert len(record["clusters"]["domain_of"]) == record["clusters"]["number"] == 8
    assert sum(number is None for number in record["clusters"]["domain_of"]) == domains.summary["clusters_pruned"] == 3
    assert {reason for reason in record["clusters"]["pruned_by"] if reason} == {"educational_value"}
    assert [domain["domain"] for domain in record["domains"]] == [0, 1, 2]
    assert sum(domain["tokens"] for domain in record["domains"]) == climb.get("domain_supply").summary["tokens"]
    centroids = load_file(exported / "centroids.safetensors")
    np.testing.assert_array_equal(centroids["clusters"], np.load(climb.get("cluster_model").file("centroids.npy")))
    np.testing.assert_array_equal(centroids["domains"], np.load(domains.file("centroids.npy")))
    assert str(lake) not in (exported / "taxonomy.json").read_text()
    assert not any(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in exported.iterdir())


def test_texts_are_labelled_alike_with_and_without_the_lake(lake: Path, exported: Path) -> None:
    of_lake = Taxonomy.of_lake(open_lake(lake)).classify(TEXTS)
    assert of_lake.schema == LABELS
    assert Taxonomy.load(exported).classify(TEXTS).equals(of_lake)
    assert of_lake["id"].to_pylist()[1] == document_id("proof theorem\nlemma axiom")
    assert Taxonomy.load(str(exported)).classify([]).num_rows == 0


def test_an_exported_taxonomy_says_what_computed_vectors_unless_it_is_torch(exported: Path, tmp_path: Path) -> None:
    taxonomy = Taxonomy.load(exported)
    assert taxonomy.encoder.backend == "torch"
    assert "backend" not in json.loads((exported / "taxonomy.json").read_text())["encoder"]
    encoder = taxonomy.facts.encoder.model_copy(update={"backend": "static"})
    replace(taxonomy, facts=taxonomy.facts.model_copy(update={"encoder": encoder})).export(tmp_path / "static")
    assert Taxonomy.load(tmp_path / "static", encoder=exported / "encoder").encoder.backend == "static"


def test_an_exported_taxonomy_can_be_exported_again(exported: Path, tmp_path: Path) -> None:
    Taxonomy.load(exported).export(tmp_path / "again", with_encoder=True)
    for name in ("taxonomy.json", "centroids.safetensors", "encoder/model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()


def test_an_export_takes_the_place_of_nothing(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(ArgumentError, match="not an empty folder; name another"):
        Taxonomy.of_lake(open_lake(lake)).export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_export_is_whole_or_not_there(exported: Path, tmp_path: Path) -> None:
    taxonomy = Taxonomy.load(exported)
    encoder = Path(shutil.copytree(exported / "encoder", tmp_path / "encoder"))
    (encoder / "config.json").write_text("{}")
    with pytest.raises(ComputeError, match="changed while it was being copied"):
        write_taxonomy(taxonomy.facts, {"clusters": taxonomy.centroids}, tmp_path / "out", encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_without_its_encoder_it_asks_for_the_folder(bare: Path, exported: Path) -> None:
    with pytest.raises(ArgumentError, match="without its encoder, model; name the encoder's folder with --encoder"):
        Taxonomy.load(bare)
    given = Taxonomy.load(bare, exported / "encoder")
    assert given.classify(TEXTS).equals(Taxonomy.load(exported).classify(TEXTS))
    with pytest.raises(ArgumentError, match="there is no folder"):
        Taxonomy.load(bare, bare / "nowhere")


def test_another_encoder_is_refused(copy: Path) -> None:
    weights = copy / "encoder" / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: tensor + np.float32(1e-3) for name, tensor in tensors.items()}, weights, {"format": "pt"})
    for given in (None, copy / "encoder"):
        with pytest.raises(ArgumentError, match=r"is another encoder than model, .*name that one with --encoder"):
            Taxonomy.load(copy, given)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object], *, seal: bool) -> None:
    """Change what a taxonomy.json says; `seal`: with a checksum that fits."""
    record = json.loads((folder / "taxonomy.json").read_text())
    change(record)
    if seal:
        del record["checksum"]
        record["checksum"] = checksum_of(record)
    (folder / "taxonomy.json").write_text(json.dumps(record))


def test_an_unknown_format_is_refused(copy: Path) -> None:
    rewrite(copy, lambda record: record.update(format=3), seal=True)
    with pytest.raises(ArgumentError, match="has format 3, and this climb knows 1 and 2; use a newer climb"):
        Taxonomy.load(copy)


@pytest.mark.parametrize(
    ("change", "seal", "message"),
    [
        (lambda record: record["domains"][0].update(name="mine"), False, "was edited or is damaged"),
        (lambda record: record.pop("checksum"), False, "is no taxonomy, or damaged"),
        (lambda record: record["clusters"]["domain_of"].__setitem__(0, 7), True, "is no whole taxonomy"),
        (lambda record: record["clusters"]["domain_of"].pop(), True, "is no whole taxonomy"),
        (lambda record: record["encoder"].update(extra=1), True, "is no whole taxonomy"),
        (lambda record: record["encoder"].update(max_tokens=-1), True, "is no whole taxonomy"),
        (lambda record: record["encoder"].update(dimension=31), True, "damaged or gone"),
        (lambda record: record["documents"].update(part_documents=0), True, "is no whole taxonomy"),
        (lambda record: record.update(format=2), True, "is no whole taxonomy"),  # which is one with cells
    ],
)
def test_facts_that_are_not_as_they_were_are_refused(
    copy: Path, change: Callable[[dict[str, Any]], object], seal: bool, message: str
) -> None:
    rewrite(copy, change, seal=seal)
    with pytest.raises(CorruptArtifact, match=message):
        Taxonomy.load(copy)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-4])])
def test_damaged_centroids_are_refused(copy: Path, damage: Callable[[Path], object]) -> None:
    damage(copy / "centroids.safetensors")
    with pytest.raises(CorruptArtifact, match=r"centroids\.safetensors is damaged or gone"):
        Taxonomy.load(copy)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format": 1}', "[" * 100_000])
def test_what_is_no_taxonomy_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArgumentError, match=r"cannot be read .*name a folder of `climb export-taxonomy`"):
        Taxonomy.load(tmp_path)
    (tmp_path / "taxonomy.json").write_text(text)
    with pytest.raises(CorruptArtifact, match="is no taxonomy, or damaged"):
        Taxonomy.load(tmp_path)


def test_a_lake_whose_encoder_is_another_now_is_refused(lake: Path, exported: Path, tmp_path: Path) -> None:
    message = "names another encoder, or other encoder.max_tokens"
    other = Path(shutil.copytree(exported / "encoder", tmp_path / "other"))
    assert Taxonomy.of_lake(open_lake(lake, tmp_path / "moved.yaml", encoder={"model": str(other)}))
    with pytest.raises(ConfigError, match=message):
        Taxonomy.of_lake(open_lake(lake, tmp_path / "tokens.yaml", encoder={"max_tokens": 16}))
    (other / "vocab.txt").write_text("another")
    with pytest.raises(ConfigError, match=message):
        Taxonomy.of_lake(open_lake(lake, tmp_path / "other.yaml", encoder={"model": str(other)}))


def test_a_lake_without_domains_says_what_to_do(project: Path) -> None:
    with pytest.raises(MissingArtifact, match="run `climb up --to"):
        Taxonomy.of_lake(Materializer(load_config(project / "climb.yaml")))


def test_prompt_and_licence_of_an_encoder_are_taken_along(tmp_path: Path, encoder_folder: Path) -> None:
    folder = Path(shutil.copytree(encoder_folder, tmp_path / "encoder"))
    assert (prompt_of(folder), licence_of(tmp_path)) == ("", None)
    described = {"prompts": {"passage": "passage: "}, "default_prompt_name": "passage"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(described))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert (prompt_of(folder), licence_of(folder)) == ("passage: ", "apache-2.0")
    (folder / "README.md").write_text("---\nlicense: [\n---\n")
    assert licence_of(folder) is None


class TestHub:
    """With an encoder that is a model of a hub, in the cache of one."""

    @pytest.fixture
    def taxonomy(self, lake: Path, encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taxonomy:
        cached = tmp_path / "cache" / "models--owner--encoder"
        shutil.copytree(encoder_folder, cached / "snapshots" / COMMIT)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text(COMMIT)
        monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "cache"))
        of_folder = Taxonomy.of_lake(open_lake(lake))
        named = {"model": "owner/encoder", "at_hub": True, "commit": COMMIT, "sha256": None}
        encoder = of_folder.facts.encoder.model_copy(update=named)
        facts = of_folder.facts.model_copy(update={"encoder": encoder})
        settings = of_folder.encoder.model_copy(update={"model": "owner/encoder", "revision": COMMIT})
        return Taxonomy(
            facts, of_folder.centroids, of_folder.domain_centroids, settings, of_folder.corpus, of_folder.runtime
        )

    def test_it_is_loaded_by_its_commit(self, taxonomy: Taxonomy, exported: Path, tmp_path: Path) -> None:
        taxonomy.export(tmp_path / "named")
        found = Taxonomy.load(tmp_path / "named")
        assert (found.encoder.model, found.encoder.revision) == ("owner/encoder", COMMIT)
        with pytest.raises(ArgumentError, match="no folder can be checked against owner/encoder"):
            Taxonomy.load(tmp_path / "named", exported / "encoder")

    def test_a_copy_of_it_needs_no_hub(
        self, taxonomy: Taxonomy, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taxonomy.export(tmp_path / "whole", with_encoder=True)
        shutil.rmtree(tmp_path / "cache")
        found = Taxonomy.load(tmp_path / "whole")
        assert found.classify(TEXTS).equals(Taxonomy.load(exported).classify(TEXTS))
        with pytest.raises(ArgumentError, match="owner/encoder is not on this machine"):
            taxonomy.export(tmp_path / "other", with_encoder=True)

    def test_one_that_cannot_be_named_is_not_exported(self, taxonomy: Taxonomy, tmp_path: Path) -> None:
        encoder = taxonomy.facts.encoder.model_copy(update={"commit": None})
        object.__setattr__(taxonomy, "facts", taxonomy.facts.model_copy(update={"encoder": encoder}))
        with pytest.raises(ConfigError, match=r"set encoder\.revision to a commit"):
            taxonomy.export(tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["cache"]
