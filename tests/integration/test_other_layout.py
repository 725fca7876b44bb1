"""One project made twice, in another place, laid out and worked off in other ways: one fingerprint, the same bytes."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.errors import MissingArtifact
from climb_assets.graph.assets import SHARD_CHAIN, SPECS
from climb_assets.graph.catalog import BASE, as_rows, query_lake
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.partition_unit import make_partitions
from dagster_project.instance import open_instance
from dagster_project.update import bring_up_to_date
from tests.conftest import WORDS, write_project
from tests.integration.processes import contents

ODD = Path("source=second", "domain=7", "split=report_eval", "_id=3 {x}'\"é 日 %#~")  # a place of the other lake
PROXIES = {"proxy_models", "proxy_scores", "proxy_tasks"}


def write_raw(raw: Path) -> None:
    """Write shards whose documents are longer than the encoder looks, so that each is a batch of its own."""
    raw.mkdir()
    for source, words in WORDS.items():
        random = np.random.default_rng(sorted(WORDS).index(source))
        texts = [" ".join(random.choice(words, size=70)) + f" {number}." for number in range(80)]
        lines = [json.dumps({"text": text, "source": source}) for text in texts]
        (raw / f"{source}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def open_lake(folder: Path, encoder: Path, lake: Path, *, part_documents: int, workers: int) -> Materializer:
    """Return the materializer of a lake over the same raw folder."""
    settings = {
        "profile": "smoke",
        "lake": str(lake),
        "corpus": {"raw": "raw", "part_documents": part_documents},
        "encoder": {"model": str(encoder), "max_tokens": 64, "batch_tokens": 64},
        "search": {"iterations": [3, 1]},
        "objectives": {"general": {"first_text": 1, "second_text": 1}},
        "runtime": {"workers": workers},
    }
    path = folder / f"{workers}.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return Materializer(load_config(path))


def make_all(climb: Materializer, *, backwards: bool) -> None:
    """Make everything, whatever can be made first: what stands first in the graph, or what stands last in it."""
    order = -1 if backwards else 1
    climb.make("tokenizer")
    climb.make("quality_scorer")
    list(make_partitions(climb, SHARD_CHAIN, list(climb.listing().shards)[::order]))
    waiting = [(spec.asset, key) for spec in SPECS for key in climb.partitions(spec)][::order]
    while waiting:
        before = len(waiting)
        for node in list(waiting):
            try:
                climb.make(*node)
            except MissingArtifact:
                continue
            waiting.remove(node)
        assert len(waiting) < before, f"nothing of {waiting} can be made"


def bytes_of(climb: Materializer) -> dict[str, str]:
    """Return the hash of every file, by its path.

    Embeddings name the parts in their fingerprint and their manifest, and so does the audit bundle, which tells how
    each input was made.
    """
    found = {}
    for path, sha256 in contents(climb.store).items():
        asset, partition, _, *names = path.split("/")
        if asset == "embeddings" and names != ["manifest.json"]:
            found["/".join([asset, partition, *names])] = sha256
        elif asset not in ("embeddings", "audit_bundle"):
            found[path] = sha256
    return found


@pytest.mark.slow
def test_another_place_other_parts_workers_and_order_give_every_artefact_the_same_bytes(
    tmp_path: Path, encoder_folder: Path
) -> None:
    write_raw(tmp_path / "raw")
    usual = open_lake(tmp_path, encoder_folder, Path("usual"), part_documents=64, workers=1)
    make_all(usual, backwards=False)
    (tmp_path / ODD.parent / "_id=3 a").mkdir(parents=True)  # what a pattern would find
    other = open_lake(tmp_path, encoder_folder, ODD, part_documents=7, workers=2)
    make_all(other, backwards=True)
    first, second = bytes_of(usual), bytes_of(other)
    assert {path.split("/")[0] for path in first} == {spec.asset for spec in SPECS} - {"audit_bundle"} | PROXIES
    assert second == first
    for view in BASE.keys() - {"proxy_models"}:  # which tells the folders of the models
        query = f"FROM {view} ORDER BY ALL"
        assert as_rows(query_lake(usual.store, query)) == as_rows(query_lake(other.store, query)), view


@pytest.mark.slow
def test_dagsters_history_lies_in_any_place_too(tmp_path: Path, encoder_folder: Path) -> None:
    (tmp_path / ODD).mkdir(parents=True)
    project = write_project(tmp_path / ODD, encoder_folder)
    materializer = Materializer(load_config(project / "climb.yaml"))
    with open_instance(materializer.config.lake) as instance:
        assert bring_up_to_date(instance, materializer, "raw_shards", lambda line: None).made == len(WORDS)
    with open_instance(materializer.config.lake) as instance:
        assert set(instance.get_dynamic_partitions("shard")) == set(materializer.listing().shards)
        assert instance.get_runs_count() == 1
