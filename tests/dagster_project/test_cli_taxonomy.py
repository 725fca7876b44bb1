"""`climb export-taxonomy` and `climb classify`: what is printed, what is written, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import read_table
from dagster_project.cli import main
from tests.conftest import write_source
from tests.dagster_project.test_cli import change_setting, climb, refused


@pytest.fixture(scope="module")
def taxonomy(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what was exported from the finished project."""
    folder = tmp_path_factory.mktemp("exported") / "taxonomy"
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("CLIMB_CONFIG", "")  # which the command sets
        result = climb(finished_once, "export-taxonomy", str(folder), "--with-encoder")
    assert (result.exit_code, result.stdout) == (0, f"{folder}\n3 domains of 6 clusters, generation 1.\n")
    return folder


def without_lake(tmp_path: Path, *arguments: str) -> Result:
    """Run a command where there is no configuration."""
    return CliRunner().invoke(main, ["--config", str(tmp_path / "nowhere.yaml"), *arguments])


def test_raw_files_have_the_clusters_of_the_lake(finished_once: Path, taxonomy: Path, tmp_path: Path) -> None:
    raw = finished_once / "data_lake" / "raw"
    files = [str(raw / f"{source}.jsonl") for source in ("first", "second", "third")]
    assert climb(finished_once, "classify", *files, "--out", str(tmp_path / "lake.parquet")).exit_code == 0
    result = without_lake(
        tmp_path, "classify", *files, "--taxonomy", str(taxonomy), "--out", str(tmp_path / "folder.parquet")
    )
    assert result.exit_code == 0, result.output
    labels = read_table(tmp_path / "lake.parquet")
    assert labels.equals(read_table(tmp_path / "folder.parquet"))
    materializer = Materializer(load_config(finished_once / "climb.yaml"))
    for file in files:
        assigned = read_table(
            materializer.get("cluster_assignments", Path(file).name).file("assignments.parquet")
        ).to_pylist()
        found = {row["id"]: row["cluster"] for row in labels.to_pylist() if row["file"] == file}
        assert found == {row["id"]: row["cluster"] for row in assigned}


def test_the_table_has_every_domain_and_what_was_not_read(finished_once: Path, tmp_path: Path) -> None:
    write_source(tmp_path / "new.jsonl", "first", documents=30, seed=5)
    with (tmp_path / "new.jsonl").open("a") as stream:
        stream.write("{broken\n")
    (tmp_path / "letter.doc").write_text("a letter")
    files = [str(tmp_path / "new.jsonl"), str(tmp_path / "letter.doc")]
    text = climb(finished_once, "classify", *files)
    assert text.exit_code == 0, text.output
    assert "30 records labelled." in text.stdout
    assert f"Not read: 1 of {files[0]}, bad_json." in text.stdout
    assert f"Not read: all that is left of {files[1]}, unknown_kind." in text.stdout
    told = json.loads(climb(finished_once, "classify", *files, "--json").stdout)
    assert told["labelled"] == 30 == sum(row["records"] for row in told["domains"] + told["pruned"])
    assert [row["domain"] for row in told["domains"]] == [0, 1, 2]
    assert all(row["name"] in text.stdout for row in told["domains"])
    assert told["taxonomy"]["generation"] == 1


def test_the_text_may_stand_under_another_key(finished_once: Path, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text(json.dumps({"body": "river lake"}) + "\n")
    result = climb(finished_once, "classify", str(tmp_path / "other.jsonl"), "--text-column", "body")
    assert "1 records labelled." in result.stdout and "Not read" not in result.stdout


def test_a_stale_taxonomy_is_taken_only_if_asked_for(finished_project: Path, tmp_path: Path) -> None:
    write_source(finished_project / "data_lake" / "raw" / "fourth.jsonl", "first", seed=9)
    kept = climb(finished_project, "export-taxonomy", str(tmp_path / "kept"))
    assert kept.exit_code == 0 and kept.stderr == ""  # the corpus has changed, and it is still the one to use
    change_setting(finished_project, clusters={"domains": 2})
    out, new = tmp_path / "stale", str(finished_project / "data_lake" / "raw" / "fourth.jsonl")
    refused(climb(finished_project, "export-taxonomy", str(out)), "domains is .*stale.* or give --stale")
    assert not out.exists()
    assert "domains is stale" in climb(finished_project, "classify", new).stderr
    taken = climb(finished_project, "export-taxonomy", str(out), "--stale")
    assert taken.exit_code == 0 and "domains is stale" in taken.stderr and (out / "taxonomy.json").is_file()


def test_what_would_be_overwritten_is_refused(finished_once: Path, taxonomy: Path, tmp_path: Path) -> None:
    raw = finished_once / "data_lake" / "raw"
    refused(climb(finished_once, "export-taxonomy", str(taxonomy)), "is not an empty folder; name another")
    result = climb(finished_once, "export-taxonomy", str(raw / "taxonomy"))
    assert result.exit_code == 2 and "would be read as a shard" in result.stderr
    new = tmp_path / "new.jsonl"
    write_source(new, "first", documents=2)
    for arguments, message in [
        (["--out", str(new)], "is one of the files to read"),
        (["--out", str(raw / "labels.parquet")], "would be read as a shard"),
        (["--out", str(tmp_path / "labels.csv")], "neither of .parquet and .jsonl"),
        (["--encoder", str(tmp_path)], "--encoder goes with --taxonomy"),
    ]:
        result = climb(finished_once, "classify", str(new), *arguments)
        assert result.exit_code == 2 and message in result.stderr, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.jsonl"]


def test_a_damaged_folder_is_one_sentence(taxonomy: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(taxonomy, tmp_path / "copy"))
    new = tmp_path / "new.jsonl"
    write_source(new, "first", documents=2)
    arguments = ["classify", str(new), "--taxonomy", str(copy)]
    (copy / "encoder" / "config.json").write_text("{}")
    refused(without_lake(tmp_path, *arguments), "is another encoder than")
    (copy / "centroids.safetensors").write_bytes(b"")
    refused(without_lake(tmp_path, *arguments), r"centroids\.safetensors is damaged or gone")
    (copy / "taxonomy.json").unlink()
    refused(without_lake(tmp_path, *arguments), "cannot be read")
