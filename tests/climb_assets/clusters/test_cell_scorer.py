"""A taxonomy with cells: text has the cells of the lake's documents, wherever the scorer was taken along to."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from climb_assets.clusters import taxonomy as taxonomy_module
from climb_assets.clusters.cell_scorer import FILES
from climb_assets.clusters.classify import Account, classify_files
from climb_assets.clusters.taxonomy import LABELS, Taxonomy
from climb_assets.config_file import load_config
from climb_assets.errors import ArgumentError, ComputeError, ConfigError, CorruptArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import read_table
from tests.climb_assets.clusters.annotated import annotate, write_annotations
from tests.climb_assets.clusters.lakes import RAW, THRESHOLDS, part_lake
from tests.climb_assets.clusters.test_taxonomy import rewrite

pytestmark = pytest.mark.slow

TEXTS = ["river lake water fish boat", "proof theorem lemma axiom " * 20, "", "ein Brot und die Suppe der Frau " * 9]


def open_lake(folder: Path) -> Materializer:
    """Return the materializer of a lake."""
    return Materializer(load_config(folder / "climb.yaml"))


@pytest.fixture(scope="module", params=sorted(THRESHOLDS))
def parted(request: pytest.FixtureRequest, lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake whose clusters are parted by a scorer; every test has the same one."""
    if request.param == "fasttext":
        pytest.importorskip("fasttext", reason="fastText is not installed: pip install 'climb[fasttext]'")
    return part_lake(lake, tmp_path_factory.mktemp("parted") / request.param, request.param)


@pytest.fixture(scope="module")
def taken(parted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its exported taxonomy with the encoder; to be read only, too."""
    folder = tmp_path_factory.mktemp("taken") / "taxonomy"
    Taxonomy.of_lake(open_lake(parted)).export(folder, with_encoder=True)
    return folder


@pytest.fixture
def copy(taken: Path, tmp_path: Path) -> Path:
    """Return a copy of the exported folder that a test may damage."""
    return Path(shutil.copytree(taken, tmp_path / "copy"))


def label_raw(taxonomy: Taxonomy, parted: Path) -> list[dict[str, Any]]:
    """Return the labels of all records of the raw files."""
    files = [parted / "data_lake" / "raw" / name for name in RAW]
    return [row for batch in classify_files(taxonomy, files, Account()) for row in batch.to_pylist()]


def test_labels_are_the_cells_of_the_lake(parted: Path, taken: Path) -> None:
    climb = open_lake(parted)
    rows = label_raw(Taxonomy.of_lake(climb), parted)
    assert label_raw(Taxonomy.load(taken), parted) == rows
    clusters = read_table(climb.get("domains").file("clusters.parquet")).to_pylist()
    names = read_table(climb.get("domains").file("domains.parquet"))["name"].to_pylist()
    bands: set[int] = set()
    for shard in RAW:
        assigned = {
            row["id"]: (row["cluster"], row["distance"])
            for row in read_table(climb.get("cluster_assignments", shard).file("assignments.parquet")).to_pylist()
        }
        found = {row["id"]: (row["cluster"], row["distance"]) for row in rows if row["file"].endswith(f"/{shard}")}
        assert {name: found[name] for name in assigned} == assigned
        bands |= {cell % 3 for cell, _ in assigned.values()}
    assert len(bands) > 1  # else nothing was parted, and nothing shown
    for row in rows:
        assert (row["domain"], row["pruned_by"]) == tuple(
            clusters[row["cluster"]][key] for key in ("domain", "pruned_by")
        )
        assert row["name"] == (None if row["domain"] is None else names[row["domain"]])


def test_texts_are_labelled_alike_with_and_without_the_lake(parted: Path, taken: Path) -> None:
    of_lake = Taxonomy.of_lake(open_lake(parted)).classify(TEXTS)
    assert of_lake.schema == LABELS
    assert Taxonomy.load(taken).classify(TEXTS).equals(of_lake)


def test_the_export_says_what_it_is_and_can_be_exported_again(parted: Path, taken: Path, tmp_path: Path) -> None:
    record, scorer = json.loads((taken / "taxonomy.json").read_text()), parted.name
    assert record["format"] == 2  # which who knows no cells refuses
    cells = record["cells"]
    assert cells["by"] == {"dimension": "quality", "thresholds": THRESHOLDS[scorer]}
    assert cells["scorer"] == scorer and (cells["rules"] is None) == (scorer != "rules")
    assert record["clusters"]["number"] == 8 and len(record["clusters"]["domain_of"]) == 24
    assert sorted(path.name for path in taken.iterdir() if path.is_file()) == sorted(
        ["taxonomy.json", "centroids.safetensors", *FILES[scorer]]
    )
    Taxonomy.load(taken).export(tmp_path / "again", with_encoder=True)
    for name in ("taxonomy.json", "centroids.safetensors", *FILES[scorer]):
        assert (tmp_path / "again" / name).read_bytes() == (taken / name).read_bytes()


def spoil(path: Path) -> None:
    """Change the last byte of a file."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [spoil, Path.unlink])
def test_a_damaged_scorer_is_refused(copy: Path, taken: Path, parted: Path, damage: Callable[[Path], object]) -> None:
    for name in FILES[parted.name]:
        damage(copy / name)
        with pytest.raises(CorruptArtifact, match=rf"{name} is damaged or gone: .*copy it again"):
            Taxonomy.load(copy)
        shutil.copy(taken / name, copy / name)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("cells"),
        lambda record: record.update(format=1),
        lambda record: record["cells"]["by"].update(dimension="beauty"),
        lambda record: record["cells"]["by"].update(thresholds=[2]),
        lambda record: record["cells"].update(scorer="oracle"),
        lambda record: record["cells"]["files"].update(more="0" * 64),
        lambda record: record["clusters"].update(number=24),
    ],
)
def test_facts_of_cells_that_do_not_fit_are_refused(copy: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(copy, change, seal=True)
    with pytest.raises(CorruptArtifact, match="is no whole taxonomy"):
        Taxonomy.load(copy)


def test_rules_that_are_others_here_are_refused(taken: Path, parted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxonomy_module, "rules_version", lambda: "0" * 32)
    if parted.name == "rules":
        with pytest.raises(
            ArgumentError, match=r"whose rules of quality score otherwise .*; use that one, or export it"
        ):
            Taxonomy.load(taken)
    else:
        assert Taxonomy.load(taken).facts.cells is not None


def test_another_scorer_than_the_domains_were_made_with_is_refused(parted: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(parted, tmp_path / "other", symlinks=True))
    settings = yaml.safe_load((other / "climb.yaml").read_text())
    if parted.name == "rules":
        settings["quality"] = {"scorer": "probe", "annotations": "annotations.jsonl"}
    write_annotations(other / "annotations.jsonl", annotate(seed=1))
    (other / "climb.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError, match=r"another quality\.scorer, or other models or annotations, than the domains"):
        Taxonomy.of_lake(open_lake(other))


def test_a_scorer_that_changes_while_it_is_copied_is_not_taken(parted: Path, tmp_path: Path) -> None:
    taxonomy = Taxonomy.of_lake(open_lake(parted))
    if not taxonomy.scorer:
        return
    (tmp_path / "changed").write_bytes(b"another")
    object.__setattr__(taxonomy, "scorer", dict.fromkeys(taxonomy.scorer, tmp_path / "changed"))
    with pytest.raises(ComputeError, match="changed while it was being copied; export again"):
        taxonomy.export(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]
