"""Near-duplicates through the lake: renewed from the earlier artefact where that is sound, the same either way."""

import json
from pathlib import Path

import yaml

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SHARD_CHAIN
from climb_assets.graph.materializer import Made, Materializer
from tests.conftest import write_source


def write_copies(raw: Path, name: str, of: str) -> None:
    """Write a shard of near-duplicates of another one's first documents."""
    records = [json.loads(line) for line in (raw / of).read_text().splitlines()[:20]]
    lines = [json.dumps(record | {"text": f"{record['text']} and a word more"}) for record in records]
    (raw / name).write_text("\n".join(lines))


def find(project: Path, lake: str = "data_lake", **corpus: object) -> Made:
    """Make `near_duplicates` and what it needs in a lake of the project."""
    path = project / "climb.yaml"
    settings = yaml.safe_load(path.read_text())
    other = path.with_name(f"{lake}.yaml")
    of_corpus = {"raw": str(project / "data_lake" / "raw")} | settings.get("corpus", {}) | corpus
    other.write_text(yaml.safe_dump(settings | {"lake": lake, "corpus": of_corpus}))
    climb = Materializer(load_config(other))
    for shard in climb.listing().shards:
        for asset in ("raw_shards", "corpus_shards", "document_signatures"):
            climb.make(asset, shard)
    return climb.make("near_duplicates")


def test_shards_that_come_change_and_go_give_what_a_new_lake_would_give(project: Path) -> None:
    raw = project / "data_lake" / "raw"
    assert find(project).artifact.summary["pairs"] == 0
    write_copies(raw, "copies.jsonl", "first.jsonl")
    renewed = find(project)
    assert renewed.fresh and renewed.artifact.summary["pairs"] >= 20
    assert find(project, "other_lake").artifact.data_version == renewed.artifact.data_version

    write_source(raw / "first.jsonl", "first", documents=30, seed=5)
    (raw / "third.jsonl").unlink()
    assert find(project).artifact.summary["pairs"] == 0
    (raw / "copies.jsonl").unlink()
    assert find(project, "last_lake").artifact.data_version == find(project).artifact.data_version


def make_shards(project: Path, lake: str, *, backwards: bool, **corpus: object) -> dict[str, str]:
    """Make everything that is made of one shard in a lake of the project; return the data versions."""
    path = project / "climb.yaml"
    settings = yaml.safe_load(path.read_text())
    other = path.with_name(f"{lake}.yaml")
    of_corpus = {"raw": str(project / "data_lake" / "raw")} | settings.get("corpus", {}) | corpus
    other.write_text(yaml.safe_dump(settings | {"lake": lake, "corpus": of_corpus}))
    climb = Materializer(load_config(other))
    climb.make("tokenizer")
    climb.make("quality_scorer")
    shards = list(climb.listing().shards)
    made = {
        f"{asset}@{shard}": climb.make(asset, shard).artifact.data_version
        for shard in (shards[::-1] if backwards else shards)
        for asset in SHARD_CHAIN
        if asset != "embeddings"  # parts decide which documents share a batch, so they are in its fingerprint
    }
    made["near_duplicates"] = climb.make("near_duplicates").artifact.data_version
    return made


def test_what_is_made_of_a_shard_does_not_depend_on_parts_or_order(project: Path) -> None:
    raw = str(project / "data_lake" / "raw")
    first = make_shards(project, "data_lake", backwards=False, part_documents=16, raw=raw)
    for number, part in enumerate((8, 2048)):
        assert make_shards(project, f"lake_{number}", backwards=True, part_documents=part, raw=raw) == first


def test_another_threshold_and_a_damaged_artefact_start_afresh(project: Path) -> None:
    write_copies(project / "data_lake" / "raw", "copies.jsonl", "first.jsonl")
    first = find(project)
    strict = find(project, near_duplicates={"threshold": 1.0})
    assert strict.artifact.summary["pairs"] == 0 < first.artifact.summary["pairs"]
    again = find(project)
    assert again.artifact.data_version == first.artifact.data_version
    (again.artifact.path / "pairs.parquet").write_bytes(b"damaged")
    write_source(project / "data_lake" / "raw" / "third.jsonl", "third", documents=10, seed=9)
    assert find(project).artifact.summary == first.artifact.summary
